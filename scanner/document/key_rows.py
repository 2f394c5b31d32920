"""The rows of a document about keys: whose key encrypts which resources, and what may happen to it."""

from typing import Any

import msgspec

from scanner.document.message_data import TextData


class KeyStoreRow(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False):
    """A resource that a key encrypts. `what`: what of it; `version`: the version that it names; "" is the newest one.

    `path`, `value`: the evidence. `double`: a second layer, `host`: encryption at host, `confidential`: a
    confidential machine: yes, no, unknown; "" where the type has no such setting. `why`: why its key is not known, or
    which tiers have no customer-managed keys.
    """

    resource: str
    rule: str
    what: str
    path: str
    value: Any
    version: str = ""
    double: str = ""
    host: str = ""
    confidential: str = ""
    why: str = ""
    texts: TextData = msgspec.UNSET


class KeyRiskRow(msgspec.Struct, frozen=True, gc=False):
    """What can make a key useless. `id`: expired, expires-soon, disabled, missing, no-purge-protection, no-rotation,
    elsewhere, services-blocked, identity, version. `severity`: that of the rule;
    "unknown" where it is not assessed. `rule`: the rule about it; "" without one.
    """

    id: str
    severity: str
    what: str
    rule: str = ""
    texts: TextData = msgspec.UNSET


class KeyRow(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A key, and the resources that it encrypts. See docs/keys.md.

    `holder`: customer, platform, another-tier (Microsoft, because the tier of the resources has no customer-managed
    keys), unknown. `key`: its URI without version; "" for the keys of Microsoft, which are one row a holder and
    `type` of resources. `vault`: the id of the vault or managed HSM; "" where it is not in the scan; `host`: its
    address. `lives`: software, hsm, managed-hsm, microsoft, unknown; `kind`: key type and size. `state`: enabled,
    disabled, expired, missing, unknown. `expires`: a date. `rotation`: yes, no, unknown. `why`: why the state is
    unknown.
    """

    holder: str
    stores: list[KeyStoreRow]
    key: str = ""
    type: str = ""
    vault: str = ""
    host: str = ""
    region: str = ""
    subscription: str = ""
    lives: str = "unknown"
    kind: str = ""
    state: str = "unknown"
    expires: str = ""
    rotation: str = ""
    risks: list[KeyRiskRow] = []
    why: str = ""
    texts: TextData = msgspec.UNSET
