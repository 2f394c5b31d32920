"""Azure Monitor private link scopes: whether their networks reach Azure Monitor outside the scope."""

from collections.abc import Iterator
from typing import Any

from scanner.model.fix import Cause, Edit, changed
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same, spelled
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    unknown,
    unknown_value,
)
from scanner.reach.services.private_link_scopes import SCOPES

from .reasons import FROM_TEMPLATE, NO_CALLER_LOG

SCOPE = ResourceType(
    SCOPES,
    api="2021-09-01",
    product=Message("Monitor private link scope"),
    no_rule=NoRule(data="it is a way to workspaces, whose region is evaluated", log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
SETTINGS = "properties.accessModeSettings"
EXCLUSIONS = f"{SETTINGS}.exclusions"
CONNECTION = "privateEndpointConnectionName"
OPEN, CLOSED = "Open", "PrivateOnly"
CLOSE_EXCLUSION = Message(
    "In the private link scope, open Access modes and set the private endpoint connection to Private Only."
)


def open_ingestion(scope: Resource, index: Index) -> Verdict:
    """Fail where ingestion from the networks of a scope reaches resources outside the scope."""
    return _open(scope, "ingestionAccessMode")


def open_query(scope: Resource, index: Index) -> Verdict:
    """Fail where queries from the networks of a scope reach resources outside the scope."""
    return _open(scope, "queryAccessMode")


def _open(scope: Resource, name: str) -> Verdict:
    """Fail where a mode is Open, by itself or for a private endpoint that is excluded from it.

    An absent mode counts as Open: azure-mgmt-monitor AccessModeSettings.
    """
    modes = list(_modes(scope, name))
    causes = tuple(cause for value, _, cause in modes if is_absent(value) or same(value, OPEN))
    if causes:
        return Fail(tuple(seen for value, seen, _ in modes if is_absent(value) or same(value, OPEN)), causes=causes)
    strange = next((seen for value, seen, _ in modes if not same(value, CLOSED)), None)
    if strange is not None:
        return unknown(unknown_value(strange.path, strange.value))
    return Pass(tuple(seen for _, seen, _ in modes))


def _modes(scope: Resource, name: str) -> Iterator[tuple[Any, Evidence, Cause]]:
    """Yield each mode of a kind with its evidence, and the cause that PrivateOnly fixes. Raises Unread."""
    path = f"{SETTINGS}.{name}"
    value = scope.get(path)
    if is_absent(value) and scope.why_absent_is_unknown:
        raise Unread(path, scope.why_absent_is_unknown)
    yield value, scope.evidence(path, CLOSED), Cause(scope.id, path, value=CLOSED)
    if is_absent(scope.get(EXCLUSIONS)) and scope.api_version_unknown:
        raise absent_at_unknown_version(EXCLUSIONS)
    for position, each in enumerate(scope.objects(EXCLUSIONS)):
        mode = get_path(each, name)
        if not is_absent(mode):  # The endpoint then has the mode of the scope.
            effect = (Edit(scope.id, EXCLUSIONS, changed(each, Edit(scope.id, name, CLOSED)), each),)
            cause = Cause(scope.id, EXCLUSIONS, each, position=position, words=(CLOSE_EXCLUSION,), effect=effect)
            yield mode, Evidence(f"{EXCLUSIONS}[{spelled(get_path(each, CONNECTION))}].{name}", mode, CLOSED), cause
