"""No rule looks at a path that the pinned api-version does not return: `tests/rules/paths.toml` lists what it does."""

import pytest

from scanner.rulebook.pinned_paths import pattern
from tests.rules import pinned

PINS = {pin.name: pin for pin in pinned.pins()}


@pytest.mark.parametrize("read", sorted(pinned.looked_at()))
def test_rules_look_only_at_what_is_returned(read: str) -> None:
    seen = pinned.looked_at()[read]
    assert {path: case for path, case in seen.items() if not pinned.known(read, path)} == {}


@pytest.mark.parametrize("read", sorted(pinned.pinned()))
def test_the_list_is_of_the_version_that_is_read(read: str) -> None:
    assert read in PINS
    assert pinned.pinned()[read]["api"] == PINS[read].api
    assert pinned.pinned()[read]["source"]


def test_a_path_stands_for_what_leads_to_it() -> None:
    path = pattern("properties.list[].*.value")
    for text in (
        "properties",
        "properties.list",
        "properties.list[]",
        "properties.list[].*",
        "properties.list[].a.value",
    ):
        assert path.fullmatch(text), text
    for text in ("property", "properties.lists", "properties.list[].a.values", "properties.list.value"):
        assert not path.fullmatch(text), text
