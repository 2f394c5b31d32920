"""Rows of Resource Graph that stand for a list: no verdict differs from that on the rows of the list itself."""

from collections import Counter
from typing import Any

from scanner.collect.bulk import is_whole
from scanner.evaluate.examples import evaluation, worst_statuses
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import Read
from tests.rules import examples
from tests.rules.examples import Case
from tests.rules.test_needed import cases_of, matches

Json = dict[str, Any]

WHOLE: dict[str, Json] = {
    "Microsoft.Sql/servers/databases": {
        "location": "norwayeast",
        "sku": {"tier": "GeneralPurpose"},
        "properties": {"requestedBackupStorageRedundancy": "Geo", "zoneRedundant": False},
    },
    "Microsoft.DataProtection/backupVaults/backupInstances": {
        "properties": {
            "currentProtectionState": "ProtectionStopped",
            "dataSourceInfo": {"datasourceType": "Microsoft.Compute/disks", "resourceID": "/subscriptions/s"},
            "policyInfo": {
                "policyId": "/subscriptions/s",
                "policyParameters": {"backupDatasourceParametersList": [{"containersList": ["c"]}]},
            },
        }
    },
}
"""What Azure returns of each, where examples leave it out."""

WITHOUT_RULES = ("Microsoft.Compute/capacityReservationGroups/capacityReservations",)


def filled(given: Json, usual: Json) -> Json:
    """Return a body with the usual values of what it lacks."""
    both = {**usual, **given}
    return {
        name: filled(value, usual[name]) if isinstance(value, dict) and isinstance(usual.get(name), dict) else value
        for name, value in both.items()
    }


def rows_of(made: Bundle, read: Read) -> list[Resource]:
    types = {each.lower() for each in read.types}
    return [each for each in made.resources.values() if each.type.lower() in types and matches(read, each)]


def bundle(case: Case, read: Read, *, graph: bool) -> Bundle | None:
    """Return the bundle of an example with whole rows, as a list or as Resource Graph shows them; None without any."""
    made = examples.bundle(case)
    rows = rows_of(made, read)
    for each in rows:
        each.body = filled(each.body, WHOLE.get(read.type, {}))
        if graph:
            each.by, each.api = "graph", None
    return made if rows and read.graph is not None and all(is_whole(each, read.graph) for each in rows) else None


def test_a_row_that_takes_the_place_of_a_list_gives_the_same_verdicts() -> None:
    reads = [read for kind in examples.rules().kinds for read in kind.children if read.graph is not None]
    different, compared = {}, Counter[str]()
    for read in (each for each in reads if each.graph is not None and each.graph.holds is not None):
        for case in (case for type in read.resource_type.types for case in cases_of()[type.lower()]):
            listed, shown = bundle(case, read, graph=False), bundle(case, read, graph=True)
            if listed is None or shown is None or case.by not in ("get", "list"):
                continue
            compared[read.type] += 1
            before = worst_statuses(evaluation(case, examples.rules()), listed)
            after = worst_statuses(evaluation(case, examples.rules()), shown)
            if changed := {each for each in before | after if before.get(each) != after.get(each)}:
                different[f"{read.type}: {case.id}"] = changed
    assert different == {}
    left = {each.type for each in reads if each.graph is not None and each.graph.holds is not None} - compared.keys()
    assert left == set(WITHOUT_RULES)
