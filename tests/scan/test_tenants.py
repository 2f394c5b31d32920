"""Several tenants in one scan: a login each, one snapshot, one document, one history, one exit code."""

import asyncio
import base64
import csv
import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256

from scanner.azure.clients import ConnectionOptions, connect
from scanner.azure.errors import ReadError
from scanner.azure.logins import TenantLogin
from scanner.azure.reader import AzureReader
from scanner.azure.tenants import TenantsReader
from scanner.sandbox.faults import Fault
from tests.scan.tenants import (
    APPS,
    BOTH,
    DRIFT,
    LENT,
    NAMES,
    NETWORK,
    NORD,
    OTHER,
    PROD,
    SECRETS,
    SUBSCRIPTIONS,
    SYD,
    Estate,
    entry,
    estate,
    resources,
)
from tests.terminals import twolocks

HOMES = {PROD: NORD, DRIFT: SYD, LENT: SYD}
WRONG = {"TWOLOCKS_SECRET_SYD": "wrong"}
ALL_WRONG = {"TWOLOCKS_SECRET_SYD": "wrong", "TWOLOCKS_SECRET_NORD": "wrong"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Both tenants, for scans that do not change them."""
    with estate(tmp_path_factory.mktemp("tenants")) as result:
        yield result


@pytest.fixture
def both(shared: Estate, tmp_path: Path) -> Estate:
    shared.folder = tmp_path
    shared.box.requests.clear()
    return shared


def own_requests(result: Estate) -> int:
    """Check that no token was sent for a subscription of another tenant. Return the number of requests."""
    sent = result.sent()
    for request, named in sent:
        assert {HOMES[each] for each in named} <= {request.tenant}, request.url
        assert request.status != 401, request.url
    assert {request.tenant for request, _ in sent} == {NORD, SYD}
    return sum(bool(named) for _, named in sent)


@pytest.mark.parametrize("more", [(), ("--no-graph",), ("--effective",)], ids=["graph", "lists", "effective"])
def test_a_token_is_sent_for_subscriptions_of_its_own_tenant_only(both: Estate, more: tuple[str, ...]) -> None:
    assert both.scan(*more).code == 3
    assert own_requests(both) > 20
    assert both.views() == {"prod": "full", "drift": "full", "delegert": "full"}
    homes = {each["subscription"]: each["tenant"] for each in both.document["coverage"]["scopes"]}
    assert homes == HOMES


def test_a_token_stays_at_home_in_access_check_and_reach(both: Estate) -> None:
    checked = both.run("access", "check")
    assert checked.code == 0, checked.err
    assert "Nord / prod" in checked.out
    assert "Syd / drift" in checked.out
    assert both.run("reach", "stdrift").code == 0
    assert both.run("reach", resources()[0]["id"], "--source", NETWORK["id"]).code in (0, 3)
    own_requests(both)


def test_a_reverification_asks_each_tenant_for_its_own(tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    with estate(tmp_path) as result:
        assert result.scan("--history", history).code == 3
    left = [each for each in resources() if "/storageAccounts/" not in each["id"]]
    with estate(tmp_path, resources=left) as result:
        result.scan("--history", history)
        own_requests(result)
        again = [
            request for request, named in result.sent() if "/storageAccounts/" in request.url and request.status == 404
        ]
        assert {request.tenant for request in again} == {NORD, SYD}
        assert result.document["changes"]["counts"]["fixed"] > 0
    with closing(sqlite3.connect(history)) as database:
        assert database.execute("select count(*), count(distinct selection) from scans").fetchone() == (2, 1)


def test_named_resources_go_to_their_tenant(both: Estate) -> None:
    ids = [each["id"] for each in resources() if each.get("type") == "Microsoft.Storage/storageAccounts"]
    ended = both.scan(*(word for id in ids for word in ("--resource", id)))
    assert ended.code == 3, ended.err
    assert len(both.document["resources"]) >= 3
    own_requests(both)
    nowhere = ids[0].replace(PROD, OTHER)
    ended = both.scan("--resource", nowhere)
    assert ended.code == 4
    assert "NotInTheseTenants" in ended.err


def test_a_delegated_subscription_is_read_once_from_its_home_tenant(both: Estate) -> None:
    text = (
        'subscription delegert is visible from tenants "Nord" and "Syd"; it was read once, from "Syd", its home tenant'
    )
    assert text in both.scan().err
    assert text in both.document["coverage"]["notes"]
    assert {request.tenant for request, named in both.sent() if LENT in named} == {SYD}
    ended = both.scan(settings=entry(NORD) + entry(SYD, f'subscriptions = ["{DRIFT}"]'))
    assert ended.code == 3
    assert both.views()["delegert"] == "full", "Nord asks for all that it sees, so the home tenant reads it"
    assert {request.tenant for request, named in both.sent() if LENT in named} == {SYD}


def test_a_subscription_of_a_tenant_that_is_not_scanned_is_read_by_the_first_that_sees_it(tmp_path: Path) -> None:
    lent = {"subscriptionId": LENT, "displayName": "delegert", "tenantId": OTHER, "managed_by": [SYD, NORD]}
    with estate(tmp_path, subscriptions=[*SUBSCRIPTIONS[:2], lent]) as result:
        assert 'read once, from "Nord", the first of them' in result.scan().err
        assert {request.tenant for request, named in result.sent() if LENT in named} == {NORD}


def test_a_home_tenant_that_hides_a_subscription_from_its_login_leaves_a_gap(tmp_path: Path) -> None:
    with estate(tmp_path, overrides={"not_shown": [f"{SYD}/{LENT}"]}) as result:
        assert result.scan().code == 3
        assert result.views()["delegert"] == "none"
        assert result.gaps()[f"/subscriptions/{LENT}"] == "NotVisibleInHomeTenant"
        assert not [request for request, named in result.sent() if LENT in named]


def test_a_tenant_whose_login_fails_is_a_gap_and_the_others_are_scanned(both: Estate) -> None:
    ended = both.scan(settings=entry(NORD, f'subscriptions = ["{PROD}"]') + entry(SYD), env=WRONG)
    assert ended.code == 3
    assert 'tenant "Syd" was not read: Entra ID refused the environment login (AADSTS7000215)' in ended.err
    assert "Not fully assessed: 1 tenant" in ended.err
    assert both.gaps()[f"/tenants/{SYD}"] == "LoginRefused"
    assert both.views() == {"prod": "full"}
    assert not both.document["scan"]["complete"]
    named = entry(SYD, f'subscriptions = ["{DRIFT}", "by-name"]')
    assert both.scan(settings=entry(NORD) + named, env=WRONG).code == 3
    assert both.gaps()[f"/subscriptions/{DRIFT}"] == "LoginRefused"
    assert both.views() == {"prod": "full", "delegert": "none", DRIFT: "none"}
    checked = both.run("access", "check", env=WRONG)
    assert checked.code == 3
    assert "tenant Syd could not be read" in checked.err


def test_all_tenants_failing_ends_the_scan(both: Estate) -> None:
    ended = both.scan(env=ALL_WRONG)
    assert ended.code == 4
    assert "error: no tenant of the settings could be read" in ended.err
    assert "Nord: Entra ID refused" in ended.err
    assert "Syd: Entra ID refused" in ended.err
    assert both.run("access", "check", env=ALL_WRONG).code == 4


def test_a_tenant_without_a_readable_subscription_is_a_gap(tmp_path: Path) -> None:
    with estate(tmp_path, subscriptions=SUBSCRIPTIONS[:1], resources=resources()[:4], tenant=SYD) as result:
        assert result.scan().code == 3
        assert result.gaps()[f"/tenants/{SYD}"] == "NoReadableSubscription"


def test_a_list_of_subscriptions_that_is_refused_is_a_gap_of_its_tenant(tmp_path: Path) -> None:
    refused = Fault("refuse", "/subscriptions", times=1)
    with estate(tmp_path, faults=[refused]) as result:
        ended = result.scan()
        assert ended.code == 3, ended.err
        assert [url for url in result.gaps() if url.startswith("/tenants/")] == [f"/tenants/{NORD}"]


def test_a_login_of_another_tenant_is_refused(both: Estate) -> None:
    given = {"TWOLOCKS_SECRET_SYD": APPS[NORD][1]}
    ended = both.scan(settings=entry(NORD) + entry(SYD, app=APPS[NORD][0]), env=given)
    assert ended.code == 3
    assert both.gaps()[f"/tenants/{SYD}"] == "WrongTenant"
    managed = f'[[tenant]]\nname = "Syd"\nid = "{SYD}"\nauth = "managed-identity"\n'
    identity = {name: value for name, value in both.box.environment("managed-identity").items() if "IDENTITY" in name}
    ended = both.scan(settings=entry(NORD) + managed, env=identity)
    assert ended.code == 3
    assert f"signs in to tenant {NORD}, not to tenant {SYD}" in ended.err
    assert {request.tenant for request, named in both.sent() if named} == {NORD}


def test_subscriptions_of_the_command_line_are_looked_up_in_all_tenants(both: Estate) -> None:
    assert both.scan("-s", "drift").code == 3
    assert both.views() == {"drift": "full"}
    ended = both.scan("-s", "drif")
    assert ended.code == 2
    assert "hint: nearest: drift" in ended.err
    assert both.scan("-s", "prod", env=WRONG).code == 3
    assert not [url for url in both.gaps() if url.startswith("/tenants/")], "nothing of the failed tenant was asked for"
    assert both.scan("-s", "prod", "-s", "drift", env=WRONG).code == 3
    assert both.gaps()[f"/tenants/{SYD}"] == "LoginRefused"


def test_one_tenant_of_the_settings(both: Estate) -> None:
    assert both.scan("--tenant", "syd").code == 3
    assert set(both.views()) == {"drift", "delegert"}
    assert {request.tenant for request, _ in both.sent()} == {SYD}
    assert "tenants" not in both.document["scan"]
    ended = both.scan("--tenant", "sud")
    assert ended.code == 2
    assert "hint: nearest: syd; known: Nord, Syd" in ended.err


def test_a_tenant_without_any_login_says_what_is_missing(both: Estate) -> None:
    bare = f'[[tenant]]\nname = "Syd"\nid = "{SYD}"\nauth = "environment"\n'
    ended = both.scan(settings=entry(NORD) + bare)
    assert ended.code == 3
    assert both.gaps()[f"/tenants/{SYD}"] == "NoCredential"
    missing = "AZURE_CLIENT_ID, AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH not set"
    assert f'tenant "Syd" was not read: no login was found (environment: {missing})' in ended.err


GROUP = [{"id": "mg", "name": "mg", "subscriptions": [DRIFT]}]


def test_management_groups_of_a_tenant(tmp_path: Path) -> None:
    settings = entry(NORD) + entry(SYD, 'management-groups = ["mg"]')
    with estate(tmp_path, management_groups=GROUP) as result:
        assert result.scan(settings=settings.replace(entry(NORD), entry(NORD, f'subscriptions = ["{PROD}"]'))).code == 3
        assert result.views() == {"prod": "full", "drift": "full"}
    refused = [Fault("refuse", "/providers/microsoft.management/*")]
    with estate(tmp_path, management_groups=GROUP, faults=refused) as result:
        ended = result.scan(settings=settings)
        assert ended.code == 3, ended.err
        assert f"/tenants/{SYD}/managementGroups/mg" in result.gaps()
        assert "mg of tenant Syd" in ended.err


@pytest.mark.parametrize(
    ("settings", "words", "text"),
    [
        (entry(NORD) + entry(NORD), (), 'two tenants have the name "nord"'),
        (entry(NORD) + entry(SYD).replace(SYD, NORD), (), "two tenants have the id"),
        (entry(NORD).replace(NORD, "nord.example"), (), '"nord.example" is not the id of a tenant'),
        (entry(NORD, 'secret = "hunter2"'), (), "secret is a secret and must not be in the settings"),
        (entry(NORD).replace("TWOLOCKS_SECRET_NORD", "hunter2"), (), "must name a variable TWOLOCKS_SECRET_..."),
        (entry(NORD, 'subscription = "x"'), (), 'tenant has no key "subscription"'),
        (entry(NORD, 'auth = "cly"'), (), 'unknown login method "cly"'),
        (entry(NORD, "subscriptions = []"), (), "tenant.subscriptions must be a list of texts"),
        (entry(NORD, 'certificate-env = "TWOLOCKS_SECRET_C"'), (), "secret-env and certificate-env exclude each other"),
        (f'[scan]\ntenant = "{NORD}"\n{BOTH}', (), "scan.tenant and [[tenant]] exclude each other"),
        (BOTH, ("--management-group", "mg"), "a management group belongs to one tenant"),
        (BOTH, ("--secret-file", "NORTH=x"), "no notification or tenant has the secret TWOLOCKS_SECRET_NORTH"),
        (
            entry(NORD, f'subscriptions = ["{DRIFT}"]') + entry(SYD),
            (),
            f'subscription "{DRIFT}" belongs to tenant "Syd"',
        ),
        (entry(NORD, 'subscriptions = ["prd"]'), (), 'the login of tenant "Nord" sees no subscription "prd"'),
        (entry(NORD, 'management-groups = ["mg"]'), (), 'management group "mg" does not exist in tenant "Nord"'),
    ],
)
def test_wrong_settings(both: Estate, settings: str, words: tuple[str, ...], text: str) -> None:
    ended = both.scan(*words, settings=settings)
    assert ended.code == 2, ended.err
    assert text in ended.err
    assert "hunter2" not in ended.err


def test_a_secret_that_is_not_given_is_named_before_anything_is_read(both: Estate) -> None:
    ended = both.scan(env={"TWOLOCKS_SECRET_SYD": ""})
    assert ended.code == 2
    assert 'tenant "Syd" requires the variable TWOLOCKS_SECRET_SYD, which is not set; nothing was read' in ended.err
    assert not both.box.requests
    file = both.folder / "secret"
    file.write_text(SECRETS["TWOLOCKS_SECRET_SYD"])
    assert both.scan("--secret-file", f"SYD={file}", env={"TWOLOCKS_SECRET_SYD": ""}).code == 3
    assert both.views()["drift"] == "full"


def certificate() -> str:
    """A self-signed certificate with its key, as PEM."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "twolocks")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + timedelta(3650)).sign(key, SHA256())
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return (secret + made.public_bytes(pem)).decode()


def test_a_tenant_may_sign_in_with_a_certificate(both: Estate) -> None:
    text = entry(SYD).replace("secret-env", "certificate-env")
    ended = both.scan(settings=entry(NORD) + text, env={"TWOLOCKS_SECRET_SYD": certificate()})
    assert ended.code == 3, ended.err
    assert both.views()["drift"] == "full"
    ended = both.scan(settings=entry(NORD) + text, env={"TWOLOCKS_SECRET_SYD": "no certificate"})
    assert ended.code == 3, ended.err
    assert "the certificate of the environment login cannot be used" in ended.err
    assert both.gaps()[f"/tenants/{SYD}"] == "LoginRefused"


def test_a_folder_cannot_add_a_tenant(both: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(both.folder)
    (both.folder / "twolocks.toml").write_text(BOTH)
    here = {**both.box.environment(), **SECRETS, "HOME": str(both.folder / "home")}
    for words in (("scan",), ("access", "check"), ("reach", "stdrift")):
        ended = twolocks(*words, env=here)
        assert ended.code == 2, ended.err
        assert "error: tenant can send data or credentials to another host" in ended.err
    assert not both.box.requests


def test_a_private_endpoint_of_a_tenant_that_was_scanned_is_private(both: Estate) -> None:
    def reaches() -> set[str]:
        matches = (each for each in both.document["exposures"] if each["resource"].endswith("/stprod"))
        return {each["reach"] for each in matches if each["endpoint"] == "blob"}

    both.scan()
    assert reaches() == {"private"}
    both.scan("--tenant", "nord", "-s", "prod")
    assert reaches() == {"selected"}, "a tenant that was not scanned is external"


def test_a_snapshot_of_several_tenants_gives_the_same_document(both: Estate) -> None:
    both.scan()
    live = both.document
    ended = both.run("scan", "--from", both.folder / "taken.jsonl", "--out", both.folder / "again.json")
    assert "Nord / prod" in ended.err
    again = json.loads((both.folder / "again.json").read_text())
    assert again["scan"]["tenants"] == {NORD: "Nord", SYD: "Syd"}
    for section in ("exposures", "findings", "coverage", "gaps", "resources"):
        assert again[section] == live[section]
    header = both.lines[0]["snapshot"]
    assert header["tenants"] == again["scan"]["tenants"]


def test_every_format_names_the_tenant(both: Estate) -> None:
    names = ("out.csv", "out.sarif", "out.md", "out.html")
    both.scan(*(word for name in names for word in ("--out", both.folder / name)), env=WRONG)
    text = {name: (both.folder / name).read_text("utf-8-sig") for name in names}
    rows = list(csv.DictReader(text["out.csv"].splitlines()))
    tenants = {row["subscription"]: (row["tenant"], row["tenant_name"]) for row in rows if row["subscription"]}
    assert tenants == {PROD: (NORD, "Nord"), LENT: (SYD, "Syd")}
    assert ("gap", SYD, "Syd") in {(row["record"], row["tenant"], row["tenant_name"]) for row in rows}
    results = json.loads(text["out.sarif"])["runs"][0]["results"]
    assert {each["properties"]["tenant"] for each in results} == {"Nord"}
    assert "`Nord / prod`" in text["out.md"]
    assert "all subscriptions of tenant Syd" in text["out.md"]
    assert "all subscriptions of tenant Syd" in text["out.html"]
    block = re.search(r'<script[^>]*id="island"[^>]*>([A-Za-z0-9+/=\s]+)<', text["out.html"])
    assert block is not None
    assert f'["{PROD}","prod","{NORD}","Nord"]' in gzip.decompress(base64.b64decode(block[1])).decode(
        "utf-8", "replace"
    )


def test_a_redacted_document_has_no_name_of_a_tenant(both: Estate) -> None:
    both.scan("--redact", "--out", both.folder / "out.md", env=WRONG)
    for file in ("findings.json", "out.md"):
        text = (both.folder / file).read_text().lower()
        for name in (NORD, SYD, "nord", "syd", "stprod", "delegert"):
            assert name not in text, (file, name)
    assert len(both.document["scan"]["tenants"]) == 2
    (gap,) = (each for each in both.document["gaps"] if each["url"].startswith("/tenants/"))
    assert gap["url"].rpartition("/")[2] in both.document["scan"]["tenants"]


def test_a_lost_tenant_does_not_close_what_its_history_knows(both: Estate) -> None:
    history = both.folder / "history.db"
    both.scan("--history", history)
    before = both.document["changes"]["counts"]["open"]
    ended = both.scan("--history", history, env=WRONG)
    assert ended.code == 3
    counts = both.document["changes"]["counts"]
    assert before
    assert counts["fixed"] == 0
    assert both.gaps()[f"/subscriptions/{DRIFT}"] == "SubscriptionMissing"


def test_all_reads_of_a_reader_are_routed() -> None:
    """A read that only the reader of one login has would send the token of the first tenant."""
    reads = [name for name, each in vars(AzureReader).items() if callable(each) and not name.startswith("_")]
    same = {"subscriptions"}
    assert {name for name in reads if name not in vars(TenantsReader)} <= same


def logins(result: Estate) -> tuple[TenantLogin, ...]:
    return tuple(TenantLogin(NAMES[id], id, "environment", client, secret) for id, (client, secret) in APPS.items())


def test_the_border_holds_where_routing_fails(both: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in both.box.environment().items():
        monkeypatch.setenv(name, value)

    async def read() -> list[str]:
        way = ConnectionOptions(arm_endpoint=both.box.url, tenants=logins(both))
        codes = []
        async with connect(way) as reader:
            assert isinstance(reader, TenantsReader)
            both.box.requests.clear()
            nord = reader._client(f"/subscriptions/{PROD}")
            limiter = reader._client(f"/subscriptions/{DRIFT}").limiters
            assert nord.limiters is not limiter
            for path in (
                f"/subscriptions/{DRIFT}",
                f"/subscriptions/{LENT.upper()}/resourcegroups",
                "/%73ubscriptions/" + DRIFT,
            ):
                with pytest.raises(ReadError) as error:
                    await nord.get(path, "2022-12-01")
                codes.append(error.value.code)
            with pytest.raises(ReadError) as error:
                await nord.post_query({"subscriptions": [PROD, DRIFT], "query": "resources", "options": {}}, None)  # type: ignore[arg-type]
            codes.append(error.value.code)
        return codes

    assert asyncio.run(read()) == ["OtherTenant"] * 4
    assert not both.box.requests
