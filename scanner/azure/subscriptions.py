"""Finds the subscriptions to read: all that are visible, those that were named, or those below management groups."""

import re
from collections.abc import Sequence
from itertools import islice

from msgspec import Struct, field

from scanner.azure.answers import LimitReached
from scanner.azure.arm import ROWS_LOST, ArmClient, Json
from scanner.azure.cli_profile import profile
from scanner.azure.credentials import SignedInAccount
from scanner.azure.errors import NothingReadable, ReadError, WrongTenant
from scanner.azure.served_versions import older_version
from scanner.errors import InputError, nearest

SUBSCRIPTIONS = "2022-12-01"
GROUPS = "2023-04-01"
READ_STATES = ("enabled", "warned", "pastdue")
"""The states in which the resources of a subscription are read. A disabled one is reported as not assessed."""

TENANTS = 1000
"""How many tenants are named. None of them is read."""
NAME = 256
"""The length of a name. Azure's end at 64 characters."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_TENANT = re.compile(r"match the tenant '(?:https://[^/']+/)?([0-9a-f-]{36})", re.I)


class Subscription(Struct, frozen=True):
    """One subscription. `state` is Azure's, "" for a subscription of which only the id is known.

    `fault`: the code of its gap, where its tenant could not be read.
    """

    id: str
    name: str
    tenant: str
    state: str = ""
    fault: str = ""

    @property
    def readable(self) -> bool:
        """Return whether the resources of the subscription can be read in its state."""
        return self.state.lower() in READ_STATES


class Listing(Struct):
    """The subscriptions of a list at `path`, at most `most`, by id in lower case.

    `fault`: why some may be missing, the code of a gap; "" where none is.
    """

    path: str
    most: int
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    fault: str = ""

    def add(self, subscription: Subscription) -> None:
        """Add a subscription. Of two with one id and other content the first stays, and the list has a fault."""
        known = self.subscriptions.setdefault(subscription.id.lower(), subscription)
        if known != subscription:
            self.lose("DuplicateId")
        elif len(self.subscriptions) > self.most:
            del self.subscriptions[subscription.id.lower()]
            self.lose(LimitReached(self.path, f"{self.most:,} subscriptions", "subscriptions").code)

    def lose(self, fault: str) -> None:
        """Note that a subscription may be missing."""
        self.fault = self.fault or fault


def is_subscription_id(text: str) -> bool:
    """Return whether a text is the id of a subscription, not a name."""
    return _ID.fullmatch(text) is not None


async def visible(arm: ArmClient) -> Listing:
    """Return all subscriptions that the identity can see in its tenant. Raises ReadError."""
    listing = Listing("/subscriptions", arm.limits.subscriptions)
    try:
        await _list(arm, listing, SUBSCRIPTIONS)
    except ReadError as error:
        older = older_version(error, SUBSCRIPTIONS)
        if not older:
            raise
        await _list(arm, listing, older)
    return listing


async def _list(arm: ArmClient, listing: Listing, api: str) -> None:
    try:
        async for page in arm.pages(listing.path, api):
            for row in page:
                _add(listing, row)
    except ReadError as error:
        if error.code != ROWS_LOST:
            raise
        listing.lose(error.code)


def _add(listing: Listing, row: Json) -> None:
    """Add a row of the list of subscriptions. Its id becomes part of paths, so it must be one."""
    id, state, tenant = row.get("subscriptionId"), row.get("state", ""), row.get("homeTenantId") or row.get("tenantId")
    if not isinstance(id, str) or not _ID.fullmatch(id):
        listing.lose("BadSubscriptionId")
        return
    name = _text(row.get("displayName")) or id
    tenant = tenant if isinstance(tenant, str) and _ID.fullmatch(tenant) else ""
    listing.add(Subscription(id, name, tenant, state if isinstance(state, str) else "Unknown"))


def _text(value: object) -> str:
    """Return a name of Azure, cut where it is longer than names are; "" where it is none."""
    return value[:NAME] if isinstance(value, str) else ""


async def tenants(arm: ArmClient) -> list[tuple[str, str]]:
    """Return the tenants that the identity belongs to: id, and a name or ""."""
    try:
        rows = await arm.rows("/tenants", SUBSCRIPTIONS)
    except ReadError:
        return []
    return [
        (id, _text(row.get("defaultDomain")) or _text(row.get("displayName")))
        for row in islice(rows, TENANTS)
        if isinstance(id := row.get("tenantId"), str) and _ID.fullmatch(id)
    ]


async def named(
    arm: ArmClient, wanted: Sequence[str], known: Sequence[Subscription], account: SignedInAccount
) -> list[Subscription]:
    """Return the subscriptions that `-s` names by id or name, each once. Raises InputError or WrongTenant."""
    result: dict[str, Subscription] = {}
    for word in wanted:
        fits = [each for each in known if word.lower() in (each.id.lower(), each.name.lower())]
        if not fits:
            raise await _no_subscription(arm, word, known, account)
        result.update({each.id.lower(): each for each in fits})
    return list(result.values())


async def _no_subscription(
    arm: ArmClient, word: str, known: Sequence[Subscription], account: SignedInAccount
) -> Exception:
    tenant = await _tenant_of(arm, word) if _ID.fullmatch(word) else _tenant_in_profile(word, account)
    if tenant:
        return WrongTenant(
            f"subscription {word} belongs to another tenant than this login ({account.tenant})",
            do=f"az login --tenant {tenant}, then scan with --tenant {tenant}",
        )
    close = nearest(word, [each.name.lower() for each in known], 3)
    names = dict.fromkeys(each.name for name in close for each in known if each.name.lower() == name)
    hint = f"nearest: {', '.join(names)}; " if names else ""
    which = "not the one" if len(known) == 1 else f"none of the {len(known):,}"
    return InputError(
        f'subscription "{word}" is {which} that this login can read',
        at=f"--subscription {word}",
        do=f"{hint}all: az account list --output table",
    )


async def _tenant_of(arm: ArmClient, id: str) -> str:
    """Return the tenant of a subscription that is not visible, where Azure's error names it, else ""."""
    try:
        await arm.get(f"/subscriptions/{id}", SUBSCRIPTIONS)
    except ReadError as error:
        home = _TENANT.search(error.message)
        return home[1] if home else ""
    return ""


def _tenant_in_profile(name: str, account: SignedInAccount) -> str:
    """Return the other tenant in which the Azure CLI remembers a subscription of that name, or ""."""
    rows = profile() if account.kind == "cli" else []
    homes = {str(row.get("tenantId") or "") for row in rows if str(row.get("name")).lower() == name.lower()}
    return next((home for home in sorted(homes) if home.lower() != account.tenant.lower()), "")


async def below(arm: ArmClient, groups: Sequence[str], known: Sequence[Subscription]) -> list[Listing]:
    """Return the subscriptions below each management group. One that is not visible has no state.

    Raises InputError or NothingReadable where a group's descendants cannot be listed.
    """
    visible_ids = {each.id.lower(): each for each in known}
    listings: list[Listing] = []
    for group in groups:
        path = f"/providers/Microsoft.Management/managementGroups/{group}/descendants"
        try:
            rows = await arm.rows(path, GROUPS)
        except ReadError as error:
            if error.status == 404:
                raise InputError(
                    f'management group "{group}" does not exist',
                    at=f"--management-group {group}",
                    do="az account management-group list --output table",
                ) from error
            raise NothingReadable(
                f'the subscriptions below management group "{group}" cannot be listed: {error.status} {error.code}',
                at=f"missing {error.action}" if error.action else "",
                do="name them with -s, or request the Management Group Reader role",
            ) from error
        listings.append(Listing(path, arm.limits.subscriptions))
        for row in rows:
            name, type = row.get("name"), row.get("type")
            if isinstance(type, str) and type.lower().endswith("/managementgroups"):
                continue
            if isinstance(name, str) and _ID.fullmatch(name):
                listings[-1].add(visible_ids.get(name.lower()) or _hidden(row))
            else:
                listings[-1].lose("BadSubscriptionId")
    return listings


def _hidden(row: Json) -> Subscription:
    """Return a subscription that is not visible, from a row of descendants."""
    shown = row.get("properties")
    name = shown.get("displayName") if isinstance(shown, dict) else None
    return Subscription(row["name"], _text(name) or row["name"], "")
