"""The sample estate behind faults: what was not read is Unknown, never a pass, and the rest is unchanged."""

from typing import Any

import pytest

from scanner.exit_codes import INCOMPLETE, decide
from scanner.model.levels import Auth, Reach, cell
from scanner.sandbox.faults import Fault
from tests.estate.parts import of_types, one_of_each_type
from tests.estate.test_expected import Scanned

MOSTLY_WAITS = True
LISTS = "/subscriptions/*/providers"
CONTAINERS = "*/blobservices/default/containers"
Verdicts = dict[tuple[str, str], str]


def verdicts(document: dict[str, Any]) -> Verdicts:
    """(resource, rule) -> status, passes and rules that do not apply included."""
    result = {(row["resource"].lower(), row["rule"]): row["status"] for row in document["findings"]}
    result |= {(id.lower(), rule): "pass" for id, rules in document["passed"].items() for rule in rules}
    result |= {(id.lower(), rule): "n/a" for id, rules in document["not_applicable"].items() for rule in rules}
    return result


def scanned(*faults: Fault, seed: int = 1) -> Scanned:
    return Scanned(*faults, seed=seed, estate=one_of_each_type("stgammelarkiv", "stplankart", "stinnsynvedlegg"))


@pytest.fixture(scope="module")
def whole() -> Scanned:
    return scanned()


def changed_verdicts(whole: Scanned, faulty: Scanned) -> Verdicts:
    """What differs from the whole scan; fails where a fault made a pass, a failure, or silence that no gap explains."""
    before, after = verdicts(whole.document), verdicts(faulty.document)
    changed = {key: status for key, status in after.items() if before.get(key) != status}
    grants = {key for key, status in changed.items() if status == "pass" and sure_pass(faulty, *key)}
    # Without the list of its rules a server may have database rules alone: its lock does not apply, and the rule on
    # servers without rules says Unknown in its place, so that nothing ends in silence.
    asked = "sql-public-access-without-rules"
    grants |= {
        (resource, rule)
        for (resource, rule), status in changed.items()
        if (rule, status) == ("sql-network-unrestricted", "n/a") and after[resource, asked] == "unknown"
    }
    assert {key: status for key, status in changed.items() if status != "unknown" and key not in grants} == {}
    gaps = [row["url"].lower() for row in faulty.document["gaps"]]
    for resource, rule in before.keys() - after.keys():
        type = resource.split("/providers/")[-1].split("/")
        lost = f"/providers/{type[0]}/{type[1]}"
        assert any(url.endswith(lost) or resource.startswith(url) for url in gaps), (resource, rule)
    assert faulty.result.crashes == []
    return {key: status for key, status in changed.items() if key not in grants}


KEYS = {"function-key-only": "shared"}
"""Rules of a level of authentication that does not say everything of their endpoints: a function may need no key."""


def sure_pass(faulty: Scanned, resource: str, rule: str) -> bool:
    """Whether nothing that was not read could open an endpoint that the rule reads: nobody reaches it from outside, or
    only from where the level of the rule counts as closed.
    """
    read = faulty.rules.rules[rule]
    mine = [row for row in faulty.document["exposures"] if row["resource"].lower() == resource]
    rows = [row for row in mine if row["may"] and read.names(row["endpoint"])]
    return all(row["worst"] is None or _is_closed_at(KEYS.get(rule, ""), row) for row in rows)


def _is_closed_at(level: str, row: dict[str, Any]) -> bool:
    """Whether the table closes an endpoint at a level of authentication, however far what was not read may reach."""
    if not level or row["reach"] == "unknown" or row["may"]["reach"] is not None:
        return False
    return cell(row["kind"], Auth[level], Reach[row["reach"]]) is None


@pytest.mark.parametrize("status", [403, 500])
def test_the_list_of_storage_accounts_is_not_to_be_had(whole: Scanned, status: int) -> None:
    path = f"{LISTS}/Microsoft.Storage/storageAccounts"
    faulty = scanned(Fault("refuse", path) if status == 403 else Fault("status", path, status=status))
    changed = changed_verdicts(whole, faulty)
    storage = {rule.id for rule in faulty.rules.rules.values() if rule.resource_type.type.endswith("storageAccounts")}
    assert {rule for resource, rule in changed if resource.count("/") == 2} == storage, (
        "one Unknown on the subscription"
    )
    # The accounts stay as rows of Resource Graph, of which an absent property says nothing.
    on_accounts = {rule for resource, rule in changed if "/microsoft.storage/storageaccounts/" in resource}
    assert on_accounts <= storage
    assert verdicts(faulty.document)[whole.estate.ids["stgammelarkiv"].lower(), "storage-plain-http"] == "fail"
    # Which accounts need a key is unknown too, the place of the account that is a destination, and whether logs arrive.
    keys = {id for id in faulty.rules.rules if faulty.rules.files[id].endswith(("vault_keys.py", "vault_roles.py"))}
    events = {"eventhub-capture-outside", "eventgrid-subscription-outside", "eventgrid-dead-letter-outside"}
    events |= {"eventgrid-system-subscription-outside", "eventgrid-system-dead-letter-outside"}
    logs = {"keyvault-no-audit-log", "logs-outside", "sql-audit-no-destination", "flow-log-short-retention"}
    others = {*keys, *events, *logs, "flow-log-target-outside", "log-workspace-export-outside"}
    assert {rule for resource, rule in changed if resource.count("/") != 2} <= {*others, *on_accounts}
    assert decide(faulty.result, "never").code == INCOMPLETE


def test_a_tenth_of_the_child_reads_is_refused(whole: Scanned) -> None:
    faulty = scanned(Fault("refuse", "*/resourcegroups/*/providers/*/*/*/*", chance=0.1, method="GET"), seed=7)
    refused = len(faulty.document["gaps"]) - len(whole.document["gaps"])
    assert 0.03 < refused / len(faulty.requests) < 0.12
    assert len(changed_verdicts(whole, faulty)) >= refused / 3
    assert decide(faulty.result, "never").code == INCOMPLETE


def test_lists_of_containers_break_off(whole: Scanned) -> None:
    kinds: dict[str, Any] = {"stplankart": "truncate", "stkartlager": "cut", "stinnsynvedlegg": "reset"}
    accounts = {whole.estate.ids[name]: kind for name, kind in kinds.items()}
    faulty = scanned(*(Fault(kind, f"{account}{CONTAINERS[1:]}") for account, kind in accounts.items()))
    assert changed_verdicts(whole, faulty) == {
        (account.lower(), "storage-anonymous-blob-access"): "unknown" for account in accounts
    }


def test_what_fails_once_or_at_times_changes_nothing_in_the_end(whole: Scanned) -> None:
    """Answers that break off once are read once more, and those that came too fast later."""
    truncated = Fault("truncate", CONTAINERS, times=1, each=True)
    faulty = scanned(truncated, Fault("throttle", "*/providers/*", chance=0.1, retry_after=0.01), seed=3)
    paths = [request.path.lower() for request in faulty.requests if request.status != 429]
    assert 2 in {paths.count(path) for path in paths if path.endswith(CONTAINERS[1:])}
    assert sum(request.status == 429 for request in faulty.requests) > 10
    assert changed_verdicts(whole, faulty) == {}
    assert verdicts(faulty.document) == verdicts(whole.document)


def test_a_list_that_answers_500_for_ever_leaves_the_rest_as_it_was(whole: Scanned) -> None:
    faulty = scanned(Fault("status", f"{LISTS}/Microsoft.Web/sites", status=500))
    changed = changed_verdicts(whole, faulty)
    assert changed
    # The place of the app to which events are delivered is not known either.
    # Nor is whether one of them has the host that a record or a profile names.
    mine = (
        "app-", "function-", "logic-app-", "eventgrid-subscription-outside", "dns-record-", "traffic-manager-",
        "stored-secret-sign-in", "private-endpoint-pending", "external-private-endpoint",
    )  # fmt: skip
    # The rules of many types say of the subscription that its apps are not listed.
    shared = ("-outside", "private-endpoint", "private-endpoint-pending")
    of_list = {(id, rule) for id, rule in changed if "/providers/" not in id and rule.endswith(shared)}
    assert all(rule.startswith(mine) for _, rule in changed.keys() - of_list)
    assert decide(faulty.result, "never").code == INCOMPLETE


def without_names(row: dict[str, Any]) -> dict[str, Any]:
    """Return an exposure without who leads to it by name."""
    texts = {at: each for at, each in row.get("texts", {}).items() if not at.startswith(("admits", "publishers"))}
    return {**row, "admits": [], "publishers": [], "texts": texts}


def test_traffic_manager_that_may_not_be_read_costs_its_names_and_nothing_else() -> None:
    estate = of_types("Microsoft.Network/trafficManagerProfiles", "Microsoft.Network/dnsZones")
    alone = Fault("refuse", "/providers/Microsoft.ResourceGraph/resources")  # so that its profiles are listed
    listed = Scanned(alone, estate=estate)
    refused = Fault("refuse", f"{LISTS}/Microsoft.Network/trafficManagerProfiles")
    faulty = Scanned(alone, refused, estate=estate)
    before, after = verdicts(listed.document), verdicts(faulty.document)
    own = {key for key in before | after if key[1] == "traffic-manager-target-missing"}
    assert {after.get(key) for key in own} == {None, "unknown"}
    assert {key: each for key, each in after.items() if key not in own} == {
        key: each for key, each in before.items() if key not in own
    }
    lost = [row["url"] for row in faulty.document["gaps"] if row not in listed.document["gaps"]]
    assert lost
    assert all(url.endswith("/trafficManagerProfiles") for url in lost)
    seen, left = listed.document["exposures"], faulty.document["exposures"]
    assert any("named by" in stated for row in seen for stated in row["admits"])
    assert not any("named by" in stated for row in left for stated in row["admits"])
    assert list(map(without_names, left)) == list(map(without_names, seen))
    assert decide(faulty.result, "never").code == INCOMPLETE
