"""What rules need to read, and the role that is made of it: valid as JSON, Bicep and Terraform."""

import json
import re
from functools import lru_cache
from typing import Any

import hcl2
import pytest
import tree_sitter
import tree_sitter_bicep

from scanner.errors import InputError
from scanner.model.index import EXTENSIONS, INDEX_TYPES
from scanner.model.rule import Rule
from scanner.rulebook import loader
from scanner.rulebook import permissions as access
from tests.rules.each import each_rule
from tests.terminals import SUB, twolocks

HERE = f"/subscriptions/{SUB}"
AGENCY = "/providers/Microsoft.Management/managementGroups/agency"


@lru_cache
def rules() -> loader.RuleSet:
    return loader.load(packages=False)


def folded(actions: Any) -> set[str]:
    return {each.lower() for each in actions}


# What a rule needs


@each_rule
def test_a_rule_needs_at_least_the_read_of_its_type(rule: Rule) -> None:
    needed = access.needs(rule)
    assert {f"{type}/read" for type in rule.resource_type.types} <= needed
    if rule.subject is not None:
        assert set(rule.subject.actions) <= needed
    assert all(each.endswith("/read") for each in needed)


def test_the_role_is_what_the_rules_need_with_the_index_and_what_every_scan_reads() -> None:
    for only in ([], ["storage-*"], ["machine-*", "category:transport"]):
        rule_set = loader.load(packages=False)
        rule_set.select(only)
        needed = {action for rule in rule_set.enabled.values() for action in access.needs(rule)}
        index = {f"{type}/read" for type in INDEX_TYPES if type.lower() not in EXTENSIONS}
        index |= {action for child in rule_set.looked_up() for action in child.actions}
        index |= {f"{type}/read" for kind in rule_set.read() if not rule_set.rules_of(kind) for type in kind.types}
        assert folded(access.actions(rule_set)) == folded({*needed, *access.ALWAYS, *index})


def test_a_child_s_parents_are_needed_too() -> None:
    needed = access.needs(rules().rules["storage-anonymous-blob-access"])
    assert "Microsoft.Storage/storageAccounts/blobServices/containers/read" in needed
    assert "Microsoft.Storage/storageAccounts/read" in needed


def test_paths_of_machines_hang_on_the_networks_and_a_plain_setting_does_not() -> None:
    machine, plain = (access.looks(rules().rules[id]) for id in ("machine-web-port-anonymous", "storage-plain-http"))
    assert "Microsoft.Network/loadBalancers/read" in machine
    assert access.GRAPH in machine
    assert not plain
    assert not [each for each in machine if "effectiveSecurityAdminRules" in each]


# Where the role may be assigned


@pytest.mark.parametrize(
    "text",
    [HERE, f"{HERE}/", f"{HERE}/resourceGroups/rg-journal", f"{HERE}/resourcegroups/rg.(1)_a", AGENCY],
)
def test_a_scope(text: str) -> None:
    assert access.scope(text) == text.rstrip("/")


@pytest.mark.parametrize(
    "text",
    [
        "prod-journal",
        "/",
        "/subscriptions/prod",
        f"{HERE}/resourceGroups/a/b",
        f"{HERE}/providers/Microsoft.Storage/storageAccounts/st",
        f"{AGENCY}/x",
        f"{AGENCY}'\n",
        "/providers/Microsoft.Management/managementGroups/",
    ],
)
def test_no_scope(text: str) -> None:
    with pytest.raises(InputError, match="is not a scope"):
        access.scope(text, "--scope X")
    ended = twolocks("access", "role", "--scope", text)
    assert (ended.code, ended.out) == (2, "")
    assert "/subscriptions/ID/resourceGroups/NAME" in ended.err


def test_a_role_names_one_management_group_at_most() -> None:
    ended = twolocks("access", "role", "--scope", AGENCY, "--scope", f"{AGENCY}-2")
    assert (ended.code, ended.out) == (2, "")
    assert "error: a custom role can have one management group, not 2\n--> --scope " in ended.err


# The three forms


def parsed(text: str) -> tree_sitter.Node:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language())).parse(text.encode()).root_node


def strings(node: tree_sitter.Node) -> list[str]:
    """The texts of all string literals below a node."""
    if node.type == "string":
        assert node.text is not None
        return [node.text.decode()[1:-1].replace("\\'", "'").replace("\\\\", "\\")]
    return [text for child in node.children for text in strings(child)]


def lists(node: tree_sitter.Node) -> list[list[str]]:
    inner = [matches for child in node.children for matches in lists(child)]
    return [*inner, strings(node)] if node.type == "array" else inner


@pytest.mark.parametrize(
    ("scopes", "level"),
    [([], "subscription"), ([HERE], "subscription"), ([HERE, AGENCY], "managementGroup")],
)
def test_bicep_parses_and_says_the_same_as_the_json(scopes: list[str], level: str) -> None:
    actions = access.actions(rules(), effective=True)
    tree = parsed(access.role(actions, scopes, "bicep"))
    assert not tree.has_error
    assert strings(tree)[0] == level
    assert f"guid({level}().id," in access.role(actions, scopes, "bicep")
    definition = json.loads(access.role(actions, scopes))
    assert definition["Actions"] in lists(tree)
    assert definition["NotActions"] in lists(tree)
    assert definition["AssignableScopes"] in lists(tree)
    assert parsed(access.role(actions, scopes, "bicep").replace("actions: [", "actions: [[")).has_error


@pytest.mark.parametrize("scopes", [[], [HERE], [HERE, f"{HERE}/resourceGroups/rg"], [HERE, AGENCY]])
def test_terraform_parses_and_says_the_same_as_the_json(scopes: list[str]) -> None:
    actions = access.actions(rules())
    result = hcl2.loads(access.role(actions, scopes, "terraform") + "\n")
    role = plain(result["resource"][0])["azurerm_role_definition"]["twolocks"]
    definition = json.loads(access.role(actions, scopes))
    assert role["permissions"][0]["actions"] == definition["Actions"]
    assert role["permissions"][0]["not_actions"] == definition["NotActions"]
    assert role["assignable_scopes"] == definition["AssignableScopes"]
    assert role["scope"] == definition["AssignableScopes"][0]
    assert (role["name"], role["description"]) == (definition["Name"], definition["Description"])


def plain(value: Any) -> Any:
    """What the parser gives, without the quotes that it keeps around texts."""
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items() if key != "__is_block__"}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return json.loads(value) if isinstance(value, str) and value.startswith('"') else value


def test_a_role_on_a_management_group_is_made_there_and_holds_no_data_actions() -> None:
    definition = json.loads(access.role(["a/read"], [HERE, AGENCY]))
    assert definition["AssignableScopes"] == [AGENCY, HERE]
    assert definition["DataActions"] == definition["NotDataActions"] == []
    for format in ("bicep", "terraform"):
        assert not re.search("data_?actions", access.role(["a/read"], [AGENCY], format), re.I)


def test_quotes_in_a_text_do_not_end_it() -> None:
    odd = "it's \\ odd/read"
    assert [odd] in lists(parsed(access.role([odd], [HERE], "bicep")))
    result = hcl2.loads(access.role(['say "no"/read'], [HERE], "terraform") + "\n")
    role = plain(result["resource"][0])["azurerm_role_definition"]["twolocks"]
    assert role["permissions"][0]["actions"] == ['say "no"/read']


LOG_DESTINATIONS = {
    "Microsoft.Storage/storageAccounts/read",
    "Microsoft.OperationalInsights/workspaces/read",
    "Microsoft.EventHub/namespaces/read",
    "Microsoft.ServiceBus/namespaces/read",
}


@each_rule
def test_a_rule_on_logs_needs_their_destinations(rule: Rule) -> None:
    """With `--only activity-log-not-exported`, no workspace was read, so that a scan without Resource Graph did not
    decide.
    """
    sends = any(child.type.lower() == "microsoft.insights/diagnosticsettings" for child in loader.reads_of(rule))
    if rule.category == "logging" and sends:
        assert access.needs(rule) >= LOG_DESTINATIONS
