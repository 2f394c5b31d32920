"""Service tags: the ones whose reach decides a verdict, and how they may be spelled."""

import pytest

from scanner.reach.rules.service_tags import SERVICE_TAGS, STAFF_POLICY, service_tag

# The tags of the page service-tags-overview, and of the list "Azure IP Ranges and Service Tags - Public Cloud".
PUBLISHED = [
    "ActionGroup",
    "ApiManagement",
    "AppConfiguration",
    "AppService",
    "AppServiceManagement",
    "ApplicationInsightsAvailability",
    "AutonomousDevelopmentPlatform",
    "AzureActiveDirectory",
    "AzureActiveDirectoryDomainServices",
    "AzureAdvancedThreatProtection",
    "AzureArcInfrastructure",
    "AzureAttestation",
    "AzureBackup",
    "AzureBotService",
    "AzureCloud",
    "AzureCognitiveSearch",
    "AzureConnectors",
    "AzureContainerAppsService",
    "AzureContainerRegistry",
    "AzureCosmosDB",
    "AzureDatabricks",
    "AzureDataExplorerManagement",
    "AzureDataLake",
    "AzureDevOps",
    "AzureDevSpaces",
    "AzureDeviceUpdate",
    "AzureDigitalTwins",
    "AzureEventGrid",
    "AzureFrontDoor",
    "AzureFrontDoor.Backend",
    "AzureFrontDoor.FirstParty",
    "AzureFrontDoor.Frontend",
    "AzureFrontDoor.MicrosoftSecurity",
    "AzureHealthcareAPIs",
    "AzureInformationProtection",
    "AzureIoTHub",
    "AzureKeyVault",
    "AzureLoadBalancer",
    "AzureLoadTestingInstanceManagement",
    "AzureMachineLearning",
    "AzureMachineLearningInference",
    "AzureManagedGrafana",
    "AzureMonitor",
    "AzureMonitorForSAP",
    "AzureOpenDatasets",
    "AzurePlatformDNS",
    "AzurePlatformIMDS",
    "AzurePlatformLKM",
    "AzurePortal",
    "AzureResourceManager",
    "AzureSecurityCenter",
    "AzureSentinel",
    "AzureSignalR",
    "AzureSiteRecovery",
    "AzureSphere",
    "AzureSpringCloud",
    "AzureStack",
    "AzureTrafficManager",
    "AzureUpdateDelivery",
    "AzureWebPubSub",
    "BatchNodeManagement",
    "ChaosStudio",
    "CognitiveServicesFrontend",
    "CognitiveServicesManagement",
    "CopilotActions",
    "DataFactory",
    "DataFactoryManagement",
    "Dynamics365BusinessCentral",
    "Dynamics365ForMarketingEmail",
    "EOPExternalPublishedIPs",
    "EventHub",
    "GatewayManager",
    "Grafana",
    "GuestAndHybridManagement",
    "HDInsight",
    "Internet",
    "KustoAnalytics",
    "LogicApps",
    "LogicAppsManagement",
    "M365LighthouseProd",
    "M365ManagementActivityApi",
    "M365ManagementActivityApiWebhook",
    "Marketplace",
    "MicrosoftAzureFluidRelay",
    "MicrosoftCloudAppSecurity",
    "MicrosoftContainerRegistry",
    "MicrosoftDefenderForEndpoint",
    "MicrosoftPurviewPolicyDistribution",
    "OneDsCollector",
    "PowerBI",
    "PowerPlatformInfra",
    "PowerPlatformPlex",
    "PowerQueryOnline",
    "SCCservice",
    "Scuba",
    "SecurityCopilot",
    "SerialConsole",
    "ServiceBus",
    "ServiceFabric",
    "Sql",
    "SqlManagement",
    "Storage",
    "StorageMover",
    "StorageSyncService",
    "SystemServiceAzureSpringAppsResourceProvider",
    "VideoIndexer",
    "VirtualNetwork",
    "WindowsAdminCenter",
    "WindowsVirtualDesktop",
    "ZeroTrustSegmentation",
]


@pytest.mark.parametrize(
    ("tag", "reach"),
    [
        ("Internet", "internet"),
        ("INTERNET", "internet"),
        ("VirtualNetwork", "vnet"),
        ("VIRTUAL_NETWORK", "vnet"),
        ("AzureLoadBalancer", "none"),
        ("AZURE_LOADBALANCER", "none"),
        ("GatewayManager", "none"),
        ("ApiManagement", "none"),
        ("ApiManagement.NorwayEast", "none"),
        ("AzureTrafficManager", "none"),
        ("AzureCloud", "azure"),
        ("azurecloud.norwaye", "azure"),
        ("AzureCloud.norwayeast", "azure"),
        ("Storage.NorwayEast", "azure"),
        ("AzureFrontDoor.Backend", "azure"),
        ("azurefrontdoor.backend", "azure"),
        ("AppService", "azure"),
        (" LogicApps ", "azure"),
        ("ActionGroup", "azure"),
    ],
)
def test_reach_of_a_tag(tag: str, reach: str) -> None:
    result = service_tag(tag)
    assert result.reach == reach
    assert result.known
    assert result.name == tag.strip()


@pytest.mark.parametrize("tag", ["NewService", "NewService.NorwayEast", "", ".", "Internet2"])
def test_a_tag_that_is_not_known_is_shared_by_many_tenants_and_never_the_internet(tag: str) -> None:
    result = service_tag(tag)
    assert (result.reach, result.known, result.name) == ("azure", False, tag)


def test_each_row_stands_once_and_has_a_source() -> None:
    names = [tag.name.lower() for tag in SERVICE_TAGS]
    assert len(names) == len(set(names))
    sources = ("Microsoft Learn: ", "Microsoft Download Center ", STAFF_POLICY)
    assert all(tag.why and tag.source.startswith(sources) for tag in SERVICE_TAGS)


def test_the_table_has_every_published_tag() -> None:
    assert {name.lower() for name in PUBLISHED} - {tag.name.lower() for tag in SERVICE_TAGS} == set()


@pytest.mark.parametrize("tag", ["CorpNetSaw", "corpnetsaw", "CorpNetPublic", "M365RemoteDesktopGateway"])
def test_networks_of_microsofts_staff_belong_to_no_tenant(tag: str) -> None:
    result = service_tag(tag)
    assert (result.reach, result.known) == ("none", True)


@pytest.mark.parametrize("tag", ["CorpNet", "CorpNetSawX", "SerialConsole"])
def test_a_look_alike_of_a_staff_network_is_shared_by_tenants(tag: str) -> None:
    assert service_tag(tag).reach == "azure"


def test_the_control_planes_are_not_confused_with_the_services() -> None:
    for service, management in (("LogicApps", "LogicAppsManagement"), ("DataFactory", "DataFactoryManagement")):
        assert service_tag(service).reach == "azure"
        assert service_tag(management).reach == "none"
