"""Twolocks: finds the Azure endpoints on which a lock is missing."""


def version() -> str:
    """Return the installed version, such as `0.1.0`; "0" in a folder that was never installed."""
    # Imported here, because each command imports this package and few need the version.
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("twolocks")
    except PackageNotFoundError:
        return "0"
