"""The settings of [residency]: what they allow, and what is wrong with them."""

from datetime import date
from pathlib import Path

import pytest

from scanner.config import toml
from scanner.config.residency import read_residency
from scanner.config.toml import Faults
from scanner.model.residency import PlaceException, ResidencyPolicy, ResidencyScope

TODAY = date(2026, 11, 27)


def read(text: str) -> ResidencyPolicy:
    file = toml.parsed(Path("twolocks.toml"), text)
    residency_policy = read_residency(file, {}, 365, TODAY)
    file.check()
    return residency_policy


def test_all_that_it_can_say() -> None:
    residency_policy = read(
        """
[residency]
allowed = ["Norway East", "norwaywest"]
[[residency.scope]]
subscription = "test-journal"
allowed = "EEA"
[[residency.scope]]
tag = "class = open"
allowed = ["sweden"]
[[residency.exception]]
resource = "*/resourceGroups/rg-kart/*"
allowed = ["westeurope"]
reason = "Until the map moves"
owner = "kart@agency.example"
expires = 2026-11-26
"""
    )
    assert residency_policy.allowed == ("norwayeast", "norwaywest")
    assert residency_policy.scopes == (
        ResidencyScope(("eea",), "the setting residency.scope of test-journal", "test-journal"),
        ResidencyScope(("sweden",), "the setting residency.scope of class = open", "", ("class", "open")),
    )
    past = PlaceException(
        "*/resourceGroups/rg-kart/*", ("westeurope",), "Until the map moves", "kart@agency.example", "2026-11-26", True
    )
    assert residency_policy.exceptions == (past,)
    assert residency_policy.tags == ("class",)


EXCEPTION = (
    '[[residency.exception]]\nresource = "{resource}"\nallowed = "sweden"\nreason = "r"\nowner = "o"\nexpires = {day}\n'
)
FAULTS = {
    '[residency]\nallowed = "norwayeats"\n': ('unknown place "norwayeats"', "twolocks.toml:2", "nearest: norwayeast"),
    "[residency]\nallowed = []\n": ("allowed must be a place or a list of places", "twolocks.toml:2", ""),
    "[residency]\nallowed = 7\n": ("allowed must be a place or a list of places", "twolocks.toml:2", ""),
    '[residency]\nalowed = "eea"\n': ("unknown setting residency.alowed", "twolocks.toml:2", "nearest: allowed"),
    'residency = "eea"\n': ("residency must be a table", "twolocks.toml:1", "write [residency]"),
    '[[residency.scope]]\nallowed = "eea"\n': ("a residency.scope requires subscription or tag", "twolocks.toml:1", ""),
    '[[residency.scope]]\ntag = "x"\nallowed = "eea"\n': ('"x" is not a tag', "twolocks.toml:2", ""),
    '[[residency.scope]]\nsubscription = "x"\n': ("allowed must be a place", "twolocks.toml:1", ""),
    EXCEPTION.format(resource="*", day="2027-01-01"): ("this exception is too broad", "twolocks.toml:2", ""),
    EXCEPTION.format(resource="*/x", day="2029-01-01"): (
        "2029-01-01 is more than 365 days ahead",
        "twolocks.toml:6",
        "",
    ),
    EXCEPTION.format(resource="*/x", day='"soon"'): ('"soon" is not a date', "twolocks.toml:6", ""),
    EXCEPTION.format(resource="*/x", day="2027-01-01").replace("owner", "ownr"): (
        "has no key",
        "twolocks.toml:5",
        "owner",
    ),
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_wrong_is_named_with_its_line(text: str) -> None:
    what, at, do = FAULTS[text]
    with pytest.raises(Faults) as raised:
        read(text)
    input_error = next(each for each in raised.value.all if what in each.what)
    assert input_error.at == at
    assert do in input_error.do
