"""The commands, end to end: what goes to which stream, which files are written, how they end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import click
import pytest

from docs.build import helps
from scanner.cli.app import root
from scanner.cli.help import text as help_of
from scanner.config.command import Command
from scanner.config.commands import COMMANDS
from scanner.rulebook.registered_actions import without
from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import Refusal
from scanner.sandbox.server import Sandbox, running
from tests.processes import start
from tests.terminals import STORAGE, SUB, Ended, account, closed, files, snapshot, twolocks

STAMP = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (start|settings|rules|account|scope|read|wait|gap|found|wrote|error|done) +\S"
)
OPEN = account("stjournal", allowSharedKeyAccess=True, allowBlobPublicAccess=False, publicNetworkAccess="Enabled")
ONLY = ("--only", "storage-plain-http")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Help


RUNS = [row for row in COMMANDS.values() if row.runs]


def built(row: Command) -> click.Command:
    """The command that click has of a row."""
    command: click.Command = root()
    for word in row.name.split():
        assert isinstance(command, click.Group)
        below = command.get_command(click.Context(command), word)
        assert below is not None
        command = below
    return command


@pytest.mark.parametrize("row", RUNS, ids=lambda row: row.name)
def test_help_names_exactly_the_options_that_there_are(row: Command) -> None:
    there = {option for param in built(row).params for option in param.opts if option.startswith("--")} | {"--help"}
    segments = [segment for segment in help_of(row).split("\n\n") if re.search(r"^  -h, --help", segment, re.MULTILINE)]
    assert set(re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", "\n".join(segments), re.MULTILINE)) == there


@pytest.mark.parametrize("row", RUNS, ids=lambda row: row.name)
def test_every_option_that_a_help_names_is_one_of_some_command(row: Command) -> None:
    known = {f"--{option.name}" for each in RUNS for option in each.options} | {"--config", "--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z0-9-]+", help_of(row))) <= known


@pytest.mark.parametrize("row", RUNS, ids=lambda row: row.name)
def test_every_command_has_a_function(row: Command) -> None:
    module, _, function = row.runs.partition(":")
    assert callable(getattr(import_module(f"scanner.cli.{module}"), function))


@pytest.mark.parametrize("name", ["", "history", "rules"])
def test_without_a_command_the_help_is_reported(name: str) -> None:
    ended = twolocks(*name.split())
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == twolocks(*name.split(), "--help").out


def test_help_fits_eighty_columns_and_is_ascii() -> None:
    for name, text in helps(root(), "twolocks", None):
        assert text.isascii(), name
        assert max(map(len, text.splitlines())) <= 80, name


def test_help_goes_to_standard_output() -> None:
    ended = twolocks("scan", "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == help_of(COMMANDS["scan"]) + "\n"
    assert twolocks("--help").out == help_of(COMMANDS[""]) + "\n"
    assert twolocks("--version").out.startswith("twolocks ")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom scanner.cli.app import main\n"
        "try:\n    main(['scan', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'azure', 'aiohttp', 'msgspec', 'jinja2', 'rich', 'asyncio', 'zstandard', 'scanner.evaluate.run'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


# scan --from


def test_a_log_is_stamped_lines_and_nothing_on_standard_output() -> None:
    snapshot(Path("night.jsonl"), OPEN)
    ended = twolocks("scan", "--from", "night.jsonl", "--out", "report.html", "--out", "findings.json")
    assert ended.code == 1
    assert ended.out == ""
    assert all(STAMP.match(line) for line in ended.last)
    assert "\x1b" not in ended.err
    assert Path("report.html").read_text().lower().startswith("<!doctype html>")
    document = json.loads(Path("findings.json").read_text())
    assert document["schema"] == "twolocks/2"
    assert ended.last[-1].split(" ", 1)[1].startswith("done     exit 1: ")


def test_findings_go_to_standard_output_and_nothing_else_does() -> None:
    snapshot(Path("night.jsonl"), OPEN)
    ended = twolocks("scan", "--from", "night.jsonl", "--out", "-")
    assert json.loads(ended.out)["schema"] == "twolocks/2"


def test_the_same_snapshot_gives_the_same_findings() -> None:
    snapshot(Path("night.jsonl"), OPEN, closed("st2"))
    one, two = (json.loads(twolocks("scan", "--from", "night.jsonl", "--out", "-").out) for _ in range(2))
    for document in (one, two):
        del document["scan"]
    assert one == two


@pytest.mark.parametrize(
    ("body", "view", "fail_on", "code"),
    [
        (account("st", supportsHttpsTrafficOnly=True), "full", "high", 0),
        (account("st", supportsHttpsTrafficOnly=False), "full", "high", 1),
        (account("st", supportsHttpsTrafficOnly=False), "full", "critical", 0),
        (account("st", supportsHttpsTrafficOnly=False), "full", "never", 0),
        (account("st", supportsHttpsTrafficOnly=None), "full", "high", 3),
        (account("st", supportsHttpsTrafficOnly=True), "partial", "high", 3),
        (account("st", supportsHttpsTrafficOnly=False), "partial", "high", 1),
        (account("st", supportsHttpsTrafficOnly=False), "partial", "never", 3),
    ],
)
def test_exit_codes(body: dict[str, object], view: str, fail_on: str, code: int) -> None:
    snapshot(Path("night.jsonl"), body, view=view)
    assert twolocks("scan", "--from", "night.jsonl", *ONLY, "--fail-on", fail_on).code == code


def test_a_refused_list_of_a_type_is_incomplete_until_its_gap_is_accepted() -> None:
    url = f"/subscriptions/{SUB}/providers/Microsoft.Storage/storageAccounts"
    snapshot(Path("night.jsonl"), gaps=(url,))
    ended = twolocks("scan", "--from", "night.jsonl", *ONLY, "--fail-on", "never")
    assert ended.code == 3
    assert ended.last[-1].endswith("exit 3: incomplete, 1 check inconclusive (1 gap)")
    Path("waivers.toml").write_text(
        '[[gap]]\nurl = "*/Microsoft.Storage/storageAccounts"\nreason = "not ours"\nowner = "kari"\n'
        f"expires = {time.strftime('%Y-%m-%d')}\n"
    )
    ended = twolocks("scan", "--from", "night.jsonl", *ONLY, "--waivers", "waivers.toml", "--out", "-")
    assert ended.code == 0
    assert json.loads(ended.out)["gaps"][0]["accepted"] is True


def test_a_waiver_takes_a_finding_out_of_the_count_and_stays_in_the_findings() -> None:
    snapshot(Path("night.jsonl"), account("st", supportsHttpsTrafficOnly=False))
    Path("waivers.toml").write_text(
        f'[[waiver]]\nrule = "storage-plain-http"\nresource = "{STORAGE}/ST"\nreason = "Closed in March"\n'
        f'owner = "kari"\nexpires = {time.strftime("%Y-%m-%d")}\n'
    )
    ended = twolocks("scan", "--from", "night.jsonl", *ONLY, "--waivers", "waivers.toml", "--out", "-")
    assert ended.code == 0
    finding = json.loads(ended.out)["findings"][0]
    assert (finding["status"], finding["waiver"]["owner"]) == ("waived", "kari")


def test_an_expired_waiver_covers_nothing_and_is_reported() -> None:
    snapshot(Path("night.jsonl"), account("st", supportsHttpsTrafficOnly=False))
    Path("waivers.toml").write_text(
        '[[waiver]]\nrule = "storage-plain-http"\nresource = "*"\nreason = "x"\nowner = "kari"\nexpires = 2026-01-01\n'
    )
    ended = twolocks("scan", "--from", "night.jsonl", *ONLY, "--waivers", "waivers.toml")
    assert ended.code == 1
    assert "found    1 waiver has expired; the findings and gaps that they accepted count again" in ended.err


def test_intended_endpoints_and_severities_of_the_settings() -> None:
    snapshot(Path("night.jsonl"), account("st", supportsHttpsTrafficOnly=False))
    Path("twolocks.toml").write_text(
        '[scan]\nonly = ["storage-plain-http"]\n[severity.storage-plain-http]\nto = "low"\nreason = "only a test"\n'
    )
    ended = twolocks("scan", "--from", "night.jsonl", "--out", "-", "--config", "twolocks.toml")
    assert ended.code == 0
    assert json.loads(ended.out)["findings"][0]["severity"] == "low"
    Path("twolocks.toml").write_text('[severity.storage-plane-http]\nto = "low"\nreason = "x"\n')
    ended = twolocks("scan", "--from", "night.jsonl", "--config", "twolocks.toml")
    assert (ended.code, "--> twolocks.toml:1\nhint: nearest: storage-plain-http" in ended.err) == (2, True)


def test_quiet_says_nothing_on_0_and_one_line_else() -> None:
    snapshot(Path("night.jsonl"), account("st"))
    assert twolocks("scan", "--from", "night.jsonl", *ONLY, "--quiet").err == ""
    snapshot(Path("night.jsonl"), account("st"), view="partial")
    ended = twolocks("scan", "--from", "night.jsonl", *ONLY, "--quiet", "--out", "report.html")
    assert ended.err == "twolocks: exit 3: incomplete: part of the scope could not be assessed; see report.html\n"
    ended = twolocks("scan", "--from", "none.jsonl", "--quiet")
    assert ended.err.startswith("error: none.jsonl cannot be read")


def test_a_hostile_name_forges_nothing_on_a_terminal_or_in_a_log() -> None:
    name = "st\n::error::x\x1b[2J\u202e$(id)"
    snapshot(Path("night.jsonl"), account(name, allowSharedKeyAccess=True, publicNetworkAccess="Enabled"))
    for tty in (False, True):
        ended = twolocks("scan", "--from", "night.jsonl", tty=tty)
        assert "<U+003A>:error<U+003A>:x<U+001B>[2J<U+202E>$(id)" in ended.err
        assert not [line for line in ended.last if line.lstrip().startswith("::")]
        assert "\x1b" not in ended.err.replace("\x1b[1A", "").replace("\x1b[J", "")
    assert "No command is shown because the name contains U+000A. Use the portal." in ended.err


# Live, against the sandbox


def test_a_scan_of_the_sandbox_keeps_a_snapshot_that_gives_the_same_findings() -> None:
    with running(Sandbox([OPEN, closed("st2")], [{"subscriptionId": SUB, "displayName": "prod-journal"}])) as box:
        live = twolocks("scan", "--snapshot", "n.jsonl.gz", "--record", "r.jsonl", "--out", "-", env=box.environment())
        assert {request.method for request in box.requests if "oauth2" not in request.url} <= {"GET", "POST"}
    again = twolocks("scan", "--from", "n.jsonl.gz", "--out", "-")
    one, two = json.loads(live.out), json.loads(again.out)
    assert one["scan"]["resources"] == two["scan"]["resources"]
    for document in (one, two):
        del document["scan"]
    assert one == two
    assert again.code == live.code
    records = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert {"method", "path", "status", "ms"} == set(records[0])
    assert "prod-journal 3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4f, full visibility" in live.err


def test_a_refused_read_is_reported_with_the_action_that_is_missing() -> None:
    refusal = Refusal(path="*/blobServices/default")
    with running(Sandbox([OPEN], [SUB], refusals=[refusal])) as box:
        ended = twolocks("scan", "--fail-on", "never", env=box.environment())
    assert ended.code == 3
    gap = next(line for line in ended.last if " gap " in line)
    assert gap.endswith("stjournal: 403, missing Microsoft.Storage/storageAccounts/blobServices/read")


def test_verbose_reports_every_request() -> None:
    with running(Sandbox([closed("st")], [SUB])) as box:
        ended = twolocks("scan", "--verbose", *ONLY, env=box.environment())
    assert [line for line in ended.last if "read     GET /subscriptions?" in line]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_scan_cleanly(number: signal.Signals, code: int) -> None:
    Path("report.html").write_text("the old one")
    slow = Fault("slow", "*/providers/*", seconds=20)
    with running(Sandbox([OPEN], [SUB], faults=[slow])) as box:
        words = ("scan", "--out", "report.html", "--snapshot", "n.jsonl", "--record", "r.jsonl")
        env = {"PATH": os.environ["PATH"], **box.environment()}
        process = start(*words, env=env, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        for line in process.stderr:
            if " account " in line:
                break
        process.send_signal(number)
        rest = process.communicate(timeout=10)[1]
    assert process.returncode == code, rest
    assert "nothing was evaluated. report.html is unchanged" in rest
    assert "kept: r.jsonl (--record, complete up to this point)" in rest
    assert Path("report.html").read_text() == "the old one"
    assert files() == ["r.jsonl", "report.html"]


# Other commands


def test_the_demo_ends_with_what_was_found_and_where(demo_folder: Path, demo_ended: Ended) -> None:
    assert demo_ended.code == 0
    assert demo_ended.out == ""
    assert files(str(demo_folder)) == ["findings.json", "report.html", "snapshot.jsonl"]
    end = demo_ended.last[-11:]
    assert end[0] == "Demo      sample environment, served on this machine; no Azure account is used"
    assert re.fullmatch(
        r"Read      [\d,]+ resources with [\d,]+ of [\d,]+ reads in \d+ s; \d+ reads are refused by design", end[1]
    )
    result = " ".join(line.removeprefix("Result").strip() for line in end[2:8])
    assert re.match(
        r"Not fully assessed: \d+ endpoints \(\d+ for a missing permission, \d+ because Azure returned no value\), "
        r"part of 1 subscription \d+ endpoints are publicly accessible without authentication, and \d+ apps without "
        r"platform sign-in; \d+ more are protected only by a shared key or password \d+ checks are inconclusive: ",
        result,
    )
    assert end[8] == f"Wrote     {demo_folder}/report.html (and findings.json, snapshot.jsonl)"
    assert end[9] == "Exit 0    a demo exits with 0; a scan of this environment would exit with 1"
    assert end[10] == "Next      az login, then: twolocks scan --out report.html"


def test_the_demo_ends_as_a_scan_would_where_that_is_asked() -> None:
    assert twolocks("demo", "--dir", "out/demo", "--fail-on", "high", "--quiet").code == 1
    assert files("out/demo") == ["findings.json", "report.html", "snapshot.jsonl"]
    assert "AZURE_CLIENT_SECRET" not in os.environ


def test_report_makes_a_report_of_findings() -> None:
    snapshot(Path("night.jsonl"), OPEN)
    twolocks("scan", "--from", "night.jsonl", "--out", "findings.json", "--out", "report.html")
    ended = twolocks("report", "findings.json", "--out", "again.html", "--out", "again.json")
    assert (ended.code, ended.out, ended.err) == (0, "", "Wrote     again.html, again.json\n")
    assert Path("again.html").read_bytes() == Path("report.html").read_bytes()
    assert Path("again.json").read_bytes() == Path("findings.json").read_bytes()


def test_scans_of_the_same_second_have_ids_of_their_own(tmp_path: Path) -> None:
    snapshot(tmp_path / "night.jsonl", OPEN)
    words = ("scan", "--from", "night.jsonl", *ONLY, "--quiet", "--out")
    both = [start(*words, f"{name}.json", cwd=tmp_path) for name in ("one", "two")]
    assert [each.wait() for each in both] == [0, 0]
    one, two = (json.loads((tmp_path / f"{name}.json").read_text())["scan"]["id"] for name in ("one", "two"))
    assert one != two


def test_rules_are_listed_and_shown() -> None:
    ended = twolocks("rules", "list", "--only", "storage-*")
    rows = [line.split("\t") for line in ended.out.splitlines()]
    assert all(len(row) == 4 for row in rows)
    assert next(row[:3] for row in rows if row[1] == "storage-plain-http") == [
        "high",
        "storage-plain-http",
        "transport",
    ]
    assert f"{len(rows)} rules on " in ended.err
    assert twolocks("rules", "list", "--only", "storage-plain-http").err.startswith("1 rule on 1 type. ")
    listed = json.loads(twolocks("rules", "list", "--format", "json").out)
    assert {"id", "title", "category", "severity", "types", "reads", "controls", "references"} <= set(listed[0])
    shown = twolocks("rules", "show", "storage-anonymous-blob-access")
    assert shown.out.splitlines()[0].endswith("(anonymous-access; rated medium to critical by exposure)")
    assert "\nWhy      " in shown.out
    assert re.search(r"^Fix in Bash   az .* (ID|NAME)( |$)", shown.out, re.MULTILINE)
    before, terraform = shown.out.split("\nTerraform     ")
    assert not re.search(r"\{\w+\}", before)
    assert terraform.startswith('resource "azurerm_storage_container" "example" {\n                # ...\n')
    assert json.loads(twolocks("rules", "show", "storage-plain-http", "--format", "json").out)["severity"] == "high"
    plain = twolocks("rules", "show", "storage-plain-http").out
    assert "resource target 'Microsoft.Storage/storageAccounts@" in plain
    assert "name: 'NAME'" in plain
    ended = twolocks("rules", "show", "storage-plane-http")
    assert (ended.code, "hint: nearest: storage-plain-http" in ended.err) == (2, True)


@pytest.mark.parametrize("format", ["json", "bicep", "terraform"])
def test_the_role_allows_reads_and_nothing_else(format: str) -> None:
    ended = twolocks("access", "role", "--format", format, "--scope", f"/subscriptions/{SUB}")
    actions = re.findall(r"""["']((?:Microsoft|Oracle)\.[\w/*]+)["']""", ended.out)
    excluded = set(without(actions))
    actions = [each for each in actions if each != "Microsoft.Authorization/roleDefinitions" and each not in excluded]
    assert actions
    assert all(action.endswith("/read") for action in actions)
    assert "Microsoft.ResourceGraph/resources/read" in actions
    assert "Microsoft.Storage/storageAccounts/blobServices/containers/read" in actions
    assert f"/subscriptions/{SUB}" in ended.out
    assert f"Role: {len(actions)} read actions for " in ended.err


def test_the_role_of_one_rule_is_smaller() -> None:
    every = json.loads(twolocks("access", "role").out)["Actions"]
    one = json.loads(twolocks("access", "role", *ONLY).out)["Actions"]
    assert set(one) < set(every)


def test_the_role_is_enough_for_a_whole_scan() -> None:
    from scanner.sandbox.served_estate import RoleGrant

    actions = json.loads(twolocks("access", "role").out)["Actions"]
    grant = RoleGrant(f"/subscriptions/{SUB}", tuple(actions))
    with running(Sandbox([OPEN, closed("st2")], [SUB], grants=[grant])) as box:
        ended = twolocks("scan", "--out", "-", env=box.environment())
    assert not [gap for gap in json.loads(ended.out)["gaps"] if gap["status"] in (401, 403)]


def test_config_show_shows_each_value_and_its_source() -> None:
    Path("twolocks.toml").write_text(
        '[scan]\nfail-on = "low"\nauth = "cli"\n[networks]\noffice = ["198.51.100.0/24"]\n'
    )
    ended = twolocks("config", "show", "--config", "twolocks.toml", env={"TWOLOCKS_SCAN_FAIL_ON": "critical"})
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in ended.out.splitlines()}
    assert rows["scan.fail-on"] == ["critical", "TWOLOCKS_SCAN_FAIL_ON"]
    assert rows["scan.auth"] == ["cli", "twolocks.toml:3"]
    assert rows["networks.office"] == ["198.51.100.0/24", "twolocks.toml:5"]
    assert rows["network.wide-ipv4"] == ["65536", "default"]
    assert (ended.code, ended.err) == (0, "")


def test_the_sandbox_prints_how_to_use_it_and_ends_on_ctrl_c() -> None:
    process = start("sandbox", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    names = {}
    for line in process.stdout:
        name, _, value = line.removeprefix("export ").strip().partition("=")
        names[name] = value
        if name == "NO_PROXY":
            break
    ended = twolocks("scan", "--fail-on", "never", *ONLY, "--out", "-", env=names)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert len(json.loads(ended.out)["resources"]) > 20
