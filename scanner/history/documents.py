"""`twolocks diff`: two findings files, or snapshots, compared without a history."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import msgspec
from msgspec.structs import replace

from scanner.document.schema import ChangeRow, Document, OtherSchema, ResourceRow, order, read_document
from scanner.document.scopes import LimitRow
from scanner.document.states import State
from scanner.document.writer import Writer
from scanner.errors import InputError
from scanner.evaluate.counts import count
from scanner.evaluate.run import Evaluation
from scanner.history.baseline import change_row, endpoint_types
from scanner.history.compare import EvaluatedBefore, compare
from scanner.history.first_ids import FirstIds, first_ids
from scanner.history.items import Change, ChangeKind, Changes, Difference, Item, ItemKey, lineage, top_of, worst_first
from scanner.history.observation import Observation, ScanCoverage, observe
from scanner.model.ids import subscription_of
from scanner.model.message import Message
from scanner.rulebook.loader import RuleSet
from scanner.snapshot import files as snapshot

LISTS = {
    "new": (ChangeKind.new, ChangeKind.reopened),
    "first_judged": (ChangeKind.first_evaluated,),
    "fixed": (ChangeKind.fixed,),
    "accepted": (ChangeKind.accepted,),
    "changed": (ChangeKind.raised, ChangeKind.lowered),
    "unknown": (ChangeKind.no_longer_visible,),
    "vanished": (ChangeKind.not_evaluated,),
}
"""The lists of changes in a diff document, and the kinds that each holds."""


class EndpointsRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many endpoints of a file have the same locks, severity and state; `severity` is null where none is proven."""

    kind: str
    authentication: str
    reach: str
    severity: str | None
    state: State
    count: int


class DiffSide(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two files: its name, and the scan that it holds."""

    file: str
    scan: str
    taken: str
    tool: str
    complete: bool
    limited: LimitRow | msgspec.UnsetType = msgspec.UNSET
    """What the scan was limited to, where it was."""
    severities: dict[str, int] = {}
    """What is open by severity, endpoints and failed findings without one."""
    endpoints: list[EndpointsRow] = []
    """All its endpoints."""


class DiffDocument(msgspec.Struct, kw_only=True):
    """The document that `twolocks diff` writes (schema `twolocks-diff/1`).

    It holds exposures, and findings without an endpoint.
    """

    schema: str = "twolocks-diff/1"
    old: DiffSide
    newer: DiffSide
    same: int = 0
    new: list[ChangeRow] = []
    """Not open before, or no longer accepted."""
    first_judged: list[ChangeRow] = []
    """Its rule, or its subscription, is not in the old file."""
    fixed: list[ChangeRow] = []
    accepted: list[ChangeRow] = []
    changed: list[ChangeRow] = []
    """Another severity, reach or authentication."""
    unknown: list[ChangeRow] = []
    """Failed before, inconclusive now."""
    vanished: list[ChangeRow] = []
    """Its resource, rule or subscription is not in the new file, so that nothing says that it is fixed."""
    appeared_resources: list[str] = []
    vanished_resources: list[str] = []
    """`appeared_resources`, `vanished_resources`: top-level resources that only one file names."""
    notes: list[str] = []

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows of each list."""
        return {name: len(getattr(self, name)) for name in LISTS}


@dataclass(slots=True)
class _Pair:
    """Both documents and what each of them says."""

    old: Document
    new: Document
    rules: RuleSet
    first_id: FirstIds = field(init=False)
    known: Mapping[ItemKey, Item] = field(init=False)
    before: Observation = field(init=False)
    now: Observation = field(init=False)

    def __post_init__(self) -> None:
        self.first_id = first_ids(self.rules)
        self.before = observe(self.old, {}, self.first_id)
        self.known = self.before.items
        self.now = observe(self.new, self.known, self.first_id)

    def coverage(self) -> ScanCoverage:
        """Return what the new document's scan evaluated."""
        return ScanCoverage(
            subscriptions=_subscriptions(self.new),
            rules=self.first_id.evaluated(self.new),
            types=self.types(self.new),
            unfiltered=False,
            excluded=_excluded(self.new),
        )

    def before_is_outside(self, resource: str) -> bool:
        """Return whether the old scan left a resource out, or may have."""
        is_limited = _is_outside(self.old, resource) and not self.before.is_present(resource)
        return is_limited or bool(_excluded(self.old) & lineage(resource))

    def types(self, document: Document) -> frozenset[str]:
        """Return the types (lower case) whose endpoints a document's rules evaluate, whether or not it holds one."""
        return endpoint_types(document, self.rules)

    def evaluated_before(self) -> EvaluatedBefore:
        """Return whether the old document's scan evaluated a resource with a rule or type."""
        evaluated = self.first_id.evaluated(self.old) | self.types(self.old)
        subscriptions = _subscriptions(self.old)

        def evaluated_before(resource: str, rule_or_type: str) -> bool:
            is_in_scope = subscription_of(resource) in subscriptions and not self.before_is_outside(resource)
            return is_in_scope and rule_or_type in evaluated

        return evaluated_before


def difference(old: Document, new: Document, files: tuple[str, str], rules: RuleSet) -> DiffDocument:
    """Return what differs from the old document to the new one.

    `files` are the names of the two. `rules` give the first ids of renamed rules, and the types that rules evaluate.
    """
    pair = _Pair(old, new, rules)
    result = _difference(pair)
    tops = [{top_of(id): id for id in _tops(each.resources)} for each in (old, new)]
    made = DiffDocument(
        old=_side(files[0], old),
        newer=_side(files[1], new),
        same=result.same,
        appeared_resources=_only_in(tops[1], tops[0], old),
        vanished_resources=_only_in(tops[0], tops[1], new),
        notes=_notes(old, new),
    )
    for name, kinds in LISTS.items():
        setattr(made, name, [change_row(each) for each in result.changes if each.kind in kinds])
    return made


def _difference(pair: _Pair) -> Difference:
    """Return the counted changes, the most severe first, without what came accepted."""
    result = compare(pair.known, pair.now, pair.coverage(), pair.evaluated_before())
    changes = [_explained(each, pair.before) for each in result.counted(*ChangeKind)]
    changes = [each for each in changes if each.kind is not ChangeKind.accepted or each.was is not None]
    same = sum(item.is_counted and item.state == "open" for item in result.unchanged)
    return Difference([*changes, *_not_evaluated(pair, result)], same)


def _explained(change: Change, before: Observation) -> Change:
    if change.kind is ChangeKind.new and before.is_uncertain(change.item):
        return replace(change, why=Message("it was inconclusive before"))
    return change


def _not_evaluated(pair: _Pair, changes: Changes) -> list[Change]:
    """Return the open items that the comparison leaves out, because the new file does not evaluate them."""
    compared = {each.item.key for each in changes.changed} | {item.key for item in changes.unchanged}
    coverage = pair.coverage()
    left = [
        item for key, item in pair.known.items() if key not in compared and item.is_counted and item.state == "open"
    ]
    kind = ChangeKind.not_evaluated
    return [
        Change(kind, item, item, _why_not_evaluated(item, pair, coverage)) for item in sorted(left, key=worst_first)
    ]


def _why_not_evaluated(item: Item, pair: _Pair, coverage: ScanCoverage) -> Message:
    if coverage.excluded & lineage(item.resource):
        return Message("it was excluded from the new scan")
    if subscription_of(item.resource) not in coverage.subscriptions:
        return Message("its subscription is not in the new file")
    if _is_outside(pair.new, item.resource) and not pair.now.is_present(item.resource):
        return Message("it is outside of what the new scan was limited to")
    if not pair.now.is_present(item.resource):
        return Message("its resource is not in the new file")
    return Message("its rule is not in the new file") if item.rule else Message("no rule in the new file reads it")


def _side(file: str, document: Document) -> DiffSide:
    scan = document.scan
    result = Counter((row.kind, row.authentication, row.reach, row.severity, row.state) for row in document.exposures)
    endpoints = [
        EndpointsRow(kind=kind, authentication=authentication, reach=reach, severity=severity, state=state, count=n)
        for (kind, authentication, reach, severity, state), n in sorted(result.items(), key=str)
    ]
    return DiffSide(
        file=file,
        scan=scan.id,
        taken=scan.taken,
        tool=scan.tool,
        complete=scan.complete,
        limited=scan.limited,
        severities=dict(count(document).by_severity),
        endpoints=endpoints,
    )


def _notes(old: Document, new: Document) -> list[str]:
    result: list[str] = []
    if old.scan.taken > new.scan.taken:
        result.append(
            Message(
                "The old file is the more recent one: {taken} after {taken2}",
                taken=old.scan.taken,
                taken2=new.scan.taken,
            )
        )
    if old.scan.tool != new.scan.tool:
        result.append(Message("Evaluated by {tool} and by {tool2}", tool=old.scan.tool, tool2=new.scan.tool))
    result += [
        Message("The {name} file was {version_1}", name=name, version_1=snapshot.VERSION_1)
        for name, each in (("old", old), ("new", new))
        if snapshot.VERSION_1 in each.coverage.notes
    ]
    if not new.scan.complete:
        result.append(Message("The new scan is incomplete: what it could not read does not count as fixed"))
    return result


def _subscriptions(document: Document) -> frozenset[str]:
    return frozenset(scope.subscription.lower() for scope in document.coverage.scopes if scope.view != "none")


def _excluded(document: Document) -> frozenset[str]:
    return frozenset(row.scope.lower() for row in document.scan.excluded or [])


def _is_outside(document: Document, resource: str) -> bool:
    """Return whether a resource is, or may be, outside of what a document's scan was limited to."""
    limit = document.scan.limited or None
    return limit is not None and not limit.includes(resource)


def _only_in(one: Mapping[str, str], other: Mapping[str, str], without: Document) -> list[str]:
    """Return the resources that one document has and another one (`without`) lacks, although its scan covered them."""
    excluded = _excluded(without)
    missing = (one[id] for id in one.keys() - other.keys() if not excluded & lineage(id))
    return sorted((id for id in missing if not _is_outside(without, id)), key=order)


def _tops(resources: Mapping[str, ResourceRow]) -> list[str]:
    return [id for id, row in resources.items() if row.parent is None]


# Files


def document_of(path: Path, rules: RuleSet, tool: str, *, accept_version_1: bool = False) -> Document:
    """Return a findings file, or the findings of a snapshot evaluated now. Raises InputError for any other file."""
    if _is_findings(path):
        try:
            document = read_document(path)
        except OtherSchema as error:
            raise error.in_file(path) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"the file is not a findings file: {error}", at=str(path), do=_GIVE) from None
        first_ids(rules).update(document)
        return document
    taken = snapshot.read(path, accept_version_1=accept_version_1)
    evaluation, writer, out = Evaluation(taken, rules), Writer(), BytesIO()
    try:
        evaluation.run(writer)
        scan = evaluation.scan_row(started=taken.header.taken, finished=taken.header.taken, tool=tool)
        writer.finish(out, scan, evaluation.rule_rows(), evaluation.result.gaps, evaluation.coverage())
    finally:
        writer.close()
    return msgspec.json.decode(out.getbuffer(), type=Document)


_GIVE = "give a file written by twolocks scan --out findings.json or --snapshot"


def _is_findings(path: Path) -> bool:
    """Return whether a file starts as a findings document does. The reader of snapshots checks all others."""
    try:
        with path.open("rb") as file:
            head = file.read(200)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", at=str(path), do=_GIVE) from None
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" and b'"twolocks/' in head


def compared(
    old: Path, new: Path, rules: RuleSet, tool: str, names: tuple[str, str], *, accept_version_1: bool = False
) -> DiffDocument:
    """Return what differs between two files, which are called `names` in the document. Raises InputError."""
    first, second = (document_of(each, rules, tool, accept_version_1=accept_version_1) for each in (old, new))
    return difference(first, second, names, rules)
