"""The fix of a finding as the document has it: commands, fields, and which endpoints they close."""

from collections.abc import Sequence

from scanner.document.schema import FieldRow, FixRow, PlaceRow
from scanner.evaluate.bicep import Versions, bicep_of, versions_of
from scanner.evaluate.fix_commands import below, sample
from scanner.evaluate.joins import join_of
from scanner.evaluate.placeholders import filled
from scanner.evaluate.remedies import Removal, cause_remedy, closes, lock_removal, more_of, rule_remedy
from scanner.model.exposure import Exposure
from scanner.model.index import Index
from scanner.model.remedy import Edit, Remedy
from scanner.model.resource import Bundle, Resource
from scanner.model.rule import Rule
from scanner.model.verdict import Fail

MOST_OTHERS = 200
"""The number of other endpoints that a fix names at most; it counts all of them."""


def fix_row(
    rule: Rule,
    remedy: Remedy,
    subject: Resource,
    top: Resource,
    closes: Sequence[str] = (),
    leaves: Sequence[str] = (),
    also: Sequence[PlaceRow] = (),
    *,
    versions: Versions,
) -> FixRow:
    """Return a remedy as the document has it. `versions`: of the types, for Bicep."""
    first = rule.fix.check_first
    more = more_of(remedy.closes[0]) if remedy.closes else {}
    return FixRow(
        commands=list(remedy.commands),
        steps=list(remedy.steps),
        fields=[
            FieldRow(each.name, each.what, join_of(remedy.commands) if each.name == "YOUR_RANGE" else "")
            for each in remedy.fields
        ],
        check_first=remedy.check_first or filled(first, subject, top, **more),
        closes=list(closes),
        leaves=list(leaves),
        also_closes_count=len(also),
        also_closes=list(also[:MOST_OTHERS]),
        impact=rule.fix.impact,
        bicep=bicep_of(remedy, top, versions),
        tier=remedy.tier,
    )


def sample_bicep(rule: Rule) -> str:
    """Return the Bicep of a rule's own fix for a resource `sample` of which nothing is known; "" without one."""
    body = sample(rule.resource_type.type).body
    top = Resource(body, bundle=Bundle(str(body["id"])))
    subject = top if rule.subject is None else below(rule.subject, top)
    return bicep_of(rule_remedy(rule, subject, top), top, versions_of([rule.resource_type]))


class Fixes:
    """Makes the fixes of the lock rules of one resource. `exposures`: all of its endpoints."""

    def __init__(
        self,
        top: Resource,
        index: Index,
        exposures: Sequence[Exposure],
        rules: Sequence[Rule],
        versions: Versions,
    ) -> None:
        self._top = top
        self._index = index
        self._exposures = exposures
        self._rules = rules
        self._versions = versions
        self._cause_paths: set[str] | None = None
        self._open: list[Exposure] | None = None

    def row(self, rule: Rule, subject: Resource, failing: Sequence[Exposure]) -> tuple[FixRow, Remedy]:
        """Return the fix of a lock rule that fails on some endpoints, and what it changes."""
        removal = lock_removal(rule, failing, subject, self._top, self._index)
        closed = self._closed(removal)
        ids = {id(each) for each in failing}
        closes = sorted(each.endpoint for each in failing if id(each) in closed)
        leaves = sorted(each.endpoint for each in failing if id(each) not in closed)
        also = [
            PlaceRow((each.subject or self._top).id, each.endpoint)
            for each in self._exposures
            if id(each) in closed and id(each) not in ids
        ]
        row = fix_row(rule, removal.remedy, subject, self._top, closes, leaves, also, versions=self._versions)
        return row, removal.remedy

    def property_row(self, rule: Rule, verdict: Fail, subject: Resource) -> tuple[FixRow, Remedy]:
        """Return the fix of a property rule's failure, and what it changes."""
        top = self._top
        remedy = cause_remedy(rule, verdict.causes, subject, top) if verdict.causes else rule_remedy(rule, subject, top)
        if not remedy.closes and not any(
            each.path.lower() in self._paths() for each in remedy.changes if type(each) is Edit
        ):
            return fix_row(rule, remedy, subject, top, versions=self._versions), remedy
        closed = self._closed(Removal(top, self._index, {each.key() for each in remedy.closes}, remedy=remedy))
        also = [PlaceRow((each.subject or top).id, each.endpoint) for each in self._exposures if id(each) in closed]
        return fix_row(rule, remedy, subject, top, also=also, versions=self._versions), remedy

    def _paths(self) -> set[str]:
        """Return the paths (lower case) whose change may remove a grant of the endpoints."""
        if self._cause_paths is None:
            grants = {
                id(each): each for one in self._exposures for each in (*one.reach.grants, *one.authentication.grants)
            }
            causes = [
                cause for each in grants.values() for cause in (each.cause, each.switch, *(p[0] for p in each.parts))
            ]
            self._cause_paths = {each.path.lower() for each in causes if each is not None}
        return self._cause_paths

    def _closed(self, removal: Removal) -> set[int]:
        """Return the `id()` of the endpoints that are open now, and closed once the fix has run."""
        if not removal.remedy.changes:
            return set()
        if self._open is None:
            self._open = [each for each in self._exposures if each.severity is not None]
        return {id(each) for each in self._open if closes(each, removal, self._rules)}
