"""The check of a firewall's rules for subnets: which of them belong to external subscriptions."""

from collections.abc import Callable

from scanner.model.index import Index
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown
from scanner.reach.firewall import Firewall, Subnets, admitted_subnets
from scanner.reach.sources import is_own


def foreign(
    resource: Resource, index: Index, *, firewall: Firewall, unless: Callable[[Resource], str | None] | None = None
) -> Verdict:
    """Fail where a rule of the firewall admits a subnet of an external subscription.

    `unless`: why the rules for virtual networks decide nothing, None where they do.
    """
    reason = unless(resource) if unless is not None else None
    return NotApplicable(reason) if reason else decided(resource, index, admitted_subnets(resource, index, firewall))


def foreign_of(resource: Resource, index: Index, *, read: Callable[[Resource, Index], Subnets]) -> Verdict:
    """Fail where a subnet that `read` returns belongs to an external subscription."""
    return decided(resource, index, read(resource, index))


def decided(resource: Resource, index: Index, known: Subnets) -> Verdict:
    """Return the verdict on the admitted subnets."""
    path = f"{known.path}[]"
    if known.idle:
        return NotApplicable(known.idle)
    others = [each for each in known.ids if each and not is_own(resource, index, each)]
    if others:
        return Fail((Evidence(path, others, "subnets of the own tenant"),))
    if known.missing is not None:
        return unknown(known.missing)
    if not all(known.ids):
        return unknown(Unread(path, "the answer did not hold which subnet it is"))
    if not known.ids:
        return NotApplicable("it has no rule for a virtual network")
    return Pass((Evidence(path, list(known.ids)),))
