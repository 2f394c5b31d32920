"""Which clients do the reading, and which are not even imported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from scanner.azure.clients import AzureReader
from scanner.azure.pipeline import LimitedRetryPolicy
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


def clients(graph: bool) -> dict[str, Any]:
    async def read(reader: AzureReader) -> dict[str, Any]:
        await collect(reader, Scope(graph=graph), PLAN, Store(Header(taken="x")), RecordedProgress())
        return dict(reader._arm._clients)

    return reading(box(), read)


def test_reads_go_through_the_management_clients() -> None:
    classes = {name: f"{type(each).__module__}.{type(each).__name__}" for name, each in clients(False).items()}
    assert classes == {
        "subscriptions": "azure.mgmt.resource.subscriptions.aio._client.SubscriptionClient",
        "resources": "azure.mgmt.resource.resources.aio._client.ResourceManagementClient",
        "storage": "azure.mgmt.storage.aio._client.StorageManagementClient",
    }


def test_all_clients_share_one_session_one_token_cache_and_one_limiter() -> None:
    pipelines = [each._client._pipeline for each in clients(False).values()]
    assert len({id(each._transport) for each in pipelines}) == 1
    policies = [
        policy for each in pipelines for policy in each._impl_policies if isinstance(policy, LimitedRetryPolicy)
    ]
    assert len(policies) == len(pipelines)
    assert len({(id(each._all), id(each._tokens), id(each._slots)) for each in policies}) == 1


def test_a_pipeline_has_no_policy_that_writes_redirects_or_logs() -> None:
    (pipeline, *_) = [each._client._pipeline for each in clients(True).values()]
    names = [type(getattr(policy, "_policy", policy)).__name__ for policy in pipeline._impl_policies]
    assert names == [
        "RequestIdPolicy",
        "UserAgentPolicy",
        "LimitedRetryPolicy",
        "AsyncARMChallengeAuthenticationPolicy",
        "RecordPolicy",
        "ReadOnlyPolicy",
    ]


def imported(graph: bool) -> dict[str, Any]:
    script = SCRIPT.format(graph=graph)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_heavy_clients_are_imported_only_where_a_read_needs_them() -> None:
    found = imported(graph=True)
    assert found["resources"] > 10
    assert "azure.mgmt.storage" in found["modules"]
    assert "azure.mgmt.network" not in found["modules"]
    assert "azure.mgmt.managementgroups" not in found["modules"]
    assert "azure.mgmt.network" not in imported(graph=False)["modules"], "only the queries of --effective need it"
