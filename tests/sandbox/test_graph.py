"""Resource Graph in the sandbox."""

from typing import Any

from scanner.sandbox.served_estate import Refusal, ResponseOverrides, RoleGrant
from scanner.sandbox.server import Sandbox, serve
from scanner.sandbox.throttle import ThrottleLimits
from tests.sandbox.sample import ACCOUNTS, RESOURCES, S1, S2, account
from tests.sandbox.test_server import Answer, ask

GRAPH = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01"
IDS = "resources | where type =~ 'Microsoft.Storage/storageAccounts' | project id, name | order by id asc"


def post(box: Sandbox, query: str, subscriptions: list[str] | None = None, **options: Any) -> Answer:
    body: dict[str, Any] = {"query": query, "options": {f"${k}": v for k, v in options.items()}}
    if subscriptions is not None:
        body["subscriptions"] = subscriptions
    return ask(box, GRAPH, "POST", body)


def test_rows_have_the_columns_that_resource_graph_has() -> None:
    with serve(RESOURCES) as box:
        answer = post(box, "resources | where type =~ 'microsoft.web/sites'").json
        (row,) = answer["data"]
        assert row["type"] == "microsoft.web/sites"
        assert (row["resourceGroup"], row["subscriptionId"], row["managedBy"]) == ("rg-b", S1, "")
        assert row["sku"] is None
        assert row["properties"]["siteConfig"]["minTlsVersion"] is None
        assert answer["totalRecords"] == answer["count"] == 1
        assert answer["resultTruncated"] == "false"


def test_pages_by_skip_token() -> None:
    with serve(RESOURCES) as box:
        first = post(box, IDS, top=10).json
        assert (first["totalRecords"], first["count"], first["resultTruncated"]) == (25, 10, "false")
        second = post(box, IDS, top=10, skipToken=first["$skipToken"]).json
        third = post(box, IDS, top=10, skipToken=second["$skipToken"]).json
        assert "$skipToken" not in third
        names = [row["name"] for page in (first, second, third) for row in page["data"]]
        assert names == [a["name"] for a in ACCOUNTS]
        wrong = post(box, "resources | project id", skipToken=first["$skipToken"])
        assert wrong.status == 400


def test_without_ids_rows_are_lost_and_said_to_be() -> None:
    with serve(RESOURCES) as box:
        page = post(box, "resources | project name | order by name asc", top=10).json
        assert page["resultTruncated"] == "true"
        assert "$skipToken" not in page


def test_without_an_order_pages_do_not_fit_together() -> None:
    query = "resources | where type =~ 'Microsoft.Storage/storageAccounts' | project id"
    with serve(RESOURCES) as box:
        first = post(box, query, top=15).json
        second = post(box, query, top=15, skipToken=first["$skipToken"]).json
        assert len({row["id"] for page in (first, second) for row in page["data"]}) < 25


def test_counts_by_type_and_subscription_are_all_there_is() -> None:
    with serve(RESOURCES) as box:
        query = "Resources | summarize count_=count(), groups=make_set(resourceGroup) by type, subscriptionId"
        answer = post(box, query).json
        total = post(box, "resources | project id", top=1).json["totalRecords"]
        assert sum(row["count_"] for row in answer["data"]) == total == 29


def test_perimeter_children_are_in_networkresources() -> None:
    where = "where type =~ 'Microsoft.Network/networkSecurityPerimeters/resourceAssociations'"
    with serve(RESOURCES) as box:
        (row,) = post(box, f"networkresources | {where}").json["data"]
        assert row["properties"]["accessMode"] == "Learning"
        assert post(box, f"resources | {where}").json["data"] == []


def test_scope_and_roles_narrow_it_without_a_sign() -> None:
    with serve(RESOURCES) as box:
        assert [r["name"] for r in post(box, "resources", [S2]).json["data"]] == ["kv"]
        assert post(box, "resources", ["00000000-0000-0000-0000-00000000dead"]).json["data"] == []
    with serve(RESOURCES, grants=[RoleGrant(f"/subscriptions/{S1}/resourceGroups/rg-b")]) as box:
        assert {r["name"] for r in post(box, "resources").json["data"]} == {"app", "nsp", "nsg"}
    with serve(RESOURCES, refusals=["Microsoft.Storage/storageAccounts/read"]) as box:
        assert post(box, IDS).json["data"] == []
    with serve(RESOURCES, overrides=ResponseOverrides(absent_from_graph=(ACCOUNTS[0]["id"],))) as box:
        assert post(box, IDS).json["totalRecords"] == 24


def test_graph_itself_can_be_refused() -> None:
    with serve(RESOURCES, refusals=[Refusal("/providers/Microsoft.ResourceGraph/*")]) as box:
        answer = post(box, "resources")
        assert (answer.status, answer.code) == (403, "AuthorizationFailed")


def test_a_page_over_the_payload_limit_fails_until_it_is_smaller() -> None:
    rows = [account(f"big{n}", tags={"t": "x" * 5000}) for n in range(40)]
    with serve(rows, payload=100_000) as box:
        large = post(box, "resources | order by id asc", top=40)
        assert large.status == 400
        assert large.json["error"]["details"][0]["code"] == "ResponsePayloadTooLarge"
        assert post(box, "resources | order by id asc", top=10).json["count"] == 10


def test_quota() -> None:
    with serve(RESOURCES, limits=ThrottleLimits(queries=2, query_seconds=60)) as box:
        first = post(box, "resources | project id")
        assert first.headers["x-ms-user-quota-remaining"] == "1"
        assert first.headers["x-ms-user-quota-resets-after"].startswith("00:0")
        post(box, "resources | project id")
        refused = post(box, "resources | project id")
        assert (refused.status, refused.code) == (429, "RateLimiting")
        assert int(refused.headers["retry-after"]) > 50


def test_wrong_queries_and_methods() -> None:
    with serve(RESOURCES) as box:
        wrong = post(box, "resources | mv-expand tags")
        assert wrong.json["error"]["details"][0]["code"] == "InvalidQuery"
        assert post(box, "nosuchtable").status == 400
        assert post(box, "resources", top=2000).status == 400
        assert ask(box, GRAPH, "POST", "no json").status == 400
        assert ask(box, GRAPH.partition("?")[0], "POST", {"query": "resources"}).code == "MissingApiVersionParameter"
        assert ask(box, GRAPH).status == 405


def test_queries_are_recorded_with_their_bodies() -> None:
    with serve(RESOURCES) as box:
        post(box, "resources | project id")
        assert '"resources | project id"' in box.requests[0].body


def test_the_table_of_apps_has_their_configuration_alone() -> None:
    site = f"/subscriptions/{S1}/resourceGroups/rg-b/providers/Microsoft.Web/sites/app"
    below = [f"{site}/config/web", f"{site}/config/authsettingsV2", f"{site}/functions/f", f"{site}/slots/s"]
    with serve([{"id": each, "location": "norwayeast", "properties": {}} for each in (site, *below)]) as box:
        types = "'microsoft.web/sites/config', 'microsoft.web/sites/slots'"
        for table, ids in (("appserviceresources", below[:1]), ("resources", below[3:])):
            document = post(box, f"{table} | where type in~ ({types}) | order by id asc").json["data"]
            assert [row["id"] for row in document] == ids
