"""Causes that many resources share: a fix counts every endpoint that it closes elsewhere, and names 200 of them."""

from collections.abc import Sequence
from functools import partial

import msgspec
import pytest

from scanner.document.schema import EndpointRow, FixRow
from scanner.evaluate.shared import SharedCauses
from scanner.fix.rows import MOST_OTHERS
from scanner.model.exposure import ANONYMOUS, EndpointId, Exposure, Reach, grant, replace
from scanner.model.fix import Cause, Fix
from scanner.model.index import Index
from scanner.model.resource import Resource

GROUP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/shared"
RULE = Cause(f"{GROUP}/securityRules/any")
OWN = EndpointRow(GROUP, "own")


def collected(others: int, closes: bool = True) -> SharedCauses:
    """Return the endpoints of so many machines that one rule opens. `closes`: what a trial says of them."""
    shared_causes = SharedCauses()
    reach = grant(Reach.internet)
    reach = replace(reach, grants=(replace(reach.grants[0], cause=RULE),))
    for position in range(others):
        machine = Resource({"id": f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/vm/{position:04}"})
        exposure = Exposure("port/22", "admin", reach, ANONYMOUS)
        shared_causes.add(machine, Index(), [exposure], partial(answered, {exposure.id} if closes else set()))
    return shared_causes


def answered(closed: set[EndpointId], causes: Sequence[Cause]) -> set[EndpointId]:
    """Return what a trial of the rule said."""
    assert causes == [RULE]
    return closed


def filled(shared_causes: SharedCauses, own: int = 0) -> FixRow:
    """Return the fix that removes the rule, as it is written once every endpoint is known."""
    fix = FixRow(also_closes_count=own, also_closes=[OWN] * min(own, MOST_OTHERS), bicep="x")
    marked = shared_causes.marked(fix, Fix(closes=(RULE,)), "/subscriptions/s/resourceGroups/g/providers/a/b/other")
    return msgspec.json.decode(shared_causes.fill(msgspec.json.encode(marked)), type=FixRow)


@pytest.mark.parametrize("own", [0, 1, 199, 200, 201])
@pytest.mark.parametrize("others", [0, 1, 199, 200, 201, 734])
def test_a_fix_counts_every_endpoint_and_names_the_first(others: int, own: int) -> None:
    fix = filled(collected(others), own)
    assert fix.also_closes_count == fix.others == others + own
    assert len(fix.also_closes) == min(MOST_OTHERS, others + own)
    assert fix.bicep == "x"
    shared = [each for each in fix.also_closes if each != OWN]
    assert shared == sorted(shared, key=lambda endpoint: endpoint.resource)
    assert len(shared) == min(others, max(0, MOST_OTHERS - own))


def test_what_a_trial_does_not_close_is_not_counted() -> None:
    fix = filled(collected(3, closes=False), own=1)
    assert (fix.also_closes_count, fix.also_closes) == (1, [OWN])


def test_a_fix_of_nothing_shared_stays() -> None:
    fix = FixRow(also_closes_count=1, also_closes=[OWN])
    assert collected(3).marked(fix, Fix(closes=(Cause(OWN.resource),)), OWN.resource) is fix
