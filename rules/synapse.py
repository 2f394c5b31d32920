"""Azure Synapse Analytics: the two SQL endpoints and the development endpoint of a workspace, and its SQL pools."""

from collections.abc import Iterator

from scanner.model.bulk_reads import GraphRows
from scanner.model.checks import check_child, check_value
from scanner.model.exposure import IDENTITY, Auth, Exposure, Lock, Switch, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, Read, ResourceType
from scanner.model.verdict import Fail, Pass, Verdict, unknown, unknown_value
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .common import child_evidence, host, listed_logins
from .reasons import NO_ZONES
from .tables.resource_logs import AUDIT, judged

WORKSPACE = ResourceType(
    "Microsoft.Synapse/workspaces",
    api="2021-06-01",
    product=Message("Synapse workspace"),
    unread={
        "dedicatedSQLminimalTlsSettings": "All endpoints take TLS 1.2 only since 31 March 2025.",
        "geo-backup, vulnerability assessment, threat detection of pools": "One read for each pool.",
        "kustoPools": "In preview versions alone.",
    },
    no_rule=NoRule(backup="no vault takes it, and the geo-backup of pools is one read each", zone=NO_ZONES),
)
ONLY = "properties.azureADOnlyAuthentication"


def rules_count(workspace: Resource) -> bool:
    """Return whether firewall rules may allow callers: public network access is not Disabled."""
    return not same(workspace.get("properties.publicNetworkAccess"), "Disabled")


FIREWALL = WORKSPACE.child("firewallRules", when=rules_count)
ENTRA_ONLY = WORKSPACE.child("azureADOnlyAuthentications", when=lambda workspace: not workspace.has(ONLY))
AUDITING = WORKSPACE.child("auditingSettings/default", one=True, names=("properties.storageEndpoint",))
POOLS = WORKSPACE.child("sqlPools", graph=GraphRows(holds=()))
RUNTIMES = WORKSPACE.child("integrationRuntimes")
ENCRYPTION = POOLS.child("transparentDataEncryption/current", one=True)
ACL = Firewall(
    empty="closed",
    source="synapse-analytics/security/synapse-workspace-ip-firewall: rules allow addresses, for all public endpoints of the "
    "workspace, in the firewall of Azure SQL (azure-sql/database/firewall-configure: without a rule it allows no one); Azure Policy "
    "38d8df46 flags an absent switch",
    name=Message("IP firewall rules"),
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
    descriptions={Auth.shared: Message("accepts SQL logins with a password")},
)
# The members are the group ids of private endpoints too: Sql, SqlOnDemand, and Dev (private-link/private-endpoint-overview).
SQL = {
    "sql": (Message("The dedicated SQL endpoint"), "sql"),
    "sql-on-demand": (Message("The serverless SQL endpoint"), "sqlOnDemand"),
}


def logins(workspace: Resource) -> Lock:
    """Return the authentication lock of the SQL endpoints, from the inline switch, else from the list.

    Without either, SQL logins are accepted: Azure Policy 2158ddbe and 6ea81a52 flag an absent value.
    """
    if workspace.has(ONLY):
        return LOGINS.lock(workspace)
    description = LOGINS.descriptions[Auth.shared]
    children = workspace.children(ENTRA_ONLY)
    listed = listed_logins(LOGINS, children, ENTRA_ONLY, ONLY)
    if listed is not None:
        return listed
    if children.gap is not None:
        return possible(Auth.shared, children.gap, workspace.evidence(ONLY, True))
    return grant(Auth.shared, workspace.evidence(ONLY, True), description=description)


def not_audited(workspace: Resource, index: Index, *, logs: Read) -> Verdict:
    """Fail where no SQL audit log is stored: auditing is off, or its log goes nowhere.

    azure-sql/database/auditing-setup: with Azure Monitor as the target, a diagnostic setting sends the log.
    """
    policy = workspace.child(AUDITING)
    verdict = check_child(
        policy, AUDITING, lambda one: check_value(one, "properties.state", good=("Enabled",), bad=("Disabled",))
    )
    if policy is None or not isinstance(verdict, Pass):
        return verdict
    storage, monitor = policy.get(STORAGE), policy.get(MONITOR)
    if not is_absent(storage) and storage != "":
        if not isinstance(storage, str) or not storage.lower().startswith("https://"):
            return unknown(unknown_value(f"{AUDITING.path} {STORAGE}", storage))
        return Pass((*verdict.evidence, child_evidence(policy, AUDITING.path, STORAGE)))
    if is_absent(monitor) or same(monitor, False):
        return Fail(
            (child_evidence(policy, AUDITING.path, MONITOR, True),),
            Message("Auditing is enabled, and no target is set."),
        )
    if not same(monitor, True):
        return unknown(unknown_value(f"{AUDITING.path} {MONITOR}", monitor))
    sends = judged(workspace.children(logs), index, ("SQLSecurityAuditEvents",), AUDIT)
    if isinstance(sends, Fail):
        return Fail(sends.evidence, Message("Auditing is enabled, and no diagnostic setting sends its log."))
    return sends


STORAGE, MONITOR = "properties.storageEndpoint", "properties.isAzureMonitorTargetEnabled"


NO_RULE = {"anonymous-access": "every call carries a token of Microsoft Entra ID or a SQL login"}


@WORKSPACE.endpoints(
    Endpoint("sql", "data", ports=("tcp/1433",), no_rule=NO_RULE),
    Endpoint("sql-on-demand", "data", ports=("tcp/1433",), no_rule=NO_RULE),
    Endpoint(
        "development",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "every call carries a token of Microsoft Entra ID or a SQL login",
            "authentication": "every call carries a token of Microsoft Entra ID",
        },
    ),
    reads=(FIREWALL, ENTRA_ONLY),
)
def endpoints(workspace: Resource, index: Index) -> Iterator[Exposure]:
    sign_in = logins(workspace)
    for name, (title, member) in SQL.items():
        reach = firewall(workspace, index, ACL, groups=(member,))
        address = text_at(workspace.body, f"properties.connectivityEndpoints.{member}")
        yield Exposure(name, "data", reach, sign_in, display_name=title, address=address)
    yield Exposure(
        "development",
        "data",
        firewall(workspace, index, ACL, groups=("dev",)),
        IDENTITY,
        display_name=Message("The development endpoint"),
        address=host(workspace, "properties.connectivityEndpoints.dev"),
    )
