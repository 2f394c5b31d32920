"""Places of packets, held against sets of integers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.reach.rules.known_ports import BY_POSITION, KNOWN_PORTS, known
from scanner.reach.rules.port_ranges import (
    ALL_PORTS,
    END,
    BadPort,
    Spans,
    cut,
    label,
    merged,
    ports,
    position,
    positions,
    protocols,
    span,
)


def members(spans: Spans) -> set[int]:
    return {at for first, last in spans for at in range(first, last + 1)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", ALL_PORTS),
        (" any ", ALL_PORTS),
        ("22", ((22, 22),)),
        ("22-22", ((22, 22),)),
        (" 20 - 25 ", ((20, 25),)),
        ("0-65535", ALL_PORTS),
        ("22,80-90,85-95", ((22, 22), (80, 95))),
        ("0", ((0, 0),)),
        ("65535", ((65535, 65535),)),
    ],
)
def test_ports_of_a_rule(text: str, expected: Spans) -> None:
    assert ports(text) == expected


@pytest.mark.parametrize(
    "text", ["", "http", "65536", "-1", "25-20", "22-", "-22", "1.5", "٢٢", "22;23", "999999999999", ","]
)
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(BadPort):
        ports(text)


def test_protocols_of_a_rule() -> None:
    assert protocols("TCP") == ("tcp",)
    assert set(protocols("*")) == set(protocols("any")) == {"tcp", "udp", "icmp", "esp", "ah"}
    with pytest.raises(BadPort):
        protocols("sctp")


def test_everything_is_the_whole_line() -> None:
    assert positions(protocols("*"), ALL_PORTS, True) == ((0, END - 1),)
    assert position("ah") == END - 1


def test_a_protocol_without_ports_ignores_those_of_an_allow_only() -> None:
    assert position("icmp") in members(positions(protocols("*"), ports("22"), True))
    assert position("icmp") not in members(positions(protocols("*"), ports("22"), False))
    assert position("icmp") in members(positions(protocols("Icmp"), ALL_PORTS, False))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=8))
def test_merged_holds_the_same_places(pairs: list[tuple[int, int]]) -> None:
    spans = [(first, first + more) for first, more in pairs]
    matches = merged(spans)
    assert members(matches) == members(tuple(spans))
    assert all(one[1] + 1 < two[0] for one, two in pairwise(matches))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, END - 1), st.integers(0, 70000))
def test_cut_and_span_are_each_other_back(first: int, more: int) -> None:
    whole = (first, min(first + more, END - 1))
    assert merged(span(protocol, low, high) for protocol, low, high in cut([whole])) == (whole,)


@pytest.mark.parametrize(
    ("protocol", "first", "last", "expected"),
    [("tcp", 22, 22, "tcp/22"), ("udp", 500, 600, "udp/500-600"), ("*", 0, 65535, "*/*"), ("icmp", 0, 0, "icmp/*")],
)
def test_labels_are_the_endpoints_of_the_design(protocol: str, first: int, last: int, expected: str) -> None:
    assert label(protocol, first, last) == expected


def test_the_table_of_known_ports() -> None:
    assert len(BY_POSITION) == len(KNOWN_PORTS)
    assert [each.position for each in KNOWN_PORTS] == sorted(BY_POSITION)
    assert all(each.name and each.why and not each.why.endswith(".") for each in KNOWN_PORTS)
    assert {each.port for each in KNOWN_PORTS if each.kind == "app"} == {80, 443, 8080, 8443}
    for port in (22, 3389, 5985, 5986, 445, 1433, 3306, 5432, 6379, 27017, 2379, 6443, 10250):
        known_port = known("tcp", port)
        assert known_port is not None
        assert known_port.kind == "admin"
    assert known("tcp", 50001) is None
    assert known("udp", 22) is None
