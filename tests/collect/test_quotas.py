"""Reading quotas from a sandbox: which regions, how many requests, and what is refused."""

from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from scanner.collect.collector import Plan, Scope
from scanner.collect.quotas import APIS, MOST_REGIONS, NO_REGION, PARTIALLY_VISIBLE, TOO_MANY
from scanner.errors import InputError
from scanner.model.ids import QUOTA_TYPES
from scanner.model.residency import ResidencyPolicy, ResidencyScope
from scanner.sandbox.errors import VersionRefusal
from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import Refusal, RoleGrant
from scanner.sandbox.server import Sandbox
from scanner.snapshot.files import read
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.azure.requests import PLAN, S1, S2, STORAGE, Result, account, box, resource, scanned

PROVIDERS = ("Microsoft.Compute", "Microsoft.Network")


def plan(policy: ResidencyPolicy | None = None) -> Plan:
    return replace(PLAN, quotas=policy or ResidencyPolicy())


def usages(region: str, provider: str = PROVIDERS[0], subscription: str = S1) -> str:
    return f"/subscriptions/{subscription}/providers/{provider}/locations/{region}/usages"


def quota(region: str, name: str, used: Any, limit: Any, provider: str = PROVIDERS[0]) -> dict[str, Any]:
    id = f"{usages(region, provider)}/{name}"
    return {"id": id, "name": {"value": name, "localizedValue": name.upper()}, "currentValue": used, "limit": limit}


def stores(*regions: str, subscription: str = S1) -> list[dict[str, Any]]:
    type = "Microsoft.Storage/storageAccounts"
    return [resource(type, f"st{at}", subscription=subscription, location=region) for at, region in enumerate(regions)]


def asked(running: Sandbox) -> list[str]:
    return sorted(each.path for each in running.requests if each.path.endswith("/usages"))


def of(result: Result, path: str) -> dict[str, tuple[Any, Any]]:
    rows = result.resources[path]["properties"]["quotas"]
    return {each["name"]: (each["used"], each["limit"]) for each in rows}


def test_the_regions_with_resources_are_read_once_whatever_the_number_of_resources() -> None:
    running = box([*stores(*["norwayeast"] * 30, "West Europe", "global", "../../x")])
    scanned(running, plan=plan())
    assert asked(running) == sorted(
        usages(region, each) for region in ("norwayeast", "westeurope") for each in PROVIDERS
    )


def test_a_region_has_each_quota_that_some_region_uses() -> None:
    rows = [quota("norwayeast", "cores", 4, 10), quota("norwayeast", "gpu", 0, 0), quota("westeurope", "cores", 0, 2)]
    result = scanned(box([*stores("norwayeast", "westeurope"), *rows]), plan=plan())
    assert of(result, usages("norwayeast")) == {"cores": (4, 10)}
    assert of(result, usages("westeurope")) == {"cores": (0, 2)}
    assert result.reads[usages("norwayeast")] == 1, "the quotas of a region are one resource of a snapshot"


def test_the_settings_say_which_regions_matter() -> None:
    policy = ResidencyPolicy(("westeurope",), (ResidencyScope(("norway",), "setting", subscription="prod"),))
    running = box([*stores("eastus"), *stores("eastus", subscription=S2)])
    scanned(running, plan=plan(policy))
    wanted = [usages(region, each) for region in ("norwayeast", "norwaywest") for each in PROVIDERS]
    assert asked(running) == sorted([*wanted, *(usages("westeurope", each, S2) for each in PROVIDERS)])


def test_few_regions_are_read_and_the_others_are_named() -> None:
    regions = [f"region{at:02}" for at in range(MOST_REGIONS + 3)]
    running = box(stores(*regions, *regions[3:]))
    result = scanned(running, plan=plan())
    assert len(asked(running)) == MOST_REGIONS * len(PROVIDERS)
    skipped = {path for path, why in result.skips.items() if why == TOO_MANY}
    assert skipped == {usages(region, each) for region in regions[:3] for each in PROVIDERS}


def test_quotas_are_read_beside_what_lies_below_resources() -> None:
    running = box(stores(*["norwayeast"] * 100))
    scanned(running, plan=plan())
    paths = [each.path for each in running.requests]
    assert max(map(paths.index, asked(running))) < len(paths) - 30, "they took a round trip of their own at the end"


def test_a_refused_list_is_a_gap_with_its_action_and_the_rest_is_read() -> None:
    rows = [quota("norwayeast", "cores", 4, 10)]
    refused = Refusal(path=usages("westeurope"))
    result = scanned(box([*stores("norwayeast", "westeurope"), *rows], refusals=[refused]), plan=plan())
    gaps = {path: gap["action"] for path, gap in result.gaps.items() if path.endswith("/usages")}
    assert gaps == {usages("westeurope"): "Microsoft.Compute/locations/usages/read"}
    assert usages("westeurope") not in result.resources
    assert of(result, usages("norwayeast")) == {"cores": (4, 10)}


def test_a_provider_that_is_not_registered_is_no_gap() -> None:
    running = box(stores("norwayeast"), unregistered={S1: ["Microsoft.Compute"], S2: []})
    result = scanned(running, plan=plan())
    assert not any(path.endswith("/usages") for path in result.gaps)
    assert result.skips[usages("norwayeast")] == "Microsoft.Compute is not registered in the subscription"


def test_what_is_visible_in_part_or_empty_is_not_read() -> None:
    grants = [RoleGrant(f"/subscriptions/{S1}/resourceGroups/rg-a"), RoleGrant(f"/subscriptions/{S2}")]
    running = box(account("st0"), grants=grants)
    result = scanned(running, plan=plan())
    assert asked(running) == []
    paths = {each: f"/subscriptions/{each}/providers/Microsoft.Compute/locations" for each in (S1, S2)}
    assert {result.skips[paths[S1]], result.skips[paths[S2]]} == {PARTIALLY_VISIBLE, NO_REGION}


def test_parts_of_subscriptions_and_plans_without_quotas_read_none() -> None:
    for scope, wanted in ((Scope(groups=("rg-a",)), plan()), (None, Plan((STORAGE,), []))):
        running = box(account("st0"))
        scanned(running, scope, plan=wanted)
        assert asked(running) == []


def test_a_snapshot_without_the_quotas_that_a_list_counted_is_refused(tmp_path: Path) -> None:
    made, path = Store(Header(taken="2026-11-25T00:00:00Z")), tmp_path / "snapshot.jsonl"
    made.scope(S1, "prod", "t", "full")
    made.read(usages("norwayeast"), 1, "list")
    made.write(path)
    with pytest.raises(InputError, match="the list counts 1 resources, the snapshot holds 0"):
        list(read(path).bundles())


@pytest.mark.parametrize("refusal", get_args(VersionRefusal))
def test_a_version_that_is_not_served_is_read_at_an_older_one_and_is_not_a_region_without_the_provider(
    refusal: VersionRefusal,
) -> None:
    path, type = usages("norwayeast"), QUOTA_TYPES[0]
    rows = [quota("norwayeast", "cores", 4, 10)]
    older = box([*stores("norwayeast"), *rows], api_versions={type: ["2024-07-01"]}, version_refusal=refusal)
    result = scanned(older, plan=plan())
    assert of(result, path) == {"cores": (4, 10)}
    assert result.by[path] == "older"
    none = box([*stores("norwayeast"), *rows], api_versions={type: ["2099-01-01"]}, version_refusal=refusal)
    result = scanned(none, plan=plan())
    assert (path in result.gaps, path in result.skips) == (True, False)


def test_a_region_without_the_provider_is_no_gap() -> None:
    path = usages("norwayeast")
    text = (
        f"No registered resource provider found. The supported api-versions are '2024-07-01, {APIS[QUOTA_TYPES[0]]}'."
    )
    fault = Fault("status", path, status=400, code="NoRegisteredProviderFound", message=text)
    result = scanned(box(stores("norwayeast"), faults=[fault]), plan=plan())
    assert path not in result.gaps
    assert result.skips[path] == "Microsoft.Compute is not offered in the region"
