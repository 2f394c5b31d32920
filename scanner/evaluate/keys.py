"""The keys of resources as rows of the document: one row a key, with the resources behind it, and its risks."""

import sys
from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from scanner.document.key_rows import KeyRiskRow, KeyRow, KeyStoreRow
from scanner.document.message_data import with_texts
from scanner.document.schema import FindingRow
from scanner.document.value_messages import is_value
from scanner.model.dates import date_of, seconds_of
from scanner.model.ids import type_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, peek, same
from scanner.model.keys import OTHERS, POOLS, KeyFinder, KeyName, NamedKey, older
from scanner.model.masked_values import shown_value
from scanner.model.message import NOTHING, Message, message_text
from scanner.model.resource import Gap, Resource
from scanner.model.responsibility import ANOTHER_TIER
from scanner.model.rule import Rule
from scanner.model.unread import Unread
from scanner.model.verdict import Evidence, Fail, Verdict
from scanner.rulebook.loader import RuleSet
from scanner.store.sorted_rows import SortedRows, sort_key

RISKS: Final = {
    "key-disabled": "disabled",
    "key-expired": "expired",
    "key-expires-soon": "expires-soon",
    "key-no-rotation": "no-rotation",
    "key-missing": "missing",
    "services-blocked": "services-blocked",
    "identity-lacks-unwrap": "identity",
    "identity-lacks-role": "identity",
    "purge-protection-disabled": "no-purge-protection",
}
"""The risks of a key by the rules on vaults and managed HSMs that find them, without the first word of the id."""
PREFIXES: Final = ("keyvault-", "managed-hsm-")
ORDER: Final = ("critical", "high", "medium", "low", "info", "unknown")
MICROSOFTS: Final = (ANOTHER_TIER, "platform")
HOLDERS: Final = ("customer", "unknown", *MICROSOFTS)
ON: Final = (True, "Enabled", "ConfidentialVM", "EncryptionAtRestWithPlatformAndCustomerKeys")


class StoreKey(NamedTuple):
    """A resource and a key that it uses. `key`: None for a key of Microsoft (one of MICROSOFTS) and an unknown one.

    `elsewhere`: what its rule says of the place of the vault; "" where that is the same region and subscription.
    """

    holder: str
    type: str
    row: KeyStoreRow
    key: KeyName | None = None
    elsewhere: str = ""


def store_keys(rule: Rule, finder: KeyFinder, subject: Resource, index: Index, verdict: Verdict) -> list[StoreKey]:
    """Return the keys that a rule finds for a resource; one that is unknown where they could not be read."""
    try:
        matches = finder.find(subject, index)
    except Unread as missing:
        row = _store(rule, finder, subject, missing.what, None, why=missing.text)
        return [StoreKey("unknown", subject.type, row)]
    if matches.holder == "platform":
        return [_microsofts(rule, finder, subject, index, matches.seen[0])]
    return [_named(rule, finder, subject, each, verdict) for each in matches.keys]


def _microsofts(rule: Rule, finder: KeyFinder, subject: Resource, index: Index, seen: Evidence) -> StoreKey:
    """Return that Microsoft holds the key; with the tier as evidence and the reason where the tier leaves no choice."""
    tier = index.keys.tier(subject)
    if tier is None:
        return StoreKey("platform", subject.type, _store(rule, finder, subject, seen.path, seen.value))
    seen, because = tier
    return StoreKey(ANOTHER_TIER, subject.type, _store(rule, finder, subject, seen.path, seen.value, why=because))


def _named(rule: Rule, finder: KeyFinder, subject: Resource, each: NamedKey, verdict: Verdict) -> StoreKey:
    is_elsewhere = isinstance(verdict, Fail) and any(seen.path == each.evidence.path for seen in verdict.evidence)
    elsewhere = verdict.message if isinstance(verdict, Fail) and is_elsewhere else ""
    version = each.key.version if each.key is not None else ""
    why = "" if each.missing is None else each.missing.text
    row = _store(rule, finder, subject, each.evidence.path, each.evidence.value, version=version, why=why)
    row = msgspec.structs.replace(row, what=finder.what_of(each))
    return StoreKey("customer" if each.key is not None else "unknown", subject.type, row, each.key, elsewhere)


def _store(
    rule: Rule, finder: KeyFinder, subject: Resource, path: str, value: Any, *, version: str = "", why: str = ""
) -> KeyStoreRow:
    more: dict[str, Any] = {name: _switch(subject, path) for name, path in finder.more.items()}
    return KeyStoreRow(
        resource=subject.id,
        rule=rule.id,
        what=finder.what,
        path=path,
        value=shown_value(value),
        version=version,
        why=why,
        **more,
    )


def _switch(subject: Resource, path: str) -> str:
    """Return whether a setting is on: yes, no or unknown. An absent one is off, as its rule's source says."""
    try:
        value = get_path(subject.body, path)
    except Unread:
        return "unknown"
    if is_absent(value) and subject.why_absent_is_unknown:
        return "unknown"
    return "yes" if any(same(value, each) for each in ON) else "no"


_encode = msgspec.json.Encoder(enc_hook=message_text).encode
_decode = msgspec.json.Decoder(KeyStoreRow).decode
_decode_risk = msgspec.json.Decoder(KeyRiskRow).decode
_RISKS: Final = -1
"""The number of the rows of what rules found, beside those of groups."""


class KeyGroup(Struct):
    """One key. `number`: that of its stores. `elsewhere`: what the first rule says that finds its vault elsewhere."""

    number: int
    holder: str
    type: str
    key: KeyName | None
    elsewhere: KeyRiskRow | None = None

    @property
    def id(self) -> tuple[str, ...]:
        """Return what tells keys apart: of those that are not known, one a type and holder."""
        return self.key.id if self.key is not None else ("", self.holder, self.type.lower())


class KeysFragment(msgspec.Struct, array_like=True):
    """The keys of a part of an evaluation. `rows`: the number of the group, what sorts the row, and the row, encoded:
    those of stores, and what rules found (`_RISKS`).
    """

    groups: list[KeyGroup]
    rows: list[tuple[int, bytes, bytes]]


class KeyLedger:
    """Collects, while bundles are evaluated, which resources each key encrypts and what rules say of the keys.

    `is_partial`: only a part of the scopes was collected, so that other resources may use a key.
    """

    def __init__(self, index: Index, rules: RuleSet, gaps: Iterable[Gap] = (), *, is_partial: bool = False) -> None:
        self.index = index
        index.keys.finders = rules.key_finders()
        index.keys.tiers = rules.tiers_without_keys()
        refused = (Unread(type_of(gap.url), gap.why(), gap.url) for gap in gaps if self._may_name_keys(gap))
        index.keys.unread = (*([OTHERS] if is_partial else []), *refused)
        self._begin()

    def _may_name_keys(self, gap: Gap) -> bool:
        """Return whether it is the list of a type of resources that, or below which others, may name a key."""
        type = type_of(gap.url).lower()
        return type.count("/") == 1 and any(f"{each}/".startswith(f"{type}/") for each in self.index.keys.finders)

    def _begin(self) -> None:
        self._groups: dict[tuple[str, ...], KeyGroup] = {}
        self.templates: dict[str, str] = {}
        """The templates of the texts of rows, by their ids."""
        self._rows = SortedRows()
        """The stores of each group, and what rules found, which the id (lower case) of the vault or key sorts."""

    def fork(self) -> "KeyLedger":
        """Return a ledger for a part of the evaluation."""
        made = copy(self)
        made._begin()
        return made

    def fragment(self) -> KeysFragment:
        """Return the keys of a part."""
        return KeysFragment(list(self._groups.values()), list(self._rows.all()))

    def join(self, fragment: KeysFragment) -> None:
        """Add the keys of the part that comes next in the document."""
        numbers = []
        for each in fragment.groups:
            group = self._group(each)
            group.elsewhere = group.elsewhere or each.elsewhere
            numbers.append(group.number)
        for number, key, row in fragment.rows:
            self._rows.add(key, row, number if number == _RISKS else numbers[number])

    def _group(self, result: KeyGroup) -> KeyGroup:
        """Return the group of a key; one like `result`, where it is new."""
        group = self._groups.get(result.id)
        if group is None:
            group = self._groups[result.id] = replace(result, number=len(self._groups))
        return group

    def add(self, matches: Iterable[StoreKey]) -> None:
        """Add the keys of one bundle."""
        for each in matches:
            group = self._group(KeyGroup(0, each.holder, sys.intern(each.type), each.key))
            if each.elsewhere and group.elsewhere is None:
                elsewhere = KeyRiskRow("elsewhere", "info", each.elsewhere, each.row.rule)
                group.elsewhere = with_texts(elsewhere, self.templates)
            self._rows.add(
                sort_key(each.row.resource.lower()), _encode(with_texts(each.row, self.templates)), group.number
            )

    def note(self, finding: FindingRow) -> None:
        """Note what a finding on a vault, or on a key of it, says of keys."""
        if not finding.rule.startswith(PREFIXES):
            return
        prefix = next(each for each in PREFIXES if finding.rule.startswith(each))
        risk = RISKS.get(finding.rule.removeprefix(prefix))
        if risk is not None:
            severity = finding.severity if finding.status in ("fail", "waived") and finding.severity else "unknown"
            text = Message("{title}.", title=finding.title) if is_value(finding) else finding.message
            row = with_texts(KeyRiskRow(risk, severity, text, finding.rule), self.templates)
            self._rows.add(sort_key(finding.resource.lower()), _encode(row), _RISKS)

    def rows(self) -> Iterator[tuple[KeyRow, Iterator[bytes]]]:
        """Yield a row for each key, without its stores, and these, encoded: first the keys of the customer, then the
        unknown ones, and those of Microsoft by type: first where another tier is needed.
        """
        for _, group in sorted(self._groups.items(), key=lambda each: (HOLDERS.index(each[1].holder), each[0])):
            if group.key is not None:
                row = self._customer(group, group.key)
            else:
                lives = "microsoft" if group.holder in MICROSOFTS else "unknown"
                row = KeyRow(holder=group.holder, stores=[], type=group.type, lives=lives)
            yield row, self._rows.of(group.number)

    def _customer(self, group: KeyGroup, key: KeyName) -> KeyRow:
        risks = [group.elsewhere] if group.elsewhere is not None else []
        try:
            vault = self.index.keys.vault(key, self.index)
        except Unread as missing:
            return KeyRow(holder="customer", stores=[], key=key.uri, host=key.host, risks=risks, why=missing.text)
        item = self.index.resources.get(f"{vault.key}/keys/{key.name.lower()}")
        state, why = self._state(vault, item)
        risks += self._of(vault, item, key)
        unread = _older(item, map(_decode, self._rows.of(group.number)))
        if unread:
            risks.append(KeyRiskRow("version", "unknown", unread))
        return KeyRow(
            holder="customer",
            stores=[],
            key=key.uri,
            host=key.host,
            vault=vault.id,
            region=vault.location,
            subscription=vault.subscription,
            lives=_lives(vault, item),
            kind=_kind(item),
            state=state,
            expires=_expires(item),
            rotation=_rotation(item),
            risks=sorted(risks, key=lambda each: (ORDER.index(each.severity), each.id)),
            why=why,
        )

    def _of(self, vault: Resource, item: Resource | None, key: KeyName) -> list[KeyRiskRow]:
        """Return what rules found on a vault and on a key."""
        risks = self._locate(f"{vault.id}/keys/{key.name}") if item is not None else []
        of_vault = [
            each
            for each in self._locate(vault.id)
            if each.id != "missing" or item is None or each.severity == "unknown"
        ]
        return risks + of_vault

    def _locate(self, id: str) -> list[KeyRiskRow]:
        """Return what rules found on a vault or a key."""
        return [_decode_risk(row) for row in self._rows.at(_RISKS, sort_key(id.lower()))]

    def _state(self, vault: Resource, item: Resource | None) -> tuple[str, str]:
        """Return the state of a key, and why it is unknown."""
        if item is None:
            return self._absent(vault)
        enabled = peek(item.body, "properties.attributes.enabled")
        expires = peek(item.body, "properties.attributes.exp")
        if same(enabled, False):
            return "disabled", ""
        if not same(enabled, True):
            return "unknown", Message("Azure did not return whether the key is enabled")
        taken = seconds_of(self.index.taken)
        if isinstance(expires, int) and not isinstance(expires, bool) and taken is not None:
            return ("expired" if expires <= taken else "enabled"), ""
        return ("enabled", "") if is_absent(expires) else ("unknown", Message("the time of the scan is not known"))

    def _absent(self, vault: Resource) -> tuple[str, str]:
        url, bundle = f"{vault.key}/keys", vault.bundle
        gap = bundle.gaps.get(url)
        if gap is not None:
            return "unknown", Message("the keys of the vault: {why}", why=gap.why())
        count = bundle.reads.get(url)
        if count is None:
            return "unknown", Message("the keys of the vault were not collected")
        return (
            ("missing", "")
            if count <= len(bundle.below.get(url, ()))
            else ("unknown", Message("not every key is here"))
        )


def _text(body: Any, path: str) -> str:
    value = peek(body, path)
    return value if isinstance(value, str) else ""


def _lives(vault: Resource, item: Resource | None) -> str:
    """Return where a key lives. Vaults of the tier Standard have keys in software alone (key-vault/keys/about-keys)."""
    if vault.type.lower() == POOLS.lower():
        return "managed-hsm"
    kind = _text(item.body, "properties.kty").upper() if item is not None else ""
    if kind:
        return "hsm" if kind.endswith("-HSM") else "software"
    return "software" if same(peek(vault.body, "properties.sku.name"), "standard") else "unknown"


def _kind(item: Resource | None) -> str:
    if item is None:
        return ""
    size = peek(item.body, "properties.keySize")
    segments = [_text(item.body, "properties.kty"), str(size) if isinstance(size, int) else ""]
    return " ".join(each for each in (*segments, _text(item.body, "properties.curveName")) if each)


def _expires(item: Resource | None) -> str:
    return date_of(peek(item.body, "properties.attributes.exp")) if item is not None else ""


def _rotation(item: Resource | None) -> str:
    if item is None:
        return ""
    try:
        actions = get_path(item.body, "properties.rotationPolicy.lifetimeActions")
    except Unread:
        return "unknown"
    if any(_text(each, "action.type").lower() == "rotate" for each in (actions if isinstance(actions, list) else ())):
        return "yes"
    return "no" if item.by == "get" else "unknown"


def _older(item: Resource | None, stores: Iterable[KeyStoreRow]) -> Message:
    """Return how many resources are bound to an older version whose state was not read; "" without any."""
    url = f"{item.key}/versions" if item is not None else ""
    known = {each.name.lower() for each in item.bundle.below.get(url, ())} if item is not None else set()
    bound = [each for each in older(item, stores) if each.version not in known]
    if not bound:
        return NOTHING
    if len(bound) == 1:
        return Message("1 resource may be bound to an older version, whose state was not read")
    return Message("{bound} resources may be bound to an older version, whose state was not read", bound=len(bound))
