"""The read table against the SDKs' typed operations: method and path equal, our api-version not newer than theirs."""

import pytest

from scanner.azure import graph
from scanner.azure.pipeline import GRAPH
from tests.azure.operations import ANY, PlannedRead, operations, table
from tests.rules import pinned


def has_none(read: PlannedRead) -> bool:
    """Whether somebody wrote down that no SDK has this read, or what it is below (`no_sdk`, tests/rules/pinned.py)."""
    without = [name.lower() for name, entry in pinned.by_hand().items() if entry.get("no_sdk")]
    return any(f"{read.name.lower()}/".startswith(f"{name}/") for name in without)


TABLE = table()


@pytest.mark.parametrize("read", TABLE, ids=lambda read: read.what)
def test_a_read_is_what_the_sdk_sends(read: PlannedRead) -> None:
    fitting = [each for each in operations() if read.fits(each) and each.method == "GET"]
    if has_none(read):
        assert not fitting, f"{fitting[0].name} reads this now: {read.name} needs no `no_sdk`"
        return
    assert fitting, f"no operation reads {'/'.join(read.path)}: name its SDK in `sdks`, or `no_sdk` beside its paths"
    newest = max(each.version for each in fitting)
    assert read.version[:10] <= newest[:10], f"{read.version} is newer than {newest} of {fitting[0].name}"


def test_a_list_that_hands_out_secrets_is_never_read() -> None:
    secret = {each.path for each in operations() if each.method == "POST"}
    for read in TABLE:
        assert not any(
            len(read.path) == len(path) and all(b in (a, ANY) for a, b in zip(read.path, path, strict=True))
            for path in secret
        ), read.what


def test_resource_graph_is_asked_where_its_sdk_would_ask() -> None:
    """azure-mgmt-resourcegraph 8.0.1: POST /providers/Microsoft.ResourceGraph/resources, api-version 2021-03-01."""
    assert GRAPH == "/providers/Microsoft.ResourceGraph/resources"
    assert graph.TOP == 1000
