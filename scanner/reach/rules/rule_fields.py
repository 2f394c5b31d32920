"""The fields of a security rule's body that matter, in a fixed order and packed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from scanner.model.ids import name_of, segments
from scanner.model.json_paths import member


class PackedRule(msgspec.Struct, array_like=True, frozen=True):
    """An inbound rule, or one whose direction is not known."""

    name: str
    priority: int | None
    fields: bytes
    """Packed `RuleFields`, because many rules have the same."""
    resource: str = ""


class RuleFields(msgspec.Struct, array_like=True, frozen=True):
    """The fields of a rule. The texts of a field are those of both its forms, singular and plural."""

    allow: bool | None
    inbound: bool | None
    """`allow`, `inbound`: None where the value is not known."""
    protocol: str | None
    ports: tuple[str, ...]
    source_ports: tuple[str, ...]
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    source_groups: tuple[str, ...] = ()
    destination_groups: tuple[str, ...] = ()
    broken: int = 0
    """Bits of the fields that hold something that is no text."""
    admin: bool = False
    """Whether it is a security admin rule."""

    @property
    def packed(self) -> bytes:
        return _FIELDS_ENCODER.encode(self)


_FIELDS_ENCODER: Final = msgspec.msgpack.Encoder()

_FIELDS_DECODER: Final = msgspec.msgpack.Decoder(RuleFields)


def unpack_fields(packed: bytes) -> RuleFields:
    """Return the fields that `RuleFields.packed` packed."""
    return _FIELDS_DECODER.decode(packed)


BROKEN_PORTS, BROKEN_SOURCE_PORTS, BROKEN_SOURCES, BROKEN_DESTINATIONS = 1, 2, 4, 8

_FIELDS: Final = (
    *("direction", "access", "priority", "protocol"),
    *("destinationPortRange", "destinationPortRanges", "sourcePortRange", "sourcePortRanges"),
    *("sourceAddressPrefix", "sourceAddressPrefixes", "destinationAddressPrefix", "destinationAddressPrefixes"),
    *("sourceApplicationSecurityGroups", "destinationApplicationSecurityGroups", "sources", "destinations"),
)

_DIRECTIONS: Final = {"inbound": True, "outbound": False}

_ACCESS: Final = {"allow": True, "deny": False}

_ADMIN_ACCESS: Final = {**_ACCESS, "alwaysallow": True}

_ALWAYS_ACCESS: Final = {"allow": False, "deny": False, "alwaysallow": True}

_MAX_PRIORITY: Final = 1 << 31


@lru_cache(maxsize=1024)
def _spelled(keys: tuple[str, ...]) -> tuple[str | None, ...]:
    """Return how a body with these keys spells each of the fields."""
    folded = {key.lower(): key for key in reversed(keys)}
    return tuple(name if name in keys else folded.get(name.lower()) for name in _FIELDS)


def _values(properties: Any) -> list[Any]:
    if not isinstance(properties, dict):
        return [None] * len(_FIELDS)
    return [None if key is None else properties[key] for key in _spelled(tuple(properties))]


def packed_rule(body: Any) -> PackedRule | None:
    """Return an entry of `securityRules` or `defaultSecurityRules`, packed; None for an outbound rule."""
    values = _values(member(body, "properties"))
    inbound = _word(values[0], _DIRECTIONS)
    if inbound is False:
        return None
    name = member(body, "name")
    protocol, numbers, source_numbers, broken = _protocol_and_ports(values)
    sources, broken_sources = _texts(values[8], values[9])
    destinations, broken_destinations = _texts(values[10], values[11])
    fields = RuleFields(
        _word(values[1], _ACCESS),
        inbound,
        protocol,
        numbers,
        source_numbers,
        sources,
        destinations,
        _ids(values[12]) if values[12] else (),
        _ids(values[13]) if values[13] else (),
        broken | broken_sources * BROKEN_SOURCES | broken_destinations * BROKEN_DESTINATIONS,
    )
    return PackedRule(name if isinstance(name, str) else "?", _priority(values[2]), fields.packed)


def packed_admin_rule(resource: str, body: Any, always: bool = False) -> PackedRule | None:
    """Return a security admin rule, packed; None for an outbound rule.

    `always`: as one of the rules that bypass the groups, where Allow ends the search as Deny does.
    """
    values = _values(member(body, "properties"))
    inbound = _word(values[0], _DIRECTIONS)
    if inbound is False:
        return None
    allow = _word(values[1], _ALWAYS_ACCESS if always else _ADMIN_ACCESS)
    name = member(body, "name")
    protocol, numbers, source_numbers, broken = _protocol_and_ports(values)
    sources, source_groups, broken_sources = _prefixes(values[14])
    destinations, destination_groups, broken_destinations = _prefixes(values[15])
    fields = RuleFields(
        allow,
        inbound,
        protocol,
        numbers,
        source_numbers,
        sources,
        destinations,
        source_groups,
        destination_groups,
        broken | broken_sources * BROKEN_SOURCES | broken_destinations * BROKEN_DESTINATIONS,
        admin=True,
    )
    known = name_of(resource.partition("/snapshots/")[0]) or (name if isinstance(name, str) else "") or "?"
    return PackedRule(known, _priority(values[2]), fields.packed, resource)


def _protocol_and_ports(values: list[Any]) -> tuple[str | None, tuple[str, ...], tuple[str, ...], int]:
    """Return the protocol, the destination ports, the source ports, and the bits of those that hold what is no text."""
    numbers, broken = _texts(values[4], values[5])
    source_numbers, broken_source = _texts(values[6], values[7])
    protocol = values[3] if isinstance(values[3], str) else None
    return protocol, numbers, source_numbers, broken * BROKEN_PORTS | broken_source * BROKEN_SOURCE_PORTS


def _word(value: Any, words: Mapping[str, bool]) -> bool | None:
    return words.get(value.strip().lower()) if isinstance(value, str) else None


def _priority(value: Any) -> int | None:
    known = isinstance(value, int) and not isinstance(value, bool) and -_MAX_PRIORITY < value < _MAX_PRIORITY
    return value if known else None


def _texts(one: Any, many: Any) -> tuple[tuple[str, ...], bool]:
    """Return the texts of a field in both its forms, and whether one of them is no text."""
    if not many and isinstance(one, str) and one:
        return (one,), False
    matches: list[str] = []
    broken = False
    for each in (one, *(many if isinstance(many, list) else (many,))):
        if isinstance(each, str):
            if each.strip():
                matches.append(each)
        elif each is not None:
            broken = True
    return tuple(matches), broken


def _ids(value: Any) -> tuple[str, ...]:
    """Return the ids of a list of references, in lower case."""
    matches = [member(each, "id") for each in value] if isinstance(value, list) else []
    return tuple("/" + "/".join(segments(each)) for each in matches if isinstance(each, str))


def _prefixes(value: Any) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Return the prefixes of a list of an admin rule, the ids of its network groups, and whether one is neither."""
    texts: list[str] = []
    groups: list[str] = []
    broken = value is not None and not isinstance(value, list)
    for each in value if isinstance(value, list) else ():
        text, kind = member(each, "addressPrefix"), member(each, "addressPrefixType")
        known = kind.lower() if isinstance(kind, str) else ""
        if not isinstance(text, str) or known not in ("ipprefix", "servicetag", "networkgroup"):
            broken = True
        elif known == "networkgroup":
            groups.append("/" + "/".join(segments(text)))
        else:
            texts.append(text)
    return tuple(texts), tuple(groups), broken
