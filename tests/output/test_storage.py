"""Results in Azure Storage, on a real blob service: what is stored, what is refused, what an interruption leaves."""

import asyncio
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from adlfs import AzureBlobFileSystem  # type: ignore[import-untyped]

from scanner.azure import blobs
from scanner.azure.blobs import BLOCK, WHOLE
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.output.storage import BlobName, Storage, endpoint, parse_blob_name
from scanner.sandbox import certificates
from scanner.sandbox.server import Sandbox, running
from tests.output.azurite import ACCOUNT, KEY, Azurite, azurite
from tests.output.relay import relay
from tests.output.tunnel import tunnel
from tests.processes import start
from tests.report.parquet_file import parquet_rows
from tests.snapshot.test_signature import pair
from tests.terminals import STORAGE, SUB, account, closed, snapshot, twolocks

NIGHT = "night.jsonl"
ONLY = ("--only", "storage-plain-http")
HERE = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "kept"))
    snapshot(tmp_path / NIGHT, account("stjournal", supportsHttpsTrafficOnly=False))


# Names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("az://reports/night.json", BlobName("reports", "night.json")),
        ("AZ://reports/2026/11/n\u00f8tt 1.html", BlobName("reports", "2026/11/n\u00f8tt 1.html")),
        ("az://reports@stnightly/n.json", BlobName("reports", "n.json", "stnightly")),
        (
            "az://reports@STNightly.blob.core.windows.net/a/n.json",
            BlobName("reports", "a/n.json", "stnightly.blob.core.windows.net"),
        ),
    ],
)
def test_names(name: str, expected: BlobName) -> None:
    assert parse_blob_name(name, "--out") == expected


@pytest.mark.parametrize(
    "name",
    [
        "az://n.json",
        "az://reports",
        "az://reports/",
        "az://reports/a/",
        "az://Reports/n.json",
        "az://re--ports/n.json",
        "az:///n.json",
        "az://reports/n.json?sv=2024&sig=abc",
        "az://reports/a\nb.json",
        "az://$web/n.json",
    ],
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_blob_name(name, "--out")
    assert "sig=abc" not in refused.value.at + refused.value.what


@pytest.mark.parametrize(
    ("account", "environ", "cloud", "arm", "expected"),
    [
        ("stnightly", {}, "public", "", "https://stnightly.blob.core.windows.net"),
        ("", {"AZURE_STORAGE_ACCOUNT_NAME": "stnightly"}, "china", "", "https://stnightly.blob.core.chinacloudapi.cn"),
        ("stnightly", {}, "us-government", "", "https://stnightly.blob.core.usgovcloudapi.net"),
        ("stnightly", {}, "public", "https://management.chinacloudapi.cn/", "https://stnightly.blob.core.chinacloudapi.cn"),
        ("sta.z01.blob.storage.azure.net", {}, "public", "", "https://sta.z01.blob.storage.azure.net"),
        ("", {"AZURE_STORAGE_SERVICE_ENDPOINT": "https://st.local:10000/st/"}, "public", "", "https://st.local:10000/st"),
        ("stother", {"AZURE_STORAGE_ACCOUNT_NAME": "stnightly"}, "public", "", "https://stother.blob.core.windows.net"),
    ],
)  # fmt: skip
def test_where_an_account_answers(account: str, environ: dict[str, str], cloud: str, arm: str, expected: str) -> None:
    assert endpoint(account, environ, cloud, arm, "--out") == expected


@pytest.mark.parametrize(
    ("account", "environ", "arm"),
    [
        ("", {}, ""),
        ("st_nightly", {}, ""),
        ("evil.example", {}, ""),
        ("st.blob.core.windows.net.evil.example", {}, ""),
        ("", {"AZURE_STORAGE_SERVICE_ENDPOINT": "http://stnightly.blob.core.windows.net"}, ""),
        ("stnightly", {}, "https://management.local.azurestack.example"),
    ],
)
def test_a_token_goes_to_no_other_host(account: str, environ: dict[str, str], arm: str) -> None:
    with pytest.raises(InputError):
        endpoint(account, environ, "public", arm, "--out")


# Storing


def test_a_scan_stores_every_format_and_a_report_is_made_from_there(store: Azurite) -> None:
    suffixes = (".json", ".html", ".csv", ".md", ".sarif", ".junit.xml", ".xlsx", ".parquet")
    names = [f"az://reports/all/night{suffix}" for suffix in suffixes]
    outs = [word for name in names for word in ("--out", name)]
    ended = twolocks("scan", "--from", NIGHT, *ONLY, *outs, "--out", "here.json", env=store.env)
    assert ended.code == 1, ended.err
    assert [line.split()[-1] for line in ended.last if " wrote " in line] == [*names, "here.json"]
    assert (
        json.loads(store.read("reports", "all/night.json"))["findings"]
        == json.loads(Path("here.json").read_text())["findings"]
    )
    with store.service() as service:
        kinds = {
            blob.name.rpartition(".")[2]: blob.content_settings.content_type
            for blob in service.get_container_client("reports").list_blobs("all/")
        }
    assert kinds["html"] == "text/html; charset=utf-8"
    assert kinds["json"] == "application/json"
    ended = twolocks("report", names[0], "--out", "az://reports/all/again.csv", "--out", "again.csv", env=store.env)
    assert ended.code == 0, ended.err
    assert (
        store.read("reports", "all/again.csv")
        == Path("again.csv").read_bytes()
        == store.read("reports", "all/night.csv")
    )
    assert Path("again.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    ended = twolocks("report", names[0], "--out", "again.parquet", env=store.env)
    assert ended.code == 0, ended.err
    rows = parquet_rows(store.read("reports", "all/night.parquet"))
    assert rows == parquet_rows(Path("again.parquet").read_bytes())
    assert rows


def test_a_live_scan_keeps_its_snapshot_there_and_is_evaluated_from_there(store: Azurite) -> None:
    name = "az://reports/live/n.jsonl.zst"
    with running(Sandbox([account("st"), closed("st2")], [SUB])) as box:
        env = {**box.environment(), **store.env}
        live = twolocks("scan", "--snapshot", name, "--out", "-", env=env)
        assert "DELETE" not in {request.method for request in box.requests}
    again = twolocks("scan", "--from", name, "--out", "-", env=store.env)
    one, two = json.loads(live.out), json.loads(again.out)
    assert (one["findings"], one["exposures"]) == (two["findings"], two["exposures"])
    asked = twolocks("reach", f"{STORAGE}/st", "--from", name, env=store.env)
    assert (asked.code, bool(asked.out)) == (0, True), asked.err


def test_a_signed_snapshot_is_stored_with_its_signature_and_verified_from_there(store: Azurite) -> None:
    private, public = pair()
    with running(Sandbox([closed("st")], [SUB])) as box:
        words = ("scan", "--snapshot", "az://reports/signed/n.jsonl.gz", "--sign", private, *ONLY)
        ended = twolocks(*words, env={**box.environment(), **store.env})
    assert ended.code in (0, 3), ended.err
    assert {"signed/n.jsonl.gz", "signed/n.jsonl.gz.sig"} <= set(store.blobs("reports"))
    again = ("scan", "--from", "az://reports/signed/n.jsonl.gz", "--verify")
    assert twolocks(*again, public, *ONLY, env=store.env).code == ended.code
    ended = twolocks(*again, pair("other")[1], *ONLY, env=store.env)
    assert (ended.code, "is not valid for" in ended.err) == (2, True), ended.err
    assert twolocks("scan", "--from", NIGHT, "--verify", public, env=store.env).code == 2
    unsigned = ("scan", "--from", "az://reports/unsigned.jsonl", "--verify", public)
    with running(Sandbox([closed("st")], [SUB])) as box:
        collected = ("scan", "--snapshot", "az://reports/unsigned.jsonl", *ONLY)
        twolocks(*collected, env={**box.environment(), **store.env})
    ended = twolocks(*unsigned, env=store.env)
    assert (ended.code, "unsigned.jsonl.sig" in ended.err) == (2, True), ended.err


def test_adlfs_reads_what_is_stored(store: Azurite) -> None:
    twolocks("scan", "--from", NIGHT, *ONLY, "--out", "az://reports/adlfs/n.json", env=store.env)
    files = AzureBlobFileSystem(connection_string=store.connection, skip_instance_cache=True)
    with files.open("az://reports/adlfs/n.json", "rb") as file:
        assert json.loads(file.read())["schema"] == "twolocks/2"


def test_names_of_the_settings_file_and_the_environment(store: Azurite) -> None:
    Path("conf").mkdir()
    Path("conf/twolocks.toml").write_text('[scan]\nout = ["az://reports/conf/a.json", "b.json"]\n')
    words = ("scan", "--from", NIGHT, *ONLY, "--config", "conf/twolocks.toml")
    assert twolocks(*words, env=store.env).code == 1
    assert json.loads(store.read("reports", "conf/a.json"))
    assert not list(Path("kept").iterdir())
    assert Path("conf/b.json").is_file()


def test_two_scans_at_once_leave_one_whole_blob(store: Azurite) -> None:
    gate = threading.Barrier(3)

    def stored(letter: bytes) -> None:
        storage = Storage(Settings({}), asyncio.run, store.env)
        gate.wait()
        with storage.writing("az://reports/two/big.json") as file:
            file.write(letter * (3 * BLOCK))

    threads = [threading.Thread(target=stored, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    value = store.read("reports", "two/big.json")
    assert (len(value), len(set(value))) == (3 * BLOCK, 1)


# The scan's own identity


HOST = "twolockstest.blob.core.windows.net"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Azurite, Sandbox, dict[str, str]]]:
    """A blob service that takes bearer tokens for its own account only, over TLS and under the account's host; the
    sandbox whose Entra ID gives them; and the variables that lead to both.
    """
    folder = tmp_path_factory.mktemp("signed")
    ca = certificates.make(folder, HOST)
    pem = folder / "server.pem"
    with running(Sandbox([closed("st")], [SUB])) as box, azurite(folder, pem, pem) as served:
        env = box.environment()
        trusted = folder / "all.pem"
        trusted.write_text(ca.read_text() + Path(env["SSL_CERT_FILE"]).read_text())
        store = replace(served, cert=str(ca))
        store.make("reports")
        with tunnel(urlsplit(store.url).port or 0) as way:
            env |= {"SSL_CERT_FILE": str(trusted), "REQUESTS_CA_BUNDLE": str(trusted), "HTTPS_PROXY": way.url}
            yield store, box, {**env, "AZURE_STORAGE_SERVICE_ENDPOINT": f"https://{HOST}"}
        assert set(way.asked) == {f"{HOST}:443"}


def test_the_scans_own_identity_stores(signed: tuple[Azurite, Sandbox, dict[str, str]]) -> None:
    store, _, env = signed
    ended = twolocks("scan", "--auth", "environment", "--out", "az://reports/own.json", *ONLY, env=env)
    assert ended.code == 0, ended.err
    assert json.loads(store.read("reports", "own.json"))["scan"]["principal"] == "Twolocks sandbox"
    ended = twolocks("report", "az://reports/own.json", "--auth", "environment", "--out", "own.md", env=env)
    assert ended.code == 0, ended.err
    assert Path("own.md").read_text().startswith("# Twolocks: ")


def test_another_login_is_refused_before_anything_is_read(signed: tuple[Azurite, Sandbox, dict[str, str]]) -> None:
    _, box, env = signed
    env = {**env, "AZURE_CLIENT_SECRET": "wrong"}
    before = len(box.requests)
    ended = twolocks("scan", "--auth", "environment", "--out", "az://reports/x.json", env=env)
    assert ended.code == 4
    assert "AADSTS7000215" in ended.err
    assert not [each for each in list(box.requests)[before:] if "/subscriptions" in each.url]


def test_a_host_of_others_gets_no_token_for_azure(signed: tuple[Azurite, Sandbox, dict[str, str]]) -> None:
    store, _, env = signed
    env = {**env, "AZURE_STORAGE_SERVICE_ENDPOINT": store.url}
    ended = twolocks("scan", "--auth", "environment", "--out", "az://reports/x.json", *ONLY, env=env)
    assert (ended.code, "does not accept this login" in ended.err) == (2, True), ended.err
    assert store.blobs("reports") == ["own.json"]


# What is refused, before anything is read


def test_no_account_is_named(store: Azurite) -> None:
    ended = twolocks("scan", "--from", "none.jsonl", "--out", "az://reports/n.json")
    assert ended.code == 2
    assert ended.err.endswith(
        "error: no storage account is set\n--> --out az://reports/n.json\n"
        "hint: export AZURE_STORAGE_ACCOUNT_NAME=NAME\nexit 2\n"
    )


@pytest.mark.parametrize("words", [("--out", "az://nothere/n.json"), ("--snapshot", "az://nothere/n.jsonl")])
def test_a_container_that_is_not_there(store: Azurite, words: tuple[str, str]) -> None:
    with running(Sandbox([closed("st")], [SUB])) as box:
        ended = twolocks("scan", *words, env={**box.environment(), **store.env})
        assert not [request for request in box.requests if "/subscriptions" in request.url]
    assert ended.code == 2
    assert ended.err.endswith(
        f"error: container nothere does not exist in the storage account {ACCOUNT}\n--> {' '.join(words)}\n"
        f"hint: az storage container create --account-name {ACCOUNT} --name nothere --auth-mode login\nexit 2\n"
    )


def test_a_blob_that_is_not_there_and_one_that_is_cut(store: Azurite) -> None:
    ended = twolocks("scan", "--from", "az://reports/none.jsonl", env=store.env)
    assert ended.code == 2
    assert f"error: blob none.jsonl does not exist in container reports of the storage account {ACCOUNT}" in ended.err
    lines = Path(NIGHT).read_bytes().splitlines(keepends=True)
    store.put("reports", "cut.jsonl", b"".join(lines[:-1]))
    ended = twolocks("scan", "--from", "az://reports/cut.jsonl", env=store.env)
    assert ended.code == 2
    assert "error: the snapshot is unfinished or truncated: " in ended.err
    assert "--> az://reports/cut.jsonl:" in ended.err
    assert "/tmp" not in ended.err


def test_a_wrong_key_is_reported_and_never_shown(store: Azurite) -> None:
    wrong = store.connection.replace(KEY, KEY[::-1].strip("=") + "==")
    for connection in (wrong, "AccountKey=secret-secret", "garbage"):
        ended = twolocks(
            "scan", "--from", NIGHT, "--out", "az://reports/n.json", env={"AZURE_STORAGE_CONNECTION_STRING": connection}
        )
        assert ended.code == 2
        assert "error: " in ended.err
        assert KEY[::-1].strip("=") not in ended.err
        assert "secret-secret" not in ended.err


@contextmanager
def answering(status: int, code: str, after: int = 0, named: str = "") -> Iterator[dict[str, str]]:
    """A storage account that refuses all of these names after so many requests; the environment that leads there."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append(self.path)
            refused = len(seen) > after and named in self.path
            body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()
            self.send_response(status if refused else 201)
            if refused:
                self.send_header("x-ms-error-code", code)
                self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body) if refused else 0))
            self.end_headers()
            self.wfile.write(body if refused else b"")

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{ACCOUNT}"
    try:
        yield Azurite(url).env
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AuthorizationPermissionMismatch", 'hint: give it the role "Storage Blob Data Contributor" there\n'),
        (
            403,
            "AuthorizationFailure",
            '"Storage Blob Data Contributor" there, and allow this machine in its firewall\n',
        ),
        (
            403,
            "KeyBasedAuthenticationNotPermitted",
            "hint: unset AZURE_STORAGE_CONNECTION_STRING and set AZURE_STORAGE",
        ),
        (409, "BlobImmutableDueToPolicy", "refused to write n.json: 409 BlobImmutableDueToPolicy\n"),
    ],
)
def test_what_storage_refuses_names_what_is_missing(status: int, code: str, expected: str) -> None:
    with answering(status, code) as env:
        ended = twolocks("scan", "--from", "none.jsonl", "--out", "az://reports/n.json", env=env)
    assert ended.code == 2
    assert expected in ended.err
    assert code in ended.err
    assert "--> --out az://reports/n.json\n" in ended.err


def test_a_host_without_an_answer() -> None:
    ended = twolocks(
        "scan", "--from", NIGHT, "--out", "az://reports/n.json", env=Azurite(f"http://127.0.0.1:9/{ACCOUNT}").env
    )
    assert ended.code == 2
    assert "error: 127.0.0.1 cannot be reached: " in ended.err


# What goes wrong after the scan


def test_a_blob_that_cannot_be_put_is_reported_and_kept_and_the_rest_is_written() -> None:
    with answering(403, "AuthorizationPermissionMismatch", after=1) as env:
        ended = twolocks("scan", "--from", NIGHT, *ONLY, "--out", "az://reports/n.json", "--out", "n.md", env=env)
    assert ended.code == 2
    assert Path("n.md").is_file()
    assert (
        "error: az://reports/n.json was not stored: this login is not allowed to write to container reports"
        in ended.err
    )
    assert "done     exit 2: az://reports/n.json was not written" in ended.err
    match = re.search(r"then upload the local copy (\S+)", ended.err)
    assert match
    assert json.loads(Path(match[1]).read_text())["schema"] == "twolocks/2"
    assert Path(match[1]).parent.stat().st_mode & 0o077 == 0
    assert Path(match[1]).parent.parent == Path.cwd() / "kept"


def test_a_connection_that_breaks_leaves_the_old_blob(store: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        blobs, "RETRIES", {**blobs.RETRIES, "initial_backoff": 0, "increment_base": 0, "random_jitter_range": 0}
    )
    store.put("reports", "broken/n.json", b"the old one")
    with relay(store.url, 6_000, cut=True) as way:
        ended = twolocks(
            "scan",
            "--from",
            NIGHT,
            "--out",
            "az://reports/broken/n.json",
            "--out",
            "n.json",
            env=replace(store, url=way.url).env,
        )
    assert (ended.code, way.reached.is_set()) == (2, True)
    assert Path("n.json").is_file()
    assert "az://reports/broken/n.json was not stored" in ended.err
    assert store.read("reports", "broken/n.json") == b"the old one"


def large(path: Path, size: int) -> str:
    """A findings file of about so many bytes."""
    made = twolocks("scan", "--from", NIGHT, *ONLY, "--out", "-")
    document = json.loads(made.out)
    document["coverage"]["notes"] = ["x" * size]
    path.write_text(json.dumps(document))
    return str(path)


@pytest.mark.parametrize("size", [WHOLE * 7 // 8, 4 * BLOCK], ids=["put whole", "staged in blocks"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_upload_that_is_killed_in_the_middle_changes_nothing(store: Azurite, size: int, number: int) -> None:
    folder = f"killed-{size}-{number}"
    store.put("reports", f"{folder}/n.json", b"the old one")
    file = large(Path("findings.json"), size)
    with relay(store.url, size * 2 // 3) as way:
        env = {**HERE, "TMPDIR": str(Path.cwd()), **replace(store, url=way.url).env}
        outs = [f"--out=az://reports/{folder}/{name}" for name in ("n.json", "new.html")]
        with start("report", file, *outs, env=env, stderr=subprocess.PIPE) as process:
            reached = way.reached.wait(60)
            process.send_signal(number)
            _, stated = process.communicate(timeout=60)
    assert reached
    assert process.returncode == (-9 if number == signal.SIGKILL else 143), stated
    assert [name for name in store.blobs("reports") if name.startswith(folder)] == [f"{folder}/n.json"]
    assert store.read("reports", f"{folder}/n.json") == b"the old one"
    if number == signal.SIGTERM:
        assert not list(Path().glob("twolocks-*"))
    ended = twolocks("report", file, "--out", f"az://reports/{folder}/n.json", env=store.env)
    assert ended.code == 0, ended.err
    assert store.read("reports", f"{folder}/n.json") == Path(file).read_bytes()


@pytest.mark.parametrize("limit", [100, 5_000], ids=["before it reads", "while it keeps the snapshot"])
def test_a_scan_that_is_stopped_at_the_storage_account_says_so(store: Azurite, limit: int) -> None:
    """The first request is the check that the blob can be written; the snapshot is the second."""
    name = f"az://reports/stopped-{limit}/n.jsonl"
    with running(Sandbox([closed("st")], [SUB])) as box, relay(store.url, limit) as way:
        env = {**box.environment(), **replace(store, url=way.url).env, **HERE}
        words = ("scan", "--snapshot", name, "--out", "n.json")
        with start(*words, env=env, stderr=subprocess.PIPE, text=True) as process:
            reached = way.reached.wait(60)
            process.send_signal(signal.SIGTERM)
            _, stated = process.communicate(timeout=60)
    assert reached
    assert process.returncode == 143, stated
    left = f"nothing was evaluated. {name} is unchanged; nothing was written"
    assert f"exit 143: stopped while accessing the storage account; {left}" in stated
    assert not [blob for blob in store.blobs("reports") if blob.startswith(f"stopped-{limit}")]
    assert not Path("n.json").exists()


def test_a_record_is_no_blob(store: Azurite) -> None:
    ended = twolocks("scan", "--record", "az://reports/r.jsonl", env=store.env)
    assert ended.code == 2
    assert "error: --record writes to a file, not to a blob" in ended.err


@pytest.mark.parametrize(
    "host",
    [
        "[::1]",
        "[",
        "a:b",
        "me:pw",
        "x y",
        "x%",
        "a..b",
        "",
        "-",
        "evil\\\\",
        "a" * 300,
        "\u212aelvin",
        "xn--\udcff",
        "a@b",
        "x\u3002y",
    ],
    ids=ascii,
)
def test_hosts_of_accounts_that_are_none(host: str) -> None:
    def used() -> str:
        blob_name = parse_blob_name(f"az://reports@{host}.blob.core.windows.net/f.json", "--out")
        return endpoint(blob_name.account, {}, "public", "", "--out")

    with pytest.raises(InputError):
        used()


@pytest.mark.parametrize("host", ["stscans-secondary.blob.core.windows.net", "stscans.z12.blob.storage.azure.net"])
def test_hosts_of_accounts(host: str) -> None:
    blob_name = parse_blob_name(f"az://reports@{host}/f.json", "--out")
    assert endpoint(blob_name.account, {}, "public", "", "--out") == f"https://{host}"
