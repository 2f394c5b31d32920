"""Parts in Azure Storage: each owner's blob and the index; what is refused, and what an interruption leaves."""

import csv
import io
import json
import os
import signal
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.azure.blobs import WHOLE
from scanner.output.redact import VARIABLE
from scanner.sandbox.server import Sandbox, running
from tests.output.azurite import Azurite
from tests.output.relay import relay
from tests.output.test_storage import answering
from tests.processes import start
from tests.terminals import SUB, account, closed, snapshot, twolocks

NIGHT = "night.jsonl"
OWNERS = ("Team Alfa", "Team Bravo", "Team Charlie")
SPLIT = ("--split", "tag:owner")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "kept"))
    bodies = [{**account(f"st{at}"), "tags": {"owner": owner}} for at, owner in enumerate(OWNERS)]
    snapshot(tmp_path / NIGHT, *bodies, account("untagged"))


def _index(store: Azurite, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(store.read("reports", name).decode("utf-8-sig"))))


def _below(store: Azurite, folder: str) -> list[str]:
    return [name for name in store.blobs("reports") if name.startswith(folder)]


def test_each_owner_has_a_blob_and_the_index_names_them(store: Azurite) -> None:
    outs = ("--out", "az://reports/parts/r.json", "--out", "az://reports/parts/r.html")
    ended = twolocks("scan", "--from", NIGHT, *SPLIT, *outs, "--fail-on", "never", env=store.env)
    assert ended.code in (0, 3), ended.err
    rows = _index(store, "parts/r.index.csv")
    assert [row["owner"] for row in rows] == [*OWNERS, "without owner", "(whole)"]
    files = {f"parts/{name}" for row in rows for name in row["files"].split()}
    assert {*files, "parts/r.index.csv"} == set(_below(store, "parts/"))
    read = [json.loads(store.read("reports", f"parts/{row['files'].split()[0]}")) for row in rows]
    assert sum(len(each["exposures"]) for each in read[:-1]) == len(read[-1]["exposures"]) > 0
    ended = twolocks("report", "az://reports/parts/r.json", *SPLIT, "--out", "az://reports/again/r.json", env=store.env)
    assert ended.code == 0, ended.err
    assert _index(store, "again/r.index.csv")[0]["endpoints"] == rows[0]["endpoints"]


def test_redacted_parts_have_no_name_in_their_own_names(store: Azurite) -> None:
    env = {**store.env, VARIABLE: "0123456789abcdef"}
    words = ("--redact", *SPLIT, "--out", "az://reports/redacted/r.json", "--fail-on", "never")
    ended = twolocks("scan", "--from", NIGHT, *words, env=env)
    assert ended.code in (0, 3), ended.err
    names = _below(store, "redacted/")
    assert len(names) == len(OWNERS) + 3
    told = "\n".join([*names, *(store.read("reports", name).decode("utf-8-sig") for name in names)]).lower()
    assert not any(word in told for word in ("alfa", "bravo", "charlie", "st0", "untagged", "prod-journal"))
    assert not any("team" in name for name in names)


@pytest.mark.parametrize("named", ["r.index.csv", "r.without-owner"])
def test_parts_that_may_not_be_written_are_refused_before_anything_is_read(named: str) -> None:
    with running(Sandbox([closed("st")], [SUB])) as box, answering(403, "AuthorizationFailure", named=named) as env:
        words = ("scan", *SPLIT, "--out", "az://reports/r.html")
        ended = twolocks(*words, env={**box.environment(), **env})
        assert not [request for request in box.requests if "/subscriptions" in request.url]
    assert (ended.code, "--> --out az://reports/r.html" in ended.err) == (2, True), ended.err
    assert '"Storage Blob Data Contributor"' in ended.err


def test_a_part_that_is_refused_leaves_the_old_one_and_keeps_a_copy(store: Azurite) -> None:
    assert twolocks("scan", "--from", NIGHT, *SPLIT, "--out", "r.json", "--fail-on", "never").code in (0, 3)
    with answering(403, "AuthorizationPermissionMismatch", named="r.team-bravo") as env:
        ended = twolocks("report", "r.json", *SPLIT, "--out", "az://reports/r.json", env=env)
    assert ended.code == 2
    assert "r.team-bravo-" in ended.err
    assert "an existing blob is unchanged" in ended.err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_split_that_is_killed_leaves_each_blob_whole(store: Azurite, number: int) -> None:
    folder = f"killed-parts-{number}"
    made = twolocks("scan", "--from", NIGHT, *SPLIT, "--out", "r.json", "--fail-on", "never")
    assert made.code in (0, 3), made.err
    document = json.loads(Path("r.json").read_text())
    # Each part has the notes, so each is as large as this.
    document["coverage"]["notes"] = ["x" * (WHOLE // 2)]
    Path("large.json").write_text(json.dumps(document))
    words = ("report", "large.json", *SPLIT, "--out", f"az://reports/{folder}/r.json")
    ended = twolocks(*words, env=store.env)
    assert ended.code == 0, ended.err
    names = _below(store, folder)
    whole, first = (len(store.read("reports", name)) for name in (f"{folder}/r.json", names[-2]))
    for name in names:
        store.put("reports", name, b"the old one")
    with relay(store.url, whole + first * 3 // 2) as way:
        env = {"PATH": os.environ["PATH"], "TMPDIR": str(Path.cwd()), **replace(store, url=way.url).env}
        with start(*words, env=env, stderr=subprocess.PIPE) as process:
            reached = way.reached.wait(60)
            process.send_signal(number)
            _, stated = process.communicate(timeout=60)
    assert reached
    assert process.returncode == (-9 if number == signal.SIGKILL else 143), stated
    assert _below(store, folder) == names
    result = {name: store.read("reports", name) for name in names}
    assert all(text == b"the old one" or json.loads(text)["schema"] for text in result.values())
    owner_files = {name: text for name, text in result.items() if not name.endswith("/r.json")}
    assert b"the old one" in owner_files.values()
    assert set(owner_files.values()) != {b"the old one"}
