"""What changed between what is remembered and what a scan saw. Pure; `--history` and `twolocks diff` share it.

Remembered is an `Item` for each exposure and finding that ever stood open. A scan never takes one off the list by
silence: an item is fixed only by a verdict that says so, or since its resource is gone for certain.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

import msgspec

from scanner.document.schema import Document, ExposureRow, FindingRow, finding_fingerprint, order
from scanner.model.exposure import LOCKS, Auth, Reach
from scanner.model.ids import root_of, segments, subscription_of, type_of
from scanner.model.verdict import Severity

Word = Literal["exposure", "finding"]
State = Literal["open", "accepted", "fixed"]
News = Literal["new", "first-looked", "reopened", "worse", "better", "accepted", "again", "fixed", "unseen"]
Key = tuple[str, str]

PAGING: tuple[News, ...] = ("new", "reopened", "worse")
"""What somebody must be told at once."""
TOP = 8
"""The segments of a top-level resource's id in a resource group."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An exposure or a failed finding as it was seen last. `rule` and `category` are empty for an exposure, `endpoint`,
    `address`, `reach` and `authentication` for a finding. `since` and `seen` are times of scans (UTC, ISO 8601);
    `sighted` is false where the last scan that looked could not tell.
    """

    kind: Word
    fingerprint: str
    resource: str
    endpoint: str = ""
    address: str = ""
    rule: str = ""
    category: str = ""
    title: str = ""
    severity: str = ""
    reach: str = ""
    authentication: str = ""
    state: State = "open"
    since: str = ""
    seen: str = ""
    sighted: bool = True

    @property
    def key(self) -> Key:
        return self.kind, self.fingerprint

    @property
    def counts(self) -> bool:
        """Whether headline, exit code and notices count it: exposures, and findings outside the lock categories."""
        return self.category not in LOCKS


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one item: as it stands now, as it was (None: not known before), and a clause that says why."""

    news: News
    item: Item
    was: Item | None = None
    why: str = ""


@dataclass(slots=True)
class Changes:
    """All changes of a scan, and the items that it saw as they were before, in the order of their keys."""

    found: list[Change] = field(default_factory=list)
    same: list[Item] = field(default_factory=list)
    older: int = 0
    """How many changes were left out, since a later scan saw the same."""

    def of(self, *news: News) -> list[Change]:
        return [each for each in self.found if each.news in news]

    def counted(self, name: News) -> list[Change]:
        """The changes of a kind that count, the worst first."""
        return sorted((each for each in self.of(name) if each.item.counts), key=lambda each: worst_first(each.item))

    def paging(self, least: Severity = Severity.info) -> list[Change]:
        """What is new, reopened or worse, counts, and is at least so severe."""
        return [each for each in self.of(*PAGING) if each.item.counts and _rank(each.item.severity) >= least]


@dataclass(frozen=True, slots=True)
class Looked:
    """What a scan looked at. Subscriptions, types and scopes in lower case, rules by their first ids.

    `expected`: the subscriptions that the last scan of the same selection saw; one that is missing now was lost.
    `whole`: no resource was left out by `--resource`, `--resource-group` or `--tag`.
    `groups`: where it was not whole, the ids of resource groups, and of resources that were named (lower case), of
    which it looked at all that lies there.
    `types`: types whose endpoints were read, since a lock rule of theirs was on.
    """

    subscriptions: Set[str]
    rules: Set[str]
    types: Set[str]
    whole: bool = True
    expected: Set[str] = frozenset()
    groups: Set[str] = frozenset()


def first_is_same(rule: str) -> str:
    """For documents alone, where no aliases are known: a rule's id is its first."""
    return rule


class Sight:
    """What a scan saw, gathered row by row; of what passed, only what concerns known items."""

    def __init__(self, known: Mapping[Key, Item], taken: str, first: Callable[[str], str] = first_is_same) -> None:
        self.taken = taken
        self.first = first
        self.items: dict[Key, Item] = {}
        self.closed: dict[Key, bool] = {}
        """Exposures without a cell, and passed or not applicable findings; true where an unread part may open it."""
        self.unknown: set[Key] = set()
        self._undecided: dict[str, set[str]] = {}
        self._doubted: set[str] = set()
        self._doubted_tops: set[str] = set()
        self._doubted_lists: set[tuple[str, str]] = set()
        """Scopes above resources, each with a type that could not be listed there; "" for any."""
        self._wanted = {item.resource.lower() for item in known.values()}
        self._bundles = {_bundle_of(id) for id in self._wanted}
        self._present: set[str] = set()

    def exposure(self, row: ExposureRow) -> None:
        key = ("exposure", row.fingerprint)
        doubted = _rank(row.worst) > _rank(row.severity)
        if doubted:
            self._doubt(row.resource)
        if row.severity is None or row.state == "closed":
            self.closed[key] = doubted or self.closed.get(key, False)
            return
        self._keep(
            Item(
                kind="exposure",
                fingerprint=row.fingerprint,
                resource=row.resource,
                endpoint=row.endpoint,
                address=row.address,
                title=row.title,
                severity=row.severity,
                reach=row.reach,
                authentication=row.authentication,
                state="open" if row.state == "open" else "accepted",
                since=self.taken,
                seen=self.taken,
            )
        )

    def finding(self, row: FindingRow) -> None:
        key = ("finding", row.fingerprint)
        if row.status in ("unknown", "error"):
            self.unknown.add(key)
            self._undecided.setdefault(self.first(row.rule), set()).add(row.resource.lower().rstrip("/"))
            if row.category in LOCKS:
                self._doubt(row.resource, row.gaps)
            return
        self._keep(
            Item(
                kind="finding",
                fingerprint=row.fingerprint,
                resource=row.resource,
                rule=row.rule,
                category=row.category,
                title=row.title,
                severity=row.severity or "",
                state="accepted" if row.status == "waived" else "open",
                since=self.taken,
                seen=self.taken,
            )
        )

    def passed(self, id: str, rules: Iterable[str]) -> None:
        if id.lower() in self._wanted:
            for rule in rules:
                self.closed.setdefault(("finding", finding_fingerprint(self.first(rule), id)), False)

    def resource(self, id: str) -> None:
        bundle = _bundle_of(id)
        if bundle in self._bundles:
            self._present.add(bundle)

    def _keep(self, item: Item) -> None:
        """Of two rows with one fingerprint (names that differ in case) the worse one counts, whichever came first."""
        known = self.items.get(item.key)
        if known is None or _weight(item) > _weight(known):
            self.items[item.key] = item

    def _doubt(self, id: str, gaps: Iterable[str] = ()) -> None:
        place = id.lower().rstrip("/")
        if not type_of(id):
            self._doubted_lists |= {(place, _top_type(url)) for url in gaps or ("",)}
            return
        self._doubted.add(place)
        self._doubted_tops.add(top_of(id))

    # Questions

    def present(self, id: str) -> bool:
        """Whether the resource that an id's bundle starts with was seen, or anything in it; a slot is not its site."""
        return _bundle_of(id) in self._present

    def undecided(self, item: Item) -> bool:
        """Whether something that was not read leaves open if the item still stands."""
        if item.kind == "finding":
            return bool(self._undecided.get(self.first(item.rule), set()) & _lineage(item.resource))
        above = _lineage(item.resource)
        if top_of(item.resource) in self._doubted_tops or self._doubted & above:
            return True
        types = ("", _top_type(item.resource))
        return any((scope, type) in self._doubted_lists for scope in above for type in types)


def see(document: Document, known: Mapping[Key, Item], first: Callable[[str], str] = first_is_same) -> Sight:
    """What a whole document says."""
    sight = Sight(known, document.scan.taken, first)
    for exposure in document.exposures:
        sight.exposure(exposure)
    for finding in document.findings:
        sight.finding(finding)
    for id, rules in document.passed.items():
        sight.passed(id, rules)
    for id, why in document.not_applicable.items():
        sight.passed(id, why)
    for id in document.resources:
        sight.resource(id)
    return sight


def compare(
    known: Mapping[Key, Item],
    sight: Sight,
    looked: Looked,
    before: Callable[[str, str], bool],
    *,
    gone: Callable[[str], bool] = lambda _: False,
    unconfirmed: Callable[[str], bool] = lambda _: False,
) -> Changes:
    """What became of every known item that the scan looked at, and of what it saw for the first time.

    `before(resource, word)`: whether an earlier scan looked at the resource with the rule (its first id) or, for an
    exposure, the type. `gone(resource)`: whether it is certain that the resource does not exist any more.
    `unconfirmed(resource)`: whether a second look was wanted and failed; nothing is fixed there.
    """
    changes = Changes()
    for key in sorted({*sight.items, *known}):
        was, now = known.get(key), sight.items.get(key)
        if now is not None:
            change = _seen(was, now, sight.first, before)
        elif was is not None and was.state != "fixed" and _looked_at(was, sight, looked):
            change = _absent(was, sight, gone, unconfirmed)
        else:
            continue
        if isinstance(change, Item):
            changes.same.append(change)
        else:
            changes.found.append(change)
    return changes


def between(was: Item | None, now: Item, *, looked: bool = True) -> Change | Item:
    """What became of one item from a moment (None: not known) to a later one, as a history remembers both; `looked`:
    whether somebody looked for it at the first. The item itself where nothing did, or where it came and went.
    """
    if now.state == "fixed":
        return now if was is None or was.state == "fixed" else Change("fixed", now, was)
    if not now.sighted and was is not None and was.state != "fixed":
        return Change("unseen", now, was) if was.sighted else now
    answer = _seen(was, now, first_is_same, lambda *_: looked)
    return answer if isinstance(answer, Change) else now


# One item


def _seen(
    was: Item | None, now: Item, first: Callable[[str], str], before: Callable[[str, str], bool]
) -> Change | Item:
    if was is None:
        word = first(now.rule) if now.kind == "finding" else type_of(now.resource).lower()
        if now.state == "accepted":
            return Change("accepted", now)
        return Change("new" if before(now.resource, word) else "first-looked", now)
    item = msgspec.structs.replace(now, since=was.since)
    if now.state == "accepted":
        if was.state != "accepted":
            return Change("accepted", item, was)
        return item if was.sighted else Change("again", item, was)
    if was.state == "fixed":
        return Change("reopened", item, was, "it was fixed before")
    if was.state == "accepted":
        return Change("reopened", item, was, "it is not accepted any more")
    if said := _moved(was, now, worse=True):
        return Change("worse", item, was, said)
    if said := _moved(was, now, worse=False):
        return Change("better", item, was, said)
    return item if was.sighted else Change("again", item, was)


def _absent(was: Item, sight: Sight, gone: Callable[[str], bool], unconfirmed: Callable[[str], bool]) -> Change | Item:
    lost = msgspec.structs.replace(was, sighted=False)
    fixed = msgspec.structs.replace(was, state="fixed", sighted=True, seen=sight.taken)
    if why := _not_known(was, sight, gone, unconfirmed):
        return Change("unseen", lost, was, why) if was.sighted else lost
    return Change("fixed", fixed, was, "" if sight.present(was.resource) else "the resource is gone")


def _not_known(was: Item, sight: Sight, gone: Callable[[str], bool], unconfirmed: Callable[[str], bool]) -> str:
    """Why an item that was not seen may stand all the same, "" where it does not."""
    if unconfirmed(was.resource):
        return "it could not be looked at a second time"
    if was.key in sight.unknown or sight.closed.get(was.key):
        return "it could not be decided"
    if was.key in sight.closed:
        return ""
    if sight.undecided(was):
        return "what could not be read may hide it"
    if sight.present(was.resource) or gone(was.resource):
        return ""
    return "the resource was not seen, and nothing says that it is gone"


def _looked_at(item: Item, sight: Sight, looked: Looked) -> bool:
    """Whether the scan's silence on an item says anything."""
    subscription = subscription_of(item.resource)
    if subscription not in looked.subscriptions and not (looked.whole and subscription in looked.expected):
        return False
    if not looked.whole and not sight.present(item.resource) and not looked.groups & _lineage(item.resource):
        return False
    if item.kind == "finding":
        return sight.first(item.rule) in looked.rules
    return type_of(item.resource).lower() in looked.types


def _moved(was: Item, now: Item, *, worse: bool) -> str:
    """What of the cell got worse (or better), as a clause; "" where it did not, on the whole."""
    sign = 1 if worse else -1
    said = _rank(now.severity) - _rank(was.severity)
    steps = _steps(was, now)
    if said * sign > 0:
        return ", ".join([f"{was.severity} -> {now.severity}", *steps])
    if said:
        return ""
    wider = (
        _level(Reach, now.reach) - _level(Reach, was.reach),
        _level(Auth, now.authentication) - _level(Auth, was.authentication),
    )
    return ", ".join(steps) if all(each * sign >= 0 for each in wider) else ""


def _weight(item: Item) -> tuple[object, ...]:
    cell = (_rank(item.severity), _level(Reach, item.reach), _level(Auth, item.authentication))
    return (item.state == "open", *cell, item.resource, item.endpoint, item.address, item.title)


def _steps(was: Item, now: Item) -> list[str]:
    pairs = (("reach", was.reach, now.reach), ("authentication", was.authentication, now.authentication))
    return [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]


def worst_first(item: Item) -> tuple[int, str, str]:
    """The key that changes are shown by."""
    return -_rank(item.severity), order(item.resource), item.endpoint


def _rank(severity: str | None) -> int:
    return _level(Severity, severity or "")


def _level(scale: type[IntEnum], name: str) -> int:
    found = scale.__members__.get(name)
    return -1 if found is None else found.value


def _top_type(id: str) -> str:
    """The type (lower case) of the top-level resource that an id or a list's path names."""
    return "/".join(type_of(id).lower().split("/")[:2])


def top_of(id: str) -> str:
    """The id of the top-level resource that an id lies in, in lower case; the id itself where it is shorter."""
    return "/" + "/".join(segments(id.lower())[:TOP])


def _bundle_of(id: str) -> str:
    return root_of(id) or top_of(id)


def _lineage(id: str) -> set[str]:
    """An id and all that stands above it, in lower case."""
    parts = segments(id.lower())
    return {"/" + "/".join(parts[:end]) for end in range(1, len(parts) + 1)}
