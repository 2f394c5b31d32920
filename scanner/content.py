"""The folders of rules, templates and translations. They are read by path, never imported by their folders' names."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def content(name: str) -> Path:
    """Return the folder of this name: inside the package when installed, beside it in a working copy.

    A sibling counts only where `pyproject.toml` lies beside it too: site-packages may hold somebody else's `rules`.
    Raises FileNotFoundError, naming both places, where there is neither.
    """
    inside = PACKAGE / name
    if inside.is_dir():
        return inside
    beside = PACKAGE.parent / name
    if beside.is_dir() and (PACKAGE.parent / "pyproject.toml").is_file():
        return beside
    raise FileNotFoundError(f"Twolocks is not installed whole: {inside} is missing, and no working copy lies around it")
