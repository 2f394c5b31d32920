"""Finds the subscriptions to read: all that are visible, those that were named, or those below management groups."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from scanner.azure.arm import ArmClient, Json
from scanner.azure.cli_profile import profile
from scanner.azure.credentials import SignedInAccount
from scanner.azure.errors import NothingReadable, ReadError, WrongTenant
from scanner.errors import InputError, nearest

SUBSCRIPTIONS = "2022-12-01"
GROUPS = "2023-04-01"
READ_STATES = ("enabled", "warned", "pastdue")
"""The states in which the resources of a subscription are read. A disabled one is reported as not assessed."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_TENANT = re.compile(r"match the tenant '(?:https://[^/']+/)?([0-9a-f-]{36})", re.I)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription. `state` is Azure's, "" for a subscription of which only the id is known."""

    id: str
    name: str
    tenant: str
    state: str = ""

    @property
    def readable(self) -> bool:
        """Return whether the resources of the subscription can be read in its state."""
        return self.state.lower() in READ_STATES


async def visible(arm: ArmClient) -> list[Subscription]:
    """Return all subscriptions that the identity can see in its tenant. Raises ReadError."""
    rows = [row async for page in arm.pages("/subscriptions", SUBSCRIPTIONS) for row in page]
    return [_subscription(row) for row in rows if isinstance(row.get("subscriptionId"), str)]


def _subscription(row: Json) -> Subscription:
    name = row.get("displayName") or row["subscriptionId"]
    return Subscription(row["subscriptionId"], str(name), str(row.get("tenantId") or ""), str(row.get("state") or ""))


async def tenants(arm: ArmClient) -> list[tuple[str, str]]:
    """Return the tenants that the identity belongs to: id, and a name or ""."""
    try:
        rows = [row async for page in arm.pages("/tenants", SUBSCRIPTIONS) for row in page]
    except ReadError:
        return []
    return [(str(row.get("tenantId")), str(row.get("defaultDomain") or row.get("displayName") or "")) for row in rows]


async def named(
    arm: ArmClient, wanted: Sequence[str], known: Sequence[Subscription], account: SignedInAccount
) -> list[Subscription]:
    """Return the subscriptions that `-s` names by id or name, each once. Raises InputError or WrongTenant."""
    found: dict[str, Subscription] = {}
    for word in wanted:
        fits = [each for each in known if word.lower() in (each.id.lower(), each.name.lower())]
        if not fits:
            raise await _no_subscription(arm, word, known, account)
        found.update({each.id.lower(): each for each in fits})
    return list(found.values())


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


async def below(arm: ArmClient, groups: Sequence[str], known: Sequence[Subscription]) -> list[Subscription]:
    """Return the subscriptions below management groups. One that is not visible has no state.

    Raises InputError or NothingReadable where a group's descendants cannot be listed.
    """
    visible_ids = {each.id.lower(): each for each in known}
    found: dict[str, Subscription] = {}
    for group in groups:
        path = f"/providers/Microsoft.Management/managementGroups/{group}/descendants"
        try:
            rows = [row async for page in arm.pages(path, GROUPS) for row in page]
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
        for row in rows:
            if str(row.get("type", "")).lower().endswith("/subscriptions") and isinstance(row.get("name"), str):
                found.setdefault(row["name"].lower(), visible_ids.get(row["name"].lower()) or _hidden(row))
    return list(found.values())


def _hidden(row: Json) -> Subscription:
    """Return a subscription that is not visible, from a row of descendants."""
    shown = row.get("properties")
    name = shown.get("displayName") if isinstance(shown, dict) else None
    return Subscription(row["name"], str(name or row["name"]), "")
