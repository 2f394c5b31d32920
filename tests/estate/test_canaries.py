"""No secret of a resource leaves a scan: canaries in every object of every type, and none in any file or text."""

import itertools
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.model.ids import type_of
from scanner.model.kept import KeptPaths
from scanner.output.formats import FORMATS
from scanner.rulebook.kept import kept_paths
from scanner.sandbox.faults import Fault
from scanner.snapshot import store
from tests.azure.hostile_lists import collected
from tests.history.changing_estate import RunResult, public, scheduled_run
from tests.rules import examples

Json = dict[str, Any]
CANARY = re.compile(rb"canary-[0-9a-z-]+|canary[0-9]{6}looks")
LOOKS = re.compile(rb"canary[0-9]{6}looks")
"""A canary in a value that looks like a secret: it is masked wherever it stands."""
SECRETS = (
    "https://st.blob.core.windows.net/c?sv=2022-11-02&sig={}%3D&se=2027-01-01",
    "DefaultEndpointsProtocol=https;AccountName=st;AccountKey={};EndpointSuffix=core.windows.net",
    "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={}",
    "Server=tcp:sql.database.windows.net;User ID=sa;Password={};Encrypt=true",
    "-----BEGIN PRIVATE KEY-----\nMII{}\n-----END PRIVATE KEY-----",
    "Authorization: Bearer abcdefgh{}",
    "eyJhbGciOiJub25lIn0.eyJ{}.c2ln",
    "ghp_abcdefghijklmnop{}",
    "xoxb-123456789012-{}",
    "https://deploy:{}@app.scm.azurewebsites.net/app.git",
    "https://hooks.slack.com/services/T000/B000/{}",
)
"""Texts of each kind that a mask knows and that can hold a canary."""
NAMES = (
    "adminPassword",
    "administratorLoginPassword",
    "accessKey",
    "primaryKey",
    "clientSecret",
    "connectionString",
    "customData",
    "userData",
    "commandToExecute",
    "scriptContent",
    "sasToken",
)


CODE = "xoxb-123456789012-{}"
"""An error code that looks like a secret. A code with spaces, signs or more than 64 characters is not repeated."""


class Seeds:
    """Puts canaries into bodies. `objects`: in how many objects; `count`: how many; `looking`: how many of them are in
    values that look like secrets.
    """

    def __init__(self, kept: KeptPaths) -> None:
        self.kept = kept
        self.objects = self.count = self.looking = 0

    def canary(self) -> str:
        self.count += 1
        return f"canary-{self.count:06}-tweet"

    def looks(self, text: str = "") -> str:
        """Return a value that looks like a secret: of this text, else of each kind in turn."""
        self.count += 1
        self.looking += 1
        return (text or SECRETS[self.looking % len(SECRETS)]).format(f"canary{self.count:06}looks")

    def seeded(self, value: Any, read: frozenset[str]) -> Any:
        """Return a value with canaries in each of its objects, but where rules read a member of that name."""
        if isinstance(value, list):
            return [self.seeded(each, read) for each in value]
        if not isinstance(value, dict):
            return value
        self.objects += 1
        made = {name: self.seeded(each, read) for name, each in value.items()}
        own = {name.lower() for name in value} | read
        made |= {name: self.canary() for name in NAMES if name.lower() not in own}
        return made | {
            name: each
            for name, each in (
                ("annotation", self.looks()),
                ("appSettings", [{"name": "DB", "value": self.canary()}]),
                ("env", [{"name": "DB", "value": self.canary()}]),
                ("protectedSettings", {"commandToExecute": self.canary(), "fileUris": [self.canary()]}),
                (
                    "template",
                    {"containers": [{"env": [{"name": "DB", "value": self.canary()}], "args": [self.canary()]}]},
                ),
            )
            if name.lower() not in own
        }

    def body(self, body: Json) -> Json:
        """Return a body with canaries in each object, and in tags."""
        paths = self.kept.paths.get(type_of(body["id"]).lower(), ())
        read = frozenset(step for path in paths for step in path.replace("[]", "").split("."))
        top = {name: self.seeded(each, read) if name == "properties" else each for name, each in body.items()}
        return {**top, "tags": {"owner": "ops", "db-password": self.canary(), "note": f"key={self.canary()}"}}


def bodies() -> Iterator[Json]:
    """Yield the bodies of examples, until each type is there, each example in a resource group of its own."""
    seen: set[str] = set()
    number = itertools.count(1)
    for case in examples.cases():
        made = [each.body for each in examples.bundle(case).resources.values()]
        made += [body for body in case.also if body["id"].startswith(f"/subscriptions/{examples.SUBSCRIPTION}/")]
        types = {type_of(body["id"]).lower() for body in made}
        if types <= seen:
            continue
        seen |= types
        text = json.dumps(made).replace("/resourceGroups/rg-example/", f"/resourceGroups/rg-{next(number)}/")
        yield from json.loads(text)


def kept_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the temporary files of stores in a folder, and let each store write some."""
    monkeypatch.setattr(store, "_RUN_BYTES", 50_000)
    named = tempfile.NamedTemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **given: named(dir=folder, delete=False, **given))


def hostile_answers(seeds: Seeds) -> list[Fault]:
    """Errors of ARM that repeat a secret in their code and message."""
    paths = ("*/blobServices/default", "*/localUsers")
    return [
        Fault("status", path, status=409, code=seeds.looks(CODE), message=f"The URL {seeds.looks()} failed.")
        for path in paths
    ]


def left_by(folder: Path, run_result: RunResult) -> dict[str, bytes]:
    """Return everything that a scan left: files, also temporary ones, and what it printed."""
    texts = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return texts | {"stdout": run_result.ended.out.encode(), "stderr": run_result.ended.err.encode()}


def found_in(texts: dict[str, bytes], what: re.Pattern[bytes]) -> dict[str, list[bytes]]:
    return {name: sorted(set(what.findall(text)))[:5] for name, text in texts.items() if what.search(text)}


def show(name: str, seeds: Seeds, types: int, texts: dict[str, bytes], value: int) -> None:
    print(
        f"canaries, {name}: {types} types, {seeds.objects:,} objects, {seeds.count:,} canaries"
        f" ({seeds.looking:,} in values that look like secrets), {len(texts)} places, {value:,} found"
    )


def test_no_canary_in_any_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = Seeds(kept_paths(examples.rules()))
    resources = list({body["id"].lower(): seeds.body(body) for body in bodies()}.values())
    types = {type_of(body["id"]).lower() for body in resources}
    kept_files(tmp_path, monkeypatch)
    outs = [word for each in FORMATS for word in ("--out", str(tmp_path / f"out{each.suffix}"))]
    more = ("--snapshot", str(tmp_path / "night.jsonl"), "--fail-on", "never", *outs)
    more += ("--record", str(tmp_path / "record.jsonl"), "--verbose")
    faults = hostile_answers(seeds)
    run_result = scheduled_run(resources, str(tmp_path / "history.db"), tmp_path, *more, faults=faults)
    assert run_result.ended.code in (0, 3), run_result.ended.err
    texts = left_by(tmp_path, run_result)
    in_files = {each for text in texts.values() for each in CANARY.findall(text)}
    show("kept", seeds, len(types), texts, len(in_files))
    assert seeds.count > 5_000
    assert found_in(texts, CANARY) == {}
    assert b"tweet" not in b"".join(texts.values())
    # The terminal shows the gaps that come first; the document has all.
    assert b": 409 ***" in texts["out.json"]
    collected = {type_of(json.loads(line)["resource"]["id"]).lower() for line in _resources(texts["night.jsonl"])}
    assert len(collected) > 90
    assert len(collected & types) > 90


def test_keep_all_keeps_what_does_not_look_like_a_secret_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canaries above reach the scanner."""
    seeds = Seeds(kept_paths(examples.rules()))
    resources = list({body["id"].lower(): seeds.body(body) for body in bodies()}.values())
    kept_files(tmp_path, monkeypatch)
    night = tmp_path / "night.jsonl"
    more = ("--snapshot", str(night), "--keep-all", "--fail-on", "never", "--record", str(tmp_path / "record.jsonl"))
    run_result = scheduled_run(resources, str(tmp_path / "history.db"), tmp_path, *more, faults=hostile_answers(seeds))
    texts = left_by(tmp_path, run_result)
    in_files = {each for text in texts.values() for each in LOOKS.findall(text)}
    kept = len(set(CANARY.findall(texts["night.jsonl"])))
    show(f"--keep-all, {kept:,} in plain values kept", seeds, len({type_of(each["id"]) for each in resources}), texts,
         len(in_files))  # fmt: skip
    assert found_in(texts, LOOKS) == {}
    assert kept > 5_000
    assert texts["night.jsonl"].count(b"***") > 400
    assert "--keep-all: resources are stored whole" in run_result.ended.err
    assert "--keep-all" in json.loads(texts["night.jsonl"].splitlines()[0])["snapshot"]["notes"][0]


@pytest.fixture(scope="module")
def _sockets_are_collected() -> Iterator[None]:
    # A TLS handshake that is cancelled, when a scan ends with an error, leaves its socket to the collector (asyncio).
    with collected():
        yield


@pytest.mark.usefixtures("_sockets_are_collected")
@pytest.mark.parametrize("path", ["/subscriptions", "*/storageAccounts", "*"])
def test_no_canary_of_an_error_text_is_printed(path: str, tmp_path: Path) -> None:
    """Also where the error ends the scan (exit 4), and in the traceback of `--verbose`."""
    seeds = Seeds(kept_paths(examples.rules()))
    texts: dict[str, bytes] = {}
    for status in (403, 409):
        message = f"{' and '.join(seeds.looks() for _ in SECRETS)} do not work, see {seeds.looks()}"
        fault = Fault("status", path, status=status, code=seeds.looks(CODE), message=message)
        more = ("--verbose", "--snapshot", str(tmp_path / "n.jsonl"), "--record", str(tmp_path / "record.jsonl"))
        run_result = scheduled_run([public("st")], str(tmp_path / "history.db"), tmp_path, *more, faults=[fault])
        texts = left_by(tmp_path, run_result)
        assert found_in(texts, CANARY) == {}
    assert b": 409 ***" in texts["stderr"] or path != "*/storageAccounts"


def _resources(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.startswith(b'{"resource"')]
