"""Ordered allow and deny rules: the access restrictions of App Service and the address lists of Container Apps.

Source: Microsoft Learn, app-service/overview-access-restrictions. Rules go by priority, and the first that matches
decides. Without an explicit default action no rule at all allows every caller, and any rule denies the rest; an
explicit default action decides.
A header filter narrows nothing, because a caller can send any header. The one exception: Front Door sets `X-Azure-FDID`
itself, so the tag AzureFrontDoor.Backend together with the id of the own profile is a lock.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.model.addresses import ALL_ADDRESSES, NO_ADDRESSES, AddressSet, BadAddress, parse
from scanner.model.exposure import Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.fix import Cause, Edit
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, is_absent, same, text_at
from scanner.model.message import Message, listed, more
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Unread, not_returned, unknown_value
from scanner.reach.rules.sources import (
    MAX_LISTED,
    cached,
    grant_from_addresses,
    grant_from_tag,
    grants_from_ids,
    private_range_evidence,
)
from scanner.reach.services.firewall import AllowedSubnets

FRONT_DOOR = "azurefrontdoor.backend"
_SHARED = "properties.scmIpSecurityRestrictionsUseMain"
LAST = 2147483647
PRIORITY = 65000
"""The priority that Azure gives a rule without one."""


class _Evaluation(Struct):
    """The evaluation of a list of rules: the addresses that no rule has matched yet, and what rules allow so far."""

    site: Resource
    index: Index
    path: str
    rest: AddressSet = ALL_ADDRESSES
    allowed: AddressSet = NO_ADDRESSES
    subnets: list[str] = field(default_factory=list)
    subnet_causes: list[Cause] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    grants: list[Grant] = field(default_factory=list)
    possible_grants: list[PossibleGrant] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    allow_rules: list[tuple[Any, AddressSet]] = field(default_factory=list)
    """The rules that allow, with their addresses."""
    denied: AddressSet = NO_ADDRESSES
    components: list[tuple[Cause, AddressSet]] = field(default_factory=list)
    """What allows, each as if it were the only one, but for the addresses that an earlier rule denies."""
    holder: str = ""
    position: int = -1
    """The place of the rule that is evaluated, in the list."""
    also: tuple[Cause, ...] = ()

    def cause(self, rule: Any) -> Cause:
        """Return a rule as the cause of a grant."""
        return Cause(self.holder or self.site.id, self.path, rule, position=self.position, also=self.also)

    def possible(self, why: Message, level: Reach = Reach.internet) -> None:
        self.possible_grants.append(PossibleGrant(level, Unread(self.path, why)))


def restrictions(site: Resource, index: Index, config: Resource, *, scm: bool = False) -> Lock:
    """Return the lock that the access restrictions of an app (or its SCM site) set; `config` is its `config/web`."""
    name = _list_of(config, scm)
    path, default_path = f"properties.{name}", f"properties.{name}DefaultAction"
    entries = config.get(path)
    if not isinstance(entries, list):
        missing = not_returned(path)
        hop = Hop("firewall", Message("Access restrictions"), missing.why, allows=None)
        return Lock(possible_grants=(PossibleGrant(Reach.internet, missing, (config.evidence(path),)),), hops=(hop,))
    default = config.get(default_path)
    deny = Cause(config.id, default_path, value="Deny")
    walk = _walked(site, index, path, entries, config.id, () if same(default, "Deny") else (deny,))
    implicit = [entry for entry in entries if _implicit(entry)]
    rules = [entry for entry in entries if not _implicit(entry)]
    allowed = walk.allowed
    _end(walk, default, rules, implicit, default_path, config.why_absent_is_unknown)
    shared = config.get(_SHARED)
    if scm and not (is_absent(shared) or same(shared, True) or same(shared, False)):
        walk.possible_grants.append(PossibleGrant(Reach.internet, unknown_value(_SHARED, shared)))
    if walk.allowed != allowed:
        walk.components.append((deny, ALL_ADDRESSES - walk.denied))
    return _result(walk, Message("Access restrictions"), len(rules), config.evidence(default_path, "Deny"))


def restricted_subnets(site: Resource, index: Index, config: Resource) -> AllowedSubnets:
    """Return the subnets that the access restrictions of an app and its SCM site allow; `config` is its
    `config/web`.
    """
    ids: list[str] = []
    causes: list[Cause] = []
    missing: Unread | None = None
    for name in dict.fromkeys(_list_of(config, scm) for scm in (False, True)):
        path = f"properties.{name}"
        entries = config.get(path)
        if not isinstance(entries, list):
            missing = missing or not_returned(path)
            continue
        walk = _walked(site, index, path, entries, config.id)
        ids += walk.subnets
        deny = (Edit(config.id, f"{path}DefaultAction", "Deny"),)
        causes += (each._replace(effect=deny) for each in walk.subnet_causes)
        if any(map(_may_name_unseen_subnet, entries)):
            missing = missing or Unread(path, Message("the subnet that a rule allows is not known"))
    return AllowedSubnets(
        f"{_list_of(config, False)}[].vnetSubnetResourceId", tuple(ids), missing, causes=tuple(causes)
    )


def _may_name_unseen_subnet(entry: Any) -> bool:
    """Return whether a rule may allow a subnet that the evaluation does not see."""
    subnet, action = get_path(entry, "vnetSubnetResourceId"), get_path(entry, "action")
    if not isinstance(entry, dict):
        return True
    if subnet in (MISSING, None, ""):
        return not text_at(entry, "ipAddress")
    stated = is_absent(action) or same(action, "Allow") or same(action, "Deny")
    return not (isinstance(subnet, str) and stated and _has_priority(entry))


def _list_of(config: Resource, scm: bool) -> str:
    own = scm and not same(config.get(_SHARED), True)
    return "scmIpSecurityRestrictions" if own else "ipSecurityRestrictions"


def _walked(
    site: Resource, index: Index, path: str, entries: list[Any], holder: str = "", also: tuple[Cause, ...] = ()
) -> _Evaluation:
    """Return the evaluation of a list of rules by priority, up to the one that leaves no address."""
    walk = _Evaluation(site, index, path, holder=holder, also=also)
    rules = [(position, entry) for position, entry in enumerate(entries) if not _implicit(entry)]
    ordered = [(position, rule) for position, rule in rules if _has_priority(rule)]
    if len(ordered) < len(rules):
        walk.possible(Message("the priority of a rule is not a number"))
    for walk.position, rule in sorted(ordered, key=lambda each: _order(each[1])):
        if walk.rest.is_empty:
            _shadowed(walk, rule)
        else:
            _take(walk, rule)
    return walk


def _shadowed(walk: _Evaluation, rule: Any) -> None:
    """Add a rule for addresses that earlier rules leave none of: it counts once one of those is removed."""
    text = get_path(rule, "ipAddress")
    if _is_allow(rule) and isinstance(text, str) and same(get_path(rule, "tag"), "Default"):
        with suppress(BadAddress):
            walk.components.append((walk.cause(rule), parse(text) - walk.denied))


def _is_allow(rule: Any) -> bool:
    action = get_path(rule, "action")
    return is_absent(action) or same(action, "Allow")


def _has_priority(entry: Any) -> bool:
    return _priority(entry) is not None or get_path(entry, "priority") in (MISSING, None)


def address_list(app: Resource, index: Index, path: str, address: str = "ipAddressRange") -> Lock:
    """Return the lock of a list of address rules where all rules allow or all deny (Container Apps ingress).

    Source: Microsoft Learn, container-apps/ip-restrictions. Without rules every caller is allowed; deny rules allow the
    rest.
    """
    entries = app.get(path)
    walk = _Evaluation(app, index, path)
    if is_absent(entries):
        entries = []
    if not isinstance(entries, list):
        walk.possible(Message("not a list"))
        entries = []
    allows = [entry for entry in entries if not same(get_path(entry, "action"), "Deny")]
    for entry in sorted(entries, key=lambda each: same(get_path(each, "action"), "Deny")):
        _apply(walk, entry, _action(walk, entry), get_path(entry, address))
    if not allows and not walk.possible_grants:
        walk.allowed |= walk.rest
    return _result(walk, Message("Address restrictions"), len(entries))


def _implicit(entry: Any) -> bool:
    """Return whether this is the rule that Azure shows for what no rule matches."""
    return get_path(entry, "priority") == LAST and str(get_path(entry, "name")).lower() in ("allow all", "deny all")


def _order(entry: Any) -> tuple[int, bool]:
    priority = _priority(entry)
    return (PRIORITY if priority is None else priority, same(get_path(entry, "action"), "Deny"))


def _priority(entry: Any) -> int | None:
    """Return the priority of a rule; None without one, or for one that is no number."""
    value = get_path(entry, "priority")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _action(walk: _Evaluation, entry: Any) -> str:
    value = get_path(entry, "action")
    if is_absent(value) or same(value, "Allow"):
        return "allow"
    if same(value, "Deny"):
        return "deny"
    walk.possible(Message("unrecognized action {value}", value=repr(value)))
    return "none"


def _take(walk: _Evaluation, rule: Any) -> None:
    action = _action(walk, rule)
    headers = get_path(rule, "headers")
    headers = headers if isinstance(headers, dict) and any(headers.values()) else {}
    if action == "deny" and headers:
        return
    subnet = get_path(rule, "vnetSubnetResourceId")
    if isinstance(subnet, str) and subnet:
        _subnet(walk, subnet, action, walk.cause(rule))
        return
    text = get_path(rule, "ipAddress")
    tag = get_path(rule, "tag")
    if same(tag, "ServiceTag"):
        if action == "allow":
            _tags(walk, str(text), headers, walk.cause(rule))
        return
    if tag not in (MISSING, None, "") and not same(tag, "Default"):
        if action == "allow":
            walk.possible(Message("a rule of kind {tag} filters by a header that any caller can send", tag=repr(tag)))
        return
    mask = get_path(rule, "subnetMask")
    if isinstance(mask, str) and mask and isinstance(text, str) and "/" not in text:
        text = f"{text}/{mask}"
    _apply(walk, rule, action, text)


def _apply(walk: _Evaluation, rule: Any, action: str, text: Any) -> None:
    try:
        addresses = parse(text)
    except BadAddress as bad:
        if action != "deny":
            walk.possible(bad.why)
        return
    if action == "allow":
        walk.allowed |= addresses & walk.rest
        walk.texts.append(str(text))
        walk.allow_rules.append((rule, addresses & walk.rest))
        walk.components.append((walk.cause(rule), addresses - walk.denied))
    if action == "deny":
        walk.denied |= addresses
    if action != "none":
        walk.rest -= addresses


def _subnet(walk: _Evaluation, subnet: str, action: str, cause: Cause) -> None:
    if action == "deny":
        walk.refused.add(subnet.lower())
    elif action == "allow" and subnet.lower() not in walk.refused:
        walk.subnets.append(subnet)
        walk.subnet_causes.append(cause)


def _tags(walk: _Evaluation, text: str, headers: dict[str, Any], cause: Cause) -> None:
    names = [name for name in (segment.strip() for segment in text.split(",")) if name]
    if not names:
        walk.possible(Message("a service tag rule names no tag"))
    for name in names:
        seen = Evidence(walk.path, Message("the service tag {name}", name=name))
        ids = _front_door_ids(headers)
        if name.lower() == FRONT_DOOR and ids:
            _front_door(walk, ids, seen, cause)
            continue
        grant, tag = grant_from_tag(name, seen)
        if grant is not None:
            why = Message("{why} (the service tag {name})", why=tag.why, name=tag.name)
            walk.grants.append(Grant(grant.level, grant.evidence, why, cause=cause))


def _front_door_ids(headers: dict[str, Any]) -> list[str]:
    values = next((value for name, value in headers.items() if name.lower() == "x-azure-fdid"), None)
    return [str(value) for value in values] if isinstance(values, list) else []


def _front_door(walk: _Evaluation, ids: list[str], seen: Evidence, cause: Cause) -> None:
    known = cached(walk.index, "front door ids", _profiles)
    missing = walk.index.of_type("Microsoft.Cdn/profiles")[1] or walk.index.of_type("Microsoft.Network/frontDoors")[1]
    names = [known[each.lower()] for each in ids if each.lower() in known]
    unknown_profiles = [each for each in ids if each.lower() not in known]
    if unknown_profiles:
        facts = (
            seen,
            Evidence(f"{walk.path}[].headers.x-azure-fdid", unknown_profiles, Message("the id of a visible profile")),
        )
        if missing is not None:
            walk.possible_grants.append(PossibleGrant(Reach.azure, missing, facts))
        description = Message("a Front Door profile that is not visible to this scan")
        level = Reach.azure if missing is None else Reach.selected
        walk.grants.append(Grant(level, facts, description, cause=cause))
    if names:
        facts = (seen, Evidence(f"{walk.path}[].headers.x-azure-fdid", ids))
        walk.grants.append(Grant(Reach.selected, facts, Message("the Front Door profile {names}", names=listed(names))))


def _profiles(index: Index) -> dict[str, str]:
    """Return the Front Door ids in scope, in lower case, with the names of their profiles."""
    profiles = (*index.of_type("Microsoft.Cdn/profiles")[0], *index.of_type("Microsoft.Network/frontDoors")[0])
    ids = ((profile.get("properties.frontDoorId"), profile.name) for profile in profiles)
    return {key.lower(): name for key, name in ids if isinstance(key, str) and key}


def _end(walk: _Evaluation, default: Any, rules: list[Any], implicit: list[Any], path: str, why_unknown: str) -> None:
    """Apply the default action to the addresses that no rule matched; `silence`: why an absent one has no known
    meaning.
    """
    if is_absent(default) or default == "":
        allowed = _action(walk, implicit[-1]) == "allow" if implicit else not rules
        if not allowed and not implicit and why_unknown:
            walk.possible(Message("the default action: {why_unknown}", why_unknown=why_unknown))
    elif same(default, "Allow") or same(default, "Deny"):
        allowed = same(default, "Allow")
    else:
        walk.possible_grants.append(PossibleGrant(Reach.internet, unknown_value(path, default)))
        return
    if allowed:
        walk.allowed |= walk.rest


def _result(walk: _Evaluation, name: str, count: int, *default: Evidence) -> Lock:
    shown = (
        walk.texts if len(walk.texts) <= MAX_LISTED else [*walk.texts[:MAX_LISTED], more(len(walk.texts) - MAX_LISTED)]
    )
    facts = (
        *default,
        Evidence(walk.path, shown or Message("{count} rules", count=count)),
        *private_range_evidence(walk.path, walk.allowed),
    )
    grant = grant_from_addresses(walk.allowed, walk.index, *facts)
    subnets = grants_from_ids(walk.site, walk.index, walk.path, walk.subnets, Message("a subnet"))
    grants = (
        *((replace(grant, rules=tuple(walk.allow_rules), components=tuple(walk.components)),) if grant else ()),
        *walk.grants,
        *subnets,
    )
    allows = True if grants else (None if walk.possible_grants else False)
    detail = listed(_details(grants)) or (
        Message("not read") if walk.possible_grants else Message("{count} rules allow no one", count=count)
    )
    if not grants and not walk.possible_grants:
        grants = (Grant(Reach.none, facts),)
    return Lock(grants, tuple(walk.possible_grants), (Hop("firewall", name, detail, allows=allows),))


_LET_IN = {
    Reach.internet: Message("every address is allowed"),
    Reach.azure: Message("any Azure tenant is allowed"),
    Reach.wide: Message("broad ranges are allowed"),
    Reach.selected: Message("listed networks are allowed"),
    Reach.private: Message("own subnets are allowed"),
    Reach.none: Message("no one is allowed"),
}


def _details(grants: Iterable[Grant]) -> list[str]:
    return list(dict.fromkeys(grant.description or _LET_IN[Reach(grant.level)] for grant in grants))


__all__ = ["address_list", "restricted_subnets", "restrictions"]
