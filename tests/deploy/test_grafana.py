"""The dashboard for Grafana: Grafana's own types read it whole, and each query runs on a real history in PostgreSQL."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from sqlalchemy import create_engine

from scanner.history.queries import upgrade
from scanner.history.store import History
from tests.history.runs import scheduled_run
from tests.history.server import Server, serving

FILE = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboard.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
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
    """A query as Grafana sends it."""
    quoted = "'" + selection.replace("'", "''") + "'"
    sql = sql.replace("${selection:sqlstring}", quoted)
    return re.sub(r"\$__timeFilter\(([^()]+)\)", r"\1 BETWEEN '2020-01-01T00:00:00Z' AND '2030-01-01T00:00:00Z'", sql)


def rows(url: str, title: str) -> list[dict[str, Any]]:
    panel = next(each for each in DASHBOARD["panels"] if each["title"] == title)
    (target,) = panel["targets"]
    engine = create_engine(url)
    with engine.connect() as connection:
        selection = connection.exec_driver_sql(DASHBOARD["templating"]["list"][1]["query"]).scalar_one()
        found = connection.exec_driver_sql(filled(target["rawSql"], selection))
        made = [dict(row) for row in found.mappings()]
    engine.dispose()
    return made


def test_grafanas_types_lose_nothing_of_it() -> None:
    register_default_plugins()
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))
    assert lost(DASHBOARD, read) == []


def lost(given: Any, read: Any, at: str = "") -> list[str]:
    """Return the paths of what is given and not read, or read as something else."""
    if isinstance(given, dict):
        if not isinstance(read, dict):
            return [at]
        return [path for name, value in given.items() for path in _lost_value(value, name, read, at)]
    if isinstance(given, list):
        if not isinstance(read, list) or len(given) != len(read):
            return [at]
        pairs = enumerate(zip(given, read, strict=True))
        return [path for number, (one, two) in pairs for path in lost(one, two, f"{at}[{number}]")]
    return [] if given == read else [at]


def _lost_value(value: Any, name: str, read: dict[str, Any], at: str) -> list[str]:
    if name in read:
        return lost(value, read[name], f"{at}.{name}")
    return [] if value in ({}, [], None) else [f"{at}.{name}"]


@pytest.mark.parametrize("title", [each["title"] for each in DASHBOARD["panels"]])
def test_each_query_runs_on_a_history(history: str, title: str) -> None:
    assert rows(history, title)


def test_the_numbers_are_those_of_the_newest_scan(history: str) -> None:
    with History.open(history) as opened:
        newest = opened.latest()
    assert newest is not None
    (row,) = rows(history, "Open items of the newest scan")
    assert {name.lower(): number for name, number in row.items()} == dict(newest.standing)
    assert len(rows(history, "Open items by severity")) == RUNS


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
