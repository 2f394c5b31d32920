"""Rules on many types: one id, a rule for each type, titles, keys, and the ids that it had for one type."""

from collections import defaultdict
from pathlib import Path

import pytest

from docs.merged_ids import page
from scanner.document.schema import finding_fingerprint
from scanner.history.first_ids import first_ids
from scanner.model.rule import PRODUCT, Question
from scanner.model.rule_row import ValueCheck
from scanner.rulebook.examples import read_cases
from scanner.rulebook.loader import RuleSet, load, match_whole, matches
from tests.rules import examples

TOGETHER = examples.TOGETHER
RULES = load(packages=False)
SUB = "/subscriptions/5a000000-0000-4000-8000-000000000001"
VAULT = f"{SUB}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"
ROW = """
[my-tls]
title = "{product} accepts old TLS versions"
pass_title = "TLS"
category = "transport"
severity = "low"
check = { path = "properties.tls", good = ["new"], bad = ["old"] }
why = "w"
fix = { steps = ["s"], impact = "i" }
"""
TYPES = """
[my-tls.types]
"keyvault.VAULT" = { was = ["vault-first", "vault-tls"] }
"machines.MACHINE" = { costly = true }
"health.WORKSPACE" = { product = "FHIR", check = { path = "properties.other" }, fix = { steps = ["own"] } }
"""


def made(folder: Path, text: str) -> RuleSet:
    (folder / "my.toml").write_text(text, "utf-8")
    return load([folder], packages=False)


def mine(rules: RuleSet) -> Question:
    return rules.questions()["my-tls"]


def test_a_row_makes_a_rule_of_each_type_under_one_id(tmp_path: Path) -> None:
    rules = made(tmp_path, ROW + TYPES)
    assert rules.broken == []
    vault, machine, health = mine(rules).rules
    assert {rule.id for rule in (vault, machine, health)} == {"my-tls"}
    assert (vault.key, machine.key) == ("vault-first", "my-tls:microsoft.compute/virtualmachines")
    assert (vault.aliases, machine.aliases) == (("vault-first", "vault-tls"), ())
    assert vault.title == "Key vault accepts old TLS versions" == vault.title_at(VAULT)
    machines = f"{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/a"
    assert machine.title_at(machines) == "Virtual machine scale set accepts old TLS versions"
    assert machine.title == machine.title_at(SUB) == mine(rules).title == "Resource accepts old TLS versions"
    assert health.title == "FHIR accepts old TLS versions"
    assert (health.fix.steps, mine(rules).fix.steps) == (("own",), ("s",))
    assert health.row is not None
    assert isinstance(health.row.check, ValueCheck)
    assert health.row.check.path == "properties.other"


def test_a_list_of_types_is_enough(tmp_path: Path) -> None:
    row = ROW.replace("why =", 'types = ["keyvault.VAULT", "search.SERVICE"]\nwhy =')
    assert [rule.title for rule in mine(made(tmp_path, row)).rules] == [
        "Key vault accepts old TLS versions",
        "AI Search service accepts old TLS versions",
    ]


def test_a_type_is_enabled_alone_skipped_alone_and_named_where_it_is_off(tmp_path: Path) -> None:
    rules = made(tmp_path, ROW + TYPES)
    vault, machine, health = (rule.key for rule in mine(rules).rules)
    chosen = ({vault, health}, ["my-tls:Microsoft.Compute/virtualMachines"])
    assert ({*rules.enabled} & {vault, machine, health}, [id for id in rules.off() if id.startswith("my-")]) == chosen
    for only, skip, left in (
        (["my-tls"], [], {vault, machine, health}),
        (["vault-tls"], [], {vault}),
        (["my-tls:Microsoft.Compute/*"], [], set()),
        (["my-tls:microsoft.compute/virtualmachines"], [], {machine}),
        (["my-tls"], ["vault-first"], {machine, health}),
        (["my-tls"], ["my-tls:Microsoft.KeyVault/vaults"], {machine, health}),
        (["my-tls"], ["my-tls"], set()),
    ):
        rules.select(only, skip)
        assert {*rules.enabled} == left, (only, skip)


def test_an_old_id_of_one_type_means_the_rule_for_that_type_alone(tmp_path: Path) -> None:
    rules = made(tmp_path, ROW + TYPES)
    vault, machine, _ = mine(rules).rules
    assert rules.all_named("vault-tls") == [vault]
    assert rules.named("my-tls", VAULT) is vault
    assert match_whole(vault, ("vault-tls",))
    assert not matches(machine, "vault-tls")
    assert all(match_whole(rule, ("my-tls",)) for rule in (vault, machine))


def test_a_later_name_of_all_types_keeps_the_keys(tmp_path: Path) -> None:
    before = [rule.key for rule in mine(made(tmp_path, ROW + TYPES)).rules]
    renamed = (ROW + TYPES).replace("my-tls", "my-new").replace("why =", 'aliases = ["my-tls"]\nwhy =')
    rules = made(tmp_path, renamed)
    assert [rule.key for rule in rules.questions()["my-new"].rules] == before
    known = first_ids(rules)
    assert {known("my-tls", VAULT), known("my-new", VAULT), known("vault-tls"), known("vault-first")} == {"vault-first"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (ROW + '[my-tls.types]\n"keyvault.VALT" = {}\n', '"keyvault.VALT" is not a variable'),
        (ROW + '[my-tls.types]\n"keyvault.VAULT" = { checks = {} }\n', "unknown key"),
        (ROW.replace("why =", 'types = ["keyvault.VAULT", "keyvault.VAULT"]\nwhy ='), "could not be told apart"),
        (ROW.replace('"w"', '"{product}"') + TYPES, "only the title names the type"),
    ],
)
def test_a_fault_of_a_type_is_named(text: str, fault: str, tmp_path: Path) -> None:
    (broken,) = made(tmp_path, text).broken
    assert fault in broken.error


def test_a_finding_of_a_subscription_whose_types_were_not_listed_is_known_by_its_fingerprint() -> None:
    known = first_ids(RULES)
    for rule in RULES.questions()["no-delete-lock"].rules:
        assert known("no-delete-lock", SUB, finding_fingerprint(rule.key, SUB)) == rule.key


def test_every_old_id_of_one_type_is_on_the_page() -> None:
    assert Path("docs/merged-ids.md").read_text("utf-8") == page(RULES)


def test_the_keys_and_ids_of_all_rules_are_different() -> None:
    names = [name for rule in RULES.rules.values() for name in {rule.key, *rule.old_ids}]
    assert len(names) == len(set(names))
    assert not {rule.id for rule in RULES.rules.values() if rule.of_many} & set(names)


def test_no_two_findings_of_a_resource_share_a_fingerprint() -> None:
    for case in examples.cases():
        result: dict[str, list[str]] = defaultdict(list)
        for row in examples.result(case).findings:
            result[row.fingerprint].append(f"{row.rule} {row.resource}")
        assert [rows for rows in result.values() if len(rows) > 1] == [], case.id


def test_every_title_names_what_it_is_about() -> None:
    for rule in RULES.rules.values():
        assert PRODUCT not in rule.title + rule.why + rule.pass_title + str(rule.fix), rule.key


TABLE = ROW + '[my-tls.types]\n"keyvault.VAULT" = {}\n'
SERVICE = """
from scanner.model.resource_type import ResourceType
LAB = ResourceType("Microsoft.Agency/labs", api="2026-01-01")
"""


def with_type(folder: Path, rows: str) -> RuleSet:
    """Load a folder with a table, and a service whose file of rows is this."""
    (folder / "tables").mkdir()
    (folder / "tables" / "tls.toml").write_text(TABLE, "utf-8")
    (folder / "lab.py").write_text(SERVICE, "utf-8")
    (folder / "lab.toml").write_text(rows, "utf-8")
    return load(code=[folder], packages=False)


def test_the_file_of_a_type_takes_part_in_a_question(tmp_path: Path) -> None:
    """A type of its own was a line in each table, so that a new one changed a file a table."""
    rules = with_type(tmp_path, '[my-tls.types]\nLAB = { check = { path = "properties.own" } }\n')
    assert rules.broken == []
    vault, lab = mine(rules).rules
    assert (vault.resource_type.type, lab.resource_type.type) == ("Microsoft.KeyVault/vaults", "Microsoft.Agency/labs")
    assert lab.row is not None
    assert isinstance(lab.row.check, ValueCheck)
    assert lab.row.check.path == "properties.own"


@pytest.mark.parametrize(
    ("rows", "line", "error"),
    [
        ('[my-tsl]\ntypes = ["LAB"]\n', 1, "my-tsl: no rule with `types` has this id (nearest: my-tls)"),
        ('\n[my-tls]\ntypes = ["LBA"]\n', 3, 'my-tls: "lab.LBA" is not a variable of its .py file (nearest: LAB)'),
        ("[my-tls.types]\nLAB = {}\nVAULT = { chek = {} }\n", 3, 'my-tls: unknown key "chek" (nearest: check)'),
    ],
)
def test_a_fault_of_a_type_that_takes_part_is_in_its_own_file(tmp_path: Path, rows: str, line: int, error: str) -> None:
    (broken,) = with_type(tmp_path, rows).broken
    assert (Path(broken.file).name, broken.line, broken.error) == ("lab.toml", line, error)


EXAMPLES = """
[my-tls.types]
LAB = {}
[[base]]
name = "a lab"
type = "Microsoft.Agency/labs"
body.properties.tls = "new"
expect = { my-tls = "pass" }
[safe]
my-tls = "a page"
"""


def test_the_examples_of_a_service_may_stand_in_its_file_of_rows(tmp_path: Path) -> None:
    rules = with_type(tmp_path, EXAMPLES)
    assert rules.broken == []
    assert len(mine(rules).rules) == 2
    (case,) = read_cases(tmp_path / "lab.toml", beside_rows=True).cases
    assert (case.name, case.expect) == ("a lab", {"my-tls": "pass"})
