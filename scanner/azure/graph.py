"""Queries of Resource Graph. An answer is complete, or the query raises."""

import time
from collections.abc import Sequence
from typing import Any

from scanner.azure.arm import LIST_MINUTES, ArmClient, Json, check_list
from scanner.azure.errors import ReadError
from scanner.azure.pipeline import GRAPH

TOP = 1000
"""The rows of a page: the most that Resource Graph takes."""

BATCH = 1000
"""The subscriptions of a query: the most that Resource Graph takes."""


async def query(arm: ArmClient, kql: str, subscriptions: Sequence[str], *, batch: int = BATCH) -> list[Json]:
    """Return all rows of a query over subscriptions. Raises ReadError, also where rows were lost.

    A query that may have more rows than a page must have a column `id` and `order by id`.
    """
    rows: list[Json] = []
    for start in range(0, len(subscriptions), batch):
        rows += await _read_all(arm, kql, list(subscriptions[start : start + batch]))
    return rows


async def _read_all(arm: ArmClient, kql: str, subscriptions: list[str]) -> list[Json]:
    """Return all rows of a query. A page that is too large is requested in halves."""
    rows: list[Json] = []
    token: str | None = None
    top = TOP
    ends = time.monotonic() + LIST_MINUTES * 60
    seen: set[str] = set()
    while True:
        options: Json = {"resultFormat": "objectArray", "$top": top}
        if token:
            options["$skipToken"] = token
        try:
            answer = await arm.post_query({"subscriptions": subscriptions, "query": kql, "options": options})
        except ReadError as error:
            if not _too_large(error) or top == 1:
                raise
            top = top // 2
            continue
        rows += _rows(answer)
        following = answer.get("$skipToken")
        if following is None or following == token:
            return _checked(rows, answer)
        token = str(following)
        check_list(GRAPH, token, seen, ends)
        seen.add(token)


def _too_large(error: ReadError) -> bool:
    return error.status == 400 and "ResponsePayloadTooLarge" in (error.code, error.inner)


def _checked(rows: list[Json], answer: Json) -> list[Json]:
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
