"""Queries of Resource Graph. An answer is complete, or the query raises."""

from collections.abc import Sequence
from typing import Any

from scanner.azure.answers import ListMeter
from scanner.azure.arm import ArmClient, Json
from scanner.azure.errors import ReadError
from scanner.azure.pipeline import GRAPH
from scanner.store.spool import SpooledRows

TOP = 1000
"""The rows of a page: the most that Resource Graph takes."""

BATCH = 1000
"""The subscriptions of a query: the most that Resource Graph takes."""


async def query(arm: ArmClient, kql: str, subscriptions: Sequence[str], *, batch: int = BATCH) -> SpooledRows:
    """Return all rows of a query over subscriptions. Raises ReadError, also where rows were lost.

    A query that may have more rows than a page must have a column `id` and `order by id`.
    """
    rows = SpooledRows(arm.spool)
    for start in range(0, len(subscriptions), batch):
        rows.take(await _read_all(arm, kql, list(subscriptions[start : start + batch])))
    return rows


async def query_everywhere(arm: ArmClient, kql: str) -> SpooledRows:
    """Return all rows of a query over every subscription of the tenant in which the identity may read anything.

    azure-rest-api-specs, Microsoft.ResourceGraph 2021-03-01: a request without `subscriptions` asks the tenant. Raises
    ReadError, also for a tenant with more subscriptions than one query takes.
    """
    return await _read_all(arm, kql, None)


async def _read_all(arm: ArmClient, kql: str, subscriptions: list[str] | None) -> SpooledRows:
    """Return all rows of a query. Where the journal has its first pages and the others fail, it is made again."""
    asked: list[Json] = []
    try:
        return await _read_pages(arm, kql, subscriptions, asked)
    except ReadError:
        if arm.replay is None or not arm.replay.forget(map(arm.graph_request, asked)):
            raise
        return await _read_pages(arm, kql, subscriptions, [])


async def _read_pages(arm: ArmClient, kql: str, subscriptions: list[str] | None, asked: list[Json]) -> SpooledRows:
    """Return all rows of a query. `asked` gets what was sent. A page that is too large is requested in halves."""
    rows = SpooledRows(arm.spool)
    token: str | None = None
    top = TOP
    meter = ListMeter(GRAPH, arm.limits)
    while True:
        options: Json = {"resultFormat": "objectArray", "$top": top}
        if token:
            options["$skipToken"] = token
        scope: Json = {} if subscriptions is None else {"subscriptions": subscriptions}
        asked.append({**scope, "query": kql, "options": options})
        try:
            answer = await arm.post_query(asked[-1], meter)
        except ReadError as error:
            if not _too_large(error) or top == 1:
                raise
            top = top // 2
            continue
        page = _rows(answer)
        meter.add_rows(len(page))
        rows.add(page)
        following = answer.get("$skipToken")
        if following is None or following == token:
            return _checked(rows, answer)
        token = str(following)
        del answer, page
        meter.start_page(token)


def _too_large(error: ReadError) -> bool:
    return error.status == 400 and "ResponsePayloadTooLarge" in (error.code, error.inner)


def _checked(rows: SpooledRows, answer: Json) -> SpooledRows:
    """Return the rows where they are complete: not truncated, and as many as Resource Graph counted."""
    truncated = str(answer.get("resultTruncated", "")).lower() == "true"
    total = answer.get("totalRecords")
    if truncated or not isinstance(total, int) or total != len(rows):
        raise ReadError(GRAPH, 200, "RowsLost", message=f"{len(rows)} of {total} rows were returned")
    return rows


def _rows(answer: Json) -> list[Json]:
    """Return the rows as objects, from either of the two result formats of Resource Graph."""
    data: Any = answer.get("data")
    if isinstance(data, dict) and isinstance(data.get("columns"), list) and isinstance(data.get("rows"), list):
        try:
            names = [str(column.get("name")) for column in data["columns"]]
            data = [dict(zip(names, row, strict=True)) for row in data["rows"]]
        except (AttributeError, TypeError, ValueError):
            data = None
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise ReadError(GRAPH, 0, "BadJson", message="the response contains no rows")
    return data
