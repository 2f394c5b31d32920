"""What an exit code says, and what answers without end do."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from aiohttp import web

from scanner.sandbox.server import Sandbox, running
from tests.attacks.folders import ROW
from tests.attacks.lab import SUBSCRIPTION, Ended, Lab, Outcome, attack, findings, result
from tests.azure.hostile import BEHAVIOURS, JSON, HostileSandbox
from tests.azure.requests import ESTATE, SUBSCRIPTIONS
from tests.config.hostile import PUBLIC
from tests.terminals import closed

STREAMS = "terminal/test_streams.py::"
MEMORY = "ulimit -v 2000000"
"""Two gigabytes."""
LOST: dict[int | None, str] = {0: "the code says passed", 1: "the code says found", 2: "the code says wrong use"}


def _fails(ended: Ended, folder: Path) -> Outcome:
    failing = [each for each in findings(folder / "f.json") if each["status"] == "fail"]
    held = f"{len(failing)} counted"
    return result(ended, not failing or ended.code != 1, f"{len(failing)} failing, and not found", held)


@attack(
    3,
    "failing finding without an endpoint",
    "test_failing_counts.py::test_no_document_with_a_failing_finding_ends_with_0",
)
def finding_without_endpoint(lab: Lab) -> Outcome:
    """The rule is of a lock category, and the endpoints of the account do not show what it found."""
    folder = lab.folder("subnet")
    subnet = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.Network"
    shut = closed("stshut")
    rules = [{"id": f"{subnet}/virtualNetworks/v/subnets/s", "action": "Allow", "state": "Succeeded"}]
    shut["properties"] |= {"publicNetworkAccess": "Enabled"}
    shut["properties"]["networkAcls"] |= {"virtualNetworkRules": rules}
    only = ("--only", "storage-external-subnet", "--fail-on", "low", "--out", "f.json")
    return _fails(lab.scan(folder, [shut], *only), folder)


@attack(3, "severity that the settings raise", "test_failing_counts.py::test_a_severity_that_the_settings_raise_counts")
def raised_severity(lab: Lab) -> Outcome:
    folder = lab.folder("raised")
    (folder / "own.toml").write_text(
        '[severity.storage-shared-key-enabled]\nto = "critical"\nreason = "as we see it"\n'
    )
    words = ("--only", "storage-shared-key-enabled", "--fail-on", "critical", "--out", "f.json", "--config", "own.toml")
    return _fails(lab.run(folder, "scan", "--from", lab.taken(folder), *words), folder)


@attack(3, "standard output is closed", f"{STREAMS}test_an_output_that_is_lost_is_never_found")
def closed_stream(lab: Lab) -> Outcome:
    folder = lab.folder("closed")
    words = ("scan", "--from", lab.taken(folder), "--out", "-", "--fail-on", "low")
    ended = lab.run(folder, *words, streams=">&-")
    return result(ended, ended.code != 141, LOST.get(ended.code, "the code says something else"), "the output was lost")


@attack(3, "standard output is a broken pipe", f"{STREAMS}test_an_output_that_is_lost_is_never_found")
def broken_pipe(lab: Lab) -> Outcome:
    folder = lab.folder("pipe")
    words = ("scan", "--from", lab.taken(folder), "--out", "-", "--fail-on", "low")
    ended = lab.run(folder, *words, streams="> >(exec true)", first="shopt -s extglob")
    return result(ended, ended.code != 141, LOST.get(ended.code, "the code says something else"), "the output was lost")


@attack(3, "SIGHUP", f"{STREAMS}test_a_signal_has_its_code_and_leaves_no_file")
def hang_up(lab: Lab) -> Outcome:
    folder = lab.folder("hangup")
    os.mkfifo(folder / "slow.jsonl")
    words = ("scan", "--from", "slow.jsonl", "--out", "f.json")
    started = lab.start(folder, *words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with (folder / "slow.jsonl").open("w"):
        time.sleep(0.5)
        started.send_signal(signal.SIGHUP)
        _, _err = started.communicate(timeout=30)
    code = started.returncode
    return Outcome(code, code != 129, "ended in order" if code == 129 else "killed in the middle, nothing said")


@attack(3, "output that is the input", "output/test_targets.py::test_an_output_that_is_an_input_is_refused")
def output_is_input(lab: Lab) -> Outcome:
    folder = lab.folder("same")
    file = lab.taken(folder).rename(folder / "night.json")
    before = file.read_bytes()
    ended = lab.run(folder, "scan", "--from", "night.json", "--out", "night.json")
    return result(ended, file.read_bytes() != before, "the snapshot is overwritten", "refused")


@attack(3, "help link that is a script", "output/test_targets.py::test_help_links_are_https")
def script_link(lab: Lab) -> Outcome:
    folder = lab.folder("help")
    (folder / "rows").mkdir()
    (folder / "rows" / "own.toml").write_text(f'{ROW}references = ["javascript:alert(1)"]\n')
    words = ("--rules", "rows", "--only", "own-*", "--out", "f.sarif", "--out", "f.html")
    ended = lab.run(folder, "scan", "--from", lab.taken(folder), *words)
    made = [file.read_text("utf-8") for file in (folder / "f.sarif", folder / "f.html") if file.exists()]
    fell = any(re.search(r'(helpUri": ?"|href=")javascript:', text) for text in made)
    return result(ended, fell, "it is the helpUri", "https only")


# Log commands


@attack(3, "log command of a pipeline in a name", f"{STREAMS}test_log_commands_are_broken")
def log_command(lab: Lab) -> Outcome:
    folder = lab.folder("log")
    names = ["::add-mask::a", "##vso[task.setvariable variable=PATH]/x", "::error::b"]
    subscriptions = [{**SUBSCRIPTION, "displayName": name, "subscriptionId": f"3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4{n}"}
                     for n, name in enumerate(names)]  # fmt: skip
    with running(Sandbox([], subscriptions)) as box:
        ended = lab.run(folder, "access", "check", env=box.environment())
    matches = re.findall(r"(?m)^\s*::[a-z-]+|##vso\[", ended.text)
    return result(ended, bool(matches), f"{len(matches)} log commands printed", "broken")


# Defects that are none


def _no_defect(ended: Ended, held: str) -> Outcome:
    fell = ended.code in (None, 70) or "Traceback" in ended.text or (ended.code or 0) < 0
    return result(ended, fell, "ended as a defect" if ended.code == 70 else "did not end by itself", held)


def _answered(lab: Lab, name: str, behaviour: str) -> Outcome:
    folder = lab.folder(name)
    box = HostileSandbox(ESTATE, SUBSCRIPTIONS)
    box.made = partial(BEHAVIOURS[behaviour])
    with running(box):
        ended = lab.run(folder, "scan", "--no-graph", env=box.environment(), first=MEMORY)
    assert box.count, "the scan did not ask for the list"
    return _no_defect(ended, "a gap")


@attack(3, "nextLink with a broken address", "azure/test_hostile.py::test_a_hostile_answer_is_a_gap")
def broken_link(lab: Lab) -> Outcome:
    return _answered(lab, "link", "link with a broken IPv6 address")


@attack(3, "answer nested 50,000 deep", "azure/test_hostile.py::test_a_hostile_answer_is_a_gap")
def deep_answer(lab: Lab) -> Outcome:
    return _answered(lab, "deep-answer", "deep arrays")


@attack(3, "metadata of a hostile host", "azure/test_clouds.py::test_an_endpoint_that_does_not_say")
def hostile_metadata(lab: Lab) -> Outcome:
    folder = lab.folder("metadata")
    with lab.evil(folder, PUBLIC) as (evil, env):
        evil.metadata["authentication"]["loginEndpoint"] = "https://[::1"
        ended = lab.run(folder, "scan", "--arm-endpoint", evil.url, "--auth", "environment", env=env)
    return _no_defect(ended, "refused")


@attack(3, "TOML nested 5,000 deep", "config/test_settings.py::test_a_file_that_is_nested_too_deeply_is_refused")
def deep_toml(lab: Lab) -> Outcome:
    folder = lab.folder("deep")
    (folder / "own.toml").write_text(f"x = {'[' * 5000}{']' * 5000}\n")
    return _no_defect(lab.run(folder, "scan", "--from", lab.taken(folder), "--config", "own.toml"), "refused")


@attack(3, "word that no finding has in a findings document", "fuzz/test_corpus.py::test_kept_inputs")
def wrong_word(lab: Lab) -> Outcome:
    folder = lab.folder("word")
    lab.run(folder, "scan", "--from", lab.taken(folder), "--out", "f.json")
    document = json.loads((folder / "f.json").read_bytes())
    document["findings"][0]["status"] = "closed"
    (folder / "f.json").write_text(json.dumps(document))
    return _no_defect(lab.run(folder, "report", "f.json", "--out", "f.html"), "refused")


@attack(3, "broken text in the history", "history/test_faults.py::test_an_unexpected_error_has_a_name")
def broken_history(lab: Lab) -> Outcome:
    folder = lab.folder("history")
    lab.run(folder, "scan", "--from", lab.taken(folder), "--history", "h.db")
    with closing(sqlite3.connect(folder / "h.db")) as base, base:
        tables = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, type, *_ in list(base.execute(f'PRAGMA table_info("{table}")')):
                if type.upper().startswith(("VARCHAR", "TEXT")) and table != "alembic_version":
                    with contextlib.suppress(sqlite3.IntegrityError):
                        base.execute(f'UPDATE "{table}" SET "{column}" = CAST(X\'FFFE\' AS TEXT)')
    return _no_defect(lab.run(folder, "scan", "--from", "taken.jsonl", "--history", "h.db"), "refused")


# URLs, rows, names


@attack(3, "password with @ and / in the URL of the history", "text/test_urls.py::test_no_password_is_shown")
def shown_password(lab: Lab) -> Outcome:
    folder = lab.folder("password")
    env = {"TWOLOCKS_SCAN_HISTORY": "postgresql+psycopg://two:canary1@canary2/canary3@127.0.0.1:1/base"}
    shown = lab.run(folder, "config", "show", env=env)
    used = lab.run(folder, "history", "list", "--history", "x", env=env)
    ended = lab.run(folder, "scan", "--from", lab.taken(folder), "--verbose", env=env)
    matches = re.findall(r"canary[123]", shown.text + used.text + ended.text)
    return result(ended, bool(matches), f"{len(set(matches))} of 3 parts are shown", "0 of 3 parts are shown")


@attack(3, "row whose command is a brace", "rulebook/test_row_files.py::test_braces_of_a_fix_that_cannot_be_filled_in")
def brace(lab: Lab) -> Outcome:
    folder = lab.folder("brace")
    (folder / "rows").mkdir()
    row = ROW.replace("isSftpEnabled", "allowBlobPublicAccess").replace('steps = ["Disable it."]', 'az = "{"')
    (folder / "rows" / "own.toml").write_text(row)
    words = ("--rules", "rows", "--only", "own-*", "--out", "f.json")
    return _no_defect(lab.run(folder, "scan", "--from", lab.taken(folder), *words), "refused, with its line")


@attack(3, "hosts of blobs that are none", "output/test_storage.py::test_hosts_of_accounts_that_are_none")
def odd_hosts(lab: Lab) -> Outcome:
    folder = lab.folder("hosts")
    file = lab.taken(folder)
    hosts = ("[::1]", "a:b", "x y", f"{'a' * 300}")
    codes = []
    for host in hosts:
        ended = lab.run(folder, "scan", "--from", file, "--out", f"az://reports@{host}.blob.core.windows.net/f.json")
        codes.append(ended.code)
    return result(ended, codes != [2] * len(hosts), f"{sum(code != 2 for code in codes)} are called", "refused")


@attack(3, "TOML with an array of 12,000 lines", "text/test_toml.py::test_an_array_of_many_lines_takes_no_time")
def long_array(lab: Lab) -> Outcome:
    folder = lab.folder("array")
    (folder / "own.toml").write_text("[networks]\nall = [\n" + '"10.0.0.0/8",\n' * 12_000 + "]\n")
    return _no_defect(lab.run(folder, "config", "show", "--config", "own.toml"), "read at once")


# Without end


class _Endless(HostileSandbox):
    """Answers the list of key vaults with bytes without end."""

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self.is_hit(request.raw_path.partition("?")[0]):
            return await super()._handle(request)
        answer = web.StreamResponse(headers={"Content-Type": JSON})
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await answer.write(b'{"value": [], "x": "')
            while True:
                await answer.write(b"0" * (1 << 20))
        return answer


@attack(3, "answer without end", "azure/test_hostile.py::test_memory_stays_below_500_mb", slow=True)
def endless(lab: Lab) -> Outcome:
    folder = lab.folder("endless")
    with running(_Endless(ESTATE, SUBSCRIPTIONS)) as box:
        ended = lab.run(folder, "scan", "--no-graph", env=box.environment(), first=MEMORY)
    return _no_defect(ended, "a gap that names its limit")


@attack(3, "answer of 200 MB in 200 kB", "azure/test_hostile.py::test_a_hostile_answer_is_a_gap", slow=True)
def bomb(lab: Lab) -> Outcome:
    folder = lab.folder("bomb")
    box = HostileSandbox(ESTATE, SUBSCRIPTIONS)
    box.made = partial(BEHAVIOURS["gzip bomb"])
    with running(box):
        ended = lab.run(folder, "scan", "--no-graph", env=box.environment(), first=MEMORY)
    assert box.count, "the scan did not ask for the list"
    return result(ended, "limit" not in ended.err, "all of it was read", "a gap that names its limit")
