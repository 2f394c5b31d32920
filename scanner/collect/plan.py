"""What a collection reads (`Scope` and `Plan`), and what it reports to (`Progress`)."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from msgspec import Struct

from scanner.model.ids import SUBSCRIPTION
from scanner.model.index import INDEX_TYPES
from scanner.model.residency import ResidencyPolicy
from scanner.model.resource import Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.snapshot.format import SnapshotLine
from scanner.snapshot.selection import Exclusion

if TYPE_CHECKING:
    from scanner.collect.ages import AgedReads

Json = dict[str, Any]


class Progress(Protocol):
    """Shows the progress of a collection. Every call is cheap and may come thousands of times a second."""

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None:
        """Show the identity that reads, its tenant (by name where it has one), and the other tenants it belongs to.

        The other tenants are not read.
        """

    def scope(self, subscription: str, name: str, view: str) -> None:
        """Show a subscription and how much of it is visible: full, partial, none."""

    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None:
        """Show how many reads are done and to come, how many resources were found, and how many reads failed."""

    def reading(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` reads of `what` ("containers of storage accounts") were made."""

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        """Show a read that failed."""


class Scope(Struct, frozen=True):
    """What to read. Without values: all subscriptions that the identity can read.

    `resources`: read these ids only. Then `index_subscriptions` are more subscriptions (ids) of which only the index
    is read, and `admin_rules` adds the security admin rules, which only Resource Graph lists.
    `groups`, `tags`: filters on resource groups and tags (name and value).
    `exclusions`: subscriptions and resource groups to leave out, but for what other verdicts need of them.
    `graph`: False lists everything through ARM instead of asking Resource Graph.
    `is_known`: whether an earlier scan saw something at or below an id. `is_repeated`: whether there was an earlier
    scan of the same selection.
    """

    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    index_subscriptions: tuple[str, ...] = ()
    admin_rules: bool = False
    groups: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    graph: bool = True
    is_known: Callable[[str], bool] = lambda id: False
    is_repeated: Callable[[], bool] = lambda: False


class JoinedRead(NamedTuple):
    """A read below one resource, whose need follows from a join. `top`: the resource of the bundle that it is in."""

    read: Read
    parent: Resource
    top: Resource


class NamedResources(NamedTuple):
    """Resources outside of what was read that resources name: by ids, storage accounts by their names, workspaces by
    their customer ids. All in lower case.
    """

    ids: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()


class Joined(NamedTuple):
    """What a join of everything in the store asks for."""

    reads: Sequence[JoinedRead] = ()
    named: NamedResources = NamedResources()


class Plan(Struct, frozen=True):
    """The table of reads: resource types, the reads that are wanted below them, and the types of the index.

    `places`: read the resource groups of each subscription and ARM's list of regions too. `quotas`: read the quotas
    of the regions that this policy allows, or without one of those that hold resources. None: read no quotas.
    `unasked`: the reads below resources that are left out, because they decide less than was asked for.
    `ranks`: which reads go first, the smallest; those that it does not name are of the first rank.
    `ages`: the answers of earlier scans that may stand for reads; None: none may.
    `resumed`: the scan goes on from a journal, whose answers are cut down to what is kept.
    `early`: shows what is open already, by the lines of the bundles that are not read in whole; None: nothing does.
    `joined`: returns what to read when everything else is in the store; called once, in another thread.
    """

    resource_types: Sequence[ResourceType]
    reads: Collection[Read]
    index_types: Sequence[str] = INDEX_TYPES
    places: bool = False
    quotas: ResidencyPolicy | None = None
    joined: Callable[[], Joined] = Joined
    resumed: bool = False
    ranks: Mapping[Read, int] = {}
    ages: "AgedReads | None" = None
    unasked: Collection[Read] = ()
    early: Callable[[list[SnapshotLine]], Awaitable[None]] | None = None

    def types(self) -> Iterable[tuple[str, ResourceType]]:
        """Return each ARM type that is listed, with its declaration. The first one counts where own rules repeat a
        type. A subscription is not listed: see `subscription`.
        """
        first: dict[str, tuple[str, ResourceType]] = {}
        for resource_type in self.resource_types:
            for type in resource_type.types if resource_type.type != SUBSCRIPTION else ():
                first.setdefault(type.lower(), (type, resource_type))
        return first.values()

    def providers(self, *, graph: bool) -> frozenset[str]:
        """Return the providers (lower case) that ARM is asked for. `graph`: Resource Graph lists most types instead."""
        types = [type for read in self.reads for type in read.types]
        if not graph:
            types += [type for kind in self.resource_types for type in kind.types]
        return frozenset(type.partition("/")[0].lower() for type in types)

    @property
    def subscription(self) -> ResourceType | None:
        """Return the declaration of subscriptions, None where they are not read as resources."""
        return next((each for each in self.resource_types if each.type == SUBSCRIPTION), None)

    def below(self) -> dict[ResourceType | Read, list[Read]]:
        """Return the reads directly below each parent, from every declaration of its type: those that are wanted, then
        those that are not asked for.
        """
        by_parent: dict[ResourceType | Read, list[Read]] = {}
        reads = (*self.reads, *self.unasked)
        for read in reads:
            if not read.joined:
                by_parent.setdefault(read.parent, []).append(read)
        declared: dict[str, list[ResourceType]] = {}
        for resource_type in self.resource_types:
            for type in resource_type.types:
                declared.setdefault(type.lower(), []).append(resource_type)
        result: dict[ResourceType | Read, list[Read]] = {read: by_parent.get(read, []) for read in self.reads}
        position = {read: number for number, read in enumerate(reads)}
        for parent in self.resource_types:
            same = dict.fromkeys(each for type in parent.types for each in declared[type.lower()])
            below = [read for each in same for read in by_parent.get(each, ())]
            result[parent] = sorted(below, key=position.__getitem__) if len(same) > 1 else below
        return result

    def looked_up(self) -> "Plan":
        """Return a plan of the same types with only those reads that verdicts on other resources look up."""
        wanted: list[Read] = []
        for read in (each for each in self.reads if each.always):
            line = [read]
            while isinstance(line[0].parent, Read):
                line.insert(0, line[0].parent)
            wanted += [each for each in line if each not in wanted]
        return Plan(self.resource_types, wanted, self.index_types, resumed=self.resumed, ranks=self.ranks)

    def nested(self) -> dict[str, list[tuple[str, ResourceType]]]:
        """Return the types whose resources are bundles of their own, by the type (lower case) directly above them."""
        result: dict[str, list[tuple[str, ResourceType]]] = {}
        for type, resource_type in self.types():
            if nested(type):
                result.setdefault(type.lower().rsplit("/", 1)[0], []).append((type, resource_type))
        return result


def nested(type: str) -> bool:
    """Return whether a type is below another resource type, e.g. `Microsoft.Web/sites/slots`."""
    return type.count("/") > 1
