"""Bundles: what lies below one resource, level by level, written when the bundle is whole or not at all."""

import asyncio

import msgspec

from scanner.azure.errors import ReadError
from scanner.collect.bodies import cut, placed, safe, words
from scanner.collect.plan import Json
from scanner.collect.queue import UNREGISTERED, Crew, Desk, Gone, Out, Seen
from scanner.model.resource import By, Resource
from scanner.model.resource_type import Read, ResourceType

_GONE = frozenset({"resourcenotfound", "parentresourcenotfound", "resourcegroupnotfound", "notfound"})


class Bundles:
    """Reads the bundles of one collection."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        parents: set[ResourceType | Read] = {*desk.plan.kinds, *desk.plan.children}
        self.below = {parent: desk.plan.below(parent) for parent in parents}
        self.nested: dict[str, list[tuple[str, ResourceType]]] = {}
        self.asked: dict[str, bool] = {}
        self.seen_ids: set[str] = set()

    def bundle(self, crew: Crew, subscription: Seen, row: Json, kind: ResourceType, by: By) -> None:
        """One bundle: written at once where nothing lies below, else a job of its lane."""
        body = cut(row, kind.keep)
        resource = Resource(body, api=kind.api, by=by)
        out = Out()
        children = self._needed(out, resource, kind)
        self.desk.tally.resources += 1
        nested = [each for each in self._nested_in(resource.type) if may_exist(subscription, each[0])]
        if not children and not nested:
            out.resource(body, kind.api, by)
            self.desk.flush(out)
            return
        packed = msgspec.json.encode(body)
        lane = (subscription.id, resource.type.split("/", 1)[0].lower(), resource.location)

        async def job() -> None:
            top = Resource(msgspec.json.decode(packed), api=kind.api, by=by)
            out.resource(top.body, kind.api, by)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for child in children:
                        tasks.create_task(self._read(out, top, child, top))
                    for type, below in nested:
                        tasks.create_task(self._nested_kind(crew, subscription, out, top, type, below))
            except* Gone:
                out.lines.clear()
                out.skip(top.id, "deleted meanwhile")
                self.desk.tally.resources -= 1
            self.desk.flush(out)

        crew.add(lane, job)

    def _nested_in(self, type: str) -> list[tuple[str, ResourceType]]:
        if type not in self.nested:
            self.nested[type] = self.desk.plan.nested(type)
        return self.nested[type]

    def _needed(self, out: Out, parent: Resource, declared: ResourceType | Read) -> list[Read]:
        """The children to read below a resource; those that are not needed are written as skips."""
        needed = []
        for child in self.below.get(declared, ()):
            if _wanted(child, parent):
                needed.append(child)
                self.desk.tally.plan(words(child.path))
            else:
                out.skip(parent.url(child), "not needed")
        return needed

    async def _nested_kind(
        self, crew: Crew, subscription: Seen, out: Out, parent: Resource, type: str, kind: ResourceType
    ) -> None:
        """Bundles of their own that are listed below a resource (slots)."""
        url = f"{parent.id}/{type.rsplit('/', 1)[1]}"
        what = words(type.rsplit("/", 1)[1])
        self.desk.tally.plan(what)
        count = 0
        try:
            async for page in self.desk.reader.pages(safe(url), kind.api, parent.location):
                for row in (placed(each, url) for each in page):
                    if row["id"].lower() not in self.seen_ids:
                        self.seen_ids.add(row["id"].lower())
                        count += 1
                        self.bundle(crew, subscription, row, kind, "list")
        except ReadError as error:
            await self._maybe_gone(error, parent, parent)
            self.desk.failed(out, url, error)
        else:
            out.read(url, count, "list")
        self.desk.tally.ended(what, words(parent.type.rsplit("/", 1)[1]))

    async def _read(self, out: Out, parent: Resource, child: Read, top: Resource) -> None:
        """One read below a resource, and what lies below its result."""
        url = parent.url(child)
        what, of = words(child.path), words(parent.type.rsplit("/", 1)[1])
        found: dict[str, Resource] = {}
        try:
            if child.one:
                body = await self.desk.reader.get(safe(url), child.api, top.location)
                found[url] = self._child(out, {**body, "id": url}, child, "get")
            else:
                async for page in self.desk.reader.pages(safe(url), child.api, top.location):
                    for row in (placed(each, url) for each in page):
                        found[row["id"].lower()] = self._child(out, row, child, "list")
        except ReadError as error:
            await self._child_failed(out, url, child, error, parent, top)
        else:
            out.read(url, len(found), "get" if child.one else "list")
        self.desk.tally.ended(what, of)
        async with asyncio.TaskGroup() as tasks:
            for resource in found.values():
                if child.each:
                    tasks.create_task(self._by_itself(out, resource, child, top))
                for below in self._needed(out, resource, child):
                    tasks.create_task(self._read(out, resource, below, top))

    async def _by_itself(self, out: Out, row: Resource, child: Read, top: Resource) -> None:
        """A row of a list that says too little: the resource itself takes its place."""
        what, of = words(child.type.rsplit("/", 1)[1]), words(top.type.rsplit("/", 1)[1])
        self.desk.tally.plan(what)
        try:
            body = await self.desk.reader.get(safe(row.id), child.api, top.location)
        except ReadError as error:
            self.desk.failed(out, row.id, error)
            out.resource(row.body, None, "graph")  # too little to pass on: what it lacks is not known to be absent
        else:
            out.resource(cut({**body, "id": row.id}, child.keep), child.api, "get")
        self.desk.tally.ended(what, of)

    def _child(self, out: Out, body: Json, child: Read, by: By) -> Resource:
        body = cut(body, child.keep)
        if not child.each:
            out.resource(body, child.api, by)
        self.desk.tally.resources += 1
        return Resource(body, api=child.api, by=by)

    async def _child_failed(
        self, out: Out, url: str, child: Read, error: ReadError, parent: Resource, top: Resource
    ) -> None:
        """What a failed child read means: there is none, not on this SKU, deleted meanwhile, or a gap."""
        code = error.code.lower()
        off = next((each for each in child.off if each.lower() == code), None)
        if off is not None:
            out.skip(url, off)
        elif code in {each.lower() for each in child.none} or code == UNREGISTERED:
            out.read(url, 0, "get" if child.one else "list")
        else:
            await self._maybe_gone(error, parent, top)
            self.desk.failed(out, url, error, child.action if len(child.actions) == 1 else "")

    async def _maybe_gone(self, error: ReadError, parent: Resource, top: Resource) -> None:
        """After a 404 that may mean the parent: ask for it. Raises Gone where it is not there any more."""
        if error.status != 404 or error.code.lower() not in _GONE or top.by == "get":
            return
        async with self.desk.locks[top.key]:
            if top.key not in self.asked:
                self.asked[top.key] = await self._exists(top)
        if not self.asked[top.key]:
            raise Gone

    async def _exists(self, resource: Resource) -> bool:
        try:
            await self.desk.reader.get(safe(resource.id), resource.api or "", resource.location)
        except ReadError as error:
            return error.status != 404
        return True


def _wanted(child: Read, parent: Resource) -> bool:
    """Whether a declaration asks for a read; one whose condition fails does, and evaluation names the fault."""
    try:
        return child.needed(parent)
    except Exception:  # noqa: BLE001 - a rule file may raise anything
        return True


def may_exist(subscription: Seen, type: str) -> bool:
    return subscription.exists is None or type.lower() in subscription.exists
