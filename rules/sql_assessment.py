"""Vulnerability assessment of SQL servers and Synapse workspaces: express and classic configuration. Costly."""

from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    not_returned_or_unknown,
    unknown,
)

from . import synapse
from .sql import SERVER
from .tables.sql_audit import ACCOUNTS

EXPRESS = SERVER.child("sqlVulnerabilityAssessments", costly=True)
CLASSIC = SERVER.child("vulnerabilityAssessments", costly=True)
OF_SYNAPSE = synapse.WORKSPACE.child("vulnerabilityAssessments", costly=True)
STATE = "properties.state"
RECURRING = "properties.recurringScans.isEnabled"
CONTAINER = "properties.storageContainerPath"


def not_assessed(server: Resource, index: Index) -> Verdict:
    """Fail where neither configuration scans the databases of a server each week."""
    express, classic = server.children(EXPRESS), server.children(CLASSIC)
    states = [each.get(STATE) for each in express]
    seen = Evidence(f"{EXPRESS.path}[].{STATE}", states, "Enabled")
    if any(same(each, "Enabled") for each in states):
        return Pass((seen,))
    verdict = _classic(list(classic), index)
    if isinstance(verdict, Pass):
        return verdict
    for children in (express, classic):
        if children.gap is not None:
            return unknown(children.gap, evidence=(seen, *verdict.evidence))
    if not all(same(each, "Disabled") for each in states):
        return unknown(not_returned_or_unknown(seen.path), evidence=(seen, *verdict.evidence))
    return Fail((seen, *verdict.evidence), verdict.message) if isinstance(verdict, Fail) else verdict


def workspace_not_assessed(workspace: Resource, index: Index) -> Verdict:
    """Fail where the dedicated SQL pools of a workspace are not scanned each week. There is no express configuration."""
    pools, classic = workspace.children(synapse.POOLS), workspace.children(OF_SYNAPSE)
    if not list(pools) and pools.gap is None:
        return NotApplicable(Message("it has no dedicated SQL pool"))
    verdict = _classic(list(classic), index)
    if not isinstance(verdict, Pass) and classic.gap is not None:
        return unknown(classic.gap, evidence=verdict.evidence)
    return unknown(pools.gap, evidence=verdict.evidence) if isinstance(verdict, Fail) and pools.gap else verdict


def _classic(settings: list[Resource], index: Index) -> Pass | Fail | Unknown:
    """Return whether a classic configuration scans each week, and the account that gets its results exists."""
    recurring = [each.get(RECURRING) for each in settings]
    seen = Evidence(f"{CLASSIC.path}[].{RECURRING}", recurring, True)
    gone: list[Evidence] = []
    doubt: Unread | None = None
    for each in settings:
        if not same(each.get(RECURRING), True):
            continue
        try:
            if _has_container(each, index):
                return Pass((seen,))
            gone.append(
                Evidence(f"{CLASSIC.path}[].{CONTAINER}", each.get(CONTAINER), Message("an account that exists"))
            )
        except Unread as unread:
            doubt = unread.with_traceback(None)
    if doubt is not None:
        return unknown(doubt, evidence=(seen,))
    if gone:
        return Fail((seen, *gone), Message("The storage account of the scans no longer exists."))
    if not all(same(each, False) for each in recurring):
        return unknown(not_returned_or_unknown(seen.path), evidence=(seen,))
    return Fail((seen,))


def _has_container(setting: Resource, index: Index) -> bool:
    """Return whether the storage account of a classic configuration exists. Raises Unread where that is not known.

    Azure may leave its path out (recorded answers have it, examples of azure-rest-api-specs do not).
    """
    value = setting.get(CONTAINER)
    if is_absent(value):
        return True
    name = value.partition("://")[2].partition(".")[0] if isinstance(value, str) else ""
    if not name:
        raise not_returned_or_unknown(f"{CLASSIC.path}[].{CONTAINER}")
    return index.exists_by_name(ACCOUNTS, name)
