"""Ids, paths and bodies as hostile as they come: what is asked for stays where it belongs."""

from typing import Any
from urllib.parse import urlsplit

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.collect.bodies import (
    allows,
    display_name,
    has_usable_id,
    list_path,
    quoted_path,
    roles,
    with_child_id,
)
from scanner.model.ids import segments

SUBSCRIPTION = "aaaaaaaa-0000-0000-0000-000000000001"
LIST = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st/things"
TEXT = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    ["..", "../..", ".", "/", "", f"{LIST}/a", f"{LIST.upper()}/B", f"{LIST}/..", "a?b#c", "a b", "%2e%2e", "a/b"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
MANY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROWS = st.fixed_dictionaries({}, optional={"id": JSON, "name": JSON, "properties": JSON})


@given(ROWS)
@MANY
def test_a_child_always_lies_below_its_list(row: dict[str, Any]) -> None:
    id = with_child_id(row, LIST)["id"]
    assert segments(id)[:-1] == segments(LIST)
    assert not {".", ".."} & set(id.split("/"))


def test_a_child_that_is_called_as_a_folder_is_not_one() -> None:
    assert [with_child_id({"id": name}, LIST)["id"] for name in (".", "..", "a/.")] == [f"{LIST}/-"] * 3


def test_policies_of_two_management_groups_with_one_name_are_two() -> None:
    url = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments"
    groups = "/providers/Microsoft.Management/managementGroups"
    above = (f"{groups}/{group}/providers/Microsoft.Authorization/policyAssignments/regions" for group in ("a", "b"))
    rows = [{"id": f"{url}/regions"}, *({"id": id, "name": "regions"} for id in above)]
    assert [with_child_id(row, url)["id"] for row in rows] == [
        f"{url}/{name}" for name in ("regions", "a:regions", "b:regions")
    ]


def test_exemptions_stay_where_they_are_set() -> None:
    url = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/policyExemptions"
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
    tail = "providers/Microsoft.Authorization/policyExemptions/one"
    below = [f"{group}/{tail}", f"{group}/providers/Microsoft.Compute/virtualMachines/vm/{tail}"]
    above = f"/providers/Microsoft.Management/managementGroups/a/{tail}"
    rows = [{"id": id, "name": "one"} for id in (*below, above)]
    assert [with_child_id(row, url)["id"] for row in rows] == [*below, f"{url}/a:one"]


@given(ROWS)
@MANY
def test_a_usable_row_is_in_its_subscription(row: dict[str, Any]) -> None:
    if has_usable_id(row, SUBSCRIPTION):
        assert segments(row["id"])[:2] == ("subscriptions", SUBSCRIPTION)
        assert not {".", ".."} & set(row["id"].split("/"))


@given(TEXT)
@MANY
def test_a_path_stays_one_path(text: str) -> None:
    url = f"https://host{quoted_path(text)}?api-version=1"
    split = urlsplit(url)
    assert (split.hostname, split.query, split.fragment) == ("host", "api-version=1", "")
    assert "//" not in split.path


def test_paths_of_lists() -> None:
    assert list_path("s", "Microsoft.Web/sites") == "/subscriptions/s/providers/Microsoft.Web/sites"
    assert list_path("s", "A/b", "g") == "/subscriptions/s/resourceGroups/g/providers/A/b"


def test_words_for_people() -> None:
    assert display_name("blobServices/default/containers") == "containers"
    assert display_name("blobServices/default") == "blob services default"
    assert display_name("config/web") == "config web"
    assert display_name("storageAccounts") == "storage accounts"


def test_roles() -> None:
    reader: tuple[list[str], list[str]] = (["*/read"], [])
    assert allows(reader, "Microsoft.Web/sites/config/read")
    assert not allows(reader, "Microsoft.Web/sites/write")
    assert not allows((["*"], ["Microsoft.Web/*"]), "microsoft.web/sites/read")
    assert not allows(([], []), "Microsoft.Web/sites/read")


def test_in_a_role_only_stars_are_wild() -> None:
    action = "Microsoft.Web/sites/config/read"
    assert allows((["microsoft.WEB/*/READ"], []), action)
    assert allows((["*"], ["Microsoft.Web/sites/config/rea?", "Microsoft.[W]eb/*"]), action)
    for pattern in ("Microsoft.Web/sites/config/rea?", "Microsoft.[W]eb/*", "Microsoft.Web/sites", "read", ""):
        assert not allows(([pattern], []), action)
    assert not allows((["*a*" * 40 + "!"], []), "a" * 200)


def test_a_role_that_takes_back_what_cannot_be_read_allows_nothing() -> None:
    unread: tuple[Any, ...] = ("Microsoft.Web/*", [1], {})
    rows: list[dict[str, Any]] = [{"actions": ["*/read"], "notActions": each} for each in unread]
    assert roles([*rows, {"actions": "*/read", "notActions": []}]) == [([], [])]
    assert roles([{"actions": ["*/read", 7], "notActions": None}]) == [(["*/read"], [])]
