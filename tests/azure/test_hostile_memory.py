"""The memory of a whole scan, in a process of its own, against answers that take what every limit allows."""

import pytest

from tests.azure.hostile_memory import LOADS, MOST_MB, measured

FAST = (
    "pages at the limit, one row each",
    "permissions",
    "tenants",
)
"""All loads take half an hour: `python -m tests.azure.hostile_memory`."""


@pytest.mark.parametrize("name", FAST)
def test_memory_stays_below_500_mb(name: str) -> None:
    found = measured(LOADS[name])
    assert found.peak < MOST_MB
    assert found.code in (None, 0, 3)
