"""Finds the scopes that `--exclude` names: subscriptions by name or id, resource groups in them."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scanner.azure.errors import ReadError
from scanner.collect.bodies import quoted_path
from scanner.collect.named import GROUPS, hint, is_gone, names
from scanner.collect.plan import Scope
from scanner.collect.queue import CollectionContext, SubscriptionView
from scanner.errors import InputError
from scanner.snapshot.selection import Exclusion, Selection, scope_of

if TYPE_CHECKING:
    from scanner.azure.subscriptions import Subscription


class ExcludedScopes:
    """The excluded scopes of one collection, as far as they are known: subscriptions first, then resource groups."""

    def __init__(self, context: CollectionContext, scope: Scope) -> None:
        self.context = context
        self.scope = scope
        self.paths: dict[str, str] = {}
        """The paths, by themselves in lower case."""
        self._known: Sequence[Subscription] = ()

    @property
    def selection(self) -> Selection:
        """Return the selection that leaves these scopes out, and nothing else."""
        return Selection(excluded=frozenset(self.paths))

    def add_subscriptions(self, known: "Sequence[Subscription]") -> None:
        """Add the named subscriptions. Raises InputError for one that is not among those that are known."""
        self._known = known
        for each in (each for each in self.scope.exclusions if each.subscription):
            subscriptions = [one for one in known if each.names(one.id, one.name)]
            if not subscriptions:
                raise InputError(
                    f'subscription "{each.subscription}" is not one that this login can see',
                    at=each.at,
                    do=hint(each.subscription, (one.name for one in known), "az account list --output table"),
                )
            if not each.group:
                self._add(*(f"/subscriptions/{one.id}" for one in subscriptions))

    def add_named(self, subscriptions: Sequence[str]) -> None:
        """Add the named resource groups in subscriptions, without asking whether they exist."""
        for each in (each for each in self.scope.exclusions if each.group):
            self._add(*(_path(id, each.group) for id in subscriptions if self._is_in(each, id)))

    async def add_groups(self, views: Sequence[SubscriptionView]) -> None:
        """Add the named resource groups of the views. Raises InputError for one that exists in none of them.

        A group of which ARM does not say that it does not exist is excluded.
        """
        async with asyncio.TaskGroup() as tasks:
            for each in (each for each in self.scope.exclusions if each.group):
                tasks.create_task(self._add_group(each, [view for view in views if self._is_in(each, view.id)]))

    def _is_in(self, exclusion: Exclusion, subscription: str) -> bool:
        name = next((one.name for one in self._known if one.id.lower() == subscription.lower()), "")
        return exclusion.names(subscription, name)

    async def _add_group(self, exclusion: Exclusion, views: Sequence[SubscriptionView]) -> None:
        there = [await self._may_exist(view, exclusion.group) for view in views]
        paths = [_path(view.id, exclusion.group) for view, value in zip(views, there, strict=True) if value]
        paths = paths or [_path(view.id, exclusion.group) for view in views if self._was_seen(view, exclusion.group)]
        if views and not paths and not any(value is None for value in there):
            lists = [f"/subscriptions/{view.id}/resourcegroups" for view in views]
            known = [name for path in lists for name in await names(self.context.reader, path)]
            where = "the subscription" if len(views) == 1 else f"the {len(views):,} subscriptions"
            raise InputError(
                f'resource group "{exclusion.group}" does not exist in {where}',
                at=exclusion.at,
                do=hint(exclusion.group, known, "az group list --output table"),
            )
        self._add(*paths)

    async def _may_exist(self, view: SubscriptionView, group: str) -> bool | None:
        """Return whether a group exists, also where ARM does not say; None where nothing in it is visible."""
        shown = (view.existing_types or {}).values()
        if any(group.lower() in (name.lower() for name in matches or ()) for matches in shown):
            return True
        try:
            await self.context.reader.get(quoted_path(f"/subscriptions/{view.id}/resourcegroups/{group}"), GROUPS)
        except ReadError as error:
            # Resource Graph has shown the groups of everything that a partial view can list.
            is_hidden = view.view == "partial" and view.existing_types is not None
            return False if is_gone(error) else None if is_hidden else True
        return True

    def _was_seen(self, view: SubscriptionView, group: str) -> bool:
        """Return whether an earlier scan saw something in a group, so that it stays as the history has it."""
        return self.scope.is_known(scope_of(view.id, group))

    def _add(self, *paths: str) -> None:
        self.paths.update({path.lower(): path for path in paths})


def _path(subscription: str, group: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}"
