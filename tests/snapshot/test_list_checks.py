"""What the checks of a snapshot hold of its lists, and what lines are about."""

from itertools import product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from scanner.model.ids import normalized_id
from scanner.snapshot.checks import LineTargets, ListChecks
from scanner.snapshot.format import GapLine, NamedLine, ReadLine, SnapshotLine, root_of_line, sort_key, url_of

SUBSCRIPTION = "/subscriptions/3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4f"
STORAGE = f"{SUBSCRIPTION}/providers/Microsoft.Storage/storageAccounts"


def test_a_grouped_file_holds_no_list_that_nothing_counts() -> None:
    checks, targets = ListChecks(grouped=True, path=Path("x")), LineTargets()
    line = SnapshotLine(read=ReadLine(STORAGE, 20))
    checks.add(1, line, targets.of(line))
    for number in range(20):
        for type in ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"):
            id = f"{SUBSCRIPTION}/resourceGroups/rg-{number}/providers/{type}/a{number}"
            for below in ("", "/blobServices/default", "/blobServices/default/containers/c"):
                line = SnapshotLine(resource={"id": f"{id}{below}"})
                checks.add(2, line, targets.of(line))
    checks.check()
    assert checks._listed == {STORAGE.lower(): 20}


ROOTS = (
    "",
    SUBSCRIPTION,
    f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st",
    f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/St\u0130",
    f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Web/sites/app",
    f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net",
    f"{SUBSCRIPTION}/providers/Microsoft.Storage/storageAccounts/of-no-group",
)
ENDS = (
    "",
    "/",
    "2",
    "/blobServices/default",
    "/blobServices//default",
    "/blobServices/default/containers/C\x00d",
    "/slots/one/config/web",
    "/providers/Microsoft.Authorization/locks/keep",
    "/providers/Microsoft.Insights/diagnosticSettings/all",
    "/providers",
)
IDS = [f"{root}{end}" for root, end in product(ROOTS, ENDS)]


def lines_about(id: str) -> list[SnapshotLine]:
    return [
        SnapshotLine(resource={"id": id}),
        SnapshotLine(resource={"id": id.upper()}),
        SnapshotLine(read=ReadLine(id, 1)),
        SnapshotLine(gap=GapLine(id, 403, "AuthorizationFailed")),
        SnapshotLine(named=NamedLine(id)),
    ]


@given(st.lists(st.sampled_from([line for id in IDS for line in lines_about(id)]), max_size=30))
def test_targets_do_not_depend_on_the_lines_before(lines: list[SnapshotLine]) -> None:
    targets = LineTargets()
    for line in lines:
        target = targets.of(line)
        assert (target.path, target.root, target.key) == (
            normalized_id(url_of(line)),
            root_of_line(line),
            sort_key(line),
        )
