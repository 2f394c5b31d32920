"""Which clients do the reading, and which are not even imported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from scanner.azure.arm import ArmClient
from scanner.azure.clients import AzureReader
from scanner.azure.pipeline import GuardPolicy
from scanner.collect.collector import Scope, collect
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.azure.requests import PLAN, RecordedProgress, box, reading

ROOT = Path(__file__).parent.parent.parent
SCRIPT = """
import json, sys
from scanner.collect.collector import Scope
from tests.azure.requests import box, scanned
found = scanned(box(), Scope(graph={graph}))
modules = [name for name in sys.modules if name.startswith("azure.mgmt.") and name.count(".") == 2]
print(json.dumps({{"resources": len(found.resources), "modules": sorted(modules)}}))
"""


def clients(graph: bool) -> tuple[ArmClient, dict[str, Any]]:
    """The reader's client of ARM after a collection, and its management clients."""

    async def read(reader: AzureReader) -> tuple[ArmClient, dict[str, Any]]:
        await collect(reader, Scope(graph=graph), PLAN, Store(Header(taken="2026-11-25T02:00:00Z")), RecordedProgress())
        return reader._arm, dict(reader._arm.sender.clients)

    return reading(box(), read)


def test_queries_go_through_a_management_client_and_gets_need_none() -> None:
    classes = {name: f"{type(each).__module__}.{type(each).__name__}" for name, each in clients(True)[1].items()}
    assert classes == {"resources": "azure.mgmt.resource.resources.aio._client.ResourceManagementClient"}
    assert clients(False)[1] == {}


def test_gets_and_management_clients_share_one_session_and_the_same_guards() -> None:
    arm, made = clients(True)
    (pipeline,) = [each._client._pipeline for each in made.values()]
    assert pipeline._transport is arm.http.transport
    assert pipeline._transport.session is arm.http.session
    (policy,) = [each for each in pipeline._impl_policies if isinstance(each, GuardPolicy)]
    assert policy._guards is arm.sender.guards
    assert (arm.sender.guards.limiters, arm.sender.guards._tokens, arm.sender.guards._slots) == (
        arm.limiters,
        arm.tokens,
        arm.slots,
    )


def test_a_pipeline_has_no_policy_that_writes_redirects_or_logs() -> None:
    (pipeline,) = [each._client._pipeline for each in clients(True)[1].values()]
    names = [type(getattr(policy, "_policy", policy)).__name__ for policy in pipeline._impl_policies]
    assert names == ["RequestIdPolicy", "UserAgentPolicy", "GuardPolicy"]


def imported(graph: bool) -> dict[str, Any]:
    script = SCRIPT.format(graph=graph)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_heavy_clients_are_imported_only_where_a_read_needs_them() -> None:
    found = imported(graph=True)
    assert found["resources"] > 10
    assert set(found["modules"]) == {"azure.mgmt.core", "azure.mgmt.resource"}
    assert imported(graph=False)["modules"] == [], "queries alone need a management client"


def test_the_login_library_is_not_imported_before_a_login() -> None:
    script = "import sys, scanner.azure.clients\nprint({'azure.identity', 'msal', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "set()\n"
