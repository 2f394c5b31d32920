"""Rows for Log Analytics, sent to a stand-in of the Logs Ingestion API over TLS: what arrives, what is refused, what is
kept when it is not accepted.
"""

import gzip
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from scanner.azure import log_ingestion
from scanner.azure.log_ingestion import MOST, _calls
from scanner.errors import InputError
from scanner.output.log_analytics import parse_log_stream
from scanner.report.sheets.log_rows import COLUMNS, LONGEST, OF_SCAN, write_log_rows
from scanner.sandbox import certificates
from scanner.sandbox.server import Sandbox, running
from tests.output.tunnel import tunnel
from tests.processes import start
from tests.report import sample
from tests.terminals import SUB, account, closed, snapshot, twolocks

HOST = "dce-night-ab12.norwayeast-1.ingest.monitor.azure.com"
RULE = f"dcr-{'0123456789abcdef' * 2}"
STREAM = f"loganalytics://{HOST}/{RULE}/Custom-Twolocks_CL"
NIGHT = "night.jsonl"
HERE = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
SCAN = ("scan", "--from", NIGHT, "--auth", "environment", "--fail-on", "never")
"""A scan of one account, some of whose checks are inconclusive: exit 3."""


@dataclass
class Sink:
    """The stand-in. `answers`: the status of each call in turn, the last for all others; `rows`: those accepted."""

    answers: list[int] = field(default_factory=lambda: [204])
    retry_after: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    """Path, `Authorization`, and bytes of the rows of each call."""
    env: dict[str, str] = field(default_factory=dict)
    reached: threading.Event = field(default_factory=threading.Event)
    holds: threading.Event | None = None

    def answer(self, path: str, token: str, body: bytes) -> int:
        self.calls.append((path, token, len(body)))
        self.reached.set()
        if self.holds is not None:
            self.holds.wait(60)
        status = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if status == 204:
            self.rows += json.loads(body)
        return status


@contextmanager
def served(sink: Sink, folder: Path) -> Iterator[None]:
    """Serve a sink under its host, beside a sandbox whose Entra ID gives the tokens."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Encoding"] == "gzip"
            status = sink.answer(self.path, self.headers["Authorization"], gzip.decompress(body))
            self.send_response(status)
            text = b"" if status == 204 else json.dumps({"error": {"code": f"Code{status}", "message": "no"}}).encode()
            if status == 429 and sink.retry_after:
                self.send_header("Retry-After", sink.retry_after)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None: ...

    ca = certificates.make(folder, HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with running(Sandbox([closed("st")], [SUB])) as box, tunnel(server.server_port) as way:
            env = box.environment()
            trusted = folder / "all.pem"
            trusted.write_text(ca.read_text() + Path(env["SSL_CERT_FILE"]).read_text())
            sink.env = {**env, "SSL_CERT_FILE": str(trusted), "HTTPS_PROXY": way.url}
            yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    monkeypatch.chdir(tmp_path)
    for name in ("kept", "tls"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "kept"))
    monkeypatch.setattr(log_ingestion, "RETRIES", {**log_ingestion.RETRIES, "retry_backoff_factor": 0})
    snapshot(tmp_path / NIGHT, account("stjournal", supportsHttpsTrafficOnly=False))
    made = Sink()
    with served(made, tmp_path / "tls"):
        yield made


# Names


@pytest.mark.parametrize(
    "name",
    [
        "loganalytics://",
        f"loganalytics://{HOST}",
        f"loganalytics://{HOST}/{RULE}",
        f"loganalytics://{HOST}/dcr-1/Custom-T",
        f"loganalytics://{HOST}/{RULE}/T_CL",
        f"loganalytics://{HOST}/{RULE}/Custom-T/../../x",
        f"loganalytics://evil.example/{RULE}/Custom-T",
        f"loganalytics://evil.example#.ingest.monitor.azure.com/{RULE}/Custom-T",
        f"loganalytics://a@{HOST}/{RULE}/Custom-T",
        f"loganalytics://{HOST}:8443/{RULE}/Custom-T",
        f"loganalytics://{HOST}.evil.example/{RULE}/Custom-T",
        f"loganalytics://xingest.monitor.azure.com/{RULE}/Custom-T",
    ],
)
def test_names_that_are_none_get_no_token(name: str) -> None:
    with pytest.raises(InputError):
        parse_log_stream(name, "--out")


@pytest.mark.parametrize("suffix", sorted(log_ingestion.SUFFIXES.values()))
def test_names(suffix: str) -> None:
    log_stream = parse_log_stream(f"LogAnalytics://DCE.region-1.{suffix}/{RULE}/Custom-T_CL", "--out")
    assert (log_stream.endpoint, log_stream.rule, log_stream.stream) == (
        f"https://dce.region-1.{suffix}",
        RULE,
        "Custom-T_CL",
    )


# What is sent


def test_every_row_arrives_and_the_scan_is_the_last(sink: Sink) -> None:
    ended = twolocks(*SCAN, "--out", STREAM, "--out", "n.json", env=sink.env)
    assert ended.code == 3, ended.err
    document = json.loads(Path("n.json").read_bytes())
    kinds = [row["RecordKind"] for row in sink.rows]
    assert kinds.count("exposure") == len(document["exposures"]) > 0
    assert kinds.count("finding") == len(document["findings"]) > 0
    assert kinds[-1] == "scan"
    assert sink.rows[-1]["Numbers"] == document["numbers"]
    assert {row["ScanId"] for row in sink.rows} == {document["scan"]["id"]}
    ((path, token, _),) = sink.calls
    assert path == f"/dataCollectionRules/{RULE}/streams/Custom-Twolocks_CL?api-version=2023-01-01"
    assert token.startswith("Bearer ")


def test_a_findings_file_can_be_sent_again(sink: Sink) -> None:
    assert twolocks(*SCAN, "--out", "n.json", env=sink.env).code == 3
    ended = twolocks("report", "n.json", "--auth", "environment", "--out", STREAM, env=sink.env)
    assert ended.code == 0, ended.err
    assert sink.rows[-1]["RecordKind"] == "scan"


def test_columns_have_their_types_and_no_value_is_too_long() -> None:
    document = sample.document(10)
    document["findings"][0] |= {"message": "\U0001f600" * 70_000, "new": True, "since": "2026-11-25T02:00:00Z"}
    out = BytesIO()
    write_log_rows(sample.typed(document), out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {name for row in rows for name in row} <= COLUMNS.keys() | OF_SCAN.keys()
    assert max(len(row.get("Message", "")) for row in rows) == LONGEST + len(" [cut]")
    assert [row["FirstSeen"] for row in rows if row.get("IsNew")] == ["2026-11-25T02:00:00Z"]


@pytest.mark.parametrize("size", [10, 400_000, 899_998, 1_000_000])
def test_a_call_is_below_the_limit_unless_one_row_is_not(size: int) -> None:
    row = json.dumps({"a": "x" * size}).encode()
    calls = list(_calls(BytesIO((row + b"\n") * 7)))
    bodies = [gzip.decompress(body) for body, _ in calls]
    assert sum(count for _, count in calls) == 7
    assert [json.loads(body) for body in bodies] == [[json.loads(row)] * count for _, count in calls]
    assert all(len(body) <= MOST + 1 or count == 1 for body, (_, count) in zip(bodies, calls, strict=True))


# What goes wrong


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (403, 'give this login the role "Monitoring Metrics Publisher" on the data collection rule'),
        (404, "check the immutable id of the rule"),
        (400, "deploy the table and the rule of deploy/sentinel"),
        (413, "deploy the table and the rule of deploy/sentinel"),
        (503, "try again later"),
    ],
)
def test_refused_rows_are_kept_and_the_rest_is_written(sink: Sink, status: int, expected: str) -> None:
    sink.answers = [status]
    ended = twolocks(*SCAN, "--out", STREAM, "--out", "n.md", "--out", "-", env=sink.env)
    assert ended.code == 2, ended.err
    assert Path("n.md").is_file()
    assert json.loads(ended.out)["schema"] == "twolocks/2"
    assert expected in ended.err
    assert re.search(r"error: 0 of \d+ rows were sent to loganalytics://", ended.err)
    match = re.search(r"the rows are kept in (\S+)", ended.err)
    assert match
    assert json.loads(Path(match[1]).read_text().splitlines()[-1])["RecordKind"] == "scan"
    assert Path(match[1]).parent.stat().st_mode & 0o077 == 0


def test_a_sink_that_is_busy_is_asked_again(sink: Sink) -> None:
    sink.answers, sink.retry_after = [429, 503, 204], "0"
    ended = twolocks(*SCAN, "--out", STREAM, env=sink.env)
    assert ended.code == 3, ended.err
    assert len(sink.calls) == 3
    assert sink.rows[-1]["RecordKind"] == "scan"


def test_what_was_sent_before_the_refusal_is_counted(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_ingestion, "MOST", 3_000)
    sink.answers = [204, 403]
    ended = twolocks(*SCAN, "--out", STREAM, env=sink.env)
    assert ended.code == 2
    match = re.search(r"error: (\d+) of (\d+) rows were sent", ended.err)
    assert match
    assert 0 < int(match[1]) == len(sink.rows) < int(match[2])


def test_a_login_that_fails_is_refused_before_anything_is_read(sink: Sink) -> None:
    ended = twolocks(*SCAN, "--out", STREAM, env={**sink.env, "AZURE_CLIENT_SECRET": "wrong"})
    assert (ended.code, "AADSTS7000215" in ended.err) == (4, True), ended.err
    assert sink.calls == []


def test_killed_while_it_sends_the_other_files_are_whole(sink: Sink, tmp_path: Path) -> None:
    sink.holds = threading.Event()
    words = [*SCAN, "--out", STREAM, "--out", "n.json"]
    process = start(*words, env={**HERE, **sink.env}, stderr=subprocess.PIPE, cwd=tmp_path)
    assert sink.reached.wait(60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    sink.holds.set()
    assert json.loads(Path("n.json").read_bytes())["schema"] == "twolocks/2"


def test_a_settings_file_of_the_folder_sends_nothing(sink: Sink) -> None:
    Path("twolocks.toml").write_text(f"[scan]\nout = ['{STREAM}']\n")
    ended = twolocks("scan", "--from", NIGHT, "--fail-on", "never", "--auth", "environment", env=sink.env)
    assert (ended.code, sink.calls) == (2, []), ended.err


def test_parts_are_files_and_the_stream_takes_the_whole(sink: Sink) -> None:
    ended = twolocks(*SCAN, "--split", "resource-group", "--out", STREAM, "--out", "n.csv", env=sink.env)
    assert ended.code == 3, ended.err
    assert [row["RecordKind"] for row in sink.rows].count("scan") == 1
    assert len(list(Path().glob("n.*.csv"))) >= 2


def test_without_its_extra_nothing_is_read(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['azure.monitor.ingestion'] = None\nfrom scanner.cli.app import main\n"
        f"sys.argv = ['twolocks', 'scan', '--from', 'missing.jsonl', '--out', {STREAM!r}]\nmain()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=HERE, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert "loganalytics needs azure.monitor.ingestion, which is not installed; nothing was read" in ran.stderr
    assert "hint: pip install 'twolocks[log-analytics]'" in ran.stderr
