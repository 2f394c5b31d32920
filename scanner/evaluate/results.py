"""What an evaluation comes to: the rows of one bundle, and the result of the whole scan."""

from collections import Counter

import msgspec
from msgspec import Struct, field

from scanner.document.schema import DataPlaceRow, ExposureRow, FindingRow, FixRow, GapRow, ScopeRow
from scanner.document.scopes import ExcludedRow, LimitRow
from scanner.evaluate.counts import Counts
from scanner.evaluate.keys import StoreKey
from scanner.evaluate.shared import SharedCauses
from scanner.model.fix import Fix
from scanner.model.resource import Resource


class Crash(Struct, frozen=True):
    """A rule that raised an exception on a resource. `line`: the line of its file, 0 where no frame is of that file."""

    rule: str
    resource: str
    message: str
    line: int


class BundleResult(Struct):
    """The rows of one bundle, or of one subscription, before they are written. `key`: its place in the document."""

    key: str
    exposures: list[ExposureRow] = field(default_factory=list)
    findings: list[FindingRow] = field(default_factory=list)
    places: list[DataPlaceRow] = field(default_factory=list)
    keys: list[StoreKey] = field(default_factory=list)
    passed: dict[str, list[str]] = field(default_factory=dict)
    """The ids of the rules that passed, by resource id."""
    not_applicable: dict[str, dict[str, str]] = field(default_factory=dict)
    """Why rules do not apply, by resource id and rule id."""
    fixes: dict[str, Fix] = field(default_factory=dict)
    """What each fix changes, by the fingerprint of its finding."""
    fixed_by: dict[str, str] = field(default_factory=dict)
    """The finding whose fix an endpoint has, both by their fingerprints."""
    carried: list[tuple[str, str]] = field(default_factory=list)
    """Resource ids, each with the id of a rule whose verdicts on it, or below it, need a read of an earlier scan."""
    resources: dict[str, Resource] = field(default_factory=dict)
    """The resources that the document describes, by id."""

    def mark(self, shared: SharedCauses) -> None:
        """Mark the fixes that may close endpoints of other resources."""
        marked: dict[str, FixRow] = {}
        for position, row in enumerate(self.findings):
            fix = self.fixes.get(row.fingerprint)
            if row.fix is not None and fix is not None and fix.closes:
                shown = shared.marked(row.fix, fix, row.resource)
                if shown is not row.fix:
                    marked[row.fingerprint] = shown
                    self.findings[position] = msgspec.structs.replace(row, fix=shown)
        for position, exposure in enumerate(self.exposures if marked else ()):
            fix_of_finding = marked.get(self.fixed_by.get(exposure.fingerprint, ""))
            if fix_of_finding is not None:
                self.exposures[position] = msgspec.structs.replace(exposure, fix=fix_of_finding.without_undo)

    def describe(self, *resources: Resource) -> None:
        """Add resources to those that the document describes."""
        known = self.resources
        for each in resources:
            if each.id not in known:
                known[each.id] = each


class EvaluationResult(Struct):
    """The result of a whole evaluation.

    `accepted_by_rule`: of the accepted inconclusive checks, those that a waiver file accepts by their rule. `tenants`:
    the names of several tenants, by id.
    """

    counts: Counts = field(default_factory=Counts)
    gaps: list[GapRow] = field(default_factory=list)
    scopes: list[ScopeRow] = field(default_factory=list)
    crashes: list[Crash] = field(default_factory=list)
    accepted_by_rule: int = 0
    complete: bool = True
    excluded: list[ExcludedRow] = field(default_factory=list)
    limited: LimitRow | None = None
    tenants: dict[str, str] = field(default_factory=dict)
    by_type: Counter[str] = field(default_factory=Counter)
    """The resources of each type in lower case, those below others too."""
