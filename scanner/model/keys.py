"""Whose key encrypts what a resource stores: the keys that its properties name, and the vaults that hold them.

Only the management plane is read. It has no key material.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar, cast

from msgspec import Struct, field

from scanner.model.ids import name_of
from scanner.model.json_paths import get_path, is_absent, is_one, known_text, peek, text_at
from scanner.model.key_uses import KeyUse, KeyUses
from scanner.model.message import NOTHING, Message, joined, listed
from scanner.model.resource import Resource
from scanner.model.severity import Severity
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_listed,
    unknown,
    unknown_value,
)

Holder = Literal["customer", "platform"]

VAULTS: Final = "Microsoft.KeyVault/vaults"
POOLS: Final = "Microsoft.KeyVault/managedHSMs"
SETS: Final = "Microsoft.Compute/diskEncryptionSets"
ACTIVE_KEY: Final = "properties.activeKey.keyUrl"
NEWEST: Final = "properties.keyUriWithVersion"
"""The address of a key with its newest version."""
_ADDRESSES: Final = {VAULTS: "properties.vaultUri", POOLS: "properties.hsmUri"}
_URI = re.compile(r"https://([a-z0-9.-]+)(?::443)?/keys/([a-z0-9-]+)(?:/([a-z0-9]*))?/?", re.IGNORECASE)
_HOST = re.compile(r"(?:https://)?([a-z0-9.-]+)(?::443)?/?", re.IGNORECASE)
COPIES: Final = Message("geo-redundant backups")
PLATFORM_KEY: Final = Message("a platform-managed key is used")
_MOST_NAMED: Final = 3
"""How many resources are named of which it is not known which key they use."""
NO_STORES: Final = Message("the resources that name a key are not in the snapshot")


class KeyName(NamedTuple):
    """A key by its address.

    Names in a vault do not differ by case (key-vault/general/about-keys-secrets-certificates).
    """

    host: str
    """Of the vault, in lower case."""
    name: str
    version: str = ""
    """"" where the store follows the newest one."""

    @property
    def uri(self) -> str:
        """Return the address without the version."""
        return f"https://{self.host}/keys/{self.name}"

    @property
    def id(self) -> tuple[str, str]:
        """Return host and name, to compare."""
        return self.host, self.name.lower()


def key_of(uri: object) -> KeyName | None:
    """Return the key that a URI names; None where it is no URI of a key."""
    match = _URI.fullmatch(uri) if isinstance(uri, str) else None
    return KeyName(match[1].lower(), match[2], (match[3] or "").lower()) if match else None


def host_of(uri: object) -> str:
    """Return the host of a vault's address in lower case; "" where it is none."""
    match = _HOST.fullmatch(uri) if isinstance(uri, str) else None
    return match[1].lower() if match else ""


class NamedKey(NamedTuple):
    """A key that a resource names."""

    key: KeyName | None
    """None where it is not known, and `missing` says why."""
    evidence: Evidence
    missing: Unread | None = None
    set: str = ""
    """The id of the disk encryption set that it comes from."""
    principal: str = ""
    """The object id of the identity that reaches the key; "" where it is not known."""
    is_of_copy: bool = False
    """It encrypts the copy of the backups in the paired region."""


class Keys(NamedTuple):
    """Whose keys a resource uses."""

    holder: Holder
    keys: tuple[NamedKey, ...] = ()
    """Those of the customer."""
    seen: tuple[Evidence, ...] = ()
    """What was read where there are none."""


class TierWithoutKeys(NamedTuple):
    """Tiers of a type that have no customer-managed keys."""

    path: str
    """The property of the tier, one of `tiers`."""
    tiers: tuple[bool | int | str, ...]
    because: Message


class KeyIndex(Protocol):
    """The part of the index (`scanner.model.index`) that keys need."""

    keys: "KeyRegister"
    missing: dict[str, Unread]

    def of_type(self, type: str) -> tuple[list[Resource], Unread | None]: ...

    def missing_in(self, type: str, resource_id: str) -> Unread | None: ...

    def find(self, resource_id: str) -> Resource: ...


class KeyFinder(Struct, frozen=True, forbid_unknown_fields=True, eq=False):
    """What a row says of the keys of one type. A path with LIST[] asks each entry."""

    what: str
    """What the key encrypts, in words."""
    uri: str = ""
    """The path of the key's URI; or `vault`, `name` and `version`."""
    vault: str = ""
    name: str = ""
    version: str = ""
    sets: tuple[str, ...] = ()
    """The paths of the ids of disk encryption sets."""
    mode: str = ""
    """The property that says whose key it is: one of `customer` or of `platform`."""
    customer: tuple[str | bool, ...] = ()
    platform: tuple[str | bool, ...] = ()
    required: bool = False
    """An absent mode is Unknown."""
    identity: str = ""
    """The path of the identity that reaches the key, by its id or client id; "" is the resource's own."""
    first_party: bool = False
    """Without that identity, an application of Microsoft reaches the key, whose object id ARM does not return."""
    copy_uri: str = ""
    copy_identity: str = ""
    """`copy_uri`, `copy_identity`: the same for the key of geo-redundant backups, whose vault must be in their region.
    """
    more: dict[str, str] = {}
    """Properties that are shown beside the key, by name: `double`, `host`, `confidential`."""
    states: tuple[str, ...] = ()
    """The properties in which the service reports whether it can use the key."""
    working: tuple[str, ...] = ()
    """The patterns (lower case) of the values that say so. Services without such a property, and those that have not
    tried yet, return none.
    """

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the properties that it reads."""
        own = (self.mode, self.uri, self.vault, self.name, self.version, *self.sets, self.identity)
        own = (*own, self.copy_uri, self.copy_identity, *self.states)
        return tuple(dict.fromkeys(each for each in (*own, *self.more.values()) if each))

    def what_of(self, key: NamedKey) -> str:
        """Return what a key encrypts, in words."""
        return COPIES if key.is_of_copy else self.what

    # Which keys

    def find(self, resource: Resource, index: "KeyIndex") -> Keys:
        """Return the keys that a resource names. Raises Unread for what was not read."""
        memo = resource.bundle.memo
        if memo is None:
            return self._find(resource, index)
        key = self, resource.key
        result: Keys | None = memo.get(key)
        if result is None:
            result = memo[key] = self._find(resource, index)
        return result

    def _find(self, resource: Resource, index: "KeyIndex") -> Keys:
        seen = self._mode(resource)
        if seen is not None and not is_one(seen.value, self.customer):
            return Keys("platform", seen=(seen,))
        keys = tuple(self._named(resource, index))
        if keys:
            return Keys("customer", (*keys, *self._of_copy(resource)))
        path = self.uri or self.name or self.sets[0]
        if seen is not None:
            raise Unread(path, Message("Azure did not return the key"))
        if resource.why_absent_is_unknown:
            raise Unread(path, resource.why_absent_is_unknown)
        return Keys("platform", seen=(Evidence(path.partition("[]")[0], ABSENT),))

    def _mode(self, resource: Resource) -> Evidence | None:
        """Return the property that says whose key it is; None where the key itself says it."""
        if not self.mode:
            return None
        value = resource.get(self.mode)
        if is_absent(value):
            if self.required or resource.why_absent_is_unknown:
                raise Unread(self.mode, resource.why_absent_is_unknown or Message("Azure did not return it"))
            return Evidence(self.mode, ABSENT)
        if not is_one(value, (*self.customer, *self.platform)):
            raise unknown_value(self.mode, value)
        return Evidence(self.mode, value)

    def _named(self, resource: Resource, index: "KeyIndex") -> Iterator[NamedKey]:
        for path in self.sets:
            for _, id in _values(resource, path):
                yield self._of_set(path, id, index)
        if self.uri:
            for entry, uri in _values(resource, self.uri):
                yield self._key(resource, entry, self.uri, uri, key_of(uri))
        elif self.name:
            for entry, name in _values(resource, self.name):
                host = host_of(_value_at(resource, entry, self.vault))
                version = _value_at(resource, entry, self.version) if self.version else ""
                shown = f"https://{host}/keys/{name}" + (f"/{version}" if version else "")
                is_named = isinstance(name, str) and isinstance(version, str)
                yield self._key(resource, entry, self.name, shown, key_of(shown) if is_named else None)

    def _key(self, resource: Resource, entry: Any, path: str, value: Any, key: KeyName | None) -> NamedKey:
        missing = None if key is not None else unknown_value(path, value)
        return NamedKey(key, Evidence(path, value), missing, principal=self._principal(resource, entry, self.identity))

    def _of_copy(self, resource: Resource) -> Iterator[NamedKey]:
        """Yield the key of the geo-redundant backups."""
        for entry, uri in _values(resource, self.copy_uri) if self.copy_uri else ():
            key = key_of(uri)
            missing = None if key is not None else unknown_value(self.copy_uri, uri)
            principal = self._principal(resource, entry, self.copy_identity)
            yield NamedKey(key, Evidence(self.copy_uri, uri), missing, principal=principal, is_of_copy=True)

    def _of_set(self, path: str, id: Any, index: "KeyIndex") -> NamedKey:
        """Return the key of a disk encryption set."""
        if not isinstance(id, str) or not id.startswith("/"):
            return NamedKey(None, Evidence(path, id), unknown_value(path, id))
        try:
            resource = index.find(id)
            uri = resource.require(ACTIVE_KEY)
        except Unread as unread:
            return NamedKey(None, Evidence(path, id), index.missing_in(SETS, id) or unread.again(), id)
        key = key_of(uri)
        principal = identity_principal(resource)
        missing = None if key is not None else unknown_value(ACTIVE_KEY, uri)
        return NamedKey(
            key, Evidence(path, Message("{id}, key {uri}", id=name_of(id), uri=uri)), missing, id, principal
        )

    def _principal(self, resource: Resource, entry: Any, identity: str) -> str:
        """Return the object id of the identity that reaches a key. `identity`: the path that names it."""
        named = _value_at(resource, entry, identity) if identity else ""
        if not isinstance(named, str) or (self.first_party and not named):
            return ""
        holder = resource if resource.bundle.top is None else resource.bundle.top
        if named.lower() in ("", "system", "systemassignedidentity"):
            return identity_principal(holder)
        wanted = named.lower().removeprefix("userassignedidentity=")
        assigned = get_path(holder.body, "identity.userAssignedIdentities")
        for id, each in dict.items(assigned) if isinstance(assigned, dict) else ():
            if wanted in (id.lower(), text_at(each, "clientId").lower(), text_at(each, "principalId").lower()):
                return text_at(each, "principalId")
        return ""

    # Verdicts

    def check(self, resource: Resource, index: "KeyIndex") -> Verdict:
        """Fail where a key of the customer is elsewhere."""
        matches = self.find(resource, index)
        if matches.holder == "platform":
            return NotApplicable(PLATFORM_KEY)
        located = [_location(each, resource, index) for each in matches.keys]
        seen = tuple(evidence for evidence, _ in located)
        missing = [each for _, each in located if each is not None]
        failing = tuple(each for each in seen if each.expected is not None)
        if failing:
            where = listed(list(dict.fromkeys(cast("Message", each.value) for each in failing)))
            return Fail(
                failing, Message("The key of the {what} is in {where}.", what=self.what, where=where), Severity.info
            )
        return unknown(*missing, evidence=seen) if missing else Pass(seen)

    def faults(self, resource: Resource) -> Iterator[Unread]:
        """Yield what the service reports of a key that it cannot use. Raises Unread."""
        for path in self.states:
            value = resource.get(path)
            is_working = isinstance(value, str) and any(fnmatchcase(value.lower(), each) for each in self.working)
            if not (is_absent(value) or is_working):
                yield Unread(path, Message("the service reports that it cannot use its key"))


def with_known_key(verdict: Verdict, path: str, resource: Resource, index: "KeyIndex") -> Verdict:
    """Return the verdict of a rule that passes because a key of the customer is chosen; Unknown where none is named, or
    where the service reports that it cannot use it.

    `path`: the property that chooses the key. A vault that the scan does not have changes nothing: a service whose key
    is gone refuses its data, and encrypts nothing with another key. Rules on keys say what ails the key.
    """
    if not isinstance(verdict, Pass):
        return verdict
    try:
        missing = list(_key_faults(path, resource, index))
    except Unread as unread:
        missing = [unread.again()]
    return unknown(*missing, evidence=verdict.evidence) if missing else verdict


def _key_faults(path: str, resource: Resource, index: "KeyIndex") -> Iterator[Unread]:
    """Yield why it is not known that a resource can use the key that a property chooses. Raises Unread."""
    named: list[NamedKey] = []
    for finder in index.keys.finders.get(resource.type.lower(), ()):
        matches = finder.find(resource, index).keys
        named += matches
        if matches:
            yield from finder.faults(resource)
    if not named:
        yield Unread(path, Message("no key is named"))
    nearest = max((_shared(each.evidence.path, path) for each in named), default=0)
    for each in named:
        # The key of a disk encryption set is always the customer's, also of one that is in no list.
        if _shared(each.evidence.path, path) == nearest and each.missing is not None and not each.set:
            yield each.missing


def _shared(path: str, other: str) -> int:
    """Return how many steps two paths share."""
    pairs = zip(path.split("."), other.split("."), strict=False)
    return len(list(takewhile(lambda pair: pair[0].lower() == pair[1].lower(), pairs)))


def identity_principal(holder: Resource) -> str:
    """Return the object id of a resource's identity: its own, or the only one that is assigned; else ""."""
    own = text_at(holder.body, "identity.principalId")
    assigned = get_path(holder.body, "identity.userAssignedIdentities")
    only = list(dict.values(assigned)) if isinstance(assigned, dict) else []
    return own or (text_at(only[0], "principalId") if len(only) == 1 else "")


def _values(resource: Resource, path: str) -> Iterator[tuple[Any, Any]]:
    """Yield the values of a path that are there, each with the entry of its list (None without one)."""
    listed, is_list, inner = path.partition("[]")
    if not is_list:
        value = resource.get(path)
        if not is_absent(value) and value != "":
            yield None, value
        return
    for entry in resource.items(listed):
        value = get_path(entry, inner.lstrip("."))
        if not is_absent(value) and value != "":
            yield entry, value


def _value_at(resource: Resource, entry: Any, path: str) -> Any:
    """Return the value of a path in the same entry of a list, or in the resource."""
    _, is_list, inner = path.partition("[]")
    value = get_path(entry, inner.lstrip(".")) if is_list else resource.get(path)
    return "" if is_absent(value) else value


def _location(named: NamedKey, resource: Resource, index: "KeyIndex") -> tuple[Evidence, Unread | None]:
    """Return where a key is, with what is expected where that is elsewhere, and what is not known."""
    if named.key is None:
        return named.evidence, named.missing
    try:
        vault = index.keys.vault(named.key, index)
    except Unread as missing:
        return named.evidence, missing.again()
    top = resource if resource.bundle.top is None else resource.bundle.top
    subscription, region = _other_subscription(vault, top), ""
    try:
        top.text("location")
        # The vault of a copy's key must be in the region of the copy, which the rules on residency assess.
        region = "" if named.is_of_copy else _other_region(vault, top)
    except Unread as missing:
        if not subscription:
            return named.evidence, missing.again()
    where = [each for each in (subscription, region) if each]
    if not where:
        return Evidence(named.evidence.path, named.evidence.value), None
    text = joined(": ", (listed(where), vault.name))
    return Evidence(named.evidence.path, text, Message("a vault in the same region and subscription")), None


def _other_subscription(vault: Resource, store: Resource) -> Message:
    return Message("another subscription") if vault.subscription != store.subscription else NOTHING


def _other_region(vault: Resource, store: Resource) -> Message:
    """Return the region of a vault that has no copy in the region of the store."""
    regions = {vault.location, *(text_at(each, "name").lower().replace(" ", "") for each in _regions(vault))}
    return (
        Message("another region ({location})", location=vault.location)
        if store.location and store.location not in regions
        else NOTHING
    )


def _regions(vault: Resource) -> list[Any]:
    return vault.items("properties.regions") if vault.type.lower() == POOLS.lower() else []


# The other direction: which resources need a key


OTHERS = Unread(Message("the resources that use the key"), Message("the scan was limited, and others may use it"))
"""Why more resources may name a key than a scan of some resource groups, tags or resources knows."""


class KeyRegister(Struct):
    """What is known of keys beyond one resource: the vaults by host, and which resources name a key."""

    finders: Mapping[str, tuple[KeyFinder, ...]] = field(default_factory=dict)
    """Those of each type, in lower case."""
    resources: Callable[[], Iterable[Resource]] | None = None
    """Returns the resources that may name a key; called once, where a verdict on a vault asks for them. None: the
    snapshot cannot be read a second time.
    """
    unread: tuple[Unread, ...] = ()
    """The lists of types with finders that were refused, so that more resources may name a key."""
    tiers: Mapping[str, tuple[TierWithoutKeys, ...]] = field(default_factory=dict)
    """The tiers of each type without customer-managed keys."""
    _uses: KeyUses | None = None
    _strange: list[str] = field(default_factory=list)
    """Resources that use a key of the customer of which it is not known which: the first of them."""
    _vaults: dict[str, Resource] | None = None

    def tier(self, resource: Resource) -> tuple[Evidence, Message] | None:
        """Return the tier of a resource, and that it has no customer-managed keys; None where another is not needed."""
        for each in self.tiers.get(resource.type.lower(), ()):
            value = peek(resource.body, each.path)
            if is_one(value, each.tiers):
                return Evidence(each.path, value), each.because
        return None

    def vault(self, key: KeyName, index: "KeyIndex") -> Resource:
        """Return the vault or managed HSM of a key. Raises Unread where no list of the scan has it."""
        if self._vaults is None:
            known = [each for type in (VAULTS, POOLS) for each in index.of_type(type)[0]]
            self._vaults = {host: each for each in known for host in (_host(each), each.name.lower()) if host}
        vault = self._vaults.get(key.host) or self._vaults.get(key.host.partition(".")[0])
        if vault is None or not _has(vault, key.host):
            type = POOLS if ".managedhsm." in key.host else VAULTS
            missing = index.missing.get(type.lower())
            raise not_listed(key.host) if missing is None else missing.again()
        known_text(vault.body, _address(vault))
        return vault

    def uses(self, vault: Resource, index: "KeyIndex") -> dict[str, list[KeyUse]]:
        """Return the resources that need each key of a vault, by the key's name in lower case. Raises Unread.

        A vault without an address has the keys of all hosts that begin with its name.
        """
        known = self._all(index)
        if own := _host(vault):
            return known.of_host(own)
        result: dict[str, list[KeyUse]] = {}
        for host in known.of_vault(vault.name.lower()):
            for name, uses in known.of_host(host).items():
                result[name] = [*result.get(name, ()), *uses]
        return result

    def vaults_in_use(self, index: "KeyIndex") -> Iterator[Resource]:
        """Yield the vaults and managed HSMs that hold the key of a resource, each once."""
        for host in self._all(index).hosts:
            with suppress(Unread):
                yield self.vault(KeyName(host, ""), index)

    def bound_to_older(self, index: "KeyIndex") -> Iterator[tuple[Resource, Resource]]:
        """Yield the keys of which resources are bound to another version than the newest one, each after its vault."""
        known = self._all(index)
        for host in known.hosts:
            for name, uses in known.of_host(host).items():
                with suppress(Unread):
                    vault = self.vault(KeyName(host, name), index)
                    key = index.find(f"{vault.id}/keys/{name}")
                    if older(key, uses):
                        yield vault, key

    def unclear(self, index: "KeyIndex") -> Unread | None:
        """Return that resources use keys of which it is not known which; None where all are known. Raises Unread."""
        self._all(index)
        if not self._strange:
            return None
        names = ", ".join(name_of(each) for each in self._strange)
        return Unread(
            Message("the resources that use the key"), Message("not known of which key: {names}", names=names)
        )

    def more(self, index: "KeyIndex") -> tuple[Unread, ...]:
        """Return why more resources may need a key than are known. Raises Unread."""
        unclear = self.unclear(index)
        return self.unread if unclear is None else (*self.unread, unclear)

    def _all(self, index: "KeyIndex") -> KeyUses:
        if self._uses is None:
            if self.resources is None:
                raise Unread(Message("the resources that use the key"), NO_STORES)
            uses = KeyUses()
            for resource in self.resources():
                for finder in self.finders.get(resource.type.lower(), ()):
                    for key, use in _uses_of(finder, resource, index):
                        if key is not None:
                            uses.add(*key.id, use)
                        elif len(self._strange) < _MOST_NAMED:
                            self._strange.append(resource.id)
            self._uses = uses
        return self._uses


class _Bound(Protocol):
    @property
    def version(self) -> str: ...


B = TypeVar("B", bound=_Bound)


def older(key: Resource | None, uses: Iterable[B]) -> list[B]:
    """Return the uses of a key that are bound to a version that is not known to be its newest one."""
    newest = key_of(peek(key.body, NEWEST)) if key is not None else None
    version = newest.version if newest is not None else ""
    return [each for each in uses if each.version and each.version != version]


def _host(vault: Resource) -> str:
    """Return the host of a vault or managed HSM; "" where Azure did not return its address."""
    return host_of(text_at(vault.body, _address(vault)))


def _address(vault: Resource) -> str:
    """Return the path of the address of a vault or managed HSM."""
    return _ADDRESSES[POOLS if vault.type.lower() == POOLS.lower() else VAULTS]


def _has(vault: Resource, host: str) -> bool:
    """Return whether a host is that of a vault; by its name, where its address was not returned."""
    own = _host(vault)
    return own == host if own else host.partition(".")[0] == vault.name.lower()


def _uses_of(finder: KeyFinder, resource: Resource, index: KeyIndex) -> Iterator[tuple[KeyName | None, KeyUse]]:
    """Yield the keys that a resource names; None for one that is not known."""
    try:
        matches = finder.find(resource, index).keys
    except Unread:
        yield None, KeyUse(resource.id, finder.what, "", "")
        return
    for each in matches:
        version = each.key.version if each.key is not None else ""
        yield each.key, KeyUse(resource.id, finder.what_of(each), version, each.principal)
