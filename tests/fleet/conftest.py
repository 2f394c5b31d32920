"""A sandbox with four subscriptions, a broker, and a folder for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.sandbox.server import Sandbox, running
from tests.fleet.broker import broker
from tests.fleet.lab import FOUR, RESOURCES, Lab


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with running(Sandbox(RESOURCES, FOUR)) as served:
        yield served


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with broker(tmp_path_factory.mktemp("broker")) as served:
        yield served


@pytest.fixture
def lab(box: Sandbox, url: str, tmp_path: Path) -> Lab:
    return Lab(box, url, tmp_path)
