"""What the login may do, before anything is read: ARM's permissions of a subscription, else of each of its groups."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from scanner.azure.errors import ReadError
from scanner.collect.bodies import Role, allows, roles, safe
from scanner.collect.lists import GROUPS
from scanner.collect.plan import Json, Reader
from scanner.collect.visibility import PERMISSIONS
from scanner.errors import InputError

PATH = "providers/Microsoft.Authorization/permissions"
GONE = "it does not exist"
_NAME = re.compile(r"[\w().-]{1,90}")


@dataclass(slots=True)
class Rights:
    """What a login may do in a subscription. `named`: only in these groups of it, which were asked for.

    `whole` are its roles on the subscription, None where ARM did not say; `groups` those on each group that was asked,
    None where ARM did not say, with the reason in `reasons`.
    """

    id: str
    name: str
    view: str
    named: tuple[str, ...] = ()
    whole: list[Role] | None = None
    groups: dict[str, list[Role] | None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def on_whole(self, action: str) -> bool:
        """Whether the roles on the subscription hold an action."""
        return _any(self.whole or (), action)

    def allows(self, action: str, *, listed: bool = False) -> bool | None:
        """Whether an action is allowed everywhere here; None: that is not known.

        A list that a scan asks of the whole subscription (`listed`) is not allowed by roles on its groups.
        """
        if self.on_whole(action):
            return True
        if listed and self.whole is not None and self.view == "full" and not self.named:
            return False
        said = [None if each is None else _any(each, action) for each in self.groups.values()]
        if False in said:
            return False
        if None in said or (not said and self.whole is None):
            return None
        return bool(said)


def _any(found: Collection[Role], action: str) -> bool:
    return any(allows(role, action) for role in found)


async def ask(reader: Reader, places: Sequence[Rights], wanted: Mapping[str, bool]) -> None:
    """Ask ARM for the roles on the groups of the places whose subscription does not say all.

    `wanted`: the actions, and whether each is one that a scan lists subscriptions with. Raises InputError for a named
    group that does not exist.
    """
    async with asyncio.TaskGroup() as tasks:
        for place in places:
            if place.view != "none" and not _settled(place, wanted):
                tasks.create_task(_groups(reader, place))
    for place in places:
        if GONE in place.reasons.values():
            name = next(each for each in place.named if place.reasons.get(each) == GONE)
            what = f'there is no resource group "{name}" in {place.name}'
            raise InputError(what, at="--scope", do="az group list --output table")


def _settled(place: Rights, wanted: Mapping[str, bool]) -> bool:
    """Whether no answer about a group would change anything."""
    if place.whole is None or place.named:
        return False
    full = place.view == "full"
    return all(place.on_whole(action) for action, listed in wanted.items() if not (listed and full))


async def _groups(reader: Reader, place: Rights) -> None:
    names = place.named
    if not names:
        try:
            path = f"/subscriptions/{place.id}/resourcegroups"
            rows: list[Json] = [row async for page in reader.pages(path, GROUPS) for row in page]
        except ReadError as error:
            place.groups["*"], place.reasons["*"] = None, _why(error)
            return
        names = tuple(name if isinstance(name := row.get("name"), str) else "?" for row in rows)
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(_group(reader, place, name))


async def _group(reader: Reader, place: Rights, name: str) -> None:
    place.groups[name] = None
    if not _NAME.fullmatch(name) or name in (".", ".."):
        place.reasons[name] = "this is no name of a group"
        return
    path = f"/subscriptions/{place.id}/resourcegroups/{name}/{PATH}"
    try:
        place.groups[name] = roles([row async for page in reader.pages(safe(path), PERMISSIONS) for row in page])
    except ReadError as error:
        gone = error.code.lower() == "resourcegroupnotfound"
        if gone and not place.named:
            del place.groups[name]  # deleted meanwhile
        else:
            place.reasons[name] = GONE if gone else _why(error)


def _why(error: ReadError) -> str:
    said = f"{error.status or ''} {error.code}".strip()
    return f"{error.status}, missing {error.action}" if error.action else said
