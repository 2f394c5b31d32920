"""Vulnerability assessment of SQL servers: express and classic configuration. Costly: two lists for each server."""

from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, Pass, Verdict, not_returned_or_unknown, unknown

from .sql import SERVER

EXPRESS = SERVER.child("sqlVulnerabilityAssessments", costly=True)
CLASSIC = SERVER.child("vulnerabilityAssessments", costly=True)
STATE = "properties.state"
RECURRING = "properties.recurringScans.isEnabled"


def not_assessed(server: Resource, index: Index) -> Verdict:
    """Fail where neither configuration scans the databases of a server each week."""
    express, classic = server.children(EXPRESS), server.children(CLASSIC)
    states = [each.get(STATE) for each in express]
    recurring = [each.get(RECURRING) for each in classic]
    seen = (
        Evidence(f"{EXPRESS.path}[].{STATE}", states, "Enabled"),
        Evidence(f"{CLASSIC.path}[].{RECURRING}", recurring, True),
    )
    if any(same(each, "Enabled") for each in states):
        return Pass(seen[:1])
    if any(same(each, True) for each in recurring):
        return Pass(seen[1:])
    for found in (express, classic):
        if found.gap is not None:
            return unknown(found.gap, evidence=seen)
    if not all(same(each, "Disabled") for each in states):
        return unknown(not_returned_or_unknown(seen[0].path), evidence=seen)
    if not all(same(each, False) for each in recurring):
        return unknown(not_returned_or_unknown(seen[1].path), evidence=seen)
    return Fail(seen)
