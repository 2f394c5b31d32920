"""Waivers: what they cover, what they do not, and what is wrong in a file."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from scanner.errors import InputError
from scanner.evaluate import Spot
from scanner.loader import RuleSet, load
from scanner.resource import Gap
from scanner.rule import Fix, Kind
from scanner.toml import Faults
from scanner.verdict import Severity
from scanner.waivers import WaiverFile
from scanner.waivers import load as waivers

TODAY = date(2026, 11, 25)
ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stjournal"
FIX = Fix(az="az version", breaks="")


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load(packages=False)


def file(text: str, tmp_path: Path, rules: RuleSet) -> WaiverFile:
    path = tmp_path / "waivers.toml"
    path.write_text(text)
    return waivers(path, rules, today=TODAY)


def entry(**more: str) -> str:
    fields = {
        "rule": '"storage-plain-http"',
        "resource": f'"{ID}"',
        "reason": '"Closed in March"',
        "owner": '"kari"',
        "expires": "2026-12-31",
        **more,
    }
    return "[[waiver]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items() if value)


PROPERTY = Spot(severity=Severity.high)


def covered(
    found: WaiverFile,
    rules: RuleSet,
    *spots: Spot,
    rule: str = "storage-plain-http",
    resource: str = ID,
    tags: Mapping[str, str] | None = None,
) -> bool:
    return all(found.waived(rules.rules[rule], resource, tags or {}, each) for each in spots or (PROPERTY,))


def spot(endpoint: str, cell: str, address: str = "", severity: Severity = Severity.high) -> Spot:
    return Spot(endpoint, address, cell, severity)


def test_a_waiver_covers_its_rule_on_its_resource_whatever_the_case(tmp_path: Path, rules: RuleSet) -> None:
    found = file(entry(), tmp_path, rules)
    assert covered(found, rules)
    assert covered(found, rules, resource=ID.upper())
    assert not covered(found, rules, resource=f"{ID}2")
    assert not covered(
        found, rules, rule="storage-weak-tls" if "storage-weak-tls" in rules.rules else "storage-shared-key"
    )


def test_a_waiver_carries_reason_owner_expiry_and_ticket(tmp_path: Path, rules: RuleSet) -> None:
    found = file(entry(ticket='"OPS-7"'), tmp_path, rules)
    waived = found.waived(rules.rules["storage-plain-http"], ID, {}, PROPERTY)
    assert waived is not None
    assert (waived.reason, waived.owner, waived.expires, waived.ticket) == (
        "Closed in March",
        "kari",
        "2026-12-31",
        "OPS-7",
    )


def test_patterns_of_rules_and_resources(tmp_path: Path, rules: RuleSet) -> None:
    found = file(entry(rule='"category:transport"', resource='"*/rg/*"'), tmp_path, rules)
    assert covered(found, rules)
    assert not covered(found, rules, resource=ID.replace("/rg/", "/rg2/"))


def test_an_alias_of_a_rule_still_names_it(tmp_path: Path) -> None:
    kind = Kind("Microsoft.Storage/storageAccounts", api="1")
    kind.setting(
        "new-name", "transport", "T", "p", allowed=(True,), severity="low", why="w", fix=FIX, aliases=("old-name",)
    )
    rules = RuleSet(rules={rule.id: rule for rule in kind.rules})
    found = file(entry(rule='"old-name"'), tmp_path, rules)
    assert covered(found, rules, rule="new-name")


@pytest.mark.parametrize(
    ("expires", "covers"), [("2026-11-25", True), ("2026-11-24", False), ("2027-11-25", True), ('"2026-11-26"', True)]
)
def test_the_last_day_counts_and_an_expired_waiver_covers_nothing(
    expires: str, covers: bool, tmp_path: Path, rules: RuleSet
) -> None:
    found = file(entry(expires=expires), tmp_path, rules)
    assert covered(found, rules) is covers
    assert found.expired == (not covers)


def test_an_endpoint_that_is_not_listed_keeps_the_finding(tmp_path: Path, rules: RuleSet) -> None:
    found = file(entry(rule='"storage-*"', endpoints='["blob", "blob/*"]'), tmp_path, rules)
    blob, container = spot("blob", "data/shared/internet"), spot("blob/x", "data/anonymous/internet")
    assert covered(found, rules, blob, container, rule="storage-shared-key")
    assert not covered(found, rules, blob, spot("file", "data/shared/internet"), rule="storage-shared-key")
    assert not covered(found, rules), "a property is no endpoint"


@pytest.mark.parametrize(
    ("cell", "covers"),
    [
        ("data/shared/wide", True),
        ("data/identity/azure", True),
        ("data/shared/azure", True),
        ("app/shared/azure", True),
        ("data/shared/internet", False),
        ("data/anonymous/selected", False),
        ("data/unknown/azure", False),
    ],
)
def test_an_endpoint_that_is_worse_than_the_cell_keeps_the_finding(
    cell: str, covers: bool, tmp_path: Path, rules: RuleSet
) -> None:
    found = file(entry(rule='"storage-*"', cell='"admin/shared/azure"'), tmp_path, rules)
    assert covered(found, rules, spot("blob", cell), rule="storage-shared-key") is covers


def test_an_accepted_app_accepts_no_data(tmp_path: Path, rules: RuleSet) -> None:
    found = file(entry(rule='"storage-*"', cell='"app/anonymous/internet"'), tmp_path, rules)
    assert covered(found, rules, spot("web", "app/anonymous/internet"), rule="storage-shared-key")
    assert not covered(found, rules, spot("blob", "data/identity/selected"), rule="storage-shared-key")


def test_accepted_gaps(tmp_path: Path, rules: RuleSet) -> None:
    text = '[[gap]]\nurl = "*/blobServices/default"\nreason = "r"\nowner = "o"\nexpires = 2026-12-31\n'
    found = file(text, tmp_path, rules)
    assert found.accepted(Gap(f"{ID}/blobServices/Default", 403, "AuthorizationFailed"))
    assert not found.accepted(Gap(f"{ID}/blobServices/default/containers", 403, "AuthorizationFailed"))
    assert not file(text.replace("2026-12", "2026-10"), tmp_path, rules).accepted(
        Gap(f"{ID}/blobServices/default", 403, "x")
    )


def test_brackets_in_a_pattern_are_brackets(tmp_path: Path, rules: RuleSet) -> None:
    found = file(entry(resource=f'"{ID}[1]"'), tmp_path, rules)
    assert covered(found, rules, resource=f"{ID}[1]")
    assert not covered(found, rules, resource=f"{ID}1")


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        (entry(reason=""), "a waiver needs reason", 1),
        (entry(owner='"  "'), "a waiver needs owner", 5),
        (entry(expires=""), "a waiver needs expires", 1),
        (entry(rule=""), "a waiver needs rule", 1),
        (entry(resource=""), "a waiver needs resource", 1),
        (entry(rule='"storage-plane-http"'), 'waiver of "storage-plane-http" matches no rule', 2),
        (entry(expires="2027-11-27"), "2027-11-27 is more than 365 days ahead", 6),
        (entry(expires="7"), '"7" is no date', 6),
        (entry(endpoints='"blob"'), "endpoints is a list of names", 7),
        (entry(cell='"admin/shared"'), '"admin/shared" is no cell', 7),
        (entry(cell='"door/shared/internet"'), '"door/shared/internet" is no cell', 7),
        (entry(owner="7"), "owner is text", 5),
        ("[waiver]\nrule = 'x'\n", "waiver is no list of tables", 1),
        ("[[waivers]]\n", 'a waiver file has no table "waivers"', 1),
        (
            "[[gap]]\nurl = '*/a'\nreason = 'r'\nowner = 'o'\nexpires = 2026-12-31\nrule = 'x'\n",
            'a gap has no key "rule"',
            6,
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, what: str, line: int, tmp_path: Path, rules: RuleSet) -> None:
    with pytest.raises(Faults) as raised:
        file(text, tmp_path, rules)
    first = raised.value.all[0]
    assert (first.what, first.at.rpartition(":")[2]) == (what, str(line))


def test_a_file_that_is_not_there(tmp_path: Path, rules: RuleSet) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        waivers(tmp_path / "none.toml", rules)
