"""`twolocks rules test`: the examples of a rules folder, its paths and its commands."""

import stat
import sys
from pathlib import Path

import pytest

from scanner.azure import az_commands
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
    said = r"printf 'storage-sftp\n  az x\n  unrecognized arguments: --x\n\n1 commands, 1 refused\n'; exit 1"
    az(folder, said, monkeypatch)
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


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (
            'function = "own.undecided" }\nexamples = [{ name = "any", status = "unknown", body = { } }',
            "it is inconclusive in every example, so it would be everywhere",
        ),
        ('path = "propertes.x", good = [true]', 'propertes.x is in no body: "propertes" (nearest: properties)'),
        ('path = "tag.x", set = "a name" }\nx = { y = 1', ""),
    ],
)
def test_a_rule_that_would_be_inconclusive_everywhere_fails(folder: Path, check: str, why: str) -> None:
    (folder / "own.py").write_text(UNDECIDED)
    row = ROW.replace('path = "properties.isSftpEnabled", good = [false] }', f"{check} }}")
    if not why:
        row, why = row.replace("\nx = { y = 1 }", '\nsource = "s"'), 'tag.x is in no body: "tag" (nearest: tags)'
    if check.endswith("}"):
        row = row.replace("body = { } } }", "body = { } }]")
    (folder / "storage.toml").write_text(row)
    done = twolocks("rules", "test", str(folder), "--run-code")
    assert (done.code, done.out) == (1, f"fail\tstorage-sftp\t{why}\n"), done.err


def test_an_endpoint_that_the_type_does_not_have_fails(folder: Path) -> None:
    row = ROW.replace('path = "properties.isSftpEnabled", good = [false]', 'endpoints = ["blb", "fil*"]')
    row = row.replace("check =", "lock =").replace("governance", "network").replace('severity = "low"\n', "")
    (folder / "storage.toml").write_text(row)
    done = twolocks("rules", "test", str(folder))
    said = 'no endpoint of Microsoft.Storage/storageAccounts is called "blb"'
    assert (done.code, done.out) == (1, f"fail\tstorage-sftp\t{said}\n")
    (folder / "storage.toml").write_text(row.replace("blb", "blob"))
    done = twolocks("rules", "test", str(folder))
    assert (done.code, done.out) == (0, "none\tstorage-sftp\tno example that passes or fails: write one in cases/\n")


# A tag that must be there

TAG = """
check = { of = "storage.ACCOUNT", path = 'tags."%s"', set = "the cost center" }
source = "Resources without the tag have no cost center"
"""


@pytest.mark.parametrize(
    "name", ["owner", "cost.center", "cost center", 'a \\"b\\" c', "a[].b", "it's", "costCenter:æ"]
)
def test_a_row_can_ask_for_a_tag_of_any_name(folder: Path, name: str) -> None:
    path = f"""'tags."{name}"'""" if "'" not in name else f'"tags.\\"{name}\\""'
    said = f'check = {{ of = "storage.ACCOUNT", path = {path}, set = "the cost center" }}\nsource = "x"'
    row = ROW.replace('check = { of = "storage.ACCOUNT", path = "properties.isSftpEnabled", good = [false] }', said)
    (folder / "storage.toml").write_text(row)
    (folder / "paths.toml").write_text(pins("isSftpEnabled"))
    done = twolocks("rules", "test", str(folder))
    assert (done.code, done.out) == (0, "ok\tstorage-sftp\t5 examples\n"), done.err
