"""The memory of a whole scan, in a process of its own, against answers that take what every limit allows."""

import pytest

from tests.azure.hostile_memory import LOADS, MOST_MB, measured
from tests.sampled import some

FAST = (
    "pages at the limit, one row each",
    "permissions",
    "tenants",
)
"""All loads take half an hour: `python -m tests.azure.hostile_memory`."""


# Permissions and tenants are read by the same reader, with the same limit of a page, as the list of `make test`.
@pytest.mark.parametrize("name", some(FAST, 1))
def test_memory_stays_below_500_mb(name: str) -> None:
    result = measured(LOADS[name])
    assert result.peak < MOST_MB
    assert result.code in (None, 0, 3)
