"""Sets of senders, held against sets of single senders: every address with every set of tags that it may bear."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model.addresses import AddressSet, parse, parse_all
from scanner.reach.rules.source_sets import (
    INSIDE_SOURCES,
    NO_SOURCES,
    OUTSIDE_SOURCES,
    SourceSet,
    SourceTerm,
    source_set,
    sources_from_addresses,
    tag_name,
)

ADDRESSES = ("20.0.0.1", "20.0.0.2", "203.0.113.1", "2603::1")
TAGS = ("AzureCloud", "AzureCloud.norwayeast", "Storage")
BORNE = list(chain.from_iterable(combinations(TAGS, count) for count in range(3)))
Sender = tuple[str, tuple[str, ...]]


def members(who: SourceSet) -> set[Sender]:
    return {(each, tags) for each in ADDRESSES for tags in BORNE if who.holds(parse(each), *tags)}


@st.composite
def sets(draw: st.DrawFn) -> SourceSet:
    terms = []
    for _ in range(draw(st.integers(0, 3))):
        texts = draw(st.lists(st.sampled_from((*ADDRESSES, "0.0.0.0/0", "::/0")), min_size=1, max_size=3))
        names = st.frozensets(st.sampled_from(TAGS), max_size=2)
        terms.append(SourceTerm(parse_all(texts), draw(names), draw(names)))
    return source_set(terms)


@settings(max_examples=150, deadline=None)
@given(sets(), sets())
def test_algebra_is_that_of_sets(one: SourceSet, two: SourceSet) -> None:
    assert members(one & two) == members(one) & members(two)
    assert members(one | two) == members(one) | members(two)
    assert one & one == one
    assert one | one == one
    assert (one or NO_SOURCES) | NO_SOURCES == one
    assert not one & NO_SOURCES


@settings(max_examples=50, deadline=None)
@given(sets())
def test_ip_versions_part_a_set(who: SourceSet) -> None:
    assert members(who.of(4)) | members(who.of(6)) == members(who)
    assert not members(who.of(4)) & members(who.of(6))


def test_a_term_that_excludes_what_it_asks_for_is_empty() -> None:
    assert SourceTerm(parse("*"), frozenset({"Storage.norwayeast"}), frozenset({"Storage"})).is_empty
    assert not SourceTerm(parse("*"), frozenset({"Storage"}), frozenset({"Storage.norwayeast"})).is_empty
    assert SourceTerm(AddressSet()).is_empty


def test_the_whole_internet() -> None:
    assert OUTSIDE_SOURCES.holds(parse("8.8.8.8"), "AzureCloud.norwayeast")
    assert OUTSIDE_SOURCES.holds(parse("2603::1"))
    assert not OUTSIDE_SOURCES.holds(parse("10.0.0.4"))
    assert INSIDE_SOURCES.holds(parse("10.0.0.4"))
    assert sources_from_addresses(AddressSet()) is NO_SOURCES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INTERNET", "Internet"),
        ("VIRTUAL_NETWORK", "VirtualNetwork"),
        ("azure_loadbalancer", "AzureLoadBalancer"),
        ("storage.NorwayEast", "Storage.norwayeast"),
        ("AzureFrontDoor.BACKEND", "AzureFrontDoor.Backend"),
        ("FooService", "fooservice"),
    ],
)
def test_a_tag_has_one_spelling(text: str, expected: str) -> None:
    assert tag_name(text) == tag_name(text.lower()) == expected


def test_what_is_named_can_be_asked_for() -> None:
    who = source_set(
        [SourceTerm(parse("20.0.0.0/8")), SourceTerm(parse("*"), frozenset({"Storage", "GatewayManager"}))]
    )
    assert who.addresses == parse("20.0.0.0/8")
    assert who.tags == ("GatewayManager", "Storage")
    assert source_set([SourceTerm(parse("*"), frozenset(), frozenset({"AzureCloud"}))]).without == ("AzureCloud",)
