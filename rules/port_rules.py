"""Rules of a network security group that a service keeps in its own properties: which addresses they allow to one port."""

from typing import Any, NamedTuple

from scanner.model.addresses import NO_ADDRESSES, AddressSet, BadAddress, parse, union
from scanner.model.exposure import Hop, Lock, Reach, grant, possible, replace
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same, spelled
from scanner.model.message import NOTHING, Message
from scanner.model.verdict import Evidence, Unread, malformed, unknown_value
from scanner.reach.rules.sources import grant_from_addresses, source_hop

EVERYWHERE = parse("0.0.0.0/0")
_ANYWHERE = ("*", "Internet", "0.0.0.0/0")


class PortRule(NamedTuple):
    """One rule: the lowest priority decides first. `sources`: as the rule has them."""

    priority: Any
    access: Any
    sources: list[Any]
    source_ports: Any = None


def port_lock(rules: list[PortRule], path: str, index: Index, *, rest: AddressSet, name: str) -> Lock:
    """Return the network lock of a port by its rules. `rest`: what is allowed where no rule decides."""
    seen = Evidence(
        path, [f"{spelled(each.access)} {', '.join(map(spelled, each.sources))}" for each in rules] or "none"
    )
    try:
        allowed = _allowed(rules, path, rest)
    except Unread as missing:
        return possible(Reach.internet, missing, seen, hops=(Hop("firewall", name, missing.why, allows=None),))
    result = grant_from_addresses(allowed, index, seen)
    lock = Lock((result,)) if result is not None else grant(Reach.none, seen)
    level = lock.grants[0].level
    hop = Hop("firewall", name, Message("no rule allows access") if not level else NOTHING, allows=bool(level))
    return replace(lock, hops=(source_hop(lock), hop))


def _allowed(rules: list[PortRule], path: str, rest: AddressSet) -> AddressSet:
    """Return the addresses that are allowed. Raises Unread for a rule that is not known."""
    if not all(isinstance(each.priority, int) and not isinstance(each.priority, bool) for each in rules):
        raise Unread(f"{path}[].priority", Message("it is no number"))
    allowed = decided = NO_ADDRESSES
    for rule in sorted(rules, key=lambda each: each.priority):
        if not any(same(rule.access, each) for each in ("Allow", "Deny")):
            raise unknown_value(f"{path}[].access", rule.access)
        if not is_absent(rule.source_ports) and rule.source_ports not in (["*"], [], "*"):
            raise Unread(f"{path}[].sourcePortRanges", Message("a rule by source port"))
        here = union(_source(each, path) for each in rule.sources) - decided
        allowed |= here if same(rule.access, "Allow") else NO_ADDRESSES
        decided |= here
    return allowed | (rest - decided)


def _source(prefix: Any, path: str) -> AddressSet:
    if any(same(prefix, each) for each in _ANYWHERE):
        return EVERYWHERE
    try:
        return parse(prefix)
    except BadAddress as bad:
        raise Unread(f"{path}[].sourceAddressPrefix", bad.why) from None


def listed(rule: Any, one: str, several: str) -> list[Any]:
    """Return what a rule names by one member or by the list beside it. Raises Unread for a value of another form."""
    value, more = get_path(rule, one), get_path(rule, several)
    if not is_absent(value) and not isinstance(value, str | int):
        raise malformed(one)
    if not is_absent(more) and not isinstance(more, list):
        raise malformed(several)
    values = [] if is_absent(more) else list(more)
    return values if is_absent(value) or value == "" else [value, *values]
