"""Names that point at hosts which no resource has: only a scan that sees every resource of a type can say so."""

import json
from io import BytesIO
from typing import Any

import pytest

from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.model.index import INDEX_TYPES
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.rules import examples

SUBSCRIPTION = "5a000000-0000-4000-8000-000000000001"
OTHER = "5a000000-0000-4000-8000-000000000002"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers"
ZONE = f"{GROUP}/Microsoft.Network/dnsZones/example.com"
SITE = f"/subscriptions/{OTHER}/resourceGroups/rg/providers/Microsoft.Web/sites/shop"
RULE = "dns-record-dangling"


def status(*sites: dict[str, Any], **scan: Any) -> str:
    """Return the status of a record for `shop.azurewebsites.net`, in a scan of two subscriptions with these apps."""
    document = scanned(*sites, **scan)
    matches = [each["status"] for each in document["findings"] if each["rule"] == RULE]
    return matches[0] if matches else "pass" if any(RULE in rules for rules in document["passed"].values()) else "n/a"


def scanned(
    *sites: dict[str, Any], view: str = "full", refused: str = "", unlisted: str = "", excluded: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the document of that scan."""
    store = Store(Header(taken="2026-11-25T00:00:00Z", excluded=list(excluded)))
    for subscription in (SUBSCRIPTION, OTHER):
        store.scope(subscription, subscription, "", view if subscription == OTHER else "full")
        kinds = [type for kind in examples.rules().kinds for type in kind.types if type.count("/") == 1]
        for type in dict.fromkeys([*INDEX_TYPES, *kinds]):
            path = f"/subscriptions/{subscription}/providers/{type}"
            if subscription == OTHER and type == refused:
                store.gap(path, 403, "AuthorizationFailed", f"{type}/read")
            elif not (subscription == OTHER and type == unlisted):
                store.read(path, 0)
    record = {"id": f"{ZONE}/CNAME/www", "properties": {"CNAMERecord": {"cname": "shop.azurewebsites.net"}}}
    for body in ({"id": ZONE, "location": "global", "properties": {}}, record, *sites):
        store.resource(body, "2018-05-01", "list")
    store.read(f"{ZONE}/CNAME", 1)
    writer, out = Writer(), BytesIO()
    run = Evaluation(of_store(store), examples.rules())
    result = run.run(writer)
    writer.finish(out, run.scan_row(started="", finished="", tool=""), run.rule_rows(), result.gaps, run.coverage())
    writer.close()
    store.close()
    document: dict[str, Any] = json.loads(out.getvalue())
    return document


def site(host: str) -> dict[str, Any]:
    return {"id": SITE, "location": "norwayeast", "properties": {"defaultHostName": host, "hostNames": [host]}}


def test_an_app_in_another_subscription_has_the_host() -> None:
    assert status(site("shop.azurewebsites.net")) == "pass"


def test_a_host_that_is_not_of_the_scan_may_be_of_a_subscription_that_was_not_read() -> None:
    document = next(each for each in scanned()["findings"] if each["rule"] == RULE)
    assert document["severity"] == "low"
    assert "does not see" in document["message"]
    assert not document["fix"].get("commands")
    assert document["fix"]["steps"]


def test_no_app_has_the_host() -> None:
    assert status() == "fail"
    assert status(site("shop-b3fgh7kq2m5n8p1r.norwayeast-01.azurewebsites.net")) == "fail"


@pytest.mark.parametrize(
    "scan",
    [
        {"view": "partial"},
        {"view": "none"},
        {"refused": "Microsoft.Web/sites"},
        {"unlisted": "Microsoft.Web/sites"},
        {"excluded": (f"/subscriptions/{OTHER}/resourceGroups/rg",)},
    ],
    ids=lambda scan: next(iter(scan)),
)
def test_an_app_may_be_where_the_scan_does_not_look(scan: dict[str, Any]) -> None:
    assert status(**scan) == "unknown"
