"""Reads how much of each subscription is visible to the identity, and which types exist in it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from scanner.azure.errors import ReadError, read_action
from scanner.collect.bodies import is_group_name, kusto_list, letters_of, list_path, texts
from scanner.collect.plan import Json, nested
from scanner.collect.queue import UNREGISTERED, CollectionContext, SubscriptionView, run_some, side_by_side
from scanner.collect.resource_groups import is_listed_by_group
from scanner.collect.roles import learn_roles
from scanner.collect.versions import VersionedPages
from scanner.model.ids import SUBSCRIPTION
from scanner.model.resource_type import ResourceType
from scanner.store.spool import SpooledRows

if TYPE_CHECKING:
    from scanner.azure.subscriptions import Subscription

PROBES = 3
"""The number of lists that are tried before a subscription counts as visible in part."""


class VisibilityReader:
    """Read the visibility of the subscriptions of one collection."""

    def __init__(self, context: CollectionContext) -> None:
        self.context = context

    async def read(self, subscriptions: "Sequence[Subscription]", *, graph: bool = False) -> list[SubscriptionView]:
        """Write the view of each subscription, with a gap where it is not full. Return those of readable ones.

        `graph`: ask Resource Graph at the same time which types exist.
        """
        listed = (each for each in self.context.plan.resource_types if each.type != SUBSCRIPTION)
        resource_types = [each for each in listed if not nested(each.type) and not is_listed_by_group(each.type)]
        views = {each.id: SubscriptionView(each.id) for each in subscriptions if each.readable}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run_some(partial(self._probe, view, resource_types) for view in views.values()))
            existing = tasks.create_task(self.query_types(list(views))) if graph else None
        self.write_views(subscriptions, views)
        if existing is not None and existing.result() is not None:
            self._set_existing_types(list(views.values()), existing.result() or ())
        return list(views.values())

    def write_views(self, subscriptions: "Sequence[Subscription]", views: Mapping[str, SubscriptionView]) -> None:
        """Write how much of each subscription is visible, with a gap where it is not full."""
        for each in subscriptions:
            view = views[each.id].view if each.id in views else "none"
            self.context.store.scope(each.id, each.name, each.tenant, view)
            self.context.progress.scope(each.id, self.context.labelled(each.name, each.tenant), view)
            url = f"/subscriptions/{each.id}"
            if each.readable and view == "partial":
                refusal = next(iter(views[each.id].refused.values()))
                self.context.add_gap(self.context.store, url, refusal.status, refusal.code, refusal.action)
            elif each.fault:
                self.context.add_gap(self.context.store, url, 0, each.fault, "")
            elif not each.readable and each.state:
                self.context.add_gap(self.context.store, url, 0, f"Subscription{letters_of(each.state)}", "")
            elif not each.readable:
                self.context.add_gap(self.context.store, url, 403, "AuthorizationFailed", read_action(url))

    async def _probe(self, view: SubscriptionView, resource_types: Sequence[ResourceType]) -> None:
        """Try lists at subscription scope, which are refused (403) to an identity with roles on groups only.

        The first one is tried while the roles are read, which say what to try next.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(learn_roles(self.context.reader, view))
            allowed = [tasks.create_task(self._try_list(view, each)) for each in resource_types[:1]]
        if not resource_types or allowed[0].result():
            return
        others = sorted(resource_types[1:], key=lambda each: not view.graph_is_complete(each.type))
        tried = await side_by_side(*(self._try_list(view, each) for each in others[: PROBES - 1]))
        view.view = "full" if any(tried) else "partial"

    async def _try_list(self, view: SubscriptionView, resource_type: ResourceType) -> bool:
        """Return whether a list is allowed, and keep its first page, or the error."""
        pages = self.context.pages(list_path(view.id, resource_type.type), resource_type)
        try:
            view.first_pages[resource_type.type.lower()] = (await self._first_page(pages), pages)
        except ReadError as error:
            if error.code.lower() != UNREGISTERED:
                view.refused[resource_type.type.lower()] = error
                return False
            error.means_none()
            view.first_pages[resource_type.type.lower()] = (SpooledRows(self.context.spool), pages)
        return True

    async def _first_page(self, pages: VersionedPages) -> SpooledRows:
        page: list[Json] = await anext(pages, [])
        spooled_rows = SpooledRows(self.context.spool)
        spooled_rows.add(page)
        page.clear()
        return spooled_rows

    async def query_types(self, subscriptions: Sequence[str]) -> Iterable[Json] | None:
        """Ask Resource Graph which types exist, because only those are listed. None: it refuses, so all are listed."""
        if self.context.shared is not None:
            return self.context.shared.types
        names = self._names()
        kql = (
            f"resources | where type in~ ({kusto_list(names)}) "
            "| summarize count_=count(), groups=make_set(resourceGroup) by type, subscriptionId "
            "| order by subscriptionId asc, type asc"
        )
        batch = max(1, 1000 // max(1, len(names)))
        try:
            return await self.context.reader.query(kql, subscriptions, batch)
        except ReadError as error:
            self.context.add_unanswered(error, "everything was listed instead")
            return None

    def _names(self) -> list[str]:
        return sorted({type.lower() for type, _ in self.context.plan.types()})

    def _set_existing_types(self, views: Sequence[SubscriptionView], rows: Iterable[Json]) -> None:
        """Note which types exist, from the rows of Resource Graph."""
        names = set(self._names())
        by_id = {each.id.lower(): each for each in views}
        for each in views:
            each.existing_types = {}
        for row in rows:
            view, type = by_id.get(str(row.get("subscriptionId")).lower()), str(row.get("type")).lower()
            if view is not None and view.existing_types is not None and type in names:
                groups, count = row.get("groups"), row.get("count_")
                view.existing_types[type] = [group for group in texts(groups) if is_group_name(group)]
                view.known_counts[type] = count if isinstance(count, int) else 0
                if not isinstance(groups, list) or len(view.existing_types[type] or ()) != len(groups):
                    self.context.add_gap(self.context.store, list_path(view.id, type), 0, "BadJson", "")
        for each in views:
            if each.existing_types is not None and each.view == "full":
                self._add_absent_types(each, each.existing_types)

    def _add_absent_types(self, view: SubscriptionView, existing: dict[str, list[str] | None]) -> None:
        """Write a read of 0 resources for each type that does not exist. A type that may be hidden is not known, nor is
        one below others, which Resource Graph may not have at all.
        """
        for type, _ in self.context.plan.types():
            if type.lower() in existing:
                continue
            if nested(type) or not view.graph_is_complete(type):
                existing[type.lower()] = None
            elif type.lower() not in view.first_pages:
                self.context.store.read(list_path(view.id, type), 0, "graph")
