"""One reader for the firewalls of all platform services; a service's file says by a `Firewall` row where things stand.

Order of the locks, from the outside: injection into a virtual network (the resource has no public side at all), the
public switch, a network security perimeter, the service's own rules. Private endpoints are a way in of their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from scanner.model.addresses import AddressSet, BadAddress, parse, span, union
from scanner.model.exposure import REACH_SAYS, Grant, Hop, Lock, PossibleGrant, Reach, possible
from scanner.model.ids import subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import NOT_READ, Evidence, Unread, shown
from scanner.reach.perimeters import CONFIGURATIONS, Perimeters, perimeters
from scanner.reach.sources import (
    KEPT,
    from_addresses,
    from_ids,
    phrase,
    remembered,
    source_hop,
    unproven,
    without_effect,
)
from scanner.reach.topology import behind

State = Literal["enabled", "disabled", "secured"]
ZERO = "0.0.0.0"  # noqa: S104
_NOT_CONNECTED = ("Pending", "Rejected", "Disconnected")
"""Microsoft Learn, private-link/manage-private-endpoint: what a connection can be besides Approved."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Where one list of firewall rules stands, and which members of an entry say what.

    Either an inline list (`path`, in the resource or in the row's `holder`) or child resources (`child`). An entry
    holds an `address` (address, CIDR or range; "" where the entry itself is the text), or `start` and `end`, or the id
    of a subnet or a resource (`id`; "" where the entry itself is the id). `action` is the member that may say Deny.
    """

    path: str = ""
    child: Read | None = None
    address: str = ""
    start: str = ""
    end: str = ""
    id: str = ""
    action: str = ""

    @property
    def name(self) -> str:
        return self.path if self.child is None else self.child.path


@dataclass(frozen=True, slots=True)
class Firewall:
    """The row of a service: where its public switch, its rules and its private endpoints stand, and what absence means.

    - `empty`: what no rule at all means where the default action does not decide: "open" or "closed".
    - `public`: the path of the public switch ("" where there is none), with its known values. `absent`: what an absent
      or null switch means: "enabled", "disabled", or "auto" (closed as soon as a private endpoint is approved); ""
      leaves it undecided. `second`: the path of a switch in `holder` that must agree with the first.
    - `default`: the path of the default action, with its values; `default_absent`: "allow", "deny" or "".
    - `addresses`, `subnets`, `instances`: the lists. `acl`: the object that holds them; a list in it that has entries
      and is not known leaves the door undecided; `other` names lists in it that are known to admit nobody.
    - `holder`: the single child on which default action and inline lists stand (rule sets of Event Hubs).
    - `zero`: the address 0.0.0.0 (or the range from it to itself) admits every Azure tenant. Elsewhere it means nobody.
    - `filter`: a path whose value true makes an empty rule list closed (Cosmos DB).
    - `bypass`: the path of the bypass for trusted services, `bypass_off` its values that admit nobody.
    - `endpoints`: where private endpoint connections stand: an inline path, a child, None where they do not serve it.
    - `injected`: paths; one that is there puts the resource into a virtual network, whatever the switch says.
    - `unruly`: the path of the SKU, the values on which the rule lists do not exist, or are not judged, and those on
      which they hold; on any other they may hold nobody off. `lacks` says what such a SKU lacks, after its name.
    - `configurations`: the child `networkSecurityPerimeterConfigurations`.
    - `source` names where Azure documents `absent`, `default_absent` and `empty`.
    """

    empty: Literal["open", "closed"]
    source: str
    name: str = "network rules"
    public: str = "properties.publicNetworkAccess"
    enabled: tuple[Any, ...] = ("Enabled",)
    disabled: tuple[Any, ...] = ("Disabled",)
    secured: tuple[Any, ...] = ("SecuredByPerimeter",)
    absent: Literal["enabled", "disabled", "auto", ""] = ""
    second: str = ""
    default: str = ""
    allow: tuple[Any, ...] = ("Allow",)
    deny: tuple[Any, ...] = ("Deny",)
    default_absent: Literal["allow", "deny", ""] = ""
    addresses: tuple[Rules, ...] = ()
    subnets: tuple[Rules, ...] = ()
    instances: tuple[Rules, ...] = ()
    acl: str = ""
    other: tuple[str, ...] = ()
    holder: Read | None = None
    zero: bool = False
    filter: str = ""
    bypass: str = ""
    bypass_off: tuple[Any, ...] = ("None", "", False)
    endpoints: str | Read | None = "properties.privateEndpointConnections"
    injected: tuple[str, ...] = ()
    sku_without_network_rules: tuple[str, tuple[str, ...], tuple[str, ...]] = ("", (), ())
    lacks: str = "has no firewall"
    configurations: Read | None = None

    def __post_init__(self) -> None:
        if not self.source:
            raise TypeError("what an empty rule list means needs a source")


@dataclass(slots=True)
class _Door:
    """What was found out about one resource on the way to its reach."""

    resource: Resource
    index: Index
    row: Firewall
    holder: Resource | None = None
    holder_gap: Unread | None = None
    facts: list[Evidence] = field(default_factory=list)
    entries: dict[int, tuple[list[Any], Unread | None]] = field(default_factory=dict)

    def find_holder(self) -> None:
        if self.row.holder is None:
            self.holder = self.resource
            return
        try:
            self.holder = self.resource.child(self.row.holder)
        except Unread as gap:
            self.holder_gap = gap


@dataclass(frozen=True, slots=True)
class _Switch:
    state: State
    seen: tuple[Evidence, ...]
    detail: str
    possible: Unread | None = None
    wild: bool = False
    """The switch itself says nothing that is known: not even closed rules prove that the door is closed."""


def firewall(resource: Resource, index: Index, row: Firewall, rules: Lock | None = None) -> Lock:
    """Who can reach the resource: its ways in, the doubts, the hops from the source on, and identity-bound `admits`.

    `rules` replaces what the row's lists would say, for a service whose rules are richer (see `restrictions`).
    """
    if resource.has_no_properties:
        hop = Hop("switch", "Public network access", resource.why_absent_is_unknown, lets=None)
        return possible(Reach.internet, Unread("properties", resource.why_absent_is_unknown), hops=(hop,))
    injected = _injected(resource, index, row)
    if injected is not None:
        return injected
    door = _Door(resource, index, row)
    door.find_holder()
    private = private_endpoints(resource, index, row.endpoints)
    switch = _switch(door, private)
    own = _own(door, switch, rules)
    around = perimeters(resource, index, row.configurations)
    public = _with_perimeters(door, switch, own, around)
    hops = (*_switch_hop(row, switch, around, public), *_perimeter_hops(around), *public.hops, *private.hops)
    grants, possible_grants = (
        public.grants + private.grants,
        public.possible_grants + private.possible_grants + _maybe_injected(resource, row),
    )
    if not grants and not possible_grants:
        grants = (Grant(Reach.none, _closing(door, switch, around)),)
    admits = () if public.widest is not None and public.widest.level == Reach.internet else public.admits
    return Lock(grants, possible_grants, (source_hop(public), *hops), admits)


def _closing(door: _Door, switch: _Switch, around: Perimeters) -> tuple[Evidence, ...]:
    """The facts that close the door."""
    enforced = tuple(perimeter.seen for perimeter in around.found if perimeter.enforced)
    facts = enforced or (*switch.seen, *door.facts)
    blind = switch.state != "enabled" and not around.found and not around.settled and door.index.live
    return (*facts, Evidence("perimeters outside the scanned scope", NOT_READ)) if blind else facts


@dataclass(frozen=True, slots=True)
class Subnets:
    """The subnets that a resource's own rules let in, by id ("" where an entry names none), and what may be missing.

    `idle` says why no such rule decides anything, "" where they do.
    """

    path: str
    ids: tuple[str, ...] = ()
    missing: Unread | None = None
    idle: str = ""


def admitted_subnets(resource: Resource, index: Index, row: Firewall) -> Subnets:
    """What the rules for virtual networks of the resource say, where its other locks let them decide."""
    path = next(iter(row.subnets)).name
    if resource.has_no_properties:
        return Subnets(path, missing=Unread("properties", resource.why_absent_is_unknown))
    door = _Door(resource, index, row)
    door.find_holder()
    idle = _idle(door)
    if idle:
        return Subnets(path, idle=idle)
    if door.holder_gap is not None:
        return Subnets(path, missing=door.holder_gap)
    read = [(rules.id, *_entries(door, rules)) for rules in row.subnets]
    ids = tuple(_member(entry, member) for member, entries, _ in read for entry in entries)
    missing = next((gap for _, _, gap in read if gap is not None), None)
    if not ids and _default(door)[0] and not (door.holder or resource).api_version_unknown:
        return Subnets(path, idle="it lets every network in, and names none")
    # An empty rule set that lets everybody in needs no list to be told so; whose subnets it names still does.
    absent = door.holder is not None and any(
        rules.child is None and not isinstance(door.holder.get(rules.path), list) for rules in row.subnets
    )
    if absent and missing is None:
        missing = Unread(path, "the answer did not hold it")
    return Subnets(path, ids, missing)


def idle(resource: Resource, index: Index, row: Firewall) -> str:
    """Why no rule of the resource's own lets anybody in, "" where they may."""
    door = _Door(resource, index, row)
    door.find_holder()
    return _idle(door)


def _idle(door: _Door) -> str:
    resource, row = door.resource, door.row
    switch = _switch(door, private_endpoints(resource, door.index, row.endpoints))
    if switch.state != "enabled" and switch.possible is None:
        return "its public network access is off, so no rule lets anybody in"
    sku, lacking, _ = row.sku_without_network_rules
    if sku and any(same(resource.get(sku), each) for each in lacking):
        return "this tier has no rules for virtual networks"
    if any(each.enforced for each in perimeters(resource, door.index, row.configurations).found):
        return "its perimeter decides"
    return ""


def private_endpoints(resource: Resource, index: Index, where: str | Read | None) -> Lock:
    """The ways in through approved private endpoints: `private` from own subscriptions, `selected` from others."""
    if where is None:
        return Lock()
    path = where if isinstance(where, str) else where.path
    connections, missing = _connections(resource, where)
    approved: list[str] = []
    possible_grants: list[PossibleGrant] = []
    for each in connections:
        status = get_path(each, "properties.privateLinkServiceConnectionState.status")
        if same(status, "Approved"):
            target = get_path(each, "properties.privateEndpoint.id")
            approved.append(target if isinstance(target, str) else "")
        elif not any(same(status, each) for each in _NOT_CONNECTED):
            possible_grants.append(
                PossibleGrant(Reach.selected, Unread(path, "a connection whose status is not known"))
            )
    if missing is not None:
        possible_grants.append(PossibleGrant(Reach.selected, missing))
    if missing is not None or (isinstance(where, Read) and not where.needed(resource)):
        approved += _known_endpoints(resource, index)
    ways = from_ids(resource, index, path, dict.fromkeys(approved), "a private endpoint")
    hops = [
        Hop("private-endpoint", _endpoint_name(target), _approved(index, target), target)
        for target in list(dict.fromkeys(approved))[:KEPT]
    ]
    return Lock(ways, tuple(possible_grants), tuple(hops))


def _endpoint_name(endpoint: str) -> str:
    return endpoint.rstrip("/").rsplit("/", 1)[-1] or "private endpoint"


def _approved(index: Index, endpoint: str) -> str:
    said = behind(index, endpoint)
    return f"Approved; {said}" if said else "Approved"


def _connections(resource: Resource, where: str | Read) -> tuple[list[Any], Unread | None]:
    if isinstance(where, Read):
        children = resource.children(where)
        return [child.body for child in children.items], children.gap
    value = resource.get(where)
    if isinstance(value, list):
        return value, None
    if value is None or value is MISSING:
        return [], Unread(
            where, "absent in a record whose api-version is not known"
        ) if resource.api_version_unknown else None
    return [], Unread(where, "this is no list")


def _known_endpoints(resource: Resource, index: Index) -> list[str]:
    """The approved private endpoints in scope that point at the resource: the other end of the same connections."""
    return remembered(index, "private endpoints", _by_target).get(resource.key, [])


def _by_target(index: Index) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    for endpoint in index.of_type("Microsoft.Network/privateEndpoints")[0]:
        for target in _targets(endpoint):
            known.setdefault(target, []).append(endpoint.id)
    return known


def _targets(endpoint: Resource) -> Iterable[str]:
    for path in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        value = endpoint.get(f"properties.{path}")
        for each in value if isinstance(value, list) else ():
            target = get_path(each, "properties.privateLinkServiceId")
            status = get_path(each, "properties.privateLinkServiceConnectionState.status")
            if isinstance(target, str) and same(status, "Approved"):
                yield f"{target.rstrip('/')}{_slot(get_path(each, 'properties.groupIds'))}".lower()


def _slot(groups: Any) -> str:
    """The path of the slot that a private endpoint of an app serves (its group is `sites-<slot>`), "" for the app."""
    names = [name for name in groups if isinstance(name, str)] if isinstance(groups, list) else []
    slot = next((name[len("sites-") :] for name in names if name.lower().startswith("sites-")), "")
    return f"/slots/{slot}" if slot else ""


def injected(resource: Resource, path: str) -> str:
    """The id of the subnet that a path names, or of the object there; "" where it names none."""
    value = resource.get(path)
    subnet = get_path(value, "id") if isinstance(value, dict) else value
    return subnet if isinstance(subnet, str) and subscription_of(subnet) else ""


def _injected(resource: Resource, index: Index, row: Firewall) -> Lock | None:
    for path in row.injected:
        subnet = injected(resource, path)
        if subnet:
            ways = from_ids(resource, index, path, (subnet,), "a subnet")
            name = "/".join(subnet.rstrip("/").split("/")[-3::2])
            return Lock(ways, hops=(source_hop(Lock(ways)), Hop("subnet", name, "inside a virtual network", subnet)))
    return None


def _maybe_injected(resource: Resource, row: Firewall) -> tuple[PossibleGrant, ...]:
    """A doubt for each path that does not say whether the resource stands in a virtual network."""
    possible_grants = []
    for path in row.injected:
        value = resource.get(path)
        if value is MISSING or value is None:
            if resource.api_version_unknown:
                why = "absent in a record whose api-version is not known"
                possible_grants.append(PossibleGrant(Reach.private, Unread(path, why)))
        elif not injected(resource, path) and value != "":
            possible_grants.append(PossibleGrant(Reach.private, Unread(path, f"its value {value!r} is not known")))
    return tuple(possible_grants)


def _switch(door: _Door, private: Lock) -> _Switch:
    row, resource = door.row, door.resource
    if not row.public:
        return _Switch("enabled", (), "")
    seen = (resource.evidence(row.public, row.disabled[0]),)
    value = resource.get(row.public)
    if value is MISSING or value is None or value == "":
        return _absent(door, private, seen)
    state = _state(row, value)
    said = f"{row.public.rsplit('.', 1)[-1]} = {shown(value)}"
    if state is None:
        return _Switch("enabled", seen, said, Unread(row.public, f"its value {value!r} is not known"), True)
    path, lacking, _ = row.sku_without_network_rules
    if state != "enabled" and path and any(same(resource.get(path), each) for each in lacking):
        # What the feature needs is a higher SKU, and nothing documents what the switch does without.
        sku = resource.get(path)
        return _Switch("enabled", seen, said, Unread(row.public, f"whether it holds on {sku} is not documented"), True)
    return _agreed(door, _Switch(state, seen, said))


def _absent(door: _Door, private: Lock, seen: tuple[Evidence, ...]) -> _Switch:
    row = door.row
    if row.absent == "enabled":
        return _agreed(door, _Switch("enabled", seen, "not set: enabled"))
    if row.absent == "disabled":
        thin = _thin(door.resource, row.public)
        return _Switch("enabled" if thin else "disabled", seen, "not set: disabled", thin)
    if row.absent == "auto":
        if private.grants:
            thin = _thin(door.resource, row.public)
            return _Switch("enabled" if thin else "disabled", seen, "automatic: closed by a private endpoint", thin)
        possible = private.possible_grants[0].missing if private.possible_grants else None
        return _Switch("enabled", seen, "automatic: no approved private endpoint", possible)
    return _Switch("enabled", seen, "not set", Unread(row.public, "the answer did not hold it"), True)


def _thin(resource: Resource, path: str) -> Unread | None:
    """Why an absent property of a thin record says nothing."""
    return Unread(path, "absent in a record whose api-version is not known") if resource.api_version_unknown else None


def _agreed(door: _Door, switch: _Switch) -> _Switch:
    """The switch, in doubt where the second one says something else or could not be read."""
    row = door.row
    if not row.second:
        return switch
    if door.holder is None:
        if door.holder_gap is None or switch.state == "enabled":
            return switch
        return _Switch(switch.state, switch.seen, switch.detail, door.holder_gap)
    value = door.holder.get(row.second)
    if value is MISSING or value is None or _state(row, value) == switch.state:
        return switch
    both = (*switch.seen, door.holder.evidence(row.second, row.disabled[0]))
    why = f"the resource says {switch.detail}, its rule set says {value!r}"
    return _Switch("enabled", both, f"{switch.detail}, the rule set {value}", Unread(row.public, why))


def _state(row: Firewall, value: Any) -> State | None:
    known: tuple[tuple[State, tuple[Any, ...]], ...] = (
        ("enabled", row.enabled),
        ("disabled", row.disabled),
        ("secured", row.secured),
    )
    for state, values in known:
        for each in values:
            if same(value, each):
                return state
    return None


def _own(door: _Door, switch: _Switch, rules: Lock | None) -> Lock:
    """What switch and rules of the resource itself let in."""
    if switch.state != "enabled" and switch.possible is None:
        return Lock(admits=_admits(door))
    lock = rules if rules is not None else _rules(door)
    ways = tuple(grant.after(switch.seen) for grant in lock.grants if grant.level)
    door.facts += [fact for grant in lock.grants if not grant.level for fact in grant.evidence]
    lock = Lock(ways, lock.possible_grants, lock.hops, lock.admits or _admits(door))
    if switch.possible is None:
        return lock
    wild = (PossibleGrant(Reach.internet, switch.possible, switch.seen),) if switch.wild else ()
    return unproven(lock, switch.possible) | Lock(possible_grants=wild)


def _with_perimeters(door: _Door, switch: _Switch, own: Lock, around: Perimeters) -> Lock:
    admitted = Lock()
    for perimeter in around.found:
        admitted |= perimeter.admits
    if any(perimeter.enforced for perimeter in around.found):
        return Lock(admitted.grants, admitted.possible_grants)
    public = Lock(own.grants + admitted.grants, own.possible_grants + admitted.possible_grants, own.hops, own.admits)
    missing = around.missing
    # A type that has no such child cannot be asked: SecuredByPerimeter without a known association is closed then.
    askable = door.row.configurations is not None and door.index.live
    if missing is None and switch.state == "secured" and not around.found and not around.settled and askable:
        missing = around.refused or Unread(CONFIGURATIONS, "a perimeter outside the scanned scope is not seen")
    return public if missing is None else public | Lock(possible_grants=(PossibleGrant(Reach.internet, missing),))


def _switch_hop(row: Firewall, switch: _Switch, around: Perimeters, public: Lock) -> tuple[Hop, ...]:
    if not row.public:
        return ()
    detail = switch.detail
    if around.found and (public.grants or public.possible_grants):
        return (Hop("switch", "Public network access", f"{detail}; the perimeter admits", lets=True),)
    if switch.possible is not None:
        return (Hop("switch", "Public network access", detail, lets=None),)
    return (Hop("switch", "Public network access", detail, lets=switch.state == "enabled"),)


def _perimeter_hops(around: Perimeters) -> tuple[Hop, ...]:
    hops = [
        Hop(
            "perimeter",
            perimeter.name,
            f"{perimeter.mode or 'mode not known'}, {perimeter.count} access rules",
            perimeter.id,
            _lets(perimeter.admits, otherwise=not perimeter.enforced),
        )
        for perimeter in around.found
    ]
    if around.missing is not None:
        hops.append(Hop("perimeter", "Network security perimeter", around.missing.why, lets=None))
    return tuple(hops)


def _lets(lock: Lock, otherwise: bool = False) -> bool | None:
    if lock.grants:
        return True
    return None if lock.possible_grants else otherwise


def _rules(door: _Door) -> Lock:
    """What the resource's own rules let in, once the switch is on."""
    row = door.row
    path, lacking, _ = row.sku_without_network_rules
    if path and any(same(door.resource.get(path), each) for each in lacking):
        sku = door.resource.evidence(path)
        hop = Hop("firewall", row.name, f"not available on {sku.value}")
        says = f"every address, since {sku.value} {row.lacks}"
        return Lock((Grant(Reach.internet, (sku,), says),), hops=(hop,))
    if door.holder_gap is not None:
        return _undecided(door, door.holder_gap)
    seen = _default_seen(door)
    allowed, missing = _default(door)
    if allowed:
        name = row.default.rsplit(".", 1)[-1]
        hop = Hop("firewall", row.name, f"{name} = {shown(seen[0].value)}" if seen else "none")
        return Lock((Grant(Reach.internet, seen),), hops=(hop,))
    listed = _listed(door)
    if missing is not None:
        listed |= Lock(possible_grants=(PossibleGrant(Reach.internet, missing, seen),))
    if not listed.grants and not listed.possible_grants and not _entries_of(door) and _open_when_empty(door):
        facts = (*seen, *(_count(door, rules) for rules in (*row.addresses, *row.subnets)))
        hop = Hop("firewall", row.name, "no rule: everybody is let in")
        return Lock((Grant(Reach.internet, facts),), hops=(hop,))
    listed |= _maybe_unruly(door)
    door.facts += [*seen, *(_count(door, rules) for rules in (*row.addresses, *row.subnets))]
    detail = (
        phrase([grant.says or REACH_SAYS[Reach(grant.level)] for grant in listed.grants]) or "no rule lets anybody in"
    )
    hop = Hop(
        "firewall", row.name, detail if listed.grants or not listed.possible_grants else "not read", lets=_lets(listed)
    )
    return Lock(tuple(grant.after(seen) for grant in listed.grants), listed.possible_grants, (hop,))


def _maybe_unruly(door: _Door) -> Lock:
    """A doubt where nobody knows whether the rules of this SKU hold anybody off."""
    path, _, holding = door.row.sku_without_network_rules
    value = door.resource.get(path) if path else MISSING
    if not path or any(same(value, each) for each in holding):
        return Lock()
    gone = value is MISSING or value is None
    missing = Unread(path, "the answer did not hold it" if gone else f"its value {value!r} is not known")
    return Lock(possible_grants=(PossibleGrant(Reach.internet, missing, (door.resource.evidence(path),)),))


def _undecided(door: _Door, missing: Unread) -> Lock:
    hop = Hop("firewall", door.row.name, missing.why, lets=None)
    return Lock(possible_grants=(PossibleGrant(Reach.internet, missing),), hops=(hop,))


def _default_seen(door: _Door) -> tuple[Evidence, ...]:
    row = door.row
    if not row.default or door.holder is None:
        return ()
    return (door.holder.evidence(row.default, row.deny[0]),)


def _default(door: _Door) -> tuple[bool, Unread | None]:
    """Whether the default action lets everybody in, and what leaves that undecided."""
    row = door.row
    if not row.default:
        return False, None
    value = MISSING if door.holder is None else door.holder.get(row.default)
    if value is MISSING or value is None:
        if row.default_absent == "allow":
            return True, None
        thin = door.holder is None or door.holder.api_version_unknown
        known = row.default_absent == "deny" and not thin
        return False, None if known else Unread(row.default, "the answer did not hold it")
    if any(same(value, each) for each in row.allow):
        return True, None
    known = any(same(value, each) for each in row.deny)
    return False, None if known else Unread(row.default, f"its value {value!r} is not known")


def _open_when_empty(door: _Door) -> bool:
    row = door.row
    if row.filter and door.holder is not None and same(door.holder.get(row.filter), True):
        return False
    return row.empty == "open"


def _listed(door: _Door) -> Lock:
    """What the rule lists let in, by their union."""
    row = door.row
    named: list[tuple[Any, AddressSet]] = []
    sets: list[AddressSet] = []
    facts: list[Evidence] = []
    lock = Lock(possible_grants=_strange(door))
    for rules in row.addresses:
        found, zero, possible_grants = _addresses(door, rules)
        together = union(addresses for _, addresses in found)
        sets.append(together)
        named += found
        if found:
            facts += [_texts(door, rules), *without_effect(rules.name, together)]
        lock |= Lock(zero, possible_grants)
    grant = from_addresses(union(sets), door.index, *facts)
    if grant is None:
        door.facts += facts
    lock |= Lock((replace(grant, rules=tuple(named)),) if grant else ())
    for rules in row.subnets:
        entries, missing = _entries(door, rules)
        ids = [_member(entry, rules.id) for entry in entries]
        possible_grants = () if missing is None else (PossibleGrant(Reach.selected, missing),)
        lock |= Lock(from_ids(door.resource, door.index, rules.name, ids, "a subnet"), possible_grants)
    return lock


def _addresses(
    door: _Door, rules: Rules
) -> tuple[list[tuple[Any, AddressSet]], tuple[Grant, ...], tuple[PossibleGrant, ...]]:
    """The rules of a list with their addresses, the way that 0.0.0.0 is, and what could not be read."""
    entries, missing = _entries(door, rules)
    found: list[tuple[Any, AddressSet]] = []
    possible_grants = [PossibleGrant(Reach.internet, missing)] if missing is not None else []
    zero: tuple[Grant, ...] = ()
    for entry in entries:
        if rules.action and same(get_path(entry, rules.action), "Deny"):
            continue
        if door.row.zero and _is_zero(entry, rules):
            zero = (Grant(Reach.azure, (Evidence(rules.name, ZERO, "no rule for 0.0.0.0"),), "every Azure tenant"),)
            continue
        try:
            found.append((entry, _parsed(entry, rules)))
        except BadAddress as bad:
            possible_grants.append(PossibleGrant(Reach.internet, Unread(rules.name, str(bad))))
    return found, zero, tuple(possible_grants)


def _parsed(entry: Any, rules: Rules) -> AddressSet:
    if rules.start:
        return span(get_path(entry, rules.start), get_path(entry, rules.end))
    return parse(get_path(entry, rules.address) if rules.address else entry)


def _is_zero(entry: Any, rules: Rules) -> bool:
    if rules.start:
        return same(get_path(entry, rules.start), ZERO) and same(get_path(entry, rules.end), ZERO)
    return _member(entry, rules.address).strip() in (ZERO, f"{ZERO}/32")


def _texts(door: _Door, rules: Rules) -> Evidence:
    entries, _ = _entries(door, rules)
    if rules.start:
        texts = [f"{_member(each, rules.start)}-{_member(each, rules.end)}" for each in entries[:KEPT]]
    else:
        texts = [_member(each, rules.address) for each in entries[:KEPT]]
    return Evidence(rules.name, texts if len(entries) <= KEPT else [*texts, f"and {len(entries) - KEPT} more"])


def _count(door: _Door, rules: Rules) -> Evidence:
    return Evidence(rules.name, f"{len(_entries(door, rules)[0])} rules")


def _entries_of(door: _Door) -> int:
    return sum(len(_entries(door, rules)[0]) for rules in (*door.row.addresses, *door.row.subnets))


def _entries(door: _Door, rules: Rules) -> tuple[list[Any], Unread | None]:
    """The entries of a list, and what may be missing of them."""
    known = door.entries.get(id(rules))
    if known is None:
        known = door.entries[id(rules)] = _read(door, rules)
    return known


def _read(door: _Door, rules: Rules) -> tuple[list[Any], Unread | None]:
    if rules.child is not None:
        children = door.resource.children(rules.child)
        gap = children.gap
        if gap is None and not rules.child.needed(door.resource) and not _was_read(door.resource, rules.child):
            gap = Unread(rules.child.path, "it was not read")
        return [child.body for child in children.items], gap
    holder = door.holder
    if holder is None:
        return [], None
    value = holder.get(rules.path)
    if isinstance(value, list):
        return value, None
    if value is not None and value is not MISSING:
        return [], Unread(rules.path, "this is no list")
    # Recorded answers spell out each list, empty or not: one that is missing was not returned. It can only add ways.
    if _open_when_empty(door) and _no_entries(door):
        return [], None
    return [], Unread(rules.path, holder.why_absent_is_unknown or "the answer did not hold it")


def _was_read(resource: Resource, child: Read) -> bool:
    return resource.key + child.key in resource.bundle.reads


def _no_entries(door: _Door) -> bool:
    """Whether no inline list has entries: then what is missing of a thin record can only make it narrower."""
    lists = (*door.row.addresses, *door.row.subnets)
    return door.holder is None or not any(door.holder.get(rules.path) for rules in lists if rules.child is None)


def _strange(door: _Door) -> tuple[PossibleGrant, ...]:
    """A doubt for each list of the access rules that has entries and is not known: it may admit anybody."""
    row = door.row
    body = door.holder.get(row.acl) if row.acl and door.holder is not None else None
    if not isinstance(body, dict):
        return ()
    lists = (*row.addresses, *row.subnets, *row.instances)
    known = {rules.path.rsplit(".", 1)[-1].lower() for rules in lists} | {name.lower() for name in row.other}
    return tuple(
        PossibleGrant(Reach.internet, Unread(f"{row.acl}.{key}", "a list of rules that is not known"))
        for key, value in body.items()
        if isinstance(value, list) and value and key.lower() not in known
    )


def _admits(door: _Door) -> tuple[str, ...]:
    """The ways in that demand an identity by themselves: trusted services and named resources."""
    row, holder = door.row, door.holder
    if holder is None:
        return ()
    told: list[str] = []
    value = holder.get(row.bypass) if row.bypass else MISSING
    if value is not MISSING and value is not None and not any(same(value, each) for each in row.bypass_off):
        told.append(f"trusted services still enter ({row.bypass} is {value})")
    for rules in row.instances:
        entries, _ = _entries(door, rules)
        told += [f"the resource {_member(entry, rules.id) or 'without an id'}" for entry in entries[:KEPT]]
    return tuple(told)


def _member(entry: Any, path: str) -> str:
    value = get_path(entry, path) if path else entry
    return value if isinstance(value, str) else ""


__all__ = ["Firewall", "Rules", "Subnets", "admitted_subnets", "firewall", "idle", "injected", "private_endpoints"]
