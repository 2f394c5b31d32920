"""The rule lists of a service's firewall, read by its row."""

from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.model.addresses import NO_ADDRESSES, AddressSet, BadAddress, address_range, parse, union
from scanner.model.exposure import REACH_DESCRIPTIONS, Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, is_absent, is_one, same
from scanner.model.message import Message, listed, more
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import (
    Evidence,
    Unread,
    display_value,
    malformed,
    not_a_list,
    not_read,
    not_returned,
    unknown_value,
)
from scanner.reach.rules.sources import (
    MAX_LISTED,
    grant_from_addresses,
    grants_from_ids,
    private_range_evidence,
)
from scanner.reach.services.firewall_row import Firewall, RuleList

ZERO = "0.0.0.0"  # noqa: S104


class FirewallReading(Struct):
    """One resource with its firewall row, and what was read of them so far."""

    resource: Resource
    index: Index
    row: Firewall
    holder: Resource | None = None
    """The resource that has the default action and the inline lists."""
    holder_gap: Unread | None = None
    facts: list[Evidence] = field(default_factory=list)
    """Evidence for a closed lock."""
    entries: dict[RuleList, tuple[list[Any], Unread | None]] = field(default_factory=dict)

    def find_holder(self) -> None:
        if self.row.holder is None:
            self.holder = self.resource
            return
        try:
            self.holder = self.resource.child(self.row.holder)
        except Unread as gap:
            self.holder_gap = gap.with_traceback(None)


def allows(lock: Lock, otherwise: bool = False) -> bool | None:
    if lock.grants:
        return True
    return None if lock.possible_grants else otherwise


def rules_lock(reading: FirewallReading) -> Lock:
    """Return the lock that the resource's own rules set, once the switch is on."""
    row = reading.row
    path, lacking, _ = row.sku_without_network_rules
    if path and any(same(reading.resource.get(path), each) for each in lacking):
        sku = reading.resource.evidence(path)
        hop = Hop("firewall", row.name, Message("not available on {value}", value=sku.value))
        description = Message("the internet, because {value} {lacks}", value=sku.value, lacks=row.lacks)
        return Lock((Grant(Reach.internet, (sku,), description),), hops=(hop,))
    if reading.holder_gap is not None:
        return _possible_lock(reading, reading.holder_gap)
    seen = default_evidence(reading)
    allowed, missing = default_action(reading)
    if allowed:
        name = row.default.rsplit(".", 1)[-1]
        hop = Hop(
            "firewall",
            row.name,
            Message("{name} = {value}", name=name, value=display_value(seen[0].value)) if seen else Message("none"),
        )
        cause = Cause((reading.holder or reading.resource).id, row.default, value=row.deny[0])
        then = listed_grants(reading) if total_entries(reading) else None
        return Lock((Grant(Reach.internet, seen, cause=cause, then=then),), hops=(hop,))
    rules = listed_grants(reading)
    if missing is not None:
        rules |= Lock(possible_grants=(PossibleGrant(Reach.internet, missing, seen),))
    if not rules.grants and not rules.possible_grants and not total_entries(reading) and open_when_empty(reading):
        facts = (*seen, *(entry_count(reading, rules) for rules in (*row.addresses, *row.subnets)))
        hop = Hop("firewall", row.name, Message("no firewall rule is set: every address is allowed"))
        return Lock((Grant(Reach.internet, facts),), hops=(hop,))
    rules |= possible_without_rules(reading)
    reading.facts += [*seen, *(entry_count(reading, rules) for rules in (*row.addresses, *row.subnets))]
    detail = listed([grant.description or REACH_DESCRIPTIONS[Reach(grant.level)] for grant in rules.grants]) or Message(
        "no rule allows access"
    )
    hop = Hop(
        "firewall",
        row.name,
        detail if rules.grants or not rules.possible_grants else Message("not read"),
        allows=allows(rules),
    )
    return Lock(tuple(grant.with_evidence(seen) for grant in rules.grants), rules.possible_grants, (hop,))


def possible_without_rules(reading: FirewallReading) -> Lock:
    """Return a possible grant where it is not known whether the rules of this SKU are evaluated."""
    path, _, holding = reading.row.sku_without_network_rules
    value = reading.resource.get(path) if path else MISSING
    if not path or any(same(value, each) for each in holding):
        return Lock()
    gone = is_absent(value)
    missing = not_returned(path) if gone else unknown_value(path, value)
    return Lock(possible_grants=(PossibleGrant(Reach.internet, missing, (reading.resource.evidence(path),)),))


def _possible_lock(reading: FirewallReading, missing: Unread) -> Lock:
    hop = Hop("firewall", reading.row.name, missing.why, allows=None)
    return Lock(possible_grants=(PossibleGrant(Reach.internet, missing),), hops=(hop,))


def default_evidence(reading: FirewallReading) -> tuple[Evidence, ...]:
    row = reading.row
    if not row.default or reading.holder is None:
        return ()
    return (reading.holder.evidence(row.default, row.deny[0]),)


def default_action(reading: FirewallReading) -> tuple[bool, Unread | None]:
    """Return whether the default action allows every caller, and why that is not known."""
    row = reading.row
    if not row.default:
        return False, None
    value = MISSING if reading.holder is None else reading.holder.get(row.default)
    if is_absent(value):
        if row.default_absent == "allow":
            return True, None
        at_unknown_version = reading.holder is None or reading.holder.api_version_unknown
        known = row.default_absent == "deny" and not at_unknown_version
        return False, None if known else not_returned(row.default)
    if any(same(value, each) for each in row.allow):
        return True, None
    known = any(same(value, each) for each in row.deny)
    return False, None if known else unknown_value(row.default, value)


def open_when_empty(reading: FirewallReading) -> bool:
    row = reading.row
    if row.filter and reading.holder is not None and same(reading.holder.get(row.filter), True):
        return False
    return row.empty == "open"


def listed_grants(reading: FirewallReading) -> Lock:
    """Return the grants of the rule lists, by their union."""
    row = reading.row
    named: list[tuple[Any, AddressSet]] = []
    sets: list[AddressSet] = []
    components: list[tuple[Cause, AddressSet]] = []
    facts: list[Evidence] = []
    lock = Lock(possible_grants=_unknown_lists(reading))
    for rules in row.addresses:
        matches, zero, possible_grants = _addresses(reading, rules)
        together = union(addresses for _, _, addresses in matches)
        sets.append(together)
        named += ((entry, addresses) for entry, _, addresses in matches)
        components += ((cause, addresses) for _, cause, addresses in matches)
        if matches:
            facts += [_texts(reading, rules), *private_range_evidence(rules.name, together)]
        lock |= Lock(zero, possible_grants)
    grant = grant_from_addresses(union(sets), reading.index, *facts)
    if grant is None:
        reading.facts += facts
    lock |= Lock((replace(grant, rules=tuple(named), components=tuple(components)),) if grant else ())
    for rules in row.subnets:
        entries, missing = entries_of(reading, rules)
        ids = [text_member(entry, rules.id) for entry in entries]
        # Where a list that is empty allows every address, one that is not known may be empty.
        least = Reach.internet if open_when_empty(reading) and not total_entries(reading) else Reach.selected
        possible_grants = () if missing is None else (PossibleGrant(least, missing),)
        lock |= Lock(
            grants_from_ids(reading.resource, reading.index, rules.name, ids, Message("a subnet")), possible_grants
        )
    return lock


def _addresses(
    reading: FirewallReading, rules: RuleList
) -> tuple[list[tuple[Any, Cause, AddressSet]], tuple[Grant, ...], tuple[PossibleGrant, ...]]:
    """Return the rules of a list with their causes, the grant of 0.0.0.0, and possible grants for unread ones."""
    entries, missing = entries_of(reading, rules)
    matches: list[tuple[Any, Cause, AddressSet]] = []
    possible_grants = [PossibleGrant(Reach.internet, missing)] if missing is not None else []
    zero: list[Cause] = []
    for position, entry in enumerate(entries):
        if rules.action and same(get_path(entry, rules.action), "Deny"):
            continue
        if reading.row.zero and _is_zero(entry, rules):
            zero.append(entry_cause(reading, rules, entry, position, rules.address))
            continue
        try:
            matches.append((entry, entry_cause(reading, rules, entry, position, rules.address), _parsed(entry, rules)))
        except BadAddress as bad:
            possible_grants.append(PossibleGrant(Reach.internet, Unread(rules.name, bad.why)))
    return matches, _azure(rules, zero), tuple(possible_grants)


def _azure(rules: RuleList, zero: list[Cause]) -> tuple[Grant, ...]:
    """Return the grant of the rules for 0.0.0.0."""
    if not zero:
        return ()
    seen = Evidence(rules.name, ZERO, Message("no rule for 0.0.0.0"))
    return (
        Grant(
            Reach.azure, (seen,), Message("any Azure tenant"), components=tuple((each, NO_ADDRESSES) for each in zero)
        ),
    )


def entry_cause(reading: FirewallReading, rules: RuleList, entry: Any, position: int, member: str) -> Cause:
    """Return an entry of a list as the cause of a grant; its text is at `member`."""
    out_of = total_entries(reading) if open_when_empty(reading) else 0
    if rules.child is not None:
        return Cause(text_member(entry, "id"), out_of=out_of)
    text = text_member(entry, member)
    holder = reading.holder or reading.resource
    return Cause(holder.id, rules.path, entry, command=rules.remove, text=text, position=position, out_of=out_of)


def _parsed(entry: Any, rules: RuleList) -> AddressSet:
    if rules.start:
        return address_range(get_path(entry, rules.start), get_path(entry, rules.end))
    return parse(get_path(entry, rules.address) if rules.address else entry)


def _is_zero(entry: Any, rules: RuleList) -> bool:
    if rules.start:
        return same(get_path(entry, rules.start), ZERO) and same(get_path(entry, rules.end), ZERO)
    return text_member(entry, rules.address).strip() in (ZERO, f"{ZERO}/32")


def _texts(reading: FirewallReading, rules: RuleList) -> Evidence:
    entries, _ = entries_of(reading, rules)
    if rules.start:
        texts = [f"{text_member(each, rules.start)}-{text_member(each, rules.end)}" for each in entries[:MAX_LISTED]]
    else:
        texts = [text_member(each, rules.address) for each in entries[:MAX_LISTED]]
    return Evidence(
        rules.name,
        texts if len(entries) <= MAX_LISTED else [*texts, more(len(entries) - MAX_LISTED)],
    )


def entry_count(reading: FirewallReading, rules: RuleList) -> Evidence:
    return Evidence(rules.name, Message("{reading} rules", reading=len(entries_of(reading, rules)[0])))


def total_entries(reading: FirewallReading) -> int:
    return sum(len(entries_of(reading, rules)[0]) for rules in (*reading.row.addresses, *reading.row.subnets))


def entries_of(reading: FirewallReading, rules: RuleList) -> tuple[list[Any], Unread | None]:
    """Return the entries of a list, and why some may be missing."""
    known = reading.entries.get(rules)
    if known is None:
        known = reading.entries[rules] = _read(reading, rules)
    return known


def _read(reading: FirewallReading, rules: RuleList) -> tuple[list[Any], Unread | None]:
    if rules.child is not None:
        children = reading.resource.children(rules.child)
        gap = children.gap
        if gap is None and not rules.child.needed(reading.resource) and not _was_read(reading.resource, rules.child):
            gap = not_read(rules.child.path)
        return [child.body for child in children.items], gap
    holder = reading.holder
    if holder is None:
        return [], None
    value = holder.get(rules.path)
    if isinstance(value, list):
        wanted = dict if rules.id or rules.address or rules.start else str
        entries = [each for each in value if isinstance(each, wanted)]
        return entries, None if len(entries) == len(value) else malformed(rules.path)
    if not is_absent(value):
        return [], not_a_list(rules.path)
    # Recorded answers spell out each list, empty or not: one that is missing was not returned. It can only add ways.
    if open_when_empty(reading) and _no_entries(reading):
        return [], None
    return [], Unread(rules.path, holder.why_absent_is_unknown or Message("Azure did not return it"))


def _was_read(resource: Resource, child: Read) -> bool:
    return resource.key + child.key in resource.bundle.reads


def _no_entries(reading: FirewallReading) -> bool:
    """Return whether no inline list has entries: then a list that is missing can only make the lock narrower."""
    lists = (*reading.row.addresses, *reading.row.subnets)
    return reading.holder is None or not any(reading.holder.get(rules.path) for rules in lists if rules.child is None)


def _unknown_lists(reading: FirewallReading) -> tuple[PossibleGrant, ...]:
    """Return a possible grant for each list of the access rules that has entries and is not known."""
    row = reading.row
    body = reading.holder.get(row.acl) if row.acl and reading.holder is not None else None
    if not isinstance(body, dict):
        return ()
    lists = (*row.addresses, *row.subnets, *row.instances)
    known = {rules.path.rsplit(".", 1)[-1].lower() for rules in lists} | {name.lower() for name in row.other}
    return tuple(
        PossibleGrant(Reach.internet, Unread(f"{row.acl}.{key}", Message("an unrecognized list of rules")))
        for key, value in body.items()
        if isinstance(value, list) and value and key.lower() not in known
    )


def trusted_access(reading: FirewallReading) -> tuple[Message, ...]:
    """Return the access that requires an identity by itself: trusted services and named resources."""
    row, holder = reading.row, reading.holder
    if holder is None:
        return ()
    messages: list[Message] = []
    if any(is_one(each, row.bypass_trusted) for each in bypass_values(holder, row)):
        value = holder.get(row.bypass)
        messages.append(
            Message(
                "trusted Microsoft services are still allowed ({bypass} is {value})", bypass=row.bypass, value=value
            )
        )
    for rules in row.instances:
        entries, _ = entries_of(reading, rules)
        ids = (text_member(entry, rules.id) for entry in entries[:MAX_LISTED])
        messages += [Message("the resource {id}", id=id or Message("without an id")) for id in ids]
    return tuple(messages)


def bypass_values(holder: Resource, row: Firewall) -> list[Any]:
    """Return the values of a bypass; [] where it is absent."""
    value = holder.get(row.bypass) if row.bypass else MISSING
    if is_absent(value):
        return []
    return [each.strip() for each in value.split(",")] if isinstance(value, str) else [value]


def unknown_bypass(reading: FirewallReading) -> tuple[PossibleGrant, ...]:
    """Return a possible grant where the bypass has a value that is not known, because it may allow anyone."""
    row, holder = reading.row, reading.holder
    known = (*row.bypass_off, *row.bypass_trusted, *row.bypass_other)
    if holder is None or all(is_one(each, known) for each in bypass_values(holder, row)):
        return ()
    return (PossibleGrant(Reach.internet, unknown_value(row.bypass, holder.get(row.bypass))),)


def text_member(entry: Any, path: str) -> str:
    value = get_path(entry, path) if path else entry
    return value if isinstance(value, str) else ""
