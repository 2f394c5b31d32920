"""The vocabulary of a history: items, changes and scans. Pure data; no other module of the package is imported here.

An item is an exposure or a finding that was open in some scan. A change is an item and what became of it in a scan.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import Struct, field

from scanner.document.message_data import restored
from scanner.document.schema import order
from scanner.model.exposure import LOCKS
from scanner.model.ids import root_of, segments
from scanner.model.severity import Severity

ItemKind = Literal["exposure", "finding"]
ItemState = Literal["open", "accepted", "fixed"]
ItemKey = tuple[ItemKind, str]
"""Kind and fingerprint of an item."""

TOP_LEVEL = 8
"""The number of segments in the id of a top-level resource of a resource group."""


class ChangeKind(StrEnum):
    """What became of an item. The values are what databases and documents hold."""

    new = "new"
    first_evaluated = "first-looked"
    """Open; no earlier scan evaluated the resource with the rule, or with a lock rule of the type."""
    reopened = "reopened"
    raised = "worse"
    lowered = "better"
    accepted = "accepted"
    visible_again = "again"
    fixed = "fixed"
    no_longer_visible = "unseen"
    not_evaluated = "vanished"
    """Only between two files: nothing in the newer one evaluates it. A history leaves such an item as it is."""

    @property
    def word(self) -> str:
        """The displayed name: `first evaluated`."""
        return self.name.replace("_", " ")


ALERTS = (ChangeKind.new, ChangeKind.reopened, ChangeKind.raised)
"""The kinds that notifications and `--fail-on new:SEVERITY` count."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An exposure or a failed finding as the last scan that saw it left it.

    Empty: `rule` and `category` of an exposure; `address`, `reach` and `authentication` of a finding, and `endpoint` of
    one that is counted itself; that of another names the endpoints that are counted in its place.
    """

    kind: ItemKind
    fingerprint: str
    resource: str
    endpoint: str = ""
    address: str = ""
    rule: str = ""
    category: str = ""
    title: str = ""
    title_data: str = ""
    """What the title is made of (`scanner.document.message_data`). `since` and `seen` are the times of the first and
    the last scan that saw it (UTC, ISO 8601). `visible` is false where the last scan that evaluated it could not tell
    whether it is still open.
    """
    severity: str = ""
    reach: str = ""
    authentication: str = ""
    state: ItemState = "open"
    since: str = ""
    seen: str = ""
    visible: bool = msgspec.field(default=True, name="sighted")

    @property
    def key(self) -> ItemKey:
        return self.kind, self.fingerprint

    @property
    def message(self) -> str:
        """Return the title with what it is made of."""
        return restored(self.title, self.title_data)

    @property
    def is_counted(self) -> bool:
        """Whether headline, exit code and notices count it: exposures, and findings without an endpoint."""
        return not (self.category in LOCKS and self.endpoint)


class Change(Struct, frozen=True):
    """An item after a scan, the item before it (None: not known before), and a clause that gives the reason."""

    kind: ChangeKind
    item: Item
    was: Item | None = None
    why: str = ""


class Changes(Struct):
    """All changes of a scan in the order of their keys, and the evaluated items that did not change."""

    changed: list[Change] = field(default_factory=list)
    unchanged: list[Item] = field(default_factory=list)
    superseded: int = 0
    """The number of changes left out because a later scan has seen the same items."""

    def of(self, *kinds: ChangeKind) -> list[Change]:
        """Return the changes of these kinds."""
        return [each for each in self.changed if each.kind in kinds]

    def counted(self, *kinds: ChangeKind) -> list[Change]:
        """Return the changes of these kinds whose items are counted, the most severe first."""
        return sorted(
            (each for each in self.of(*kinds) if each.item.is_counted), key=lambda each: worst_first(each.item)
        )

    def alerts(self, least: Severity = Severity.info) -> list[Change]:
        """Return what is new, reopened or raised, and at least that severe, without what `uncovered` leaves out."""
        return self.uncovered([each for each in self.of(*ALERTS) if rank(each.item.severity) >= least])

    def uncovered(self, changes: Sequence[Change]) -> list[Change]:
        """Leave out the findings that name an endpoint that is open at their severity: it counts in their place.

        `changes` may hold changes of earlier scans; their endpoints are open too.
        """
        if all(each.item.is_counted for each in changes):
            return list(changes)
        endpoints = self._open_endpoints(changes)
        return [each for each in changes if each.item.is_counted or not _is_covered(each.item, endpoints)]

    def _open_endpoints(self, more: Sequence[Change]) -> dict[tuple[str, str], int]:
        """Return the rank of each open endpoint after the scan, by the root of its resource and its name."""
        items = [*(each.item for each in (*self.changed, *more)), *self.unchanged]
        open = [each for each in items if each.kind == "exposure" and each.state == "open"]
        return {
            (root_of(each.resource), each.endpoint): rank(each.severity)
            for each in sorted(open, key=lambda each: rank(each.severity))
        }


def _is_covered(finding: Item, endpoints: Mapping[tuple[str, str], int]) -> bool:
    """Return whether an open endpoint that a finding names is at least as severe as the finding."""
    root = root_of(finding.resource)
    named = (endpoints.get((root, name), -1) for name in finding.endpoint.split(", "))
    return max(named) >= rank(finding.severity)


class Difference(Struct, frozen=True):
    """The changes between two scans, and the number of counted items that are open in both and the same."""

    changes: list[Change]
    same: int


class ScanRecord(Struct, frozen=True):
    """A scan as the history keeps it.

    `selection` names what was asked for; a scan is compared with the last one of the same selection. `scopes` (lower
    case: `/subscriptions/x`, an id below it, or `/subscriptions/x?tag=a=b`) and `rules_and_types` (first ids of rules,
    types in lower case) say what it evaluated. The history keeps these two in a table of their own, so that a record
    read from it has neither. `standing` counts open items by severity, `undecided` the inconclusive verdicts,
    `unknown` the endpoints that were not assessed. `number` counts scans from 1.
    """

    id: str
    taken: str
    started: str
    finished: str
    tool: str
    selection: str
    subscriptions: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    rules_and_types: frozenset[str] = frozenset()
    complete: bool = True
    confirmed: bool = False
    standing: Mapping[str, int] = field(default_factory=dict)
    undecided: int = 0
    unknown: int = 0
    number: int = 0


class Reported(Struct, frozen=True):
    """What was reported to a notification of a selection before a scan.

    `last` is the last scan after which nothing was left to report; None where there is none or it was pruned.
    `missed` are the alerts since then that were not reported and whose items are still open.
    """

    last: ScanRecord | None = None
    missed: tuple[Change, ...] = ()


# Order and ids


def worst_first(item: Item) -> tuple[int, str, str]:
    """Return the key that sorts items by severity, then by resource and endpoint."""
    return -rank(item.severity), order(item.resource), item.endpoint


def rank(severity: str | None) -> int:
    """Return the value of a severity by its name, -1 for one that is not known."""
    return level(Severity, severity or "")


@lru_cache(maxsize=256)
def level(scale: type[IntEnum], name: str) -> int:
    """Return the value of a member by its name, -1 for one that is not known."""
    int_enum = scale.__members__.get(name)
    return -1 if int_enum is None else int_enum.value


def top_of(id: str) -> str:
    """Return the id (lower case) of the top-level resource that an id belongs to; a shorter id as it is."""
    return "/" + "/".join(segments(id)[:TOP_LEVEL])


WITHOUT = "?without="
"""Between a subscription and the names of the resource groups that a scan of it left out, joined by `&`."""


def lineage(id: str) -> set[str]:
    """Return an id and the ids of everything above it, in lower case."""
    pieces = segments(id)
    return {"/" + "/".join(pieces[:end]) for end in range(1, len(pieces) + 1)}


def first_segments(id: str, like: str) -> str:
    """Return the start of an id, spelt as it is, that has as many segments as another id."""
    pieces = [segment for segment in id.split("/") if segment]
    return "/" + "/".join(pieces[: len(segments(like))])
