"""Sets of addresses, held against Python sets of small integers, which are slow and obvious."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model.addresses import (
    ALL_ADDRESSES,
    ALL_IPV4,
    ALL_IPV6,
    NO_ADDRESSES,
    PUBLIC_IPV4,
    PUBLIC_IPV6,
    RESERVED_IPV4,
    AddressSet,
    BadAddress,
    address_range,
    breadth,
    parse,
    parse_all,
    union,
)
from tests.work import calls

Pair: TypeAlias = tuple[AddressSet, set[tuple[int, int]]]

WINDOW = 48
CORNERS = {4: (0, 0x01020300, 2**32 - WINDOW), 6: (2**64, 0x20010DB8 << 96, 2**128 - WINDOW)}


def dotted(value: int, version: int) -> str:
    return str(ipaddress.IPv4Address(value) if version == 4 else ipaddress.IPv6Address(value))


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """A set of addresses, and the same as a Python set of (version, address)."""
    sets: list[AddressSet] = []
    model: set[tuple[int, int]] = set()
    for _ in range(draw(st.integers(0, 6))):
        version = draw(st.sampled_from((4, 6)))
        corner = draw(st.sampled_from(CORNERS[version]))
        first = corner + draw(st.integers(0, WINDOW - 1))
        last = draw(st.integers(first, corner + WINDOW - 1))
        sets.append(address_range(dotted(first, version), dotted(last, version)))
        model |= {(version, value) for value in range(first, last + 1)}
    return union(sets), model


def members(addresses: AddressSet) -> set[tuple[int, int]]:
    both = ((4, addresses.v4), (6, addresses.v6))
    return {
        (version, value) for version, intervals in both for low, high in intervals for value in range(low, high + 1)
    }


def well_formed(addresses: AddressSet) -> bool:
    return all(
        low <= high and (i == 0 or intervals[i - 1][1] + 1 < low)
        for intervals in (addresses.v4, addresses.v6)
        for i, (low, high) in enumerate(intervals)
    )


@settings(max_examples=150, deadline=None)
@given(pairs(), pairs())
def test_algebra_is_that_of_sets(left: Pair, right: Pair) -> None:
    (a, x), (b, y) = left, right
    assert members(a) == x
    assert members(a | b) == x | y
    assert members(a & b) == x & y
    assert members(a - b) == x - y
    assert all(well_formed(s) for s in (a, b, a | b, a & b, a - b))
    assert (a == b) == (x == y)
    assert a.covers(b) == (x >= y)
    assert a.is_empty == (not x) == (not a)
    assert a.size(4) == sum(v == 4 for v, _ in x)
    assert a.size(6) == sum(v == 6 for v, _ in x)
    assert hash(a | b) == hash(b | a)


@settings(max_examples=150, deadline=None)
@given(pairs())
def test_what_is_described_can_be_parsed_again(pair: Pair) -> None:
    addresses, model = pair
    assert parse_all(addresses.describe(1000)) == addresses
    assert parse(",".join(addresses.describe(1000)) or "192.0.2.1") == (addresses or parse("192.0.2.1"))
    for version, value in list(model)[:5]:
        assert dotted(value, version) in addresses


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.ip_addresses(), st.ip_addresses(v=6)), st.integers(0, 128))
def test_networks_agree_with_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int
) -> None:
    text = f"{address}/{min(length, address.max_prefixlen)}"
    network = ipaddress.ip_network(text, strict=False)
    expected = (int(network[0]), int(network[-1]))
    address_set = parse(text)
    mapped = address.version == 6 and length >= 96 and address.ipv4_mapped
    if mapped:
        assert address_set.v4 == ((expected[0] & 0xFFFFFFFF, expected[1] & 0xFFFFFFFF),)
    else:
        assert address_set.intervals(address.version) == (expected,)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789abcf.:/-,* %\x00é٣", max_size=24))
def test_any_text_is_a_set_or_a_bad_address(text: str) -> None:
    try:
        addresses = parse(text)
    except BadAddress:
        return
    assert well_formed(addresses)
    assert not addresses.is_empty


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("192.0.2.1", ["192.0.2.1"]),
        (" 192.0.2.1\t", ["192.0.2.1"]),
        ("192.0.2.1/32", ["192.0.2.1"]),
        ("192.0.2.77/24", ["192.0.2.0/24"]),
        ("192.0.2.0/255.255.255.0", ["192.0.2.0/24"]),
        ("192.0.2.1 - 192.0.2.9", ["192.0.2.1-192.0.2.9"]),
        ("192.0.2.0-192.0.2.255", ["192.0.2.0/24"]),
        ("0.0.0.0", ["0.0.0.0"]),
        ("0.0.0.0/0", ["0.0.0.0/0"]),
        ("::/0", ["::/0"]),
        ("*", ["0.0.0.0/0", "::/0"]),
        ("Any", ["0.0.0.0/0", "::/0"]),
        ("2001:DB8::1", ["2001:db8::1"]),
        ("2001:db8::ffff/48", ["2001:db8::/48"]),
        ("::ffff:192.0.2.1", ["192.0.2.1"]),
        ("::ffff:0:0/96", ["0.0.0.0/0"]),
        ("192.0.2.1/32,198.51.100.0/24", ["192.0.2.1", "198.51.100.0/24"]),
    ],
)
def test_spellings(text: str, described: list[str]) -> None:
    assert parse(text).describe(10) == described


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Internet",
        "AzureCloud",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.010",
        "192.0.2.1/33",
        "192.0.2.1/-1",
        "192.0.2.1/",
        "/0",
        "192.0.2.1/255.0.255.0",
        "192.0.2.9-192.0.2.1",
        "192.0.2.1-2001:db8::1",
        "192.0.2.1,",
        "2001:db8::1/129",
        "fe80::1%eth0",
        "١٩٢.0.2.1",
        "192.0.2.1/٣",
        "192.0.2.1\x00",
        "\ud800",
        "x" * 5000,
    ],
)
def test_bad_addresses_say_so_briefly(text: str) -> None:
    with pytest.raises(BadAddress) as caught:
        parse(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [None, 7, ["192.0.2.1"], {"a": 1}, True])
def test_what_is_no_text_is_a_bad_address(value: object) -> None:
    with pytest.raises(BadAddress):
        parse(value)  # type: ignore[arg-type]
    with pytest.raises(BadAddress):
        address_range("192.0.2.1", value)  # type: ignore[arg-type]


def test_two_ranges_are_the_internet() -> None:
    assert parse("0.0.0.0/1") | parse("128.0.0.0/1") == ALL_IPV4
    assert parse("*") == ALL_ADDRESSES == ALL_IPV4 | ALL_IPV6
    assert ALL_ADDRESSES.covers(PUBLIC_IPV6)
    assert NO_ADDRESSES.is_empty


def test_description_says_what_it_left_out() -> None:
    addresses = parse_all(f"192.0.2.{2 * n}" for n in range(5)) | parse("2001:db8::1")
    assert addresses.describe(2) == ["192.0.2.0", "192.0.2.2", "4 more"]
    assert addresses.describe(6)[-1] == "2001:db8::1"


def test_the_sets_are_values() -> None:
    one = parse("192.0.2.0/24")
    with pytest.raises(AttributeError):
        one.v4 = ()  # type: ignore[misc]
    assert {one, parse("192.0.2.0-192.0.2.255")} == {one}


def test_public_space_is_what_the_standard_library_calls_global() -> None:
    for text in ("8.8.8.8", "20.0.0.1", "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255"):
        assert text in PUBLIC_IPV4
        assert ipaddress.ip_address(text).is_global
    for text in ("10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.1.1", "172.16.0.1", "192.168.0.1", "198.19.0.1"):
        assert text in RESERVED_IPV4
        assert not ipaddress.ip_address(text).is_global
    assert PUBLIC_IPV4 | RESERVED_IPV4 == ALL_IPV4
    assert "fd00::1" not in PUBLIC_IPV6
    assert "2a00::1" in PUBLIC_IPV6


def test_documentation_networks_count_as_public() -> None:
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"):
        assert breadth(parse(text)) in ("selected", "wide")


OWN = parse_all(("198.51.100.0/24", "20.0.0.0/8", "2001:db8::/32", "10.0.0.0/8"))


@pytest.mark.parametrize(
    ("rules", "own", "expected"),
    [
        ([], NO_ADDRESSES, "none"),
        (["10.0.0.0/8", "192.168.0.0/16", "fd00::/8"], NO_ADDRESSES, "none"),
        (["10.0.0.0/8"], OWN, "none"),
        (["198.51.100.0/25"], OWN, "own"),
        (["198.51.100.0/25", "192.168.1.0/24"], OWN, "own"),
        (["20.0.0.0/8"], OWN, "own"),
        (["192.0.2.1"], NO_ADDRESSES, "selected"),
        (["192.0.2.1", "198.51.100.7"], OWN, "selected"),
        (["40.0.0.0/16"], NO_ADDRESSES, "selected"),
        (["40.0.0.0/16", "192.0.2.1"], NO_ADDRESSES, "wide"),
        (["40.0.0.0/17", "41.0.0.0/17", "42.0.0.0/17"], NO_ADDRESSES, "wide"),
        (["20.0.0.0/8"], NO_ADDRESSES, "wide"),
        (["20.0.0.0/8", "40.0.0.0/16"], OWN, "selected"),
        (["2a00::/48"], NO_ADDRESSES, "selected"),
        (["2a00::/48", "2a01::1"], NO_ADDRESSES, "wide"),
        (["2001:db8::/32"], OWN, "own"),
        (["0.0.0.0/0"], NO_ADDRESSES, "internet"),
        (["0.0.0.0/1", "128.0.0.0/1"], NO_ADDRESSES, "internet"),
        (["0.0.0.0/1"], NO_ADDRESSES, "internet"),
        (["0.0.0.0/2"], NO_ADDRESSES, "wide"),
        (["::/0"], NO_ADDRESSES, "internet"),
        (["2000::/4"], NO_ADDRESSES, "internet"),
        (["2000::/5"], NO_ADDRESSES, "wide"),
        (["*"], OWN, "internet"),
    ],
)
def test_breadth(rules: list[str], own: AddressSet, expected: str) -> None:
    assert breadth(parse_all(rules), own) == expected


def test_breadth_limits_can_be_set() -> None:
    assert breadth(parse("40.0.0.0/24"), wide_ipv4=255) == "wide"
    assert breadth(parse("40.0.0.0/24"), wide_ipv4=256) == "selected"
    assert breadth(parse("2a00::/40"), wide_ipv6=40) == "selected"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=8), st.data())
def test_more_rules_never_make_a_narrower_endpoint(networks: list[tuple[int, int]], data: st.DataObject) -> None:
    order = ("none", "own", "selected", "wide", "internet")
    texts = [f"{dotted(value, 4)}/{length}" for value, length in networks]
    fewer = texts[: data.draw(st.integers(0, len(texts)))]
    assert order.index(breadth(parse_all(fewer), OWN)) <= order.index(breadth(parse_all(texts), OWN))


def test_twice_as_many_networks_are_twice_the_work() -> None:
    texts = [f"{20 + n % 50}.{n % 251}.{n // 7 % 256}.0/{20 + n % 13}" for n in range(1000)]
    parse_all(texts)  # what is remembered from one parse to the next is there
    assert calls(lambda: parse_all(texts)) < 3 * calls(lambda: parse_all(texts[::2]))
