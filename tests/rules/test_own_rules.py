"""Own rules on properties that no built-in rule reads: what a scan keeps for them, and what an older snapshot lacks."""

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from scanner.rulebook.kept import built_in
from scanner.rulebook.registered_actions import wildcards
from tests.history.changing_estate import Refusal, served
from tests.terminals import GROUP, Ended, account, twolocks

CLUSTER = "Microsoft.ContainerService/managedClusters"
WITHOUT = "the snapshot was made without this property"

HEAD = """
from scanner.model.json_paths import MISSING
from scanner.model.resource_type import ResourceType
from scanner.model.rule import FixTemplate, rule
from scanner.model.verdict import Fail, Pass

ACCOUNT = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01", keep=("properties.agencyZone",))
CLUSTER = ResourceType("Microsoft.ContainerService/managedClusters", api="2025-10-01")
TEXT = {"category": "governance", "severity": "low", "why": "x", "fix": FixTemplate(az="az x", impact="x")}
MODE = "properties.agencyMode"


def ends(value):
    # Absent passes: the worst that a rule can do with what was not kept.
    return Fail(()) if value == "open" else Pass()
"""
STATIC = {
    "path": "return ends(account.get('properties.agencyMode'))",
    "constant": "return ends(account.get(MODE))",
    "member": "return ends((account.get('properties.agency') or {}).get('mode'))",
    "declared": "return ends(account.get('properties.' + 'agencyZone'))",
    "tag": "return ends(account.get('tags.agency'))",
}
"""Reads that a scan knows of before it runs the rule."""
DYNAMIC = {
    "joined": "return ends(account.get('properties.agency' + 'Level'))",
    "in": "return ends('open' if 'agencyFlag' in account.get('properties') else '')",
    "iterated": "return ends('open' if any(each == 'agencyFlag' for each in account.get('properties')) else '')",
    "keys": "return ends('open' if 'agencyFlag' in account.get('properties').keys() else '')",
    "copied": "return ends({**account.get('properties')}.get('agencyLevel'))",
    "made": "return ends(dict(account.get('properties')).get('agencyLevel'))",
    "copy": "return ends(account.get('properties').copy().get('agencyLevel'))",
    "merged": "return ends((account.get('properties') | {}).get('agencyLevel'))",
    "subscript": "return ends(account.get('properties')['agencyLevel'])",
    "counted": "return ends('open' if len(account.get('properties')) > 3 else '')",
    "body": "return ends(account.body['properties'].get('agencyLevel'))",
    "tags": "return ends(account.tags.get('agencyTag'))",
}
"""Reads that a scan cannot know of."""
ROW = """
[own-row]
title = "The agency's mode is open"
pass_title = "The agency's mode is closed"
category = "governance"
severity = "low"
check = { of = "aks.CLUSTER", path = "properties.agencyMode", good = ["closed"], bad = ["open"], absent = "closed" }
source = "https://agency.example/mode"
why = "x"
fix = { steps = ["Close it."], impact = "None." }
"""


def python(of: str, ways: dict[str, str]) -> str:
    """Return rules on a type, one for each way to read."""
    return "".join(
        f'\n\n@rule({of}, "own-{of.lower()}-{name}", title="x", **TEXT)\ndef {name}_{of.lower()}(account, index):\n'
        f"    {code}\n"
        for name, code in ways.items()
    )


def bodies(mode: str) -> list[dict[str, Any]]:
    """Return an account and a cluster with the properties that the rules read; none of them for ""."""
    own: dict[str, Any] = {}
    if mode:
        own = {f"agency{name}": mode for name in ("Mode", "Zone", "Level")} | {"agency": {"mode": mode}}
    flag = {"agencyFlag": True} if mode == "open" else {}
    tags = {"agency": mode, "agencyTag": mode} if mode else {}
    cluster = {
        "id": f"{GROUP}/providers/{CLUSTER}/aks{mode}",
        "name": f"aks{mode}",
        "type": CLUSTER,
        "location": "norwayeast",
        "properties": {"powerState": {"code": "Running"}, **own, **flag},
        "tags": tags,
    }
    return [{**account(f"st{mode}", **own, **flag), "tags": tags}, cluster]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of own rules."""
    made = tmp_path / "own"
    made.mkdir()
    (made / "own.py").write_text(
        HEAD + python("ACCOUNT", STATIC | DYNAMIC) + python("CLUSTER", {"path": STATIC["path"]})
    )
    (made / "own.toml").write_text(ROW)
    return made


def scan(out: Path, *words: object, resources: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return the findings document of a scan, live where there are resources."""
    given = ("scan", "--out", out, "--fail-on", "never", *words)
    if resources is None:
        ended: Ended = twolocks(*given)
    else:
        with served(resources) as box:
            live = ("--arm-endpoint", box.url, "--auth", "environment")
            ended = twolocks(*given, *live, env=box.environment())
    assert out.is_file(), ended.err
    result: dict[str, Any] = json.loads(out.read_text())
    return result


def ended(document: dict[str, Any], rule: str, name: str) -> str:
    """Return how a rule ended on the resource of that name, with the reason of an inconclusive one."""
    for row in document["findings"]:
        if row["rule"] == rule and row["resource"].endswith(f"/{name}"):
            return str(row["status"]) + (f": {row['message']}" if row["status"] in ("unknown", "error") else "")
    passed = {rule for id, rules in document["passed"].items() if id.endswith(f"/{name}") for rule in rules}
    return "pass" if rule in passed else "not evaluated"


def own_rules(document: dict[str, Any]) -> set[str]:
    return {rule for rule in document["rules"] if rule.startswith("own-")}


ESTATE = [*bodies("open"), *bodies("closed"), *bodies("")]
KNOWN = {f"own-account-{name}": "st" for name in STATIC}
KNOWN |= {"own-cluster-path": "aks", "own-row": "aks"}


def test_what_own_rules_name_is_kept_and_evaluated(folder: Path, tmp_path: Path) -> None:
    for type in ("microsoft.storage/storageaccounts", CLUSTER.lower()):
        kept = {each.lower(): paths for each, paths in built_in().items()}[type]
        assert not [path for path in kept if "agency" in path]
    night = tmp_path / "night.jsonl"
    words = ("--rules-code", folder, "--only", "own-*")
    live = scan(tmp_path / "live.json", *words, "--snapshot", night, resources=ESTATE)
    assert '"agencyMode":"open"' in night.read_text()
    again = scan(tmp_path / "again.json", *words, "--from", night)
    for document in (live, again):
        for rule, name in KNOWN.items():
            matches = [ended(document, rule, f"{name}{mode}") for mode in ("open", "closed", "")]
            assert matches == ["fail", "pass", "pass"], rule


def test_what_a_scan_cannot_know_of_is_inconclusive_with_the_way_out(folder: Path, tmp_path: Path) -> None:
    live = scan(tmp_path / "live.json", "--rules-code", folder, "--only", "own-account-*", resources=ESTATE)
    for name in DYNAMIC:
        for mode in ("open", "closed", ""):
            value = ended(live, f"own-account-{name}", f"st{mode}")
            assert value.startswith("unknown"), f"{name} {mode}: {value}"
            assert "keep=" in value
    whole = ("--keep-all", "--rules-code", folder, "--only", "own-account-*")
    live = scan(tmp_path / "whole.json", *whole, "--snapshot", tmp_path / "whole.jsonl", resources=ESTATE)
    for name in DYNAMIC:
        assert ended(live, f"own-account-{name}", "stopen") == "fail", name


def test_an_older_snapshot_never_passes_an_own_rule(folder: Path, tmp_path: Path) -> None:
    night = tmp_path / "night.jsonl"
    scan(tmp_path / "without.json", "--snapshot", night, resources=ESTATE)
    assert "agency" not in night.read_text()
    later = scan(tmp_path / "later.json", "--from", night, "--rules-code", folder, "--only", "own-*")
    assert len(own_rules(later)) == len(STATIC) + len(DYNAMIC) + 2
    for rule in own_rules(later):
        for mode in ("open", "closed", ""):
            value = ended(later, rule, f"{'st' if 'account' in rule else 'aks'}{mode}")
            assert value.startswith("unknown"), f"{rule} {mode}: {value}"
            assert WITHOUT in value


# The role to copy

AGENCY = """
from scanner.model.resource_type import ResourceType
from scanner.model.rule import FixTemplate, rule
from scanner.model.verdict import Fail, Pass

THING = ResourceType("Microsoft.Agency/things", api="2025-08-01")
PARTS = THING.child("parts/default/pieces", keep=("properties.open",))
KEYS = THING.child("keys", action="Microsoft.Agency/things/listKeys/action")
ALL = THING.child("all", action="*")
ODD = THING.child("odd", action="Microsoft.Agency/*/read")
TEXT = {"category": "governance", "severity": "low", "why": "x", "fix": FixTemplate(az="az x", impact="x")}


@rule(THING, "own-parts", title="x", reads=(PARTS, KEYS, ALL, ODD), **TEXT)
def parts(thing, index):
    thing.children(PARTS).all()
    return Pass()
"""
OWN_READS = ["Microsoft.Agency/things/parts/pieces/read", "Microsoft.Agency/things/read"]
UNSAFE = ["*", "Microsoft.Agency/*/read", "Microsoft.Agency/things/listKeys/action"]


@pytest.fixture
def agency(tmp_path: Path) -> Path:
    """A folder with a rule on a type of one's own, whose reads ask for more than reads."""
    made = tmp_path / "agency"
    made.mkdir()
    (made / "agency.py").write_text(AGENCY)
    return made


def test_the_role_has_the_reads_of_own_rules_and_nothing_else_that_they_ask_for(agency: Path) -> None:
    done = twolocks("access", "role", "--rules-code", agency)
    actions = json.loads(done.out)["Actions"]
    ours = {each.action for each in wildcards()}
    assert [each for each in actions if "Agency" in each or ("*" in each and each not in ours)] == OWN_READS
    for each in OWN_READS:
        assert f"Note      {each}: not verified;" in done.err
    assert done.err.count("not verified") == len(OWN_READS)
    for each in UNSAFE:
        assert f"{each}, because it does not read one type" in done.err
    assert "Agency" not in twolocks("access", "role").out


def report_role(page: Path) -> list[str]:
    """Return the actions of the role that a report shows."""
    roles = re.findall(r"<code>(\{.*?\})</code>", page.read_text(), re.DOTALL)
    result: list[str] = next((json.loads(html.unescape(each))["Actions"] for each in roles if "IsCustom" in each), [])
    return result


def test_the_report_of_a_scan_has_them_and_that_of_a_file_does_not(agency: Path, tmp_path: Path) -> None:
    thing: dict[str, Any] = {
        "id": f"{GROUP}/providers/Microsoft.Agency/things/t",
        "name": "t",
        "type": "Microsoft.Agency/things",
    }
    thing |= {"location": "norwayeast", "properties": {"state": "on"}}
    page, findings, later = (tmp_path / name for name in ("report.html", "findings.json", "later.html"))
    refused = [Refusal(action=action) for action in (OWN_READS[0], UNSAFE[-1])]
    with served([thing], refusals=refused) as box:
        words = ("scan", "--arm-endpoint", box.url, "--auth", "environment", "--rules-code", agency, "--only", "own-*")
        done = twolocks(*words, "--out", page, "--out", findings, env=box.environment())
    assert done.code == 3, done.err
    assert report_role(page) == OWN_READS[:1]
    made_up = ["*", "Microsoft.Agency/secrets/read", "Microsoft.Authorization/roleAssignments/write"]
    document = json.loads(findings.read_text())
    gap = next(each for each in document["gaps"] if each["action"] == OWN_READS[0])
    document["gaps"] += [{**gap, "action": each} for each in made_up]
    document["own_actions"] = document["scan"]["own_actions"] = made_up
    findings.write_text(json.dumps(document))
    assert twolocks("report", findings, "--out", later).code == 0
    assert report_role(later) == []
    assert OWN_READS[0] in later.read_text()
