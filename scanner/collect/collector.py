"""Step 1: reads what a plan names from Azure into a sink. It knows no rule, and imports no SDK."""

import asyncio
from collections.abc import Collection, Sequence

from scanner.azure.errors import NothingReadable, ReadError
from scanner.collect.bodies import NOT_KEPT, cut, safe, words
from scanner.collect.children import Bundles
from scanner.collect.index_types import INDEX_APIS, Index
from scanner.collect.lists import Lists
from scanner.collect.plan import Plan, Progress, Reader, Scope, Sink, Subscription, nested
from scanner.collect.queue import Crew, Desk, Seen
from scanner.collect.visibility import Views
from scanner.errors import InputError
from scanner.model.ids import subscription_of, type_of
from scanner.model.index import is_indexed
from scanner.model.resource_type import ResourceType

__all__ = ["INDEX_APIS", "NOT_KEPT", "Plan", "Progress", "Reader", "Scope", "Sink", "again", "collect", "cut", "look"]


async def collect(reader: Reader, scope: Scope, plan: Plan, sink: Sink, progress: Progress) -> None:
    """Read the scope into the sink. Raises InputError or an AccessError where nothing of it can be read."""
    work = _Collection(reader, scope, plan, sink, progress)
    try:
        await work.run()
    except BaseExceptionGroup as group:
        raise _first(group) from None


async def again(reader: Reader, scope: Scope, plan: Plan, sink: Sink, progress: Progress) -> frozenset[str]:
    """A second look at the resources of the scope, and at the index of their subscriptions. Gives those (lower case)
    of which ARM says that they are gone; what cannot be read is a gap, also where that is all.
    """
    work = _Collection(reader, scope, plan, sink, progress)
    try:
        return await work.again()
    except BaseExceptionGroup as group:
        raise _first(group) from None


async def look(reader: Reader, scope: Scope, plan: Plan, sink: Sink, progress: Progress) -> list[Seen]:
    """Which subscriptions a collection would read, and how much of each the login sees; it reads no more than that."""
    work = _Collection(reader, scope, plan, sink, progress)
    try:
        return await work.look()
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _says_gone(error: ReadError) -> bool:
    """Whether ARM says that the resource is gone: not the subscription (for this login), or its type, and not a page of
    something that stands between.
    """
    code = error.code.lower()
    return error.status == 404 and error.named and code.endswith("notfound") and code != "subscriptionnotfound"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class _Collection:
    """One collection: who reads, where, and in which order."""

    def __init__(self, reader: Reader, scope: Scope, plan: Plan, sink: Sink, progress: Progress) -> None:
        self.scope = scope
        self.desk = Desk(reader, plan, sink, progress)
        self.views = Views(self.desk)
        self.index = Index(self.desk)
        self.bundles = Bundles(self.desk)
        self.lists = Lists(self.desk, self.bundles, scope)
        self.gone: dict[str, str] = {}
        """Ids as they were given, by their lower case, with which ARM's code says that they are gone."""
        self.refused: list[ReadError] = []

    async def run(self) -> None:
        """The whole collection."""
        known = await self._known()
        if self.scope.resources:
            await self._named_resources(known)
            self._all_there()
            return
        targets = await self._targets(known)
        seen = await self.views.of(targets)
        if self.scope.graph:
            await self.views.exist(seen)
        await self.index.read(seen, self.scope.graph)
        self.lists.know(seen)
        async with asyncio.TaskGroup() as tasks:
            crew = Crew(tasks)
            for subscription in seen:
                for type, kind in self.desk.plan.types():
                    if not nested(type):
                        crew.add((subscription.id, "lists"), self.lists.job(crew, subscription, type, kind))

    async def look(self) -> list[Seen]:
        """How much is seen of each subscription in scope."""
        return await self.views.of(await self._targets(await self._known()))

    # Who, and where

    async def _known(self) -> Sequence[Subscription]:
        async with asyncio.TaskGroup() as tasks:
            subscriptions = tasks.create_task(self._subscriptions())
            tenants = tasks.create_task(self.desk.reader.tenants())
        known = subscriptions.result()
        self._account(tenants.result())
        return known

    def _account(self, tenants: list[tuple[str, str]]) -> None:
        account = self.desk.reader.account
        names = dict(tenants)
        others = [name or id for id, name in tenants if id.lower() != account.tenant.lower()]
        self.desk.progress.account(account.name, account.kind, names.get(account.tenant) or account.tenant, others)

    async def _subscriptions(self) -> Sequence[Subscription]:
        try:
            return await self.desk.reader.subscriptions()
        except ReadError as error:
            account = self.desk.reader.account
            raise NothingReadable(
                f"the subscriptions of this login cannot be listed: {error.status or ''} {error.code}".replace(
                    ": 0", ":"
                ),
                at=f"{account.name}, tenant {account.tenant}",
                do="try again later, or ask for Reader",
            ) from error

    async def _targets(self, known: Sequence[Subscription]) -> list[Subscription]:
        scope = self.scope
        targets = list(known)
        if scope.subscriptions or scope.management_groups:
            found = [
                *await self.desk.reader.named(scope.subscriptions),
                *await self.desk.reader.below(scope.management_groups),
            ]
            targets = list({each.id.lower(): each for each in found}.values())
        if not any(each.readable for each in targets):
            account = self.desk.reader.account
            states = ", ".join(sorted({f"{each.name} is {each.state or 'not seen'}" for each in targets})[:5])
            raise NothingReadable(
                "this login can read no subscription" + (f" ({states})" if states else ""),
                at=f"{account.name}, tenant {account.tenant}",
                do="ask for Reader, or for less: twolocks access role > role.json",
            )
        return targets

    async def again(self) -> frozenset[str]:
        """Resources that were named, without a word on who reads and where."""
        await self._named_resources(await self._subscriptions())
        return frozenset(self.gone)

    async def _named_resources(self, known: Sequence[Subscription]) -> None:
        """`--resource`: each by GET, with what lies below; no probe. Resource Graph gives admin rules alone."""
        tops = {top[0].lower(): top for top in (self._top_of(id) for id in self.scope.resources)}
        names = {each.id.lower(): each for each in known}
        seen: dict[str, Seen] = {}
        for subscription in (*(subscription_of(id) for id, _ in tops.values()), *self.scope.beside):
            found = names.get(subscription)
            if subscription not in seen:
                seen[subscription] = Seen(found.id if found else subscription)
                name = found.name if found else subscription
                self.desk.sink.scope(seen[subscription].id, name, found.tenant if found else "", "full")
                self.desk.sink.skip(f"/subscriptions/{seen[subscription].id}", "only resources that were named")
                self.desk.progress.scope(seen[subscription].id, name, "full")
        async with asyncio.TaskGroup() as tasks:
            crew = Crew(tasks)
            chained = self.scope.chained or any(kind.path_function is not None for _, kind in tops.values())
            tasks.create_task(self._whole_index(list(seen.values()), chained and self.scope.graph))
            self._judged_index(crew, list(seen.values()), tops)
            for id, kind in tops.values():
                tasks.create_task(self._one(crew, seen[subscription_of(id)], id, kind))

    def _all_there(self) -> None:
        """Raises InputError where a resource that was named does not exist, NothingReadable where none can be read."""
        if self.gone:
            raise InputError(
                f"there is no resource {min(self.gone.values())}",
                at="--resource",
                do="az resource list --output table",
            )
        if self.refused and len(self.refused) == len({root.lower() for root in self._roots()}):
            error = self.refused[0]
            raise NothingReadable(
                f"{error.url} cannot be read: {error.status or ''} {error.code}",
                at=f"missing {error.action}" if error.action else "",
                do="ask for Reader, or for less: twolocks access role > role.json",
            )

    def _roots(self) -> list[str]:
        return [self._top_of(id)[0] for id in self.scope.resources]

    async def _whole_index(self, seen: list[Seen], chained: bool) -> None:
        await self.index.read(seen, graph=False)
        if chained:
            await self.index.extensions(seen)

    def _judged_index(self, crew: Crew, seen: list[Seen], named: Collection[str]) -> None:
        """The types of the index that rules are about, too: listed, with what verdicts on others look up below."""
        desk = Desk(self.desk.reader, self.desk.plan.looked_up(), self.desk.sink, self.desk.progress)
        desk.tally = self.desk.tally
        bundles = Bundles(desk)
        bundles.seen_ids.update(named)
        lists = Lists(desk, bundles, Scope())
        for subscription in seen:
            for type, kind in desk.plan.types():
                if is_indexed(type) and not nested(type):
                    crew.add((subscription.id, "lists"), lists.job(crew, subscription, type, kind))

    async def _one(self, crew: Crew, subscription: Seen, id: str, kind: ResourceType) -> None:
        self.desk.tally.plan(words(kind.type.rsplit("/", 1)[1]))
        try:
            body = await self.desk.reader.get(safe(id), kind.api)
        except ReadError as error:
            if _says_gone(error):
                self.gone[id.lower()] = f"{id} ({error.code})"
            else:
                self.refused.append(error)
                self.desk.failed(self.desk.sink, id, error)
        else:
            self.bundles.bundle(crew, subscription, {**body, "id": id}, kind, "get")
        self.desk.tally.ended(words(kind.type.rsplit("/", 1)[1]))

    def _top_of(self, id: str) -> tuple[str, ResourceType]:
        """The resource that a bundle starts with, of a resource or a child, and its declaration. Raises InputError."""
        kinds = {type.lower(): kind for type, kind in self.desk.plan.types()}
        parts = [part for part in id.split("?", 1)[0].split("/") if part]
        lower = [part.lower() for part in parts]
        if lower[:1] != ["subscriptions"] or "providers" not in lower or {".", ".."} & set(parts):
            raise InputError("this is no resource id", at=f"--resource {id}", do="az resource show ... --query id")
        start = lower.index("providers")
        names = range(len(parts) - (len(parts) - start) % 2, start + 3, -2)
        for end in names:
            candidate = "/" + "/".join(parts[:end])
            kind = kinds.get(type_of(candidate).lower())
            if kind is not None:
                return candidate, kind
        raise InputError(
            f"no enabled rule is about {type_of(id) or 'this'}", at=f"--resource {id}", do="twolocks rules list"
        )
