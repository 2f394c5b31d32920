"""Short options, `--format` beside the suffix, `--severity`, and the variables of a sandbox in the background."""

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.terminals import account, snapshot, twolocks

OPEN = account("stjournal", allowSharedKeyAccess=True, allowBlobPublicAccess=False, publicNetworkAccess="Enabled")
HTTP = account("stkart", supportsHttpsTrafficOnly=False, allowSharedKeyAccess=False, publicNetworkAccess="Disabled")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot(Path("n.jsonl"), OPEN, HTTP)


def test_short_options_are_the_long_ones() -> None:
    assert twolocks("-h").out == twolocks("--help").out
    assert twolocks("rules", "list", "-h").out == twolocks("rules", "list", "--help").out
    assert twolocks("-V").out == twolocks("--version").out
    ended = twolocks("scan", "--from", "n.jsonl", "-qo", "f.json", "--fail-on", "never")
    assert ended.err.startswith(f"twolocks: exit {ended.code}: ")
    assert ended.err.endswith("; see f.json\n")
    assert Path("f.json").exists()


def test_a_format_counts_in_place_of_the_suffix() -> None:
    twolocks("scan", "--from", "n.jsonl", "-o", "table.txt", "--format", "csv")
    assert "fingerprint" in next(csv.reader(Path("table.txt").read_text("utf-8-sig").splitlines()))
    ended = twolocks("scan", "--from", "n.jsonl", "--format", "json")
    document = json.loads(ended.out)
    assert document["schema"].startswith("twolocks/")
    Path("f.json").write_text(ended.out)
    assert twolocks("report", "f.json", "--format", "json").out == ended.out
    assert twolocks("report", "f.json", "-o", "page", "--format", "html").code == 0
    assert Path("page").read_text().lower().startswith("<!doctype html>")


def test_only_json_goes_to_standard_output() -> None:
    ended = twolocks("scan", "--from", "n.jsonl", "--format", "csv")
    assert (ended.code, ended.out) == (2, "")
    assert ended.last[-4] == "error: csv is not written to standard output; nothing was read"
    assert "hint: add --out FILE.csv" in ended.last
    assert twolocks("scan", "--from", "n.jsonl", "--format", "pdf").last[0] == 'error: unknown format "pdf"'
    assert twolocks("config", "show", "--format", "text").code == 0


def test_the_least_severity_limits_the_list_and_nothing_else() -> None:
    words = ("scan", "--from", "n.jsonl", "--fail-on", "medium", "-o", "f.json")
    every = twolocks(*words, tty=True)
    findings = Path("f.json").read_text()
    some = twolocks(*words, "--severity", "critical", tty=True)
    assert some.code == every.code == 1
    assert "Do these first" in every.err
    assert "Do these first" not in some.err
    text = " ".join(some.err.split())
    assert "What is below critical is not listed (--severity); it counts in the numbers and files" in text
    table = [line for line in every.err.splitlines() if line.startswith(("critical  ", "high    ", "medium    "))]
    assert set(table[-3:]) <= set(some.err.splitlines())
    assert len(json.loads(findings)["findings"]) == len(json.loads(Path("f.json").read_text())["findings"])


@pytest.mark.parametrize("name", ["n.jsonl", "n.jsonl.gz", "n.jsonl.zst"])
def test_a_report_of_a_snapshot_says_what_the_file_is(name: str) -> None:
    snapshot(Path(name), OPEN)
    ended = twolocks("report", name, "-o", "report.html")
    assert (ended.code, ended.last) == (
        2,
        [
            "error: the file is a snapshot, which holds resources and no findings",
            f"--> {name}",
            f"hint: evaluate it: twolocks scan --from {name} --out report.html",
            "exit 2",
        ],
    )


def test_the_variables_of_a_sandbox_are_for_eval() -> None:
    run = f"{sys.executable} -m scanner"
    serve = f'eval "$({run} sandbox --env)"; echo "$SANDBOX_PID"; kill -0 "$SANDBOX_PID"'
    program = f"{serve}; {run} scan --only storage-plain-http --format json"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, timeout=120, check=False)
    pid, _, document = done.stdout.partition("\n")
    try:
        assert done.returncode in (1, 3), done.stderr
        assert len(json.loads(document)["scan"]["scopes"]) == 2
    finally:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)


def test_a_sandbox_that_cannot_start_in_the_background_is_an_error() -> None:
    ended = twolocks("sandbox", "--env", "missing.jsonl")
    assert ended.code == 2
    assert ended.out == ""
