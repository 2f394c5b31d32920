"""The check of a firewall's virtual network rules: which of them allow a subnet in an external subscription."""

from collections.abc import Callable

from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, not_returned, unknown
from scanner.reach.rules.owners import rated
from scanner.reach.rules.sources import in_same_tenant
from scanner.reach.services.firewall import AllowedSubnets, Firewall, allowed_subnets


def foreign(
    resource: Resource, index: Index, *, firewall: Firewall, unless: Callable[[Resource], Message | None] | None = None
) -> Verdict:
    """Fail where a firewall rule allows a subnet in an external subscription.

    `unless`: why virtual network rules are not used; None where they are.
    """
    if resource.has_no_properties:
        raise Unread("properties", resource.why_absent_is_unknown)
    reason = unless(resource) if unless is not None else None
    if reason:
        return NotApplicable(reason)
    return subnets_verdict(resource, index, allowed_subnets(resource, index, firewall))


def foreign_of(resource: Resource, index: Index, *, read: Callable[[Resource, Index], AllowedSubnets]) -> Verdict:
    """Fail where a subnet that `read` returns is in an external subscription."""
    return subnets_verdict(resource, index, read(resource, index))


def subnets_verdict(resource: Resource, index: Index, known: AllowedSubnets) -> Verdict:
    """Return the verdict on the allowed subnets."""
    path = f"{known.path}[]"
    if known.not_used:
        return NotApplicable(known.not_used)
    others = [each for each in known.ids if each and not in_same_tenant(resource, index, each)]
    if others:
        causes = tuple(cause for id, cause in zip(known.ids, known.causes, strict=False) if id in others)
        severity, message = rated(resource, index, others, Message("subnet"))
        return Fail((Evidence(path, others, Message("subnets in your own tenant")),), message, severity, causes=causes)
    if known.missing is not None:
        return unknown(known.missing)
    if not all(known.ids):
        return unknown(not_returned(path, Message("which subnet it is")))
    if not known.ids:
        return NotApplicable(Message("it has no virtual network rule"))
    return Pass((Evidence(path, list(known.ids)),))
