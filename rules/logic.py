"""Logic Apps (Consumption): the triggers that a call can start, and the inputs and outputs of runs."""

from collections.abc import Iterator
from typing import Any

from scanner.model.exposure import IDENTITY, Auth, Exposure, Lock, grant, possible
from scanner.model.fix import Cause, Edit
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_one, known_text, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_returned,
    unknown,
    unknown_value,
)
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .common import host, when_started
from .reasons import FROM_TEMPLATE, NO_CUSTOMER_KEY, NO_OTHER_LOCATION

TRIGGERS = "properties.definition.triggers"
CONTROL = "properties.accessControl"
SAS = f"{CONTROL}.triggers.sasAuthenticationPolicy.state"
NO_SIGNATURES = Message(
    "Add an authorization policy with issuer and audience (Logic app > Settings > Authorization), move the callers to tokens, "
    "and then set accessControl.triggers.sasAuthenticationPolicy.state to Disabled (Development Tools > Logic app code view). "
    "No command: one that writes the workflow back loses its secure parameters, which Azure does not return."
)
POLICIES = f"{CONTROL}.triggers.openAuthenticationPolicies.policies"

# Of a definition, which may hold secrets, only what its triggers are is kept.
WORKFLOW = ResourceType(
    "Microsoft.Logic/workflows",
    api="2019-05-01",
    keep=(
        f"{TRIGGERS}.*.type",
        f"{TRIGGERS}.*.kind",
        f"{TRIGGERS}.*.runtimeConfiguration.secureData.properties[]",
        f"{POLICIES}.*.type",
        f"{POLICIES}.*.claims[].name",
    ),
    product=Message("Logic app"),
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, loss=FROM_TEMPLATE),
)

# logic-apps/logic-apps-workflow-actions-triggers, "Trigger types list": of the first a caller has the URL.
CALLABLE = ("Request", "Manual", "HttpWebhook", "ApiConnectionWebhook")
NOT_CALLABLE = ("Recurrence", "SlidingWindow", "ApiConnection", "Http")
LIST = "allowedCallerIpAddresses"
SOURCE = (
    "logic-apps/logic-apps-securing-a-logic-app: without the list every address may call; an empty one allows calls of other "
    "logic apps alone"
)


def acl(kind: str, empty: Any) -> Firewall:
    """Return the firewall row of a part of the access control; `empty`: what a list without an entry means."""
    return Firewall(
        empty=empty,
        source=SOURCE,
        name=Message("Allowed inbound IP addresses"),
        public="",
        addresses=(RuleList(f"{CONTROL}.{kind}.{LIST}", address="addressRange"),),
        endpoints=None,
    )


ROWS = {kind: {empty: acl(kind, empty) for empty in ("open", "closed")} for kind in ("triggers", "contents")}


def network(workflow: Resource, index: Index, kind: str) -> Lock:
    """Return the network lock of the triggers, or of the contents of runs."""
    gone = is_absent(workflow.get(f"{CONTROL}.{kind}.{LIST}"))
    return firewall(workflow, index, ROWS[kind]["open" if gone else "closed"])


def authentication(workflow: Resource) -> Lock:
    """Return what a caller must present: a signed URL, unless it is switched off, or a token that a policy accepts.

    The switch is newer than the published type. Absent it is on: policies do not switch signatures off.
    """
    value, seen = workflow.get(SAS), workflow.evidence(SAS, "Disabled")
    if same(value, "Disabled"):
        return IDENTITY | grant(Auth.identity, seen)
    if is_absent(value) or same(value, "Enabled"):
        if workflow.why_absent_is_unknown and is_absent(value):
            return possible(Auth.shared, Unread(SAS, workflow.why_absent_is_unknown), seen)
        also = (Evidence(POLICIES, Message("tokens are accepted too")),) if workflow.has(POLICIES) else ()
        effect = (Edit(workflow.id, SAS, "Disabled"),)
        cause = Cause("", SAS, value="Disabled", words=(NO_SIGNATURES,), effect=effect)
        message = Message("accepts every caller that has its signed URL")
        return grant(Auth.shared, seen, *also, description=message, cause=cause, then=IDENTITY)
    return possible(Auth.shared, unknown_value(SAS, value), seen)


def triggers(workflow: Resource) -> dict[str, Any]:
    """Return the triggers by name. Raise Unread where they were not returned."""
    value = workflow.get(TRIGGERS)
    if is_absent(value) and not is_absent(workflow.get("properties.definition")) and not workflow.why_absent_is_unknown:
        return {}
    if not isinstance(value, dict):
        raise not_returned(TRIGGERS, "them")
    return dict(value.items())


def callable_triggers(workflow: Resource, index: Index) -> Iterator[Exposure]:
    try:
        result = triggers(workflow)
    except Unread as missing:
        lock = possible(Auth.shared, missing)
        reach, address = network(workflow, index, "triggers"), host(workflow, "properties.accessEndpoint")
        yield Exposure(
            "trigger/*", "app", reach, lock, display_name=Message("A trigger of the logic app"), address=address
        )
        return
    for name, trigger in result.items():
        kind = get_path(trigger, "type")
        if any(same(kind, each) for each in NOT_CALLABLE):
            continue
        lock = authentication(workflow)
        if not any(same(kind, each) for each in CALLABLE):
            lock = lock.as_possible(
                Unread(f"{TRIGGERS}.{name}.type", Message("it is not known whether a call can start it"))
            )
        address = host(workflow, "properties.accessEndpoint")
        what = Message("The trigger {name}", name=name)
        yield Exposure(
            f"trigger/{name}", "app", network(workflow, index, "triggers"), lock, display_name=what, address=address
        )


LINKS = Message(
    "a link to inputs and outputs is made for every reader of the run, and expires (logic-apps-securing-a-logic-app, run "
    "history)"
)


@WORKFLOW.endpoints(
    Endpoint(
        "contents",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "every call carries a signature or a token",
            "authentication": "a link to inputs and outputs is made for every reader of the run",
        },
    ),
    Endpoint(
        "trigger/*", "app", ports=HTTPS, no_rule={"anonymous-access": "every call carries a signature or a token"}
    ),
)
def endpoints(workflow: Resource, index: Index) -> Iterator[Exposure]:
    state = "properties.state"
    for each in callable_triggers(workflow, index):
        off = same(workflow.get(state), "Disabled") or same(workflow.get(state), "Suspended")
        yield when_started(each, workflow.evidence(state)) if off else each
    yield Exposure(
        "contents",
        "data",
        network(workflow, index, "contents"),
        IDENTITY,
        display_name=Message("The inputs and outputs of runs"),
        address=host(workflow, "properties.accessEndpoint"),
        max_severity=Severity.low,
        justification=LINKS,
    )


def shows_outputs(workflow: Resource, index: Index) -> Verdict:
    """Fail where the run history shows what callers sent to a trigger."""
    kinds = {name: known_text(each, "type") for name, each in triggers(workflow).items()}
    result = {name: each for name, each in triggers(workflow).items() if is_one(kinds[name], CALLABLE)}
    if not result:
        return NotApplicable(Message("no call can start it"))
    path = "runtimeConfiguration.secureData.properties"
    shown = []
    for name, each in result.items():
        value = get_path(each, path)
        if not is_absent(value) and not isinstance(value, list):
            return unknown(unknown_value(f"{TRIGGERS}.{name}.{path}"))
        if is_absent(value) or not any(same(one, "outputs") for one in value):
            shown.append(name)
    seen = Evidence(f"{TRIGGERS}.*.{path}", shown or "outputs", "outputs")
    return Fail((seen,)) if shown else Pass((seen,))
