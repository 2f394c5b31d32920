"""Recorded exchanges, served as they were."""

from typing import Any

from scanner.sandbox.server import Sandbox, running
from tests.sandbox.sample import S1
from tests.sandbox.test_graph import GRAPH
from tests.sandbox.test_server import API, ask

LIST = f"/subscriptions/{S1}/providers/Microsoft.KeyVault/vaults"
EXCHANGES: list[dict[str, Any]] = [
    {
        "method": "GET",
        "url": f"{LIST}?api-version=2019-09-01",
        "status": 200,
        "headers": {"x-ms-ratelimit-remaining-subscription-reads": "11", "content-length": "9"},
        "body": {
            "value": [],
            "nextLink": f"https://management.azure.com:443{LIST}?api-version=2019-09-01&$skiptoken=R",
        },
    },
    {"method": "GET", "url": f"{LIST}?$skiptoken=R&api-version=2019-09-01", "status": 200, "headers": {}, "body": []},
    {"method": "GET", "url": "/empty?api-version=1", "status": 204, "headers": {}, "body": None, "body_kind": "empty"},
    {"method": "GET", "url": "/text", "status": 502, "headers": {}, "body": "Forbidden", "body_kind": "text"},
    {"method": "GET", "url": "/turn", "status": 202, "headers": {}, "body": None},
    {"method": "GET", "url": "/turn", "status": 200, "headers": {}, "body": {"done": True}},
]


def test_recorded_answers() -> None:
    with running(Sandbox.from_exchanges(EXCHANGES)) as box:
        first = ask(box, f"{LIST.lower()}?api-version=2019-09-01")
        assert first.headers["x-ms-ratelimit-remaining-subscription-reads"] == "11"
        link = first.json["nextLink"]
        assert link.startswith(f"{box.url}/subscriptions")
        assert ask(box, link.removeprefix(box.url)).json == []
        assert ask(box, f"{LIST}?api-version=2031-01-01").json["value"] == []
        assert (ask(box, "/empty?api-version=1").status, ask(box, "/empty?api-version=1").body) == (204, b"")
        assert ask(box, "/text").body == b"Forbidden"
        assert [ask(box, "/turn").status for _ in range(3)] == [202, 200, 200]
        assert ask(box, "/other").status == 404
        assert ask(box, "/text", Authorization="").status == 401
        assert box.estate.subscriptions.keys() == {S1}


def test_a_page_whose_token_was_taken_out_does_not_lead_to_itself() -> None:
    link = f"https://management.azure.com{LIST}?api-version=1&$skiptoken=REDACTED"
    page = {"method": "GET", "url": f"{LIST}?api-version=1&$skiptoken=REDACTED", "status": 200, "headers": {}}
    with running(Sandbox.from_exchanges([{**page, "body": {"value": [1], "nextLink": link}}])) as box:
        assert ask(box, f"{LIST}?api-version=1&%24skiptoken=REDACTED").json == {"value": [1], "nextLink": None}


def test_with_whole_the_rest_is_answered_from_what_was_recorded() -> None:
    body = {"id": f"/subscriptions/{S1}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v", "name": "v"}
    recorded = {
        "method": "GET",
        "url": f"{LIST}?api-version=1",
        "status": 200,
        "headers": {},
        "body": {"value": [body]},
    }
    with running(Sandbox.from_exchanges([recorded], whole=True)) as box:
        assert [s["subscriptionId"] for s in ask(box, f"/subscriptions{API}").json["value"]] == [S1]
        assert ask(box, body["id"] + API).json == body
        assert ask(box, GRAPH, "POST", {"query": "resources"}).json["totalRecords"] == 1
        assert ask(box, LIST + API).json["value"] == [body]


def test_a_page_that_was_not_recorded_is_empty_and_odd_paths_name_no_subscription() -> None:
    odd = {"method": "GET", "url": "/subscriptions//providers/Microsoft.Web/sites?api-version=1", "status": 200}
    with running(Sandbox.from_exchanges([*EXCHANGES, {**odd, "headers": {}, "body": {}}], whole=True)) as box:
        assert ask(box, f"{LIST}?api-version=2019-09-01&$skiptoken=other").json == {"value": []}
        assert box.estate.subscriptions.keys() == {S1}
