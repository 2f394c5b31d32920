"""Where a setting comes from: option, variable, file, default; and what is wrong in a file, with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from scanner import toml
from scanner.errors import InputError
from scanner.settings import DEFAULT, SCAN, Settings, resolve
from scanner.toml import Faults
from scanner.verdict import Severity


def resolved(text: str, tmp_path: Path, **given: object) -> Settings:
    (tmp_path / "twolocks.toml").write_text(text)
    return resolve("scan", given, {}, folder=tmp_path)


def faults(text: str, tmp_path: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(Faults) as raised:
        resolved(text, tmp_path)
    return [(each.what, each.at.rpartition("/")[2], each.do) for each in raised.value.all]


def test_an_option_wins_over_a_variable_over_the_file_over_the_default(tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_text('[scan]\nfail-on = "low"\n')
    environ = {"TWOLOCKS_SCAN_FAIL_ON": "medium"}
    found = resolve("scan", {"fail_on": "critical"}, environ, folder=tmp_path)
    assert (found["fail-on"], found.options["fail-on"].source) == ("critical", "--fail-on")
    found = resolve("scan", {}, environ, folder=tmp_path)
    assert (found["fail-on"], found.options["fail-on"].source) == ("medium", "TWOLOCKS_SCAN_FAIL_ON")
    found = resolve("scan", {}, {}, folder=tmp_path)
    assert (found["fail-on"], found.options["fail-on"].source) == ("low", f"{tmp_path}/twolocks.toml:2")
    found = resolve("scan", {}, {}, folder=tmp_path / "elsewhere")
    assert (found["fail-on"], found.options["fail-on"].source) == ("high", DEFAULT)


def test_every_option_has_a_variable() -> None:
    for option in SCAN:
        text = {"fail-on": "low", "from": "", "quiet": "yes", "verbose": "1", "no-graph": "on", "effective": "1"}.get(
            option.name, "x"
        )
        name = f"TWOLOCKS_SCAN_{option.key}".upper()
        found = resolve("scan", {}, {name: text}, folder=Path("/nowhere"))
        assert found.options[option.name].source == (name if text else DEFAULT)


def test_a_variable_holds_several_values_between_commas_or_on_lines() -> None:
    found = resolve("scan", {}, {"TWOLOCKS_SCAN_ONLY": "a-*, category:network"}, folder=Path("/nowhere"))
    assert found["only"] == ("a-*", "category:network")
    found = resolve("scan", {}, {"TWOLOCKS_SCAN_TAG": "a=b,c\nd=e\n"}, folder=Path("/nowhere"))
    assert found["tag"] == ("a=b,c", "d=e")


def test_a_flag_is_yes_or_no() -> None:
    assert not resolve("scan", {}, {"TWOLOCKS_SCAN_QUIET": "0"}, folder=Path("/nowhere"))["quiet"]
    with pytest.raises(InputError, match='"maybe" is neither yes nor no'):
        resolve("scan", {}, {"TWOLOCKS_SCAN_QUIET": "maybe"}, folder=Path("/nowhere"))


def test_paths_in_a_file_start_from_its_folder(tmp_path: Path) -> None:
    found = resolved('[scan]\nwaivers = "waivers.toml"\nout = ["report.html", "-"]\nrules = ["/srv/rules"]\n', tmp_path)
    assert found["waivers"] == str(tmp_path / "waivers.toml")
    assert found["out"] == (str(tmp_path / "report.html"), "-")
    assert found["rules"] == ("/srv/rules",)


def test_everything_that_a_file_may_say(tmp_path: Path) -> None:
    found = resolved(
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
[waivers]
max-days = 90
""",
        tmp_path,
    )
    assert found.networks == {"office": ("198.51.100.0/24", "203.0.113.7"), "vpn": ("2001:db8::/48",)}
    assert "198.51.100.9" in found.own
    assert "2001:db8::1" in found.own
    assert (found.wide_ipv4, found.wide_ipv6, found.max_days) == (4096, 56, 90)
    assert found.intended[0].covers("/subscriptions/x/STWEB", "web")
    assert found.severities == {"storage-plain-http": Severity.low}
    assert found.tags == ("owner",)
    sources = {name: source.rpartition(":")[2] for name, _, source in found.rows() if source != DEFAULT}
    assert sources == {
        "networks.office": "3",
        "networks.vpn": "4",
        "network.wide-ipv4": "6",
        "network.wide-ipv6": "7",
        "intended.1": "8",
        "severity.storage-plain-http": "12",
        "report.tags": "16",
        "waivers.max-days": "18",
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[scan]\nfail_on = 'low'", ("there is no setting scan.fail_on", "twolocks.toml:2", "nearest: scan.fail-on")),
        ("[scna]\nout = []", ("there is no setting scna", "twolocks.toml:1", "nearest: scan")),
        ("[report]\ntag = ['x']", ("there is no setting report.tag", "twolocks.toml:2", "nearest: report.tags")),
        ("scan = 1", ("scan is a table", "twolocks.toml:1", "write [scan]")),
        ("[scan]\nquiet = 'yes'", ("scan.quiet is yes or no (true, false)", "twolocks.toml:2", "")),
        ("[scan]\nonly = [1]", ("scan.only is text or a list of texts", "twolocks.toml:2", "")),
        ("[scan]\nauth = ['cli']", ("scan.auth is text", "twolocks.toml:2", "")),
        ("[networks]\na = ['10.0.0.0/33']", ("'10.0.0.0/33'", "twolocks.toml:2", "write ranges as")),
        ("[networks]\na = ['0.0.0.0/1']\nb = ['128.0.0.0/1']", ("these networks are", "twolocks.toml:1", "name the")),
        ("[networks]\na = 5", ("networks.a is a list of ranges", "twolocks.toml:2", "")),
        ("[network]\nwide-ipv6 = 129", ("network.wide-ipv6 is a number from 0 to 128", "twolocks.toml:2", "")),
        ("[[intended]]\nresource = '*'\nendpoint = 'web'", ("intended needs reason", "twolocks.toml:1", "add reason")),
        ("[intended]\nresource = '*'", ("intended is no list of tables", "twolocks.toml:1", "write [[intended]]")),
        (
            "[severity.a]\nto = 'hihg'\nreason = 'x'",
            ('no severity is called "hihg"', "twolocks.toml:2", "nearest: high"),
        ),
        ("[severity]\na = 'low'", ("severity.a is a table with to and reason", "twolocks.toml:2", "")),
        ("[report]\ntags = 'owner'", ("report.tags is a list of names", "twolocks.toml:2", "")),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(text: str, wanted: tuple[str, ...], tmp_path: Path) -> None:
    what, at, do = faults(text, tmp_path)[0]
    assert what.startswith(wanted[0])
    assert at == wanted[1]
    assert do.startswith(wanted[2])


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = "[network]\nwide-ipv4 = 0\n[report]\ntag = []\n[scan]\nquite = true\n"
    assert [at for _, at, _ in faults(text, tmp_path)] == [f"twolocks.toml:{line}" for line in (2, 4, 6)]


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "twolocks.toml").write_bytes(b"\xef\xbb\xbf[scan]\nauth = 'cli'\n")
    assert resolve("scan", {}, {}, folder=tmp_path)["auth"] == "cli"
    (tmp_path / "twolocks.toml").write_bytes(b"[scan]\nauth = '\xff'\n")
    with pytest.raises(InputError, match="this is not UTF-8, at byte 16"):
        resolve("scan", {}, {}, folder=tmp_path)


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
    found = toml.read(path, "any")
    for key, value in pairs:
        line = text[: text.index(f"{key} = {value}")].count("\n") + 1
        names = tuple(key.strip('"').split(".")) if '"' not in key else (key.strip('"'),)
        assert found.lines[names] == line


def test_tables_in_lists_of_tables_have_lines(tmp_path: Path) -> None:
    path = tmp_path / "any.toml"
    path.write_text("[[w]]\na = 1\n\n[[w]]\na = 2\n[w.x]\nb = 3\n")
    found = toml.read(path, "any")
    assert (found.lines["w", 0, "a"], found.lines["w", 1, "a"], found.lines["w", 1, "x", "b"]) == (2, 5, 7)
