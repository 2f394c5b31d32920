"""What a collection is handed: where to read, what to read, with what, and whom to tell."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scanner.model.index import INDEX_TYPES
from scanner.model.resource import By
from scanner.model.resource_type import Read, ResourceType

Json = dict[str, Any]


class Subscription(Protocol):
    """What is known of a subscription; not `readable`: disabled, or (`state` "") not seen by the login."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def readable(self) -> bool: ...


class Account(Protocol):
    """Whose login reads."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def tenant(self) -> str: ...


class Reader(Protocol):
    """What `scanner.azure.clients` offers. All reads raise ReadError."""

    @property
    def account(self) -> Account: ...
    async def subscriptions(self) -> Sequence[Subscription]: ...
    async def named(self, wanted: Sequence[str]) -> Sequence[Subscription]: ...
    async def below(self, groups: Sequence[str]) -> Sequence[Subscription]: ...
    async def tenants(self) -> list[tuple[str, str]]: ...
    def pages(self, path: str, api: str, region: str = "") -> AsyncIterator[list[Json]]: ...
    async def get(self, path: str, api: str, region: str = "") -> Json: ...
    async def query(self, kql: str, subscriptions: Sequence[str], batch: int = 1000) -> list[Json]: ...


class Sink(Protocol):
    """Takes what was read, in any order; `scanner.snapshot.files.Store` is one."""

    def scope(self, subscription: str, name: str, tenant: str, view: str) -> None: ...
    def resource(self, body: Json, api: str | None, by: By) -> None: ...
    def read(self, url: str, count: int, by: str = "") -> None: ...
    def skip(self, url: str, why: str) -> None: ...
    def gap(self, url: str, status: int, code: str, action: str = "") -> None: ...


class Progress(Protocol):
    """Hears how far a collection is. Every call is cheap and may come thousands of times a second."""

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None:
        """Who reads, in which tenant (a name where it has one), and which tenants that the login knows are not read."""

    def scope(self, subscription: str, name: str, view: str) -> None:
        """A subscription, and how much of it is seen: full, partial, none."""

    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None:
        """Reads done and known to come, resources found, reads that failed."""

    def reading(self, what: str, done: int, total: int, of: str) -> None:
        """`what` ("containers") was read of `done` of `total` parents (`of`: "storage accounts")."""

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        """A read failed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to read. Empty: all subscriptions that the login can read. `graph=False`: list everything instead.

    `beside`: with `resources`, more subscriptions (ids) of which only the index is read; `chained`: with
    the security admin rules, which Resource Graph alone lists.
    """

    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    chained: bool = False
    groups: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    graph: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """The table of reads: types, the children that are wanted below them, and the types of the index."""

    kinds: Sequence[ResourceType]
    children: Collection[Read]
    index_types: Sequence[str] = INDEX_TYPES

    def types(self) -> Iterable[tuple[str, ResourceType]]:
        """Each type with its declaration: the first one, where rules of one's own declare it too."""
        first: dict[str, tuple[str, ResourceType]] = {}
        for kind in self.kinds:
            for type in kind.types:
                first.setdefault(type.lower(), (type, kind))
        return first.values()

    def below(self, parent: ResourceType | Read) -> list[Read]:
        """The wanted reads directly below, whoever declared the type."""
        if isinstance(parent, ResourceType):
            types = {type.lower() for type in parent.types}
            same = [each for each in self.kinds if types & {type.lower() for type in each.types}]
        else:
            same = []
        return [child for child in self.children if child.parent is parent or child.parent in same]

    def looked_up(self) -> "Plan":
        """The same kinds, with those children alone that verdicts on other resources look up."""
        wanted: list[Read] = []
        for child in (each for each in self.children if each.always):
            line = [child]
            while isinstance(line[0].parent, Read):
                line.insert(0, line[0].parent)
            wanted += [each for each in line if each not in wanted]
        return Plan(self.kinds, wanted, self.index_types)

    def nested(self, type: str) -> list[tuple[str, ResourceType]]:
        """Types whose resources lie directly below resources of that type and are bundles of their own."""
        return [
            (each, kind)
            for each, kind in self.types()
            if nested(each) and each.lower().rsplit("/", 1)[0] == type.lower()
        ]


def nested(type: str) -> bool:
    return type.count("/") > 1
