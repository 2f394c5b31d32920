"""Sets of IPv4 and IPv6 addresses, as sorted, disjoint and merged integer intervals.

Two sets are equal exactly when they hold the same addresses, because firewalls count by the union of their rules:
`0.0.0.0/1` beside `128.0.0.0/1` is every IPv4 address, however the rules are written.
"""

from __future__ import annotations

import ipaddress
import socket
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import msgspec

from scanner.model.message import Message, more

Interval: TypeAlias = tuple[int, int]
Intervals: TypeAlias = tuple[Interval, ...]
Version: TypeAlias = Literal[4, 6]
Breadth: TypeAlias = Literal["none", "own", "selected", "wide", "internet"]

BITS: Final = {4: 32, 6: 128}
MAPPED: Final = (0xFFFF << 32, (0xFFFF << 32) | 0xFFFFFFFF)  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2
SHOWN: Final = 80


class BadAddress(ValueError):
    """A text that is no address, network or range. `text` is the text, `why` says what is wrong with it."""

    def __init__(self, text: object, why: str = Message("is not an address, a network or a range")) -> None:
        shown = "null" if text is None else repr(text)
        self.why = Message("{value} {why}", value=shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}...", why=why)
        super().__init__(self.why)
        self.text = text


class AddressSet(msgspec.Struct, frozen=True, gc=False):
    """An immutable set of addresses.

    Both members must be sorted, disjoint and merged: make sets with `parse`, `address_range` and `union`.
    """

    v4: Intervals = ()
    v6: Intervals = ()

    def __or__(self, other: AddressSet) -> AddressSet:
        return union((self, other))

    def __and__(self, other: AddressSet) -> AddressSet:
        return AddressSet(_common(self.v4, other.v4), _common(self.v6, other.v6))

    def __sub__(self, other: AddressSet) -> AddressSet:
        if other.is_empty:
            return self
        return AddressSet(_common(self.v4, _rest(other.v4, 4)), _common(self.v6, _rest(other.v6, 6)))

    def __contains__(self, address: str) -> bool:
        """Return whether all of `address` (one address, or anything that `parse` reads) is in the set. Raises
        BadAddress.
        """
        return self.covers(parse(address))

    def __bool__(self) -> bool:
        return not self.is_empty

    @property
    def is_empty(self) -> bool:
        return not self.v4 and not self.v6

    def intervals(self, version: Version) -> Intervals:
        """Return the first and last address of each interval, as integers, ascending."""
        return self.v4 if version == 4 else self.v6

    def of_version(self, version: Version) -> AddressSet:
        """Return the addresses of one IP version; this object itself where it has no others."""
        if version == 4:
            return AddressSet(v4=self.v4) if self.v6 else self
        return AddressSet(v6=self.v6) if self.v4 else self

    def size(self, version: Version) -> int:
        """Return the number of addresses of one IP version."""
        return sum(last - first + 1 for first, last in self.intervals(version))

    def covers(self, other: AddressSet) -> bool:
        """Return whether every address of `other` is in this set; True for an empty `other`."""
        return _covers(self.v4, other.v4) and _covers(self.v6, other.v6)

    def describe(self, limit: int = 10) -> list[str]:
        """Return the set as texts, one for each interval: an address, a CIDR, or `first-last` where no one CIDR fits.

        After `limit` texts one more says how many were left out.
        """
        texts = [_text(interval, 4) for interval in self.v4[:limit]]
        texts += [_text(interval, 6) for interval in self.v6[: limit - len(texts)]]
        left = len(self.v4) + len(self.v6) - len(texts)
        return [*texts, more(left)] if left else texts


def union(sets: Iterable[AddressSet]) -> AddressSet:
    """Return the addresses that are in at least one of `sets`."""
    sets = [each for each in sets if each.v4 or each.v6]
    if len(sets) < 2:
        return sets[0] if sets else NO_ADDRESSES
    v4: list[Interval] = []
    v6: list[Interval] = []
    for one in sets:
        v4 += one.v4
        v6 += one.v6
    return AddressSet(_merged(v4), _merged(v6))


def parse(text: str) -> AddressSet:
    """Return the addresses that a rule's text names. Raises BadAddress, also for a service tag (see `service_tags`).

    Accepted: `*` and `any` (both IP versions); an address; a CIDR, also with host bits set, as Azure accepts it; a
    network with a netmask; a range `first-last`; an IPv4-mapped IPv6 address (`::ffff:192.0.2.1`, read as IPv4);
    several of these with commas between (App Service); white space around each.
    """
    if not isinstance(text, str):
        raise BadAddress(text, Message("is not a string"))
    return _parse(text)


def parse_all(texts: Iterable[str]) -> AddressSet:
    """Return the union of `parse` over `texts`. Raises BadAddress at the first that cannot be read."""
    return union(map(parse, texts))


def address_range(start: str, end: str) -> AddressSet:
    """Return the addresses from `start` to `end`, both included (SQL, Redis, PostgreSQL). Raises BadAddress."""
    for text in (start, end):
        if not isinstance(text, str):
            raise BadAddress(text, Message("is not a string"))
    return _between(start.strip(), end.strip(), f"{start}-{end}")


def _parse(text: str) -> AddressSet:
    stripped = text.strip()
    if stripped == "*" or stripped.lower() == "any":
        return ALL_ADDRESSES
    if "," in stripped:
        return union(_parse(inner) for inner in stripped.split(","))
    if "/" in stripped:
        return _network(stripped, text)
    if "-" in stripped:
        start, _, end = stripped.partition("-")
        return _between(start.strip(), end.strip(), text)
    version, value = _address(stripped, text)
    return _interval(version, value, value)


def _network(stripped: str, text: str) -> AddressSet:
    address, _, length = stripped.partition("/")
    version, value = _address(address.rstrip(), text)
    host = BITS[version] - _prefix(length.lstrip(), version, text)
    first = value >> host << host
    return _interval(version, first, first | ((1 << host) - 1))


def _prefix(length: str, version: int, text: str) -> int:
    if version == 4 and "." in length:
        hosts = 0xFFFFFFFF ^ _address(length, text)[1]
        if hosts & (hosts + 1):
            raise BadAddress(text, Message("has a non-contiguous netmask"))
        return 32 - hosts.bit_length()
    if not (length.isascii() and length.isdecimal() and len(length) <= 3 and int(length) <= BITS[version]):
        raise BadAddress(text, Message("does not have a prefix length from 0 to {bits}", bits=BITS[version]))
    return int(length)


def _between(start: str, end: str, text: str) -> AddressSet:
    version, first = _address(start, text)
    other, last = _address(end, text)
    if version != other:
        raise BadAddress(text, Message("mixes IPv4 and IPv6"))
    if first > last:
        raise BadAddress(text, Message("ends before it starts"))
    return _interval(version, first, last)


def _address(stripped: str, text: str) -> tuple[int, int]:
    version, family = (6, socket.AF_INET6) if ":" in stripped else (4, socket.AF_INET)
    try:
        return version, int.from_bytes(socket.inet_pton(family, stripped), "big")
    except (OSError, ValueError):
        raise BadAddress(text) from None


def _interval(version: int, first: int, last: int) -> AddressSet:
    if version == 6 and first >= MAPPED[0] and last <= MAPPED[1]:
        version, first, last = 4, first - MAPPED[0], last - MAPPED[0]
    return AddressSet(v4=((first, last),)) if version == 4 else AddressSet(v6=((first, last),))


def _merged(intervals: list[Interval]) -> Intervals:
    if len(intervals) < 2:
        return tuple(intervals)
    intervals.sort()
    merged: list[Interval] = []
    first, last = intervals[0]
    for low, high in intervals:
        if low > last + 1:
            merged.append((first, last))
            first, last = low, high
        elif high > last:
            last = high
    merged.append((first, last))
    return tuple(merged)


def _common(left: Intervals, right: Intervals) -> Intervals:
    common: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        first = max(left[i][0], right[j][0])
        last = min(left[i][1], right[j][1])
        if first <= last:
            common.append((first, last))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(common)


def _rest(intervals: Intervals, version: Version) -> Intervals:
    rest: list[Interval] = []
    free = 0
    for first, last in intervals:
        if first > free:
            rest.append((free, first - 1))
        free = last + 1
    end = (1 << BITS[version]) - 1
    if free <= end:
        rest.append((free, end))
    return tuple(rest)


def _covers(whole: Intervals, inner: Intervals) -> bool:
    for first, last in inner:
        at = bisect_right(whole, first, key=_first) - 1
        if at < 0 or whole[at][1] < last:
            return False
    return True


def _first(interval: Interval) -> int:
    return interval[0]


def _text(interval: Interval, version: Version) -> str:
    first, last = interval
    size = last - first + 1
    start = _dotted(first, version)
    if size == 1:
        return start
    if size & (size - 1) == 0 and first % size == 0:
        return f"{start}/{BITS[version] - size.bit_length() + 1}"
    return f"{start}-{_dotted(last, version)}"


def _dotted(value: int, version: Version) -> str:
    return str(ipaddress.IPv4Address(value) if version == 4 else ipaddress.IPv6Address(value))


NO_ADDRESSES: Final = AddressSet()
ALL_IPV4: Final = AddressSet(v4=((0, (1 << 32) - 1),))
ALL_IPV6: Final = AddressSet(v6=((0, (1 << 128) - 1),))
ALL_ADDRESSES: Final = ALL_IPV4 | ALL_IPV6

RESERVED_IPV4: Final = parse_all(
    (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""The IPv4 addresses that no caller from the internet has.

Source: IANA IPv4 Special-Purpose Address Registry (RFC 6890), the rows that are not globally reachable, and multicast
(RFC 5771). The documentation networks 192.0.2.0/24, 198.51.100.0/24 and 203.0.113.0/24 count as public, as
2001:db8::/32 does in 2000::/3, because no private network uses them and anonymised snapshots contain many of them.
"""

PUBLIC_IPV4: Final = ALL_IPV4 - RESERVED_IPV4
PUBLIC_IPV6: Final = parse("2000::/3")
"""Global unicast. Source: IANA Internet Protocol Version 6 Address Space (RFC 4291)."""
PUBLIC_ADDRESSES: Final = PUBLIC_IPV4 | PUBLIC_IPV6

HALF_IPV4: Final = PUBLIC_IPV4.size(4) // 2
HALF_IPV6: Final = PUBLIC_IPV6.size(6) // 2


def breadth(
    addresses: AddressSet, trusted: AddressSet = NO_ADDRESSES, wide_ipv4: int = 65536, wide_ipv6: int = 48
) -> Breadth:
    """Return how many callers of the internet `addresses` allows on a public firewall.

    `trusted`: the organisation's networks, which do not count. `wide_ipv4`: a number of addresses. `wide_ipv6`: a
    prefix length. "none": no public address, so the rule has no effect. "own": only own networks. "internet": at least
    half of the public IPv4 space or of 2000::/3. "wide": more public addresses than the limits. "selected": the rest.
    """
    public = addresses & PUBLIC_ADDRESSES
    foreign = public - trusted
    if foreign.is_empty:
        return "none" if public.is_empty else "own"
    ipv4, ipv6 = foreign.size(4), foreign.size(6)
    if ipv4 >= HALF_IPV4 or ipv6 >= HALF_IPV6:
        return "internet"
    if ipv4 > wide_ipv4 or ipv6 > 1 << (128 - wide_ipv6):
        return "wide"
    return "selected"
