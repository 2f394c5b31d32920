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
from scanner.snapshot import store
from tests.history.changing_estate import scheduled_run
from tests.rules import examples

Json = dict[str, Any]
CANARY = re.compile(rb"canary-[0-9a-z-]+")
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


class Seeds:
    """Puts canaries into bodies. `objects`: in how many objects; `count`: how many."""

    def __init__(self, kept: KeptPaths) -> None:
        self.kept = kept
        self.objects = self.count = 0

    def canary(self) -> str:
        self.count += 1
        return f"canary-{self.count:06}-tweet"

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
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: named(dir=folder, delete=False))


def test_no_canary_in_any_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = Seeds(kept_paths(examples.rules()))
    resources = list({body["id"].lower(): seeds.body(body) for body in bodies()}.values())
    types = {type_of(body["id"]).lower() for body in resources}
    kept_files(tmp_path, monkeypatch)
    outs = [word for each in FORMATS for word in ("--out", str(tmp_path / f"out{each.suffix}"))]
    more = ("--snapshot", str(tmp_path / "night.jsonl"), "--fail-on", "never", *outs)
    found = scheduled_run(resources, str(tmp_path / "history.db"), tmp_path, *more)
    assert found.ended.code in (0, 3), found.ended.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    texts = {path.name: path.read_bytes() for path in files}
    texts |= {"stdout": found.ended.out.encode(), "stderr": found.ended.err.encode()}
    print(f"{len(types)} types, {seeds.objects:,} objects, {seeds.count:,} canaries, {len(texts)} files and streams")
    assert seeds.count > 5_000
    assert {name: sorted(set(CANARY.findall(text)))[:5] for name, text in texts.items() if CANARY.search(text)} == {}
    assert b"tweet" not in b"".join(texts.values())
    collected = {type_of(json.loads(line)["resource"]["id"]).lower() for line in _resources(texts["night.jsonl"])}
    assert len(collected) > 90
    assert len(collected & types) > 90


def test_keep_all_keeps_them_and_says_so(tmp_path: Path) -> None:
    """The canaries above reach the scanner."""
    seeds = Seeds(kept_paths(examples.rules()))
    resources = list({body["id"].lower(): seeds.body(body) for body in itertools.islice(bodies(), 40)}.values())
    night = tmp_path / "night.jsonl"
    more = ("--snapshot", str(night), "--keep-all", "--fail-on", "never")
    found = scheduled_run(resources, str(tmp_path / "history.db"), tmp_path, *more)
    assert len(set(CANARY.findall(night.read_bytes()))) > seeds.count / 2
    assert "--keep-all: resources are stored whole" in found.ended.err
    assert "--keep-all" in json.loads(night.read_text().splitlines()[0])["snapshot"]["notes"][0]


def _resources(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.startswith(b'{"resource"')]
