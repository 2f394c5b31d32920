"""The sample estate, scanned through the real SDKs over a socket: every expected fault, no trap, nothing else."""

import asyncio
import json
from functools import partial
from io import BytesIO
from typing import Any

import msgspec
import pytest

from scanner.azure.clients import ConnectionOptions, connect
from scanner.collect.collector import Plan, Scope, collect
from scanner.document.schema import now
from scanner.document.writer import Writer
from scanner.evaluate.results import EvaluationResult
from scanner.evaluate.run import Evaluation
from scanner.rulebook import loader
from scanner.sandbox.estate import Estate
from scanner.sandbox.faults import Fault
from scanner.sandbox.server import Sandbox
from scanner.scan.joined import joined
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.azure.requests import RecordedProgress, environment
from tests.estate.compare import EXPECTED, differences, published
from tests.estate.parts import sample_estate

TYPES = {
    "storage": ("Microsoft.Storage/storageAccounts",),
    "keyvault": ("Microsoft.KeyVault/vaults", "Microsoft.KeyVault/managedHSMs"),
    "sql": ("Microsoft.Sql/servers", "Microsoft.Sql/managedInstances"),
    "postgres": ("Microsoft.DBforPostgreSQL/flexibleServers",),
    "mysql": ("Microsoft.DBforMySQL/flexibleServers",),
    "communication": ("Microsoft.Communication/communicationServices", "Microsoft.Communication/emailServices"),
    "cosmos": ("Microsoft.DocumentDB/databaseAccounts", "Microsoft.DocumentDB/mongoClusters"),
    "appservice": ("Microsoft.Web/sites",),
    "containerapps": ("Microsoft.App/containerApps", "Microsoft.App/managedEnvironments"),
    "aks": ("Microsoft.ContainerService/managedClusters",),
    "acr": ("Microsoft.ContainerRegistry/registries",),
    "eventhub": ("Microsoft.EventHub/namespaces",),
    "servicebus": ("Microsoft.ServiceBus/namespaces",),
    "eventgrid": (
        "Microsoft.EventGrid/topics",
        "Microsoft.EventGrid/domains",
        "Microsoft.EventGrid/namespaces",
        "Microsoft.EventGrid/partnerNamespaces",
        "Microsoft.EventGrid/systemTopics",
    ),
    "bot": ("Microsoft.BotService/botServices",),
    "maps": ("Microsoft.Maps/accounts",),
    "relay": ("Microsoft.Relay/namespaces",),
    "notificationhubs": ("Microsoft.NotificationHubs/namespaces",),
    "signalr": ("Microsoft.SignalRService/signalR", "Microsoft.SignalRService/webPubSub"),
    "redis": ("Microsoft.Cache/redis", "Microsoft.Cache/redisEnterprise"),
    "search": ("Microsoft.Search/searchServices",),
    "ai": ("Microsoft.CognitiveServices/accounts",),
    "apim": ("Microsoft.ApiManagement/service",),
    "logic": ("Microsoft.Logic/workflows",),
    "appconfig": ("Microsoft.AppConfiguration/configurationStores",),
    "machines": (
        "Microsoft.Compute/virtualMachines",
        "Microsoft.Compute/virtualMachineScaleSets",
        "Microsoft.ContainerInstance/containerGroups",
        "Microsoft.Compute/diskEncryptionSets",
    ),
    "compute": (
        "Microsoft.Compute/disks",
        "Microsoft.Compute/snapshots",
        "Microsoft.Compute/diskAccesses",
        "Microsoft.Compute/galleries",
        "Microsoft.Compute/restorePointCollections",
        "Microsoft.Batch/batchAccounts",
        "Microsoft.ServiceFabric/clusters",
        "Microsoft.ServiceFabric/managedClusters",
        "Microsoft.HybridCompute/machines",
        "Microsoft.Kubernetes/connectedClusters",
        "Microsoft.App/jobs",
        "Microsoft.App/sessionPools",
        "Microsoft.Web/staticSites",
        "Microsoft.Web/hostingEnvironments",
        "Microsoft.Resources/deploymentScripts",
        "Microsoft.RedHatOpenShift/openShiftClusters",
        "Microsoft.DesktopVirtualization/hostPools",
        "Microsoft.DesktopVirtualization/workspaces",
        "Microsoft.DevOpsInfrastructure/pools",
        "Microsoft.Solutions/applications",
    ),
    "recovery": (
        "Microsoft.RecoveryServices/vaults",
        "Microsoft.DataProtection/backupVaults",
        "Microsoft.Web/serverfarms",
        "Microsoft.Compute/images",
        "Microsoft.Network/natGateways",
    ),
    "network": (
        "Microsoft.Network/networkSecurityGroups",
        "Microsoft.Network/virtualNetworks",
        "Microsoft.Network/publicIPAddresses",
        "Microsoft.Network/loadBalancers",
        "Microsoft.Network/applicationGateways",
        "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies",
        "Microsoft.Network/FrontDoorWebApplicationFirewallPolicies",
        "Microsoft.Network/frontDoors",
        "Microsoft.Network/azureFirewalls",
        "Microsoft.Network/firewallPolicies",
        "Microsoft.Network/bastionHosts",
        "Microsoft.Network/virtualNetworkGateways",
        "Microsoft.Network/privateLinkServices",
        "Microsoft.Cdn/profiles",
    ),
    "monitoring": (
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.Insights/actionGroups",
        "Microsoft.Insights/components",
        "Microsoft.Network/networkWatchers",
    ),
    "observability": (
        "Microsoft.Insights/privateLinkScopes",
        "Microsoft.Insights/dataCollectionEndpoints",
        "Microsoft.Insights/dataCollectionRules",
        "Microsoft.Monitor/accounts",
        "Microsoft.Dashboard/grafana",
    ),
    "iot": (
        "Microsoft.Devices/IotHubs",
        "Microsoft.Devices/provisioningServices",
        "Microsoft.HealthcareApis/workspaces",
        "Microsoft.HardwareSecurityModules/cloudHsmClusters",
    ),
    "analytics": (
        "Microsoft.Databricks/workspaces",
        "Microsoft.Synapse/workspaces",
        "Microsoft.DataFactory/factories",
        "Microsoft.Kusto/clusters",
        "Microsoft.HDInsight/clusters",
        "Microsoft.Purview/accounts",
        "Microsoft.Fabric/capacities",
        "Microsoft.DataShare/accounts",
    ),
    "automation": (
        "Microsoft.Automation/automationAccounts",
        "Microsoft.DurableTask/schedulers",
        "Microsoft.ApiManagement/gateways",
    ),
    "data_services": (
        "Microsoft.FileShares/fileShares",
        "Microsoft.ElasticSan/elasticSans",
        "Microsoft.StorageSync/storageSyncServices",
        "Microsoft.NetApp/netAppAccounts",
        "Microsoft.DBforPostgreSQL/serverGroupsv2",
        "Microsoft.DocumentDB/cassandraClusters",
        "Oracle.Database/autonomousDatabases",
        "Oracle.Database/cloudVmClusters",
    ),
    "edge": (
        "Microsoft.ServiceNetworking/trafficControllers",
        "Microsoft.Network/virtualWans",
        "Microsoft.Network/vpnServerConfigurations",
        "Microsoft.Network/p2svpnGateways",
        "Microsoft.Network/vpnGateways",
        "Microsoft.Network/networkVirtualAppliances",
        "Microsoft.Network/dnsZones",
        "Microsoft.Network/trafficManagerProfiles",
    ),
    "machine_learning": (
        "Microsoft.MachineLearningServices/workspaces",
        "Microsoft.MachineLearningServices/registries",
        "Microsoft.HealthDataAIServices/deidServices",
        "Microsoft.App/agents",
    ),
    "subscription": ("Microsoft.Resources/subscriptions",),
}


class Scanned:
    """A scan of an estate, the whole sample unless told, with faults: the findings document, and its requests."""

    def __init__(self, *faults: Fault, seed: int = 1, estate: Estate | None = None) -> None:
        self.faults, self.seed = faults, seed
        self.estate: Estate = estate or sample_estate()
        self.rules = loader.load(packages=False)
        self.rules.enabled = dict(self.rules.rules)
        self.store = Store(Header(taken=now()))
        self.requests: list[Any] = asyncio.run(self._collect(self.store))
        self.result, self.document = self.evaluated()

    def evaluated(self) -> tuple[EvaluationResult, dict[str, Any]]:
        """Return the result of an evaluation of what was read, and its document."""
        evaluation = Evaluation(of_store(self.store), self.rules)
        writer, out = Writer(), BytesIO()
        result = evaluation.run(writer)
        scan = evaluation.scan_row(started="", finished="", tool="test")
        writer.finish(out, scan, evaluation.rule_rows(), result.gaps, evaluation.coverage())
        writer.close()
        return result, msgspec.json.decode(out.getvalue())

    async def _collect(self, store: Store) -> list[Any]:
        box = Sandbox.from_estate(self.estate, faults=self.faults, seed=self.seed)
        async with box:
            with environment(box):
                async with connect(ConnectionOptions(arm_endpoint=box.url, auth="environment", limits=False)) as reader:
                    await collect(
                        reader,
                        Scope(),
                        Plan(
                            self.rules.kinds,
                            self.rules.reads(),
                            places=self.rules.needs_places,
                            joined=partial(joined, self.rules, store, graph=True),
                        ),
                        store,
                        RecordedProgress(),
                    )
            return list(box.requests)


@pytest.fixture(scope="module")
def scanned() -> Scanned:
    return Scanned()


@pytest.mark.parametrize("service", TYPES)
def test_the_scan_finds_the_expected_results_and_nothing_else(scanned: Scanned, service: str) -> None:
    assert differences(scanned.document, scanned.estate, [service], TYPES[service]) == []


def test_every_service_has_expected_results() -> None:
    assert {path.stem for path in EXPECTED.glob("*.toml")} == set(TYPES)


def test_no_rule_crashed(scanned: Scanned) -> None:
    assert scanned.result.crashes == []


def test_what_is_read_again_from_temporary_files_changes_no_verdict(
    scanned: Scanned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.snapshot.bundles.IN_MEMORY", 3)
    monkeypatch.setattr("scanner.snapshot.stored.IN_MEMORY", 3)
    monkeypatch.setattr("scanner.snapshot.located.IN_MEMORY", 3)
    monkeypatch.setattr("scanner.evaluate.missing._FEW", 3)
    assert scanned.evaluated() == (scanned.result, scanned.document)


def test_what_stands_in_front_of_an_endpoint_is_reported_and_nothing_else(scanned: Scanned) -> None:
    assert published(scanned.document, scanned.estate) == []


def test_the_scan_only_reads_and_no_read_twice(scanned: Scanned) -> None:
    reads = [request for request in scanned.requests if "/oauth2/" not in request.path]
    for request in reads:
        assert request.method in ("GET", "HEAD") or request.path == "/providers/Microsoft.ResourceGraph/resources"
    gets = [request.url for request in reads if request.method == "GET"]
    assert len(gets) == len(set(gets))
    queries = [request.body for request in reads if request.method == "POST"]
    assert len(queries) == len({json.dumps(query, sort_keys=True) for query in queries})
