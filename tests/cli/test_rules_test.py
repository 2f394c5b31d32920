"""`twolocks rules test`: the examples of a rules folder, its paths and its commands."""

import json
import stat
import sys
from pathlib import Path

import pytest

from scanner.azure import az_commands
from scanner.model.resource import Resource
from scanner.model.verdict import Fail, Pass
from scanner.rulebook.kept import kept_paths
from scanner.rulebook.loader import load
from tests.terminals import twolocks

ROW = """\
[storage-sftp]
title = "Storage account has SFTP enabled"
pass_title = "SFTP is disabled"
category = "governance"
severity = "low"
check = { of = "storage.ACCOUNT", path = "properties.isSftpEnabled", good = [false] }
why = "Nothing here uses SFTP."
[storage-sftp.fix]
az = "az storage account update --ids {id} --enable-sftp false"
impact = "Clients that use SFTP."
"""
TYPE = "Microsoft.Storage/storageAccounts"
ACCOUNT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"
CODE = """\
from scanner.model.verdict import Pass
from scanner.rules.storage import ACCOUNT

def always(resource, index):
    return Pass(())
"""
CALLS = ROW.replace('path = "properties.isSftpEnabled", good = [false]', 'function = "own.always"')
PATHS = """\
["Microsoft.Storage/storageAccounts"]
api = "{api}"
source = "azure-mgmt-storage StorageAccount"
paths = ["properties.{path}"]
"""


def pins(path: str) -> str:
    """Return a file of pinned paths for the api-version that the built-in rules read."""
    kinds = load(packages=False).kinds
    return PATHS.format(api=next(kind.api for kind in kinds if kind.type.endswith("/storageAccounts")), path=path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A rules folder with one row, on a machine without the Azure CLI."""
    monkeypatch.setattr(az_commands, "content", lambda name: tmp_path / name)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "storage.toml").write_text(ROW)
    return tmp_path / "own"


def az(folder: Path, python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an `az` on the PATH whose Python is this script."""
    interpreter = folder / "python3"
    interpreter.write_text(f"#!/bin/sh\n{python}\n")
    command = folder / "az"
    command.write_text(f"#!{interpreter}\n")
    for each in (interpreter, command):
        each.chmod(each.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def test_a_row_that_is_right(folder: Path) -> None:
    done = twolocks("rules", "test", str(folder))
    assert done.out == "ok\tstorage-sftp\t5 examples\n"
    assert "The az commands were not parsed: there is no az on the PATH." in done.err
    assert "1 rule, 5 examples: 0 failed." in done.err
    assert done.code == 0


def test_an_example_that_fails(folder: Path) -> None:
    (folder / "cases").mkdir()
    (folder / "cases" / "storage.toml").write_text(
        """\
        [[case]]
        name = "SFTP is on"
        type = "Microsoft.Storage/storageAccounts"
        expect = { storage-sftp = "pass" }
        body.properties.isSftpEnabled = true
        """
    )
    done = twolocks("rules", "test", str(folder))
    assert done.out == "fail\tstorage-sftp\tstorage-sftp in storage: SFTP is on: fail, not pass\n"
    assert done.code == 1


def test_an_example_of_a_rule_that_does_not_exist(folder: Path) -> None:
    (folder / "cases").mkdir()
    (folder / "cases" / "storage.toml").write_text(
        '[[case]]\nname = "x"\ntype = "Microsoft.Storage/storageAccounts"\nexpect = { storage-stfp = "pass" }\n'
    )
    done = twolocks("rules", "test", str(folder))
    assert 'an example names no rule: "storage-stfp"' in done.err
    assert "storage-sftp" in done.err
    assert done.code == 2


def test_a_file_of_examples_that_is_wrong(folder: Path) -> None:
    (folder / "cases").mkdir()
    (folder / "cases" / "storage.toml").write_text("[[case]]\nname = 'x'\n")
    done = twolocks("rules", "test", str(folder))
    assert "a file of examples was not loaded: the key 'type' is missing" in done.err
    assert done.code == 2


def test_a_file_that_does_not_load(folder: Path) -> None:
    (folder / "more.toml").write_text(ROW.replace("storage-sftp", "storage-sftp-two").replace("good", "god"))
    done = twolocks("rules", "test", str(folder))
    assert "more.toml:6" in done.err
    assert done.out == "ok\tstorage-sftp\t5 examples\n"
    assert done.code == 2


def test_a_rule_that_calls_code_needs_an_example_by_hand(folder: Path) -> None:
    (folder / "own.py").write_text(CODE)
    (folder / "storage.toml").write_text(CALLS)
    done = twolocks("rules", "test", str(folder), "--run-code")
    assert "passes on a resource without properties" in done.out
    assert done.code == 1
    (folder / "own.py").write_text(CODE.replace("Pass(())", "NotApplicable('x')").replace("Pass", "NotApplicable"))
    for name in [name for name in sys.modules if name.startswith("scanner.rules_user_0")]:
        del sys.modules[name]
    done = twolocks("rules", "test", str(folder), "--run-code")
    assert done.out.startswith("none\tstorage-sftp\tno example")
    assert "1 rule, 0 examples: 0 failed, 1 without an example." in done.err
    assert done.code == 0


def test_a_path_that_the_pinned_version_does_not_return(folder: Path) -> None:
    (folder / "paths.toml").write_text(pins("isSftpEnabld"))
    done = twolocks("rules", "test", str(folder))
    assert "properties.isSftpEnabled is not returned by Microsoft.Storage/storageAccounts at" in done.out
    assert done.code == 1
    exception = '["Microsoft.Storage/storageAccounts".newer]\n"properties.isSftpEnabled" = "the REST reference"\n'
    (folder / "paths.toml").write_text(pins("isSftpEnabld") + exception)
    assert twolocks("rules", "test", str(folder)).code == 0


def test_pinned_paths_without_a_source(folder: Path) -> None:
    (folder / "paths.toml").write_text(pins("isSftpEnabled").replace("source", "sourc"))
    done = twolocks("rules", "test", str(folder))
    assert "has no source" in done.err
    assert done.code == 2


def test_a_test_file_is_no_rule(folder: Path) -> None:
    (folder / "test_storage.py").write_text("raise SystemExit")
    assert twolocks("rules", "test", str(folder)).code == 0


def test_only_some_rules(folder: Path) -> None:
    other = ROW.replace("storage-sftp", "storage-sftp-two")
    (folder / "storage.toml").write_text(ROW + other)
    done = twolocks("rules", "test", str(folder), "--only", "*-two")
    assert done.out == "ok\tstorage-sftp-two\t5 examples\n"


def test_the_azure_cli_refuses_a_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = r"printf 'storage-sftp\n  az x\n  unrecognized arguments: --x\n\n1 commands, 1 refused\n'; exit 1"
    az(folder, text, monkeypatch)
    done = twolocks("rules", "test", str(folder))
    assert done.out == "fail\tstorage-sftp\taz: unrecognized arguments: --x\n"
    assert done.code == 1


def test_an_azure_cli_that_does_not_work_is_a_note(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    az(folder, "echo 'No module named azure.cli' >&2; exit 1", monkeypatch)
    done = twolocks("rules", "test", str(folder))
    assert "were not parsed: the Azure CLI did not parse them: No module named azure.cli." in done.err
    assert done.code == 0


def test_there_is_no_folder(tmp_path: Path) -> None:
    done = twolocks("rules", "test", str(tmp_path / "x"))
    assert "there is no folder" in done.err
    assert done.code == 2


def test_the_built_in_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    done = twolocks("rules", "test", "rules", "--only", "acr-*")
    assert done.code == 0
    assert all(line.startswith("ok\t") for line in done.out.splitlines())


# What does not load, and what nothing can decide


@pytest.mark.parametrize(
    ("name", "text", "at"),
    [
        ("more.toml", "x = [", "more.toml:1"),
        ("more.toml", ROW.replace("sftp", "more").replace("severity", "sevrity"), "more.toml:5"),
        ("more.toml", "[[storage-sfpt.unless]]\nbecause = 'x'\n", "more.toml:1"),
        ("tables/more.toml", "table = 3\n", "tables/more.toml:1"),
        ("controls.toml", "a = 1\n", "controls.toml:1"),
        ("frameworks/mine.toml", "x = 1\n", "frameworks/mine.toml:1"),
        ("more.py", "\n1 / 0\n", "more.py:2"),
        ("cases/more.toml", "x = [", "cases/more.toml"),
        ("cases/more.toml", "[[csae]]\nname = 'x'\n", "cases/more.toml"),
        ("paths.toml", "x = [", "paths.toml"),
        ("paths.toml", "x = 1", "paths.toml"),
    ],
)
@pytest.mark.parametrize("only", [(), ("--only", "storage-sftp")])
def test_a_file_that_does_not_load_is_an_error(
    folder: Path, name: str, text: str, at: str, only: tuple[str, ...]
) -> None:
    """Also where the rules that are tested stand in other files."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    done = twolocks("rules", "test", str(folder), "--run-code", *only)
    assert done.code == 2
    assert f"--> {folder / at}" in done.err
    if name.startswith(("more", "tables", "controls", "frameworks")):
        assert "0 failed, 1 not loaded." in done.err


def test_a_folder_without_a_rule_is_an_error(folder: Path) -> None:
    """Its rules may be in a folder below, where nothing reads them."""
    (folder / "below").mkdir()
    (folder / "storage.toml").rename(folder / "below" / "storage.toml")
    done = twolocks("rules", "test", str(folder))
    assert (done.code, f"error: {folder} has no rule" in done.err) == (2, True)


UNDECIDED = """
from scanner.model.verdict import Pass, Unknown
from scanner.rules.storage import ACCOUNT

def undecided(resource, index):
    return Unknown("it is not known")
"""


CHECK = 'check = { of = "storage.ACCOUNT", path = "properties.isSftpEnabled", good = [false] }'
"""The line of the check in the row."""


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (
            "check = { of = 'storage.ACCOUNT', function = 'own.undecided' }\n"
            "examples = [{ name = 'any', status = 'unknown', body = { } }]",
            "it is inconclusive in every example, so it would be everywhere",
        ),
        (
            "check = { of = 'storage.ACCOUNT', path = 'propertes.x', good = [true] }",
            'propertes.x is in no body: "propertes" (nearest: properties)',
        ),
        (
            "check = { of = 'storage.ACCOUNT', path = 'tag.x', set = 'a name' }\nsource = 's'",
            'tag.x is in no body: "tag" (nearest: tags)',
        ),
        (
            f"{CHECK}\nunless = [{{ path = 'skus.name', is = ['a'], because = 'it is a' }}]",
            'skus.name is in no body: "skus" (nearest: sku)',
        ),
    ],
)
def test_a_rule_that_would_be_inconclusive_everywhere_fails(folder: Path, check: str, why: str) -> None:
    (folder / "own.py").write_text(UNDECIDED)
    (folder / "storage.toml").write_text(ROW.replace(CHECK, check))
    done = twolocks("rules", "test", str(folder), "--run-code")
    assert (done.code, done.out) == (1, f"fail\tstorage-sftp\t{why}\n"), done.err


def test_an_endpoint_that_the_type_does_not_have_fails(folder: Path) -> None:
    row = ROW.replace('path = "properties.isSftpEnabled", good = [false]', 'endpoints = ["blb", "fil*"]')
    row = row.replace("check =", "lock =").replace("governance", "network").replace('severity = "low"\n', "")
    (folder / "storage.toml").write_text(row)
    done = twolocks("rules", "test", str(folder))
    text = 'no endpoint of Microsoft.Storage/storageAccounts is called "blb"'
    assert (done.code, done.out) == (1, f"fail\tstorage-sftp\t{text}\n")
    (folder / "storage.toml").write_text(row.replace("blb", "blob"))
    done = twolocks("rules", "test", str(folder))
    assert (done.code, done.out) == (0, "none\tstorage-sftp\tno example that passes or fails: write one in cases/\n")


# A tag that must be there

NAMES = ["owner", "cost.center", "cost center", 'a "b" c', "a[].b", "it's", "costCenter:æ", "\\"]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_can_ask_for_a_tag_of_any_name(folder: Path, name: str, tmp_path: Path) -> None:
    path = json.dumps(f"tags.{json.dumps(name, ensure_ascii=False)}", ensure_ascii=False)
    check = f'check = {{ of = "storage.ACCOUNT", path = {path}, set = "the cost center" }}\nsource = "x"'
    (folder / "storage.toml").write_text(ROW.replace(CHECK, check))
    (folder / "paths.toml").write_text(pins("isSftpEnabled"))
    done = twolocks("rules", "test", str(folder))
    assert (done.code, done.out) == (0, "ok\tstorage-sftp\t5 examples\n"), done.err
    rules = load([folder], packages=False)
    rule, kept = rules.rules["storage-sftp"], kept_paths(rules)
    assert kept.tags == {name.lower()}
    for tags, status in (({name.upper(): "17"}, Pass), ({name: ""}, Fail), ({"other": "1"}, Fail), (None, Fail)):
        body = {"id": ACCOUNT, "type": TYPE, "properties": {"x": 1}, "tags": tags}
        for each in (body, kept.partial_body(kept.cut(body, TYPE), TYPE)):
            assert isinstance(rule.check(Resource(each, by="get"), None), status), tags  # type: ignore[misc, arg-type]


def test_an_allowed_value_of_a_tag_is_bicep_and_no_change_of_a_property(folder: Path) -> None:
    path = 'path = "tags.\\"cost center\\"", good = ["it\'s", "b"], bad = [""], absent = ""'
    check = CHECK.replace('path = "properties.isSftpEnabled", good = [false]', path)
    (folder / "storage.toml").write_text(ROW.replace(CHECK, f'{check}\nsource = "x"'))
    done = twolocks("rules", "test", str(folder))
    assert (done.code, done.out) == (0, "ok\tstorage-sftp\t6 examples\n"), done.err
    fix = load([folder], packages=False).rules["storage-sftp"].fix
    assert (fix.bicep, fix.change) == (r"tags: { 'cost center': 'it\'s' }", {})


def test_the_row_on_a_tag_that_contributing_shows(folder: Path) -> None:
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
    (folder / "storage.toml").write_text("[owned-storage]" + page.split("[owned-storage]", 1)[1].split("```")[0])
    done = twolocks("rules", "test", str(folder))
    assert (done.code, done.out) == (0, "ok\towned-storage\t5 examples\n"), done.err
    rule = load([folder], packages=False).rules["owned-storage"]
    for tags, status in (({"cost.center": "4711"}, Pass), ({"cost.center": ""}, Fail), ({}, Fail)):
        body = {"id": ACCOUNT, "type": TYPE, "properties": {"x": 1}, "tags": tags}
        assert isinstance(rule.check(Resource(body, by="get"), None), status)  # type: ignore[misc, arg-type]
