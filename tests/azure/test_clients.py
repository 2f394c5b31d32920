"""Which clients do the reading, and which are not even imported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scanner.azure.arm import ArmClient
from scanner.azure.clients import AzureReader
from scanner.azure.pipeline import GuardPolicy
from scanner.collect.collector import Scope, collect
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.azure.requests import ESTATE, PLAN, S1, RecordedProgress, box, reading

LIST = f"/subscriptions/{S1}/providers/{{}}"
ROOT = Path(__file__).parent.parent.parent
SCRIPT = """
import json, sys
from msgspec.structs import replace
from tests.azure.requests import PLAN, VAULTS, box, scanned
from scanner.collect.collector import Scope
found = scanned(box(), Scope(graph={graph}), {plan})
modules = [name for name in sys.modules if name.startswith("azure.mgmt.") and name.count(".") == 2]
print(json.dumps({{"resources": len(found.resources), "modules": sorted(modules)}}))
"""


def clients(graph: bool) -> tuple[ArmClient, dict[str, Any]]:
    """The reader's client of ARM after a collection, and its management clients by provider."""

    async def read(reader: AzureReader) -> tuple[ArmClient, dict[str, Any]]:
        await collect(reader, Scope(graph=graph), PLAN, Store(Header(taken="2026-11-25T02:00:00Z")), RecordedProgress())
        return reader._arm, dict(reader._arm.clients.made)

    return reading(box(), read)


@pytest.mark.parametrize("graph", [False, True])
def test_reads_go_through_the_management_client_of_their_provider(graph: bool) -> None:
    classes = {name: f"{type(each).__module__}.{type(each).__name__}" for name, each in clients(graph)[1].items()}
    expected = {
        "": "azure.mgmt.resource.resources.aio._client.ResourceManagementClient",
        "microsoft.network": "azure.mgmt.network.aio._client.NetworkManagementClient",
        "microsoft.storage": "azure.mgmt.storage.aio._client.StorageManagementClient",
    }
    if graph:
        del expected["microsoft.network"]  # Resource Graph has the index, and nothing is read below it
    assert classes == expected


def test_each_read_is_sent_by_the_client_of_its_provider() -> None:
    """Two clients that share session and guards look the same on the wire, so that each is heard where it sends."""
    sent: list[tuple[str, str]] = []

    async def read(reader: AzureReader) -> None:
        await reader.subscriptions()
        await reader.rows(LIST.format("Microsoft.Storage/storageAccounts"), "2025-06-01")
        await reader.rows(LIST.format("Microsoft.Network/virtualNetworks"), "2025-01-01")
        for provider, client in reader._arm.clients.made.items():
            real = client.send_request

            def heard(request: Any, provider: str = provider, real: Any = real, **more: Any) -> Any:
                sent.append((provider, request.url.split("/providers/")[-1].split("?")[0]))
                return real(request, **more)

            client.send_request = heard
        await reader.rows(LIST.format("Microsoft.Storage/storageAccounts"), "2025-06-01")
        await reader.rows(LIST.format("microsoft.network/virtualNetworks"), "2025-01-01")
        below = f"{ESTATE[0]['id']}/providers/Microsoft.Insights/diagnosticSettings"
        await reader.rows(below, "2021-05-01-preview")

    reading(box(), read)
    assert sent == [
        ("microsoft.storage", "Microsoft.Storage/storageAccounts"),
        ("microsoft.network", "microsoft.network/virtualNetworks"),
        ("", "Microsoft.Insights/diagnosticSettings"),
    ]


def test_clients_share_one_session_and_the_same_guards() -> None:
    arm, made = clients(True)
    for pipeline in (each._client._pipeline for each in made.values()):
        assert pipeline._transport is arm.http.bodies
        (policy,) = pipeline._impl_policies
        assert isinstance(policy, GuardPolicy), "nothing that writes, redirects, tries again or logs"
        assert policy._guards is arm.clients.guards
    assert arm.http.bodies.session is arm.http.session
    assert (arm.clients.guards.limiters, arm.clients.guards._tokens, arm.clients.guards._slots) == (
        arm.limiters,
        arm.tokens,
        arm.slots,
    )


def imported(plan: str, *, graph: bool) -> set[str]:
    script = SCRIPT.format(plan=plan, graph=graph)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    document = json.loads(done.stdout)
    assert document["resources"]
    return set(document["modules"]) - {"azure.mgmt.core"}


def test_heavy_clients_are_imported_only_where_a_read_needs_them() -> None:
    assert imported("PLAN", graph=False) == {"azure.mgmt.network", "azure.mgmt.resource", "azure.mgmt.storage"}
    assert imported("PLAN", graph=True) == {"azure.mgmt.resource", "azure.mgmt.storage"}
    vaults = "replace(PLAN, resource_types=[VAULTS], reads=[], index_types=[])"
    assert imported(vaults, graph=False) == {"azure.mgmt.resource"}


def test_the_login_library_is_not_imported_before_a_login() -> None:
    script = "import sys, scanner.azure.clients\nprint({'azure.identity', 'msal', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "set()\n"


def test_the_providers_of_a_plan() -> None:
    assert PLAN.providers(graph=False) == {"microsoft.keyvault", "microsoft.storage", "microsoft.web"}
    assert PLAN.providers(graph=True) == {"microsoft.storage", "microsoft.web"}
