"""Quotas, reservations and control planes as rows: what is left, what has no limit, and what is not known."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.document.capacity_rows import QuotaRow, ReservationRow, SpreadRow
from scanner.document.schema import TypeRow
from scanner.evaluate.capacity import MOST, NEAR, NO_LIMIT, CapacityLedger, control_planes, quota, quotas
from scanner.evaluate.frameworks import Tally
from scanner.rulebook.loader import RuleSet, load
from scanner.snapshot.bundles import Snapshot, of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store

ONE, TWO = "5a000000-0000-4000-8000-000000000001", "5a000000-0000-4000-8000-000000000002"
OWN = QuotaRow(subscription=ONE, region="norwayeast", provider="Microsoft.Compute")
GROUP = f"/subscriptions/{ONE}/resourceGroups/rg/providers/Microsoft.Compute/capacityReservationGroups/crg"
GROUPS = f"/subscriptions/{ONE}/providers/Microsoft.Compute/capacityReservationGroups"


def usages(region: str, provider: str = "Microsoft.Compute", subscription: str = ONE) -> str:
    return f"/subscriptions/{subscription}/providers/{provider}/locations/{region}/usages"


def store(views: tuple[str, ...] = ("full",)) -> Store:
    made = Store(Header(taken="2026-11-25T00:00:00Z", kept=None))
    for id, view in zip((ONE, TWO), views, strict=False):
        made.scope(id, id, "t", view)
    return made


def listed(made: Store, path: str, *rows: dict[str, Any]) -> None:
    made.resource({"id": path, "properties": {"quotas": list(rows)}}, "2025-11-01", "list")
    made.read(path, len(rows), "list")


def snapshot(made: Store) -> Snapshot:
    result = of_store(made)
    result.load()
    return result


def row(**values: Any) -> dict[str, Any]:
    return {"name": "cores", "label": "Total Regional vCPUs", **values}


@given(used=st.integers(0, MOST), limit=st.integers(0, NO_LIMIT - 1))
def test_what_is_left_is_the_limit_less_what_is_used_and_never_negative(used: int, limit: int) -> None:
    quota_row = quota(row(used=used, limit=limit), OWN)
    assert quota_row.left == max(0, limit - used)
    assert quota_row.share is not None
    assert 0 <= quota_row.share <= 100
    assert (quota_row.state == "full") == (used >= limit)
    assert (quota_row.state == "near") == (used < limit and 100 * (limit - used) <= NEAR * limit)
    assert quota_row.why == ""


@given(
    used=st.none() | st.booleans() | st.floats() | st.text() | st.integers(max_value=-1) | st.integers(MOST + 1),
    limit=st.integers(0, NO_LIMIT - 1),
)
def test_a_usage_that_is_no_number_is_never_headroom(used: object, limit: int) -> None:
    quota_row = quota(row(used=used, limit=limit), OWN)
    assert (quota_row.state, quota_row.left, quota_row.share) == ("unknown", None, None)
    assert quota_row.why


@given(limit=st.none() | st.booleans() | st.floats() | st.text() | st.integers(max_value=-2) | st.lists(st.integers()))
def test_a_limit_that_is_no_number_is_never_headroom(limit: object) -> None:
    quota_row = quota(row(used=1, limit=limit), OWN)
    assert (quota_row.state, quota_row.limit, quota_row.left) == ("unknown", None, None)


@given(limit=st.just(-1) | st.integers(NO_LIMIT))
def test_no_limit_is_said_as_such(limit: int) -> None:
    quota_row = quota(row(used=7, limit=limit), OWN)
    assert (quota_row.state, quota_row.used, quota_row.limit, quota_row.left) == ("unlimited", 7, None, None)


@given(
    body=st.recursive(
        st.none() | st.integers() | st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)
    )
)
def test_a_row_of_any_shape_is_not_known(body: object) -> None:
    quota_row = quota(body, OWN)
    assert quota_row.state == "unknown"
    assert quota_row.quota


def test_a_refused_list_is_not_known_and_watchers_are_full_by_design() -> None:
    made = store()
    listed(made, usages("norwayeast"), row(used=94, limit=100), row(name="NetworkWatchers", used=1, limit=1))
    made.gap(usages("westeurope"), 403, "AuthorizationFailed", "Microsoft.Compute/locations/usages/read")
    result = {(each.region, each.quota): each for each in quotas(snapshot(made))}
    assert set(result) == {("norwayeast", "cores"), ("westeurope", "")}
    assert result["norwayeast", "cores"].left == 6
    assert result["westeurope", ""].state == "unknown"
    assert "403" in result["westeurope", ""].why


def test_one_row_says_that_both_lists_of_a_region_were_not_read() -> None:
    made = store()
    for provider in ("Microsoft.Compute", "Microsoft.Network"):
        made.skip(usages("uksouth", provider), "not read")
    quota_rows = list(quotas(snapshot(made)))
    assert [(each.region, each.provider, each.why) for each in quota_rows] == [("uksouth", "", "not read")]


def test_an_empty_list_and_a_subscription_without_lists_are_not_known() -> None:
    made = store(("full", "partial"))
    listed(made, usages("norwayeast"))
    result = {each.subscription: each for each in quotas(snapshot(made))}
    assert result[ONE].state == result[TWO].state == "unknown"
    assert result[TWO].why == "the subscription is visible in part"
    assert [each.why for each in quotas(snapshot(store()))] == ["not collected"]


def reservations(made: Store) -> list[ReservationRow]:
    taken = snapshot(made)
    ledger = CapacityLedger(taken, RuleSet())
    for bundle in taken.bundles():
        ledger.add(bundle)
    rows = ledger.rows(Tally(), ())
    return [each for each in rows if isinstance(each, ReservationRow)]


@pytest.mark.parametrize(
    ("machines", "used", "left", "state"),
    [([], 0, 4, "room"), ([{}] * 4, 4, 0, "full"), ([{}] * 6, 6, 0, "full"), (None, None, None, "unknown")],
)
def test_a_reservation(machines: list[Any] | None, used: int | None, left: int | None, state: str) -> None:
    made = store()
    made.resource({"id": GROUP, "location": "norwayeast"}, "2025-11-01", "list")
    properties = {} if machines is None else {"virtualMachinesAssociated": machines}
    body = {"id": f"{GROUP}/capacityReservations/one", "location": "norwayeast", "zones": ["1"]}
    made.resource({**body, "sku": {"name": "D4", "capacity": 4}, "properties": properties}, "2025-11-01", "list")
    made.read(f"{GROUP}/capacityReservations", 1, "list")
    made.read(GROUPS, 1, "list")
    (reservation_row,) = reservations(made)
    assert (reservation_row.sku, reservation_row.zones, reservation_row.reserved, reservation_row.used) == (
        "D4",
        ["1"],
        4,
        used,
    )
    assert (reservation_row.left, reservation_row.state) == (left, state)


def test_reservations_that_were_refused_are_not_known() -> None:
    made = store()
    made.gap(GROUPS, 403, "AuthorizationFailed", "")
    assert [(each.state, each.resource) for each in reservations(made)] == [("unknown", f"/subscriptions/{ONE}")]
    made = store()
    made.resource({"id": GROUP, "location": "norwayeast"}, "2025-11-01", "list")
    made.gap(f"{GROUP}/capacityReservations", 403, "AuthorizationFailed", "")
    made.read(GROUPS, 1, "list")
    assert [(each.state, each.resource) for each in reservations(made)] == [("unknown", GROUP)]
    assert [each.why for each in reservations(store())] == ["not collected"]


def test_a_rule_on_many_types_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(
        """
[my-single-zone]
title = "{product} is in one zone"
pass_title = "Zones"
category = "recovery"
severity = "low"
types = ["keyvault.VAULT", "machines.MACHINE"]
check = { path = "zones", good = ["many"], bad = ["one"] }
why = "w"
fix = { steps = ["s"], impact = "i" }
""",
        "utf-8",
    )
    rules = load([tmp_path], packages=False)
    rules.select(["my-single-zone"])
    counted = Tally({"my-single-zone": Counter({"fail": 2, "pass": 1})})
    rows = [each for each in CapacityLedger(snapshot(store()), rules).rows(counted, ()) if isinstance(each, SpreadRow)]
    expected = SpreadRow(
        rule="my-single-zone", title="Resource is in one zone", over="zones", single=2, spread=1, unknown=0
    )
    assert rows == [expected]


def test_only_control_planes_of_the_estate_are_named() -> None:
    def names(*types: TypeRow) -> dict[str, tuple[int | None, bool]]:
        return {each.id: (each.resources, each.complete) for each in control_planes(types)}

    def type_row(type: str, resources: int, complete: bool = True) -> TypeRow:
        return TypeRow(type=type, resources=resources, judged=True, complete=complete)

    assert names() == {}
    store_row = type_row("Microsoft.Storage/storageAccounts", 3)
    always = {"resource-manager": (None, True), "entra-id": (None, True)}
    assert names(store_row) == always
    both = (type_row("microsoft.cdn/profiles", 2), type_row("Microsoft.Network/frontDoors", 1))
    assert names(store_row, *both) == {**always, "front-door": (3, True)}
    refused = type_row("Microsoft.Network/trafficManagerProfiles", 0, complete=False)
    assert names(store_row, refused) == {**always, "traffic-manager": (0, False)}
