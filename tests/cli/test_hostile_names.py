"""Every command on an estate of hostile names: what it prints is a log that no name can forge, and exact data."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cmarkgfm  # type: ignore[import-untyped]
import pytest
from cmarkgfm.cmark import Options  # type: ignore[import-untyped]
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort

from scanner.config.commands import COMMANDS
from scanner.output.formats import DIFF_FORMATS, FORMATS
from scanner.sandbox import errors
from scanner.sandbox.served_estate import ErrorReply, ResponseOverrides, RoleGrant
from scanner.sandbox.server import Sandbox, running
from scanner.terminal.text import hides
from tests.cli.hostile_names import NAMES, PIECES, Names, bodies, turn, write_snapshot
from tests.notify.receivers import Web, web
from tests.sampled import is_all, some
from tests.terminals import SUB, Ended, twolocks

LATER = (datetime.now(UTC).date() + timedelta(days=90)).isoformat()
HOOKS, LOGS = ("webhook", "slack", "teams"), ("github", "azure-devops")
HOOK = "url-env = 'TWOLOCKS_SECRET_HOOK'\nmin-severity = 'info'\n"
SETTINGS = "[report]\nowner-tag = 'owner'\ntags = ['owner']\n" + "".join(
    f"[notify.{kind}]\nkind = '{kind}'\n{HOOK if kind in HOOKS else ''}" for kind in (*HOOKS, *LOGS)
).replace("'webhook'\n", "'webhook'\nsecret-env = 'TWOLOCKS_SECRET_KEY'\n")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
MODES: tuple[dict[str, Any], ...] = (
    {},
    {"env": {"CI": "1", "FORCE_COLOR": "1"}},
    {"tty": True},
    {"tty": True, "env": {"NO_COLOR": "", "FORCE_COLOR": "1"}},
)
"""A log, a log of a CI system with colours, a terminal, and one with colours: one after the other."""
OWN_TEXT = {
    "demo": "the sample estate",
    "sandbox": "its address",
    "rules list": "rules",
    "rules show": "rules",
    "rules new": "the command line",
    "rules frameworks": "rules",
    "rules test": "rules",
    "config show": "settings",
    "history upgrade": "versions",
    "history prune": "counts",
    "notify test": "settings",
    "fleet worker": "ids of subscriptions",
    "fleet status": "counts",
}
"""The commands that print nothing out of Azure, a snapshot, findings or a history, and what they print instead."""


@dataclass(frozen=True, slots=True)
class Run:
    """The words after a command. `wrong`: the input is refused (exit 2). `json`: standard output is JSON."""

    words: tuple[str, ...]
    wrong: bool = False
    json: bool = False


Runs = Callable[[Names], Iterator[Run]]
RUNS: dict[str, Runs] = {}
HISTORY = ("--history", "h.db")


def of(command: str) -> Callable[[Runs], Runs]:
    """Register the runs of a command on files."""

    def add(result: Runs) -> Runs:
        RUNS[command] = result
        return result

    return add


@of("scan")
def _scan(names: Names) -> Iterator[Run]:
    told = [word for each in (*HOOKS, *LOGS) for word in ("--notify", each)]
    shared = (*HISTORY, *told, "--config", "named.toml", "--fail-on")
    yield Run(("--from", "a.jsonl", *shared, "never"))
    yield Run(("--from", "b.jsonl", *shared, "new:info", *_outs("o", (each.suffix for each in FORMATS))))
    yield Run(("--from", "b.jsonl", "--out", "-", "--quiet"), json=True)
    yield Run(("--from", "b.jsonl", "--verbose"))
    yield Run(("--from", "b.jsonl", "--verbose", "--resource", names["stjournal"]), wrong=True)
    yield Run(("--from", names["kari"]), wrong=True)


def _both(*words: str) -> Iterator[Run]:
    """Yield a run that prints text, and one that prints JSON."""
    yield Run(words)
    yield Run((*words, "--format", "json"), json=True)


for view in ("findings", "gaps", "places", "keys", "capacity"):
    of(f"show {view}")(lambda names: _both("o.json"))
of("show endpoints")(lambda names: _both("o.json", "--all"))


@of("fix")
def _fix(names: Names) -> Iterator[Run]:
    yield Run(("o.json",))
    yield Run(("o.json", "--severity", "high", "--out", "fixes.sh"))
    yield Run(("o.json", "--finding", names["kari"]), wrong=True)


@of("show frameworks")
def _frameworks(names: Names) -> Iterator[Run]:
    return _both("o.json", "nsm-2.0")


@of("report")
def _report(names: Names) -> Iterator[Run]:
    yield Run(("o.json", *_outs("r", (each.suffix for each in FORMATS))))
    yield Run(("o.json", "--out", "-"), json=True)


@of("diff")
def _diff(names: Names) -> Iterator[Run]:
    yield Run(("a.jsonl", "b.jsonl", *_outs("d", (each.suffix for each in DIFF_FORMATS))))
    yield Run(("a.jsonl", "o.json", "--format", "json"), json=True)


@of("reach")
def _reach(names: Names) -> Iterator[Run]:
    yield from (Run((id, "--from", "b.jsonl")) for id in targets(names))
    yield Run((names["vm-hopp"], "--from", "b.jsonl", "--port", "tcp/22", "--source", names["nic"]))
    yield Run((names["kari"] + "zq", "--from", "b.jsonl"), wrong=True)


@of("waive")
def _waive(names: Names) -> Iterator[Run]:
    document, shared = json.loads(Path("o.json").read_text()), ("--in", "o.json", "--expires", LATER)
    rows = [each for each in document["exposures"] if each["state"] == "open"][::4]
    accepted = [Run((each["fingerprint"], *shared, "--reason", "r", "--owner", "o")) for each in rows]
    yield from (*accepted, Run(accepted[0].words, wrong=True))
    yield Run(("zq", *shared, "--reason", names["kari"], "--owner", names["dba"], "--ticket", names["tag"]), wrong=True)


@of("access role")
def _access_role(names: Names) -> Iterator[Run]:
    yield Run(("--scope", f"/subscriptions/{SUB}/resourceGroups/{names['rg-journal']}/zq/zq/zq"), wrong=True)


@of("history export")
def _history_export(names: Names) -> Iterator[Run]:
    yield Run(HISTORY, json=True)
    yield Run((*HISTORY, "--out", "e.jsonl"))


def _history(*scans: str) -> Runs:
    def result(names: Names) -> Iterator[Run]:
        yield from (Run((*scans, *HISTORY, *more), json=bool(more)) for more in ((), ("--format", "json")))
        yield from ([Run((*scans[1:], names["kari"], *HISTORY), wrong=True)] if scans else [])

    return result


RUNS |= {"history list": _history(), "history show": _history("2"), "history trend": _history("2")}
RUNS["history diff"] = _history("1", "2")


def _outs(name: str, suffixes: Iterable[str]) -> list[str]:
    return [word for suffix in suffixes for word in ("--out", f"{name}{suffix}")]


def targets(names: Names) -> list[str]:
    """Return the ids of the resources with endpoints."""
    every = (body["id"] for body in bodies(names, more=True))
    return [id for id in every if re.search(r"/(storageAccounts|servers|virtualMachines)/[^/]*$", id, re.DOTALL)]


def test_every_command_is_run_or_prints_nothing_that_others_named() -> None:
    assert {*RUNS, *OWN_TEXT, "access check"} == {name for name, each in COMMANDS.items() if each.runs}


# What holds of every output

COLOUR = re.compile(r"\x1b\[(?:\d+(?:;\d+)*)?m")
ERASED = re.compile(r"\x1b\[\d+A\r\x1b\[J")
COMMAND = re.compile(r"::[a-z][\w-]*( [^:\n]*)?::|##vso\[|##\[|^\s*::[a-z]", re.IGNORECASE | re.MULTILINE)
OURS = re.compile(r"^(::(error|warning) title=Twolocks[^:\n]*::|##vso\[task\.logissue type=(error|warning)\])", re.M)
FIRST = re.compile(r"^(zq|[=@+`$|%<]|Exit 0    zq|\s*(::|##|<U\+))", re.MULTILINE)
"""A line that begins with a name, or with what a CI system may run, even after spaces."""


def check(ended: Ended, what: str, run: Run) -> None:
    """Check the exit code and both streams of a command."""
    assert ended.code in ((2,) if run.wrong else (0, 1, 3)), (what, ended)
    for text in (ended.out, ended.err):
        assert "--verbose" in run.words or "Traceback" not in text
        shown = ERASED.sub("", COLOUR.sub("", text))
        hidden = {char for char in set(shown) if char != "\n" and hides(char)}
        assert hidden <= ({"\t"} if text is ended.out else set()), (what, hidden, text)
        rest = OURS.sub("zz", shown)
        assert "\tzqtab" not in rest, (what, text)
        assert not COMMAND.search(rest), (what, COMMAND.search(rest), text)
        if not run.json:
            assert not FIRST.search(rest), (what, FIRST.search(rest), text)
    if run.json:
        [json.loads(line) for line in ended.out.splitlines()] if "export" in what else json.loads(ended.out)


def run_all(commands: Iterable[str], runs: Callable[[str], Iterator[Run]], env: dict[str, str]) -> None:
    """Run commands, each in another mode."""
    position = 0
    for command in commands:
        for run in runs(command):
            mode = MODES[(position := position + 1) % len(MODES)]
            ended = twolocks(*command.split(), *run.words, **{**mode, "env": {**mode.get("env", {}), **env}})
            check(ended, f"{mode} {command} {run.words}", run)


def check_files(names: Names, server: Web) -> None:
    """Check that data holds the names as they are, and that markup holds none as markup."""
    ids = {body["id"] for body in bodies(names, more=True)}
    document = json.loads(Path("o.json").read_text())
    rows = [*document["exposures"], *document["findings"]]
    assert {each["resource"] for each in rows} - {f"/subscriptions/{SUB}"} <= ids
    assert {*targets(names)} <= {*document["resources"]} <= ids
    (scope,) = document["coverage"]["scopes"]
    stated = (scope["name"], scope["tenant"], document["scan"]["principal"], document["gaps"][0]["code"])
    assert stated == tuple(names[each] for each in ("prod-journal", "agency.example", "kari", "AuthorizationFailed"))
    assert {each["tags"].get("owner") for each in document["resources"].values()} == {names["tag"]}
    for name in ("r.json", "o.sarif", "r.sarif", "d.json"):
        json.loads(Path(name).read_text())
    for name in ("o.junit.xml", "r.junit.xml"):
        ET.parse(name)
    with Path("o.csv").open(encoding="utf-8-sig", newline="") as file:
        assert not [cell for row in csv.reader(file) for cell in row if cell.startswith(("=", "+", "@", "\t", "\r"))]
    exported = [json.loads(line) for line in Path("e.jsonl").read_bytes().splitlines()]
    stored = {each["items"]["resource"] for each in exported if "items" in each} - {f"/subscriptions/{SUB}"}
    assert stored <= {id.replace("\x00", "\ufffd") for id in ids}, "PostgreSQL stores no NUL"
    for name in ("o.html", "r.html", "d.html", "o.md", "r.md", "d.md"):
        shown = Path(name).read_text()
        shown = cmarkgfm.github_flavored_markdown_to_html(shown, Options.CMARK_OPT_UNSAFE) if ".md" in name else shown
        assert not re.search("<script>zq|<img src=x", shown), (name, shown)
    sent = [each.json for each in server.received]
    assert {item["resource"] for each in sent for item in each.get("items", ())} - {f"/subscriptions/{SUB}"} <= ids
    texts = [text for each in sent if "items" not in each for text in strings(each)]
    assert not [text for text in texts if any(hides(char) and char != "\n" for char in text)]


def strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict() | list():
            for each in value.values() if isinstance(value, dict) else value:
                yield from strings(each)


# The runs


@contextmanager
def hook() -> Iterator[tuple[Web, dict[str, str]]]:
    with web() as server:
        yield server, {"TWOLOCKS_SECRET_HOOK": server.url, "TWOLOCKS_SECRET_KEY": "0123456789abcdef" * 2}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def on_files(names: Names, folder: Path) -> None:
    """Run every command that reads files."""
    for each in folder.iterdir():
        each.unlink()
    write_snapshot(Path("a.jsonl"), names, more=False)
    write_snapshot(Path("b.jsonl"), names, more=True)
    Path("named.toml").write_text(SETTINGS)
    with hook() as (server, env):
        run_all(RUNS, lambda command: RUNS[command](names), env)
        check_files(names, server)


@pytest.mark.parametrize("position", some(range(0, len(PIECES), 12), 2))
def test_no_name_at_the_start_is_a_command(position: int, folder: Path) -> None:
    on_files(turn(position), folder)


@given(NAMES)
@effort(
    max_examples=3 if is_all() else 1,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=SLOW,
)
def test_no_name_is_a_command(folder: Path, names: Names) -> None:
    on_files(names, folder)


# Over a real socket


def on_azure(names: Names, folder: Path) -> None:
    """Run every command that reads Azure, against a sandbox with these names.

    The group has a name that Azure allows, because resources of any other are a gap.
    """
    names = {**names, "rg-journal": "rg-zq"}
    code, text, name = names["AuthorizationFailed"], names["dba"], names["prod-journal"]
    refused = ErrorReply("*/fileservices/default", 403, code, errors.refusal_text(names["kari"], text, text))
    served: dict[str, Any] = {"overrides": ResponseOverrides((refused,))}
    served["grants"] = [RoleGrant(not_actions=("*/containers/read",))]
    subscription = {"subscriptionId": SUB, "displayName": name}
    every = ("--out", "o.json", "--snapshot", "s.jsonl", "--fail-on", "low")
    live = {
        "scan": [Run(every), Run(("--quiet", "--effective")), Run(("-s", name)), Run(("-s", name + "zq"), wrong=True)],
        "access check": [Run(()), Run(("--format", "json"), json=True), Run(("-s", name)), Run(())],
        "reach": [Run((id,)) for id in targets(names)[:2]],
    }
    with running(Sandbox(list(bodies(names, more=True)), [subscription], **served)) as box:
        run_all(live, lambda command: iter(live[command]), dict(box.environment()))
        checked = json.loads(twolocks("access", "check", "--format", "json", env=box.environment()).out)
    document = json.loads((folder / "o.json").read_text())
    assert [each["name"] for each in checked["scopes"]] == [name]
    assert [each["name"] for each in document["coverage"]["scopes"]] == [name]
    assert {each["url"].rpartition("/")[2] for each in document["gaps"]} == {"default", "containers"}


@pytest.mark.parametrize("position", some(range(4, len(PIECES), 23), 1))
def test_no_name_of_azure_is_a_command(position: int, folder: Path) -> None:
    on_azure(turn(position), folder)
