"""What a perimeter elsewhere changes for every type that says which perimeters it has: each cell once, on all of them.

`tests/reach/test_perimeters.py` has every cell of one firewall row.
"""

from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from scanner.model.exposure import Exposure
from scanner.model.resource_type import ResourceType
from scanner.reach.services.perimeters import CONFIGURATIONS
from tests.rules import examples
from tests.rules.examples import OTHER, Case

RULE = {"name": "in", "properties": {"direction": "Inbound", "addressPrefixes": ["40.0.0.0/8"]}}


class Cell(NamedTuple):
    """A switch and the mode of the perimeter ("" where there is none, None where it could not be read)."""

    switch: str
    mode: str | None
    rules: list[dict[str, Any]]
    reach: str
    status: str


CELLS = {
    "Disabled, a perimeter that learns allows a broad range": Cell("Disabled", "Learning", [RULE], "wide", "fail"),
    "Disabled, one that is enforced allows no one": Cell("Disabled", "Enforced", [], "none", "pass"),
    "Disabled, not read": Cell("Disabled", None, [], "unknown, may internet", "unknown"),
    "secured, a perimeter that learns allows a broad range": Cell(
        "SecuredByPerimeter", "Learning", [RULE], "wide", "fail"
    ),
    "secured by none": Cell("SecuredByPerimeter", "", [], "none", "pass"),
    "secured, not read": Cell("SecuredByPerimeter", None, [], "unknown, may internet", "unknown"),
}

OFF = {"Microsoft.Storage/storageAccounts": {"web", "sftp", "nfs"}}
"""Endpoints that are off in the healthy resource of a type."""


def kinds() -> dict[str, ResourceType]:
    """Return the types that say which perimeters they have."""
    reads = [(kind, read) for kind in examples.rules().kinds for read in kind.children if read.path == CONFIGURATIONS]
    return {type: kind for kind, read in reads for type in read.tops}


def switched(body: dict[str, Any], value: str) -> dict[str, Any]:
    """Return a body with another value of each public switch that it has."""
    properties = body.get("properties", {})
    names = [each for each in properties if each.startswith("publicNetworkAccess")]
    return {**body, "properties": properties | dict.fromkeys(names, value)}


def case_of(type: str, cell: Cell) -> Case:
    healthy = examples.healthy(type)
    children = {path: switched(child, cell.switch) for path, child in healthy.children.items()}
    if cell.mode:
        perimeter = f"/subscriptions/{OTHER}/resourceGroups/rg/providers/Microsoft.Network/networkSecurityPerimeters/p"
        children[f"{CONFIGURATIONS}/one"] = {
            "properties": {
                "networkSecurityPerimeter": {"id": perimeter},
                "resourceAssociation": {"accessMode": cell.mode},
                "profile": {"accessRules": cell.rules},
            }
        }
    gaps = [CONFIGURATIONS] if cell.mode is None else []
    return replace(healthy, body=switched(healthy.body, cell.switch), children=children, gaps=gaps)


LEARNING = {"Learning": "fail", "Enforced": "pass", "": "not-applicable", None: "unknown"}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("type", kinds())
def test_a_perimeter_elsewhere_decides_as_the_row_says(type: str, cell: str) -> None:
    kind, wanted = kinds()[type], CELLS[cell]
    statuses, exposures = examples.judge(case_of(type, wanted))
    left = {name: each for name, each in exposures.items() if name not in OFF.get(type, ())}
    assert left
    assert {name: lock(each) for name, each in left.items()} == dict.fromkeys(left, wanted.reach)
    of_network = [each for each in examples.rules().rules_of(kind) if each.lock and each.category == "network"]
    asked = {rule.id for rule in of_network if set(rule.endpoints) & set(left)}
    assert asked
    assert {id: statuses[id] for id in asked} == dict.fromkeys(asked, wanted.status)
    assert statuses.get("perimeter-learning-mode") in (None, LEARNING[wanted.mode])


def lock(exposure: Exposure) -> str:
    """Return the proven reach of an endpoint, and the reach that data that was not read may add."""
    reach, possible = exposure.proven_reach, exposure.possible_reach
    text = "unknown" if reach is None else reach.name
    return text if possible is None else f"{text}, may {possible.name}"
