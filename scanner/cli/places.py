"""`twolocks show places`: where the data of a scan's resources may be, by configuration."""

from pathlib import Path

from scanner.cli.show import show
from scanner.config.settings import Settings
from scanner.config.waiver_proposal import read_findings
from scanner.document.schema import DataPlaceRow
from scanner.model.ids import name_of, root_of
from scanner.report.views.places import VERDICT_NAMES, ordered, sentence, where

HEADS = ("verdict", "place", "resource", "what", "evidence")


def run(settings: Settings, file: str) -> int:
    """Print the places of a findings file, and return the exit code. Raises InputError."""
    document = read_findings(Path(file), file)
    rows = [row for row in ordered(document.places) if not settings["leaving"] or row.verdict != "stays"]
    return show(document, rows, _cells, HEADS, sentence(document), settings, name=2)


def _cells(row: DataPlaceRow) -> tuple[str, ...]:
    verdict = "accepted" if row.waiver is not None else VERDICT_NAMES[row.verdict]
    return verdict, where(row), _name(row.resource), row.what, row.why or f"{row.path}: {row.value}"


def _name(resource: str) -> str:
    """Return the name of a resource, with that of the one that it belongs to."""
    root = root_of(resource)
    return name_of(resource) if root in ("", resource.lower()) else f"{name_of(root)}/{name_of(resource)}"
