"""What a scope names and Azure does not have: resource groups, tags and resources, with the nearest names.

ARM's 404 says that a name does not exist. It is an error, unless an earlier scan has seen it: then it was deleted. What
ARM refuses to say stays to the reads themselves.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from scanner.azure.errors import ReadError
from scanner.collect.bodies import is_group_name, list_path, quoted_path
from scanner.collect.plan import Scope
from scanner.collect.queue import CollectionContext, SubscriptionView
from scanner.errors import InputError, nearest
from scanner.model.ids import name_of, subscription_of
from scanner.model.resource_type import ResourceType

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

GROUPS = "2025-04-01"
"""The api-version with which resource groups are read."""

SHOWN = 3


def is_gone(error: ReadError) -> bool:
    """Return whether ARM says that something does not exist.

    A subscription that is not visible to the identity, an unknown type, and the page of a gateway do not say so.
    """
    code = error.code.lower()
    return error.status == 404 and error.named and code.endswith("notfound") and code != "subscriptionnotfound"


class NamedGroups:
    """Finds out which of the named resource groups exist, in each subscription."""

    def __init__(self, context: CollectionContext, scope: Scope) -> None:
        self.context = context
        self.scope = scope
        self.absent: set[tuple[str, str]] = set()
        """The subscriptions and groups (lower case) of which ARM says that they do not exist."""
        self.existing: set[str] = set()
        """The groups (lower case) that exist in a subscription."""

    async def read(self, views: Sequence[SubscriptionView]) -> None:
        """Ask ARM for the groups that Resource Graph does not show. Raises InputError for one that does not exist."""
        for view in views:
            for groups in (view.existing_types or {}).values():
                self.existing |= {group.lower() for group in groups or ()}
        asked = [group for group in self.scope.groups if group.lower() not in self.existing]
        async with asyncio.TaskGroup() as tasks:
            for group in asked:
                for view in views:
                    tasks.create_task(self._read(view.id, group))
        for group in asked:
            if group.lower() in self.existing or not any(name == group.lower() for _, name in self.absent):
                continue
            ids = (f"/subscriptions/{view.id}/resourcegroups/{group}".lower() for view in views)
            if not any(map(self.scope.is_known, ids)):
                await self._refuse(group, views)

    async def _read(self, subscription: str, group: str) -> None:
        if not is_group_name(group):
            raise InputError(f'"{group}" is not the name of a resource group', at=f"--resource-group {group}")
        path = f"/subscriptions/{subscription}/resourcegroups/{group}"
        try:
            await self.context.reader.get(quoted_path(path), GROUPS)
        except ReadError as error:
            if is_gone(error):
                self.absent.add((subscription.lower(), group.lower()))
        else:
            self.existing.add(group.lower())

    async def _refuse(self, group: str, views: Sequence[SubscriptionView]) -> None:
        paths = [f"/subscriptions/{view.id}/resourcegroups" for view in views]
        known = [name for path in paths for name in await names(self.context.reader, path)]
        absent = sum((view.id.lower(), group.lower()) in self.absent for view in views)
        where = "the subscription" if absent == 1 else f"the {absent:,} subscriptions"
        refused = len(views) - absent
        more = f", and {refused:,} more did not say whether it exists" if refused else ""
        raise InputError(
            f'resource group "{group}" does not exist in {where}{more}',
            at=f"--resource-group {group}",
            do=hint(group, known, "az group list --output table"),
        )


async def names(reader: "AzureReader", path: str, api: str = GROUPS) -> list[str]:
    """Return the names in a list, [] where it cannot be read."""
    try:
        rows = [row async for page in reader.pages(path, api) for row in page]
    except ReadError:
        return []
    return [name for row in rows if isinstance(name := row.get("name"), str)]


def hint(word: str, known: Iterable[str], command: str) -> str:
    """Return the nearest known names, as they are spelt, and the command that lists all."""
    spelt = {each.lower(): each for each in known}
    near = [spelt[each] for each in nearest(word, spelt, SHOWN)]
    return (f"nearest: {', '.join(near)}; " if near else "") + f"all: {command}"


async def no_such_resource(context: CollectionContext, id: str, code: str, resource_type: ResourceType) -> InputError:
    """Return the error for a named resource that does not exist, with the nearest names of its type."""
    path = list_path(subscription_of(id), resource_type.type)
    known = await names(context.reader, path, resource_type.api)
    return InputError(
        f"no such resource: {id} ({code})",
        at="--resource",
        do=hint(name_of(id), known, "az resource list --output table"),
    )


class NamedTags:
    """The tags of the resources that were listed, to say whether any has those that the scope names."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.is_known = False
        self.is_whole = True
        """Whether every list was read."""
        self._seen: set[tuple[str, str]] = set()

    def matches(self, tags: Iterable[tuple[str, str]]) -> bool:
        """Return whether a resource with these tags is in scope. Names of tags are compared without case."""
        if not self.scope.tags:
            return True
        values = {name.lower(): value for name, value in tags}
        if all(values.get(name.lower()) == value for name, value in self.scope.tags):
            self.is_known = True
            return True
        if not self.is_known:
            self._seen.update(tags)
        return False

    def check(self) -> None:
        """Raise InputError where no resource has the tags, and no earlier scan with them was stored."""
        if not self.scope.tags or self.is_known or not self.is_whole or self.scope.is_repeated():
            return
        asked = [f"{name}={value}" for name, value in self.scope.tags]
        known = [f"{name}={value}" for name, value in sorted(self._seen)]
        absent = next((each for each in asked if each.lower() not in {tag.lower() for tag in known}), asked[0])
        raise InputError(
            f"no resource in scope has the tag {' and '.join(asked)}",
            at=f"--tag {asked[0]}",
            do=hint(absent, known, "az tag list --output table"),
        )
