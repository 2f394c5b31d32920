"""How much of each subscription the login sees, and what exists in it."""

import asyncio
from collections.abc import Sequence

from scanner.azure.errors import ReadError, read_action
from scanner.collect.bodies import Role, list_path, quoted, roles, word
from scanner.collect.index_types import QUERY
from scanner.collect.plan import Subscription, nested
from scanner.collect.queue import UNREGISTERED, Desk, Seen
from scanner.model.resource_type import ResourceType

PERMISSIONS = "2022-04-01"
"""The api-version with which the login's permissions are read."""

PROBES = 3
"""Lists that are tried before a subscription counts as seen in part."""


class Views:
    """Looks at the subscriptions of one collection."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def of(self, targets: Sequence[Subscription]) -> list[Seen]:
        """How much of each subscription the login sees."""
        kinds = [kind for kind in self.desk.plan.kinds if not nested(kind.type)]
        read = [each for each in targets if each.readable]
        async with asyncio.TaskGroup() as tasks:
            probes = [tasks.create_task(self._probe(each.id, kinds)) for each in read]
        seen = [probe.result() for probe in probes]
        views = {each.id: each.view for each in seen}
        for each in targets:
            view = views.get(each.id, "none")
            self.desk.sink.scope(each.id, each.name, each.tenant, view)
            self.desk.progress.scope(each.id, each.name, view)
            url = f"/subscriptions/{each.id}"
            if each.readable and view == "partial":
                refusal = next(iter(next(one for one in seen if one.id == each.id).refused.values()))
                self.desk.gap(self.desk.sink, url, refusal.status, refusal.code, refusal.action)
            elif not each.readable and each.state:
                self.desk.gap(self.desk.sink, url, 0, f"Subscription{word(each.state)}", "")
            elif not each.readable:
                self.desk.gap(self.desk.sink, url, 403, "AuthorizationFailed", read_action(url))
        return seen

    async def _probe(self, id: str, kinds: Sequence[ResourceType]) -> Seen:
        """Try provider lists at subscription scope; who has roles on groups only gets 403 there."""
        seen = Seen(id)
        seen.granted = await self._granted(id)
        for kind in sorted(kinds, key=lambda kind: not seen.sure(kind.type))[:PROBES]:
            pages = self.desk.reader.pages(list_path(id, kind.type), kind.api)
            try:
                seen.started[kind.type.lower()] = (await anext(pages, []), pages)
            except ReadError as error:
                if error.code.lower() == UNREGISTERED:
                    seen.started[kind.type.lower()] = ([], pages)
                    return seen
                seen.refused[kind.type.lower()] = error
            else:
                return seen
        seen.view = "partial" if kinds else "full"
        return seen

    async def _granted(self, id: str) -> list[Role] | None:
        path = f"/subscriptions/{id}/providers/Microsoft.Authorization/permissions"
        try:
            return roles([row async for page in self.desk.reader.pages(path, PERMISSIONS) for row in page])
        except ReadError:
            return None

    async def exist(self, seen: list[Seen]) -> None:
        """Which types exist, by Resource Graph: only those are listed. Where it is refused, all are."""
        names = sorted({type.lower() for type, _ in self.desk.plan.types()})
        kql = (
            f"resources | where type in~ ({quoted(names)}) "
            "| summarize count_=count(), groups=make_set(resourceGroup) by type, subscriptionId "
            "| order by subscriptionId asc, type asc"
        )
        try:
            rows = await self.desk.reader.query(kql, [each.id for each in seen], max(1, 1000 // max(1, len(names))))
        except ReadError as error:
            self.desk.sink.skip(QUERY, f"{error.status} {error.code}; everything was listed instead")
            return
        for each in seen:
            each.exists = {}
        by_id = {each.id.lower(): each for each in seen}
        for row in rows:
            subscription = by_id.get(str(row.get("subscriptionId")).lower())
            if subscription is not None and subscription.exists is not None:
                groups = row.get("groups")
                subscription.exists[str(row.get("type")).lower()] = [str(group) for group in groups or ()]
        for each in seen:
            for type, _ in self.desk.plan.types() if each.view == "full" else ():
                if each.exists is not None and type.lower() not in each.exists:
                    if not each.sure(type):
                        each.exists[type.lower()] = None
                    elif type.lower() not in each.started:
                        self.desk.sink.read(list_path(each.id, type), 0, "graph")
