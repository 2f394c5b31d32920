"""Who owns what an id outside the visible subscriptions names: all that the id and the scan's tenants prove."""

from collections.abc import Iterable, Sequence
from typing import Final

from scanner.model.ids import group_of, segments, subscription_of
from scanner.model.index import Index
from scanner.model.message import Message, joined
from scanner.model.resource import Resource
from scanner.model.severity import Severity

_MAX_NAMED: Final = 3
NOT_VISIBLE: Final = Message("in an external subscription (not visible to this scan)")

MANAGED_GROUPS: Final = {"eafd-prod-": "Azure Front Door"}
"""Beginnings of resource groups in which a service keeps the private endpoints that it makes.

Source: container-apps/how-to-integrate-with-azure-front-door, the id of the private endpoint of a profile.
"""

MANAGED_PROVIDERS: Final = {
    "microsoft.cdn": "Azure Front Door",
    "microsoft.databricks": "Azure Databricks",
    "microsoft.datafactory": "Data Factory",
    "microsoft.fabric": "Microsoft Fabric",
    "microsoft.machinelearningservices": "Machine Learning",
    "microsoft.powerbi": "Power BI",
    "microsoft.search": "AI Search",
    "microsoft.synapse": "Synapse Analytics",
}
"""Providers below which an id of a private endpoint can stand, as in the REST specification of Data Factory."""


def in_other_tenant(resource: Resource, index: Index, other: str) -> bool:
    """Return whether an id is proven to be of an external tenant: both subscriptions are visible, their tenants differ
    and were not read together as one organisation.
    """
    tenant = index.subscriptions.get(subscription_of(other), "")
    home = index.subscriptions.get(resource.subscription, "")
    return bool(tenant and home) and not index.same_owner(tenant, home)


def managed_by(endpoint: str) -> str:
    """Return the Azure service that manages a private endpoint (its id), "" where the id does not tell."""
    group = group_of(endpoint).lower()
    known = next((service for start, service in MANAGED_GROUPS.items() if group.startswith(start)), "")
    pieces = [each.lower() for each in segments(endpoint)]
    provider = pieces[pieces.index("providers") + 1] if "providers" in pieces[:-1] else ""
    return known or MANAGED_PROVIDERS.get(provider, "")


def whereabouts(resource: Resource, index: Index, other: str) -> str:
    """Return where an id that is not in the visible subscriptions of the tenant stands, as a clause."""
    if service := managed_by(other):
        return Message("that {service} manages", service=service)
    return Message("in an external tenant") if in_other_tenant(resource, index, other) else NOT_VISIBLE


def by_whereabouts(resource: Resource, index: Index, ids: Iterable[str]) -> dict[str, list[str]]:
    """Return ids by their whereabouts."""
    result: dict[str, list[str]] = {}
    for each in ids:
        result.setdefault(whereabouts(resource, index, each), []).append(each)
    return result


def rated(resource: Resource, index: Index, others: Sequence[str], what: Message) -> tuple[Severity, Message]:
    """Return severity and message of a failure about external ids: medium for a proven other tenant, else low.

    `what`: the noun, such as `private endpoint`.
    """
    told = joined("; ", (_named(ids, what, where) for where, ids in by_whereabouts(resource, index, others).items()))
    if any(in_other_tenant(resource, index, each) for each in others):
        return Severity.medium, Message("{told}.", told=told)
    if all(managed_by(each) for each in others):
        return Severity.low, Message("{told}. Whether an instance of yours uses it is inconclusive.", told=told)
    return Severity.low, Message("{told}. Whether the subscription is in your own tenant is inconclusive.", told=told)


def _named(ids: Sequence[str], what: str, where: str) -> Message:
    names = [each.rstrip("/").rsplit("/", 1)[-1] for each in ids]
    if len(names) == 1:
        return Message("{names} is a {what} {where}", names=names[0], what=what, where=where)
    listed, several = ", ".join(names[:_MAX_NAMED]), _SEVERAL[what]
    return (
        Message("{listed} and more are {several} {where}", listed=listed, several=several, where=where)
        if len(names) > _MAX_NAMED
        else Message("{listed} are {several} {where}", listed=listed, several=several, where=where)
    )


_SEVERAL: Final = {
    "destination": "destinations",
    "private endpoint": Message("private endpoints"),
    "peered network": Message("peered networks"),
    "subnet": "subnets",
    "subscription": "subscriptions",
}
"""The plurals of what `rated` is called with."""
