"""`twolocks rules new`: what it writes, where, and what it refuses."""

import tomllib
from pathlib import Path

import pytest

from tests.terminals import Ended, twolocks

TEXTS = {
    "title": "Storage account has SFTP enabled",
    "pass-title": "SFTP is disabled",
    "category": "governance",
    "severity": "low",
    "why": "Nothing here uses SFTP.",
    "fix-az": "az storage account update --ids {id} --enable-sftp false",
    "fix-impact": "Clients that use SFTP.",
}
STORAGE = {"type": "Microsoft.Storage/storageAccounts", "path": "properties.isSftpEnabled", "good": "false"}
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


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def new(id: str = "storage-sftp", *more: str, into: str = "own", **options: str) -> Ended:
    """Run the command with the usual options and these; an empty one is left out."""
    given = {**TEXTS, **STORAGE, "into": into, **{name.replace("_", "-"): text for name, text in options.items()}}
    return twolocks(
        "rules", "new", id, *(w for name, text in given.items() if text for w in (f"--{name}", text)), *more
    )


def test_a_row_of_a_known_type(own: Path) -> None:
    done = new()
    assert done.code == 0
    assert done.out == "own/storage.toml:1\n"
    assert done.err == "Next: twolocks rules test own --only storage-sftp\n"
    assert (own / "storage.toml").read_text() == ROW
    assert twolocks("rules", "test", "own").code == 0


HCL = 'resource "azurerm_storage_account" "example" {\n  # ...\n  sftp_enabled = false\n}'


@pytest.mark.parametrize("given", [HCL, f"\n{HCL}\n", "# '''\nx", "# x\ny = 'z'", "# \x07\nx"])
def test_hcl_keeps_its_line_breaks(own: Path, given: str) -> None:
    assert new(fix_terraform=given).code == 0
    written = (own / "storage.toml").read_text()
    assert (f"\nterraform = '''\n{HCL}'''\n" in written) == (HCL in given)
    assert tomllib.loads(written)["storage-sftp"]["fix"]["terraform"] == given.strip()


def test_a_change_is_what_the_fix_sets(own: Path) -> None:
    more = ("--fix-change", "properties.isSftpEnabled=false", "--fix-change", "blobServices/default properties.x.y=Off")
    assert new("storage-sftp", *more).code == 0
    fix = tomllib.loads((own / "storage.toml").read_text())["storage-sftp"]["fix"]
    assert fix["change"] == {"properties.isSftpEnabled": False, "blobServices/default properties.x.y": "Off"}
    assert twolocks("rules", "test", "own").code == 0


@pytest.mark.parametrize("wrong", ["properties.x", "=false", "properties.x y.z w=1", "properties..x=1", "p=\x07"])
def test_a_change_is_a_path_and_a_value(own: Path, wrong: str) -> None:
    ended = new("storage-sftp", "--fix-change", wrong)
    assert ended.code == 2
    assert "is no change" in ended.err
    assert not (own / "storage.toml").exists()


@pytest.mark.parametrize("before", ["# Ours\n", "# Ours", "# Ours\r\n"])
def test_what_the_file_had_stays_as_it_was(own: Path, before: str) -> None:
    (own / "storage.toml").write_bytes(before.encode())
    done = new()
    after = (own / "storage.toml").read_bytes().decode()
    assert done.out == "own/storage.toml:3\n"
    assert after.startswith(before)
    assert after.endswith("\r\n") == before.endswith("\r\n")
    assert after.replace("\r\n", "\n") == "# Ours\n\n" + ROW


def test_nothing_is_asked_and_each_missing_option_is_named_with_an_example() -> None:
    done = twolocks("rules", "new", "storage-sftp")
    assert done.code == 2
    assert "rules new needs --type, --path, --good, --title, --pass-title" in done.err
    assert "--type Microsoft.Storage/storageAccounts --path properties.supportsHttpsTrafficOnly --good true" in done.err


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"good": "TLS1_2"}, "rules new needs --bad"),
        ({"absent": "true"}, "rules new needs --source"),
        ({"severity": "bad"}, 'no severity is called "bad"'),
        ({"category": "sftp"}, 'there is no category "sftp"'),
        ({"type": "storage"}, '"storage" is no resource type'),
        ({"type": "Microsoft.Storage/storageAccount"}, "nearest: Microsoft.Storage/storageAccounts; a new type: --api"),
        ({"type": "Microsoft.Web/sites/config"}, "give the path: Microsoft.Web/sites/config/authsettingsV2"),
        ({"api": "2020-01-01"}, "is read at"),
        ({"api": "latest"}, '"latest" is no api-version'),
        ({"title": "one\ntwo"}, "--title is one line of text"),
        ({"controls": "sftp"}, 'unknown control set "sftp"'),
        ({"category": "network", "severity": "high"}, "is at most medium; nothing was written"),
        ({"into": "nowhere"}, "there is no folder"),
    ],
)
def test_refused(own: Path, options: dict[str, str], text: str) -> None:
    done = new(**options)
    assert text in done.err
    assert done.code == 2
    assert list(own.iterdir()) == []


@pytest.mark.parametrize(
    ("id", "text"),
    [
        ("storage-plain-http", "the rule storage-plain-http exists"),
        ("Storage-SFTP", "is no rule id"),
        ("sftp", "is no rule id"),
    ],
)
def test_ids_that_are_taken_or_none(own: Path, id: str, text: str) -> None:
    assert text in new(id).err
    assert list(own.iterdir()) == []


def test_an_id_of_the_own_folder_is_taken(own: Path) -> None:
    new()
    before = (own / "storage.toml").read_bytes()
    assert "the rule storage-sftp exists" in new().err
    assert (own / "storage.toml").read_bytes() == before


@pytest.mark.parametrize(
    "old", ['aliases = ["storage-ftp", "storage-old"]', 'merged = [{ ids = ["a", "storage-old"] }]']
)
def test_an_old_id_is_taken_for_good(own: Path, old: str) -> None:
    (own / "storage.toml").write_text(ROW.replace("why =", f"{old}\nwhy ="))
    assert "the id storage-old is taken: it was an id of storage-sftp" in new("storage-old").err


@pytest.mark.parametrize(
    ("absent", "status"), [("", "fail"), ("false", "pass"), ('""', "fail")], ids=["empty", "false", "quoted"]
)
def test_an_absent_value_may_be_empty(own: Path, absent: str, status: str) -> None:
    """An empty one was left out of the row, so that the rule was inconclusive where the property is absent."""
    done = new("storage-sftp", "--absent", absent, "--bad", "true", "--bad", "", source="the page")
    assert done.code == 0, done.err
    check = tomllib.loads((own / "storage.toml").read_text())["storage-sftp"]["check"]
    assert (check["absent"], check["bad"]) == (False if absent == "false" else "", [True, ""])
    tested = twolocks("rules", "test", "own")
    assert (tested.code, tested.out) == (0, "ok\tstorage-sftp\t6 examples\n")
    assert "rules new needs --source" in new("storage-two", "--absent", absent).err


def test_a_file_that_does_not_load_is_put_back(own: Path) -> None:
    (own / "storage.toml").write_text("[storage-sftp-two\n")
    done = new()
    assert "the file is not TOML" in done.err
    assert "nothing was written" in done.err
    assert (own / "storage.toml").read_text() == "[storage-sftp-two\n"


def test_a_read_below_a_type_by_its_path(own: Path) -> None:
    done = new("app-ftps", type="Microsoft.Web/sites/config/web", path="properties.x", good="1.2", bad="1.1")
    assert done.out == "own/appservice.toml:1\n"
    check = tomllib.loads((own / "appservice.toml").read_text())["app-ftps"]["check"]
    assert check == {"of": "appservice.WEB", "path": "properties.x", "good": ["1.2"], "bad": ["1.1"]}


def test_values_and_absent(own: Path) -> None:
    new(
        "storage-days", path="properties.days", good="7", bad='"7"', absent="0", source="REST", fix_portal="Storage > x"
    )
    row = tomllib.loads((own / "storage.toml").read_text())["storage-days"]
    assert row["check"] == {"of": "storage.ACCOUNT", "path": "properties.days", "good": [7], "bad": ["7"], "absent": 0}
    assert row["source"] == "REST"
    assert row["fix"]["portal"] == "Storage > x"


def test_long_texts_are_wrapped_and_stay_the_same(own: Path) -> None:
    why = 'A "quoted" text with \\ and `code`, ' * 9 + "end."
    good = ["a-long-value-of-a-property-1", "a-long-value-of-a-property-2", "a-long-value-of-a-property-3"]
    new("storage-sftp", *(w for each in good for w in ("--good", each)), good="a", bad="b", why=why)
    text = (own / "storage.toml").read_text()
    row = tomllib.loads(text)["storage-sftp"]
    assert max(map(len, text.split("\n"))) <= 120
    assert row["why"] == why
    assert row["check"]["good"] == ["a", *good]


def test_a_type_that_no_rule_file_names(own: Path) -> None:
    type = "Microsoft.Attestation/attestationProviders"
    done = new("attestation-one", type=type, api="2021-06-01", path="properties.x")
    assert done.out == "own/attestation.toml:1\nown/attestation.py:5\n"
    assert done.err == "Next: twolocks rules test own --only attestation-one --run-code\n"
    assert (
        "own/attestation.py is Python, which runs only with --run-code"
        in new("attestation-two", type=type, path="properties.y").err
    )
    assert f'ATTESTATION_PROVIDER = ResourceType("{type}", api="2021-06-01")' in (own / "attestation.py").read_text()
    assert new("attestation-two", "--run-code", type=type, path="properties.y").out == "own/attestation.toml:12\n"
    assert (
        twolocks("rules", "test", "own", "--run-code").out
        == "ok\tattestation-one\t5 examples\nok\tattestation-two\t5 examples\n"
    )
    assert (
        "attestation.py is there, and has other types"
        in new("attestation-three", "--run-code", type=f"{type}/x", api="2021-06-01").err
    )
    assert "storage.py is there" in new("storage-x", "--run-code", type="Microsoft.Storage/new", api="2026-05-01").err


def test_a_rule_with_code(own: Path) -> None:
    done = new("storage-odd", "--code", path="", good="")
    assert done.code == 0
    assert done.out == "own/storage.toml:1\nown/storage_checks.py:8\n"
    assert (
        new("storage-odder", "--code", "--run-code", path="", good="").out
        == "own/storage.toml:12\nown/storage_checks.py:13\n"
    )
    check = tomllib.loads((own / "storage.toml").read_text())["storage-odder"]["check"]
    assert check == {"of": "storage.ACCOUNT", "function": "storage_checks.odder"}
    done = twolocks("rules", "test", "own", "--run-code")
    assert [line.split("\t")[:2] for line in done.out.splitlines()] == [
        ["none", "storage-odd"],
        ["none", "storage-odder"],
    ]


def test_a_working_copy_is_where_built_in_rules_go(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.cli.rules_new.content", lambda name: own / name)
    done = new(into="")
    assert "rules new needs --into" in done.err
