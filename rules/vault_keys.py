"""Keys of vaults and managed HSMs, by the resources that they encrypt: state, expiry, rotation, and what reaches them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from scanner.model.dates import date_of, seconds_of
from scanner.model.index import Index
from scanner.model.json_paths import copied, is_absent, same, text_at, value_at
from scanner.model.keys import KeyUse, key_of
from scanner.model.remedy import ADD, Cause
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    not_returned,
    unknown,
    unknown_value,
)

UNUSED = "no resource of this scan uses it as its customer-managed key"
SOON = 30 * 86400
ENABLED = "properties.attributes.enabled"
EXPIRES = "properties.attributes.exp"
POLICY = "properties.rotationPolicy"
NEWEST = "properties.keyUriWithVersion"
NEEDED = ("get", "wrapkey", "unwrapkey")
"""What a service needs on its key (storage/common/customer-managed-keys-configure-existing-account)."""
MOST = 8
NOT_ROTATED = "No policy rotates the key."


class Needed(NamedTuple):
    """The resources that need a key. `others`: why the state is not known of a version that some are bound to."""

    uses: tuple[KeyUse, ...]
    others: tuple[Unread, ...] = ()


def needed(key: Resource, index: Index) -> Needed:
    """Return the resources that need the newest version of a key, and other versions in use. Raises Unread."""
    vault = key.bundle.top
    found = index.keys.uses(vault, index).get(key.name.lower(), []) if vault is not None else []
    newest = key_of(key.get(NEWEST))
    version = newest.version if newest is not None else ""
    bound = [each for each in found if each.version and each.version != version]
    words = "1 resource may be bound to an older version, which is not read"
    if len(bound) > 1:
        words = f"{len(bound)} resources may be bound to an older version, which is not read"
    return Needed(tuple(each for each in found if each not in bound), (Unread(NEWEST, words),) if bound else ())


def names(uses: tuple[KeyUse, ...] | list[KeyUse]) -> str:
    """Return the names of resources, the first ones where there are many."""
    own = sorted({each.resource.rsplit("/", 1)[-1] for each in uses})
    more = f" and {len(own) - MOST} more" if len(own) > MOST else ""
    return ", ".join(own[:MOST]) + more


def count(uses: tuple[KeyUse, ...] | list[KeyUse]) -> str:
    """Return how many resources depend on a key: `3 resources depend on it: a, b, c.`"""
    n = len({each.resource.lower() for each in uses})
    return f"1 resource depends on it: {names(uses)}." if n == 1 else f"{n} resources depend on it: {names(uses)}."


def unused(index: Index) -> Verdict:
    """Return that nothing needs a key; Unknown where not all that may need one was listed."""
    more = index.keys.more(index)
    return unknown(*more) if more else NotApplicable(UNUSED)


def judged(key: Resource, index: Index, seen: Evidence, fault: str, *, of_version: bool = True) -> Verdict:
    """Return Fail with a fault in words, where resources need the key; "" is a Pass.

    `of_version`: the fault is one of the newest version, which resources that are bound to another one do not need.
    """
    found = needed(key, index)
    if not of_version:
        vault = key.bundle.top
        every = index.keys.uses(vault, index).get(key.name.lower(), []) if vault is not None else []
        found = Needed(tuple(every))
    if not found.uses and not found.others:
        return unused(index)
    used = Evidence("used by", names(found.uses) or "older versions")
    if fault and found.uses:
        others = "".join(f" {each.why[:1].upper()}{each.why[1:]}." for each in found.others)
        return Fail((seen, used), f"{fault} {count(found.uses)}{others}")
    return unknown(*found.others, evidence=(seen, used)) if found.others else Pass((seen, used))


def disabled(key: Resource, index: Index) -> Verdict:
    """Fail where a key that resources need is disabled."""
    value, seen = key.require(ENABLED), key.evidence(ENABLED, True)
    if not isinstance(value, bool):
        return unknown(unknown_value(ENABLED, value), evidence=(seen,))
    return judged(key, index, seen, "" if value else "The key is disabled.")


def expired(key: Resource, index: Index) -> Verdict:
    """Fail where a key that resources need has expired."""
    left = _left(key, index)
    if isinstance(left, Unknown | NotApplicable):
        return left
    date = _date(key)
    seen = Evidence(EXPIRES, date, "a date to come")
    return judged(key, index, seen, f"The key expired on {date}." if left is not None and left <= 0 else "")


def expires_soon(key: Resource, index: Index) -> Verdict:
    """Fail where a key that resources need expires within 30 days."""
    left = _left(key, index)
    if isinstance(left, Unknown | NotApplicable):
        return left
    if left is not None and left <= 0:
        return NotApplicable("it has expired")
    date = _date(key)
    seen = Evidence(EXPIRES, date, "more than 30 days to come")
    return judged(key, index, seen, f"The key expires on {date}." if left is not None and left < SOON else "")


def _left(key: Resource, index: Index) -> float | Unknown | NotApplicable | None:
    """Return the seconds until a key expires; None for a key without an expiry date."""
    if same(key.get(ENABLED), False):
        return NotApplicable("it is disabled")
    if not isinstance(key.require("properties.attributes"), dict):
        return Unknown("properties.attributes: not an object")
    value = key.get(EXPIRES)
    if is_absent(value):
        return unknown(Unread(EXPIRES, key.why_absent_is_unknown)) if key.why_absent_is_unknown else None
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return unknown(unknown_value(EXPIRES, value))
    taken = seconds_of(index.taken)
    return unknown(Unread("the time of the scan", "not in the snapshot")) if taken is None else value - taken


def _date(key: Resource) -> str:
    value = key.get(EXPIRES)
    return ABSENT if is_absent(value) else date_of(value) or str(value)


def not_rotated(key: Resource, index: Index) -> Verdict:
    """Fail where a key that resources need has no rotation policy that rotates it.

    azure-mgmt-keyvault KeyProperties.rotationPolicy: "Omitted if empty". The list of keys never has it.
    """
    if same(key.get(ENABLED), False):
        return NotApplicable("it is disabled")
    policy, seen = key.get(POLICY), Evidence(POLICY, ABSENT, "a policy that rotates the key")
    if is_absent(policy):
        if key.by != "get" or key.has_no_properties:
            return unknown(Unread(POLICY, "only the list was read, which does not have it"), evidence=(seen,))
        return judged(key, index, seen, NOT_ROTATED, of_version=False)
    actions = key.items(f"{POLICY}.lifetimeActions")
    if any(text_at(each, "action.type").lower() == "rotate" for each in actions):
        return judged(key, index, Evidence(POLICY, "rotates the key"), "", of_version=False)
    strange = [each for each in actions if text_at(each, "action.type").lower() != "notify"]
    if strange:
        return unknown(unknown_value(f"{POLICY}.lifetimeActions"), evidence=(seen,))
    return judged(
        key, index, Evidence(POLICY, "does not rotate", "a policy that rotates"), NOT_ROTATED, of_version=False
    )


# The vault


def missing(vault: Resource, index: Index, *, keys: Read) -> Verdict:
    """Fail where resources name a key that the vault does not have."""
    found = index.keys.uses(vault, index)
    if not found:
        return unused(index)
    below = vault.children(keys)
    known = {each.name.lower() for each in below}
    lacking = sorted(name for name in found if name not in known)
    if lacking and below.gap is not None:
        return unknown(below.gap)
    if lacking:
        uses = [use for name in lacking for use in found[name]]
        seen = Evidence("keys", ", ".join(sorted(known)) or "none", f"{', '.join(lacking)} too")
        return Fail(
            (seen, Evidence("used by", names(uses))), f"It lacks these keys: {', '.join(lacking)}. {count(uses)}"
        )
    if more := index.keys.more(index):
        return unknown(*more)
    return Pass((Evidence("keys", ", ".join(sorted(found))),))


def blocked(vault: Resource, index: Index) -> Verdict:
    """Fail where the vault's firewall blocks Azure services, and resources need its keys.

    azure-mgmt-keyvault NetworkRuleSet.bypass: AzureServices where it is not specified. Without networkAcls, or with
    defaultAction Allow, the firewall is off, unless public network access is disabled.
    """
    uses = [use for each in index.keys.uses(vault, index).values() for use in each]
    if not uses:
        return unused(index)
    access, action = vault.get("properties.publicNetworkAccess"), vault.get("properties.networkAcls.defaultAction")
    bypass = vault.get("properties.networkAcls.bypass")
    seen = tuple(
        Evidence(path, ABSENT if is_absent(value) else value, expected)
        for path, value, expected in (
            ("properties.publicNetworkAccess", access, None),
            ("properties.networkAcls.defaultAction", action, None),
            ("properties.networkAcls.bypass", bypass, "AzureServices"),
        )
    )
    if vault.why_absent_is_unknown and (is_absent(access) or is_absent(action) or is_absent(bypass)):
        return unknown(Unread("properties.networkAcls", vault.why_absent_is_unknown), evidence=seen)
    if not is_absent(vault.get("properties.networkAcls")) and is_absent(action):
        return unknown(not_returned("properties.networkAcls.defaultAction"), evidence=seen)
    closed = same(access, "Disabled") or same(action, "Deny")
    if not (same(access, "Disabled") or same(access, "Enabled") or is_absent(access)):
        return unknown(unknown_value("properties.publicNetworkAccess", access), evidence=seen)
    if not closed:
        is_known = is_absent(action) or same(action, "Allow")
        return Pass(seen) if is_known else unknown(unknown_value(seen[1].path, action), evidence=seen)
    if is_absent(bypass) or same(bypass, "AzureServices"):
        return Pass(seen)
    if not same(bypass, "None"):
        return unknown(unknown_value(seen[2].path, bypass), evidence=seen)
    return Fail((*seen, Evidence("used by", names(uses))), f"The firewall blocks Azure services. {count(uses)}")


def lacks_unwrap(vault: Resource, index: Index) -> Verdict:
    """Fail where the access policies give the identity of a resource no use of its key."""
    if same(vault.get("properties.enableRbacAuthorization"), True):
        return NotApplicable("the vault uses Azure RBAC, so its access policies have no effect")
    uses = [use for each in index.keys.uses(vault, index).values() for use in each]
    if not uses:
        return unused(index)
    vault.require("properties.accessPolicies")
    policies = vault.items("properties.accessPolicies")
    by_identity: dict[str, list[KeyUse]] = {}
    for use in uses:
        by_identity.setdefault(use.principal.lower(), []).append(use)
    failing: list[KeyUse] = []
    causes: list[Cause] = []
    unknown_parts: list[Unread] = []
    for principal, own in by_identity.items():
        if not principal:
            unknown_parts.append(Unread("the identity", f"not known of {names(own)}"))
            continue
        held = list(_held(policies, principal))
        if None in held:
            unknown_parts.append(not_returned("properties.accessPolicies[].permissions.keys", "lists of permissions"))
        elif not any(each is not None and ("all" in each or each.issuperset(NEEDED)) for each in held):
            failing += own
            causes.append(_granting(vault, policies, own[0].principal, len(causes)))
    if failing:
        seen = Evidence("properties.accessPolicies[].permissions.keys", names(failing), "get, wrapKey and unwrapKey")
        words = f"The identity of {names(failing)} may not unwrap its key."
        others = "".join(f" {each.what[:1].upper()}{each.what[1:]}: {each.why}." for each in unknown_parts)
        return Fail((seen,), f"{words}{others}", causes=tuple(causes))
    unknown_parts += index.keys.more(index)
    if unknown_parts:
        return unknown(*unknown_parts)
    return Pass(
        (Evidence("properties.accessPolicies[].permissions.keys", f"get, wrapKey and unwrapKey for {names(uses)}"),)
    )


def _of(policies: list[Any], principal: str) -> Iterator[Any]:
    for each in policies:
        if text_at(each, "objectId").lower() == principal:
            yield each


def _held(policies: list[Any], principal: str) -> Iterator[set[str] | None]:
    """Yield the permissions on keys of each policy of an identity in lower case; None where they are no list."""
    for each in _of(policies, principal):
        granted = value_at(each, "permissions.keys")
        if is_absent(granted):
            yield set()
        else:
            is_list = isinstance(granted, list) and all(isinstance(name, str) for name in granted)
            yield {name.lower() for name in granted} if is_list else None


def _granting(vault: Resource, policies: list[Any], object_id: str, place: int) -> Cause:
    """Return the policy that an identity lacks, or that is to grant more."""
    path, keys = "properties.accessPolicies", ["get", "wrapKey", "unwrapKey"]
    own = next(_of(policies, object_id.lower()), None)
    if own is None:
        new = {
            "tenantId": text_at(vault.body, "properties.tenantId"),
            "objectId": object_id,
            "permissions": {"keys": keys},
        }
        return Cause("", path, ADD, new, text=object_id, place=place)
    known = value_at(own, "permissions")
    permissions = {**(copied(known) if isinstance(known, dict) else {}), "keys": keys}
    return Cause("", path, own, {**copied(own), "permissions": permissions}, text=object_id, place=place)
