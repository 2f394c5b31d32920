"""The host names of a cluster's nodes, in each form that is documented."""

import pytest

from rules import citus
from scanner.model.resource import Resource


@pytest.mark.parametrize(
    ("coordinator", "worker"),
    [
        ("c-stats.12345678901234.postgres.cosmos.azure.com", "w0-stats.12345678901234.postgres.cosmos.azure.com"),
        ("c.stats.postgres.database.azure.com", "w0.stats.postgres.database.azure.com"),
        ("stats-c.postgres.database.azure.com", "stats-w0.postgres.database.azure.com"),
    ],
)
def test_each_node_has_its_own_host(coordinator: str, worker: str) -> None:
    servers = [{"fullyQualifiedDomainName": each} for each in (worker, coordinator)]
    cluster = Resource({"id": "/subscriptions/s/x", "properties": {"serverNames": servers}})
    assert citus._host(cluster, coordinator=True) == coordinator
    assert citus._host(cluster, coordinator=False) == worker
