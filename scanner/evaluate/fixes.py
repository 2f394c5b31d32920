"""The fix of a finding as the document has it: commands, fields, and which endpoints they close."""

from collections.abc import Sequence

from scanner.document.schema import FixRow, PlaceRow
from scanner.evaluate.bicep import Versions, bicep_of, versions_of
from scanner.evaluate.fix_commands import below, sample
from scanner.evaluate.fix_forms import FixForms, PlainId, plain_id
from scanner.evaluate.fix_rows import fix_row
from scanner.evaluate.remedies import Removal, cause_remedy, closes, lock_removal, rule_remedy
from scanner.model.exposure import Exposure
from scanner.model.index import Index
from scanner.model.remedy import Edit, Remedy
from scanner.model.resource import Bundle, Resource
from scanner.model.rule import Rule
from scanner.model.verdict import Fail


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
        forms: FixForms | None = None,
    ) -> None:
        self._top = top
        self._index = index
        self._exposures = exposures
        self._rules = rules
        self._versions = versions
        self._forms = forms or FixForms(versions)
        self._plain: PlainId | None = None
        self._is_plain: bool | None = None
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
        if verdict.causes:
            remedy = cause_remedy(rule, verdict.causes, subject, top)
            return fix_row(rule, remedy, subject, top, also=self._also(remedy), versions=self._versions), remedy
        known = self._id() if subject is top else None
        form = None if known is None else self._forms.of(rule, known, top)
        if form is None or known is None:
            remedy = rule_remedy(rule, subject, top)
            return fix_row(rule, remedy, subject, top, also=self._also(remedy), versions=self._versions), remedy
        remedy = form.remedy(known.words)
        return form.fix(remedy, known.words, top, self._also(remedy), self._versions), remedy

    def _id(self) -> PlainId | None:
        """Return the parts of the resource's id, None where it is no plain one."""
        if self._is_plain is None:
            self._plain = plain_id(self._top.id)
            self._is_plain = self._plain is not None
        return self._plain

    def _also(self, remedy: Remedy) -> list[PlaceRow]:
        """Return the endpoints that the remedy of a property rule closes."""
        if not remedy.closes:
            paths = self._paths()
            if not any(each.path.lower() in paths for each in remedy.changes if type(each) is Edit):
                return []
        closed = self._closed(Removal(self._top, self._index, {each.key() for each in remedy.closes}, remedy=remedy))
        return [
            PlaceRow((each.subject or self._top).id, each.endpoint) for each in self._exposures if id(each) in closed
        ]

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
