"""Azurite for the tests of this folder; others import `tests.output.azurite`."""

from collections.abc import Iterator

import pytest

from tests.output.azurite import Azurite, azurite


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """A blob service with the container `reports`."""
    with azurite(tmp_path_factory.mktemp("azurite")) as served:
        served.make("reports")
        yield served
