"""A fix is tried on a bundle and taken back; one that does nothing on a resource is not offered."""

from copy import deepcopy
from typing import Any, cast

import pytest

from scanner.evaluate import fixes, trials
from scanner.evaluate.trials import applied, can_try
from scanner.model.fix import REMOVE, Deletion, Edit
from scanner.model.index import Index, is_indexed
from scanner.model.resource import Bundle, Resource
from scanner.reach.networks.fabric import fabric_of
from scanner.reach.services.perimeters import ACCESS_RULES, with_access_rules
from scanner.snapshot.stored import BundleFile, StoredBundle
from tests.rules import examples
from tests.rules.examples import Case
from tests.rules.simulate import everything, fix_of, fixed

TOGETHER = examples.TOGETHER

SITE = "Microsoft.Web/sites"


def logic_app(rules: list[dict[str, Any]], default: str) -> Case:
    """A workflow that its signed address starts, behind these access restrictions."""
    case = deepcopy(next(each for each in examples.cases() if each.name.startswith("a workflow behind restrictions")))
    config = case.children["config/web"]["properties"]
    config |= {"ipSecurityRestrictions": rules, "ipSecurityRestrictionsDefaultAction": default}
    return case


def rule(address: str, position: int, tag: str = "Default") -> dict[str, Any]:
    return {"ipAddress": address, "action": "Allow", "tag": tag, "priority": position, "name": f"rule-{position}"}


@pytest.mark.parametrize(
    ("rules", "default", "removed"),
    [
        ([], "Allow", []),
        ([rule("Any", 100)], "Deny", [0]),
        ([rule("20.31.7.0/28", 1), rule("0.0.0.0/1", 2), rule("128.0.0.0/1", 3)], "Deny", [2, 1]),
        ([rule("20.31.7.0/28", 1), rule("AzureCloud", 2, "ServiceTag")], "Deny", [1]),
    ],
)
def test_a_fix_that_sets_what_is_set_gives_way_to_one_that_closes(
    rules: list[dict[str, Any]], default: str, removed: list[int]
) -> None:
    (result,) = (each for each in fixed(logic_app(rules, default)) if each.finding.rule == "logic-app-trigger-sas")
    fix = fix_of(result)
    command = " ".join(fix.commands)
    assert command.endswith(" ".join(f"--remove properties.ipSecurityRestrictions {position}" for position in removed))
    assert ("DefaultAction=Deny" in command) == (default == "Allow")
    assert fix.closes == ["trigger/order"]
    assert result.status == "pass"
    assert result.closed == {"trigger/order"}


def test_what_is_tried_is_taken_back() -> None:
    case = next(each for each in examples.cases() if each.type == SITE and "config/web" in each.children)
    bundle = examples.bundle(case)
    assert bundle.top is not None
    before = {key: deepcopy(each.body) for key, each in bundle.resources.items()}
    reads, below = dict(bundle.reads), {key: list(each) for key, each in bundle.below.items()}
    edits = (
        Edit(f"{bundle.id}/config/web", "properties.ftpsState", "Disabled"),
        Edit(f"{bundle.id}/config/new", "properties.x", 1),
        Edit(bundle.id, "properties.y", 2),
    )
    with applied(bundle, edits, "", Index()) as after:
        assert after is bundle
        assert bundle.top.get("properties.y") == 2
        assert bundle.resources[f"{bundle.top.key}/config/new"].get("properties.x") == 1
    assert {key: each.body for key, each in bundle.resources.items()} == before
    assert bundle.reads == reads
    assert {key: each for key, each in bundle.below.items() if each} == below


VAULT = f"/subscriptions/{examples.SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"


@pytest.mark.parametrize("is_stored", [False, True])
def test_a_bundle_of_the_index_is_tried_as_a_copy(is_stored: bool) -> None:
    """It may be in a file. During the trial the index finds the copy by its ids, and not what is gone."""
    memory = Bundle(VAULT.lower(), memo={})
    for id in (VAULT, f"{VAULT}/keys/a", f"{VAULT}/keys/b"):
        memory.add(Resource({"id": id, "properties": {"state": "before"}}, by="get", bundle=memory))
    bundle, index = BundleFile(None).put(memory) if is_stored else memory, Index()
    bundle.memo = {}
    for each in bundle.stored if isinstance(bundle, StoredBundle) else bundle.resources.values():
        index.add(each)
    steps = (Edit(VAULT, "properties.state", "after"), Deletion(f"{VAULT}/keys/a"))
    first, second = VAULT.lower(), f"{VAULT.lower()}/keys/b"
    for _ in range(2):
        with applied(bundle, steps, "", index) as after:
            assert after is not None
            assert after.top is index.find(VAULT)
            assert after.top is not None
            assert after.top.get("properties.state") == "after"
            assert after.resources[second].bundle.top is after.top
            assert list(after.resources) == list(index.resources) == [first, second]
            assert len(index.resources) == 2
            assert f"{VAULT.lower()}/keys/a" not in index.resources
        assert index.find(VAULT).get("properties.state") == "before"
        assert len(index.resources) == len(bundle.resources) == 3
    with applied(bundle, [Edit(VAULT, "properties.state", "before")], "", index) as after:
        assert after is None
    trials.release(bundle)
    assert not bundle.memo


def test_a_finding_about_a_resource_that_its_fix_deletes_is_resolved() -> None:
    deleted = [
        each
        for each in everything()
        if each.fix.changes == (Deletion(each.finding.resource),) and each.status == "gone"
    ]
    assert len({each.finding.rule for each in deleted}) > 10
    assert {each.id for each in deleted if fixes.NOT_ALONE in fix_of(each).steps} == set()


def test_what_is_said_not_to_suffice_does_not() -> None:
    fixeds = [each for each in everything() if fixes.NOT_ALONE in fix_of(each).steps]
    assert {each.id: each.status for each in fixeds if each.status not in ("fail", "unknown")} == {}


NETWORK = f"/subscriptions/{examples.SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network"
GROUP = f"{NETWORK}/networkSecurityGroups/nsg"
PROFILE = f"{NETWORK}/networkSecurityPerimeters/nsp/profiles/main"


def test_what_of_the_index_is_tried_is_taken_back() -> None:
    """A group, an access rule of a perimeter and a child resource are other ones, or gone, during the trial."""
    bundle = examples.bundle(next(each for each in examples.cases() if "config/web" in each.children))
    opened = {"name": "open", "properties": {"priority": 100, "direction": "Inbound", "access": "Allow"}}
    index = Index()
    for id, properties in (
        (GROUP, {"securityRules": [opened]}),
        (f"{PROFILE}/accessRules/in", {"direction": "Inbound", "addressPrefixes": ["0.0.0.0/0"]}),
    ):
        index.add(Resource({"id": id, "name": id.rsplit("/", 1)[-1], "properties": properties}))
    fabric, key = fabric_of(index), GROUP.lower()
    with with_access_rules(index, {f"{PROFILE}/accessRules/in".lower(): lambda body: body}) as is_changed:
        assert not is_changed
    known, rules, resources = fabric.groups[key], index.memo[ACCESS_RULES], dict(bundle.resources)
    steps = (
        Edit(GROUP, "properties.securityRules", REMOVE, opened),
        Deletion(f"{PROFILE}/accessRules/in"),
        Deletion(f"{bundle.id}/config/web"),
    )
    assert bundle.top is not None
    assert can_try(bundle.top, steps, index)
    with applied(bundle, steps, "", index) as after:
        assert after is bundle
        assert fabric.groups[key] is not known
        assert not any(cast("dict[str, Any]", index.memo[ACCESS_RULES]).values())
        assert f"{bundle.top.key}/config/web" not in bundle.resources
    assert fabric.groups[key] is known
    assert index.memo[ACCESS_RULES] is rules
    assert bundle.resources == resources


def test_every_endpoint_that_a_fix_claims_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without trials no fix claims an endpoint; with them, some do."""
    kinds = {type(step).__name__ for each in everything() if fix_of(each).closes for step in each.fix.changes}
    assert kinds == {"Edit", "Deletion"}
    monkeypatch.setattr(fixes, "can_try", lambda *_: False)
    claiming = {each.case.id: each.case for each in everything() if fix_of(each).closes or fix_of(each).also_closes}
    assert any(is_indexed(each.type) for each in claiming.values())
    for each in claiming.values():
        bundle_result = examples.evaluation(each).evaluate(examples.bundle(each))
        assert not [row.rule for row in bundle_result.findings if row.fix and (row.fix.closes or row.fix.also_closes)]


def test_what_is_known_elsewhere_is_not_tried() -> None:
    top = examples.bundle(next(each for each in examples.cases() if each.type == SITE)).top
    assert top is not None
    assert can_try(top, [Edit(f"{top.id}/config/web", "properties.x", True)], Index())
    assert not can_try(top, [], Index())
    assert not can_try(top, [Deletion(top.id)], Index())
    assert not can_try(top, [Edit(f"{top.id}x", "properties.x", True)], Index())
    assert not can_try(
        top, [Edit(f"{top.id}/providers/Microsoft.Authorization/locks/a", "properties.level", "x")], Index()
    )
    assert not can_try(top, [Edit(top.id, "properties.x", "<WORKSPACE_ID>")], Index())
