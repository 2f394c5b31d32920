"""What the checks of a snapshot hold of its lists."""

from scanner.snapshot.checks import ListChecks
from scanner.snapshot.format import ReadLine, SnapshotLine

SUBSCRIPTION = "/subscriptions/3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4f"
STORAGE = f"{SUBSCRIPTION}/providers/Microsoft.Storage/storageAccounts"


def test_a_grouped_file_holds_no_list_that_nothing_counts() -> None:
    checks = ListChecks(grouped=True)
    checks.add("1", SnapshotLine(read=ReadLine(STORAGE, 20)))
    for number in range(20):
        for type in ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"):
            id = f"{SUBSCRIPTION}/resourceGroups/rg-{number}/providers/{type}/a{number}"
            checks.add("2", SnapshotLine(resource={"id": id}))
    checks.check()
    assert dict(checks._listed) == {STORAGE.lower(): 20}
