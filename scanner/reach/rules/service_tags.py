"""Azure's service tags as sources of traffic: who can send from the addresses of a tag.

`internet`: every caller. `azure`: a service that carries the requests or the programs of any tenant; such a tag is a
lock only together with something that names the own instance. `vnet`: the own virtual network and what is connected to
it. `none`: Microsoft's own management, probes, platform addresses and staff networks, by the documentation: evidence,
never a grant. A tag for which that is not clear is `azure`; so is a tag that is not in the table.
"""

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from scanner.model.message import Message

TagReach = Literal["internet", "azure", "vnet", "none"]

OVERVIEW: Final = "Microsoft Learn: virtual-network/service-tags-overview, version of 2024-12-11"
OLDER_OVERVIEW: Final = "Microsoft Learn: virtual-network/service-tags-overview, version of 2021-04-23"
FORMER_OVERVIEW: Final = "Microsoft Learn: virtual-network/service-tags-overview, version of 2023-01-26"
ORIGIN: Final = "Microsoft Learn: frontdoor/origin-security"
DEFENDER: Final = "Microsoft Learn: defender-endpoint/configure-device-connectivity"
HDINSIGHT: Final = "Microsoft Learn: hdinsight/hdinsight-service-tags"
PUBLISHED: Final = "Microsoft Download Center 56519: Azure IP Ranges and Service Tags - Public Cloud"
DOMAIN_SERVICES: Final = "Microsoft Learn: entra/identity/domain-services/network-considerations"
INSTANCES: Final = "Microsoft Learn: azure-sql/managed-instance/connectivity-architecture-overview"
STAFF_POLICY: Final = Message("rules that Microsoft's policy M365NetIso adds to network security groups of its own")


class ServiceTag(Struct, frozen=True):
    """A service tag."""

    name: str
    """As Azure spells it."""
    reach: TagReach
    why: str
    """A clause for messages."""
    source: str
    """"" for a tag that is not known."""

    @property
    def known(self) -> bool:
        return bool(self.source)


def _rows(reach: TagReach, source: str, rows: Iterable[tuple[str, str]]) -> list[ServiceTag]:
    return [ServiceTag(name, reach, why, source) for name, why in rows]


_SHARED: Final = (
    ("ActionGroup", Message("action groups, whose webhooks any tenant can point at any address")),
    ("ApplicationInsightsAvailability", Message("availability tests, which any tenant can point at any address")),
    ("AppService", Message("App Service and Functions, which run programs of any tenant")),
    ("AzureCloud", Message("every address of Azure's datacenters, other tenants' machines included")),
    ("AppConfiguration", "App Configuration"),
    ("AzureActiveDirectory", "Microsoft Entra ID"),
    ("AzureAdvancedThreatProtection", Message("Defender for Identity")),
    ("AzureArcInfrastructure", "Azure Arc"),
    ("AzureAttestation", "Azure Attestation"),
    ("AzureBackup", "Azure Backup"),
    ("AzureBotService", Message("Azure Bot Service, which calls the bots of any tenant")),
    ("AzureCognitiveSearch", Message("AI Search, whose indexers any tenant can start")),
    ("AzureConnectors", Message("the managed connectors of Logic Apps and Power Platform, which any tenant can use")),
    ("AzureContainerAppsService", Message("Container Apps, which runs programs of any tenant")),
    ("AzureContainerRegistry", "Container Registry"),
    ("AzureCosmosDB", "Cosmos DB"),
    ("AzureDatabricks", "Databricks"),
    ("AzureDeviceUpdate", Message("Device Update for IoT Hub")),
    ("AzureDevOps", Message("Azure DevOps, which any organisation can use")),
    ("AzureDigitalTwins", "Digital Twins"),
    ("AzureEventGrid", Message("Event Grid, which delivers the events of any tenant")),
    ("AzureFrontDoor.FirstParty", Message("Front Door, for Microsoft's own sites")),
    ("AzureFrontDoor.Frontend", Message("Front Door, the addresses that clients call")),
    ("AzureFrontDoor", Message("Front Door, which any tenant can point at any address")),
    ("AzureHealthcareAPIs", "Health Data Services"),
    ("AzureInformationProtection", "Information Protection"),
    ("AzureIoTHub", "IoT Hub"),
    ("AzureKeyVault", "Key Vault"),
    ("AzureMachineLearningInference", Message("Machine Learning's managed endpoints")),
    ("AzureManagedGrafana", Message("Managed Grafana, whose data sources any tenant sets")),
    ("AzureMonitor", "Azure Monitor"),
    ("AzureOpenDatasets", "Open Datasets"),
    ("AzureResourceManager", "Azure Resource Manager"),
    ("AzureSentinel", "Microsoft Sentinel"),
    ("AzureSignalR", Message("SignalR, which calls the upstreams of any tenant")),
    ("AzureSiteRecovery", "Site Recovery"),
    ("AzureSphere", "Azure Sphere"),
    ("AzureSpringCloud", Message("Spring Apps, which runs programs of any tenant")),
    ("AzureStack", "Azure Stack Bridge"),
    ("AzureUpdateDelivery", "Windows Update"),
    ("AzureWebPubSub", Message("Web PubSub, which calls the upstreams of any tenant")),
    ("ChaosStudio", "Chaos Studio"),
    ("CognitiveServicesFrontend", Message("the portals of Azure AI services")),
    ("CognitiveServicesManagement", Message("Azure AI services: the page says traffic, not management")),
    ("DataFactory", Message("Data Factory, whose pipelines any tenant can start")),
    ("Dynamics365BusinessCentral", "Dynamics 365 Business Central"),
    ("Dynamics365ForMarketingEmail", Message("the marketing e-mail of Dynamics 365")),
    ("EOPExternalPublishedIPs", Message("Security and Compliance Center PowerShell")),
    ("EventHub", "Event Hubs"),
    ("GuestAndHybridManagement", Message("Azure Automation, which runs the runbooks of any tenant")),
    ("KustoAnalytics", "Kusto Analytics"),
    ("LogicApps", Message("Logic Apps, whose workflows any tenant can start")),
    ("M365ManagementActivityApi", Message("the Office 365 Management Activity API")),
    ("M365ManagementActivityApiWebhook", Message("the webhooks of the Office 365 Management Activity API")),
    ("MicrosoftAzureFluidRelay", "Fluid Relay"),
    ("MicrosoftCloudAppSecurity", Message("Defender for Cloud Apps")),
    ("MicrosoftDefenderForEndpoint", Message("Defender for Endpoint")),
    ("PowerBI", Message("Power BI, whose data sources any tenant sets")),
    ("PowerPlatformInfra", Message("Power Platform, whose flows any tenant can start")),
    ("PowerPlatformPlex", Message("Power Platform, which runs the extensions of any tenant")),
    ("PowerQueryOnline", Message("Power Query Online, whose data sources any tenant sets")),
    ("ServiceBus", "Service Bus"),
    ("Sql", Message("SQL Database, PostgreSQL, MySQL and Synapse of any tenant")),
    ("Storage", Message("Storage of any tenant")),
    ("StorageSyncService", "Storage Sync"),
    ("Scuba", Message("the data connectors of Sentinel and Defender, which any tenant can set up")),
    ("SerialConsole", Message("the serial console of virtual machines of any tenant")),
    ("StorageMover", Message("Storage Mover, whose jobs any tenant can start")),
    ("VideoIndexer", "Video Indexer"),
    ("WindowsAdminCenter", "Windows Admin Center"),
    ("WindowsVirtualDesktop", Message("Azure Virtual Desktop, whose hosts any tenant can run")),
)

_SHARED_2021: Final = (
    ("AzureDataLake", "Data Lake Storage Gen1"),
    ("AzureDevSpaces", "Dev Spaces"),
    ("AzureMachineLearning", Message("Machine Learning, which runs programs of any tenant")),
    ("MicrosoftContainerRegistry", Message("the registry of Microsoft's container images")),
)

_SHARED_2023: Final = (
    ("AutonomousDevelopmentPlatform", Message("the Autonomous Development Platform")),
    ("Marketplace", Message("the commercial marketplace")),
    ("MicrosoftPurviewPolicyDistribution", Message("the policy distribution of Purview")),
)

_MANAGEMENT: Final = (
    ("ApiManagement", Message("the control plane of API Management")),
    ("AppServiceManagement", Message("the management traffic of App Service Environments")),
    ("AzureActiveDirectoryDomainServices", Message("the management traffic of Entra Domain Services")),
    ("AzureDataExplorerManagement", Message("the management of Data Explorer")),
    ("AzureLoadBalancer", Message("the health probes of the load balancer, 168.63.129.16")),
    ("AzurePlatformDNS", Message("Azure's DNS service")),
    ("AzurePlatformIMDS", Message("Azure's instance metadata service")),
    ("AzurePlatformLKM", Message("Azure's licensing service")),
    ("AzureTrafficManager", Message("the health probes of Traffic Manager")),
    ("BatchNodeManagement", Message("the management traffic of Batch")),
    ("DataFactoryManagement", Message("the management traffic of Data Factory")),
    ("GatewayManager", Message("the management traffic of VPN and application gateways")),
    ("LogicAppsManagement", Message("the management traffic of Logic Apps")),
    ("ServiceFabric", Message("the control plane of Service Fabric")),
    ("SqlManagement", Message("the management traffic of dedicated SQL deployments")),
)

_MANAGEMENT_2023: Final = (
    (
        "AzureLoadTestingInstanceManagement",
        Message("Load Testing's connection to the load generators in your virtual network"),
    ),
)

_UNDOCUMENTED: Final = (
    ("AzureFrontDoor.MicrosoftSecurity", Message("Front Door, for Microsoft's security services")),
    ("AzureMonitorForSAP", Message("Azure Monitor for SAP solutions")),
    ("AzurePortal", Message("the Azure portal")),
    ("AzureSecurityCenter", Message("Defender for Cloud")),
    ("AzureVideoAnalyzerForMedia", Message("Video Indexer, under an older name")),
    ("CopilotActions", Message("the actions of Copilot, which any tenant can define")),
    ("Dynamics365FraudProtection", "Dynamics 365 Fraud Protection"),
    ("GenevaActions", Message("Geneva Actions, whose callers Microsoft does not document")),
    ("Grafana", Message("Managed Grafana, whose data sources any tenant sets")),
    ("M365LighthouseProd", "Microsoft 365 Lighthouse"),
    ("SCCservice", Message("the Security and Compliance Center")),
    ("SecurityCopilot", Message("Security Copilot, whose plugins any tenant can point at any address")),
    ("SystemServiceAzureSpringAppsResourceProvider", Message("the resource provider of Spring Apps")),
    ("TridentKusto", Message("Kusto in Microsoft Fabric, whose queries any tenant can start")),
    ("ZeroTrustSegmentation", Message("a service that Microsoft does not document")),
)

_STAFF: Final = (
    (DOMAIN_SERVICES, "CorpNetSaw", Message("the secure access workstations of Microsoft's support staff")),
    (INSTANCES, "CorpNetPublic", Message("Microsoft's own corporate network")),
    (STAFF_POLICY, "M365RemoteDesktopGateway", Message("the remote desktop gateways of Microsoft 365's staff")),
)

_INTERNET: Final = (
    ("Internet", Message("everything outside the virtual network, other tenants' Azure addresses included")),
)
_NETWORK: Final = (
    (
        "VirtualNetwork",
        Message("the virtual network, peered networks, networks behind gateways, and prefixes added by routes"),
    ),
)

SERVICE_TAGS: Final = (
    *_rows("internet", OVERVIEW, _INTERNET),
    *_rows("vnet", OVERVIEW, _NETWORK),
    *_rows("azure", OVERVIEW, _SHARED),
    *_rows("azure", OLDER_OVERVIEW, _SHARED_2021),
    *_rows("azure", FORMER_OVERVIEW, _SHARED_2023),
    *_rows(
        "azure",
        ORIGIN,
        [("AzureFrontDoor.Backend", Message("Front Door, through which any tenant can call any address"))],
    ),
    *_rows("azure", DEFENDER, [("OneDsCollector", Message("the collector of diagnostic data"))]),
    *_rows("none", OVERVIEW, _MANAGEMENT),
    *_rows("none", FORMER_OVERVIEW, _MANAGEMENT_2023),
    *_rows("azure", PUBLISHED, _UNDOCUMENTED),
    *(ServiceTag(name, "none", why, source) for source, name, why in _STAFF),
    *_rows("none", HDINSIGHT, [("HDInsight", Message("the health and management services of HDInsight"))]),
)

_BY_NAME: Final = {tag.name.lower(): tag for tag in SERVICE_TAGS}
_CLASSIC: Final = {"azure_loadbalancer": "azureloadbalancer", "virtual_network": "virtualnetwork"}


def service_tag(tag: str) -> ServiceTag:
    """Return the row of a tag in any case, with or without a region (`Storage.NorwayEast`), also in the classic
    spelling.

    A tag that is not in the table is `azure`, under the given name.
    """
    name = tag.strip()
    key = _CLASSIC.get(name.lower(), name.lower())
    while key:
        row = _BY_NAME.get(key)
        if row is not None:
            return ServiceTag(name, row.reach, row.why, row.source)
        key = key.rpartition(".")[0]
    return ServiceTag(
        name, "azure", Message("a tag that is not in the table: treated as a service shared by many tenants"), ""
    )
