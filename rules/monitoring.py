"""Azure Monitor: diagnostic settings of resources and of the activity log."""

from collections.abc import Iterator
from typing import Unpack

from scanner.model.bulk_reads import GraphRows
from scanner.model.checks import check_value
from scanner.model.diagnostic_settings import DESTINATIONS, WORKSPACES, fault
from scanner.model.fix import Cause
from scanner.model.ids import type_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, objects_at, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, Read, ReadOptions, ResourceType
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown, unknown_value

from . import (
    acr,
    ai,
    aks,
    apim,
    appconfig,
    appservice,
    automation,
    batch,
    bot,
    cassandra,
    citus,
    cloud_hsm,
    communication,
    containerapps,
    cosmos,
    databricks,
    datafactory,
    desktops,
    eventgrid,
    eventhub,
    grafana,
    health,
    iot,
    keyvault,
    kusto,
    logic,
    machine_learning,
    ml_registries,
    mysql,
    network,
    notificationhubs,
    postgres,
    purview,
    recovery,
    redis,
    relay,
    search,
    servicebus,
    signalr,
    sql,
    storage,
    synapse,
    traffic_controllers,
    virtual_wan,
    waf_links,
)
from .common import in_tier
from .reasons import FROM_TEMPLATE, KEY_BY_CLUSTER, NETWORK_KEEPS_NO_DATA, OVER_ZONES, STORED_ELSEWHERE
from .subscription import SUBSCRIPTION
from .tables.resource_logs import Further

STORAGE = "properties.storageId"
ANALYTICS = "properties.flowAnalyticsConfiguration.networkWatcherFlowAnalyticsConfiguration"
OTHER_ACCOUNT = Message(
    "Choose a storage account of the same region: Network Watcher > Flow logs > the flow log > Storage accounts."
)
FLOW_OFF = Message("the flow log is disabled: see flow-log-disabled")
DAYS = 90
"""How long logs are kept at least: CIS, flow logs and activity log."""
SETTINGS = "providers/Microsoft.Insights/diagnosticSettings"
SETTINGS_API = "2021-05-01-preview"
"""The newest version, with category groups; the last stable one, 2016-09-01, knows a single setting."""


WORKSPACE = ResourceType(
    "Microsoft.OperationalInsights/workspaces",
    api="2025-07-01",
    product=Message("Log Analytics workspace"),
    unread={
        "features.enableLogAccessUsingOnlyResourcePermissions": "Who may read which logs is a question of rights.",
        "features.immediatePurgeDataOn30Days": "It ends the grace of a day. The retention itself is evaluated.",
    },
    no_rule=NoRule(
        key=KEY_BY_CLUSTER,
        backup="Azure keeps a deleted workspace for 14 days, without a setting; log-workspace-short-retention asks how long logs are kept",
        zone=OVER_ZONES,
    ),
)
EXPORTS = WORKSPACE.child("dataExports")
TABLES = WORKSPACE.child("tables", costly=True)
"""Costly, although it is one request a workspace: the answer has each of several hundred tables with all its columns."""
COMPONENT = ResourceType(
    "Microsoft.Insights/components",
    api="2020-02-02",
    product=Message("Application Insights"),
    names=("properties.WorkspaceResourceId",),
    unread={
        "ApiKeys": "Retired for queries on 31 March 2026.",
    },
    no_rule=NoRule(key=KEY_BY_CLUSTER, log="it is itself a store of telemetry", loss=STORED_ELSEWHERE),
)
WATCHER = ResourceType(
    "Microsoft.Network/networkWatchers", api=network.API, no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, loss=FROM_TEMPLATE)
)
NETWORKS = "Microsoft.Network/virtualNetworks"
FLOWS = WATCHER.child(
    "flowLogs",
    always=True,
    names=(STORAGE, f"{ANALYTICS}.workspaceResourceId"),
    graph=GraphRows(
        holds=(
            "properties.enabled",
            "properties.targetResourceId",
            "properties.storageId",
            "properties.retentionPolicy.enabled",
            "properties.retentionPolicy.days",
            "properties.flowAnalyticsConfiguration.networkWatcherFlowAnalyticsConfiguration.enabled",
        ),
    ),
)
SQL_THREATS = sql.SERVER.child("advancedThreatProtectionSettings/Default", one=True)
INSTANCE_THREATS = sql.INSTANCE.child("advancedThreatProtectionSettings/Default", one=True)
POSTGRES_THREATS = postgres.SERVER.child("advancedThreatProtectionSettings/Default", one=True)


def settings(of: ResourceType | Read, **options: Unpack[ReadOptions]) -> Read:
    """Return the read of the diagnostic settings of each resource of a type: one request a resource."""
    options |= ReadOptions(
        names=tuple(f"properties.{each}" for each in DESTINATIONS),
        alone="the list of a subscription has those of its activity log alone, and Resource Graph has no such type",
    )
    return of.child(SETTINGS, api=SETTINGS_API, **options)


def has_queues(account: Resource) -> bool:
    return "queue" in storage.services(account)


def has_tables(account: Resource) -> bool:
    return "table" in storage.services(account)


def is_master(database: Resource) -> bool:
    """Return whether a database is the one whose diagnostic settings receive the audit log of its server."""
    return same(database.name, "master")


def by_azure_monitor(environment: Resource) -> bool:
    """Return whether the logs of an environment go where its diagnostic settings say."""
    return same(environment.get("properties.appLogsConfiguration.destination"), "azure-monitor")


def is_web(site: Resource) -> bool:
    """Return whether an app is a web app. One of an unknown kind counts as one."""
    return appservice.runs(site) in ("web", "")


def is_function_app(site: Resource) -> bool:
    """Return whether an app is a function app. Raises Unread for an unknown kind."""
    return _known_kind(site) == "functions"


def is_logic_app(site: Resource) -> bool:
    """Return whether an app is a logic app. Raises Unread for an unknown kind."""
    return _known_kind(site) == "workflows"


def _known_kind(site: Resource) -> str:
    result = appservice.runs(site)
    if not result:
        raise unknown_value("kind", site.require("kind"))
    return result


def audits_at_runtime(namespace: Resource) -> bool:
    """Return whether a namespace has runtime audit logs: event-hubs/monitor-event-hubs-reference and
    service-bus-messaging/monitor-service-bus-reference: on the tiers premium and dedicated only.
    """
    return not any(same(namespace.require("sku.name"), each) for each in ("Basic", "Standard"))


def audits_events_at_runtime(namespace: Resource) -> bool:
    """Return the same of an Event Hubs namespace. One in a dedicated cluster has the SKU Standard (2 of 2 recorded)."""
    if namespace.has_no_properties:
        raise Unread("properties", namespace.why_absent_is_unknown)
    return namespace.has("properties.clusterArmId") or audits_at_runtime(namespace)


def has_no_runtime_audit(namespace: Resource) -> bool:
    """Return whether an Event Hubs namespace has operational logs and no runtime audit logs, as the tier standard has
    (event-hubs/monitor-event-hubs-reference).
    """
    return same(namespace.get("sku.name"), "Standard") and not audits_events_at_runtime(namespace)


REQUEST_CATEGORIES = {
    "enablecassandra": "CassandraRequests",
    "enablegremlin": "GremlinRequests",
    "enabletable": "TableApiRequests",
}


def request_category(account: Resource) -> str:
    """Return the category with the requests of the API of a Cosmos DB account; "" for the API for NoSQL, or an unknown one.

    cosmos-db/monitor-resource-logs: it takes the place of DataPlaneRequests, which is to be disabled then.
    """
    if same(account.get("kind"), "MongoDB"):
        return "MongoRequests"
    matches = (REQUEST_CATEGORIES.get(each, "") for each in cosmos.capabilities(account) or ())
    return next((each for each in matches if each), "")


def _gateway_has_firewall(gateway: Resource) -> bool:
    """Return whether an application gateway, or a site behind it, has a firewall. Raises Unread."""
    gateway.require("properties.httpListeners")
    listeners, maps = gateway.objects("properties.httpListeners"), gateway.objects("properties.urlPathMaps")
    paths = [each for url_map in maps for each in objects_at(url_map, "properties.pathRules")]
    if any(text_at(each, "properties.firewallPolicy.id") for each in (gateway.body, *listeners, *paths)):
        return True
    path = "properties.webApplicationFirewallConfiguration.enabled"
    enabled = gateway.get(path)
    if not (is_absent(enabled) or isinstance(enabled, bool)):
        raise unknown_value(path, enabled)
    return enabled is True


def _front_door_has_firewall(profile: Resource) -> bool:
    """Return whether a security policy of a Front Door is a firewall. Raises Unread."""
    children, path = profile.children(waf_links.SECURITY), "properties.parameters.type"
    if any(same(each.get(path), "WebApplicationFirewall") for each in children):
        return True
    if children.all():
        raise unknown_value(f"{children.items[0].name} {path}", children.items[0].get(path))
    return False


def _classic_has_firewall(front_door: Resource) -> bool:
    """Return whether a host of a Front Door (classic) has a firewall. Raises Unread."""
    path = "properties.frontendEndpoints"
    front_door.require(path)
    hosts = front_door.objects(path)
    return any(text_at(each, "properties.webApplicationFirewallPolicyLink.id") for each in hosts)


def _controller_has_firewall(controller: Resource) -> bool:
    """Return whether a security policy of an Application Gateway for Containers has a firewall. Raises Unread."""
    children = controller.children(traffic_controllers.POLICIES)
    if any(each.has("properties.wafPolicy.id") for each in children):
        return True
    for each in children.all():
        each.require("properties.wafPolicy.id")
    return False


GATEWAY_FIREWALL = Further("ApplicationGatewayFirewallLog", _gateway_has_firewall)
FRONT_DOOR_FIREWALL = Further("FrontDoorWebApplicationFirewallLog", _front_door_has_firewall)
CLASSIC_FIREWALL = Further("FrontdoorWebApplicationFirewallLog", _classic_has_firewall)
CONTROLLER_FIREWALL = Further("TrafficControllerFirewallLog", _controller_has_firewall)

QUEUE_SERVICE = storage.ACCOUNT.child("queueServices/default", one=True, when=has_queues, costly=True)
TABLE_SERVICE = storage.ACCOUNT.child("tableServices/default", one=True, when=has_tables, costly=True)

ACTIVITY_LOG = settings(SUBSCRIPTION)
VAULT_LOGS = settings(keyvault.VAULT)
HSM_LOGS = settings(keyvault.HSM)
IOT_HUB_LOGS = settings(iot.HUB)
PROVISIONING_LOGS = settings(iot.PROVISIONING)
FHIR_LOGS = settings(health.FHIR)
DICOM_LOGS = settings(health.DICOM)
CLOUD_HSM_LOGS = settings(cloud_hsm.CLUSTER)
BLOB_LOGS = settings(storage.BLOB_SERVICE)
FILE_LOGS = settings(storage.FILE_SERVICE, costly=True)
QUEUE_LOGS = settings(QUEUE_SERVICE, costly=True)
TABLE_LOGS = settings(TABLE_SERVICE, costly=True)
MASTER_LOGS = settings(sql.DATABASES, when=is_master)
INSTANCE_LOGS = settings(sql.INSTANCE)
POSTGRES_LOGS = settings(postgres.SERVER)
MYSQL_LOGS = settings(mysql.SERVER)
RECOVERY_LOGS = settings(recovery.VAULT, costly=True)
BACKUP_VAULT_LOGS = settings(recovery.BACKUP_VAULT, costly=True)
BATCH_LOGS = settings(batch.ACCOUNT)
HOST_POOL_LOGS = settings(desktops.HOST_POOL)
BOT_LOGS = settings(bot.BOT)
CASSANDRA_LOGS = settings(cassandra.CLUSTER)
CITUS_LOGS = settings(citus.CLUSTER)
COMMUNICATION_LOGS = settings(communication.SERVICE)
COSMOS_LOGS = settings(cosmos.ACCOUNT)
DATABRICKS_LOGS = settings(databricks.WORKSPACE, when=lambda workspace: not in_tier(workspace, ("standard",)))
DATA_FACTORY_LOGS = settings(datafactory.FACTORY)
KUSTO_LOGS = settings(kusto.CLUSTER)
ML_WORKSPACE_LOGS = settings(machine_learning.WORKSPACE)
ML_REGISTRY_LOGS = settings(ml_registries.REGISTRY)
PURVIEW_LOGS = settings(purview.ACCOUNT)
AUTOMATION_LOGS = settings(automation.ACCOUNT)
SYNAPSE_LOGS = settings(synapse.WORKSPACE)
MONGO_LOGS = settings(cosmos.CLUSTER)
APP_LOGS = settings(appservice.SITE)
ENVIRONMENT_LOGS = settings(containerapps.ENVIRONMENT, when=by_azure_monitor)
AKS_LOGS = settings(aks.CLUSTER)
REGISTRY_LOGS = settings(acr.REGISTRY)
CONFIGURATION_LOGS = settings(appconfig.STORE)
EVENT_HUB_LOGS = settings(eventhub.NAMESPACE, when=audits_events_at_runtime)
EVENT_HUB_OPERATIONS = settings(eventhub.NAMESPACE, when=has_no_runtime_audit, costly=True)
SERVICE_BUS_LOGS = settings(servicebus.NAMESPACE, when=audits_at_runtime)
EVENT_GRID_LOGS = settings(eventgrid.TOPIC, costly=True)
NOTIFICATION_LOGS = settings(notificationhubs.NAMESPACE)
RELAY_LOGS = settings(relay.NAMESPACE)
REDIS_LOGS = settings(redis.CACHE)
REDIS_DATABASE_LOGS = settings(redis.DATABASES)
SEARCH_LOGS = settings(search.SERVICE)
SIGNALR_LOGS = settings(signalr.SERVICE)
AI_LOGS = settings(ai.ACCOUNT)
GRAFANA_LOGS = settings(grafana.GRAFANA)
FIREWALL_LOGS = settings(network.FIREWALL)
GATEWAY_LOGS = settings(network.GATEWAY)
FRONT_DOOR_LOGS = settings(network.PROFILE, when=network.is_front_door)
CDN_LOGS = settings(network.PROFILE, when=lambda profile: not network.is_front_door(profile), costly=True)
CLASSIC_FRONT_DOOR_LOGS = settings(network.FRONT)
API_LOGS = settings(apim.SERVICE)
WORKFLOW_LOGS = settings(logic.WORKFLOW)
BASTION_LOGS = settings(network.BASTION)
VPN_LOGS = settings(network.VPN, costly=True)
P2S_LOGS = settings(virtual_wan.USERS, costly=True)
TRAFFIC_CONTROLLER_LOGS = settings(traffic_controllers.CONTROLLER)
GROUP_LOGS = settings(network.GROUP, costly=True)
ADDRESS_LOGS = settings(network.ADDRESS, costly=True)


WORKSPACE_LOGS = settings(WORKSPACE, costly=True)


AUDIT_TABLES = frozenset(
    """
    AzureActivity AuditLogs SigninLogs AADNonInteractiveUserSignInLogs AADServicePrincipalSignInLogs
    AADManagedIdentitySignInLogs AADProvisioningLogs MicrosoftGraphActivityLogs LAQueryLogs AzureDiagnostics
    AZKVAuditLogs SQLSecurityAuditEvents CDBDataPlaneRequests CDBControlPlaneRequests VCoreMongoRequests
    StorageBlobLogs StorageFileLogs StorageQueueLogs StorageTableLogs AKSAudit AKSAuditAdmin
    ContainerRegistryLoginEvents ContainerRegistryRepositoryEvents AACAudit AACHttpRequest
    AZMSRuntimeAuditLogs AegDataPlaneRequests ACRConnectedClientList REDConnectionEvents AppServiceHTTPLogs
    AppServiceAuditLogs AppServiceIPSecAuditLogs AGWAccessLogs ApiManagementGatewayLogs
    MicrosoftAzureBastionAuditLogs SecurityEvent Syslog CommonSecurityLog OfficeActivity SecurityAlert
    SecurityIncident SentinelAudit
    """.lower().split()
)
"""The tables (lower case) that hold who signed in, called or changed something: azure-monitor/reference/tables-category,
and those to which the categories of rules/tables/resource_logs.toml go."""
TOTAL = "properties.totalRetentionInDays"


def kept_too_short_by_table(workspace: Resource, index: Index) -> Verdict:
    """Fail where a table with an audit log is deleted after less than 90 days, and earlier than the workspace says."""
    workspace_days = _days(workspace, "properties.retentionInDays")
    children = workspace.children(TABLES)
    missing = [children.gap] if children.gap is not None else []
    short: list[tuple[Resource, int]] = []
    kept: list[Evidence] = []
    for table in (each for each in children if each.name.lower() in AUDIT_TABLES):
        try:
            days = _days(table, TOTAL)
        except Unread as unread:
            missing.append(Unread(f"{table.name} {unread.what}", unread.why))
            continue
        if days < min(workspace_days, DAYS):
            short.append((table, days))
        elif days != workspace_days:
            kept.append(Evidence(f"tables/{table.name} {TOTAL}", days))
    if short:
        seen = tuple(Evidence(f"tables/{each.name} {TOTAL}", days, DAYS) for each, days in short)
        causes = tuple(Cause(each.id, TOTAL, value=DAYS, text=each.name) for each, _ in short)
        return Fail((*seen, workspace.evidence("properties.retentionInDays")), causes=causes)
    if missing:
        return unknown(*missing[:5])
    return Pass((workspace.evidence("properties.retentionInDays"), *kept))


def _days(resource: Resource, path: str) -> int:
    """Return a number of days. Raises Unread for what is none; -1 stands for a default only where it is written."""
    value = resource.require(path)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise unknown_value(path, value)
    return value


def daily_cap(workspace: Resource, index: Index) -> Verdict:
    """Fail where a workspace drops what it receives beyond a daily amount. -1: no cap."""
    path = "properties.workspaceCapping.dailyQuotaGb"
    value = workspace.require(path)
    if isinstance(value, bool) or not isinstance(value, int | float) or (value < 0 and value != -1):
        return unknown(unknown_value(path, value))
    return Pass((workspace.evidence(path),)) if value == -1 else Fail((workspace.evidence(path, -1),))


def kept_too_short(flow: Resource, index: Index) -> Verdict:
    """Fail where the storage account deletes a flow log before 90 days. 0 days: never."""
    if same(flow.get("properties.enabled"), False):
        return NotApplicable(FLOW_OFF)
    verdict = _retention(flow)
    if not isinstance(verdict, Pass):
        return verdict
    account = flow.require(STORAGE)
    if not isinstance(account, str) or not type_of(account):
        return unknown(unknown_value(STORAGE, account))
    why = fault(account, index)
    if why is not None:
        message = (
            Message("no longer exists") if why.value == account else Message("has a firewall that keeps the log out")
        )
        cause = Cause(flow.id, STORAGE, words=(OTHER_ACCOUNT,))
        seen = flow.evidence(STORAGE, Message("a storage account that exists")) if why.value == account else why
        return Fail((seen,), Message("Its storage account {said}.", said=message), causes=(cause,))
    return Pass((*verdict.evidence, flow.evidence(STORAGE)))


def _retention(flow: Resource) -> Verdict:
    """Fail where the policy of a flow log deletes it before 90 days."""
    path = "properties.retentionPolicy"
    days, on = flow.require(f"{path}.days"), flow.require(f"{path}.enabled")
    if isinstance(days, bool) or not isinstance(days, int):
        return unknown(unknown_value(f"{path}.days", days))
    seen = (flow.evidence(f"{path}.days", Message("90, or 0 without expiry")), flow.evidence(f"{path}.enabled"))
    if days == 0 and (same(on, True) or same(on, False)):
        return Pass(seen)
    if same(on, True):
        return Pass(seen) if days >= DAYS else Fail(seen)
    return unknown(
        Unread(f"{path}.enabled", Message("what a policy that is off does is not documented")), evidence=seen
    )


def no_traffic_analytics(flow: Resource, index: Index) -> Verdict:
    """Fail where traffic analytics brings a flow log to no workspace that receives it. Absent: never enabled."""
    if same(flow.get("properties.enabled"), False):
        return NotApplicable(FLOW_OFF)
    verdict = check_value(flow, f"{ANALYTICS}.enabled", good=(True,), bad=(False,), absent=False)
    if not isinstance(verdict, Pass):
        return verdict
    return _to_workspace(flow, index, f"{ANALYTICS}.workspaceResourceId", verdict.evidence)


def _to_workspace(resource: Resource, index: Index, path: str, seen: tuple[Evidence, ...]) -> Verdict:
    """Fail where the workspace at a path no longer exists, or receives nothing. Raises Unread."""
    id = resource.require(path)
    if not isinstance(id, str) or not same(type_of(id), WORKSPACES):
        return unknown(unknown_value(path, id))
    why = fault(id, index)
    if why is None:
        return Pass((*seen, resource.evidence(path)))
    return Fail(
        (*seen, why),
        Message("Its workspace no longer exists.") if why.value == id else Message("Its workspace receives nothing."),
    )


def not_tied(component: Resource, index: Index) -> Verdict:
    """Fail where the telemetry of a component is stored in no workspace that receives it."""
    verdict = check_value(
        component,
        "properties.IngestionMode",
        good=("LogAnalytics",),
        bad=("ApplicationInsights", "ApplicationInsightsWithDiagnosticSettings"),
    )
    if not isinstance(verdict, Pass):
        return verdict
    return _to_workspace(component, index, "properties.WorkspaceResourceId", verdict.evidence)


ENABLE_WATCHER = (
    "az network watcher configure --locations {entry} --enabled true --resource-group <RESOURCE_GROUP> "
    "--subscription {subscription}"
)


def regions_without_watcher(subscription: Resource, index: Index) -> Verdict:
    """Fail where a region with a virtual network of the subscription has no Network Watcher that works.

    network-watcher-create: each region of a subscription has one of its own.
    """
    watched, failed, unsure = set[str](), dict[str, str](), set[str]()
    for each in _of_subscription(subscription, WATCHER.type, index):
        state = each.get("properties.provisioningState")
        if is_absent(state) or same(state, "Succeeded"):
            watched.add(_region(each))
        elif same(state, "Failed"):
            failed[_region(each)] = each.id
        else:
            unsure.add(_region(each))
    used = {_region(each) for each in _of_subscription(subscription, NETWORKS, index)}
    unseen, missing = _unseen(subscription, WATCHER.type, index), _unseen(subscription, NETWORKS, index)
    without = sorted(used - watched - unsure - {""})
    if without and not unseen:
        causes = tuple(_new_watcher(subscription, region, failed.get(region)) for region in without)
        return Fail((Evidence(REGIONS, without, Message("a Network Watcher in each")),), causes=causes)
    missing = [*(unseen if without else ()), *missing]
    if used & unsure:
        missing.append(Unread("properties.provisioningState", Message("a Network Watcher is being created or deleted")))
    if missing:
        return unknown(*missing)
    if not used:
        return NotApplicable(Message("it has no virtual network"))
    return Pass((Evidence(REGIONS, sorted(used)),))


REGIONS = Message("regions with a virtual network")


def _unseen(subscription: Resource, type: str, index: Index) -> list[Unread]:
    """Return why a subscription may have further resources of a type; [] where all were listed."""
    if (gap := index.missing_in(type, subscription.id)) is not None:
        return [gap]
    if subscription.subscription in index.partial:
        return [Unread(type, Message("the subscription is visible in part"), subscription.id)]
    return []


def _of_subscription(subscription: Resource, type: str, index: Index) -> Iterator[Resource]:
    return (each for each in index.of_type(type)[0] if same(each.subscription, subscription.subscription))


def _region(resource: Resource) -> str:
    return resource.location.replace(" ", "").lower()


def _new_watcher(subscription: Resource, region: str, failed: str | None) -> Cause:
    """Return the creation of the Network Watcher of a region, as Azure names it. `failed`: one that was not created."""
    if failed is not None:
        return Cause(failed, words=(AGAIN,))
    id = f"{subscription.id}/resourceGroups/NetworkWatcherRG/providers/{WATCHER.type}/NetworkWatcher_{region}"
    return Cause(id, "location", value=region, command=ENABLE_WATCHER, text=region)


AGAIN = Message("Delete the Network Watcher that Azure failed to create, and enable the region again.")


def of_security_group(flow: Resource, index: Index) -> Verdict:
    """Fail where a flow log is that of a network security group."""
    target = flow.require("properties.targetResourceId")
    kind = type_of(target).lower() if isinstance(target, str) else ""
    if kind == network.GROUP.type.lower():
        return Fail(
            (flow.evidence("properties.targetResourceId", Message("a virtual network, a subnet or an interface")),)
        )
    known = ("microsoft.network/virtualnetworks", "microsoft.network/networkinterfaces")
    if kind.startswith(known):
        return Pass((flow.evidence("properties.targetResourceId"),))
    return unknown(unknown_value("properties.targetResourceId", target))
