"""Keys of vaults and managed HSMs, by the resources that they encrypt: state, expiry, rotation, and what reaches them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from scanner.model.dates import date_of, seconds_of
from scanner.model.fix import ADD, Cause
from scanner.model.index import Index
from scanner.model.json_paths import copied, is_absent, same, text_at, value_at
from scanner.model.key_uses import KeyUse
from scanner.model.keys import POOLS, older
from scanner.model.message import NOTHING, Message, joined, listed, more
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_returned,
    unknown,
    unknown_value,
)

UNUSED = Message("no resource of this scan uses it as its customer-managed key")
SOON = 30 * 86400
ENABLED = "properties.attributes.enabled"
EXPIRES = "properties.attributes.exp"
POLICY = "properties.rotationPolicy"
NEEDED = ("get", "wrapkey", "unwrapkey")
"""What a service needs on its key (storage/common/customer-managed-keys-configure-existing-account)."""
MOST = 8
NOT_ROTATED = Message("No policy rotates the key.")


class VersionUse(NamedTuple):
    """A version of a key, and the resources that need it.

    `version`: "" for the newest one. `item`: the resource with its state, that of the key for the newest one; None
    where it is not known, and `missing` says why.
    """

    version: str
    uses: tuple[KeyUse, ...]
    item: Resource | None
    missing: Unread | None = None


class KeyMatch(NamedTuple):
    """What is known of one version. `fault`: in words; "" without one. `fix`: the options of the command that ends it.

    `inapplicable`: why the question does not apply to it. `missing`: why the answer is not known.
    """

    seen: Evidence
    fault: str = ""
    inapplicable: Message = NOTHING
    missing: Unread | None = None


class Repair(NamedTuple):
    """What ends a fault of a version: the property and its value, and the option of the command."""

    path: str
    value: Any
    option: str

    def cause(self, key: Resource, version_use: VersionUse) -> Cause:
        """Return the cause of a fault. The newest version has the command of the rule."""
        if not version_use.version or version_use.item is None:
            return Cause("", self.path, value=self.value)
        vault = "--hsm-name" if key.type.lower().startswith(POOLS.lower()) else "--vault-name"
        command = (
            f"az keyvault key set-attributes {vault} {{top}} --name {{name}} --version {{entry}} {self.option} "
            "--subscription {subscription}"
        )
        return Cause(version_use.item.id, self.path, value=self.value, command=command, text=version_use.version)


def users(key: Resource, index: Index) -> list[KeyUse]:
    """Return the resources that need a key, in any version. Raises Unread."""
    vault = key.bundle.top
    return index.keys.uses(vault, index).get(key.name.lower(), []) if vault is not None else []


def needed(key: Resource, index: Index, versions: Read) -> list[VersionUse]:
    """Return the versions of a key that resources need, the newest first. Raises Unread."""
    matches = users(key, index)
    bound = older(key, matches)
    newest = tuple(each for each in matches if each not in bound)
    by_version: dict[str, list[KeyUse]] = {}
    for each in bound:
        by_version.setdefault(each.version, []).append(each)
    below = key.children(versions)
    items = {each.name.lower(): each for each in below}
    version_uses = [VersionUse("", newest, key)] if newest else []
    for version, uses in sorted(by_version.items()):
        missing = (
            None
            if version in items
            else below.gap
            or Unread(Message("version {version}", version=version), Message("the vault does not list it"))
        )
        version_uses.append(VersionUse(version, tuple(uses), items.get(version), missing))
    return version_uses


def names(uses: tuple[KeyUse, ...] | list[KeyUse]) -> Message:
    """Return the names of resources, the first ones where there are many."""
    names_of_uses = sorted({each.resource.rsplit("/", 1)[-1] for each in uses})
    return (
        listed([*names_of_uses[:MOST], more(len(names_of_uses) - MOST)])
        if len(names_of_uses) > MOST
        else joined(", ", names_of_uses)
    )


def count(uses: tuple[KeyUse, ...] | list[KeyUse]) -> Message:
    """Return how many resources depend on a key: `3 resources depend on it: a, b, c.`"""
    n = len({each.resource.lower() for each in uses})
    return (
        Message("1 resource depends on it: {uses}.", uses=names(uses))
        if n == 1
        else Message("{n} resources depend on it: {uses}.", n=n, uses=names(uses))
    )


def unused(index: Index) -> Verdict:
    """Return that nothing needs a key; Unknown where not all that may need one was listed."""
    more = index.keys.more(index)
    return unknown(*more) if more else NotApplicable(UNUSED)


def judged(
    key: Resource, index: Index, versions: Read, state: Callable[[Resource, str], KeyMatch], fix: Repair
) -> Verdict:
    """Return Fail where a version that resources need has a fault. `state`: says what is known of a version, with its
    name, "" for the newest one.
    """
    version_uses = needed(key, index, versions)
    if not version_uses:
        return _unused(state(key, ""), index)
    matches = [(each, _of_version(each, state)) for each in version_uses]
    failing = [(version_use, each) for version_use, each in matches if each.fault]
    missing = [_unknown_state(version_use, each.missing) for version_use, each in matches if each.missing is not None]
    seen = tuple(each.seen for _, each in (failing or matches))
    used = Evidence(
        Message("used by"), names([use for version_use, _ in (failing or matches) for use in version_use.uses])
    )
    if failing:
        words = [
            Message("{fault} {uses}", fault=each.fault, uses=count(version_use.uses)) for version_use, each in failing
        ]
        others = [Message("Not known of {what}: {why}.", what=each.what, why=each.why) for each in missing]
        causes = [fix.cause(key, version_use) for version_use, _ in failing]
        is_older = any(version_use.version for version_use, _ in failing)
        return Fail(
            (*seen, used),
            joined(" ", (*words, *others)),
            causes=tuple(causes) if is_older else (),
        )
    if missing:
        return unknown(*missing, evidence=(*seen, used))
    reasons = [each.inapplicable for _, each in matches if each.inapplicable]
    if len(reasons) == len(matches):
        return _inapplicable(reasons[0], (*seen, used), index)
    # Others may be bound to another version, whose state is not known.
    more = index.keys.more(index)
    return unknown(*more, evidence=(*seen, used)) if more else Pass((*seen, used))


def _unused(match: KeyMatch, index: Index) -> Verdict:
    """Return the verdict on a key that no resource of the scan needs."""
    if match.missing is not None:
        return unknown(match.missing, evidence=(match.seen,))
    return _inapplicable(match.inapplicable, (match.seen,), index) if match.inapplicable else unused(index)


def _inapplicable(why: Message, seen: tuple[Evidence, ...], index: Index) -> Verdict:
    """Return that a question does not apply to any version that is known to be in use."""
    # A resource whose key is not known may be bound to an older version.
    unclear = index.keys.unclear(index)
    return NotApplicable(why) if unclear is None else unknown(unclear, evidence=seen)


def _of_version(version_use: VersionUse, state: Callable[[Resource, str], KeyMatch]) -> KeyMatch:
    """Return what is known of a version that resources need."""
    if version_use.item is None:
        return KeyMatch(
            Evidence(Message("version {version}", version=version_use.version), ABSENT), missing=version_use.missing
        )
    try:
        result = state(version_use.item, version_use.version)
    except Unread as missing:
        result = KeyMatch(Evidence(missing.what, ABSENT), missing=missing)
    if not version_use.version:
        return result
    seen = replace(result.seen, path=f"versions/{version_use.version} {result.seen.path}")
    return result._replace(seen=seen)


def _unknown_state(version_use: VersionUse, missing: Unread) -> Unread:
    """Return why the state of a version is not known, with who needs it."""
    if not version_use.version:
        return missing
    return Unread(
        Message("version {version} (in use by {uses})", version=version_use.version, uses=names(version_use.uses)),
        missing.why,
        missing.gap,
    )


ENABLE = Repair(ENABLED, True, "--enabled true")
EXTEND = Repair(EXPIRES, 1830211200, "--expires <EXPIRES>T00:00:00Z")


def disabled(key: Resource, index: Index, *, versions: Read) -> Verdict:
    """Fail where a version that resources need is disabled."""

    def state(item: Resource, version: str) -> KeyMatch:
        value, seen = item.require(ENABLED), item.evidence(ENABLED, True)
        if not isinstance(value, bool):
            return KeyMatch(seen, missing=unknown_value(ENABLED, value))
        fault = (
            Message("Version {version} is disabled.", version=version) if version else Message("The key is disabled.")
        )
        return KeyMatch(seen, "" if value else fault)

    return judged(key, index, versions, state, ENABLE)


def expired(key: Resource, index: Index, *, versions: Read) -> Verdict:
    """Fail where a version that resources need has expired."""

    def state(item: Resource, version: str) -> KeyMatch:
        day = date(item)
        seen = Evidence(EXPIRES, day, Message("a date to come"))
        left = seconds_left(item, index)
        if isinstance(left, Message):
            return KeyMatch(seen, inapplicable=left)
        fault = (
            Message("Version {version} expired on {date}.", version=version, date=day)
            if version
            else Message("The key expired on {date}.", date=day)
        )
        return KeyMatch(seen, fault if left is not None and left <= 0 else "")

    return judged(key, index, versions, state, EXTEND)


def expires_soon(key: Resource, index: Index, *, versions: Read) -> Verdict:
    """Fail where a version that resources need expires within 30 days."""

    def state(item: Resource, version: str) -> KeyMatch:
        day = date(item)
        seen = Evidence(EXPIRES, day, Message("more than 30 days to come"))
        left = seconds_left(item, index)
        if isinstance(left, Message):
            return KeyMatch(seen, inapplicable=left)
        if left is not None and left <= 0:
            return KeyMatch(seen, inapplicable=Message("it has expired"))
        fault = (
            Message("Version {version} expires on {date}.", version=version, date=day)
            if version
            else Message("The key expires on {date}.", date=day)
        )
        return KeyMatch(seen, fault if left is not None and left < SOON else "")

    return judged(key, index, versions, state, EXTEND)


def seconds_left(item: Resource, index: Index) -> float | Message | None:
    """Return the seconds until a version expires; None without an expiry date; why it does not matter. Raises Unread."""
    if same(item.get(ENABLED), False):
        return Message("it is disabled")
    if not isinstance(item.require("properties.attributes"), dict):
        raise Unread("properties.attributes", Message("not an object"))
    value = item.get(EXPIRES)
    if is_absent(value):
        if item.why_absent_is_unknown:
            raise Unread(EXPIRES, item.why_absent_is_unknown)
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise unknown_value(EXPIRES, value)
    taken = seconds_of(index.taken)
    if taken is None:
        raise Unread(Message("the time of the scan"), Message("not in the snapshot"))
    return value - taken


def date(item: Resource) -> str:
    value = item.get(EXPIRES)
    return ABSENT if is_absent(value) else date_of(value) or str(value)


def not_rotated(key: Resource, index: Index) -> Verdict:
    """Fail where a key that resources need has no rotation policy that rotates it.

    azure-mgmt-keyvault KeyProperties.rotationPolicy: "Omitted if empty". The list of keys never has it.
    """
    if same(key.get(ENABLED), False):
        return NotApplicable(Message("it is disabled"))
    policy, seen = key.get(POLICY), Evidence(POLICY, ABSENT, Message("a policy that rotates the key"))
    if is_absent(policy):
        if key.by != "get" or key.has_no_properties:
            return unknown(Unread(POLICY, Message("only the list was read, which does not have it")), evidence=(seen,))
        return _rotating(key, index, seen, NOT_ROTATED)
    actions = key.items(f"{POLICY}.lifetimeActions")
    if any(text_at(each, "action.type").lower() == "rotate" for each in actions):
        return _rotating(key, index, Evidence(POLICY, Message("rotates the key")), "")
    strange = [each for each in actions if text_at(each, "action.type").lower() != "notify"]
    if strange:
        return unknown(unknown_value(f"{POLICY}.lifetimeActions"), evidence=(seen,))
    return _rotating(
        key, index, Evidence(POLICY, Message("does not rotate"), Message("a policy that rotates")), NOT_ROTATED
    )


def _rotating(key: Resource, index: Index, seen: Evidence, fault: str) -> Verdict:
    """Return whether a policy rotates a key that resources need, in whatever version."""
    uses = users(key, index)
    if not uses:
        return unused(index)
    used = Evidence(Message("used by"), names(uses))
    return Fail((seen, used), Message("{fault} {uses}", fault=fault, uses=count(uses))) if fault else Pass((seen, used))


# The vault


def missing(vault: Resource, index: Index, *, keys: Read) -> Verdict:
    """Fail where resources name a key that the vault does not have."""
    result = index.keys.uses(vault, index)
    if not result:
        return unused(index)
    below = vault.children(keys)
    known = {each.name.lower() for each in below}
    lacking = sorted(name for name in result if name not in known)
    if lacking and below.gap is not None:
        return unknown(below.gap)
    if lacking:
        uses = [use for name in lacking for use in result[name]]
        seen = Evidence("keys", ", ".join(sorted(known)) or "none", Message("{list} too", list=", ".join(lacking)))
        return Fail(
            (seen, Evidence(Message("used by"), names(uses))),
            Message("It lacks these keys: {list}. {uses}", list=", ".join(lacking), uses=count(uses)),
        )
    if more := index.keys.more(index):
        return unknown(*more)
    return Pass((Evidence("keys", ", ".join(sorted(result))),))


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
    return Fail(
        (*seen, Evidence(Message("used by"), names(uses))),
        Message("The firewall blocks Azure services. {uses}", uses=count(uses)),
    )


def lacks_unwrap(vault: Resource, index: Index) -> Verdict:
    """Fail where the access policies give the identity of a resource no use of its key."""
    if same(vault.get("properties.enableRbacAuthorization"), True):
        return NotApplicable(Message("the vault uses Azure RBAC, so its access policies have no effect"))
    uses = [use for each in index.keys.uses(vault, index).values() for use in each]
    if not uses:
        return unused(index)
    vault.require("properties.accessPolicies")
    policies = _by_identity(vault.items("properties.accessPolicies"))
    by_identity: dict[str, list[KeyUse]] = {}
    for use in uses:
        by_identity.setdefault(use.principal.lower(), []).append(use)
    failing: list[KeyUse] = []
    causes: list[Cause] = []
    unknown_versions: list[Unread] = []
    for principal, key_uses in by_identity.items():
        if not principal:
            unknown_versions.append(Unread(Message("the identity"), Message("not known of {own}", own=names(key_uses))))
            continue
        principal_policies = policies.get(principal, [])
        held = list(_held(principal_policies))
        if None in held:
            unknown_versions.append(
                not_returned("properties.accessPolicies[].permissions.keys", Message("lists of permissions"))
            )
        elif not any(each is not None and ("all" in each or each.issuperset(NEEDED)) for each in held):
            failing += key_uses
            causes.append(_granting(vault, principal_policies, key_uses[0].principal, len(causes)))
    if failing:
        seen = Evidence(
            "properties.accessPolicies[].permissions.keys", names(failing), Message("get, wrapKey and unwrapKey")
        )
        words = Message("The identity of {failing} may not unwrap its key.", failing=names(failing))
        others = [Message("{what!c}: {why}.", what=each.what, why=each.why) for each in unknown_versions]
        return Fail((seen,), joined(" ", (words, *others)), causes=tuple(causes))
    unknown_versions += index.keys.more(index)
    if unknown_versions:
        return unknown(*unknown_versions)
    return Pass(
        (
            Evidence(
                "properties.accessPolicies[].permissions.keys",
                Message("get, wrapKey and unwrapKey for {uses}", uses=names(uses)),
            ),
        )
    )


def _by_identity(policies: list[Any]) -> dict[str, list[Any]]:
    result: dict[str, list[Any]] = {}
    for policy in policies:
        result.setdefault(text_at(policy, "objectId").lower(), []).append(policy)
    return result


def _held(policies: list[Any]) -> Iterator[set[str] | None]:
    """Yield the permissions on keys of each policy in lower case; None where they are no list."""
    for each in policies:
        granted = value_at(each, "permissions.keys")
        if is_absent(granted):
            yield set()
        else:
            is_list = isinstance(granted, list) and all(isinstance(name, str) for name in granted)
            yield {name.lower() for name in granted} if is_list else None


def _granting(vault: Resource, policies: list[Any], object_id: str, position: int) -> Cause:
    """Return the policy that an identity lacks, or that is to grant more. `policies`: those that it has."""
    path, keys = "properties.accessPolicies", ["get", "wrapKey", "unwrapKey"]
    policy = next(iter(policies), None)
    if policy is None:
        new = {
            "tenantId": text_at(vault.body, "properties.tenantId"),
            "objectId": object_id,
            "permissions": {"keys": keys},
        }
        return Cause("", path, ADD, new, text=object_id, position=position)
    known = value_at(policy, "permissions")
    permissions = {**(copied(known) if isinstance(known, dict) else {}), "keys": keys}
    return Cause("", path, policy, {**copied(policy), "permissions": permissions}, text=object_id, position=position)
