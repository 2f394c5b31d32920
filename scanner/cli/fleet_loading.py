"""Loads `scanner.fleet`, which an installation may lack."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scanner.config.settings import Settings
from scanner.errors import InputError

if TYPE_CHECKING:
    from scanner.scan.job import PartedScan

_PACKAGE = "scanner.fleet"


@contextmanager
def fleet_required(at: str) -> Iterator[None]:
    """Raise InputError where a `with` block imports `scanner.fleet`, and it is not installed. `at`: what needs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if not f"{error.name}.".startswith(f"{_PACKAGE}."):
            raise
        raise InputError(
            f"this installation of Twolocks has no {_PACKAGE}, which scans in parts",
            at=at,
            do="pip install --force-reinstall 'twolocks[fleet]'",
        ) from None


def parted_scan(settings: Settings) -> "PartedScan | None":
    """Return the scan in parts that `--parts` asks for, None without it. Raises InputError where it cannot be."""
    named = next((name for name in ("parts", "broker") if settings[name]), "")
    if not named:
        return None
    with fleet_required(settings.at(named, settings[named])):
        from scanner.fleet.parted_scan import parted_run
    return parted_run(settings)
