"""What is allowed for a resource, and the verdict on each place that it names."""

from typing import Any

import pytest

from scanner.evaluate.places import accept_place
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.places import PlaceFinder
from scanner.model.regions import TABLE, area_of, of_arm
from scanner.model.residency import PlaceException, Residency, ResidencyPolicy, ResidencyScope
from scanner.model.resource import Resource
from scanner.model.verdict import Fail, Pass, Unknown, Unread

GROUP = "/subscriptions/s1/resourceGroups/RG-data"
REGION = PlaceFinder(kind="region", what=Message("region"))
PAIR = PlaceFinder(kind="pair", what=Message("replica"))


def account(region: str, **more: Any) -> Resource:
    body = {"id": f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st", "location": region, "properties": {"a": 1}}
    return Resource({**body, **more}, by="get")


def index(*allowed: str, **more: Any) -> Index:
    result = Index()
    policy = more.pop("policy", None) or ResidencyPolicy(allowed)
    result.residency = Residency(policy, groups={GROUP.lower(): "norwayeast"}, names={"s1": "journal"}, **more)
    return result


def verdict(region: str, *allowed: str, finder: PlaceFinder = REGION, **more: Any) -> str:
    matches = finder.judge(account(region), index(*allowed, **more))[1]
    return ", ".join(f"{each.verdict} {each.area}" for each in matches)


def test_without_a_setting_the_geography_of_the_resource_group_counts() -> None:
    assert verdict("norwaywest") == "stays eea"
    assert verdict("swedencentral") == "may-leave eea"
    result = REGION.check(account("swedencentral"), index())
    assert isinstance(result, Fail)
    assert "the geography of the resource group, whose region is norwayeast" in result.message
    assert result.evidence[0].value == "swedencentral"


def test_a_group_that_was_not_read_makes_it_unknown() -> None:
    result = REGION.check(account("norwayeast"), Index())
    assert isinstance(result, Unknown)
    refused = Unread("the region of the resource group", Message("403"), f"{GROUP}")
    other = Index()
    other.residency = Residency(unread={"s1": refused})
    result = REGION.check(account("norwayeast"), other)
    assert isinstance(result, Unknown)
    assert result.gaps == (GROUP,)


@pytest.mark.parametrize("region", [name for name, each in TABLE.items() if each.area == "eea"])
def test_the_eea_has_each_of_its_regions_and_their_pairs(region: str) -> None:
    assert verdict(region, "eea") == "stays eea"
    assert verdict(region, "eea", finder=PAIR) in ("stays eea", "")


@pytest.mark.parametrize("region", ["switzerlandnorth", "switzerlandwest", "uksouth", "ukwest"])
def test_switzerland_and_the_united_kingdom_are_outside_of_the_eea(region: str) -> None:
    assert verdict(region, "eea") == "may-leave adequacy"


def test_an_unknown_region_is_never_inside() -> None:
    assert verdict("atlantiscentral", "eea") == "unknown unknown"
    assert verdict("", "eea") == "unknown unknown"
    assert verdict("atlantiscentral", "eea", finder=PAIR) == "unknown unknown"
    assert area_of("Atlantis") == "third"


def test_global_is_everywhere() -> None:
    assert verdict("global", "eea") == "may-leave worldwide"


def test_the_only_pairs_that_leave_their_geography() -> None:
    leaving = {each.name for each in TABLE.values() if each.pair and TABLE[each.pair].geography != each.geography}
    assert leaving == {"brazilsouth"}
    assert {each.pair for each in TABLE.values()} - {""} <= TABLE.keys()


def test_arms_list_of_regions_comes_first() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "finlandcentral", "metadata": {"geography": "Finland", "pairedRegion": [{"name": "swedensouth"}]}},
        {"name": "europe", "metadata": {"geography": "Europe", "regionType": "Logical"}},
        {"name": "nowhere", "metadata": {}},
        {"name": ["x"], "metadata": {"geography": "Norway"}},
        {"name": "broken", "metadata": "x"},
        {"name": "pairs", "metadata": {"geography": "Norway", "pairedRegion": "x"}},
    ]
    result = of_arm(rows)
    assert {name: (each.area, each.pair) for name, each in result.items()} == {
        "finlandcentral": ("eea", "swedensouth"),
        "pairs": ("eea", ""),
    }
    assert verdict("finlandcentral", "eea", regions={**TABLE, **result}) == "stays eea"


def test_a_region_whose_pair_azure_did_not_return_is_that_of_the_table_or_unknown() -> None:
    """An absent list of pairs is not an empty one: a replica there would end in silence."""
    rows = [
        {"name": name, "metadata": {"geography": "Europe", "regionType": "Physical", **more}}
        for name, more in (("westeurope", {}), ("newland", {}), ("oldland", {"pairedRegion": None}))
    ]
    result = of_arm(rows)
    pairs = {name: (each.pair, each.is_pair_known) for name, each in result.items()}
    assert pairs == {"westeurope": ("northeurope", True), "newland": ("", False), "oldland": ("", False)}
    unknown = PAIR.check(account("newland"), index("norway", regions={**TABLE, **result}))
    assert isinstance(unknown, Unknown)


def test_an_accepted_place_does_not_hide_one_that_is_unknown() -> None:
    live = PlaceException("*", ("sweden",), "moved in May", "drift", "2027-01-01")
    finder = PlaceFinder(kind="listed", what=Message("regions"), path="properties.regions[].name")
    both = account("norwayeast", properties={"regions": [{"name": "swedencentral"}, {"name": "nowhere"}]})
    policy = ResidencyPolicy(("norway",), exceptions=(live,))
    assert isinstance(finder.check(both, index(policy=policy)), Unknown)
    one = account("norwayeast", properties={"regions": [{"name": "swedencentral"}]})
    result = finder.check(one, index(policy=policy))
    assert isinstance(result, Fail)
    assert result.accepted is not None


def test_scopes_come_before_the_setting_for_all() -> None:
    policy = ResidencyPolicy(
        ("norway",),
        (
            ResidencyScope(("sweden",), "by tag", tag=("Class", "open")),
            ResidencyScope(("germany",), "by subscription", subscription="JOURNAL"),
        ),
    )
    tagged = account("swedencentral", tags={"class": "Open"})
    assert isinstance(REGION.check(tagged, index(policy=policy)), Pass)
    assert isinstance(REGION.check(account("swedencentral"), index(policy=policy)), Fail)
    assert isinstance(REGION.check(account("germanynorth"), index(policy=policy)), Pass)


def test_an_exception_accepts_its_places_until_it_expires() -> None:
    live = PlaceException("*/STORAGEaccounts/st", ("sweden",), "moved in May", "drift", "2027-01-01")
    result = REGION.check(account("swedencentral"), index(policy=ResidencyPolicy(("norway",), (), (live,))))
    assert isinstance(result, Fail)
    assert result.accepted == live.accepted
    other = REGION.check(account("eastus"), index(policy=ResidencyPolicy(("norway",), (), (live,))))
    assert isinstance(other, Fail)
    assert other.accepted is None
    past = live._replace(expired=True)
    result = REGION.check(account("swedencentral"), index(policy=ResidencyPolicy(("norway",), (), (past,))))
    assert isinstance(result, Fail)
    assert (result.accepted, result.lapsed) == (None, past.accepted)


def test_an_expired_exception_is_named_after_one_space() -> None:
    past = PlaceException("*", ("sweden",), "moved in May", "drift", "2026-01-01", expired=True)
    result = REGION.check(account("swedencentral"), index(policy=ResidencyPolicy(("norway",), (), (past,))))
    assert isinstance(result, Fail)
    accepted = accept_place(result)
    assert accepted is not None
    assert accepted.message == "The exception of drift expired on 2026-01-01."


@pytest.mark.parametrize("finder", [REGION, PAIR])
def test_a_region_that_is_not_known_is_cut(finder: PlaceFinder) -> None:
    result = finder.check(account("x" * 5000), index("norway"))
    assert isinstance(result, Unknown)
    assert len(result.why) < 200
    other = Index(residency=Residency(groups={GROUP.lower(): "x" * 5000}))
    assert "unknown region" in (why := str(finder.judge(account("norwayeast"), other)[1][0].missing))
    assert len(why) < 200


def test_a_data_zone_is_wider_than_a_country_and_its_extent_is_not_known() -> None:
    finder = PlaceFinder(
        kind="processing", what=Message("processing"), path="sku.name", on=("Global",), zones=("Zone",)
    )
    deployment = account("norwayeast", sku={"name": "Zone"})
    assert isinstance(finder.check(deployment, index("norway")), Fail)
    assert isinstance(finder.check(deployment, index("eea")), Unknown)


@pytest.mark.parametrize(
    ("region", "allowed", "expected"),
    [
        ("swedencentral", "eea", Pass),
        ("swedencentral", "sweden", Fail),
        ("westeurope", "eea", Pass),
        ("norwayeast", "eea", Unknown),
        ("uksouth", "eea", Unknown),
        ("uksouth", "united kingdom", Fail),
        ("eastus", "eea", Fail),
        ("eastus", "united states", Pass),
        ("japaneast", "united states", Unknown),
    ],
)
def test_a_data_zone_is_that_of_the_union_or_of_the_united_states(region: str, allowed: str, expected: type) -> None:
    finder = PlaceFinder(
        kind="processing", what=Message("processing"), path="sku.name", on=("Global",), zones=("Zone",)
    )
    assert isinstance(finder.check(account(region, sku={"name": "Zone"}), index(allowed)), expected)


COPY = PlaceFinder(
    kind="pair",
    what=Message("copy of the backups"),
    path="properties.stores[].type",
    also=("properties.restore",),
    off=("Local", "Disabled"),
    on=("Geo", "Enabled"),
)


@pytest.mark.parametrize(
    ("stores", "restore", "expected"),
    [
        ([{"type": "Local"}], {}, "Pass"),
        ([{"type": "Local"}], {"restore": "Disabled"}, "Pass"),
        ([{"type": "Local"}, {"type": "Geo"}], {}, "Fail"),
        ([{"type": "Local"}], {"restore": "Enabled"}, "Fail"),
        ([{"type": "Strange"}, {"type": "Geo"}], {}, "Fail"),
        ([{"type": "Local"}, {"type": None}], {}, "Unknown"),
        ([{"type": "Local"}, "no object"], {}, "Unknown"),
        ([{"type": "Local"}], {"restore": "Strange"}, "Unknown"),
    ],
)
def test_each_store_and_switch_says_whether_there_is_a_copy(
    stores: list[Any], restore: dict[str, str], expected: str
) -> None:
    vault = account("northeurope", properties={"stores": stores, **restore})
    assert type(COPY.check(vault, index("ireland", "norway"))).__name__ == expected


def test_a_copy_that_stays_does_not_hide_a_store_that_is_unknown() -> None:
    vault = account("norwayeast", properties={"stores": [{"type": "Geo"}, {"type": "Strange"}]})
    assert isinstance(COPY.check(vault, index("norway")), Unknown)


def test_no_store_at_all_is_unknown() -> None:
    with pytest.raises(Unread):
        COPY.check(account("norwayeast", properties={"stores": []}), index("norway"))
