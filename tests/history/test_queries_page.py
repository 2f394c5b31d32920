"""The queries of `docs/queries.md` on a history in PostgreSQL, run as Grafana sends them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from scanner.history.queries import upgrade
from scanner.history.store import History
from tests.history.runs import scheduled_run
from tests.history.server import Server, serving

PAGE = (Path(__file__).parents[2] / "docs" / "queries.md").read_text("utf-8")
SECTION = PAGE.partition("\n## History in PostgreSQL\n")[2].partition("\n## ")[0]
QUERIES = dict(re.findall(r"^### (.*?)\n.*?^```sql\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL))
RUNS = 12


@pytest.fixture(scope="module")
def history() -> Iterator[str]:
    """The URL of a history of some scans."""
    server: Server
    with serving() as server:
        url = server.url(server.database())
        upgrade(url)
        for number in range(1, RUNS + 1):
            with History.open(url) as opened:
                scheduled_run(opened, number)
        yield url


def filled(sql: str, selection: str) -> str:
    """Return a query as Grafana sends it."""
    quoted = "'" + selection.replace("'", "''") + "'"
    sql = sql.replace("${selection:sqlstring}", quoted)
    return re.sub(r"\$__timeFilter\(([^()]+)\)", r"\1 BETWEEN '2020-01-01T00:00:00Z' AND '2030-01-01T00:00:00Z'", sql)


def rows(url: str, title: str) -> list[dict[str, Any]]:
    """Return the rows of the query below a heading, for the newest selection."""
    engine = create_engine(url)
    with engine.connect() as connection:
        selection = connection.exec_driver_sql(QUERIES["Variable: selection"]).scalars().first() or ""
        result = connection.exec_driver_sql(filled(QUERIES[title], selection))
        made = [dict(row) for row in result.mappings()]
    engine.dispose()
    return made


@pytest.mark.parametrize("title", QUERIES)
def test_each_query_runs_on_a_history(history: str, title: str) -> None:
    assert rows(history, title)


def test_the_numbers_are_those_of_the_newest_scan(history: str) -> None:
    with History.open(history) as opened:
        newest = opened.latest()
    assert newest is not None
    (row,) = rows(history, "Newest scan")
    assert {name: row[name.capitalize()] for name in newest.standing} == dict(newest.standing)
    assert len(rows(history, "Open items by severity and time")) == RUNS
