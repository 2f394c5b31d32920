"""The numbers of the first screen, the matrix of the two locks, and the order of endpoints and findings."""

from collections.abc import Iterable
from dataclasses import dataclass

from scanner.document.schema import Document, ExposureRow, FindingRow
from scanner.evaluate.counts import Counts, count, rank
from scanner.model.verdict import SEVERITIES

STATUSES = ("fail", "unknown", "error", "waived", "pass", "not-applicable")
ROWS = ("anonymous", "shared", "identity", "app_open", "app_guarded", "unknown")
COLUMNS = ("internet", "azure", "wide", "selected", "private", "none", "unknown")
RATINGS = ("critical", "high", "unknown", "medium", "low", "info", "waived", "intended", "closed")
"""The order of endpoints: one that was not assessed ranks below a proven high and above a proven medium."""

_PROVEN_RATINGS = (*SEVERITIES, "waived", "intended", "closed")
_ROW_QUERY = {
    "anonymous": "kind:data,admin auth:anonymous",
    "shared": "kind:data,admin auth:shared",
    "identity": "kind:data,admin auth:identity",
    "app_open": "kind:app auth:anonymous",
    "app_guarded": "kind:app auth:shared,identity",
    "unknown": "auth:unknown",
}
"""The filter of the page that selects the endpoints of a row of the matrix."""


def may_be_worse(exposure: ExposureRow) -> bool:
    """Return whether unread parts could raise the rating of an endpoint above the proven one."""
    return rank(exposure.worst) < rank(exposure.severity)


def has_unknown_lock(exposure: ExposureRow) -> bool:
    """Return whether one lock of an endpoint is unknown, and the endpoint could be open."""
    unknown = "unknown" in (exposure.reach, exposure.authentication)
    return unknown and (exposure.state == "open" or exposure.worst is not None)


def proven_rating(exposure: ExposureRow) -> str:
    """Return the proven severity or state: `critical` to `info`, `waived`, `intended` or `closed`."""
    if exposure.state in ("waived", "intended"):
        return exposure.state
    return exposure.severity or "closed"


def rating(exposure: ExposureRow) -> str:
    """Return the rating on the badge of an endpoint, one of RATINGS."""
    proven = proven_rating(exposure)
    if proven in ("critical", "high", "waived", "intended"):
        return proven
    may_be_high = may_be_worse(exposure) and rank(exposure.worst) <= rank("high")
    return "unknown" if may_be_high or has_unknown_lock(exposure) else proven


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
    """A cell of the matrix. `query` selects its endpoints, `proven` is the worst proven rating of them.

    `worse` counts the endpoints whose rating unread parts could raise.
    """

    row: str
    column: str
    query: str
    count: int = 0
    worse: int = 0
    proven: str = "closed"
    has_unknown_lock: bool = False

    def add(self, exposure: ExposureRow) -> None:
        """Count an endpoint."""
        self.count += 1
        self.worse += may_be_worse(exposure)
        self.has_unknown_lock = self.has_unknown_lock or has_unknown_lock(exposure)
        self.proven = min(self.proven, proven_rating(exposure), key=_PROVEN_RATINGS.index)

    @property
    def rating(self) -> str:
        """The rating of the cell, one of RATINGS."""
        return "unknown" if self.has_unknown_lock else self.proven


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
    """The numbers of headline, lead, chips and navigation: `Counts`, and the numbers from the history."""

    counts: Counts
    new_exposures: int
    new_findings: int
    complete: bool

    @property
    def all_reads(self) -> int:
        """The reads that were tried."""
        return self.counts.reads + self.counts.gaps

    @property
    def nothing_missing(self) -> bool:
        """Whether everything was read and assessed, so that zero endpoints may be shown as passed."""
        counts = self.counts
        return self.complete and not (counts.gaps or counts.not_assessed or counts.statuses["unknown"])


def summarize(document: Document) -> ReportSummary:
    """Return the numbers of a findings document."""
    return ReportSummary(
        count(document),
        new_exposures=sum(bool(exposure.new) for exposure in document.exposures),
        new_findings=sum(bool(finding.new) for finding in document.findings),
        complete=document.scan.complete,
    )


def ordered_exposures(exposures: Iterable[ExposureRow]) -> list[ExposureRow]:
    """Return endpoints by RATINGS, then by resource id, endpoint and address."""
    return sorted(
        exposures, key=lambda each: (RATINGS.index(rating(each)), each.resource.lower(), each.endpoint, each.address)
    )


def ordered_findings(findings: Iterable[FindingRow]) -> list[FindingRow]:
    """Return findings by status, severity, rule, resource id and endpoints."""
    status = {name: at for at, name in enumerate(STATUSES)}
    return sorted(
        findings,
        key=lambda each: (
            status.get(each.status, 1),
            rank(each.severity),
            each.rule,
            each.resource.lower(),
            each.endpoints,
        ),
    )
