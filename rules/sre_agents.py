"""Azure SRE agents: programs that sign in to the estate, and may change it without asking."""

from collections.abc import Iterator

from scanner.model.checks import is_one
from scanner.model.exposure import IDENTITY, Exposure, Hop, Reach, grant, replace
from scanner.model.fix import Fix
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import Evidence, Fail, Pass, Verdict, unknown, unknown_value
from scanner.reach.rules.sources import source_hop

from .common import host, unless_running
from .reasons import FROM_TEMPLATE, NO_CALLER_LOG, NO_CUSTOMER_KEY

AGENT = ResourceType(
    "Microsoft.App/agents",
    api="2026-01-01",
    product=Message("SRE agent"),
    unread={
        "connectors": "Endpoints and keys of tools, in a form of their own for each kind.",
    },
    no_rule=NoRule(
        copy="what it sends to its model provider is no property",
        key=NO_CUSTOMER_KEY,
        log=NO_CALLER_LOG,
        loss=FROM_TEMPLATE,
    ),
)
MODE = "properties.actionConfiguration.mode"
ACCESS = "properties.actionConfiguration.accessLevel"
NO_NETWORK = Message(
    "an agent has no network setting (Microsoft.App 2026-01-01), and every call carries a token of Microsoft Entra ID "
    "(sre-agent/api-reference): what a stolen one reaches is what the roles of its owner allow"
)
OPEN = Evidence("network", Message("no setting of the agent limits it"), None)
ROLES = Message(
    "Keep the roles on the agent to those who need it, and its run mode at Review: an agent has no network settings"
)


@AGENT.endpoints(
    Endpoint("agent", "admin", ports=HTTPS, no_rule="every call carries a token of Microsoft Entra ID"),
)
def endpoints(agent: Resource, index: Index) -> Iterator[Exposure]:
    hop = Hop("switch", Message("Public network access"), Message("an agent has no network settings"), allows=True)
    open_ = grant(Reach.internet, OPEN)
    made = Exposure(
        "agent",
        "admin",
        replace(open_, hops=(source_hop(open_), hop)),
        IDENTITY,
        display_name=Message("The SRE agent"),
        address=host(agent, "properties.agentEndpoint"),
        max_severity=Severity.low,
        justification=NO_NETWORK,
        fixes={"network": Fix(steps=(ROLES,), tier=True)},
    )
    yield unless_running(made, agent, "properties.powerState")


def acts_alone(agent: Resource, index: Index) -> Verdict:
    """Fail where an agent with wide rights changes resources without approval.

    sre-agent/run-modes: Review, the default, asks first. sre-agent/agent-managed-identity: a reader asks for rights when it
    needs them.
    """
    mode, seen = agent.require(MODE), agent.evidence(MODE, "Review")
    if is_one(mode, ("Review", "ReadOnly")):
        return Pass((seen,))
    if not same(mode, "Autonomous"):
        return unknown(unknown_value(MODE, mode))
    level = agent.require(ACCESS)
    if same(level, "High"):
        return Fail((seen, agent.evidence(ACCESS, "Low")))
    return Pass((seen, agent.evidence(ACCESS))) if same(level, "Low") else unknown(unknown_value(ACCESS, level))
