"""A sandbox with four subscriptions, a broker, and a folder for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.sandbox.server import Sandbox, running
from tests.azure.requests import ESTATE, SUBSCRIPTIONS, account
from tests.fleet.broker import broker
from tests.fleet.lab import LOST, S3, Lab


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Four subscriptions, one of which is disabled."""
    more = [{"subscriptionId": S3, "displayName": "tredje"}]
    more.append({"subscriptionId": LOST, "displayName": "stengt", "state": "Disabled"})
    with running(Sandbox([*ESTATE, *account("st3", subscription=S3)], [*SUBSCRIPTIONS, *more])) as served:
        yield served


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with broker(tmp_path_factory.mktemp("broker")) as served:
        yield served


@pytest.fixture
def lab(box: Sandbox, url: str, tmp_path: Path) -> Lab:
    return Lab(box, url, tmp_path)
