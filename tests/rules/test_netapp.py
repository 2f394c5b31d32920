"""The fix of an open export policy names the rules that are open, by their places."""

from copy import deepcopy
from typing import Any

import pytest

from tests.rules import examples
from tests.rules.simulate import fix_of, fixed


def export_rule(clients: str, writes: bool = True) -> dict[str, Any]:
    return {"allowedClients": clients, "nfsv3": True, "unixReadOnly": False, "unixReadWrite": writes}


@pytest.mark.parametrize(
    ("rules", "positions"),
    [
        ([export_rule("0.0.0.0/0")], [0]),
        ([export_rule("10.0.0.0/24"), export_rule("0.0.0.0/0")], [1]),
        ([export_rule("0.0.0.0/0"), export_rule("10.0.0.0/24"), export_rule("*")], [0, 2]),
        ([export_rule("0.0.0.0/0", writes=False), export_rule("0.0.0.0/0")], [1]),
    ],
)
def test_the_fix_names_the_open_rules(rules: list[dict[str, Any]], positions: list[int]) -> None:
    case = deepcopy(next(each for each in examples.cases() if each.name.startswith("a volume as Azure makes it")))
    case.children["capacityPools/pool/volumes/data"]["properties"]["exportPolicy"]["rules"] = rules
    (result,) = (each for each in fixed(case) if each.finding.rule == "netapp-volume-open-export")
    (step,) = fix_of(result).steps
    assert (
        " ".join(f"properties.exportPolicy.rules[{position}].allowedClients=<YOUR_RANGE>" for position in positions)
        in step
    )
    assert step.count("allowedClients=") == len(positions)
