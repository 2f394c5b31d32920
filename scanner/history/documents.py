"""`twolocks diff`: two findings files, or snapshots, compared without a history."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import msgspec

from scanner.document.schema import SCHEMA, ChangeRow, Document, ResourceRow, Writer, order
from scanner.errors import InputError
from scanner.evaluate.run import Evaluation
from scanner.history.baseline import change_row, first_ids
from scanner.history.compare import Change, Changes, Item, Looked, Sight, compare, see, top_of, worst_first
from scanner.model.ids import subscription_of, type_of
from scanner.rulebook.loader import RuleSet
from scanner.snapshot import files as snapshot

LISTS = ("new", "first_judged", "fixed", "accepted", "changed", "unknown", "vanished")


class Side(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    scan: str
    taken: str
    tool: str
    complete: bool


class Difference(msgspec.Struct, kw_only=True):
    """Exposures, and findings outside the lock categories, of two documents, compared (schema `twolocks-diff/1`).

    `new`: not there before, or not accepted any more. `first_judged`: its rule, or its subscription, was not in the old
    file. `changed`: severity, reach or authentication. `unknown`: failed before, could not be decided now.
    `vanished`: its resource, rule or subscription is not in the new file, so that nothing says that it is fixed.
    `appeared_resources`, `vanished_resources`: top-level resources that only one file names.
    """

    schema: str = "twolocks-diff/1"
    old: Side
    newer: Side
    same: int = 0
    new: list[ChangeRow] = []
    first_judged: list[ChangeRow] = []
    fixed: list[ChangeRow] = []
    accepted: list[ChangeRow] = []
    changed: list[ChangeRow] = []
    unknown: list[ChangeRow] = []
    vanished: list[ChangeRow] = []
    appeared_resources: list[str] = []
    vanished_resources: list[str] = []
    notes: list[str] = []

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in LISTS}


@dataclass(slots=True)
class _Sides:
    """Both documents, and what a comparison asks of them."""

    old: Document
    new: Document
    rules: RuleSet
    first: Callable[[str], str] = field(init=False)
    known: Mapping[tuple[str, str], Item] = field(init=False)
    before: Sight = field(init=False)
    now: Sight = field(init=False)

    def __post_init__(self) -> None:
        self.first = first_ids(self.rules)
        self.before = see(self.old, {}, self.first)
        self.known = self.before.items
        self.now = see(self.new, self.known, self.first)

    def looked(self) -> Looked:
        return Looked(
            subscriptions=_subscriptions(self.new),
            rules={self.first(rule) for rule in self.new.rules},
            types=self.types(self.new),
            whole=False,
        )

    def types(self, document: Document) -> frozenset[str]:
        """The types (lower case) whose endpoints a document's rules read, whether or not it holds one."""
        judged = {self.first(rule) for rule in document.rules}
        known = {
            type.lower()
            for kind in self.rules.kinds
            if any(rule.lock and rule.first_id in judged for rule in self.rules.rules_of(kind))
            for type in kind.types
        }
        return frozenset(known | {type_of(row.resource).lower() for row in document.exposures})

    def judged_before(self) -> Callable[[str, str], bool]:
        rules = {self.first(rule) for rule in self.old.rules}
        types, subscriptions = self.types(self.old), _subscriptions(self.old)
        return lambda resource, word: subscription_of(resource) in subscriptions and (word in rules or word in types)


def difference(old: Document, new: Document, files: tuple[str, str], rules: RuleSet) -> Difference:
    """What differs from the old document to the new one; `rules` tell renamed rules, and the types that rules read."""
    sides = _Sides(old, new, rules)
    found = compare(sides.known, sides.now, sides.looked(), sides.judged_before())
    made = Difference(old=_side(files[0], old), newer=_side(files[1], new))
    made.new = [_row(each, _undecided(each, sides.before)) for each in _of(found, "new", "reopened")]
    made.first_judged = [_row(each) for each in _of(found, "first-looked")]
    made.fixed = [_row(each) for each in _of(found, "fixed")]
    made.accepted = [_row(each) for each in _of(found, "accepted") if each.was is not None]
    made.changed = [_row(each) for each in _of(found, "worse", "better")]
    made.unknown = [_row(each) for each in _of(found, "unseen")]
    made.vanished = [_row(each) for each in _vanished(sides, found)]
    made.same = sum(item.counts and item.state == "open" for item in found.same)
    tops = [{top_of(id): id for id in _tops(each.resources)} for each in (old, new)]
    made.appeared_resources = sorted((tops[1][id] for id in tops[1].keys() - tops[0].keys()), key=order)
    made.vanished_resources = sorted((tops[0][id] for id in tops[0].keys() - tops[1].keys()), key=order)
    made.notes = _notes(old, new)
    return made


def _of(found: Changes, *news: str) -> list[Change]:
    wanted = (each for each in found.found if each.news in news and each.item.counts)
    return sorted(wanted, key=lambda each: worst_first(each.item))


def _undecided(change: Change, before: Sight) -> str:
    if change.news == "new" and before.undecided(change.item):
        return "it could not be decided before"
    return change.why


def _vanished(sides: _Sides, found: Changes) -> list[Change]:
    """What the comparison is silent on: the new file does not hold what it would have to look at."""
    told = {each.item.key for each in found.found} | {item.key for item in found.same}
    looked = sides.looked()
    left = [item for key, item in sides.known.items() if key not in told and item.counts and item.state == "open"]
    return [Change("unseen", item, item, _silence(item, sides, looked)) for item in sorted(left, key=worst_first)]


def _silence(item: Item, sides: _Sides, looked: Looked) -> str:
    if subscription_of(item.resource) not in looked.subscriptions:
        return "its subscription is not in the new file"
    if not sides.now.present(item.resource):
        return "its resource is not in the new file"
    return "its rule is not in the new file" if item.rule else "no rule in the new file reads it"


def _row(change: Change, why: str | None = None) -> ChangeRow:
    return change_row(change if why is None else replace(change, why=why))


def _side(file: str, document: Document) -> Side:
    scan = document.scan
    return Side(file=file, scan=scan.id, taken=scan.taken, tool=scan.tool, complete=scan.complete)


def _notes(old: Document, new: Document) -> list[str]:
    found = []
    if old.scan.taken > new.scan.taken:
        found.append(f"The old file is the newer one: {old.scan.taken} after {new.scan.taken}")
    if old.scan.tool != new.scan.tool:
        found.append(f"Judged by {old.scan.tool} and by {new.scan.tool}")
    if not new.scan.complete:
        found.append("The new scan is incomplete: what it could not read is not fixed")
    return found


def _subscriptions(document: Document) -> frozenset[str]:
    return frozenset(scope.subscription.lower() for scope in document.coverage.scopes if scope.view != "none")


def _tops(resources: Mapping[str, ResourceRow]) -> list[str]:
    return [id for id, row in resources.items() if row.parent is None]


# Files


def document_of(path: Path, rules: RuleSet, tool: str) -> Document:
    """A findings file, or a snapshot judged now. Raises InputError for what is neither."""
    if _is_findings(path):
        try:
            document = msgspec.json.decode(path.read_bytes(), type=Document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"this is no findings file: {error}", at=str(path), do=_GIVE) from None
        if document.schema != SCHEMA:
            raise InputError(
                f"the schema is {document.schema}, this version knows {SCHEMA}", at=str(path), do="upgrade twolocks"
            )
        return document
    taken = snapshot.read(path)
    evaluation, writer, out = Evaluation(taken, rules), Writer(), BytesIO()
    try:
        evaluation.run(writer)
        scan = evaluation.scan_row(started=taken.head.taken, finished=taken.head.taken, tool=tool)
        writer.finish(out, scan, evaluation.rule_rows(), evaluation.tally.gaps, evaluation.coverage())
    finally:
        writer.close()
    return msgspec.json.decode(out.getbuffer(), type=Document)


_GIVE = "give what twolocks scan --out findings.json or --snapshot wrote"


def _is_findings(path: Path) -> bool:
    """Whether a file starts as a findings document does; all else is a snapshot's reader to judge."""
    try:
        with path.open("rb") as file:
            head = file.read(200)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", at=str(path), do=_GIVE) from None
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" and b'"twolocks/' in head


def compared(old: Path, new: Path, rules: RuleSet, tool: str, names: tuple[str, str]) -> Difference:
    """What differs between two files; `names` say what they are called. Raises InputError."""
    return difference(document_of(old, rules, tool), document_of(new, rules, tool), names, rules)
