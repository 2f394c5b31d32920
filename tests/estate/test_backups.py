"""Vaults that could not be read: a machine is then in a vault, or it is unknown; it never lacks one."""

from typing import Any

import pytest
from msgspec.structs import replace

from scanner.sandbox.estate import Estate
from scanner.sandbox.faults import Fault
from tests.estate.parts import of_types
from tests.estate.test_expected import Scanned

IN_NONE = {"vm-bygg01", "vm-db01", "vm-gammel", "vm-hindret", "vm-kort"}
"""The machines that fail where every vault was read."""


def machines_and_vaults() -> Estate:
    return of_types(
        "Microsoft.Compute/virtualMachines",
        "Microsoft.RecoveryServices/vaults",
        "Microsoft.DataProtection/backupVaults",
    )


def statuses(scan: Scanned) -> dict[str, str]:
    """Return the status of each machine that is not in a vault, by name."""
    rows = [row for row in scan.document["findings"] if row["rule"] == "machine-not-backed-up"]
    return {row["resource"].rsplit("/", 1)[-1]: row["status"] for row in rows if "/providers/" in row["resource"]}


@pytest.mark.parametrize(
    ("refused", "of_it"),
    [
        ("*/providers/Microsoft.RecoveryServices/vaults/rsv-drift", {"vm-nat02"}),
        ("*/vaults/rsv-drift/backupProtectedItems", {"vm-nat02"}),
        ("*/backupVaults/bv-journal/backupInstances", {"vm-seks"}),
        # Resource Graph knew these vaults, so their instances were read: one of them protects vm-seks.
        ("/subscriptions/*/providers/Microsoft.DataProtection/backupVaults", set()),
    ],
)
def test_a_vault_that_was_not_read_makes_machines_in_no_other_vault_unknown(refused: str, of_it: set[str]) -> None:
    assert statuses(Scanned(Fault("refuse", refused), estate=machines_and_vaults())) == dict.fromkeys(
        IN_NONE | of_it, "unknown"
    )


def test_a_role_that_cannot_read_vaults_makes_machines_unknown() -> None:
    """Resource Graph hides vaults from such a role, as if there were none."""
    hidden = "Microsoft.RecoveryServices/vaults/read"
    estate = machines_and_vaults()
    grants: list[Any] = [
        {**each, "not_actions": [*each["not_actions"], hidden]}
        if isinstance(each, dict) and "not_actions" in each
        else each
        for each in estate.grants
    ]
    result = statuses(Scanned(estate=replace(estate, grants=grants)))
    assert set(result.values()) == {"unknown"}
    assert result.keys() > IN_NONE
