"""Lists of types: in a subscription, in its groups, or resource by resource, as far as the login may see."""

import re
from collections.abc import AsyncIterator, Iterable

from scanner.azure.errors import ReadError
from scanner.collect.bodies import list_path, safe, usable, words
from scanner.collect.children import Bundles
from scanner.collect.plan import Json, Scope
from scanner.collect.queue import UNREGISTERED, Crew, Desk, Job, Seen
from scanner.model.ids import group_of, type_of
from scanner.model.json_paths import member
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType

GROUPS = "2025-04-01"
"""The api-version with which resource groups are listed."""

_NAME = re.compile(r"[\w().-]{1,90}")


class Lists:
    """Lists the types of one collection."""

    def __init__(self, desk: Desk, bundles: Bundles, scope: Scope) -> None:
        self.desk = desk
        self.bundles = bundles
        self.scope = scope
        self.groups = {group.lower() for group in scope.groups}
        self.groups_of: dict[str, list[str]] = {}
        self.found = False

    def know(self, seen: Iterable[Seen]) -> None:
        """Take in what exists: a group that was named and is nowhere is no reason to leave a list out."""
        there = {group.lower() for each in seen for groups in (each.exists or {}).values() for group in groups or ()}
        self.found = self.groups <= there

    def job(self, crew: Crew, subscription: Seen, type: str, kind: ResourceType) -> Job:
        """The job that lists one type in one subscription, where it exists."""
        paths = self._list_paths(subscription, type)
        self.desk.tally.plan(words(type.rsplit("/", 1)[1]), len(paths))

        async def run() -> None:
            if subscription.view == "partial" and subscription.exists is None:
                await self._list_groups(crew, subscription, type, kind)
            for path in paths:
                await self._list(crew, subscription, path, type, kind)
            if not paths and self.groups and self.found:
                self.desk.sink.skip(list_path(subscription.id, type), "none in the groups that were named")

        return run

    def _list_paths(self, subscription: Seen, type: str) -> list[str]:
        """The list paths that together cover what of a type is in scope."""
        exists = subscription.exists
        groups = None if exists is None else exists.get(type.lower(), [])
        if groups == [] and type.lower() not in subscription.started:
            return []
        if self.groups:
            wanted = [
                group for group in self.scope.groups if groups is None or group.lower() in {g.lower() for g in groups}
            ]
            return [list_path(subscription.id, type, group) for group in wanted]
        if subscription.view == "partial":
            return [list_path(subscription.id, type, group) for group in groups or ()]
        return [list_path(subscription.id, type)]

    async def _list_groups(self, crew: Crew, subscription: Seen, type: str, kind: ResourceType) -> None:
        """Without Resource Graph, and seen in part: list the type in each group that is seen."""
        if self.groups:
            return
        async with self.desk.locks[subscription.id]:
            if subscription.id not in self.groups_of:
                self.groups_of[subscription.id] = await self._visible_groups(subscription.id)
        for group in self.groups_of[subscription.id]:
            self.desk.tally.plan(words(type.rsplit("/", 1)[1]))
            await self._list(crew, subscription, list_path(subscription.id, type, group), type, kind)

    async def _visible_groups(self, subscription: str) -> list[str]:
        path = f"/subscriptions/{subscription}/resourcegroups"
        try:
            rows = [row async for page in self.desk.reader.pages(path, GROUPS) for row in page]
        except ReadError as error:
            self.desk.failed(self.desk.sink, path, error)
            return []
        self.desk.sink.read(path, len(rows), "list")
        return [str(row.get("name")) for row in rows]

    async def _list(self, crew: Crew, subscription: Seen, path: str, type: str, kind: ResourceType) -> None:
        what = words(type.rsplit("/", 1)[1])
        count = odd = 0
        try:
            async for page in self._pages(subscription, path, type, kind):
                for row in page:
                    if usable(row, subscription.id):
                        count += 1
                        self._found(crew, subscription, row, kind)
                    else:
                        odd += 1
        except ReadError as error:
            if error.code.lower() == UNREGISTERED:
                self.desk.sink.read(path, 0, "list")
            elif not await self._by_ids(crew, subscription, path, kind, error):
                self.desk.failed(self.desk.sink, path, error)
        else:
            if odd:
                self.desk.gap(self.desk.sink, path, 0, "BadJson", "")
            else:
                self.desk.sink.read(path, count, "list")
        self.desk.tally.ended(what)

    async def _by_ids(self, crew: Crew, subscription: Seen, path: str, kind: ResourceType, error: ReadError) -> bool:
        """Who has roles on single resources may list no group, and reads each resource that Resource Graph shows."""
        group = group_of(path)
        if error.status != 403 or subscription.exists is None or not group or not _NAME.fullmatch(group):
            return False
        wanted = f"type =~ '{type_of(path + '/x')}' and resourceGroup =~ '{group}'"
        kql = f"resources | where {wanted} | project id | order by id asc"
        try:
            rows = [row for row in await self.desk.reader.query(kql, [subscription.id]) if usable(row, subscription.id)]
        except ReadError:
            return False
        for row in rows:
            if row["id"].lower() not in self.bundles.seen_ids:
                self.bundles.seen_ids.add(row["id"].lower())
                self._get_top(crew, subscription, row["id"], kind)
        if rows:
            self.desk.sink.skip(path, f"{error.status} {error.code}; each resource that is seen was read by itself")
        return bool(rows)

    async def _pages(self, subscription: Seen, path: str, type: str, kind: ResourceType) -> AsyncIterator[list[Json]]:
        """The pages of a list; what the probe has read is not read again."""
        whole = path == list_path(subscription.id, type)
        if whole and (refused := subscription.refused.get(type.lower())):
            raise refused
        started = subscription.started.pop(type.lower(), None) if whole else None
        if started is not None:
            yield started[0]
        async for page in started[1] if started else self.desk.reader.pages(safe(path), kind.api):
            yield page

    def _found(self, crew: Crew, subscription: Seen, row: Json, kind: ResourceType) -> None:
        """A top-level resource of a list: plan what is read below it."""
        if not self._in_scope(row) or row["id"].lower() in self.bundles.seen_ids:
            return
        self.bundles.seen_ids.add(row["id"].lower())
        if isinstance(member(row, "properties"), dict):
            self.bundles.bundle(crew, subscription, row, kind, "list")
        else:
            self._get_top(crew, subscription, row["id"], kind)

    def _get_top(self, crew: Crew, subscription: Seen, id: str, kind: ResourceType) -> None:
        """A resource of which the list has said too little: read it by itself."""
        what = words(kind.type.rsplit("/", 1)[1])
        self.desk.tally.plan(what)

        async def run() -> None:
            try:
                body = await self.desk.reader.get(safe(id), kind.api)
            except ReadError as error:
                if error.status == 404:
                    self.desk.sink.skip(id, "deleted meanwhile")
                else:
                    self.desk.failed(self.desk.sink, id, error)
            else:
                self.bundles.bundle(crew, subscription, {**body, "id": id}, kind, "get")
            self.desk.tally.ended(what)

        crew.add((subscription.id, "gets", kind.type), run)

    def _in_scope(self, row: Json) -> bool:
        resource = Resource(row)
        if self.groups and resource.group.lower() not in self.groups:
            return False
        tags = {name.lower(): value for name, value in resource.tags.items()}
        return all(tags.get(name.lower()) == value for name, value in self.scope.tags)
