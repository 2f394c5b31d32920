"""The files of frameworks: complete, and each mapping leads to something."""

import tomllib
from pathlib import Path

import pytest

from scanner.model.framework import NOT_TESTABLE, Control, Framework
from scanner.model.responsibility import RESPONSIBILITIES
from scanner.rulebook.loader import load
from scanner.text.toml import toml_tables

RULES = load(packages=False)
LONGEST = 10
"""Words of a title: ours, not the publisher's text."""


def controls() -> list[tuple[Framework, Control]]:
    return [(framework, control) for framework in RULES.frameworks.values() for control in framework.controls.values()]


@pytest.mark.parametrize("framework", RULES.frameworks.values(), ids=RULES.frameworks)
def test_a_framework_has_as_many_controls_as_its_publisher_counts(framework: Framework) -> None:
    assert framework.published in (0, len(framework.controls))
    assert framework.published or framework.listed
    assert {control.section for control in framework.controls.values()} == set(framework.sections)


def test_the_numbers_that_publishers_name() -> None:
    named = {"nsm-2.0": 118, "nist-800-53-r5": 298, "iso-27001-2022": 93, "cis-azure-6.0": 127, "mcsb-v1": 86}
    assert {id: len(RULES.frameworks[id].controls) for id in named} == named
    assert len(RULES.frameworks["nsm-2.0"].sections) == 21


def test_each_mapping_names_a_topic_or_a_rule_and_leads_to_a_rule() -> None:
    known = {*RULES.topics, *RULES.rules}
    assert {name for _, control in controls() for name in control.tests} <= known
    by_control = {(name, id) for rule in RULES.rules.values() for name, ids in rule.controls.items() for id in ids}
    tested = {(framework.name, control.id) for framework, control in controls() if control.tests}
    assert by_control == tested


def test_a_control_says_what_its_rules_leave_open_or_why_none_can_test_it() -> None:
    for framework, control in controls():
        at = f"{framework.id} {control.id}"
        assert 1 <= len(control.title.split()) <= LONGEST, at
        assert control.tests or not control.rest, at
        assert not control.not_testable or control.not_testable in NOT_TESTABLE, at
    assert {control.not_testable for _, control in controls()} - {""} == set(NOT_TESTABLE)
    nsm = RULES.frameworks["nsm-2.0"].controls.values()
    assert all(len(each.titles["nb"].split()) <= LONGEST for each in nsm)


def test_control_ids_stand_in_the_files_of_frameworks_alone() -> None:
    assert set(toml_tables(Path("rules/controls.toml").read_text("utf-8"))) == {"topics"}
    assert set(RULES.topics) == {name for rule in RULES.rules.values() for name in rule.control_sets}


def test_every_rule_has_a_responsibility() -> None:
    assert all(rule.responsibility in RESPONSIBILITIES for rule in RULES.rules.values())
    whose = {id: RULES.rules[id].responsibility for id in ("machine-all-ports-exposed", "storage-network-unrestricted")}
    assert whose == {"machine-all-ports-exposed": "customer", "storage-network-unrestricted": "shared"}


FILE = """name = "Own 1"
title = "Own"
version = "1"
publisher = "we"
url = "https://example.org"
source = "here"
published = 1
[sections]
A = "A"
[controls]
"""


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ('"A.1" = { in = "B", title = "T" }', 'unknown section "B"'),
        ('"A.1" = { in = "A", title = "T", not_testable = "proces" }', "(nearest: process)"),
        ('"A.1" = { in = "A", title = "T", tests = ["tls"] }', "wholly = true"),
        ('"A.1" = { in = "A", title = "T", tests = ["tls"], wholly = true, rest = "x" }', "wholly = true"),
        ('"A.1" = { in = "A", title = "T", tests = ["tls"], rest = "x", not_testable = "process" }', "is testable"),
        ('"A.1" = { in = "A", title = 7 }', "Expected `str`".replace("`", '"')),
        ('"A.1" = { in = "A", titel = "T" }', 'unknown key "titel"'),
    ],
)
def test_a_wrong_file_is_named_with_its_line(row: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "frameworks").mkdir()
    (tmp_path / "frameworks" / "own.toml").write_text(FILE + row)
    (broken,) = load([tmp_path], packages=False).broken
    assert broken.file.endswith("own.toml")
    assert fault in broken.error
    assert broken.line in (10, 11)


def test_a_folder_of_ones_own_may_have_a_framework(tmp_path: Path) -> None:
    (tmp_path / "frameworks").mkdir()
    row = '"A.1" = { in = "A", title = "T", tests = ["tls", "storage-shared-key-enabled"], rest = "x" }'
    (tmp_path / "frameworks" / "own.toml").write_text(FILE + row)
    rule_set = load([tmp_path], packages=False)
    assert rule_set.broken == []
    assert rule_set.frameworks["own"].controls["A.1"].rest == "x"


def test_the_explained_mappings_are_mappings() -> None:
    rows = tomllib.loads(Path(__file__).with_name("explained_mappings.toml").read_text("utf-8"))["mapping"]
    assert len({(row["framework"], row["control"], row["rule"]) for row in rows}) == 30
    lost = [row for row in rows if row["control"] not in _controls(row["rule"], row["framework"])]
    assert lost == []


def _controls(id: str, framework: str) -> tuple[str, ...]:
    """Return the controls of a framework that a rule tests, by an id that it has or had."""
    return next(iter(RULES.all_named(id))).controls[framework]
