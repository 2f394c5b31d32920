"""No rule looks at a path that the pinned api-version does not return: see `tests/rules/pinned.py`."""

import pytest

from scanner.rulebook.pinned_paths import pattern
from tests.rules import pinned, sdk_paths

PINS = {pin.name: pin for pin in pinned.pins()}


def test_rules_look_only_at_what_is_returned() -> None:
    unknown = [
        (read, path, where)
        for read, seen in sorted(pinned.read_paths().items())
        for path, where in seen.items()
        if not pinned.known(read, path)
    ]
    assert unknown == [], "in no model: run `make paths`, correct the path, or list it by hand with its source"


def test_the_pinned_paths_are_those_of_the_models() -> None:
    assert pinned.SDK_PATHS.read_text("utf-8") == sdk_paths.written(), "run `make paths`"


@pytest.mark.parametrize("read", sorted({*pinned.by_hand(), *pinned.of_sdks()}))
def test_the_list_is_of_the_version_that_is_read(read: str) -> None:
    assert read in PINS
    for entry in (pinned.by_hand().get(read), pinned.of_sdks().get(read)):
        if entry is not None:
            assert entry["source"]
            assert PINS[read].api in entry.get("api", entry["source"])


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
    assert all(
        pattern("properties.rule.**").fullmatch(text) for text in ("properties.rule", "properties.rule.if.not[].in")
    )
    assert not pattern("properties.rule.**").fullmatch("properties.rules")
