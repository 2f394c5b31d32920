"""Where a setting comes from: option, variable, file, default; and what is wrong in a file, with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from msgspec.structs import asdict

from scanner.config import toml
from scanner.config.command import Command
from scanner.config.commands import COMMANDS, SCAN, SCAN_SETTINGS
from scanner.config.keys import LIMITS, TABLES
from scanner.config.limits import Limits, size
from scanner.config.options import HISTORY
from scanner.config.settings import DEFAULT, Settings, resolve
from scanner.config.toml import Faults
from scanner.errors import InputError
from scanner.model.severity import Severity


def resolved(text: str, tmp_path: Path, **given: object) -> Settings:
    (tmp_path / "twolocks.toml").write_text(text)
    return resolve("scan", given, {}, config=tmp_path / "twolocks.toml")


def faults(text: str, tmp_path: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(Faults) as raised:
        resolved(text, tmp_path)
    return [(each.what, each.at.rpartition("/")[2], each.do) for each in raised.value.all]


def test_an_option_wins_over_a_variable_over_the_file_over_the_default(tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text('[scan]\nfail-on = "low"\n')
    environ = {"TWOLOCKS_SCAN_FAIL_ON": "medium"}
    settings = resolve("scan", {"fail_on": "critical"}, environ, config=tmp_path / "twolocks.toml")
    assert (settings["fail-on"], settings.options["fail-on"].source) == ("critical", "--fail-on")
    settings = resolve("scan", {}, environ, config=tmp_path / "twolocks.toml")
    assert (settings["fail-on"], settings.options["fail-on"].source) == ("medium", "TWOLOCKS_SCAN_FAIL_ON")
    settings = resolve("scan", {}, {}, config=tmp_path / "twolocks.toml")
    assert (settings["fail-on"], settings.options["fail-on"].source) == ("low", f"{tmp_path}/twolocks.toml:2")
    settings = resolve("scan", {}, {}, folder=tmp_path / "elsewhere")
    assert (settings["fail-on"], settings.options["fail-on"].source) == ("high", DEFAULT)


def test_every_option_has_a_variable(tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text("[notify.x]\nkind = 'github'\n")
    for option in SCAN:
        text = {
            "fail-on": "low",
            "language": "nb",
            "from": "",
            "quiet": "yes",
            "verbose": "1",
            "no-graph": "on",
            "effective": "1",
            "explain-reads": "1",
            "no-journal": "1",
            "deadline": "30m",
            "max-age": "low=7d",
            "jobs": "2",
            "no-rule-packages": "1",
            "arm-endpoint": "",
            "arm-audience": "",
            "keep-all": "1",
            "format": "csv",
            "severity": "low",
            "until": "low",
            "redact": "1",
            "accept-version-1": "1",
        }.get(option.name, "x")
        name = f"TWOLOCKS_SCAN_{option.key}".upper()
        settings = resolve("scan", {}, {name: text}, config=tmp_path / "twolocks.toml")
        assert settings.options[option.name].source == (name if text else DEFAULT)


def test_a_variable_holds_several_values_between_commas_or_on_lines() -> None:
    settings = resolve("scan", {}, {"TWOLOCKS_SCAN_ONLY": "a-*, category:network"}, folder=Path("/nowhere"))
    assert settings["only"] == ("a-*", "category:network")
    settings = resolve("scan", {}, {"TWOLOCKS_SCAN_TAG": "a=b,c\nd=e\n"}, folder=Path("/nowhere"))
    assert settings["tag"] == ("a=b,c", "d=e")


def test_a_flag_is_yes_or_no() -> None:
    assert not resolve("scan", {}, {"TWOLOCKS_SCAN_QUIET": "0"}, folder=Path("/nowhere"))["quiet"]
    with pytest.raises(InputError, match='"maybe" is not true or false'):
        resolve("scan", {}, {"TWOLOCKS_SCAN_QUIET": "maybe"}, folder=Path("/nowhere"))


def test_a_number_of_processes(tmp_path: Path) -> None:
    assert resolved("[scan]\njobs = 2\n", tmp_path)["jobs"] == "2"
    for text in ("0", "65", "two", "1.5", "-1"):
        with pytest.raises(InputError, match="is not a number from 1 to 64"):
            resolve("scan", {"jobs": text}, {}, folder=Path("/nowhere"))


def test_paths_in_a_file_start_from_its_folder(tmp_path: Path) -> None:
    settings = resolved(
        '[scan]\nwaivers = "waivers.toml"\nout = ["report.html", "-"]\nrules = ["/srv/rules"]\n', tmp_path
    )
    assert settings["waivers"] == str(tmp_path / "waivers.toml")
    assert settings["out"] == (str(tmp_path / "report.html"), "-")
    assert settings["rules"] == ("/srv/rules",)


def test_everything_that_a_file_may_say(tmp_path: Path) -> None:
    settings = resolved(
        """
[networks]
office = ["198.51.100.0/24", "203.0.113.7"]
vpn = "2001:db8::/48"
[network]
wide-ipv4 = 4096
wide-ipv6 = 56
[[intended]]
resource = "*/stweb"
endpoint = "web"
reason = "Our public site"
[severity.storage-plain-http]
to = "low"
reason = "Old printers"
[report]
tags = ["owner"]
owner-tag = "Team"
[waivers]
max-days = 90
allow-tag = true
[notify.ops]
kind = "slack"
url-env = "TWOLOCKS_SECRET_OPS"
""",
        tmp_path,
    )
    assert (settings.owner_tag, settings.kept_tags, settings.allow_tag) == ("Team", ("owner", "Team"), True)
    assert settings.notify == {"ops": {"kind": "slack", "url-env": "TWOLOCKS_SECRET_OPS"}}
    assert settings.at_key("notify", "ops", "url-env").endswith("twolocks.toml:23")
    assert settings.networks == {"office": ("198.51.100.0/24", "203.0.113.7"), "vpn": ("2001:db8::/48",)}
    assert "198.51.100.9" in settings.own
    assert "2001:db8::1" in settings.own
    assert (settings.wide_ipv4, settings.wide_ipv6, settings.max_days) == (4096, 56, 90)
    assert settings.intended[0].covers("/subscriptions/x/STWEB", "web")
    assert settings.severities == {"storage-plain-http": Severity.low}
    assert settings.tags == ("owner",)
    sources = {name: source.rpartition(":")[2] for name, _, source in settings.rows() if source != DEFAULT}
    assert sources == {
        "networks.office": "3",
        "networks.vpn": "4",
        "network.wide-ipv4": "6",
        "network.wide-ipv6": "7",
        "intended.1": "8",
        "severity.storage-plain-http": "12",
        "report.tags": "16",
        "report.owner-tag": "17",
        "waivers.max-days": "19",
        "waivers.allow-tag": "20",
        "notify.ops.kind": "22",
        "notify.ops.url-env": "23",
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[scan]\nfail_on = 'low'", ("unknown setting scan.fail_on", "twolocks.toml:2", "nearest: scan.fail-on")),
        ("[scna]\nout = []", ("unknown setting scna", "twolocks.toml:1", "nearest: scan")),
        ("[report]\ntag = ['x']", ("unknown setting report.tag", "twolocks.toml:2", "nearest: report.tags")),
        ("scan = 1", ("scan must be a table", "twolocks.toml:1", "write [scan]")),
        ("[scan]\nquiet = 'yes'", ("scan.quiet must be true or false", "twolocks.toml:2", "")),
        ("[scan]\nonly = [1]", ("scan.only must be text or a list of texts", "twolocks.toml:2", "")),
        ("[scan]\njobs = 65", ("scan.jobs must be a number from 1 to 64", "twolocks.toml:2", "")),
        ("[scan]\nauth = ['cli']", ("scan.auth must be text", "twolocks.toml:2", "")),
        ("[networks]\na = ['10.0.0.0/33']", ("'10.0.0.0/33'", "twolocks.toml:2", "write ranges as")),
        ("[networks]\na = ['0.0.0.0/1']\nb = ['128.0.0.0/1']", ("these networks cover", "twolocks.toml:1", "list the")),
        ("[networks]\na = 5", ("networks.a must be a list of ranges", "twolocks.toml:2", "")),
        ("[network]\nwide-ipv6 = 129", ("network.wide-ipv6 must be a number from 0 to 128", "twolocks.toml:2", "")),
        (
            "[[intended]]\nresource = '*'\nendpoint = 'web'",
            ("intended requires reason", "twolocks.toml:1", "add reason"),
        ),
        ("[intended]\nresource = '*'", ("intended must be a list of tables", "twolocks.toml:1", "write [[intended]]")),
        (
            "[severity.a]\nto = 'hihg'\nreason = 'x'",
            ('unknown severity "hihg"', "twolocks.toml:2", "nearest: high"),
        ),
        ("[severity]\na = 'low'", ("severity.a must be a table with to and reason", "twolocks.toml:2", "")),
        ("[report]\nowner-tag = ''", ("report.owner-tag must be the name of a tag", "twolocks.toml:2", "")),
        ("[waivers]\nallow-tag = 1", ("waivers.allow-tag must be true or false", "twolocks.toml:2", "")),
        ("[notify]\nkind = 'mail'", ("notify.kind must be a table", "twolocks.toml:2", "write [notify.kind]")),
        ("[notify.ops]\nurl-env = 'TWOLOCKS_SECRET_A'", ("notify.ops requires kind", "twolocks.toml:1", "add kind")),
        ("[report]\ntags = 'owner'", ("report.tags must be a list of names", "twolocks.toml:2", "")),
    ],
)
def test_what_is_wrong_in_a_file_is_reported_with_its_line(text: str, wanted: tuple[str, ...], tmp_path: Path) -> None:
    what, at, do = faults(text, tmp_path)[0]
    assert what.startswith(wanted[0])
    assert at == wanted[1]
    assert do.startswith(wanted[2])


def test_all_faults_are_reported_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = "[network]\nwide-ipv4 = 0\n[report]\ntag = []\n[scan]\nquite = true\n"
    assert [at for _, at, _ in faults(text, tmp_path)] == [f"twolocks.toml:{line}" for line in (2, 4, 6)]


def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f"x = {'[' * 5000}{']' * 5000}\n")
    with pytest.raises(InputError, match="nested too deeply"):
        resolve("scan", {}, {}, config=file)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_bytes(b"\xef\xbb\xbf[scan]\nauth = 'cli'\n")
    assert resolve("scan", {}, {}, config=tmp_path / "twolocks.toml")["auth"] == "cli"
    (tmp_path / "twolocks.toml").write_bytes(b"[scan]\nauth = '\xff'\n")
    with pytest.raises(InputError, match="the file is not UTF-8, at byte 16"):
        resolve("scan", {}, {}, config=tmp_path / "twolocks.toml")


KEYS = st.sampled_from(["a", "b-c", '"d e"', "f.g"])
VALUES = st.sampled_from(["1", '"x"', "[1,\n  2]", '"""\n[x]\ny = 1\n"""', "{ in = 1 }", "'''\n#\n'''"])


@effort(max_examples=60, deadline=None)
@given(st.lists(st.tuples(KEYS, VALUES), max_size=4, unique_by=lambda each: each[0]))
def test_the_line_of_every_key_is_the_line_on_which_it_stands(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    text = "# first\n" + "".join(f"{key} = {value} # c\n\n" for key, value in pairs)
    path = tmp_path_factory.mktemp("toml") / "any.toml"
    path.write_text(text)
    toml_file = toml.read(path, "any")
    for key, value in pairs:
        line = text[: text.index(f"{key} = {value}")].count("\n") + 1
        names = tuple(key.strip('"').split(".")) if '"' not in key else (key.strip('"'),)
        assert toml_file.lines[names] == line


def test_tables_in_lists_of_tables_have_lines(tmp_path: Path) -> None:
    path = tmp_path / "any.toml"
    path.write_text("[[w]]\na = 1\n\n[[w]]\na = 2\n[w.x]\nb = 3\n")
    toml_file = toml.read(path, "any")
    assert (toml_file.lines["w", 0, "a"], toml_file.lines["w", 1, "a"], toml_file.lines["w", 1, "x", "b"]) == (2, 5, 7)


# A history, and notifications


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("night.db", "{folder}/night.db"),
        ("/srv/night.db", "/srv/night.db"),
        ("sqlite:///night.db", "sqlite:///{folder}/night.db"),
        ("sqlite:////srv/night.db", "sqlite:////srv/night.db"),
        ("postgresql+psycopg://two@db.example:5432/two", "postgresql+psycopg://two@db.example:5432/two"),
    ],
)
def test_a_history_is_a_file_beside_the_settings_or_a_url(given: str, value: str, tmp_path: Path) -> None:
    assert resolved(f'[scan]\nhistory = "{given}"\n', tmp_path)["history"] == value.format(folder=tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://two:geheim@db/two",
        "postgresql+psycopg://two:ge/h?e#im@db/two",
        "postgresql+psycopg://:geheim@db/two",
        "postgresql+psycopg://two@corp:geheim@db/two",
        "postgresql+psycopg://two@db/two?sslmode=require&password=geheim",
        "postgresql+psycopg://two@db/two?sslpassword=geheim",
    ],
)
def test_a_password_in_the_url_of_a_history_is_refused_but_in_the_variable(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the URL of the history contains a password") as raised:
        resolve("scan", {"history": url}, {}, folder=tmp_path)
    error = raised.value
    assert (error.code, error.do) == (
        2, "remove it; use PGPASSWORD, pgpass or TWOLOCKS_SCAN_HISTORY"
    )  # fmt: skip
    assert "im@" not in error.what + error.at + error.do
    assert "geheim" not in error.what + error.at + error.do
    with pytest.raises(InputError, match="contains a password") as raised:
        resolved(f'[scan]\nhistory = "{url}"\n', tmp_path)
    assert raised.value.at == f"{tmp_path}/twolocks.toml:2"
    (tmp_path / "twolocks.toml").unlink()
    settings = resolve("scan", {}, {"TWOLOCKS_SCAN_HISTORY": url}, folder=tmp_path)
    assert settings["history"] == url
    assert "geheim" not in str(settings.rows())
    assert "***" in str(settings.rows())


def test_what_a_scheduled_scan_may_not_say(tmp_path: Path) -> None:
    def reported(**given: object) -> tuple[str, str, str]:
        with pytest.raises(InputError) as raised:
            resolve("scan", given, {}, folder=tmp_path)
        return raised.value.what, raised.value.at, raised.value.do

    assert resolve("scan", {"fail_on": "new:low", "history": "n.db"}, {}, folder=tmp_path)["fail-on"] == "new:low"
    assert reported(fail_on="new:high") == (
        '"new:high" requires a history', "--fail-on new:high", "add --history FILE"
    )  # fmt: skip
    assert reported(fail_on="new:hihg") == (
        'unknown severity "new:hihg"',
        "--fail-on new:hihg",
        "nearest: new:high; known: critical, high, medium, low, info, never, new:SEVERITY",
    )
    assert reported(history="mysql://db/two")[:2] == ('unsupported history "mysql"', "--history mysql://db/two")
    assert reported(history="postgresql://db/two")[2].startswith("nearest: postgresql+psycopg://; known: a file,")
    assert reported(notify=["ops"]) == (
        'unknown notification "ops"',
        "--notify ops",
        "add [notify.ops] with its kind to twolocks.toml",
    )
    (tmp_path / "twolocks.toml").write_text("[notify.ops]\nkind = 'github'\n[scan]\nnotify = 'opps'\n")
    config = tmp_path / "twolocks.toml"
    with pytest.raises(InputError) as raised:
        resolve("scan", {}, {}, config=config)
    assert (raised.value.at, raised.value.do) == (f"{tmp_path}/twolocks.toml:4", "nearest: ops; known: ops")
    assert resolve("scan", {"notify": ["ops"]}, {}, config=config)["notify"] == ("ops",)


def test_no_secret_of_a_notification_is_shown(tmp_path: Path) -> None:
    settings = resolved(
        "[notify.ops]\nkind = 'webhook'\nurl-env = 'TWOLOCKS_SECRET_HOOK'\nsecret-env = 'TWOLOCKS_SECRET_KEY'\n"
        "[notify.post]\nkind = 'mail'\nhost = 'mail.example'\nfrom = 'a@b.example'\nto = 'a@b.example'\n",
        tmp_path,
    )
    rows = {name: value for name, value, _ in settings.rows() if name.startswith("notify.")}
    assert rows == {
        "notify.ops.kind": "webhook",
        "notify.ops.url-env": "TWOLOCKS_SECRET_HOOK",
        "notify.ops.secret-env": "TWOLOCKS_SECRET_KEY",
        "notify.post.kind": "mail",
        "notify.post.host": "mail.example",
        "notify.post.from": "a@b.example",
        "notify.post.to": "a@b.example",
    }


def test_an_option_that_scan_shares_counts_for_another_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "other", Command("other", "", rows=(HISTORY,)))
    (tmp_path / "twolocks.toml").write_text("[scan]\nquiet = true\n")
    environ = {"TWOLOCKS_SCAN_HISTORY": "scan.db"}
    assert (
        resolve("other", {}, environ, config=tmp_path / "twolocks.toml").options["history"].source
        == "TWOLOCKS_SCAN_HISTORY"
    )
    environ["TWOLOCKS_OTHER_HISTORY"] = "other.db"
    assert resolve("other", {}, environ, config=tmp_path / "twolocks.toml")["history"] == "other.db"


def test_a_variable_that_sets_nothing_is_refused(tmp_path: Path) -> None:
    for command in ("scan", "config show"):
        with pytest.raises(InputError) as raised:
            resolve(command, {}, {"TWOLOCKS_SCAN_FAILON": "low"}, folder=tmp_path)
        assert (raised.value.what, raised.value.at, raised.value.do) == (
            "unknown setting TWOLOCKS_SCAN_FAILON",
            "the environment",
            "nearest: TWOLOCKS_SCAN_FAIL_ON; all: twolocks scan --help",
        )
    settings = resolve("scan", {}, {"TWOLOCKS_SCAN_FAILON": "", "TWOLOCKS_OTHER": "x"}, folder=tmp_path)
    assert settings["fail-on"] == "high"


def test_the_settings_file_is_a_variable_too(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text(f'[scan]\nwaivers = "{name}"\n')
    environ = {"TWOLOCKS_SCAN_CONFIG": f"{tmp_path}/one.toml"}
    assert resolve("scan", {}, environ)["waivers"] == f"{tmp_path}/one"
    assert resolve("waive", {}, environ)["waivers"] == f"{tmp_path}/one"
    environ["TWOLOCKS_WAIVE_CONFIG"] = f"{tmp_path}/two.toml"
    assert resolve("waive", {}, environ)["waivers"] == f"{tmp_path}/two"


def test_config_show_lists_everything_that_a_file_may_say(tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text(
        "[networks]\na = '10.0.0.0/8'\n[[intended]]\nresource = 'r'\nendpoint = 'e'\nreason = 'x'\n"
        "[severity.r]\nto = 'low'\nreason = 'x'\n[notify.n]\nkind = 'github'\n"
    )
    names = [name for name, _, _ in resolve("config show", {}, {}, config=tmp_path / "twolocks.toml").rows()]
    for table, keys in TABLES.items():
        for key in SCAN_SETTINGS if table == "scan" else keys or ():
            assert f"{table}.{key.name}" in names
    assert {"networks.a", "intended.1", "severity.r", "notify.n.kind"} <= set(names)


def test_access_and_reach_ask_as_the_scan_does(tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text('[scan]\nauth = "cli"\ntenant = "t1"\nskip = ["category:logging"]\n')
    settings = resolve(
        "access check", {"tenant": "t2"}, {"TWOLOCKS_SCAN_ONLY": "sql-*"}, config=tmp_path / "twolocks.toml"
    )
    assert [settings[name] for name in ("auth", "tenant", "skip", "only")] == [
        "cli",
        "t2",
        ("category:logging",),
        ("sql-*",),
    ]
    assert settings.options["auth"].source.endswith("twolocks.toml:2")
    assert resolve("reach", {}, {}, config=tmp_path / "twolocks.toml")["tenant"] == "t1"
    assert resolve("rules list", {}, {}, config=tmp_path / "twolocks.toml")["skip"] == ()


@pytest.mark.parametrize(
    "text",
    ['[scan]\nhistory = "a\\u0000b"', '[scan]\nout = ["r.html", "\\u0000"]', '[report]\nowner-tag = "\\U00000000"'],
)
def test_a_nul_character_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    """Opening such a file raises ValueError, which ended as a defect of ours."""
    file = tmp_path / "twolocks.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match="NUL character") as refused:
        resolve("scan", {}, {}, config=file)
    assert refused.value.at == f"{file}:2"


def test_limits_are_sizes_and_numbers(tmp_path: Path) -> None:
    assert resolved("", tmp_path).limits == Limits()
    text = '[limits]\nanswer-size = "64 MB"\nlist-size = "2 GB"\nlist-pages = 7\nsubscriptions = 3\n'
    settings = resolved(text, tmp_path)
    assert settings.limits == Limits(answer_size=64 << 20, list_size=2 << 30, list_pages=7, subscriptions=3)
    shown = {name: (value, source.rpartition("/")[2]) for name, value, source in settings.rows()}
    assert shown["limits.list-size"] == ("2 GB", "twolocks.toml:3")
    assert shown["limits.list-minutes"] == ("60", DEFAULT)


@pytest.mark.parametrize(
    "value", ['"0 MB"', '"-1 MB"', '"64MB"', '"64 mb"', '"64 kB"', '"1000 MB"', '"lots"', "64", "true"]
)
def test_a_limit_that_is_no_size(value: str, tmp_path: Path) -> None:
    matches = faults(f"[limits]\nanswer-size = {value}\n", tmp_path)
    what = 'limits.answer-size must be a size from "1 MB" to "999 MB"'
    assert matches == [(what, "twolocks.toml:2", 'write answer-size = "32 MB"')]


@pytest.mark.parametrize("key", [key.name for key in LIMITS if not isinstance(key.default, str)])
def test_a_limit_is_positive(key: str, tmp_path: Path) -> None:
    for value in ("0", "-1", "1.5", '"7"', "true"):
        (matches,) = faults(f"[limits]\n{key} = {value}\n", tmp_path)
        assert matches[0].startswith(f"limits.{key} must be a number from 1 to ")


def test_the_defaults_of_the_keys_are_those_of_the_limits() -> None:
    assert {key.key: size(key.default) if isinstance(key.default, str) else key.default for key in LIMITS} == asdict(
        Limits()
    )


def test_the_language_of_reports_comes_from_the_option_the_variable_or_the_file(tmp_path: Path) -> None:
    file = tmp_path / "twolocks.toml"
    file.write_text('[report]\nlanguage = "nb"\n')
    for command in ("scan", "report"):
        assert resolve(command, {}, {}, config=file).report_language == "nb"
        assert resolve(command, {}, {"TWOLOCKS_SCAN_LANGUAGE": "en"}, config=file).report_language == "en"
        variables = {"TWOLOCKS_SCAN_LANGUAGE": "en"}
        assert resolve(command, {"language": "nb"}, variables, folder=tmp_path / "none").report_language == "nb"
        assert resolve(command, {}, {}, folder=tmp_path / "none").report_language == "en"
    assert resolve("notify test", {}, {}, config=file).report_language == "nb"
    with pytest.raises(InputError, match='unknown language "no"'):
        resolve("report", {"language": "no"}, {})
    assert faults('[report]\nlanguage = "no"\n', tmp_path)[0][0] == "report.language must be one of en, nb"
