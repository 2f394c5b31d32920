"""Commands name entries of lists by their values; where only a position says which, a check comes first."""

import json
import shlex

import pytest

from scanner.fix.by_value import removals
from scanner.fix.checked import STOP, check_of, checked, positions_of, unchecked
from tests.estate.test_fixes import before
from tests.rules import examples
from tests.rules.simulate import everything

TOGETHER = examples.TOGETHER
GROUP = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg-a/providers"
ACCOUNT = f"{GROUP}/Microsoft.Storage/storageAccounts/st"
COSMOS = f"{GROUP}/Microsoft.DocumentDB/databaseAccounts/cosmos"


def test_no_command_of_an_example_names_a_position_without_a_check() -> None:
    number = 0
    for each in everything():
        fix = each.finding.fix
        assert fix is not None
        undo = fix.undo
        lines = [*fix.commands, fix.check_first, *([*undo.save, *undo.commands] if undo else [])]
        assert positions_of(lines) == [], each.id
        number += sum(bool(check_of(line)) for line in lines)
    assert number > 20


def test_no_command_of_the_sample_estate_names_a_position_without_a_check() -> None:
    fixes = [row.fix for row in before().findings.values() if row.fix is not None]
    fixes += [row.fix for row in before().exposures.values() if row.fix is not None]
    undos = [fix.undo for fix in fixes if fix.undo is not None]
    lines = [line for fix in fixes for line in (*fix.commands, fix.check_first)]
    lines += [line for undo in undos for line in (*undo.save, *undo.commands)]
    assert positions_of(lines) == []
    assert any(map(check_of, lines))


def test_a_service_that_names_the_value_is_asked_to_remove_it() -> None:
    rules = "properties.networkAcls.ipRules"
    assert removals(ACCOUNT, rules, [(3, {"value": "192.0.2.0/24", "action": "Allow"})]) == (
        "az storage account network-rule remove --account-name st --resource-group rg-a --ip-address 192.0.2.0/24"
        " --subscription 5a000000-0000-4000-8000-000000000001",
    )


def test_what_the_service_cannot_read_is_removed_by_its_position_behind_a_check() -> None:
    (command,) = removals(ACCOUNT, "properties.networkAcls.ipRules", [(3, {"value": "192.0.2.1/24"})])
    assert check_of(command).endswith(
        """--query 'properties.networkAcls.ipRules[3].value==`"192.0.2.1/24"`' --output json"""
    )
    assert unchecked(command) == f"az resource update --ids {ACCOUNT} --remove properties.networkAcls.ipRules 3"


def test_entries_of_one_list_go_from_the_last_one_on_and_are_all_checked() -> None:
    entries = [(0, {"ipAddressOrRange": "0.0.0.0/1"}), (2, {"ipAddressOrRange": "128.0.0.0/1"})]
    (command,) = removals(COSMOS, "properties.ipRules", entries)
    assert unchecked(command).endswith("--remove properties.ipRules 2 --remove properties.ipRules 0")
    assert "[0].ipAddressOrRange" in check_of(command)
    assert "[2].ipAddressOrRange" in check_of(command)


def test_an_entry_of_which_nothing_is_known_has_no_command() -> None:
    assert removals(COSMOS, "properties.ipRules", [(0, {"ipAddressOrRange": "not kept"})]) == ()
    assert removals(COSMOS, "properties.ipRules", [(0, {}), (1, {"ipAddressOrRange": "1.1.1.1"})]) == ()


@pytest.mark.parametrize("value", ["a`b", "a'b", 'a"b', "a\\b", "$(x)", "a\nb", "\u202eb"])
def test_a_check_says_what_it_means_whatever_the_value_is(value: str) -> None:
    command = checked("az x", COSMOS, "properties.ipRules", [(0, {"a b": value})])
    query = shlex.split(check_of(command))[6]
    start, literal, end = query.split("`")
    assert (start, json.loads(literal), end) == ('properties.ipRules[0]."a b"==', value, "")
    assert command.count(STOP) == 1
    assert command.isprintable()


def test_what_only_describes_an_entry_is_not_compared() -> None:
    entry = {"ipAddress": "Any", "description": "Allow all access", "etag": "1"}
    command = checked("az x", COSMOS, "properties.ipSecurityRestrictions", [(0, entry)])
    assert "ipAddress" in command
    assert "description" not in command
    assert "etag" not in command
    assert checked("az x", COSMOS, "properties.ipSecurityRestrictions", [(0, {"description": "x"})]) == ""
