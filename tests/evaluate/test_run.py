"""What becomes of verdicts: nothing that failed to be read, or crashed, ends as a pass or as silence."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scanner.document import schema as finding
from scanner.document.schema import exposure_fingerprint, finding_fingerprint
from scanner.document.writer import Writer
from scanner.errors import InputError
from scanner.evaluate.missing import index_of
from scanner.evaluate.policy import Intended, Policy
from scanner.evaluate.results import Crash
from scanner.evaluate.run import Evaluation
from scanner.fix.placeholders import filled
from scanner.model.addresses import parse
from scanner.model.resource import Resource
from scanner.model.rule import word
from scanner.model.severity import Severity
from scanner.reach.networks.fabric import fabric_of
from scanner.rulebook import loader
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store

SUB = "5a000000-0000-4000-8000-000000000001"
ACCOUNT = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"
ALL = loader.load(packages=False)
INDEX = (
    "Microsoft.Network/networkSecurityPerimeters",
    "Microsoft.Network/networkSecurityPerimeters/profiles",
    "Microsoft.Network/networkSecurityPerimeters/profiles/accessRules",
    "Microsoft.Network/networkSecurityPerimeters/resourceAssociations",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Cdn/profiles",
    "Microsoft.Network/frontDoors",
)
RULES = """
from scanner.model.resource_type import Endpoint
from scanner.model.exposure import Auth, Exposure, Reach, grant
from scanner.model.resource_type import ResourceType
from scanner.model.rule import FixTemplate, Rule, rule
from scanner.model.verdict import Fail, Pass, Unread

STORE = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
FIX = FixTemplate(az="az thing close --ids {id}", impact="x")

@STORE.endpoints(Endpoint("one", "data"), Endpoint("two", "data"))
def endpoints(resource, index):
    yield Exposure("one", "data", grant(Reach.internet), grant(Auth.identity))
    BODY
    yield Exposure("two", "data", grant(Reach.none), grant(Auth.identity))

TEXT = {"why": "w", "fix": FIX}
NETWORK = Rule(
    id="mine-network", category="network", title="Open", resource_type=STORE, endpoints=("one", "two"), **TEXT
)

@rule(STORE, "mine-crash", category="governance", title="Crashes", severity="low", **TEXT)
def crash(resource, index):
    return {}["x"]

@rule(STORE, "mine-fine", category="governance", title="Fine", severity="low", **TEXT)
def fine(resource, index):
    return Pass()
"""


def store(*bodies: dict[str, Any], view: str = "full") -> Store:
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    made.scope(SUB, "prod", "tenant", view)
    for type in (*INDEX, "Microsoft.Storage/storageAccounts"):
        made.read(f"/subscriptions/{SUB}/providers/{type}", 0)
    for body in bodies:
        made.resource(body, "2025-08-01", "get")
    return made


def run(made: Store, rules: loader.RuleSet, policy: Policy | None = None) -> tuple[dict[str, Any], Evaluation]:
    evaluation = Evaluation(of_store(made), rules, policy)
    writer = Writer()
    evaluation.run(writer)
    out = BytesIO()
    scan = evaluation.scan_row(started="2026-11-25T00:00:00Z", finished="2026-11-25T00:00:01Z", tool="t")
    writer.finish(out, scan, evaluation.rule_rows(), evaluation.result.gaps, evaluation.coverage())
    writer.close()
    return msgspec.json.decode(out.getvalue()), evaluation


def test_the_row_of_a_scan_names_the_owner_tag_only_where_the_settings_do(tmp_path: Path) -> None:
    _, evaluation = run(store(), rules(tmp_path))
    scan = evaluation.scan_row(started="", finished="", tool="t", owner_tag="owner")
    assert scan.owner_tag == "owner"
    assert "owner_tag" not in json.loads(msgspec.json.encode(evaluation.scan_row(started="", finished="", tool="t")))


def rules(tmp_path: Path, body: str = "pass") -> loader.RuleSet:
    (tmp_path / "mine.py").write_text(RULES.replace("BODY", body))
    return loader.load(code=[tmp_path], built_in=False, packages=False)


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {row["rule"]: row["status"] for row in document["findings"]}


def test_a_rule_that_crashes_is_an_error_that_names_it_and_the_others_go_on(tmp_path: Path) -> None:
    document, evaluation = run(store({"id": ACCOUNT, "properties": {}}), rules(tmp_path))
    assert statuses(document) == {"mine-network": "fail", "mine-crash": "error"}
    assert document["passed"] == {ACCOUNT: ["mine-fine"]}
    assert evaluation.result.crashes == [Crash("mine-crash", ACCOUNT, "KeyError: 'x'", 24)]


def test_an_exposure_function_that_crashes_makes_its_lock_rules_errors(tmp_path: Path) -> None:
    document, _ = run(store({"id": ACCOUNT, "properties": {}}), rules(tmp_path, "raise RuntimeError('broken')"))
    assert statuses(document) == {"mine-network": "error", "mine-crash": "error"}
    assert {row["endpoint"]: row["authentication"] for row in document["exposures"]} == {
        "one": "identity",
        "two": "unknown",
    }


@pytest.mark.parametrize("stop", ["raise Unread('parts', '403 Forbidden')", "raise RuntimeError('broken')"])
def test_endpoints_that_only_a_pattern_names_are_not_lost_behind_a_stop(tmp_path: Path, stop: str) -> None:
    text = RULES.replace("BODY", stop).replace(
        'Endpoint("two", "data")', 'Endpoint("two", "data"), Endpoint("part/*", "data")'
    )
    (tmp_path / "mine.py").write_text(text.replace('endpoints=("one", "two")', 'endpoints=("part/*",)'))
    made = loader.load(code=[tmp_path], built_in=False, packages=False)
    document, _ = run(store({"id": ACCOUNT, "properties": {}}), made)
    assert statuses(document)["mine-network"] == ("unknown" if "Unread" in stop else "error")
    assert {row["endpoint"]: row["reach"] for row in document["exposures"]}["part/*"] == "unknown"


def test_an_exposure_function_that_stops_at_something_unread_loses_no_endpoint(tmp_path: Path) -> None:
    document, _ = run(
        store({"id": ACCOUNT, "properties": {}}), rules(tmp_path, "raise Unread('parts', '403 Forbidden')")
    )
    two = next(row for row in document["exposures"] if row["endpoint"] == "two")
    assert (two["reach"], two["authentication"], two["worst"]) == ("unknown", "unknown", "critical")
    assert statuses(document)["mine-network"] == "fail"
    assert document["scan"]["complete"] is False


def test_an_exposure_function_that_stops_before_the_first_port_leaves_its_locks_undecided(tmp_path: Path) -> None:
    body = """from scanner.model.resource_type import Endpoint
from scanner.model.resource_type import ResourceType
from scanner.model.rule import FixTemplate, Rule
from scanner.model.verdict import Unread
PORTS = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
@PORTS.endpoints(Endpoint("tcp/*", "admin"), Endpoint("*/*", "admin"))
def endpoints(machine, index):
    raise Unread("ports", "not a list")
    yield
FIX = FixTemplate(az="az thing close --ids {id}", impact="x")
NETWORK = Rule(
    id="mine-network", category="network", title="Open", resource_type=PORTS, endpoints=("tcp/*", "*/*"),
    why="w", fix=FIX
)
"""
    (tmp_path / "mine.py").write_text(body)
    document, _ = run(
        store({"id": ACCOUNT, "properties": {}}), loader.load(code=[tmp_path], built_in=False, packages=False)
    )
    assert statuses(document) == {"mine-network": "unknown"}
    assert document["not_applicable"] == {}
    assert document["scan"]["complete"] is False


def test_an_exposure_function_that_leaves_out_an_endpoint_is_an_error(tmp_path: Path) -> None:
    document, _ = run(store({"id": ACCOUNT, "properties": {}}), rules(tmp_path, "return"))
    assert statuses(document)["mine-network"] == "error"


def test_a_refused_list_leaves_each_rule_of_the_type_undecided_on_the_subscription(tmp_path: Path) -> None:
    made = store()
    url = f"/subscriptions/{SUB}/providers/Microsoft.Storage/storageAccounts"
    made.gap(url, 403, "AuthorizationFailed", "Microsoft.Storage/storageAccounts/read")
    document, evaluation = run(made, rules(tmp_path))
    assert set(statuses(document).values()) == {"unknown"}
    assert len(document["findings"]) == 3
    assert {row["resource"] for row in document["findings"]} == {f"/subscriptions/{SUB}"}
    assert document["gaps"][0]["rules"] == ["mine-crash", "mine-fine", "mine-network"]
    assert "missing Microsoft.Storage/storageAccounts/read" in document["findings"][0]["message"]
    assert not evaluation.result.complete


def test_a_resource_that_could_not_be_read_is_undecided(tmp_path: Path) -> None:
    made = store()
    made.gap(ACCOUNT, 500, "InternalServerError", "")
    document, _ = run(made, rules(tmp_path))
    assert set(statuses(document).values()) == {"unknown"}


def test_an_answer_without_properties_neither_fails_nor_passes(tmp_path: Path) -> None:
    document, evaluation = run(store({"id": ACCOUNT, "kind": "StorageV2"}), loader.load(packages=False))
    assert set(statuses(document).values()) == {"unknown"}
    assert document["passed"] == {}
    assert {row["reach"] for row in document["exposures"]} == {"unknown"}
    assert not evaluation.result.complete


def test_a_subscription_with_partial_visibility_makes_the_scan_incomplete(tmp_path: Path) -> None:
    assert run(store(view="full"), rules(tmp_path))[1].result.complete
    assert not run(store(view="partial"), rules(tmp_path))[1].result.complete


def test_what_is_intended_stays_in_the_report_and_is_no_failure(tmp_path: Path) -> None:
    policy = Policy(intended=(Intended("*/storageaccounts/ST", "one", "the public site"),))
    document, evaluation = run(store({"id": ACCOUNT, "properties": {}}), rules(tmp_path), policy)
    row = next(row for row in document["exposures"] if row["endpoint"] == "one")
    assert (row["state"], row["reason"], row["severity"]) == ("intended", "the public site", "medium")
    assert statuses(document)["mine-network"] == "waived"
    assert evaluation.result.counts.states["intended"] == 1
    assert evaluation.result.counts.open["medium"] == 0


def test_a_severity_from_the_settings_wins(tmp_path: Path) -> None:
    document, _ = run(
        store({"id": ACCOUNT, "properties": {}}),
        rules(tmp_path),
        Policy(severities={"mine-network": Severity.critical}),
    )
    assert next(row for row in document["findings"] if row["rule"] == "mine-network")["severity"] == "critical"


def test_the_same_snapshot_makes_the_same_bytes_but_for_the_scan(tmp_path: Path) -> None:
    rule_set = rules(tmp_path)
    bodies = [{"id": f"{ACCOUNT}{n}", "location": "norwayeast", "properties": {}} for n in range(5)]
    first, _ = run(store(*bodies), rule_set)
    second, _ = run(store(*reversed(bodies)), rule_set)
    del first["scan"], second["scan"]
    assert json.dumps(first) == json.dumps(second)


def test_the_networks_of_the_organisation_are_taken_out() -> None:
    body = {
        "id": ACCOUNT,
        "kind": "StorageV2",
        "properties": {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "20.0.0.0/8"}]}},
    }
    document, _ = run(store(body), loader.load(packages=False))
    assert next(row for row in document["exposures"] if row["endpoint"] == "blob")["reach"] == "wide"
    document, _ = run(store(body), loader.load(packages=False), Policy(networks=parse("20.0.0.0/8")))
    assert next(row for row in document["exposures"] if row["endpoint"] == "blob")["reach"] == "selected"


def test_perimeters_that_were_not_read_may_widen_what_is_closed() -> None:
    body = {"id": ACCOUNT, "kind": "StorageV2", "properties": {"publicNetworkAccess": "Disabled"}}
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    made.scope(SUB, "prod", "tenant", "full")
    made.resource(body, "2025-08-01", "get")
    document, _ = run(made, loader.load(packages=False))
    blob = next(row for row in document["exposures"] if row["endpoint"] == "blob")
    assert blob["may"]["reach"] == "internet"
    assert statuses(document)["storage-network-unrestricted"] == "unknown"


def test_a_list_that_was_refused_is_missing_in_its_own_subscription() -> None:
    other = "5b000000-0000-4000-8000-000000000001"
    made = store()
    made.scope(other, "dev", "tenant", "full")
    below = "Microsoft.Network/firewallPolicies/ruleCollectionGroups"
    for type in (*INDEX, below.rpartition("/")[0], below):
        made.read(f"/subscriptions/{other}/providers/{type}", 0)
    for type in ("networkInterfaces", "effectiveSecurityAdminRules", "networkSecurityPerimeters"):
        made.gap(f"/subscriptions/{other}/providers/Microsoft.Network/{type}", 403, "AuthorizationFailed", "")
    policy = f"/subscriptions/{other}/resourceGroups/rg/providers/Microsoft.Network/firewallPolicies/p"
    made.resource({"id": policy, "properties": {}}, "2025-09-01", "list")
    made.gap(f"{policy}/ruleCollectionGroups", 500, "InternalServerError", "")
    index = index_of(of_store(made), Policy())
    profiles = "Microsoft.Network/networkSecurityPerimeters/profiles"
    for type in ("Microsoft.Network/networkInterfaces", "Microsoft.Network/networkSecurityPerimeters", profiles, below):
        assert index.missing[type.lower()] is not None
        assert index.missing_in(type, f"/subscriptions/{other}/x") is not None
        assert index.missing_in(type, f"/subscriptions/{SUB.upper()}/x") is None
        assert index.missing_in(type, "nowhere") is index.missing[type.lower()]
    fabric = fabric_of(index)
    assert fabric.admin_gap(f"/subscriptions/{other}/resourcegroups/rg/x") is not None
    assert fabric.admin_gap(f"/subscriptions/{SUB.lower()}/resourcegroups/rg/x") is None
    assert fabric.admin_gap("") is not None
    has_other_reasons = Store(Header(taken="2026-11-25T00:00:00Z"))
    has_other_reasons.scope(SUB, "prod", "tenant", "full")
    unread = index_of(of_store(has_other_reasons), Policy())
    assert unread.missing_in("Microsoft.Network/networkInterfaces", f"/subscriptions/{SUB}/x") is not None


@pytest.mark.parametrize(
    ("group", "by", "path", "text"),
    [
        ("MC_rg-plattform_aks-journal_norwayeast", None, "the resource group", "created by a Kubernetes cluster"),
        ("databricks-rg-dbw-1a2b", None, "the resource group", "created by a Databricks workspace"),
        ("rg", "/subscriptions/s/resourceGroups/g/providers/T/t/parent", "managedBy", "/providers/T/t/parent"),
        ("rg-mc_x", None, "", ""),
        ("rg", ["parent"], "", ""),
    ],
)
def test_what_a_service_made_is_set_right_at_the_service(group: str, by: Any, path: str, text: str) -> None:
    account = ACCOUNT.replace("/rg/", f"/{group}/")
    properties = {"allowBlobPublicAccess": True, "allowSharedKeyAccess": True, "publicNetworkAccess": "Enabled"}
    document, _ = run(store({"id": account, "kind": "StorageV2", "managedBy": by, "properties": properties}), ALL)
    failed = [row for row in document["findings"] if row["status"] == "fail"]
    opened = [row for row in document["exposures"] if row["endpoint"] == "blob"]
    assert failed
    assert opened
    for row in (*failed, *opened):
        reported = {each["path"]: each["value"] for each in row["evidence"]}
        assert text in reported.get(path, "") if path else not {"managedBy", "the resource group"} & set(reported)


def test_commands_are_quoted_for_the_shell() -> None:
    resource = Resource({"id": f"/subscriptions/{SUB}/resourceGroups/a;rm -rf $HOME/providers/N.S/t/it's"})
    command = filled("az x -g {group} -n {name} --set 'a={{}}'", resource, resource)
    assert command == "az x -g 'a;rm -rf $HOME' -n 'it'\"'\"'s' --set 'a={}'"


def test_fingerprints_are_what_the_contract_says() -> None:
    assert finding_fingerprint("rule", "/A") == finding.fingerprint("1", "rule", "/a")
    assert exposure_fingerprint("/A", "Blob/X", "") == finding.fingerprint("1", "/a", "blob/x")
    assert exposure_fingerprint("/A", "tcp/22", "192.0.2.1") == finding.fingerprint("1", "/a", "tcp/22", "192.0.2.1")
    assert finding.fingerprint("1", "x") == "16c10dfd2a1bf252"


def test_a_rule_file_that_does_not_import_is_reported_and_the_others_load(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import os\nimport no_such_module\n")
    rule_set = rules(tmp_path)
    assert "mine-fine" in rule_set.rules
    assert [(Path(each.file).name, each.line) for each in rule_set.broken] == [("bad.py", 2)]
    assert "no_such_module" in rule_set.broken[0].error


def test_a_rule_file_with_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("x = 1\ndef broken(:\n")
    assert loader.load(code=[tmp_path], built_in=False, packages=False).broken[0].line == 2


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(RULES.replace("BODY", "pass"))
    with pytest.raises(InputError, match="duplicate rule id"):
        rules(tmp_path)


def test_two_folders_with_files_named_alike_do_not_clash(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "storage.py").write_text(RULES.replace("BODY", "pass").replace("mine-", f"{name}-"))
    rule_set = loader.load(code=[tmp_path / "a", tmp_path / "b"])
    assert {"a-network", "b-network", "storage-shared-key-enabled"} <= set(rule_set.rules)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("storage-anon-blob", "storage-anonymous-blob-access"),
        ("category:networks", "nearest: network; known: anonymous-access"),
        ("severity:hihg", "high"),
        ("colour:red", "known: category, severity, type, control"),
        ("type:Microsoft.Moon/*", "twolocks rules list"),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest(pattern: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        loader.load(packages=False).select([pattern])
    assert expected in caught.value.do


def test_patterns_select_by_id_category_severity_type_and_control() -> None:
    rule_set = loader.load(packages=False)
    for pattern, one in (
        ("storage-*", "storage-shared-key-enabled"),
        ("category:network", "storage-network-unrestricted"),
        ("severity:high", "storage-plain-http"),
        ("type:microsoft.storage/*", "storage-shared-key-enabled"),
        ("control:CIS*", "storage-plain-http"),
    ):
        rule_set.select([pattern])
        assert one in rule_set.enabled, pattern
    rule_set.select([], ["category:network"])
    assert "storage-network-unrestricted" not in rule_set.enabled


def test_a_name_in_a_command_is_one_word_and_keeps_its_braces() -> None:
    resource = Resource({"id": f"/subscriptions/{SUB}/resourceGroups/g/providers/N.S/t/n"})
    assert filled(f"az x --ids {word('/a/{name} b')}", resource, resource) == "az x --ids '/a/{name} b'"
