"""The numbers of the first screen, the matrix of the two locks, and the order of endpoints and findings."""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

from msgspec import Struct

from scanner.document.schema import Document, ExposureRow, FindingRow
from scanner.evaluate.counts import CHECKS, Counts, count, may_be_worse
from scanner.model.severity import severity_rank
from scanner.store.sorted_rows import SortedRows, sort_key

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
    position = RATINGS.index(rating(exposure))
    may_be_high = (
        exposure.state == "open" and may_be_worse(exposure) and severity_rank(exposure.worst) <= severity_rank("high")
    )
    return min(position, RATINGS.index("unknown")) if may_be_high else position


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


class MatrixCell(Struct):
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
        self.worse += exposure.state == "unknown" or may_be_worse(exposure)
        if (rated := rating(exposure)) != self.rating:
            self.rating = min(self.rating, rated, key=RATINGS.index)


class Matrix:
    """The cells by row and column. Each endpoint is counted in one cell."""

    def __init__(self) -> None:
        self._cells = {
            (row, column): MatrixCell(row, column, f"{_ROW_QUERY[row]} reach:{column}")
            for row in ROWS
            for column in COLUMNS
        }

    def add(self, exposure: ExposureRow) -> None:
        """Count an endpoint."""
        self._cells[matrix_row(exposure), matrix_column(exposure)].add(exposure)

    def rows(self) -> list[list[MatrixCell]]:
        """Return the cells by ROWS and COLUMNS."""
        return [[self._cells[row, column] for column in COLUMNS] for row in ROWS]


def matrix(exposures: Iterable[ExposureRow]) -> list[list[MatrixCell]]:
    """Return the cells by ROWS and COLUMNS."""
    result = Matrix()
    for exposure in exposures:
        result.add(exposure)
    return result.rows()


class ReportSummary(Struct, frozen=True):
    """The numbers of headline, lead, chips and navigation."""

    counts: Counts
    complete: bool

    @property
    def all_reads(self) -> int:
        """The reads that were tried."""
        return self.counts.reads + self.counts.gaps


def summarize(
    document: Document,
    of_exposures: Collection[Callable[[ExposureRow], object]] = (),
    of_findings: Collection[Callable[[FindingRow], object]] = (),
) -> ReportSummary:
    """Return the numbers of a findings document.

    `of_exposures`, `of_findings`: called with each row on the way, so that other numbers need no pass of their own.
    """
    counts = count(document, _passing(document.exposures, of_exposures), _passing(document.findings, of_findings))
    return ReportSummary(counts, complete=document.scan.complete)


def _passing(rows: Iterable[_Row], notes: Collection[Callable[[_Row], object]]) -> Iterator[_Row]:
    for row in rows:
        for note in notes:
            note(row)
        yield row


class SortKeys(Generic[_Row]):
    """The sort keys of rows, noted while something else goes through them. Those of many rows are in a file."""

    def __init__(self, key: Callable[[_Row], bytes]) -> None:
        self._key = key
        self._keys = SortedRows()

    def add(self, row: _Row) -> None:
        """Note the key of the next row."""
        self._keys.add(self._key(row))

    def order(self, rows: Sequence[_Row]) -> "Ordered[_Row]":
        """Return the rows, all of which were noted, by their keys. The keys are forgotten."""
        keys, self._keys = self._keys, SortedRows()
        return Ordered(rows, array("i", keys.order()))


class Ordered(Sequence[_Row]):
    """Rows in another order. Rows of a file stay in the file."""

    def __init__(self, rows: Sequence[_Row], order: "array[int]") -> None:
        self._rows = rows
        self._order = order

    def of(self, rows: Sequence[_Row]) -> "Ordered[_Row]":
        """Return the same places of other rows."""
        return Ordered(rows, self._order)

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

    def __iter__(self) -> Iterator[_Row]:
        return map(self._rows.__getitem__, self._order)


def exposure_keys() -> SortKeys[ExposureRow]:
    """Return the keys that order endpoints by RATINGS, then by resource id, endpoint and address."""
    return SortKeys(
        lambda each: bytes((_order(each),)) + sort_key(each.resource.lower(), each.endpoint, each.address),
    )


def finding_keys() -> SortKeys[FindingRow]:
    """Return the keys that order findings by status, severity, rule, resource id and endpoints."""
    status = {name: at for at, name in enumerate(STATUSES)}
    return SortKeys(
        lambda each: (
            bytes((status.get(each.status, 1), severity_rank(each.severity)))
            + sort_key(each.rule, each.resource.lower())
            # What begins a further endpoint is greater than the end of the list.
            + b"".join([b"\1" + sort_key(endpoint) for endpoint in each.endpoints])
            + b"\0"
        )
    )


def ordered_exposures(exposures: Sequence[ExposureRow]) -> Sequence[ExposureRow]:
    """Return endpoints in the order of `exposure_keys`."""
    return _ordered(exposures, exposure_keys())


def ordered_findings(findings: Sequence[FindingRow]) -> Sequence[FindingRow]:
    """Return findings in the order of `finding_keys`."""
    return _ordered(findings, finding_keys())


def _ordered(rows: Sequence[_Row], keys: SortKeys[_Row]) -> Sequence[_Row]:
    for row in rows:
        keys.add(row)
    return keys.order(rows)
