"""The check of a firewall's rules for subnets: which of them belong to external subscriptions."""

from collections.abc import Callable

from scanner.model.index import Index
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown
from scanner.reach.firewall import AllowedSubnets, Firewall, allowed_subnets
from scanner.reach.sources import in_own_tenant


def foreign(
    resource: Resource, index: Index, *, firewall: Firewall, unless: Callable[[Resource], str | None] | None = None
) -> Verdict:
    """Fail where a rule of the firewall admits a subnet of an external subscription.

    `unless`: why the rules for virtual networks decide nothing, None where they do.
    """
    reason = unless(resource) if unless is not None else None
    return NotApplicable(reason) if reason else decided(resource, index, allowed_subnets(resource, index, firewall))


def foreign_of(resource: Resource, index: Index, *, read: Callable[[Resource, Index], AllowedSubnets]) -> Verdict:
    """Fail where a subnet that `read` returns belongs to an external subscription."""
    return decided(resource, index, read(resource, index))


def decided(resource: Resource, index: Index, known: AllowedSubnets) -> Verdict:
    """Return the verdict on the admitted subnets."""
    path = f"{known.path}[]"
    if known.not_used:
        return NotApplicable(known.not_used)
    others = [each for each in known.ids if each and not in_own_tenant(resource, index, each)]
    if others:
        return Fail((Evidence(path, others, "subnets of the own tenant"),))
    if known.missing is not None:
        return unknown(known.missing)
    if not all(known.ids):
        return unknown(Unread(path, "the answer did not hold which subnet it is"))
    if not known.ids:
        return NotApplicable("it has no rule for a virtual network")
    return Pass((Evidence(path, list(known.ids)),))
