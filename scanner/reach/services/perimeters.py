"""Network security perimeters: the perimeter of a resource, its mode, and the callers that its access rules allow.

Source: Microsoft Learn, private-link/network-security-perimeter-transition. Without an association the resource's own
switch and rules decide, and `SecuredByPerimeter` is closed to the public. In Learning mode (now called Transition mode)
the perimeter's inbound rules allow callers besides the own rules, also where the switch says Disabled; in Enforced mode
they alone decide, whatever the switch says. Audit mode has no documentation and counts as Learning. Private endpoints
work in every mode.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from scanner.model.addresses import AddressSet, BadAddress, parse, union
from scanner.model.exposure import Grant, Lock, PossibleGrant, Reach
from scanner.model.fix import Cause, Edit
from scanner.model.ids import name_of, segments
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, is_absent, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Evidence, Unread, display_value, malformed, not_returned
from scanner.reach.rules.sources import (
    cached,
    grant_from_addresses,
    grant_from_tag,
    grants_from_ids,
    private_range_evidence,
)

ASSOCIATIONS = "Microsoft.Network/networkSecurityPerimeters/resourceAssociations"
ACCESS_RULES = "Microsoft.Network/networkSecurityPerimeters/profiles/accessRules"
CONFIGURATIONS = "networkSecurityPerimeterConfigurations"

REMOVE_RULE = Message(
    "In the network security perimeter, remove the address range from the profile's inbound access rule."
)
MODE = "properties.accessMode"
PREFIXES = "properties.addressPrefixes"
HARMLESS_ISSUES = ("MissingPerimeterConfiguration", "MissingIdentityConfiguration")
"""Issues of a configuration that the resource applies: callers that lack a rule, and a missing managed identity."""
_KNOWN = frozenset(
    (
        "addressprefixes",
        "emailaddresses",
        "fullyqualifieddomainnames",
        "networksecurityperimeters",
        "phonenumbers",
        "servicetags",
        "subscriptions",
    )
)


class Perimeter(Struct, frozen=True):
    """One association: the perimeter's id, its mode, the lock of its inbound rules, their number, and the evidence."""

    id: str
    mode: str
    allowed: Lock
    count: int
    evidence: Evidence
    association: Cause
    """The association, which the mode Enforced fixes."""
    not_applied: Unread | None = None
    """Why the resource may not apply the perimeter yet."""

    @property
    def name(self) -> str:
        return name_of(self.id) or "perimeter"

    @property
    def enforced(self) -> bool:
        return self.mode.lower() == "enforced"

    @property
    def decides(self) -> bool:
        """Whether the resource's own rules are proven to allow no one."""
        return self.enforced and self.not_applied is None


class Perimeters(Struct, frozen=True):
    """The perimeters of a resource."""

    perimeters: tuple[Perimeter, ...] = ()
    missing: Unread | None = None
    """Why there may be others."""
    complete: bool = False
    """The resource itself was read, so a perimeter outside the scanned scope would be known."""
    read_error: Unread | None = None
    """Why that read failed, where it was tried."""


def perimeters(resource: Resource, index: Index, configurations: Read | None = None) -> Perimeters:
    """Return the perimeters of a resource, by its own configurations where these were read, else by the associations in
    scope.

    `configurations`: the read of `networkSecurityPerimeterConfigurations` below the resource's type, where it has one.
    """
    return resource.once("perimeters", configurations, lambda: _perimeters(resource, index, configurations))


def _perimeters(resource: Resource, index: Index, configurations: Read | None) -> Perimeters:
    was_read, gap = False, None
    if configurations is not None:
        children = resource.children(configurations)
        gap = children.gap
        if resource.key + configurations.key in resource.bundle.reads:
            was_read = gap is None
            if children.items:
                associated = tuple(_either(resource, index, each) for each in children.items)
                return Perimeters(associated, gap, complete=True)
    associations, missing = _associations(index)
    matches = tuple(_associated(resource, index, each) for each in associations.get(resource.key, ()))
    if matches:
        return Perimeters(matches, None)
    counts = index.live and (not was_read or "" in associations)
    return Perimeters((), missing if counts else None, complete=was_read, read_error=gap)


def _either(resource: Resource, index: Index, body: Resource) -> Perimeter:
    """Return what a configuration states, by the perimeter's own access rules where they are in scope.

    A rule is one cause there, for every resource of its profile.
    """
    configured = _configured(resource, index, body)
    perimeter = f"{_key(configured.id)}/resourceassociations/"
    for each in _associations(index)[0].get(resource.key, ()):
        if each.key.startswith(perimeter) and _profile(index, _text(each.get("properties.profile.id")))[1] is None:
            return replace(_associated(resource, index, each), not_applied=configured.not_applied)
    return configured


def _configured(resource: Resource, index: Index, body: Resource) -> Perimeter:
    path = f"{CONFIGURATIONS}/{body.name}.properties"
    mode = body.get("properties.resourceAssociation.accessMode")
    rules = body.get("properties.profile.accessRules")
    where = body.get("properties.networkSecurityPerimeter.id")
    seen = Evidence(f"{path}.resourceAssociation.accessMode", None if mode is MISSING else mode)
    if not isinstance(rules, list):
        lock = _unread(not_returned(f"{path}.profile.accessRules", "them"), seen)
    else:
        lock = access_rules(
            resource, index, [(each, _copied(body, each)) for each in rules], f"{path}.profile.accessRules", seen
        )
    count = len(rules) if isinstance(rules, list) else 0
    name = _text(body.get("properties.resourceAssociation.name")) or resource.name
    effect = (Edit(body.id, "properties.resourceAssociation.accessMode", "Enforced"),)
    association = Cause(f"{_text(where)}/resourceAssociations/{name}", MODE, value="Enforced", effect=effect)
    # Event Hubs and Service Bus write EnforcedMode and LearningMode: bicep-types-az, ResourceAssociationAccessMode.
    return Perimeter(_text(where), _text(mode).removesuffix("Mode"), lock, count, seen, association, _issue(body, path))


def _associated(resource: Resource, index: Index, association: Resource) -> Perimeter:
    mode = association.get("properties.accessMode")
    profile = _text(association.get("properties.profile.id"))
    seen = Evidence(f"{association.id} properties.accessMode", None if mode is MISSING else mode)
    rules, missing = _profile(index, profile)
    matches = [(rule.body, Cause(rule.id)) for rule in rules]
    lock = access_rules(resource, index, matches, f"{profile}/accessRules", seen)
    if missing is not None:
        lock |= _unread(missing, seen)
    cause = Cause(association.id, MODE, value="Enforced")
    where = association.id.rsplit("/resourceAssociations/", 1)[0]
    failed = _not_applied(association, f"{association.id} properties")
    return Perimeter(where, _text(mode), lock, len(rules), seen, cause, failed)


def _not_applied(body: Resource, path: str) -> Unread | None:
    """Return why the resource may not apply what a configuration or an association states; None where it does.

    `path`: of the body's properties. Source: azure-mgmt-storage NetworkSecurityPerimeterConfiguration and IssueType,
    azure-mgmt-network NspAssociation.
    """
    state = body.get("properties.provisioningState")
    if is_absent(state) or state == "" or same(state, "Succeeded"):
        return None
    return Unread(
        f"{path}.provisioningState",
        Message("the resource may not apply the perimeter: {state}", state=display_value(state)),
    )


def _issue(configuration: Resource, path: str) -> Unread | None:
    """Return why a configuration may not be applied; None where it is."""
    issues = configuration.get("properties.provisioningIssues")
    if not is_absent(issues) and not isinstance(issues, list):
        return malformed(f"{path}.provisioningIssues")
    for each in [] if is_absent(issues) else issues:
        kind = get_path(each, "properties.issueType")
        if not any(same(kind, known) for known in HARMLESS_ISSUES):
            return Unread(
                f"{path}.provisioningIssues", Message("the resource may not apply the perimeter: {kind}", kind=kind)
            )
    return _not_applied(configuration, path)


def _copied(configuration: Resource, rule: Any) -> Cause:
    """Return an access rule that a configuration copies from its perimeter as the cause of a grant."""
    perimeter = _text(configuration.get("properties.networkSecurityPerimeter.id"))
    profile = _text(configuration.get("properties.profile.name"))
    name = _text(get_path(rule, "name"))
    effect = (Edit(configuration.id, "properties.profile.accessRules", entry=rule),)
    if perimeter and profile and name:
        return Cause(f"{perimeter}/profiles/{profile}/accessRules/{name}", effect=effect)
    return Cause(configuration.id, words=(REMOVE_RULE,), effect=effect)


def access_rules(
    resource: Resource, index: Index, rules: Iterable[tuple[Any, Cause]], path: str, seen: Evidence
) -> Lock:
    """Return the lock of the inbound access rules of a profile, by their union.

    `rules`: each with the cause that it is. `seen`: evidence of the association.
    """
    lock = Lock()
    addresses: list[AddressSet] = []
    components: list[tuple[Cause, AddressSet]] = []
    subscriptions: list[str] = []
    prefixes: list[str] = []
    for rule, cause in rules:
        if same(get_path(rule, "properties.direction"), "Outbound"):
            continue
        texts, wrong = _parsed(rule, path)
        addresses += (each for _, each in texts)
        components += _components(rule, cause, texts)
        prefixes += (text for text, _ in texts)
        subscriptions += _ids(rule, "properties.subscriptions") + _ids(rule, "properties.networkSecurityPerimeters")
        lock |= Lock(_tagged(rule, path, seen, cause), wrong + _unknown_members(rule, path))
    together = union(addresses)
    evidence = (seen, Evidence(f"{path} addressPrefixes", prefixes[:20]), *private_range_evidence(path, together))
    grant = grant_from_addresses(together, index, *evidence)
    grants = grants_from_ids(resource, index, Message("{path} subscriptions", path=path), subscriptions, "resources")
    of_grant = (replace(grant, components=tuple(components)),) if grant else ()
    return lock | Lock(of_grant + tuple(each.with_evidence((seen,)) for each in grants))


def _components(rule: Any, cause: Cause, texts: list[tuple[str, AddressSet]]) -> Iterator[tuple[Cause, AddressSet]]:
    """Yield the address prefixes of a rule, each with its cause; the rule itself where it has one, or is steps."""
    prefixes = tuple(_list(rule, PREFIXES))
    if len(prefixes) < 2 or cause.words:
        yield cause, union(each for _, each in texts)
        return
    for text, addresses in texts:
        copies = [each for each in cause.effect if isinstance(each, Edit)]
        effect = tuple(Edit(each.resource, f"{each.path}[].{PREFIXES}", entry=text) for each in copies)
        yield cause.one_of(PREFIXES, prefixes, text, effect), addresses


def _parsed(rule: Any, path: str) -> tuple[list[tuple[str, AddressSet]], tuple[PossibleGrant, ...]]:
    matches, wrong = [], []
    for text in _list(rule, PREFIXES):
        try:
            matches.append((text, parse(text)))
        except BadAddress as bad:
            wrong.append(PossibleGrant(Reach.internet, Unread(f"{path} addressPrefixes", bad.why)))
    return matches, tuple(wrong)


def _tagged(rule: Any, path: str, seen: Evidence, cause: Cause) -> tuple[Grant, ...]:
    grants = []
    for text in _list(rule, "properties.serviceTags"):
        grant, tag = grant_from_tag(str(text), seen, Evidence(f"{path} serviceTags", text))
        if grant is not None:
            grants.append(replace(grant, description=grant.description or tag.why, cause=cause))
    return tuple(grants)


def _unknown_members(rule: Any, path: str) -> tuple[PossibleGrant, ...]:
    body = get_path(rule, "properties")
    if not isinstance(body, dict):
        return (PossibleGrant(Reach.internet, Unread(path, Message("an access rule has no properties"))),)
    if not any(isinstance(value, list) and value for value in body.values()):
        return (PossibleGrant(Reach.internet, Unread(path, Message("an access rule has no source"))),)
    return tuple(
        PossibleGrant(Reach.internet, Unread(f"{path} {key}", Message("an unrecognized member of an access rule")))
        for key, value in body.items()
        if value and isinstance(value, list) != (key.lower() in _KNOWN)
    )


def _associations(index: Index) -> tuple[dict[str, list[Resource]], Unread | None]:
    result = cached(index, ASSOCIATIONS, _by_target)
    nameless = Unread(ASSOCIATIONS, Message("an association does not name its resource")) if "" in result else None
    return result, index.of_type(ASSOCIATIONS)[1] or nameless


def _by_target(index: Index) -> dict[str, list[Resource]]:
    known: dict[str, list[Resource]] = {}
    for association in index.of_type(ASSOCIATIONS)[0]:
        target = text_at(association.body, "properties.privateLinkResource.id")
        known.setdefault(_key(target) if target else "", []).append(association)
    return known


def _by_profile(index: Index) -> dict[str, list[Resource]]:
    known: dict[str, list[Resource]] = {}
    for rule in index.of_type(ACCESS_RULES)[0]:
        known.setdefault(rule.list_key, []).append(rule)
    return known


@contextmanager
def with_access_rules(index: Index, changed: Mapping[str, Callable[[Any], Any]]) -> Iterator[bool]:
    """Have other bodies of access rules (keys) of perimeters for a while, to ask what they would do; none where a
    change returns None. Yield whether they differ.
    """
    known = cached(index, ACCESS_RULES, _by_profile) if changed else {}
    made: dict[str, list[Resource]] = {}
    for name in {each.rpartition("/")[0] for each in changed} & known.keys():
        bodies = [(each, changed[each.key](each.body) if each.key in changed else each.body) for each in known[name]]
        made[name] = [each if body is each.body else Resource(body) for each, body in bodies if body is not None]
    if not made:
        yield False
        return
    index.memo[ACCESS_RULES] = {**known, **made}
    try:
        yield any(made[name] != known[name] for name in made)
    finally:
        index.memo[ACCESS_RULES] = known


def _profile(index: Index, profile: str) -> tuple[list[Resource], Unread | None]:
    missing = index.of_type(ACCESS_RULES)[1]
    rules = cached(index, ACCESS_RULES, _by_profile).get(f"{_key(profile)}/accessrules", [])
    if not rules and missing is None and index.live and not index.is_visible(profile):
        missing = Unread(
            f"{profile}/accessRules", Message("the perimeter is in a subscription that is not visible to this scan")
        )
    if not index.live:
        missing = Unread(f"{profile}/accessRules", Message("a file of bare resources may be incomplete"))
    return rules, missing


def _unread(missing: Unread, seen: Evidence) -> Lock:
    return Lock(possible_grants=(PossibleGrant(Reach.internet, missing, (seen,)),))


def _ids(rule: Any, path: str) -> list[str]:
    return [_text(get_path(each, "id")) for each in _list(rule, path)]


def _list(rule: Any, path: str) -> list[Any]:
    value = get_path(rule, path)
    return value if isinstance(value, list) else []


def _key(resource_id: str) -> str:
    return "/" + "/".join(segments(resource_id))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
