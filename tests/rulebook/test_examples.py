"""What a file of examples may leave out."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from scanner.errors import InputError
from scanner.model.rule import Rule
from scanner.rulebook.examples import read_cases, with_rules
from scanner.rulebook.loader import load

BASE = """
[[base]]
type = "Microsoft.Storage/storageAccounts"
{more}
body.properties = {{ a = 1, b = 2 }}
"""
CASE = """
[[case]]
name = "changed"
body.properties.a = 7
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "storage.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_case_is_of_the_type_of_the_only_base(tmp_path: Path) -> None:
    (case,) = read_cases(written(tmp_path, BASE.format(more="") + CASE)).cases
    assert (case.type, case.body) == ("Microsoft.Storage/storageAccounts", {"properties": {"a": 7, "b": 2}})


def test_a_case_names_its_type_where_there_are_two_bases(tmp_path: Path) -> None:
    other = BASE.format(more="").replace("storageAccounts", "other")
    with pytest.raises(InputError, match="'type' is missing"):
        read_cases(written(tmp_path, BASE.format(more="") + other + CASE))


def test_a_base_with_a_name_is_a_case(tmp_path: Path) -> None:
    more = 'name = "healthy"\nexpect = { storage-plain-http = "pass" }'
    case, _ = read_cases(written(tmp_path, BASE.format(more=more) + CASE)).cases
    assert case.expect == {"storage-plain-http": "pass"}
    assert case.body == {"properties": {"a": 1, "b": 2}}


def test_a_pattern_means_the_rules_of_the_type_that_are_not_named(tmp_path: Path) -> None:
    more = 'name = "healthy"\nexpect = { "storage-*" = "pass", storage-plain-http = "fail", "vault-*" = "pass" }'
    rules = load(packages=False)
    (case,) = with_rules(read_cases(written(tmp_path, BASE.format(more=more))), rules.rules).cases
    assert case.expect.pop("storage-plain-http") == "fail"
    assert case.expect.pop("vault-*") == "pass"
    assert set(case.expect.values()) == {"pass"}
    assert {*case.expect, "storage-plain-http"} == {
        rule.id for key, rule in rules.rules.items() if key.startswith("storage-")
    }


def renamed(*aliases: str) -> dict[str, Rule]:
    """Return the rules, with `storage-plain-http` under another id and its old ones as aliases."""
    rules = dict(load(packages=False).rules)
    rules["account-plain-http"] = replace(rules.pop("storage-plain-http"), id="account-plain-http", aliases=aliases)
    return rules


@pytest.mark.parametrize("id", ["first-id", "storage-plain-http", "account-plain-http"])
def test_an_example_may_name_a_rule_by_each_id_that_it_ever_had(id: str, tmp_path: Path) -> None:
    more = f'name = "healthy"\nexpect = {{ {id} = "fail", "storage-*" = "pass" }}'
    tables = f'[safe]\n{id} = "a page"\n"{id}:properties.a" = "a page"\n[never]\n"{id}:pass" = "why"\n'
    file = with_rules(
        read_cases(written(tmp_path, tables + BASE.format(more=more))), renamed("first-id", "storage-plain-http")
    )
    assert file.cases[0].expect.pop("account-plain-http") == "fail"
    assert set(file.cases[0].expect.values()) == {"pass"}
    assert not {"first-id", "storage-plain-http"} & file.cases[0].expect.keys()
    assert file.safe == {"account-plain-http": "a page", "account-plain-http:properties.a": "a page"}
    assert file.never == {"account-plain-http:pass": "why"}


def test_a_pattern_means_a_renamed_rule_too(tmp_path: Path) -> None:
    more = 'name = "healthy"\nexpect = { "storage-*" = "pass" }'
    rules = renamed("storage-plain-http")
    (case,) = with_rules(read_cases(written(tmp_path, BASE.format(more=more))), rules).cases
    assert case.expect["account-plain-http"] == "pass"


def test_an_example_that_names_a_rule_by_two_of_its_ids_is_refused(tmp_path: Path) -> None:
    more = 'name = "healthy"\nexpect = { storage-plain-http = "pass", account-plain-http = "fail" }'
    with pytest.raises(InputError) as error:
        with_rules(read_cases(written(tmp_path, BASE.format(more=more))), renamed("storage-plain-http"))
    assert str(error.value) == '"storage-plain-http" is the rule "account-plain-http", which the example names too'
    assert (error.value.at, error.value.do) == ("storage: healthy", 'leave out "storage-plain-http"')
