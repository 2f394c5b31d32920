"""The fix of a finding as the document has it: commands, fields, and which endpoints they close.

A rule's own fix closes what the rule and the endpoints say once its changes are in this resource's body: see `trials`.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from scanner.document.schema import EndpointRow, FixRow
from scanner.evaluate import locks
from scanner.evaluate.endpoints import locks_of
from scanner.evaluate.trials import applied, can_try
from scanner.fix.bicep import Versions, bicep_of, versions_of
from scanner.fix.causes import Removal, cause_fix, closes, lock_removal, rule_fix
from scanner.fix.rows import fix_row
from scanner.fix.sample_commands import below, sample
from scanner.model.exposure import EndpointId, Exposure, Lock
from scanner.model.fix import Cause, Edit, Fix
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import ResourceType
from scanner.model.rule import Rule
from scanner.model.rule_row import FunctionCheck, KeyCheck, PlaceCheck, ValueCheck
from scanner.model.severity import Severity
from scanner.model.verdict import Fail, Unread

NOT_ALONE: Final = Message(
    "This alone does not resolve the finding: something else in the evidence fails too. Correct it, then scan again."
)
"""The step beside commands that are right and do not suffice on a resource."""


def sample_bicep(rule: Rule) -> str:
    """Return the Bicep of a rule's own fix for a resource `sample` of which nothing is known; "" without one."""
    body = sample(rule.resource_type.type).body
    top = Resource(body, bundle=Bundle(str(body["id"])))
    subject = top if rule.subject is None else below(rule.subject, top)
    return bicep_of(rule_fix(rule, subject, top), top, versions_of([rule.resource_type]))


class Fixes:
    """Makes the fixes of the lock rules of one resource. `exposures`: all of its endpoints."""

    def __init__(
        self,
        top: Resource,
        index: Index,
        exposures: Sequence[Exposure],
        rules: Sequence[Rule],
        versions: Versions,
        kind: ResourceType | None = None,
    ) -> None:
        self._top = top
        self._kind = kind
        self._tenant = index.subscriptions.get(top.subscription, "")
        self._index = index
        self._exposures = exposures
        self._rules = rules
        self._versions = versions
        self._cause_paths: set[str] | None = None
        self._open: list[Exposure] | None = None
        self._after_changes: dict[str, list[Exposure] | None] = {}
        """The exposures after changes that were tried, as their text."""

    def row(self, rule: Rule, subject: Resource, failing: Sequence[Exposure]) -> tuple[FixRow, Fix]:
        """Return the fix of a lock rule that fails on some endpoints, and what it changes."""
        ids = {each.id for each in failing}
        removal = lock_removal(rule, failing, subject, self._top, self._index)
        closed = self._closed(removal)
        if not can_try(self._top, removal.fix.changes, self._index):
            closed = set()
        elif removal.templates:
            removal, closed = self._tried(rule, failing, subject, removal, closed)
        else:
            closed &= self._after(rule, failing, removal.fix) or set()
        closes = sorted(each.endpoint for each in failing if each.id in closed)
        leaves = sorted(each.endpoint for each in failing if each.id not in closed)
        also = [
            EndpointRow((each.subject or self._top).id, each.endpoint)
            for each in self._exposures
            if each.id in closed and each.id not in ids
        ]
        row = fix_row(
            rule, removal.fix, subject, self._top, closes, leaves, also, versions=self._versions, index=self._index
        )
        return replace(row, after=self._left_open(removal.fix, failing, closed)), removal.fix

    def _left_open(self, fix: Fix, failing: Sequence[Exposure], closed: set[EndpointId]) -> dict[str, str]:
        """Return the severities of the endpoints that a fix leaves open, by endpoint; {} without a trial."""
        if not can_try(self._top, fix.changes, self._index):
            return {}
        left = {each.id: each.severity for each in self._exposures_after(fix) or () if each.severity is not None}
        result: dict[str, Severity] = {}
        for each in failing:
            severity = left.get(each.id) if each.id not in closed else None
            if severity is not None:  # of one name on several addresses the worst
                result[each.endpoint] = max(severity, result.get(each.endpoint, severity))
        return {endpoint: result[endpoint].name for endpoint in sorted(result)}

    def _tried(
        self, rule: Rule, failing: Sequence[Exposure], subject: Resource, removal: Removal, closed: set[EndpointId]
    ) -> tuple[Removal, set[EndpointId]]:
        """Return a removal that this resource shows to do something, and what it closes: the rule's own fix, else that
        of the sources that its network allows, else steps in words.
        """
        endpoint_ids = self._after(rule, failing, removal.fix)
        if endpoint_ids is not None:
            return removal, closed & endpoint_ids
        other = lock_removal(replace(rule, category="network"), failing, subject, self._top, self._index)
        if other.fix.commands and can_try(self._top, other.fix.changes, self._index):
            endpoint_ids = self._after(rule, failing, other.fix)
            if endpoint_ids is not None:
                return other, self._closed(other) & endpoint_ids
        words = Fix(steps=(rule.fix.portal or rule.fix.impact,), impact=rule.fix.impact)
        return Removal(self._top, self._index, fix=words), set()

    def _after(self, rule: Rule, failing: Sequence[Exposure], fix: Fix) -> set[EndpointId] | None:
        """Return the endpoints that are open, and closed where a fix has run; None where it does not
        help: it changes nothing, or the rule fails on the same endpoints.
        """
        after = self._exposures_after(fix)
        if after is None:
            return None
        left = {each.id: each for each in after}
        same = [left[each.id] for each in failing if each.id in left]
        if len(locks.evaluate(rule.category, same, rule.credentials).failing) == len(failing):
            return None
        opened = {id for id, each in left.items() if each.severity is not None}
        return {each.id for each in self._exposures if each.severity is not None and each.id not in opened}

    def _exposures_after(self, fix: Fix) -> list[Exposure] | None:
        """Return the exposures where a fix has run; None where it changes nothing, or they are not known."""
        key = repr(fix.changes)
        if key not in self._after_changes:
            assert self._kind is not None
            exposures: list[Exposure] | None = None
            with applied(self._top.bundle, fix.changes, self._tenant, self._index) as bundle:
                if bundle is not None and bundle.top is not None:
                    exposures, problem = locks_of(self._kind, bundle.top, self._index)
                    exposures = None if problem is not None else exposures
            self._after_changes[key] = exposures
        return self._after_changes[key]

    def closed_without(self, causes: Sequence[Cause]) -> set[EndpointId]:
        """Return the endpoints that are closed once causes are removed."""
        fix = Fix(changes=tuple(step for each in causes for step in each.change()))
        return self._closed_after(fix) if can_try(self._top, fix.changes, self._index) else set()

    def property_row(self, rule: Rule, verdict: Fail, subject: Resource) -> tuple[FixRow, Fix]:
        """Return the fix of a property rule's failure, and what it changes."""
        top = self._top
        local_one = cause_fix(rule, verdict.causes, subject, top) if verdict.causes else rule_fix(rule, subject, top)
        fix = self._resolving(rule, local_one, subject)
        return fix_row(rule, fix, subject, top, also=self._also(fix), versions=self._versions, index=self._index), fix

    def _resolving(self, rule: Rule, fix: Fix, subject: Resource) -> Fix:
        """Return the fix of a property rule with what its commands leave to do on this resource, in words."""
        if _is_certain(rule) or rule.check is None or not can_try(self._top, fix.changes, self._index):
            return fix
        with applied(self._top.bundle, fix.changes, self._tenant, self._index) as bundle:
            after = bundle.resources.get(subject.key) if bundle is not None else None
            try:
                fails = bundle is None or (after is not None and isinstance(rule.check(after, self._index), Fail))
            except Unread:
                fails = False
        if not fails:
            return fix
        words = fix.steps or ((rule.fix.portal,) if rule.fix.portal else ())
        return replace(fix, steps=(*fix.steps, NOT_ALONE)) if bundle is not None else Fix(steps=words)

    def _also(self, fix: Fix) -> list[EndpointRow]:
        """Return the endpoints that the fix of a property rule closes."""
        if not fix.closes:
            paths = self._paths()
            if not any(each.path.lower() in paths for each in fix.changes if type(each) is Edit):
                return []
        closed = self._closed(Removal(self._top, self._index, {each.id() for each in fix.closes}, fix=fix))
        if closed:
            tried = can_try(self._top, fix.changes, self._index)
            closed &= self._closed_after(fix) if tried else set()
        return [
            EndpointRow((each.subject or self._top).id, each.endpoint) for each in self._exposures if each.id in closed
        ]

    def _closed_after(self, fix: Fix) -> set[EndpointId]:
        """Return the endpoints that are closed where a fix has run."""
        after = self._exposures_after(fix)
        opened = {each.id for each in after or () if each.severity is not None}
        return set() if after is None else {each.id for each in self._exposures if each.id not in opened}

    def _paths(self) -> set[str]:
        """Return the paths (lower case) whose change may remove a grant of the endpoints."""
        if self._cause_paths is None:
            self._cause_paths = {each.path.lower() for each in _causes(self._exposures)}
        return self._cause_paths

    def _closed(self, removal: Removal) -> set[EndpointId]:
        """Return the endpoints that are open now, and closed once the fix has run."""
        if not removal.fix.changes:
            return set()
        if self._open is None:
            self._open = [each for each in self._exposures if each.severity is not None]
        return {each.id for each in self._open if closes(each, removal, self._rules)}


def _causes(exposures: Iterable[Exposure]) -> Iterator[Cause]:
    """Yield what grants an access to endpoints. Endpoints that share a lock follow each other: it is asked once."""
    reach: Lock | None = None
    for exposure in exposures:
        shared, reach = reach, exposure.reach
        grants = exposure.authentication.grants if shared is reach else (*reach.grants, *exposure.authentication.grants)
        for each in grants:
            for cause in (each.cause, each.switch, *(component[0] for component in each.components)):
                if cause is not None:
                    yield cause


@lru_cache(maxsize=4096)
def _is_certain(rule: Rule) -> bool:
    """Return whether a rule looks at one property alone, and its fix sets that one to a good value."""
    check = rule.row.check if rule.row is not None else None
    if check is None or isinstance(check, KeyCheck | FunctionCheck) or not check.path or "[]" in check.path:
        return False
    changes = [value for target, value in rule.fix.change.items() if target.rpartition(" ")[2] == check.path]
    good = check.good if isinstance(check, ValueCheck | PlaceCheck) else ()
    return len(changes) == 1 and (changes[0] in good or not good)
