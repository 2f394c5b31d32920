"""Each action of the role has a source, or a wildcard that Azure accepts; the role is the same in every form."""

import json
import tomllib
from functools import cache

import pytest

from scanner.collect.bodies import Role, allows
from scanner.report.views.gaps import GapGroup, role_definition
from scanner.rulebook import loader
from scanner.rulebook import permissions as access
from scanner.rulebook.registered_actions import (
    Wildcard,
    granted,
    registered,
    sources,
    unverified,
    wildcard_of,
    wildcards,
    without,
)
from tests.rulebook import actions
from tests.terminals import twolocks

CITUS = "Microsoft.DBforPostgreSQL/serverGroupsv2/read"
BUILDS = "Microsoft.Web/staticSites/builds/read"


needed = cache(actions.needed)
HINT = "run `make paths` with FACTS, or list these in scanner/rulebook/registered_actions.toml, below their source"


def test_each_action_of_a_scan_has_a_source_or_a_wildcard() -> None:
    assert unverified(needed()) == [], HINT


def test_make_paths_adds_an_action_to_the_list_of_its_source() -> None:
    text = actions.FILE.read_text("utf-8")
    made = actions.with_actions(text, {"Microsoft.Agency/things/read": "built-in-roles"})
    added = [line for line in made.splitlines() if line not in text.splitlines()]
    assert added == ['    "Microsoft.Agency/things/read",']
    before = tomllib.loads(text)["registered"]
    after = tomllib.loads(made)["registered"]
    assert set(after["built-in-roles"]["actions"]) - set(before["built-in-roles"]["actions"]) == {
        "Microsoft.Agency/things/read"
    }
    assert {**after, "built-in-roles": None} == {**before, "built-in-roles": None}


def test_each_action_of_the_role_has_a_source_or_is_a_wildcard_of_the_list() -> None:
    definition = json.loads(access.role(needed()))
    ours = {each.action for each in wildcards()}
    assert [each for each in definition["Actions"] if each not in ours and each.lower() not in registered()] == [], HINT
    assert ours <= set(definition["Actions"])


def test_the_list_holds_what_is_needed_and_no_more() -> None:
    folded = {each.lower() for each in needed()}
    assert sorted(set(registered()) - folded) == []
    assert sorted(each for one in wildcards() for each in one.covers if each.lower() not in folded) == []


def test_an_action_stands_once_and_its_source_says_where_it_was_seen() -> None:
    stands = [action.lower() for each in sources().values() for action in each.actions]
    assert len(stands) == len(set(stands)) == len(registered())
    assert not [action for each in wildcards() for action in each.covers if action.lower() in registered()]
    assert all(len(each.source) > 20 for each in sources().values())


@pytest.mark.parametrize("each", wildcards(), ids=lambda each: each.action)
def test_a_wildcard_covers_what_it_says_and_matches_a_registered_action(each: Wildcard) -> None:
    grants: Role = ([each.action], list(each.without))
    assert all(allows(grants, action) for action in each.covers)
    assert each.matches.lower() in registered()
    assert allows(grants, each.matches)


@pytest.mark.parametrize("each", wildcards(), ids=lambda each: each.action)
@pytest.mark.parametrize(
    "action",
    [
        "Microsoft.DBforPostgreSQL/flexibleServers/write",
        "Microsoft.DBforPostgreSQL/flexibleServers/queryTexts/read",
        "Microsoft.DBforPostgreSQL/servers/logFiles/read",
        "Microsoft.Web/sites/config/appsettings/read",
        "Microsoft.Web/sites/config/list/Action",
        "Microsoft.Web/sites/functions/masterkey/read",
        "Microsoft.Web/sites/hostruntime/host/_master/read",
        "Microsoft.Web/sites/slots/config/web/connectionstrings/read",
        "Microsoft.Web/staticSites/listappsettings/Action",
        "Microsoft.Web/staticSites/listsecrets/action",
    ],
)
def test_a_wildcard_grants_no_secret(each: Wildcard, action: str) -> None:
    assert each.action.endswith("/read")
    assert not allows(([each.action], list(each.without)), action)


def test_what_a_wildcard_excludes_is_needed_by_no_rule() -> None:
    excluded: Role = (without(granted(needed())), [])
    assert excluded[0]
    assert [each for each in needed() if allows(excluded, each)] == []


def test_the_printed_role_allows_each_action_that_a_scan_asks_for() -> None:
    definition = json.loads(twolocks("access", "role", "--effective").out)
    role = (definition["Actions"], definition["NotActions"])
    enabled = access.actions(loader.load(packages=False), effective=True)
    assert [each for each in enabled if not allows(role, each)] == []


def test_a_role_without_such_actions_has_no_wildcard_and_excludes_nothing() -> None:
    ended = twolocks("access", "role", "--only", "storage-*")
    definition = json.loads(ended.out)
    assert definition["NotActions"] == []
    assert not [each for each in definition["Actions"] if "*" in each]
    assert wildcard_of("Microsoft.Storage/storageAccounts/read") is None


def test_the_role_of_the_gaps_has_the_wildcard_although_the_gap_names_the_action() -> None:
    groups = [
        GapGroup(action, "s", missing_permission=True) for action in (CITUS, BUILDS, "Microsoft.Web/staticSites/read")
    ]
    definition = json.loads(role_definition(groups))
    assert definition["Actions"] == [
        "Microsoft.DBforPostgreSQL/*/read",
        "Microsoft.Web/staticSites/*/read",
        "Microsoft.Web/staticSites/read",
    ]
    assert definition["NotActions"] == without(["Microsoft.DBforPostgreSQL/*/read"])


def test_only_an_action_of_an_own_rule_is_not_verified() -> None:
    named = ["Agency.Journal/cases/read", CITUS, "microsoft.storage/STORAGEACCOUNTS/read"]
    assert unverified(named) == ["Agency.Journal/cases/read"]
