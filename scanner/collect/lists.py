"""Lists the resources of each type: in a subscription, in its groups, or resource by resource.

How depends on what the identity may list.
"""

from collections.abc import AsyncIterator
from functools import partial

from scanner.azure.errors import ReadError
from scanner.collect.bodies import display_name, graph_body, has_usable_id, is_group_name, list_path, quoted_path
from scanner.collect.children import BundleReader
from scanner.collect.named import NamedGroups, NamedTags
from scanner.collect.plan import Json, Scope
from scanner.collect.queue import UNREGISTERED, CollectionContext, Job, JobQueue, SubscriptionView, run_some
from scanner.collect.resource_groups import ResourceGroups, is_listed_by_group
from scanner.collect.versions import by_version
from scanner.model.ids import group_of, type_of
from scanner.model.index import is_indexed
from scanner.model.json_paths import member
from scanner.model.resource import By, Resource
from scanner.model.resource_type import ResourceType
from scanner.snapshot.format import DELETED
from scanner.snapshot.selection import Selection, scope_of


class ListReader:
    """List the types of one collection."""

    def __init__(self, context: CollectionContext, bundles: BundleReader, scope: Scope) -> None:
        self.context = context
        self.bundles = bundles
        self.scope = scope
        self.groups = {group.lower() for group in scope.groups}
        self.resource_groups = ResourceGroups(context)
        self.tags = NamedTags(scope)
        self._lookups: BundleReader | None = None
        self.excluded = Selection()
        """What is not excluded."""
        self.absent_groups: set[tuple[str, str]] = set()
        self.are_groups_known = False
        """Whether it is known of every resource group that the scope names if it exists."""

    @property
    def lookups(self) -> BundleReader:
        """The reader of what is not in scope, and what other verdicts need."""
        if self._lookups is None:
            self._lookups = BundleReader(self.context.of_lookups(), self.bundles.listed_ids)
        return self._lookups

    def set_groups(self, named_groups: NamedGroups, excluded: Selection) -> None:
        """Note which of the named groups exist. A list is left out for a group only where that is known of all."""
        self.excluded = excluded
        self.absent_groups = named_groups.absent
        self.are_groups_known = self.groups <= named_groups.existing | {group for _, group in named_groups.absent}

    def job(self, jobs: JobQueue, subscription: SubscriptionView, type: str, resource_type: ResourceType) -> Job:
        """Return the job that lists one type in one subscription, where it exists."""
        is_left_out = self._is_left_out(subscription, type)
        if is_listed_by_group(type) and subscription.view == "full" and not (is_left_out or self.groups):
            return partial(self._list_each_group, jobs, subscription, type, resource_type)
        paths = [] if is_left_out else self._list_paths(subscription, type)
        self.context.counts.expect(display_name(type.rsplit("/", 1)[1]), len(paths))

        async def run() -> None:
            if is_left_out:
                self.context.store.skip(list_path(subscription.id, type), "only in what is excluded")
            elif subscription.view == "partial" and subscription.existing_types is None:
                await self._list_groups(jobs, subscription, type, resource_type)
            for path in paths:
                await self._list(jobs, subscription, path, type, resource_type)
            if not paths and self.groups and self.are_groups_known and not is_left_out:
                self.context.store.skip(list_path(subscription.id, type), "none in the named groups")

        return run

    def _list_paths(self, subscription: SubscriptionView, type: str) -> list[str]:
        """Return the list paths that together cover the resources of a type in scope."""
        exists = subscription.existing_types
        groups = None if exists is None else exists.get(type.lower(), [])
        if groups == [] and type.lower() not in subscription.first_pages:
            return []
        if self.groups and not is_indexed(type):
            visible = None if groups is None else {group.lower() for group in groups}
            absent = {group for owner, group in self.absent_groups if owner == subscription.id.lower()}
            wanted = [
                group
                for group in self.scope.groups
                if group.lower() not in absent
                and (visible is None or group.lower() in visible)
                and not self._is_excluded(subscription.id, group)
            ]
            return [list_path(subscription.id, type, group) for group in wanted]
        if subscription.view == "partial":
            wanted = [each for each in groups or () if is_indexed(type) or not self._is_excluded(subscription.id, each)]
            return [list_path(subscription.id, type, group) for group in wanted]
        return [list_path(subscription.id, type)]

    async def _list_groups(
        self, jobs: JobQueue, subscription: SubscriptionView, type: str, resource_type: ResourceType
    ) -> None:
        """List a type in each visible group: the subscription is visible in part and Resource Graph is not asked."""
        if self.groups and not is_indexed(type):
            return
        for group in await self.resource_groups.visible(subscription.id) or ():
            if not is_indexed(type) and self._is_excluded(subscription.id, group):
                continue
            self.context.counts.expect(display_name(type.rsplit("/", 1)[1]))
            await self._list(jobs, subscription, list_path(subscription.id, type, group), type, resource_type)

    async def _list_each_group(
        self, jobs: JobQueue, subscription: SubscriptionView, type: str, resource_type: ResourceType
    ) -> None:
        """List a type in each group that has any, because ARM has no list of the subscription."""
        exists = subscription.existing_types
        known = None if exists is None else exists.get(type.lower(), [])
        groups = await self.resource_groups.all(subscription, type) if known is None else known
        if groups is None:
            self.tags.is_whole = False
        if not groups and known is not None:
            return  # The visibility has written that Resource Graph shows none.
        counts: list[int | None] = []

        async def list_one(group: str) -> None:
            path = list_path(subscription.id, type, group)
            counts.append(await self._list(jobs, subscription, path, type, resource_type))

        wanted = [each for each in groups or () if not self._is_excluded(subscription.id, each)]
        self.context.counts.expect(display_name(type.rsplit("/", 1)[1]), len(wanted))
        await run_some(partial(list_one, group) for group in wanted)
        if groups is not None and None not in counts:
            self.context.store.read(list_path(subscription.id, type), sum(each or 0 for each in counts), "list")

    async def _list(
        self, jobs: JobQueue, subscription: SubscriptionView, path: str, type: str, resource_type: ResourceType
    ) -> int | None:
        """Read one list. Return how many resources it has; None where it is a gap, or where each was read by itself."""
        what = display_name(type.rsplit("/", 1)[1])
        ids: set[str] = set()
        unusable, count, api = 0, None, resource_type.api
        try:
            async for api, page in self._pages(subscription, path, type, resource_type):
                unusable += self._add_page(jobs, subscription, page, resource_type, ids, api)
                await jobs.room(subscription.id)
        except ReadError as error:
            if error.code.lower() == UNREGISTERED:
                error.means_none()
                self.context.store.read(path, 0, "list")
                count = 0
            elif error.code.lower() == "resourcegroupnotfound":
                self.context.store.skip(path, DELETED)
                count = 0
            else:
                await self._add_failure(jobs, subscription, path, type, resource_type, ids, error)
        else:
            if unusable:
                self.context.add_gap(self.context.store, path, 0, "BadJson", "", unusable)
            else:
                self.context.store.read(path, len(ids), by_version("list", api, resource_type.api), api)
                count = len(ids)
        self.context.counts.finish(what)
        return count

    async def _add_failure(
        self,
        jobs: JobQueue,
        subscription: SubscriptionView,
        path: str,
        type: str,
        resource_type: ResourceType,
        ids: set[str],
        error: ReadError,
    ) -> None:
        """Write a list that failed as a gap, and beside it the resources that Resource Graph shows and ARM did not."""
        if await self._read_each(jobs, subscription, path, resource_type, error) and subscription.view == "partial":
            return  # Another gap says that more may exist.
        self.tags.is_whole = False
        left = self._not_read(subscription, path, type, len(ids))
        if left or group_of(path):
            left = max(0, left - await self._add_known(jobs, subscription, path, type, resource_type))
        self.context.add_failure(self.context.store, path, error, resources=left)

    async def _add_known(
        self, jobs: JobQueue, subscription: SubscriptionView, path: str, type: str, resource_type: ResourceType
    ) -> int:
        """Add the rows of Resource Graph for a list that failed, but for those that were read. Return how many."""
        group = group_of(path)
        if not subscription.known_counts.get(type.lower()) or (group and not is_group_name(group)):
            return 0
        inside = f" and resourceGroup =~ '{group}'" if group else ""
        kql = f"resources | where type =~ '{type}'{inside} | order by id asc"
        try:
            rows = await self.context.reader.query(kql, [subscription.id])
        except ReadError:
            return 0
        count = 0
        for row in rows:
            if has_usable_id(row, subscription.id) and row["id"] not in self.bundles.listed_ids:
                self._add(jobs, subscription, graph_body(row), resource_type, "graph", None)
                count += 1
                await jobs.room(subscription.id)
        return count

    def _add_page(
        self,
        jobs: JobQueue,
        subscription: SubscriptionView,
        page: list[Json],
        resource_type: ResourceType,
        ids: set[str],
        api: str,
    ) -> int:
        """Add the resources of a page, and their ids to `ids`. Return how many rows have no usable id.

        The page is emptied, so that it takes no memory while the next one is read.
        """
        unusable = 0
        for row in page:
            if has_usable_id(row, subscription.id):
                ids.add(row["id"].lower())
                self._add(jobs, subscription, row, resource_type, "list", api)
            else:
                unusable += 1
        page.clear()
        return unusable

    def _not_read(self, subscription: SubscriptionView, path: str, type: str, count: int) -> int:
        """Return how many resources Resource Graph counts beyond those of a list of a whole subscription, else 0."""
        if path != list_path(subscription.id, type):
            return 0
        return max(0, subscription.known_counts.get(type.lower(), 0) - count)

    async def _read_each(
        self, jobs: JobQueue, subscription: SubscriptionView, path: str, resource_type: ResourceType, error: ReadError
    ) -> bool:
        """Read each resource that Resource Graph shows in a group whose list was refused. Return whether there is any.

        An identity with roles on single resources may list no group.
        """
        group = group_of(path)
        if error.status != 403 or subscription.existing_types is None or not is_group_name(group):
            return False
        wanted = f"type =~ '{type_of(path + '/x')}' and resourceGroup =~ '{group}'"
        kql = f"resources | where {wanted} | project id | order by id asc"
        try:
            rows = await self.context.reader.query(kql, [subscription.id])
        except ReadError:
            return False
        result = False
        for row in (each for each in rows if has_usable_id(each, subscription.id)):
            result = True
            if row["id"] not in self.bundles.listed_ids:
                self.bundles.listed_ids.add(row["id"])
                self._add_get(jobs, subscription, row["id"], resource_type)
        if result:
            self.context.store.skip(path, f"{error.status} {error.code}; each visible resource was read separately")
        return result

    async def _pages(
        self, subscription: SubscriptionView, path: str, type: str, resource_type: ResourceType
    ) -> AsyncIterator[tuple[str, list[Json]]]:
        """Yield the pages of a list, each with its api-version. A page that the probe has read is not read again."""
        whole = path == list_path(subscription.id, type)
        if whole and (refused := subscription.refused.get(type.lower())):
            raise refused
        first = subscription.first_pages.pop(type.lower(), None) if whole else None
        pages = first[1] if first is not None else self.context.pages(path, resource_type)
        if first is not None:
            yield pages.api or resource_type.api, list(first[0])
        async for page in pages:
            yield pages.api, page

    def _add(
        self,
        jobs: JobQueue,
        subscription: SubscriptionView,
        row: Json,
        resource_type: ResourceType,
        by: By,
        api: str | None,
    ) -> None:
        """Add the bundle of a top-level resource that is in scope; of one of the index what other verdicts need."""
        in_scope = self._in_scope(row)
        if not (in_scope or is_indexed(type_of(row["id"]))) or row["id"] in self.bundles.listed_ids:
            return
        self.bundles.listed_ids.add(row["id"])
        bundles = self.bundles if in_scope else self.lookups
        if isinstance(member(row, "properties"), dict) and not resource_type.each:
            bundles.add(jobs, subscription, row, resource_type, by, api)
        else:
            self._add_get(jobs, subscription, row["id"], resource_type, bundles)

    def _add_get(
        self,
        jobs: JobQueue,
        subscription: SubscriptionView,
        id: str,
        resource_type: ResourceType,
        bundles: BundleReader | None = None,
    ) -> None:
        """Add a job that reads a resource by GET, because its row in a list says too little."""
        what = display_name(resource_type.type.rsplit("/", 1)[1])
        self.context.counts.expect(what)

        async def run() -> None:
            try:
                body, api = await self.context.versions.get(quoted_path(id), resource_type.api)
            except ReadError as error:
                if error.status == 404:
                    self.context.store.skip(id, DELETED)
                else:
                    self.context.add_failure(self.context.store, id, error)
            else:
                (bundles or self.bundles).add(jobs, subscription, {**body, "id": id}, resource_type, "get", api)
            self.context.counts.finish(what)

        jobs.add((subscription.id, "gets", resource_type.type), run)

    def _in_scope(self, row: Json) -> bool:
        if self.excluded.is_excluded(row["id"]):
            return False
        if not self.groups and not self.scope.tags:
            return True
        resource = Resource(row)
        if self.groups and resource.group.lower() not in self.groups:
            return False
        return self.tags.matches(resource.known_tags.items())

    def _is_excluded(self, subscription: str, group: str) -> bool:
        return scope_of(subscription, group) in self.excluded.excluded

    def _is_left_out(self, subscription: SubscriptionView, type: str) -> bool:
        """Return whether every resource of a type is excluded, and other verdicts need none of them."""
        if is_indexed(type):
            return False
        groups = (subscription.existing_types or {}).get(type.lower())
        only_excluded = bool(groups) and all(self._is_excluded(subscription.id, each) for each in groups or ())
        return only_excluded or not self.excluded.has_subscription(subscription.id)
