"""What stops a command: a wrong setting that it uses; not one that concerns other commands."""

import tomllib
from pathlib import Path

import pytest

from scanner.config import toml
from scanner.config.command import Command
from scanner.config.commands import COMMANDS, SCAN_SETTINGS
from scanner.config.keys import TABLES, VALUES
from scanner.config.options import CONFIG
from scanner.config.settings import resolve
from scanner.config.used_settings import used_part
from scanner.errors import InputError

WRONG = {
    **{f"scan.{option.name}": f"[scan]\n{option.name} = 1979-05-27\n" for option in SCAN_SETTINGS},
    **{
        f"{table}.{key.name}": f"[{table}]\n{key.name} = 1979-05-27\n" for table, keys in VALUES.items() for key in keys
    },
    "networks": "[networks]\noffice = 3\n",
    "severity": '[severity.storage-plain-http]\nto = "grave"\nreason = "r"\n',
    "intended": "[[intended]]\nresource = 3\n",
    "tenant": "[[tenant]]\nid = 3\n",
    "residency": "[residency]\nallowed = 3\n",
    "notify": '[notify.ops]\nkind = "pigeon"\n',
}
READERS = [row for row in COMMANDS.values() if row.runs and (CONFIG in row.rows or any(o.shared for o in row.options))]
NEITHER = "waive", "history list", "history export", "diff", "report", "access role", "fleet status"


def stops(row: Command, text: str, folder: Path) -> bool:
    """Whether a settings file with this text ends the command."""
    path = folder / "named.toml"
    path.write_text(text)
    try:
        resolve(row.name, {}, {}, config=path)
    except InputError:
        return True
    return False


def uses(row: Command, setting: str) -> bool:
    """Whether a command uses a setting: by its options that are shared with `scan`, and by the tables of its row."""
    if row.name in ("scan", "config show"):
        return True
    shared = {f"scan.{option.name}" for option in row.options if option.shared}
    return setting in shared or setting in row.tables or setting.partition(".")[0] in row.tables


def test_every_table_and_key_has_a_wrong_value() -> None:
    assert {name.partition(".")[0] for name in WRONG} == set(TABLES)


@pytest.mark.parametrize("row", READERS, ids=lambda row: row.name)
def test_a_wrong_setting_stops_the_commands_that_use_it(row: Command, tmp_path: Path) -> None:
    expected = {setting: uses(row, setting) for setting in WRONG}
    assert {setting: stops(row, text, tmp_path) for setting, text in WRONG.items()} == expected


@pytest.mark.parametrize("name", NEITHER)
def test_settings_of_a_scan_stop_no_other_command(name: str, tmp_path: Path) -> None:
    for setting in ("networks", "severity", "intended", "residency", "notify", "scan.fail-on", "scan.out"):
        assert not stops(COMMANDS[name], WRONG[setting], tmp_path), setting


@pytest.mark.parametrize(
    ("name", "text", "stopped"),
    [
        ("history list", '[scan]\nhistry = "h.db"\n', True),
        ("history list", '[scan]\nsubscriptoin = ["a"]\n', False),
        ("waive", "[waivers]\nmax-day = 3\n", True),
        ("waive", "[waivers]\nsomething-else = 3\n", True),
        ("waive", "[waiver]\nmax-days = 3\n", True),
        ("waive", "[notfy.ops]\nkind = 'mail'\n", False),
        ("waive", "[qqqqq]\na = 1\n", False),
        ("scan", "[qqqqq]\na = 1\n", True),
        ("history list", "scan = 3\n", True),
        ("waive", "notify = 3\n", False),
        ("waive", '[notify.ops]\nkind = "\\u0000"\n', False),
        ("waive", "[scan\n", True),
    ],
)
def test_a_misspelt_name_stops_what_uses_the_nearest(name: str, text: str, stopped: bool, tmp_path: Path) -> None:
    assert stops(COMMANDS[name], text, tmp_path) == stopped


def test_a_file_that_was_not_named_stops_only_what_uses_its_settings(tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text('[scan]\nhistory = "h.db"\n\n[networks]\noffice = ["192.0.2.0/24"]\n')
    settings = resolve("waive", {}, {}, folder=tmp_path)
    assert settings.networks == {}
    for name in ("scan", "history list"):
        with pytest.raises(InputError, match="this file was not named"):
            resolve(name, {}, {}, folder=tmp_path)


def test_the_secret_of_a_notification_may_be_named_beside_a_broken_one(tmp_path: Path) -> None:
    path = tmp_path / "named.toml"
    path.write_text('[notify.ops]\nkind = "pigeon"\nurl-env = "TWOLOCKS_SECRET_OPS"\n')
    settings = resolve("reach", {"secret_file": ["OPS=ops.txt"]}, {}, config=path)
    assert set(settings.secret_files()) == {"TWOLOCKS_SECRET_OPS"}


def test_nothing_that_a_command_does_not_use_is_left(tmp_path: Path) -> None:
    text = '[scan]\nwaivers = "w.toml"\nout = ["a.html"]\n\n[networks]\na = "192.0.2.1"\n\n[report]\nlanguage = "nb"\n'
    (tmp_path / "twolocks.toml").write_text(text)
    file = toml.read(tmp_path / "twolocks.toml", "--config")
    assert used_part(file, COMMANDS["waive"]).data == {"scan": {"waivers": "w.toml"}}
    assert used_part(file, COMMANDS["scan"]).data == tomllib.loads(text)
