"""The further host names of endpoints: told with the endpoint, and found by `reach HOST`."""

import json
from pathlib import Path
from typing import Any

import pytest

from scanner.evaluate.hosts import host_of
from scanner.model.resource import Bundle, Resource
from tests.rules import examples
from tests.terminals import twolocks

GROUP = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers"
STORAGE = {
    "primaryEndpoints": {
        "blob": "https://stplan.blob.core.windows.net/",
        "microsoftEndpoints": {"blob": "https://stplan-microsoftrouting.blob.core.windows.net/"},
    },
    "secondaryEndpoints": {"blob": "https://stplan-secondary.blob.core.windows.net/"},
    "customDomain": {"name": "Filer.Etat.example"},
}
COSMOS = {
    "documentEndpoint": "https://plan.documents.azure.com:443/",
    "gremlinEndpoint": "https://plan.gremlin.cosmos.azure.com:443/",
    "readLocations": [{"documentEndpoint": "https://plan-norwaywest.documents.azure.com:443/"}],
}
SITE = {
    "defaultHostName": "app.azurewebsites.net",
    "hostNameSslStates": [
        {"name": "app.azurewebsites.net", "hostType": "Standard"},
        {"name": "skjema.etat.example", "hostType": "Standard"},
        {"name": "app.scm.azurewebsites.net", "hostType": "Repository"},
    ],
}
AI = {
    "endpoint": "https://ai.openai.azure.com/",
    "endpoints": {"a": "https://ai.services.ai.azure.com/", "b": "", "c": 7},
}
REGISTRY = {"loginServer": "cr.azurecr.io", "dataEndpointHostNames": ["cr.norwayeast.data.azurecr.io"]}
MANAGEMENT = {
    "gatewayUrl": "https://apim.azure-api.net",
    "hostnameConfigurations": [
        {"type": "Proxy", "hostName": "api.etat.example"},
        {"type": "DeveloperPortal", "hostName": "portal.etat.example"},
    ],
    "developerPortalUrl": "https://apim.developer.azure-api.net",
}
APP = {
    "configuration": {
        "ingress": {
            "fqdn": "ca.example.norwayeast.azurecontainerapps.io",
            "external": True,
            "customDomains": [{"name": "kart.etat.example"}],
        }
    }
}


def hosts(type: str, name: str, properties: dict[str, Any], **more: Any) -> dict[str, list[str]]:
    """Return the further hosts of each endpoint of a resource."""
    id = f"{GROUP}/{type}/{name}"
    body = {"id": id, "name": name, "type": type, "location": "norwayeast", "properties": properties, **more}
    case = examples.Case("", "", type, body, {}, read=False)
    run, bundle = examples.evaluation(case), Bundle(id.lower())
    top = Resource(body, by="get", bundle=bundle)
    bundle.add(top)
    exposures = [each for kind in examples.kinds_of(type) for each in run.exposures(kind, top)[0]]
    return {each.endpoint: list(each.hosts) for each in exposures if each.hosts}


@pytest.mark.parametrize(
    ("type", "properties", "more", "expected"),
    [
        (
            "Microsoft.Storage/storageAccounts",
            STORAGE,
            {"kind": "StorageV2"},
            {
                "blob": [
                    "filer.etat.example",
                    "stplan-microsoftrouting.blob.core.windows.net",
                    "stplan-secondary.blob.core.windows.net",
                ]
            },
        ),
        (
            "Microsoft.DocumentDB/databaseAccounts",
            COSMOS,
            {"kind": "GlobalDocumentDB"},
            {"cosmos": ["plan-norwaywest.documents.azure.com", "plan.gremlin.cosmos.azure.com"]},
        ),
        ("Microsoft.Web/sites", SITE, {"kind": "app"}, {"app": ["skjema.etat.example"]}),
        ("Microsoft.CognitiveServices/accounts", AI, {"kind": "OpenAI"}, {"ai": ["ai.services.ai.azure.com"]}),
        ("Microsoft.ContainerRegistry/registries", REGISTRY, {}, {"registry": ["cr.norwayeast.data.azurecr.io"]}),
        (
            "Microsoft.ApiManagement/service",
            MANAGEMENT,
            {"sku": {"name": "Developer"}},
            {"portal": ["portal.etat.example"], "api/*": ["api.etat.example"]},
        ),
        ("Microsoft.App/containerApps", APP, {}, {"ingress": ["kart.etat.example"]}),
    ],
)
def test_further_hosts(
    type: str, properties: dict[str, Any], more: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    result = hosts(type, "x", properties, **more)
    assert {name: each for name, each in result.items() if name in expected} == expected


NETWORK = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.Network"
SERVER = {"fullyQualifiedDomainName": "sql-plan.database.windows.net"}
NAMESPACE = {"serviceBusEndpoint": "https://ns.servicebus.windows.net:443/"}
MACHINE = {"networkProfile": {"networkInterfaces": [{"id": f"{NETWORK}/networkInterfaces/nic"}]}}
CONTAINERS = {"ipAddress": {"type": "Public", "ip": "192.0.2.30", "fqdn": "aci.norwayeast.azurecontainer.io"}}
ADDRESSES = [
    {
        "id": f"{NETWORK}/publicIPAddresses/pip",
        "sku": {"name": "Basic"},
        "properties": {"ipAddress": "192.0.2.10", "dnsSettings": {"fqdn": "VM.norwayeast.cloudapp.azure.com"}},
    },
    {
        "id": f"{NETWORK}/networkInterfaces/nic",
        "properties": {
            "ipConfigurations": [
                {
                    "name": "ip",
                    "properties": {
                        "privateIPAddress": "10.0.0.4",
                        "publicIPAddress": {"id": f"{NETWORK}/publicIPAddresses/pip"},
                    },
                }
            ]
        },
    },
]


@pytest.mark.parametrize(
    ("type", "properties", "children", "also", "expected"),
    [
        (
            "Microsoft.Sql/servers",
            SERVER,
            {
                "failoverGroups/fog": {"properties": {"replicationRole": "Primary"}},
                "failoverGroups/fog-b": {"properties": {"replicationRole": "Secondary"}},
                "failoverGroups/new": {"properties": {}},
            },
            [],
            {"fog.database.windows.net", "fog-b.secondary.database.windows.net"},
        ),
        (
            "Microsoft.EventHub/namespaces",
            NAMESPACE,
            {
                "disasterRecoveryConfigs/alias": {"properties": {"role": "Primary"}},
                "disasterRecoveryConfigs/other": {"properties": {"role": "Secondary"}},
            },
            [],
            {"alias.servicebus.windows.net"},
        ),
        (
            "Microsoft.ServiceBus/namespaces",
            NAMESPACE,
            {"disasterRecoveryConfigs/alias": {"properties": {"role": "PrimaryNotReplicating"}}},
            [],
            {"alias.servicebus.windows.net"},
        ),
        ("Microsoft.Compute/virtualMachines", MACHINE, {}, ADDRESSES, {"vm.norwayeast.cloudapp.azure.com"}),
        (
            "Microsoft.ContainerInstance/containerGroups",
            {"ipAddress": {**CONTAINERS["ipAddress"], "ports": [{"port": 22, "protocol": "TCP"}]}},
            {},
            [],
            {"aci.norwayeast.azurecontainer.io"},
        ),
    ],
)
def test_names_that_lead_to_an_endpoint(
    type: str, properties: dict[str, Any], children: dict[str, Any], also: list[Any], expected: set[str]
) -> None:
    id = f"{GROUP}/{type}/example".replace("resourceGroups/rg/", "resourceGroups/rg-example/")
    body = {"id": id, "name": "example", "sku": {"name": "Premium"}, "properties": properties}
    case = examples.Case("", "", type, body, children, also=also)
    run, bundle = examples.evaluation(case), examples.bundle(case)
    assert bundle.top is not None
    exposures = [each for kind in examples.kinds_of(type) for each in run.exposures(kind, bundle.top)[0]]
    assert {host for each in exposures for host in each.hosts} == expected


def test_a_hostile_id_of_a_workspace_is_no_host() -> None:
    for customer in ("a\x1b[31m", "a b", "x/../y", "<b>"):
        result = hosts("Microsoft.OperationalInsights/workspaces", "law", {"customerId": customer})
        assert "ingestion" not in result
    own = hosts("Microsoft.OperationalInsights/workspaces", "law", {"customerId": "A1"})
    assert own["ingestion"] == ["a1.agentsvc.azure-automation.net", "a1.oms.opinsights.azure.com"]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://St.Blob.core.windows.net/", "st.blob.core.windows.net"),
        ("sb://ns.servicebus.windows.net:443", "ns.servicebus.windows.net"),
        ("st", ""),
        ("10.0.0.4", ""),
        ("a b.example", ""),
        ("https://evil.example\u202e/", ""),
        ("https://\x1b[31m.example/", ""),
        ("-a.example", ""),
        ("", ""),
    ],
)
def test_what_is_a_host(text: str, host: str) -> None:
    assert host_of(text) == host


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of bare resources: two storage accounts."""
    bodies = [
        {
            "id": f"{GROUP}/Microsoft.Storage/storageAccounts/{name}",
            "name": name,
            "type": "Microsoft.Storage/storageAccounts",
            "kind": "StorageV2",
            "properties": {
                "primaryEndpoints": {
                    "blob": f"https://{name}.blob.core.windows.net/",
                    "queue": f"https://{name}.queue.core.windows.net/",
                },
                "secondaryEndpoints": {"blob": f"https://{name}-secondary.blob.core.windows.net/"},
            },
        }
        for name in ("stplan", "stkart")
    ]
    path = tmp_path / "resources.json"
    path.write_text(json.dumps(bodies), "utf-8")
    return path


@pytest.mark.parametrize(
    ("word", "endpoint"),
    [
        ("stplan.blob.core.windows.net", "blob"),
        ("STPLAN-secondary.blob.core.windows.net", "blob"),
        ("stplan.queue.core.windows.net.", "queue"),
    ],
)
def test_reach_finds_an_endpoint_by_each_of_its_hosts(file: Path, word: str, endpoint: str) -> None:
    ended = twolocks("reach", word, "--from", file, "--format", "json")
    assert ended.code in (0, 3), ended.err
    document = json.loads(ended.out)
    assert {each["endpoint"] for each in document} == {endpoint}
    assert all("stplan" in each["sentence"] for each in document)


def test_a_host_that_no_endpoint_has_is_an_error(file: Path) -> None:
    ended = twolocks("reach", "stplan.dfs.core.windows.net", "--from", file)
    assert ended.code == 2
    assert 'no resource "stplan.dfs.core.windows.net" with an endpoint' in ended.err
