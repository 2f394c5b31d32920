"""Reads what the identity may do before anything else is read.

ARM gives the permissions on a subscription. Where they do not suffice, those on each resource group are read.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field

from scanner.azure.errors import ReadError
from scanner.collect.bodies import Role, allows, is_group_name
from scanner.collect.named import GROUPS, hint, names
from scanner.collect.roles import read_roles
from scanner.collect.versions import rows_served
from scanner.errors import InputError

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

PATH = "providers/Microsoft.Authorization/permissions"
NO_GROUP = "it does not exist"


class SubscriptionPermissions(Struct):
    """What the identity may do in a subscription, or only in the resource groups in `named`.

    `roles`: its roles on the subscription. None: ARM did not say.
    `groups`: its roles on each resource group that was asked for. None: ARM did not say, with the reason in `reasons`.
    """

    id: str
    name: str
    view: str
    named: tuple[str, ...] = ()
    roles: list[Role] | None = None
    groups: dict[str, list[Role] | None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def on_whole(self, action: str) -> bool:
        """Return whether the roles on the subscription include an action."""
        return _any(self.roles or (), action)

    def allows_on_whole(self, action: str) -> bool | None:
        """Return whether an action on the subscription itself is allowed; None: not known."""
        if self.roles is None:
            return False if self.view == "partial" else None
        return self.on_whole(action)

    def allows(self, action: str, *, listed: bool = False) -> bool | None:
        """Return whether an action is allowed everywhere here; None: not known.

        `listed`: the scan lists the whole subscription with it, which roles on its groups do not allow.
        """
        if self.on_whole(action):
            return True
        if listed and self.roles is not None and self.view == "full" and not self.named:
            return False
        answers = [None if each is None else _any(each, action) for each in self.groups.values()]
        if False in answers:
            return False
        if None in answers or (not answers and self.roles is None):
            return None
        return bool(answers)


def _any(matches: Collection[Role], action: str) -> bool:
    return any(allows(role, action) for role in matches)


async def read_group_roles(
    reader: "AzureReader", permissions: Sequence[SubscriptionPermissions], wanted: Mapping[str, bool]
) -> None:
    """Read the roles on resource groups where the roles on the subscription do not answer everything.

    `wanted`: the actions, and whether the scan lists whole subscriptions with each. Raises InputError for a named
    group that does not exist.
    """
    async with asyncio.TaskGroup() as tasks:
        for subscription in permissions:
            if subscription.view != "none" and not _settled(subscription, wanted):
                tasks.create_task(_read_groups(reader, subscription))
    for subscription in permissions:
        if NO_GROUP in subscription.reasons.values():
            name = next(each for each in subscription.named if subscription.reasons.get(each) == NO_GROUP)
            what = f'resource group "{name}" does not exist in {subscription.name}'
            raise InputError(what, at="--scope", do=await _near(reader, subscription, name))


async def _near(reader: "AzureReader", permissions: SubscriptionPermissions, name: str) -> str:
    """Return the nearest names of resource groups, and how to list all."""
    known = await names(reader, f"/subscriptions/{permissions.id}/resourcegroups")
    return hint(name, known, "az group list --output table")


def _settled(permissions: SubscriptionPermissions, wanted: Mapping[str, bool]) -> bool:
    """Return whether the roles on groups could not change any answer."""
    if permissions.roles is None or permissions.named:
        return False
    full = permissions.view == "full"
    return all(permissions.on_whole(action) for action, listed in wanted.items() if not (listed and full))


async def _read_groups(reader: "AzureReader", permissions: SubscriptionPermissions) -> None:
    groups = permissions.named
    if not groups:
        try:
            path = f"/subscriptions/{permissions.id}/resourcegroups"
            rows, _ = await rows_served(reader, path, GROUPS)
        except ReadError as error:
            permissions.groups["*"], permissions.reasons["*"] = None, _why(error)
            return
        groups = tuple(name if isinstance(name := row.get("name"), str) else "?" for row in rows)
    async with asyncio.TaskGroup() as tasks:
        for name in groups:
            tasks.create_task(_read_group(reader, permissions, name))


async def _read_group(reader: "AzureReader", permissions: SubscriptionPermissions, name: str) -> None:
    permissions.groups[name] = None
    if not is_group_name(name):
        permissions.reasons[name] = "not a resource group name"
        return
    path = f"/subscriptions/{permissions.id}/resourcegroups/{name}/{PATH}"
    try:
        permissions.groups[name] = await read_roles(reader, path)
    except ReadError as error:
        missing = error.code.lower() == "resourcegroupnotfound"
        if missing and not permissions.named:
            del permissions.groups[name]  # deleted meanwhile
        else:
            permissions.reasons[name] = NO_GROUP if missing else _why(error)


def _why(error: ReadError) -> str:
    if error.action:
        return f"{error.status}, missing {error.action}"
    return f"{error.status or ''} {error.code}".strip()
