"""Lists that say too little of their rows: each row is read by itself too."""

from scanner.collect.collector import Plan
from scanner.model.index import Index
from scanner.model.resource import Bundle, Gap, Resource
from scanner.model.resource_type import ResourceType
from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import ResponseOverrides
from tests.azure.requests import box, child, resource, scanned
from tests.rules import examples

SITES = ResourceType("Microsoft.Web/sites", api="2025-03-01")
WORKFLOWS = SITES.child("workflows", each=True)
KEPT = {WORKFLOWS.type: ["properties.flowState"]}
SITE = resource("Microsoft.Web/sites", "app", kind="functionapp,workflowapp")
ROWS = [child(SITE, f"workflows/{name}", flowState="Enabled", secret="s") for name in ("one", "two")]
IDS = [str(row["id"]) for row in ROWS]


def test_each_row_is_read_by_itself_and_cut() -> None:
    running = box([SITE, *ROWS], overrides=ResponseOverrides(without_properties=tuple(IDS)))
    result = scanned(running, plan=Plan([SITES], [WORKFLOWS]), kept=KEPT)
    assert [result.by[id] for id in IDS] == ["get", "get"]
    assert result.resources[IDS[0]]["properties"] == {"flowState": "Enabled"}
    assert result.reads[f"{SITE['id']}/workflows"] == 2
    assert not result.gaps


def test_a_row_that_cannot_be_read_stays_as_the_list_had_it() -> None:
    running = box([SITE, *ROWS], faults=[Fault("refuse", IDS[0])])
    result = scanned(running, plan=Plan([SITES], [WORKFLOWS]), kept=KEPT)
    assert [result.by[id] for id in IDS] == ["graph", "get"]
    assert result.resources[IDS[0]]["properties"] == {"flowState": "Enabled"}
    assert (result.gaps[IDS[0]]["status"], result.gaps[IDS[0]]["action"]) == (403, "Microsoft.Web/sites/workflows/read")


def test_a_workflow_that_was_refused_names_its_own_gap() -> None:
    bundle = Bundle(str(SITE["id"]))
    site, workflow = Resource(SITE, bundle=bundle), Resource({"id": IDS[0], "properties": {}}, bundle=bundle)
    for each in (site, workflow):
        bundle.add(each)
    bundle.reads[f"{site.key}/workflows"] = 1
    bundle.gaps[workflow.key] = Gap(IDS[0], 403, "AuthorizationFailed", "Microsoft.Web/sites/workflows/read")
    comparison_of = examples.kinds_of(SITES.type)[0].endpoint_function
    assert comparison_of is not None
    trigger = next(each for each in comparison_of(site, Index()) if each.endpoint == "trigger/one")
    assert [possible.missing.gap for possible in trigger.authentication.possible_grants] == [IDS[0]]
