"""What becomes of findings and endpoints that a waiver file accepts, in an evaluation."""

from datetime import date
from pathlib import Path
from typing import Any

from scanner.config.waiver_reader import load
from scanner.config.waivers import WaiverFile
from scanner.evaluate.policy import Intended, Policy
from scanner.model.resource import Gap
from scanner.rulebook import loader
from tests.evaluate.test_run import ACCOUNT, run, store

TODAY = date(2026, 11, 25)
RULES = """
from scanner.model.resource_type import Endpoint
from scanner.model.exposure import Auth, Exposure, Reach, possible, grant
from scanner.model.resource_type import ResourceType
from scanner.model.rule import FixTemplate, Rule, rule
from scanner.model.verdict import Fail, Pass, Unread

STORE = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
FIX = FixTemplate(az="az thing close --ids {id}", impact="x")

@STORE.endpoints(Endpoint("one", "data"), Endpoint("two", "data"))
def endpoints(resource, index):
    yield Exposure("one", "data", REACH, grant(Auth.shared))
    yield Exposure("two", "data", grant(Reach.internet), grant(Auth.shared))

TEXT = {"why": "w", "fix": FIX}
LOCK = {"resource_type": STORE, "endpoints": ("one", "two"), **TEXT}
NETWORK = Rule(id="mine-network", category="network", title="Open", **LOCK)
LOGIN = Rule(id="mine-login", category="authentication", title="Keys", **LOCK)

@rule(STORE, "mine-named", category="governance", title="Names two", severity="low", **TEXT)
def named(resource, index):
    return Fail((), endpoints=("a", "b"))
"""


def evaluated(tmp_path: Path, waivers: str, *, reach: str = "grant(Reach.internet)", **tags: str) -> Any:
    """The document, the evaluation and the waiver file of an account with two endpoints."""
    (tmp_path / "mine.py").write_text(RULES.replace("REACH", reach))
    rules = loader.load(code=[tmp_path], built_in=False, packages=False)
    waiver_file = accepted(tmp_path, rules, waivers)
    document, evaluation = run(
        store({"id": ACCOUNT, "tags": tags, "properties": {}}), rules, Policy(waivers=waiver_file)
    )
    return document, evaluation, waiver_file


def accepted(tmp_path: Path, rules: loader.RuleSet, waivers: str) -> WaiverFile:
    path = tmp_path / "waivers.toml"
    path.write_text(waivers)
    return load(path, rules, today=TODAY, allow_tag=True)


def entry(rule: str, *more: str, where: str = 'resource = "*/st"', expires: str = "2026-12-31") -> str:
    lines = ["[[waiver]]", f'rule = "{rule}"', where, 'reason = "r"', 'owner = "kari"', f"expires = {expires}", *more]
    return "\n".join(lines) + "\n"


def finding(document: Any, rule: str) -> Any:
    return next(row for row in document["findings"] if row["rule"] == rule)


def states(document: Any) -> dict[str, str]:
    return {row["endpoint"]: row["state"] for row in document["exposures"]}


def test_an_endpoint_is_waived_only_when_each_rule_that_fails_on_it_is(tmp_path: Path) -> None:
    one = 'endpoints = ["one"]'
    document, evaluation, _ = evaluated(tmp_path, entry("mine-network", one))
    assert states(document) == {"one": "open", "two": "open"}
    document, evaluation, _ = evaluated(tmp_path, entry("mine-network", one) + entry("mine-login", one))
    assert states(document) == {"one": "waived", "two": "open"}
    assert (evaluation.result.counts.states["waived"], evaluation.result.counts.open.total()) == (1, 1)
    row = finding(document, "mine-network")
    assert (row["status"], row["endpoints"], row["waiver"]) == ("fail", ["two"], None)
    assert row["message"].endswith(" Accepted: one.")


def test_two_waivers_cover_a_finding_together_and_the_first_to_expire_is_reported(tmp_path: Path) -> None:
    texts = entry("mine-*", 'endpoints = ["one"]') + entry("mine-*", 'endpoints = ["two"]', expires="2026-12-01")
    document, _, _ = evaluated(tmp_path, texts)
    assert states(document) == {"one": "waived", "two": "waived"}
    assert finding(document, "mine-login")["waiver"]["expires"] == "2026-12-01"
    assert [row["waiver"]["expires"] for row in document["exposures"]] == ["2026-12-31", "2026-12-01"]


def test_a_property_that_names_endpoints_is_waived_when_all_of_them_are(tmp_path: Path) -> None:
    document, _, _ = evaluated(tmp_path, entry("mine-named", 'endpoints = ["a"]'))
    assert finding(document, "mine-named")["status"] == "fail"
    document, _, _ = evaluated(tmp_path, entry("mine-named", 'endpoints = ["a", "b"]'))
    assert finding(document, "mine-named")["status"] == "waived"


def test_what_is_waived_but_may_be_worse_is_still_incomplete(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    text = RULES.replace("REACH", "grant(Reach.selected) | possible(Reach.internet, Unread('rules', '403'))")
    text = text.replace('Rule(id="mine-network"', 'None and Rule(id="mine-network"')
    (tmp_path / "mine" / "mine.py").write_text(text)
    rules = loader.load(code=[tmp_path / "mine"], built_in=False, packages=False)
    waiver_file = accepted(tmp_path, rules, entry("mine-*"))
    document, evaluation = run(store({"id": ACCOUNT, "properties": {}}), rules, Policy(waivers=waiver_file))
    assert states(document) == {"one": "waived", "two": "waived"}
    assert "unknown" not in {row["status"] for row in document["findings"]}
    assert not evaluation.result.complete


def test_an_expired_waiver_opens_the_finding_again_and_says_so(tmp_path: Path) -> None:
    document, _, result = evaluated(tmp_path, entry("mine-*", expires="2026-11-24"))
    assert states(document) == {"one": "open", "two": "open"}
    for rule in ("mine-network", "mine-named"):
        row = finding(document, rule)
        assert (row["status"], row["lapsed"]["owner"]) == ("fail", "kari")
        assert row["message"].endswith("The waiver of kari expired on 2026-11-24.")
    assert result.expired == 1


def test_a_tag_of_the_parent_counts_for_a_child_without_tags(tmp_path: Path) -> None:
    rules = loader.load(packages=False)
    waiver_file = accepted(tmp_path, rules, entry("storage-anonymous-blob-access", where='tag = "waived=yes"'))
    made = store({"id": ACCOUNT, "tags": {"Waived": "yes"}, "properties": {"allowBlobPublicAccess": True}})
    ids = [f"{ACCOUNT}/blobServices/default/containers/{name}" for name in "ab"]
    for id, tags in zip(ids, ({}, {"other": "x"}), strict=True):
        body = {"id": id, "tags": tags, "properties": {"publicAccess": "Blob"}}
        made.resource(body, "2025-08-01", "list")
    made.read(f"{ACCOUNT}/blobServices/default/containers", 2)
    document, _ = run(made, rules, Policy(waivers=waiver_file))
    got = {row["resource"]: row["status"] for row in document["findings"] if "anonymous-blob" in row["rule"]}
    assert got == dict(zip(ids, ("waived", "fail"), strict=True))


def test_a_second_evaluation_counts_anew(tmp_path: Path) -> None:
    _, evaluation, document = evaluated(tmp_path, entry("mine-named"))
    used = sum(document.used.values())
    assert used
    run(store(), evaluation.rules, evaluation.policy)
    assert sum(document.used.values()) == 0
    assert not document.accepted_gap(Gap("/x", 403, ""))


def test_a_property_that_is_worse_than_the_accepted_severity_is_not_waived(tmp_path: Path) -> None:
    document, *_ = evaluated(tmp_path, entry("mine-named", 'severity = "info"'))
    assert finding(document, "mine-named")["status"] == "fail"
    document, *_ = evaluated(tmp_path, entry("mine-named", 'severity = "low"'))
    assert finding(document, "mine-named")["status"] == "waived"


def test_a_finding_does_not_call_accepted_what_the_settings_intend(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(RULES.replace("REACH", "grant(Reach.internet)"))
    rules = loader.load(code=[tmp_path], built_in=False, packages=False)
    policy = Policy(intended=(Intended("*/st", "one", "the public site"),))
    row = finding(run(store({"id": ACCOUNT, "properties": {}}), rules, policy)[0], "mine-network")
    assert (row["status"], row["endpoints"]) == ("fail", ["two"])
    assert "Accepted" not in row["message"]
