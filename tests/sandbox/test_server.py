"""The sandbox over real sockets, asked without any SDK."""

import gc
import gzip
import http.client
import json
import signal
import socket
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from scanner.model.ids import SUBSCRIPTION
from scanner.rulebook.loader import load
from scanner.sandbox.arm import known_types
from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import TENANT, ErrorReply, Refusal, ResponseOverrides, RoleGrant
from scanner.sandbox.server import Sandbox, exports, serve
from scanner.sandbox.throttle import ThrottleLimits
from tests.processes import start
from tests.sandbox.sample import ACCOUNTS, BLOB, RESOURCES, S1, S2, SITE, Json, account

STORAGE = f"/subscriptions/{S1}/providers/Microsoft.Storage/storageAccounts"
VAULTS = f"/subscriptions/{S2}/providers/Microsoft.KeyVault/vaults"
API = "?api-version=2025-06-01"
CONTAINERS = f"{ACCOUNTS[0]['id']}/blobServices/default/containers"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


def ask(box: Sandbox, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
    """One request over a connection of its own, with a token unless a header says otherwise."""
    context = ssl.create_default_context(cafile=box.ca_file)
    connection = http.client.HTTPSConnection("127.0.0.1", box.port, context=context, timeout=20)
    sent = {"Authorization": f"Bearer {box.token()}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    try:
        data = json.dumps(body) if isinstance(body, dict) else body
        connection.request(method, path, data, {k: v for k, v in sent.items() if v})
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def whole(box: Sandbox, path: str) -> list[Any]:
    """All rows of a list, by its nextLink."""
    rows: list[Any] = []
    while path:
        page = ask(box, path).json
        rows += page["value"]
        link = urlsplit(page.get("nextLink") or "")
        path = f"{link.path}?{link.query}" if link.path else ""
    return rows


def test_lists_page_and_lead_on() -> None:
    with serve(RESOURCES, page_size=10) as box:
        rows = whole(box, STORAGE + API)
        assert [row["name"] for row in rows] == [a["name"] for a in ACCOUNTS]
        first = ask(box, STORAGE + API).json
        assert len(first["value"]) == 10
        assert first["nextLink"].startswith(f"{box.url}/subscriptions/")
        assert "$skipToken=" in first["nextLink"]
        assert [row["name"] for row in whole(box, CONTAINERS + API)] == [f"c{n}" for n in range(7)]


def test_one_page_size_a_type_and_each_provider_ends_a_list_in_its_way() -> None:
    sites = f"/subscriptions/{S1}/providers/Microsoft.Web/sites"
    with serve([*RESOURCES, {**SITE, "id": SITE["id"] + "2"}], page_size={"microsoft.web/sites": 1}) as box:
        first = ask(box, sites + API).json
        assert "$skiptoken=" in first["nextLink"]
        assert "nextLink" not in ask(box, STORAGE + API).json
        last = ask(box, first["nextLink"].removeprefix(box.url)).json
        assert last["nextLink"] is None


def test_get_answers_resources_children_and_singles_whatever_the_case() -> None:
    with serve(RESOURCES) as box:
        assert ask(box, ACCOUNTS[0]["id"] + API).json == ACCOUNTS[0]
        assert ask(box, ACCOUNTS[0]["id"].upper() + API).json == ACCOUNTS[0]
        assert ask(box, BLOB["id"] + API).json == BLOB
        assert ask(box, f"{SITE['id']}/config/web{API}").json["properties"]["minTlsVersion"] == "1.2"


def test_lists_of_a_site_have_null_members_and_config_web_has_them() -> None:
    with serve(RESOURCES) as box:
        (row,) = ask(box, f"/subscriptions/{S1}/providers/Microsoft.Web/sites{API}").json["value"]
        config = row["properties"]["siteConfig"]
        assert config["alwaysOn"] is True
        assert config["minTlsVersion"] is None
        assert config["publicNetworkAccess"] is None


def test_a_property_is_absent_before_the_api_version_that_has_it() -> None:
    with serve(RESOURCES) as box:
        old = ask(box, f"{BLOB['id']}?api-version=2024-01-01").json
        assert "staticWebsite" not in old["properties"]
        assert old["properties"]["deleteRetentionPolicy"] == {"days": 7}


def test_containers_of_resources() -> None:
    with serve(RESOURCES, subscriptions=[{"subscriptionId": S1, "displayName": "One"}, S2]) as box:
        document = ask(box, f"/subscriptions{API}").json["value"]
        assert [(s["displayName"], s["subscriptionId"]) for s in document] == [("One", S1), (S2, S2)]
        assert ask(box, f"/subscriptions/{S1}{API}").json["state"] == "Enabled"
        assert len(ask(box, f"/subscriptions/{S1}/locations{API}").json["value"]) > 5
        assert [t["tenantId"] for t in ask(box, f"/tenants{API}").json["value"]] == [TENANT]
        groups = ask(box, f"/subscriptions/{S1}/resourceGroups{API}").json["value"]
        assert [g["name"] for g in groups] == ["rg-a", "rg-b"]
        one = ask(box, f"/subscriptions/{S1}/resourcegroups/RG-A{API}").json
        assert one["name"] == "rg-a"
        plain = whole(box, f"/subscriptions/{S1}/resources{API}")
        assert len(plain) == 28
        assert all("properties" not in row for row in plain)
        only = whole(box, f"/subscriptions/{S1}/resources{API}&$filter=resourceType%20eq%20'Microsoft.Web/sites'")
        assert [row["name"] for row in only] == ["app"]
        listed = ask(box, f"/subscriptions/{S1}/resourceGroups/rg-b/resources{API}").json["value"]
        assert {row["name"] for row in listed} == {"app", "nsp", "nsg"}
        in_group = f"/subscriptions/{S1}/resourceGroups/rg-a/providers/Microsoft.Storage/storageAccounts"
        assert len(whole(box, in_group + API)) == 25


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (STORAGE, 400, "MissingApiVersionParameter"),
        (f"{STORAGE}?api-version=yesterday", 400, "InvalidApiVersionParameter"),
        (f"{STORAGE}?api-version=2031-01-01", 400, "NoRegisteredProviderFound"),
        (f"/subscriptions/{S1}/providers/Microsoft.Storage/storageAcounts{API}", 404, "InvalidResourceType"),
        (f"{ACCOUNTS[0]['id']}/blobService/default/containers{API}", 404, "InvalidResourceType"),
        (f"/subscriptions/00000000-0000-0000-0000-00000000dead/resourceGroups{API}", 404, "SubscriptionNotFound"),
        (f"/subscriptions/{S1}/resourceGroups/nope/providers/Microsoft.Web/sites{API}", 404, "ResourceGroupNotFound"),
        (f"{ACCOUNTS[0]['id']}x{API}", 404, "ResourceNotFound"),
        (f"{ACCOUNTS[0]['id']}x/localUsers{API}", 404, "ParentResourceNotFound"),
        (f"{CONTAINERS}/nope{API}", 404, "ContainerNotFound"),
        (f"/nowhere{API}", 404, "InvalidResourceType"),
    ],
)
def test_what_does_not_exist(path: str, status: int, code: str) -> None:
    with serve(RESOURCES) as box:
        answer = ask(box, path)
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers["x-ms-failure-cause"] in ("gateway", "service")


def test_app_service_says_it_in_its_own_form() -> None:
    with serve(RESOURCES) as box:
        answer = ask(box, f"{SITE['id']}/config/nope{API}")
        assert answer.status == 404
        assert answer.json["Code"] == "NotFound"
        assert answer.json["Details"][1] == {"Code": "NotFound"}


def test_only_the_given_api_versions_of_a_type_are_served() -> None:
    with serve(RESOURCES, api_versions={"Microsoft.Storage/storageAccounts": ["2024-01-01"]}) as box:
        assert ask(box, f"{STORAGE}?api-version=2024-01-01").status == 200
        answer = ask(box, f"{STORAGE}?api-version=2025-06-01")
        assert answer.code == "NoRegisteredProviderFound"
        assert "'2024-01-01'" in answer.json["error"]["message"]


def test_a_provider_that_is_not_registered() -> None:
    with serve(RESOURCES, unregistered={S1: ["Microsoft.Cache"]}) as box:
        answer = ask(box, f"/subscriptions/{S1}/providers/Microsoft.Cache/redis{API}")
        assert (answer.status, answer.code) == (409, "MissingSubscriptionRegistration")
        assert answer.json["error"]["details"][0]["target"] == "Microsoft.Cache"


def test_a_token_is_demanded() -> None:
    with serve(RESOURCES, token_lifetime=-1) as box:
        missing = ask(box, f"/subscriptions{API}", Authorization="")
        assert (missing.status, missing.code) == (401, "AuthenticationFailed")
        assert missing.headers["www-authenticate"].startswith(f'Bearer authorization_uri="{box.url}/{TENANT}"')
        assert ask(box, f"/subscriptions{API}", Authorization="Bearer x").code == "InvalidAuthenticationToken"
        form = (
            f"grant_type=client_credentials&client_id={box.entra.client}&client_secret={box.entra.secret}"
            "&scope=https://management.azure.com/.default"
        )
        token = ask(box, f"/{TENANT}/oauth2/v2.0/token", "POST", form).json["access_token"]
        assert ask(box, f"/subscriptions{API}", Authorization=f"Bearer {token}").code == "ExpiredAuthenticationToken"


def test_a_token_of_another_tenant_opens_nothing() -> None:
    other = "99999999-9999-9999-9999-999999999999"
    with serve(RESOURCES, subscriptions=[S1, {"subscriptionId": S2, "tenantId": other}]) as box:
        assert [s["subscriptionId"] for s in ask(box, f"/subscriptions{API}").json["value"]] == [S1]
        refused = ask(box, VAULTS + API)
        assert (refused.status, refused.code) == (401, "InvalidAuthenticationTokenTenant")
        token = f"Bearer {box.token(other)}"
        assert len(ask(box, VAULTS + API, Authorization=token).json["value"]) == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_writes_are_refused(method: str) -> None:
    with serve(RESOURCES) as box:
        answer = ask(box, ACCOUNTS[0]["id"] + API, method, {})
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        assert box.requests[-1].method == method


def test_actions_that_hand_out_secrets_are_refused() -> None:
    with serve(RESOURCES) as box:
        answer = ask(box, f"{ACCOUNTS[0]['id']}/listKeys{API}", "POST", {})
        assert (answer.status, answer.code) == (403, "AuthorizationFailed")
        assert "Microsoft.Storage/storageAccounts/listKeys/action" in answer.json["error"]["message"]


def test_a_role_on_a_group_shows_less_and_says_nothing() -> None:
    group = f"/subscriptions/{S1}/resourceGroups/rg-b"
    with serve(RESOURCES, grants=[RoleGrant(group)]) as box:
        assert [s["subscriptionId"] for s in ask(box, f"/subscriptions{API}").json["value"]] == [S1]
        assert [g["name"] for g in ask(box, f"/subscriptions/{S1}/resourceGroups{API}").json["value"]] == ["rg-b"]
        assert {r["name"] for r in ask(box, f"/subscriptions/{S1}/resources{API}").json["value"]} == {
            "app",
            "nsp",
            "nsg",
        }
        refused = ask(box, f"/subscriptions/{S1}/providers/Microsoft.Web/sites{API}")
        assert (refused.status, refused.code) == (403, "AuthorizationFailed")
        text = refused.json["error"]["message"]
        assert f"'Microsoft.Web/sites/read' over scope '/subscriptions/{S1}'" in text
        assert ask(box, f"{group}/providers/Microsoft.Web/sites{API}").status == 200
        assert ask(box, f"/subscriptions/{S2}{API}").status == 403
        permissions = ask(box, f"{group}/providers/Microsoft.Authorization/permissions{API}").json["value"]
        assert permissions[0]["actions"] == ["*/read"]


def test_permissions_are_those_of_the_roles_on_a_scope_and_above_it_in_pages() -> None:
    sub, group = f"/subscriptions/{S1}", f"/subscriptions/{S1}/resourceGroups/rg-b"
    path = f"/providers/Microsoft.Authorization/permissions{API}"
    own = "Microsoft.Authorization/permissions/read"
    grants = [
        RoleGrant(sub, ("Microsoft.Storage/*/read", own), ("Microsoft.Storage/*/containers/read",)),
        RoleGrant(group, ("Microsoft.Web/*",)),
    ]
    with serve(RESOURCES, grants=grants, page_size=1) as box:
        first = ask(box, f"{sub}{path}").json
        assert [row["actions"] for row in first["value"]] == [["Microsoft.Storage/*/read", own]]
        assert first["value"][0]["notActions"] == ["Microsoft.Storage/*/containers/read"]
        assert first["nextLink"] is None
        first = ask(box, f"{group}{path}").json
        second = ask(box, first["nextLink"].removeprefix(box.url)).json
        assert [row["actions"] for row in second["value"]] == [["Microsoft.Web/*"]]
        refused = ask(box, f"/subscriptions/{S2}{path}")
        assert (refused.status, refused.code) == (403, "AuthorizationFailed")
        assert f"'{own}' over scope '/subscriptions/{S2}'" in refused.json["error"]["message"]
        gone = ask(box, f"{sub}/resourceGroups/none{path}")
        assert (gone.status, gone.code) == (404, "ResourceGroupNotFound")


@pytest.mark.parametrize(("status", "code"), [(404, "InvalidResourceType"), (405, "MethodNotAllowed")])
def test_permissions_of_a_whole_subscription_may_be_missing(status: int, code: str) -> None:
    path = f"/providers/Microsoft.Authorization/permissions{API}"
    with serve(RESOURCES, overrides=ResponseOverrides(no_permissions=status)) as box:
        refused = ask(box, f"/subscriptions/{S1}{path}")
        assert (refused.status, refused.code) == (status, code)
        assert ask(box, f"/subscriptions/{S1}/resourceGroups/rg-b{path}").json["value"][0]["actions"] == ["*/read"]


def test_refusals_by_path_by_action_and_by_deny_assignment() -> None:
    denied = Refusal(path=f"{ACCOUNTS[1]['id']}/*", denied_by="deny-1")
    refusals = [STORAGE, "Microsoft.Storage/storageAccounts/blobServices/containers/read", denied]
    with serve(RESOURCES, refusals=refusals) as box:
        assert ask(box, STORAGE + API).code == "AuthorizationFailed"
        assert ask(box, ACCOUNTS[0]["id"] + API).status == 200
        message = ask(box, CONTAINERS + API).json["error"]["message"]
        assert "Microsoft.Storage/storageAccounts/blobServices/containers/read" in message
        denial = ask(box, f"{ACCOUNTS[1]['id']}/localUsers{API}")
        assert denial.code == "DenyAssignmentAuthorizationFailed"


def test_response_overrides() -> None:
    overrides = ResponseOverrides(
        replies=(
            ErrorReply(f"{ACCOUNTS[0]['id']}/localUsers", 400, "FeatureNotSupportedForAccount", "Not on this kind."),
        ),
        without_properties=(ACCOUNTS[0]["id"],),
        empty_pages=(STORAGE,),
    )
    with serve(RESOURCES, overrides=overrides) as box:
        assert ask(box, f"{ACCOUNTS[0]['id']}/localUsers{API}").code == "FeatureNotSupportedForAccount"
        first = ask(box, STORAGE + API).json
        assert first["value"] == []
        rows = whole(box, STORAGE + API)
        assert len(rows) == 25
        assert "properties" not in rows[0]
        assert "properties" in ask(box, ACCOUNTS[0]["id"] + API).json


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("status", STORAGE, 503, "ServiceUnavailable"), 503),
        (Fault("html", STORAGE, 500), 500),
        (Fault("empty", STORAGE, 502), 502),
        (Fault("refuse", STORAGE), 403),
        (Fault("throttle", STORAGE, retry_after=2), 429),
    ],
)
def test_faults_that_answer(fault: Fault, status: int) -> None:
    with serve(RESOURCES, faults=[fault]) as box:
        answer = ask(box, STORAGE + API)
        assert answer.status == status
        assert answer.headers.get("retry-after") == ("2" if status == 429 else None)
        assert ask(box, VAULTS + API).status == 200


def test_faults_that_break_the_answer() -> None:
    faults = [Fault("truncate", STORAGE, times=1), Fault("cut", VAULTS, times=1), Fault("reset", SITE["id"], times=1)]
    with serve(RESOURCES, faults=faults) as box:
        with pytest.raises(json.JSONDecodeError):
            _ = ask(box, STORAGE + API).json
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            ask(box, VAULTS + API)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            ask(box, SITE["id"] + API)
        assert [r.status for r in box.requests] == [200, 0, 0]
        assert len(whole(box, STORAGE + API)) == 25
        assert ask(box, VAULTS + API).status == ask(box, SITE["id"] + API).status == 200


def test_a_slow_answer_and_an_empty_page() -> None:
    with serve(RESOURCES, faults=[Fault("slow", VAULTS, seconds=0.2), Fault("empty-page", STORAGE, times=1)]) as box:
        assert ask(box, VAULTS + API).status == 200
        assert box.requests[0].ms >= 199
        assert len(whole(box, STORAGE + API)) == 25
        assert len([r for r in box.requests if r.path == STORAGE]) == 2


def test_a_list_that_is_refused_stays_refused() -> None:
    with serve(RESOURCES, faults=[Fault("empty-page")], refusals=[STORAGE]) as box:
        assert ask(box, STORAGE + API).status == 403


def test_links_that_lead_nowhere() -> None:
    with serve(RESOURCES, faults=[Fault("endless", STORAGE), Fault("foreign-link", VAULTS)]) as box:
        assert ask(box, STORAGE + API).json["nextLink"] == box.url + STORAGE + API
        assert ask(box, VAULTS + API).json["nextLink"].startswith("https://management.example.org/")


def test_any_error_body_and_header() -> None:
    body = '{"Message": "No."}'
    date = {"Retry-After": "Wed, 25 Nov 2026 12:00:00 GMT"}
    with serve(
        RESOURCES, faults=[Fault("status", status=503, body=body, content_type="text/plain", headers=date)]
    ) as box:
        answer = ask(box, STORAGE + API)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (503, body.encode(), "text/plain")
        assert answer.headers["retry-after"] == date["Retry-After"]


def test_random_faults_follow_the_seed() -> None:
    def hits(seed: int) -> list[int]:
        with serve(RESOURCES, faults=[Fault("throttle", chance=0.3)], seed=seed) as box:
            return [ask(box, VAULTS + API).status for _ in range(20)]

    assert hits(3) == hits(3) != hits(4)
    assert 429 in hits(3)


def test_each_path_fails_once() -> None:
    with serve(RESOURCES, faults=[Fault("status", times=1, each=True)]) as box:
        paths = [VAULTS + API, STORAGE + API, VAULTS + API, STORAGE + API]
        assert [ask(box, path).status for path in paths] == [500, 500, 200, 200]


def test_latency_counts_and_calls_run_side_by_side() -> None:
    with serve(RESOURCES, latency=0.1) as box, ThreadPoolExecutor(64) as pool:
        statuses = list(pool.map(lambda a: ask(box, a["id"] + API).status, ACCOUNTS * 2))
        assert statuses == [200] * 50
        assert all(r.ms >= 99 for r in box.requests)


def test_arms_read_bucket_and_storages_own_limits() -> None:
    with serve(RESOURCES, limits=ThrottleLimits(reads=5, reads_a_second=0.1, storage_lists=2)) as box:
        assert ask(box, STORAGE + API).headers["x-ms-ratelimit-remaining-subscription-reads"] == "4"
        assert ask(box, STORAGE + API).status == 200
        storage = ask(box, STORAGE + API)
        assert (storage.status, storage.code) == (429, "TooManyRequests")
        assert int(storage.headers["retry-after"]) > 100
        assert [ask(box, SITE["id"] + API).status for _ in range(3)] == [200, 200, 429]
        throttled = ask(box, SITE["id"] + API)
        assert throttled.code == "SubscriptionRequestsThrottled"
        assert int(throttled.headers["retry-after"]) >= 1
        assert ask(box, VAULTS + API).status == 200


def test_storage_counts_reads_below_an_account_by_its_region() -> None:
    rows = [{**account("far"), "location": "westeurope"}, account("near")]
    with serve(rows, limits=ThrottleLimits(storage_lists=1)) as box:
        paths = [f"{row['id']}/localUsers{API}" for row in (rows[0], rows[0], rows[1])]
        assert [ask(box, path).status for path in paths] == [200, 429, 200]


def test_bodies_are_packed_when_asked_for() -> None:
    with serve(RESOURCES) as box:
        answer = ask(box, STORAGE + API, Accept_Encoding="gzip")
        assert answer.headers["content-encoding"] == "gzip"
        assert len(json.loads(gzip.decompress(answer.body))["value"]) == 25
        assert "content-encoding" not in ask(box, STORAGE + API).headers


def test_requests_are_recorded() -> None:
    with serve(RESOURCES) as box:
        ask(box, VAULTS + API)
        (one,) = box.requests
        assert (one.method, one.url, one.path, one.status) == ("GET", VAULTS + API, VAULTS, 200)
        assert 0 <= one.ms < 1000


def test_management_groups() -> None:
    groups: list[dict[str, Any]] = [
        {"name": "root", "displayName": "Agency"},
        {"name": "prod", "parent": "root", "subscriptions": [S1, "hidden"]},
    ]
    with serve(RESOURCES, management_groups=groups) as box:
        base = "/providers/Microsoft.Management/managementGroups"
        assert [g["name"] for g in ask(box, base + API).json["value"]] == ["root", "prod"]
        rows = ask(box, f"{base}/{groups[0]['name']}/descendants{API}").json["value"]
        assert [(row["type"].rsplit("/", 1)[-1], row["name"]) for row in rows] == [
            ("managementGroups", "prod"),
            ("subscriptions", S1),
            ("subscriptions", "hidden"),
        ]
        assert ask(box, f"{base}/nope/descendants{API}").status == 404


def test_ids_that_say_nothing_are_left_out_and_odd_ones_served() -> None:
    odd = account("x")
    rows: list[Json] = [
        {"id": None},
        {"name": "y"},
        {"id": "7d5c"},
        {**odd, "id": odd["id"][1:].replace("resourceGroups", "RESOURCEGROUPS")},
    ]
    with serve(rows) as box:
        assert box.estate.dropped == 3
        assert ask(box, odd["id"] + API).status == 200


def test_the_environment_names_what_clients_need() -> None:
    with serve(RESOURCES) as box:
        names = box.environment()
        assert names["AZURE_AUTHORITY_HOST"] == box.authority == box.url
        assert f"export AZURE_TENANT_ID={TENANT}" in exports(box)
        metadata = ask(box, "/metadata/endpoints?api-version=2022-09-01", Authorization="").json
        assert metadata["authentication"]["loginEndpoint"] == f"{box.url}/"


def test_head_shows_whether_a_resource_exists() -> None:
    with serve(RESOURCES) as box:
        assert ask(box, ACCOUNTS[0]["id"] + API, "HEAD").status == 204
        assert ask(box, ACCOUNTS[0]["id"] + "x" + API, "HEAD").status == 404


def test_each_type_that_rules_list_is_known_where_the_estate_has_none() -> None:
    listed = {type.lower() for kind in load(packages=False).kinds for type in kind.types if type != SUBSCRIPTION}
    assert listed - known_types() == set()


def test_run_forever_says_how_to_use_it_and_ends_with_ctrl_c() -> None:
    program = "from scanner.sandbox.server import run_forever; run_forever([], lambda text: print(text, flush=True))"
    with start(code=program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        assert first.startswith("# The sandbox answers at https://127.0.0.1:")
        names = dict(running.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(8))
        assert names["AZURE_CLIENT_SECRET"]
        folder = Path(names["SSL_CERT_FILE"]).parent
        assert folder.exists()
        running.send_signal(signal.SIGINT)
        running.wait(10)
        assert not folder.exists()


@pytest.mark.usefixtures("new_objects_only")
def test_connections_that_have_just_begun_are_closed_with_the_sandbox() -> None:
    for _ in range(5):
        with serve([]) as box:
            begun = [socket.create_connection(("127.0.0.1", box.port)) for _ in range(6)]
        for each in begun:
            each.close()
    gc.collect()  # pytest fails the test for each socket that is left
