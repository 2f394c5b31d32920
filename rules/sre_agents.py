"""Azure SRE agents: programs that sign in to the estate, and may change it without asking."""

from collections.abc import Iterator

from scanner.model.checks import is_one
from scanner.model.exposure import IDENTITY, Exposure, Reach, grant
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.model.verdict import Evidence, Fail, Pass, Verdict, unknown, unknown_value

from .common import host

AGENT = ResourceType("Microsoft.App/agents", api="2026-01-01")
MODE = "properties.actionConfiguration.mode"
ACCESS = "properties.actionConfiguration.accessLevel"
NO_NETWORK = (
    "no setting of an agent limits the networks that reach it (Microsoft.App 2026-01-01), and every call carries a token of "
    "Microsoft Entra ID (sre-agent/api-reference), so there is nothing left to fix"
)
OPEN = Evidence("network", "no setting of the agent limits it", None)


@AGENT.endpoints(admin=("agent",))
def endpoints(agent: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "agent",
        "admin",
        grant(Reach.internet, OPEN),
        IDENTITY,
        display_name="The SRE agent",
        address=host(agent, "properties.agentEndpoint"),
        counts_as_closed_up_to=Reach.internet,
        justification=NO_NETWORK,
    )


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
