"""The recordings, and how they are judged."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

from scanner.document.writer import Writer
from scanner.evaluate.results import Crash
from scanner.evaluate.run import Evaluation
from scanner.model.ids import root_of, subscription_of
from scanner.model.index import INDEX_TYPES
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.snapshot.bundles import Snapshot, of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.rules import examples

FOLDER = Path(os.environ.get("TWOLOCKS_RECORDED", "."))
Json = dict[str, Any]


def lines(name: str) -> Iterator[Json]:
    with (FOLDER / name).open(encoding="utf-8") as file:
        yield from map(msgspec.json.decode, file)


@lru_cache
def recorded() -> tuple[Json, ...]:
    """The recorded resources, with their api-version and origin."""
    return tuple(lines("resources-open.jsonl"))


def bare(record: Json) -> Json:
    """The ARM body; where it has no id of its own, the one of the request."""
    body: Json = record["resource"]
    return body if isinstance(body.get("id"), str) else {**body, "id": record["id"]}


@lru_cache
def documented() -> tuple[Json, ...]:
    """The resources in the examples of the specification: `body`, and the `api_version` of the request."""
    return tuple(
        {"body": body, "api_version": exchange["api_version"]}
        for exchange in lines("spec-examples.jsonl")
        if exchange["status"] == 200
        for body in _rows(exchange)
    )


def _rows(exchange: Json) -> Iterator[Json]:
    body = exchange["body"]
    rows = body.get("value", [body]) if isinstance(body, dict) else body
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        if isinstance(row.get("id"), str):
            yield row
        elif len(rows) == 1:
            yield {**row, "id": exchange["url"].partition("?")[0]}


@dataclass(slots=True)
class Outcome:
    """What a snapshot came to."""

    document: Json
    statuses: Counter[str]
    errors: list[Crash]
    resources: int

    def reported(self) -> str:
        return f"{self.resources:,} resources, {len(self.document['exposures']):,} exposures; " + ", ".join(
            f"{count:,} {status}" for status, count in sorted(self.statuses.items())
        )

    def passes(self) -> set[tuple[str, str]]:
        return {(id.lower(), rule) for id, rules in self.document["passed"].items() for rule in rules}

    def not_applicable(self) -> set[tuple[str, str]]:
        return {(id.lower(), rule) for id, rules in self.document["not_applicable"].items() for rule in rules}


def evaluated(snapshot: Snapshot) -> Outcome:
    run, writer, out = Evaluation(snapshot, examples.rules()), Writer(), BytesIO()
    result = run.run(writer)
    scan = run.scan_row(started="", finished="", tool="test")
    writer.finish(out, scan, run.rule_rows(), result.gaps, run.coverage())
    writer.close()
    return Outcome(msgspec.json.decode(out.getvalue()), result.counts.statuses, result.crashes, result.counts.resources)


def live(rows: Iterable[tuple[Json, str, str]], *, read: bool) -> Snapshot:
    """A collection of these (body, api-version, by). With `read`, each list below them counts as read."""
    return of_store(stored(rows, read=read))


def stored(rows: Iterable[tuple[Json, str, str]], *, read: bool, header: Header | None = None) -> Store:
    """The store of such a collection."""
    store = Store(header or Header(taken="2026-11-25T00:00:00Z"))
    bundles: dict[str, Bundle] = {}
    for body, api, by in rows:
        store.resource(body, api, by)  # type: ignore[arg-type]
        root = root_of(body["id"])
        if root:
            bundle = bundles.setdefault(root, Bundle(root))
            bundle.add(Resource(body, api=api, by=by, bundle=bundle))  # type: ignore[arg-type]
    for subscription in sorted({subscription_of(root) for root in bundles} - {""}):
        store.scope(subscription, subscription, "", "full")
        kinds = [type for kind in examples.rules().kinds for type in kind.types if type.count("/") == 1]
        for type in dict.fromkeys([*INDEX_TYPES, *kinds]):
            store.read(f"/subscriptions/{subscription}/providers/{type}", 0)
    for bundle in bundles.values() if read else ():
        for url in reads(bundle):
            store.read(url, len(bundle.below.get(url.lower(), ())))
    return store


def reads(bundle: Bundle) -> Iterator[str]:
    """The lists and single reads below a resource that its rules would make, single ones only where they are there."""
    top = bundle.top
    for kind in examples.kinds_of(top.type) if top is not None else ():
        for child in kind.children:
            for parent in _parents(child, bundle):
                url = parent.url(child)
                if not child.one or url.lower() in bundle.resources:
                    yield url


def _parents(child: Read, bundle: Bundle) -> list[Resource]:
    assert bundle.top is not None
    if isinstance(child.parent, ResourceType):
        return [bundle.top]
    return [each for grand in _parents(child.parent, bundle) for each in grand.children(child.parent)]
