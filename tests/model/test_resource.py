"""Ids, paths and records: whatever their case, and with what is missing kept apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.ids import root_of, segments, subscription_of, type_of
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Bundle, Resource
from scanner.model.verdict import ABSENT, Unread

ACCOUNT = "/subscriptions/S/resourceGroups/rg-A/providers/Microsoft.Storage/storageAccounts/st"
words = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("id", "type", "root"),
    [
        (ACCOUNT, "Microsoft.Storage/storageAccounts", ACCOUNT),
        (f"{ACCOUNT}/blobServices/default", "Microsoft.Storage/storageAccounts/blobServices", ACCOUNT),
        (
            f"{ACCOUNT}/blobServices/default/containers/c",
            "Microsoft.Storage/storageAccounts/blobServices/containers",
            ACCOUNT,
        ),
        (
            "/subscriptions/S/resourceGroups/g/providers/Microsoft.Web/sites/a/slots/b/config/web",
            "Microsoft.Web/sites/slots/config",
            "/subscriptions/S/resourceGroups/g/providers/Microsoft.Web/sites/a/slots/b",
        ),
        (
            "/subscriptions/S/resourceGroups/g/providers/Microsoft.Web/sites/a/slots",
            "Microsoft.Web/sites/slots",
            "/subscriptions/S/resourceGroups/g/providers/Microsoft.Web/sites/a",
        ),
        ("/subscriptions/S/providers/Microsoft.Storage/storageAccounts", "Microsoft.Storage/storageAccounts", ""),
        ("/subscriptions/S/resourceGroups/g", "", ""),
        ("/subscriptions/S", "", ""),
        ("", "", ""),
    ],
)
def test_type_and_bundle_follow_from_the_id(id: str, type: str, root: str) -> None:
    assert type_of(id) == type
    assert root_of(id) == root.lower()


@given(st.lists(words, min_size=1, max_size=4), words, st.randoms())
def test_ids_compare_without_case_and_empty_segments(names: list[str], leaf: str, random: object) -> None:
    id = f"/subscriptions/{names[0]}/resourceGroups/{leaf}/providers/Microsoft.X/things/{names[-1]}"
    odd = id.upper().replace("/PROVIDERS", "//providers") + "/"
    assert segments(id) == segments(odd)
    assert root_of(id) == root_of(odd)
    assert subscription_of(id) == subscription_of(odd)
    assert Resource({"id": id}).key == Resource({"ID": odd}).key


@given(st.lists(words.map(str.lower), min_size=1, max_size=4), st.integers())
def test_a_path_finds_its_value_whatever_the_case(path: list[str], value: int) -> None:
    body: object = value
    for step in reversed(path):
        body = {step.upper(): body}
    assert get_path(body, ".".join(path)) == value
    assert get_path(body, ".".join([*path, "more"])) is MISSING


def test_null_absent_and_empty_are_three_things() -> None:
    resource = Resource({"id": ACCOUNT, "properties": {"null": None, "empty": []}})
    assert resource.get("properties.null") is None
    assert resource.get("properties.absent") is MISSING
    assert resource.get("properties.empty") == []
    assert resource.evidence("properties.null").value is None
    assert resource.evidence("properties.absent").value == ABSENT
    assert not resource.has("properties.null")
    assert resource.has("properties.empty")


@pytest.mark.parametrize("path", ["properties.null", "properties.absent", "properties.null.below"])
def test_a_value_that_was_not_returned_is_unread(path: str) -> None:
    with pytest.raises(Unread):
        Resource({"id": ACCOUNT, "properties": {"null": None}}).require(path)


@pytest.mark.parametrize(
    ("seen", "known", "equal"),
    [
        ("Enabled", "enabled", True),
        ("true", True, True),
        (False, "False", True),
        ("yes", True, False),
        (1, True, False),
        (None, False, False),
        (0, False, False),
        (1, 1, True),
    ],
)
def test_values_compare_as_azure_spells_them(seen: object, known: object, equal: bool) -> None:
    assert same(seen, known) is equal


def test_of_one_id_the_richer_record_stays() -> None:
    bundle = Bundle(ACCOUNT.lower())
    for by, mark in (("list", 1), ("graph", 2), ("get", 3), ("list", 4)):
        bundle.add(Resource({"id": ACCOUNT.upper() if mark == 2 else ACCOUNT, "mark": mark}, by=by, bundle=bundle))  # type: ignore[arg-type]
    assert bundle.top is not None
    assert bundle.top.get("mark") == 3
    assert len(bundle.below[bundle.top.list_key]) == 1


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": 7}, {"id": "7e000000-0000-4000-8000-000000000001"}])
def test_a_body_without_a_usable_id_does_no_harm(body: dict[str, object]) -> None:
    resource = Resource(body)
    assert resource.type == ""
    assert resource.subscription == ""
    assert resource.location == ""
