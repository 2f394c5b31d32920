"""Reads what a plan names from Azure into a store. Knows no rule and imports no SDK."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from scanner.azure.errors import NothingReadable, ReadError
from scanner.collect.bodies import display_name, quoted_path
from scanner.collect.children import BundleReader
from scanner.collect.containers import ContainerReader
from scanner.collect.elsewhere import read_named
from scanner.collect.exclusions import ExcludedScopes
from scanner.collect.index_types import IndexReader
from scanner.collect.lists import ListReader
from scanner.collect.named import NamedGroups, is_gone, no_such_resource
from scanner.collect.plan import Plan, Progress, Scope, nested
from scanner.collect.queue import (
    LISTS,
    CollectionContext,
    JobQueue,
    JobsInWork,
    ListedIds,
    SubscriptionView,
    first_of,
)
from scanner.collect.quotas import quotas_of, skip_quotas
from scanner.collect.shared import SharedAnswers
from scanner.collect.subscription_bundles import add_subscriptions
from scanner.collect.survey import Survey, read_survey
from scanner.collect.visibility import VisibilityReader
from scanner.collect.whole_subscriptions import WholeReader
from scanner.errors import InputError
from scanner.model.ids import is_subscription, subscription_of, type_of
from scanner.model.index import is_indexed
from scanner.model.index_apis import INDEX_APIS
from scanner.model.resource_type import ResourceType
from scanner.snapshot.format import DELETED, SnapshotLine
from scanner.snapshot.store import LineWriter

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader
    from scanner.azure.subscriptions import Subscription

__all__ = [
    "INDEX_APIS",
    "Plan",
    "Progress",
    "Scope",
    "collect",
    "collect_one",
    "read_joined",
    "reread",
    "survey",
    "view_subscriptions",
]

T = TypeVar("T")
Early = Callable[[list[SnapshotLine]], Awaitable[None]]
EARLY_SECONDS = 5
"""A scan whose first reads take less than this soon shows all."""
MOST_EARLY = 20_000
"""The resources beyond which nothing is shown early: their lines are evaluated in memory."""


async def collect(reader: "AzureReader", scope: Scope, plan: Plan, store: LineWriter, progress: Progress) -> list[str]:
    """Read the scope into the store, and return the paths that were excluded.

    Raises InputError, or an AccessError where nothing of it can be read.
    """
    return await _run(_Collection(reader, scope, plan, store, progress).run)


async def reread(
    reader: "AzureReader", scope: Scope, plan: Plan, store: LineWriter, progress: Progress
) -> frozenset[str]:
    """Re-read the named resources of the scope, and the index of their subscriptions.

    Reports no account and no progress of scopes. Returns the ids (lower case) that ARM says no longer exist. What
    cannot be read is a gap, even where that is everything.
    """
    return await _run(_Collection(reader, scope, plan, store, progress).reread)


async def view_subscriptions(
    reader: "AzureReader", scope: Scope, plan: Plan, store: LineWriter, progress: Progress
) -> list[SubscriptionView]:
    """Return the subscriptions that a collection would read, and how much of each is visible. Reads nothing else."""
    return await _run(_Collection(reader, scope, plan, store, progress).view_subscriptions)


async def survey(reader: "AzureReader", scope: Scope, plan: Plan, store: LineWriter, progress: Progress) -> Survey:
    """Read what concerns all subscriptions in scope. Raises InputError, or an AccessError where nothing can be read."""
    return await _run(_Collection(reader, scope, plan, store, progress).survey)


async def collect_one(
    reader: "AzureReader",
    subscription: "Subscription",
    answers: SharedAnswers,
    plan: Plan,
    store: LineWriter,
    progress: Progress,
    *,
    graph: bool,
) -> None:
    """Read one subscription into the store. `answers`: what a survey found of it. `graph`: see `Scope`."""
    collection = _Collection(reader, Scope(graph=graph), plan, store, progress)
    await _run(partial(collection.one, subscription, answers))


async def read_joined(reader: "AzureReader", plan: Plan, store: LineWriter, progress: Progress) -> None:
    """Read what a join of everything in the store asks for."""
    await _run(_Collection(reader, Scope(), plan, store, progress).read_joined)


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    """Run a collection. An error of its tasks is raised alone, without its group."""
    try:
        return await work()
    except BaseExceptionGroup as group:
        raise first_of(group) from None


class _Collection:
    """The steps of one collection."""

    def __init__(self, reader: "AzureReader", scope: Scope, plan: Plan, store: LineWriter, progress: Progress) -> None:
        self.scope = scope
        self.context = CollectionContext(reader, plan, store, progress)
        self.visibility = VisibilityReader(self.context)
        self.index = IndexReader(self.context)
        self.bundles = BundleReader(self.context)
        self.groups = NamedGroups(self.context, scope)
        self.excluded = ExcludedScopes(self.context, scope)
        self.containers = ContainerReader(self.context)
        self.lists = ListReader(self.context, self.bundles, scope)
        self.gone: dict[str, tuple[str, str, ResourceType]] = {}
        """The named ids that do not exist as they are spelt, with ARM's error code and type, by id in lower case."""
        self.refused: list[ReadError] = []
        self.again: frozenset[str] | None = None
        """The subscriptions (lower case) that are read again with all that is set on them; None in a first read."""

    async def run(self) -> list[str]:
        """Read the scope. Return the paths that were excluded."""
        known = await self._known()
        if self.scope.resources:
            self._leave_out_resources(known)
            await self._named_resources(known)
            await self._check_named()
            await self.read_joined()
            return list(self.excluded.paths.values())
        await self._subscriptions_in_scope(await self._targets(known))
        await self.read_joined()
        self.lists.tags.check()
        return list(self.excluded.paths.values())

    async def survey(self) -> Survey:
        """Read what concerns all subscriptions in scope, and nothing else."""
        targets = await self._targets(await self._known())
        result = Survey(targets, list(self.excluded.paths.values()))
        await read_survey(self.context, result, graph=self.scope.graph)
        return result

    async def one(self, subscription: "Subscription", answers: SharedAnswers) -> None:
        """Read one subscription, of which `answers` has what concerns all."""
        self.context.share(answers)
        self.excluded.paths = {path.lower(): path for path in answers.excluded}
        await self._subscriptions_in_scope([subscription])

    async def _subscriptions_in_scope(self, targets: "Sequence[Subscription]") -> None:
        """Read subscriptions as wholes, as far as groups and tags of the scope do not narrow it."""
        views = await self.visibility.read(targets, graph=self.scope.graph)
        await self.groups.read(views)
        await self.excluded.add_groups(views)
        self.lists.set_groups(self.groups, self.excluded.selection)
        if not (self.scope.groups or self.scope.tags):
            self.context.bulk.begin(views)
        quotas = quotas_of(self.context, self.scope, self.containers.regions, targets)
        async with asyncio.TaskGroup() as tasks:
            jobs = JobQueue(tasks)
            index = tasks.create_task(self.index.read(views, self.scope.graph))
            regions = tasks.create_task(self.containers.read(views)) if self.context.plan.places else None

            def begin(view: SubscriptionView, lists: JobsInWork) -> None:
                if quotas is not None:
                    tasks.create_task(quotas.begin(view, lists, regions))

            narrow = bool(self.scope.groups or self.scope.tags)
            whole = WholeReader(self.lists, jobs, self.lists.lookups if narrow else self.bundles, begin)
            if self.context.plan.early is not None and views:
                tasks.create_task(self._show_early(self.context.plan.early, index, whole))
            await whole.read(views)
        if quotas is not None:
            await quotas.read(views)
        elif self.context.plan.unasked:
            skip_quotas(self.context, views)

    async def _show_early(self, show: Early, index: asyncio.Task[None], whole: WholeReader) -> None:
        """Show what is open already, once the index and all reads of the first rank have ended: where that took long,
        and others are left.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        await asyncio.wait([index])
        await whole.first_ended()
        lines = list(self.bundles.open_lines())
        if lines and clock() - began >= EARLY_SECONDS and self.context.counts.resources <= MOST_EARLY:
            await show(lines)

    async def read_joined(self) -> None:
        """Read what a join of everything in the store asks for. The join takes a pass over all lines."""
        joined = await asyncio.to_thread(self.context.plan.joined)
        await self.bundles.read_joined(joined.reads)
        await read_named(self.context, joined.named)

    def _leave_out_resources(self, known: "Sequence[Subscription]") -> None:
        """Remove the named resources that are excluded. Raises InputError where none is left."""
        self.excluded.add_subscriptions(known)
        self.excluded.add_named([subscription_of(id) for id in self.scope.resources])
        selection = self.excluded.selection
        kept = tuple(id for id in self.scope.resources if not selection.is_excluded(id))
        if not kept:
            raise InputError("--exclude leaves out every --resource", do="remove one of them")
        self.scope = replace(self.scope, resources=kept)

    async def view_subscriptions(self) -> list[SubscriptionView]:
        """Return how much of each subscription in scope is visible."""
        return await self.visibility.read(await self._targets(await self._known()))

    async def _known(self) -> "Sequence[Subscription]":
        """Return the subscriptions that the identity can see, and report the identity."""
        async with asyncio.TaskGroup() as tasks:
            subscriptions = tasks.create_task(self._subscriptions())
            identities = tasks.create_task(self.context.reader.identities())
        for each in identities.result():
            self.context.progress.account(each.account.name, each.account.kind, each.tenant, each.others)
        return subscriptions.result()

    async def _subscriptions(self) -> "Sequence[Subscription]":
        try:
            return await self.context.reader.subscriptions()
        except ReadError as error:
            account = self.context.reader.account
            raise NothingReadable(
                f"the subscriptions of this login cannot be listed: {error.status or ''} {error.code}".replace(
                    ":  ", ": "
                ),
                at=f"{account.name}, tenant {account.tenant}",
                do="try again later, or request the Reader role",
            ) from error

    async def _targets(self, known: "Sequence[Subscription]") -> "list[Subscription]":
        """Return the subscriptions in scope. Raises NothingReadable where none of them can be read."""
        targets, listings = await self.context.reader.targets(self.scope.subscriptions, self.scope.management_groups)
        for listing in (each for each in listings if each.fault):
            self.context.add_gap(self.context.store, listing.path, 0, listing.fault, "")
        self.excluded.add_subscriptions([*known, *targets])
        selection = self.excluded.selection
        wanted = [each for each in targets if selection.has_subscription(each.id)]
        if targets and not wanted:
            raise InputError("--exclude leaves out every subscription", do="remove one of them")
        if not any(each.readable for each in wanted):
            account = self.context.reader.account
            states = ", ".join(sorted({f"{each.name} is {each.state or 'not visible'}" for each in wanted})[:5])
            raise NothingReadable(
                "this login cannot read any subscription" + (f" ({states})" if states else ""),
                at=f"{account.name}, tenant {account.tenant}",
                do="request the Reader role, or a smaller role: twolocks access role > role.json",
            )
        return targets

    async def reread(self) -> frozenset[str]:
        """Read the named resources and subscriptions. Return the ids (lower case) that do not exist."""
        named = self.scope.resources
        self.again = frozenset(subscription_of(each) for each in named if is_subscription(each))
        self.scope = replace(
            self.scope,
            resources=tuple(each for each in named if not is_subscription(each)),
            index_subscriptions=(*self.scope.index_subscriptions, *sorted(self.again)),
        )
        await self._named_resources(await self._subscriptions())
        await self.read_joined()
        return frozenset(self.gone)

    async def _named_resources(self, known: "Sequence[Subscription]") -> None:
        """Read the resources of `--resource` by GET, with everything below them, and the index of their subscriptions.

        Nothing is probed. Resource Graph is asked for security admin rules only.
        """
        tops = {top[0].lower(): top for top in (self._top_of(id) for id in self.scope.resources)}
        names = {each.id.lower(): each for each in known}
        views: dict[str, SubscriptionView] = {}
        for subscription in (*(subscription_of(id) for id, _ in tops.values()), *self.scope.index_subscriptions):
            result = names.get(subscription)
            if subscription not in views:
                views[subscription] = SubscriptionView(result.id if result else subscription)
                name = result.name if result else subscription
                self.context.store.scope(views[subscription].id, name, result.tenant if result else "", "full")
                self.context.store.skip(f"/subscriptions/{views[subscription].id}", "only the named resources")
                label = self.context.labelled(name, result.tenant if result else "")
                self.context.progress.scope(views[subscription].id, label, "full")
        async with asyncio.TaskGroup() as tasks:
            jobs = JobQueue(tasks)
            has_paths = any(resource_type.path_function is not None for _, resource_type in tops.values())
            admin_rules = (self.scope.admin_rules or has_paths) and self.scope.graph
            tasks.create_task(self._list_index(list(views.values()), admin_rules))
            if self.context.plan.places:
                tasks.create_task(self.containers.read(list(views.values())))
            self._add_evaluated_index(jobs, list(views.values()), tops)
            for id, resource_type in tops.values():
                tasks.create_task(self._read_named(jobs, views[subscription_of(id)], id, resource_type))

    async def _check_named(self) -> None:
        """Raise InputError where a named resource does not exist and no earlier scan has seen it, and NothingReadable
        where none can be read.
        """
        for id, code, resource_type in sorted(self.gone.values(), key=lambda each: each[0]):
            if not self.scope.is_known(id.lower()):
                raise await no_such_resource(self.context, id, code, resource_type)
            self.context.store.skip(id, DELETED)
        if self.refused and len(self.refused) == len({root.lower() for root in self._roots()}):
            error = self.refused[0]
            raise NothingReadable(
                f"{error.url} cannot be read: {error.status or ''} {error.code}",
                at=f"missing {error.action}" if error.action else "",
                do="request the Reader role, or a smaller role: twolocks access role > role.json",
            )

    def _roots(self) -> list[str]:
        return [self._top_of(id)[0] for id in self.scope.resources]

    async def _list_index(self, views: list[SubscriptionView], admin_rules: bool) -> None:
        await self.index.read(views, graph=False)
        if admin_rules:
            await self.index.read_extensions(views)

    def _add_evaluated_index(self, jobs: JobQueue, views: list[SubscriptionView], named: Collection[str]) -> None:
        """Add jobs that list the index types that rules are about, with the reads that other verdicts look up."""
        context = self.context.of_lookups()
        bundles = BundleReader(context)
        bundles.listed_ids = ListedIds(named)
        lists = ListReader(context, bundles, Scope())
        again = self.again or frozenset()
        whole = [each for each in views if each.id.lower() in again]
        others = [each for each in views if each.id.lower() not in again]
        add_subscriptions(self.context, self.bundles, jobs, whole, again=True)
        add_subscriptions(context, bundles, jobs, others, again=self.again is not None)
        for subscription in views:
            for type, resource_type in context.plan.types():
                if is_indexed(type) and not nested(type):
                    jobs.add((subscription.id, LISTS), lists.job(jobs, subscription, type, resource_type))

    async def _read_named(
        self, jobs: JobQueue, subscription: SubscriptionView, id: str, resource_type: ResourceType
    ) -> None:
        self.context.counts.expect(display_name(resource_type.type.rsplit("/", 1)[1]))
        try:
            body, api = await self.context.versions.get(quoted_path(id), resource_type.api)
        except ReadError as error:
            if is_gone(error):
                self.gone[id.lower()] = (id, error.code, resource_type)
            else:
                self.refused.append(error)
                self.context.add_failure(self.context.store, id, error)
        else:
            self.bundles.add(jobs, subscription, {**body, "id": id}, resource_type, "get", api)
        self.context.counts.finish(display_name(resource_type.type.rsplit("/", 1)[1]))

    def _top_of(self, id: str) -> tuple[str, ResourceType]:
        """Return the top resource of the bundle that an id belongs to, and its declaration. Raises InputError."""
        declared = {type.lower(): resource_type for type, resource_type in self.context.plan.types()}
        segments = [segment for segment in id.split("?", 1)[0].split("/") if segment]
        lower = [segment.lower() for segment in segments]
        if lower[:1] != ["subscriptions"] or "providers" not in lower or {".", ".."} & set(segments):
            raise InputError("not a resource id", at=f"--resource {id}", do="az resource show ... --query id")
        start = lower.index("providers")
        names = range(len(segments) - (len(segments) - start) % 2, start + 3, -2)
        for end in names:
            candidate = "/" + "/".join(segments[:end])
            resource_type = declared.get(type_of(candidate).lower())
            if resource_type is not None:
                return candidate, resource_type
        raise InputError(
            f"no enabled rule covers {type_of(id) or 'this'}", at=f"--resource {id}", do="twolocks rules list"
        )
