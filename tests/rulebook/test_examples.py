"""What a file of examples may leave out."""

from pathlib import Path

import pytest

from scanner.errors import InputError
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
