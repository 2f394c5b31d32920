"""Azure Synapse Analytics: the two SQL endpoints and the development endpoint of a workspace, and its SQL pools."""

from collections.abc import Iterator

from scanner.model.bulk_reads import GraphRows
from scanner.model.exposure import IDENTITY, Auth, Exposure, Lock, Switch, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import same, text_at
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.model.verdict import unknown_value
from scanner.reach.firewall import Firewall, RuleList, firewall

from .common import child_evidence, host

WORKSPACE = ResourceType("Microsoft.Synapse/workspaces", api="2021-06-01")
ONLY = "properties.azureADOnlyAuthentication"


def rules_count(workspace: Resource) -> bool:
    """Return whether firewall rules may allow callers: public network access is not Disabled."""
    return not same(workspace.get("properties.publicNetworkAccess"), "Disabled")


FIREWALL = WORKSPACE.child("firewallRules", when=rules_count)
ENTRA_ONLY = WORKSPACE.child("azureADOnlyAuthentications", when=lambda workspace: not workspace.has(ONLY))
AUDITING = WORKSPACE.child("auditingSettings/default", one=True)
POOLS = WORKSPACE.child("sqlPools", graph=GraphRows(tracked=True, holds=()))
ENCRYPTION = POOLS.child("transparentDataEncryption/current", one=True)
ACL = Firewall(
    empty="closed",
    source="synapse-analytics/security/synapse-workspace-ip-firewall: rules allow addresses, for all public endpoints of the "
    "workspace, in the firewall of Azure SQL (azure-sql/database/firewall-configure: without a rule it allows no one); Azure Policy "
    "38d8df46 flags an absent switch",
    name="IP firewall rules",
    absent="enabled",
    addresses=(RuleList(child=FIREWALL, start="properties.startIpAddress", end="properties.endIpAddress"),),
    zero=True,
    bypass="properties.trustedServiceBypassEnabled",
    bypass_off=(False,),
    bypass_trusted=(True,),
)
LOGINS = Switch(
    ONLY,
    {True: Auth.identity, False: Auth.shared},
    descriptions={Auth.shared: "accepts SQL logins with a password"},
)
SQL = {"sql": ("The dedicated SQL endpoint", "sql"), "sql-on-demand": ("The serverless SQL endpoint", "sqlOnDemand")}


def logins(workspace: Resource) -> Lock:
    """Return the authentication lock of the SQL endpoints, from the inline switch, else from the list.

    Without either, SQL logins are accepted: Azure Policy 2158ddbe and 6ea81a52 flag an absent value.
    """
    if workspace.has(ONLY):
        return LOGINS.lock(workspace)
    description = LOGINS.descriptions[Auth.shared]
    children = workspace.children(ENTRA_ONLY)
    for each in children:
        seen = child_evidence(each, f"{ENTRA_ONLY.path}/{each.name}", ONLY, True)
        level = LOGINS.level(seen.value)
        if level is None:
            return possible(Auth.shared, unknown_value(seen.path), seen)
        return grant(level, seen, description=description if level is Auth.shared else "")
    if children.gap is not None:
        return possible(Auth.shared, children.gap, workspace.evidence(ONLY, True))
    return grant(Auth.shared, workspace.evidence(ONLY, True), description=description)


@WORKSPACE.endpoints(data=(*SQL, "development"), reads=(FIREWALL, ENTRA_ONLY))
def endpoints(workspace: Resource, index: Index) -> Iterator[Exposure]:
    reach, sign_in = firewall(workspace, index, ACL), logins(workspace)
    for name, (title, member) in SQL.items():
        address = text_at(workspace.body, f"properties.connectivityEndpoints.{member}")
        yield Exposure(name, "data", reach, sign_in, display_name=title, address=address)
    yield Exposure(
        "development",
        "data",
        reach,
        IDENTITY,
        display_name="The development endpoint",
        address=host(workspace, "properties.connectivityEndpoints.dev"),
    )
