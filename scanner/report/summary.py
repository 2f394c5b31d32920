"""What the first screen says: counts, the matrix of the two locks, and the order of the doors."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Item = Mapping[str, Any]

SEVERITIES = ("critical", "high", "medium", "low", "info")
STATUSES = ("fail", "unknown", "error", "waived", "pass", "not-applicable")
ROWS = ("anonymous", "shared", "identity", "app_open", "app_guarded", "unknown")
COLUMNS = ("internet", "azure", "wide", "selected", "private", "none", "unknown")
STANDINGS = ("critical", "high", "unknown", "medium", "low", "info", "waived", "intended", "closed")
"""How doors are ordered: an unread door ranks below a proven one and above a moderate one."""

_COLOURS = (*SEVERITIES, "waived", "intended", "closed")
_ROW_QUERY = {
    "anonymous": "kind:data,admin auth:anonymous",
    "shared": "kind:data,admin auth:shared",
    "identity": "kind:data,admin auth:identity",
    "app_open": "kind:app auth:anonymous",
    "app_guarded": "kind:app auth:shared,identity",
    "unknown": "auth:unknown",
}


def rank(severity: str | None) -> int:
    """0 for critical; None ranks behind info."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def worse(exposure: Item) -> bool:
    """Whether what was not read could make this endpoint worse than what is proven."""
    return rank(exposure.get("worst")) < rank(exposure.get("severity"))


def unread(exposure: Item) -> bool:
    """Whether a half of the endpoint is not known at all, and that matters."""
    blind = "unknown" in (exposure.get("reach"), exposure.get("authentication"))
    return blind and (exposure.get("state") == "open" or exposure.get("worst") is not None)


def known(exposure: Item) -> str:
    """Severity or state of what is proven: one of `critical` ... `info`, `waived`, `intended`, `closed`."""
    state = exposure.get("state")
    if state in ("waived", "intended"):
        return str(state)
    return exposure.get("severity") or "closed"


def standing(exposure: Item) -> str:
    """The badge of a door and its place in the order, one of STANDINGS."""
    proven = known(exposure)
    if proven in ("critical", "high", "waived", "intended"):
        return proven
    severe = worse(exposure) and rank(exposure.get("worst")) <= rank("high")
    return "unknown" if severe or unread(exposure) else proven


def row(exposure: Item) -> str:
    """The row of the matrix that the endpoint stands in, one of ROWS."""
    asks = str(exposure.get("authentication"))
    if asks not in ("anonymous", "shared", "identity"):
        return "unknown"
    if exposure.get("kind") != "app":
        return asks
    return "app_open" if asks == "anonymous" else "app_guarded"


def column(exposure: Item) -> str:
    """The column of the matrix that the endpoint stands in, one of COLUMNS."""
    reach = str(exposure.get("reach"))
    return reach if reach in COLUMNS else "unknown"


@dataclass
class Cell:
    """One cell of the matrix: `colour` and word are those of its worst endpoint."""

    row: str
    column: str
    query: str
    count: int = 0
    worse: int = 0
    colour: str = "closed"
    blind: bool = False

    def add(self, exposure: Item) -> None:
        self.count += 1
        self.worse += worse(exposure)
        self.blind = self.blind or unread(exposure)
        self.colour = min(self.colour, known(exposure), key=_COLOURS.index)

    @property
    def look(self) -> str:
        return "unknown" if self.blind else self.colour


def matrix(exposures: Iterable[Item]) -> list[list[Cell]]:
    """Rows of cells; every endpoint is counted in exactly one."""
    cells = {(r, c): Cell(r, c, f"{_ROW_QUERY[r]} reach:{c}") for r in ROWS for c in COLUMNS}
    for exposure in exposures:
        cells[row(exposure), column(exposure)].add(exposure)
    return [[cells[r, c] for c in COLUMNS] for r in ROWS]


@dataclass
class Summary:
    """The counts that headline, lead, chips and navigation are made of."""

    open: int = 0
    shared: int = 0
    unread: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    new: int = 0
    new_doors: int = 0
    reads_done: int = 0
    reads_failed: int = 0
    complete: bool = True

    @property
    def findings(self) -> int:
        return self.statuses.total()

    @property
    def reads_all(self) -> int:
        return self.reads_done + self.reads_failed

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, so that zero may look clean."""
        return self.complete and not (self.reads_failed or self.unread or self.statuses["unknown"])


def summarise(document: Item) -> Summary:
    """The counts of a findings document."""
    summary = Summary()
    for exposure in document.get("exposures", ()):
        is_open = exposure.get("state") == "open"
        summary.open += is_open and exposure.get("severity") == "critical"
        summary.shared += is_open and row(exposure) == "shared" and column(exposure) in ("internet", "azure", "wide")
        missing = unread(exposure) or worse(exposure)
        summary.unread += missing and rank(exposure.get("worst")) <= rank("high")
        summary.new_doors += bool(exposure.get("new"))
    summary.statuses = Counter(finding["status"] for finding in document.get("findings", ()))
    summary.new = sum(bool(finding.get("new")) for finding in document.get("findings", ()))
    summary.statuses["pass"] += sum(len(rules) for rules in document.get("passed", {}).values())
    summary.statuses["not-applicable"] += sum(len(rules) for rules in document.get("not_applicable", {}).values())
    scan = document.get("scan", {})
    reads = scan.get("reads", 0)
    summary.reads_done = reads if isinstance(reads, int) else len(reads)
    summary.reads_failed = len(document.get("gaps", ()))
    summary.complete = scan.get("complete", True) is not False
    return summary


def ordered_doors(exposures: Iterable[Item]) -> list[Item]:
    """Worst first: critical, high, not read, medium, low, closed; then by id and endpoint."""
    return sorted(
        exposures,
        key=lambda e: (
            STANDINGS.index(standing(e)),
            str(e["resource"]).lower(),
            str(e["endpoint"]),
            e.get("address") or "",
        ),
    )


def ordered_findings(findings: Iterable[Item]) -> list[Item]:
    """By status, severity, rule, resource, endpoint."""
    status = {name: at for at, name in enumerate(STATUSES)}
    return sorted(
        findings,
        key=lambda f: (
            status.get(f["status"], 1),
            rank(f.get("severity")),
            f["rule"],
            f["resource"].lower(),
            list(f.get("endpoints") or ()),
        ),
    )
