"""Names of resources and types as people read them, and where Azure's portal shows a resource."""

import re

TYPE_NAMES = {
    "microsoft.apimanagement/service": "API Management",
    "microsoft.apimanagement/service/apis": "API",
    "microsoft.apimanagement/service/backends": "API back end",
    "microsoft.apimanagement/service/subscriptions": "API subscription",
    "microsoft.app/agents": "SRE agent",
    "microsoft.app/containerapps": "Container app",
    "microsoft.app/managedenvironments": "Container Apps environment",
    "microsoft.botservice/botservices": "Azure Bot",
    "microsoft.cache/redis": "Redis cache",
    "microsoft.cache/redisenterprise": "Managed Redis",
    "microsoft.cdn/profiles": "Front Door profile",
    "microsoft.cognitiveservices/accounts": "AI services account",
    "microsoft.communication/communicationservices": "Communication Services",
    "microsoft.communication/emailservices": "E-mail service",
    "microsoft.app/sessionpools": "Session pool",
    "microsoft.batch/batchaccounts": "Batch account",
    "microsoft.compute/diskaccesses": "Disk access",
    "microsoft.compute/disks": "Managed disk",
    "microsoft.compute/galleries": "Compute gallery",
    "microsoft.compute/restorepointcollections": "Restore point collection",
    "microsoft.containerregistry/registries": "Container registry",
    "microsoft.containerservice/managedclusters": "AKS cluster",
    "microsoft.apimanagement/gateways": "Workspace gateway",
    "microsoft.automation/automationaccounts": "Automation account",
    "microsoft.durabletask/schedulers": "Durable Task scheduler",
    "microsoft.dashboard/grafana": "Grafana workspace",
    "microsoft.databricks/workspaces": "Databricks workspace",
    "microsoft.datafactory/factories": "Data factory",
    "microsoft.datashare/accounts": "Data Share account",
    "microsoft.dbformysql/flexibleservers": "MySQL server",
    "microsoft.dbforpostgresql/flexibleservers": "PostgreSQL server",
    "microsoft.dbforpostgresql/servergroupsv2": "PostgreSQL cluster",
    "microsoft.desktopvirtualization/hostpools": "Host pool",
    "microsoft.desktopvirtualization/workspaces": "Desktop workspace",
    "microsoft.devices/iothubs": "IoT hub",
    "microsoft.devices/provisioningservices": "Provisioning service",
    "microsoft.devopsinfrastructure/pools": "DevOps pool",
    "microsoft.documentdb/cassandraclusters": "Cassandra cluster",
    "microsoft.documentdb/databaseaccounts": "Cosmos DB account",
    "microsoft.documentdb/mongoclusters": "Cosmos DB cluster (vCore)",
    "microsoft.elasticsan/elasticsans": "Elastic SAN",
    "microsoft.eventgrid/domains": "Event Grid domain",
    "microsoft.eventgrid/namespaces": "Event Grid namespace",
    "microsoft.eventgrid/partnernamespaces": "Event Grid partner namespace",
    "microsoft.eventgrid/systemtopics": "Event Grid system topic",
    "microsoft.eventgrid/topics": "Event Grid topic",
    "microsoft.eventhub/namespaces": "Event Hubs namespace",
    "microsoft.fabric/capacities": "Fabric capacity",
    "microsoft.hardwaresecuritymodules/cloudhsmclusters": "Cloud HSM cluster",
    "microsoft.hdinsight/clusters": "HDInsight cluster",
    "microsoft.healthcareapis/workspaces": "Health Data Services workspace",
    "microsoft.healthcareapis/workspaces/dicomservices": "DICOM service",
    "microsoft.healthcareapis/workspaces/fhirservices": "FHIR service",
    "microsoft.fileshares/fileshares": "File share",
    "microsoft.healthdataaiservices/deidservices": "De-identification service",
    "microsoft.hybridcompute/machines": "Arc machine",
    "microsoft.keyvault/managedhsms": "Managed HSM",
    "microsoft.kubernetes/connectedclusters": "Arc cluster",
    "microsoft.keyvault/vaults": "Key vault",
    "microsoft.kusto/clusters": "Data Explorer cluster",
    "microsoft.logic/workflows": "Logic app",
    "microsoft.machinelearningservices/registries": "ML registry",
    "microsoft.machinelearningservices/workspaces": "Machine Learning workspace",
    "microsoft.monitor/accounts": "Monitor workspace",
    "microsoft.maps/accounts": "Azure Maps account",
    "microsoft.netapp/netappaccounts": "NetApp account",
    "microsoft.network/frontdoors": "Front Door (classic)",
    "microsoft.network/dnszones": "DNS zone",
    "microsoft.network/networkvirtualappliances": "Network virtual appliance",
    "microsoft.network/p2svpngateways": "VPN of a virtual hub (people)",
    "microsoft.network/publicipaddresses": "Public IP address",
    "microsoft.network/trafficmanagerprofiles": "Traffic Manager profile",
    "microsoft.network/virtualwans": "Virtual WAN",
    "microsoft.network/vpngateways": "VPN of a virtual hub (sites)",
    "microsoft.network/vpnserverconfigurations": "VPN server configuration",
    "microsoft.notificationhubs/namespaces": "Notification Hubs namespace",
    "microsoft.purview/accounts": "Purview account",
    "microsoft.redhatopenshift/openshiftclusters": "OpenShift cluster",
    "microsoft.relay/namespaces": "Relay namespace",
    "microsoft.resources/deploymentscripts": "Deployment script",
    "microsoft.search/searchservices": "AI Search service",
    "microsoft.servicebus/namespaces": "Service Bus namespace",
    "microsoft.servicefabric/clusters": "Service Fabric cluster",
    "microsoft.servicefabric/managedclusters": "Service Fabric cluster (managed)",
    "microsoft.storagesync/storagesyncservices": "Storage Sync Service",
    "oracle.database/autonomousdatabases": "Oracle database",
    "oracle.database/cloudvmclusters": "Exadata VM cluster",
    "microsoft.servicenetworking/trafficcontrollers": "Application Gateway for Containers",
    "microsoft.signalrservice/signalr": "SignalR service",
    "microsoft.signalrservice/webpubsub": "Web PubSub service",
    "microsoft.solutions/applications": "Managed application",
    "microsoft.sql/managedinstances": "SQL managed instance",
    "microsoft.sql/servers": "SQL server",
    "microsoft.sql/servers/databases": "SQL database",
    "microsoft.storage/storageaccounts/blobservices/containers": "Blob container",
    "microsoft.storage/storageaccounts/fileservices/shares": "File share",
    "microsoft.synapse/workspaces": "Synapse workspace",
    "microsoft.web/hostingenvironments": "App Service environment",
    "microsoft.web/sites": "App Service app",
    "microsoft.web/sites/functions": "Function",
    "microsoft.web/sites/slots": "App Service slot",
    "microsoft.web/staticsites": "Static web app",
}
"""Types whose last segment does not say what they are. Other types are named by that segment."""

PORTALS = {
    "public": "https://portal.azure.com",
    "us-government": "https://portal.azure.us",
    "china": "https://portal.azure.cn",
}
"""The portal of each cloud, by `scan.cloud`. The only hosts, besides those of references, that a report links to."""

_WORDS = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_PLURALS = (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ss", "ss"), ("us", "us"), ("s", ""))


def type_name(type: str) -> str:
    """Return a resource type in a few words: `Blob container`, and `Load balancer` for `.../loadBalancers`."""
    known = TYPE_NAMES.get(type.lower())
    if known:
        return known
    words = _WORDS.findall(type.rpartition("/")[2])
    if not words:
        return type
    first, *others = (word if word.isupper() and len(word) > 1 else word.lower() for word in words)
    text = " ".join([first, *others])
    ending = next((each for each in _PLURALS if text.endswith(each[0])), ("", ""))
    text = text.removesuffix(ending[0]) + ending[1] if ending[0] else text
    return text[:1].upper() + text[1:]


def path_name(id: str, parent: str | None, name: str) -> str:
    """Return the name of a resource with its parent's, `stplankart/planer`; just the `name` of a top-level resource.

    The names between the two are given too, but for `default`. `findings_table.js` has the same.
    """
    if not parent or not id.lower().startswith(parent.lower() + "/"):
        return name
    below = id[len(parent) + 1 :].split("/")
    pairs = zip(below[::2], below[1::2], strict=False)
    names = [last for type, last in pairs if type.lower() != "providers" and last.lower() != "default"]
    return "/".join([parent.rpartition("/")[2], *(names or [name])])
