"""Recorded resources and exchanges, and the specification's examples: no crash, no error, no pass on what is absent."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scanner.azure.clients import ConnectionOptions, connect
from scanner.azure.errors import parse_error
from scanner.collect.collector import Plan, Scope, collect
from scanner.model.ids import bundle_of, segments
from scanner.sandbox.server import Sandbox
from scanner.snapshot import files as snapshot
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.azure.requests import RecordedProgress, environment
from tests.real_input.counts import count
from tests.real_input.recorded import Json, Outcome, bare, documented, evaluated, lines, live, recorded
from tests.rules import examples

FORMS: dict[str, Callable[[list[Json], list[Json]], str]] = {
    "JSON lines as recorded": lambda records, bodies: _lines(records),
    "JSON lines": lambda records, bodies: _lines(bodies),
    "JSON array": lambda records, bodies: json.dumps(bodies),
    "value": lambda records, bodies: json.dumps({"value": bodies}, indent=2),
    "az graph query": lambda records, bodies: json.dumps({"count": len(bodies), "data": bodies, "skip_token": None}),
}


def _lines(rows: list[Json]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _by(record: Json) -> str:
    return "get" if record["origin"].startswith("get") else "list"


@pytest.fixture(scope="module")
def passes() -> dict[str, set[tuple[str, str]]]:
    return {}


@pytest.mark.parametrize("form", FORMS)
def test_recorded_resources_in_each_form(form: str, tmp_path: Path, passes: dict[str, Any]) -> None:
    path = tmp_path / "file.json"
    path.write_text(FORMS[form](list(recorded()), [bare(each) for each in recorded()]), "utf-8")
    outcome = evaluated(snapshot.read(path))
    count(f"recorded, {form}: {outcome.reported()}")
    assert outcome.errors == []
    assert outcome.resources == len({segments(bare(each)["id"]) for each in recorded() if bundle_of(bare(each)["id"])})
    passes[form] = outcome.passes()
    assert all(each == outcome.passes() for each in passes.values())


@pytest.mark.parametrize("read", [True, False], ids=["children read", "nothing read below"])
def test_recorded_resources_as_a_collection(read: bool) -> None:
    outcome = evaluated(live(((bare(each), each["api_version"], _by(each)) for each in recorded()), read=read))
    count(f"recorded, collected, {'children read' if read else 'nothing read below'}: {outcome.reported()}")
    assert outcome.errors == []


@pytest.mark.parametrize("by", ["graph", "list", "get"])
def test_examples_of_the_specification(by: str) -> None:
    outcome = evaluated(live(((each["body"], each["api_version"], by) for each in documented()), read=by == "get"))
    count(f"specification, {by}: {outcome.reported()}")
    assert outcome.errors == []


def test_what_passes_in_a_graph_row_does_not_fail_in_a_whole_one() -> None:
    def outcome(by: str) -> Outcome:
        rows = [(bare(each), each["api_version"], by) for each in recorded()]
        rows += [(each["body"], each["api_version"], by) for each in documented()]
        return evaluated(live(rows, read=True))

    thin, whole = outcome("graph").passes(), outcome("get")
    count(f"passes: {len(thin):,} thin, {len(whole.passes()):,} whole")
    assert thin - whole.passes() - whole.not_applicable() == set()


def test_recorded_exchanges_are_scanned() -> None:
    exchanges = list(lines("exchanges-open.jsonl"))
    store, progress = Store(Header(taken="2026-11-25T00:00:00Z")), RecordedProgress()
    box = Sandbox.from_exchanges(exchanges, whole=True)
    rules = examples.rules()

    async def scan() -> None:
        async with box:
            with environment(box):
                async with connect(ConnectionOptions(arm_endpoint=box.url, auth="environment", limits=False)) as reader:
                    await collect(reader, Scope(), Plan(rules.kinds, rules.reads()), store, progress)

    asyncio.run(scan())
    outcome = evaluated(of_store(store))
    sent = len([each for each in box.requests if "/oauth2/" not in each.path])
    count(f"exchanges: {len(exchanges):,} served, {sent:,} requests, {len(progress.gaps):,} gaps; {outcome.reported()}")
    assert outcome.errors == []
    assert outcome.resources > 100


def test_every_form_of_error_is_understood() -> None:
    result: dict[str, int] = {}
    wrong = []
    for each in lines("errors.jsonl"):
        body = each["body"]
        raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        problem = parse_error(each["status"], raw)
        result[each["error_form"]] = result.get(each["error_form"], 0) + 1
        code = str(each["error_code"] or "")
        if not problem.code or (code and not code[:3].isdigit() and code.lower() not in problem.code.lower()):
            wrong.append((each["error_form"], code, problem))
    count(f"errors: {sum(result.values())} of {len(result)} forms")
    assert wrong == []
