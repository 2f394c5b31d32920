"""Looks up in Resource Graph what resources name and the scan does not read, as the central workspace of their logs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from scanner.azure.errors import ReadError
from scanner.azure.limits import ALONE
from scanner.collect.bodies import kusto_list
from scanner.collect.plan import Json, NamedResources
from scanner.collect.queue import CollectionContext, run_some
from scanner.model.diagnostic_settings import ACCOUNTS, DECIDES, WORKSPACES
from scanner.model.ids import name_of, type_of
from scanner.model.index import RESOURCE_GRAPH, unnamed_id
from scanner.model.json_paths import get_path, is_absent, text_at

MOST = 100
"""The ids of one query: about 20 KB of text."""
WHAT = "resources elsewhere"
_PLAIN = re.compile(r"[\w./()-]+")
"""An id that needs no escaping in a query. Azure allows little else in names; others are not asked for."""
CUSTOMER = "tostring(properties.customerId)"
_COLUMNS = "project id, type, location, properties | order by id asc"


async def read_named(context: CollectionContext, named: NamedResources) -> None:
    """Write what Resource Graph shows of named resources. A query that fails leaves them unknown, and is a gap."""
    ALONE.set(True)  # they may be in subscriptions that are not read
    queries = list(_queries(named))
    context.counts.expect(WHAT, len(queries))
    await run_some(partial(_read, context, where, asked) for where, asked in queries)


async def _read(context: CollectionContext, where: str, asked: dict[str, str]) -> None:
    try:
        rows = await context.reader.query_everywhere(f"resources | where {where} | {_COLUMNS}")
    except ReadError as error:
        context.add_failure(context.store, RESOURCE_GRAPH, error)
    else:
        _write(context, rows, asked)
    context.counts.finish(WHAT)


def _queries(named: NamedResources) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the condition of each query, and what it asks for: see `_write`."""
    for ids in _batches(named.ids):
        yield f"id in~ ({kusto_list(ids)})", {each: each for each in ids}
    for type, column, texts in ((ACCOUNTS, "name", named.accounts), (WORKSPACES, CUSTOMER, named.customers)):
        for some in _batches(texts):
            asked = {f"{type}/{each}".lower(): unnamed_id(type, each) for each in some}
            yield f"type =~ '{type.lower()}' and {column} in~ ({kusto_list(some)})", asked


def _batches(texts: Sequence[str]) -> list[list[str]]:
    plain = [each for each in texts if _PLAIN.fullmatch(each)]
    return [plain[start : start + MOST] for start in range(0, len(plain), MOST)]


def _write(context: CollectionContext, rows: Iterable[Json], asked: dict[str, str]) -> None:
    """Write the rows of a query, and what it shows no row of. `asked`: the id to write then, by id or type and name."""
    left = dict(asked)
    for row in rows:
        id = row.get("id")
        key = next((each for each in _keys(row) if each in asked), None) if isinstance(id, str) else None
        if key is not None:
            context.store.named(str(id), _shown(row))
            left.pop(key, None)
    for id in left.values():
        context.store.named(id, None)


def _keys(row: Json) -> tuple[str, ...]:
    """Return what a row may have been asked for by."""
    id = str(row["id"]).lower()
    return id, f"{type_of(id)}/{name_of(id)}", f"{type_of(id)}/{text_at(row, 'properties.customerId').lower()}"


def _shown(row: Json) -> Json:
    """Return of a row its id and region, and what decides whether logs arrive."""
    body: Json = {"id": row["id"]}
    if isinstance(row.get("location"), str):
        body["location"] = row["location"]
    for path in DECIDES.get(type_of(row["id"]).lower(), ()):
        value = get_path(row, path)
        if not is_absent(value):
            _put(body, path.split("."), value)
    return body


def _put(body: Json, path: Sequence[str], value: object) -> None:
    for name in path[:-1]:
        body = body.setdefault(name, {})
    body[path[-1]] = value
