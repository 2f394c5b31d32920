"""The version that is installed."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> str:
    """`0.1.0`; "0" in a folder that was never installed."""
    try:
        return installed("twolocks")
    except PackageNotFoundError:
        return "0"
