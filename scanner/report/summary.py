"""The numbers of the first screen, the matrix of the two locks, and the order of endpoints and findings."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from scanner.document.schema import Document, ExposureRow, FindingRow
from scanner.evaluate.counts import CHECKS, Counts, count, is_in_part, rank

STATUSES = CHECKS
"""fail, unknown, error, waived, pass and not-applicable."""
ROWS = ("anonymous", "shared", "identity", "app_open", "app_guarded", "unknown")
COLUMNS = ("internet", "azure", "wide", "selected", "private", "none", "unknown")
RATINGS = ("critical", "high", "unknown", "medium", "low", "info", "waived", "intended", "closed")
"""The order of endpoints: one that was not assessed ranks below a proven high and above a proven medium."""

_Row = TypeVar("_Row")
_ROW_QUERY = {
    "anonymous": "kind:data,admin auth:anonymous",
    "shared": "kind:data,admin auth:shared",
    "identity": "kind:data,admin auth:identity",
    "app_open": "kind:app auth:anonymous",
    "app_guarded": "kind:app auth:shared,identity",
    "unknown": "auth:unknown",
}
"""The filter of the page that selects the endpoints of a row of the matrix."""


def rating(exposure: ExposureRow) -> str:
    """Return the rating on the badge of an endpoint, one of RATINGS: of an open one its severity, else its state."""
    return exposure.severity or "closed" if exposure.state == "open" else exposure.state


def _order(exposure: ExposureRow) -> int:
    """Return the place of an endpoint in lists: one that may be high or critical is beside those not assessed."""
    place = RATINGS.index(rating(exposure))
    may_be_high = exposure.state == "open" and is_in_part(exposure) and rank(exposure.worst) <= rank("high")
    return min(place, RATINGS.index("unknown")) if may_be_high else place


def matrix_row(exposure: ExposureRow) -> str:
    """Return the row of the matrix that an endpoint belongs to, one of ROWS."""
    authentication = exposure.authentication
    if authentication not in ("anonymous", "shared", "identity"):
        return "unknown"
    if exposure.kind != "app":
        return authentication
    return "app_open" if authentication == "anonymous" else "app_guarded"


def matrix_column(exposure: ExposureRow) -> str:
    """Return the column of the matrix that an endpoint belongs to, one of COLUMNS."""
    return exposure.reach if exposure.reach in COLUMNS else "unknown"


@dataclass
class MatrixCell:
    """A cell of the matrix. `query` selects its endpoints, `rating` is that of the first one by RATINGS.

    `open`: those of its endpoints that are open; the headline counts them. `worse`: those that were assessed in part or
    not at all.
    """

    row: str
    column: str
    query: str
    count: int = 0
    open: int = 0
    worse: int = 0
    rating: str = "closed"

    def add(self, exposure: ExposureRow) -> None:
        """Count an endpoint."""
        self.count += 1
        self.open += exposure.state == "open"
        self.worse += exposure.state == "unknown" or is_in_part(exposure)
        if (rated := rating(exposure)) != self.rating:
            self.rating = min(self.rating, rated, key=RATINGS.index)


def matrix(exposures: Iterable[ExposureRow]) -> list[list[MatrixCell]]:
    """Return the cells by ROWS and COLUMNS. Each endpoint is counted in one cell."""
    cells = {
        (row, column): MatrixCell(row, column, f"{_ROW_QUERY[row]} reach:{column}")
        for row in ROWS
        for column in COLUMNS
    }
    for exposure in exposures:
        cells[matrix_row(exposure), matrix_column(exposure)].add(exposure)
    return [[cells[row, column] for column in COLUMNS] for row in ROWS]


@dataclass(frozen=True)
class ReportSummary:
    """The numbers of headline, lead, chips and navigation: `Counts`, and the numbers from the history (0 without)."""

    counts: Counts
    new_exposures: int
    new_findings: int
    complete: bool

    @property
    def all_reads(self) -> int:
        """The reads that were tried."""
        return self.counts.reads + self.counts.gaps


def summarize(document: Document) -> ReportSummary:
    """Return the numbers of a findings document."""
    with_history = document.changes is not None
    return ReportSummary(
        count(document),
        new_exposures=sum(bool(exposure.new) for exposure in document.exposures) if with_history else 0,
        new_findings=sum(bool(finding.new) for finding in document.findings) if with_history else 0,
        complete=document.scan.complete,
    )


class Ordered(Sequence[_Row]):
    """Rows in another order. Rows of a file stay in the file."""

    def __init__(self, rows: Sequence[_Row], key: Callable[[_Row], Any]) -> None:
        keys = [key(row) for row in rows]
        self._rows = rows
        self._order = array("i", sorted(range(len(keys)), key=keys.__getitem__))

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, at: int) -> _Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[_Row]: ...
    def __getitem__(self, at: int | slice) -> _Row | list[_Row]:
        if isinstance(at, slice):
            return [self._rows[each] for each in self._order[at]]
        return self._rows[self._order[at]]


def ordered_exposures(exposures: Sequence[ExposureRow]) -> Sequence[ExposureRow]:
    """Return endpoints by RATINGS, then by resource id, endpoint and address."""
    same = _Same()
    return Ordered(
        exposures, lambda each: (_order(each), same[each.resource.lower()], same[each.endpoint], each.address)
    )


def ordered_findings(findings: Sequence[FindingRow]) -> Sequence[FindingRow]:
    """Return findings by status, severity, rule, resource id and endpoints."""
    status, same = {name: at for at, name in enumerate(STATUSES)}, _Same()
    return Ordered(
        findings,
        lambda each: (
            status.get(each.status, 1),
            rank(each.severity),
            same[each.rule],
            same[each.resource.lower()],
            each.endpoints,
        ),
    )


class _Same(dict[str, str]):
    """Gives one text for equal texts, so that the keys of many rows need little memory."""

    def __missing__(self, text: str) -> str:
        self[text] = text
        return text
