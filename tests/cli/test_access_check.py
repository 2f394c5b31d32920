"""`twolocks access check`: what it says of several logins, over the real clients on a real socket."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import pytest

from scanner.cli.access import DENIED
from scanner.model.ids import SUBSCRIPTION
from scanner.model.rule import questions
from scanner.rulebook import loader
from scanner.rulebook import permissions as access
from scanner.sandbox.estate import Estate, load_estate
from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import ResponseOverrides, RoleGrant
from scanner.sandbox.server import Sandbox, running
from tests.terminals import Ended, twolocks

PROD, TEST = "5b1d7c1e-0d2a-4c6b-9f53-2f6a1c0e7a10", "c4e0f7d2-7a31-4b8e-8d0c-91b6f2a3e5d4"
OWN = "Microsoft.Authorization/permissions/read"
CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers/read"
PERMISSIONS = "providers/Microsoft.Authorization/permissions"


@lru_cache
def rules() -> loader.RuleSet:
    return loader.load(packages=False)


@lru_cache
def estate() -> Estate:
    return load_estate()


@contextmanager
def box(*grants: RoleGrant, of: Estate | None = None, **more: Any) -> Iterator[Sandbox]:
    """An estate, the sample unless told, without its refused read, for a login with these roles."""
    with running(Sandbox.from_estate(of or estate(), refusals=[], grants=grants, **more)) as sandbox:
        yield sandbox


def check(served: Sandbox, *words: str, tty: bool = False) -> Ended:
    return twolocks("access", "check", *words, env=served.environment(), tty=tty)


def answer(served: Sandbox, *words: str) -> dict[str, Any]:
    ended = check(served, "--format", "json", *words)
    document: dict[str, Any] = json.loads(ended.out)
    assert document["exit"] == ended.code
    return document


def group(name: str, subscription: str = PROD) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{name}"


READER = RoleGrant("/", ("*/read",))
EVERY = len(questions(rules().enabled.values()))


# Over a real socket


def test_all_rights_decide_all_rules() -> None:
    with box(READER) as served:
        ended = check(served, tty=True)
        assert ended.code == 0
        assert ended.out.splitlines() == [
            f"scope  prod-journal  {EVERY:,} of {EVERY:,} rules can be evaluated  full visibility",
            f"scope  test-journal  {EVERY:,} of {EVERY:,} rules can be evaluated  full visibility",
        ]
        assert (
            f"Exit 0    the roles of this identity allow all reads of {EVERY:,} rules in prod-journal and" in ended.err
        )
        assert DENIED[:40] in ended.err
        piped = check(served).out.splitlines()
        assert piped[0].split("\t") == [
            "scope",
            "prod-journal",
            f"{EVERY:,} of {EVERY:,} rules can be evaluated",
            "full visibility",
            f"/subscriptions/{PROD}",
        ]


def test_nothing_but_permissions_and_the_first_pages_of_lists_is_read() -> None:
    with box(READER) as served:
        check(served)
        paths = [request.path for request in served.requests]
        lists = [path for path in paths if path.startswith("/subscriptions/") and not path.endswith(PERMISSIONS)]
        assert {request.method for request in served.requests if "oauth2" not in request.path} == {"GET"}
        assert len(lists) == 2
        assert sum(path.endswith(PERMISSIONS) for path in paths) == 2


def test_the_role_that_is_printed_decides_all_rules() -> None:
    role = json.loads(twolocks("access", "role").out)
    assert [each for each in role["Actions"] if "*" in each], "a wildcard covers what Azure has not registered"
    with box(RoleGrant("/", tuple(role["Actions"]), tuple(role["NotActions"]))) as served:
        assert (answer(served)["exit"], answer(served)["missing"]) == (0, [])
        effective = check(served, "--effective", tty=True)
        assert effective.code == 3
        assert "missing  scan --effective  Microsoft.Network/networkInterfaces/effective" in effective.out
        assert "Exit 3    scan --effective would be incomplete" in effective.err
    effective_role = json.loads(twolocks("access", "role", "--effective").out)["Actions"]
    with box(RoleGrant("/", tuple(effective_role))) as served:
        assert check(served, "--effective").code == 0


def test_a_role_that_lacks_an_action_says_which_rules_hang_on_it() -> None:
    with box(RoleGrant("/", ("*/read",), ("microsoft.storage/*/CONTAINERS/read",))) as served:
        hung = sorted({rule.id for rule in rules().enabled.values() if CONTAINERS in access.needs(rule)})
        ended = check(served, tty=True)
        assert ended.code == 3
        assert f"prod-journal  {EVERY - len(hung):,} of {EVERY:,} rules can be evaluated  full visibility" in ended.out
        assert ended.out.splitlines()[2:] == [f"missing  {len(hung)} rules  {CONTAINERS}"]
        count = len(hung)
        assert f"Exit 3    {count} rules in prod-journal and {count} in test-journal cannot be evaluated" in ended.err
        assert "twolocks access role > role.json" in ended.err
        row = check(served).out.splitlines()[-1].split("\t")
        assert row == ["missing", f"{count} rules", CONTAINERS, "prod-journal, test-journal", ", ".join(hung)]
        document = answer(served)
        assert document["missing"] == [
            {"action": CONTAINERS, "rules": hung, "scopes": [f"/subscriptions/{PROD}", f"/subscriptions/{TEST}"]}
        ]
        assert [each["undecided"] for each in document["scopes"]] == [hung, hung]
        one = check(served, "--only", "storage-plain-http", "-s", "prod-journal", tty=True)
        assert (one.code, one.out) == (0, "scope  prod-journal  1 of 1 rule can be evaluated  full visibility\n")


def test_missing_actions_are_sorted_by_the_rules_that_they_leave_undecided() -> None:
    with box(RoleGrant("/", ("*/read",), (CONTAINERS, "Microsoft.Sql/servers/read"))) as served:
        counts = [len(row["rules"]) for row in answer(served)["missing"]]
        assert counts == sorted(counts, reverse=True)
        assert answer(served)["missing"][0]["action"] == "Microsoft.Sql/servers/read"


WHOLE = {rule.id for rule in rules().enabled.values() if access.of_subscription(rule)}
"""The rules that need a role on the subscription itself: those on it, and on locks in it."""
ON_SUBSCRIPTION = {rule.id for rule in rules().enabled.values() if rule.resource_type.type == SUBSCRIPTION} & WHOLE
ANYWHERE = {rule.id for rule in rules().enabled.values() if access.looks_at_all(rule)}
"""The rules that may need a resource in any resource group: keys in vaults, backups in vaults, alerts."""


def test_rights_in_groups_alone_are_asked_group_by_group() -> None:
    grants = [RoleGrant(group("rg-test-data", TEST)), RoleGrant(group("rg-test-web", TEST), ("*/read",), (CONTAINERS,))]
    with box(*grants) as served:
        document = answer(served)
        assert [each["view"] for each in document["scopes"]] == ["partial"]
        assert CONTAINERS in [row["action"] for row in document["missing"]]
        assert set(document["scopes"][0]["unknown"]) == ANYWHERE - WHOLE - set(document["scopes"][0]["undecided"])
        asked = {request.path for request in served.requests if request.path.endswith(PERMISSIONS)}
        assert {path.split("/")[4] for path in asked if "resourcegroups" in path} == {"rg-test-data", "rg-test-web"}
        ended = check(served, tty=True)
        assert "test-journal has partial visibility" in " ".join(ended.err.split())
        assert ended.code == 3
        one = answer(served, "--scope", group("rg-test-data", TEST))
        decided = EVERY - len((WHOLE - ON_SUBSCRIPTION) | (ANYWHERE - ON_SUBSCRIPTION))
        assert [(each["name"], each["decided"]) for each in one["scopes"]] == [("test-journal/rg-test-data", decided)]


def test_in_part_but_with_all_rights_there_says_so() -> None:
    with box(RoleGrant(group("rg-test-data", TEST)), RoleGrant(group("rg-test-web", TEST))) as served:
        ended = check(served, tty=True)
        first, *others, refused = ended.out.splitlines()
        decided, unknown = EVERY - len(WHOLE | ANYWHERE), len(ANYWHERE - WHOLE)
        text = f"{decided:,} of {EVERY:,} rules can be evaluated, {unknown:,} unknown"
        assert first == f"scope  test-journal  {text}  partial visibility"
        assert len(others) == 16, "what is set on the subscription"
        assert re.fullmatch(r"missing  visibility  Microsoft\.\w+/\w+/read", refused)
        assert ended.code == 3


def test_roles_on_groups_do_not_make_up_for_a_list_of_the_whole_subscription() -> None:
    """A scan that sees a subscription in full lists each type there, once, and is refused."""
    every = [each["name"] for each in estate().resources if each["type"] == "Microsoft.Resources/resourceGroups"]
    lacks = RoleGrant(f"/subscriptions/{PROD}", ("*/read",), (CONTAINERS, "Microsoft.Sql/servers/read"))
    here = [RoleGrant(group(name), ("*/read",)) for name in every]
    with box(lacks, *here) as served:
        document = answer(served, "-s", "prod-journal")
        assert [row["action"] for row in document["missing"]] == ["Microsoft.Sql/servers/read"]


def test_a_login_without_any_right_ends_with_4() -> None:
    with box(RoleGrant("/subscriptions/of-others")) as served:
        ended = check(served)
        assert (ended.code, ended.out) == (4, "")
        assert "error: this login cannot read any subscription" in ended.err


def test_no_login_ends_with_4() -> None:
    with box(READER) as served:
        env = {name: value for name, value in served.environment().items() if name != "AZURE_CLIENT_SECRET"}
        ended = twolocks("access", "check", env=env)
        assert (ended.code, ended.out) == (4, "")


@pytest.mark.parametrize("status", [404, 405])
def test_where_the_subscription_is_not_answered_each_group_is_asked(status: int) -> None:
    lacks = RoleGrant(f"/subscriptions/{PROD}", ("*/read",), (CONTAINERS,))
    with box(lacks, overrides=ResponseOverrides(no_permissions=status)) as served:
        document = answer(served, "-s", PROD)
        assert [row["action"] for row in document["missing"]] == [CONTAINERS]
        assert document["scopes"][0]["view"] == "full"
        assert set(document["scopes"][0]["unknown"]) == WHOLE
    with box(READER, overrides=ResponseOverrides(no_permissions=status)) as served:
        result = answer(served)
        assert (result["exit"], result["missing"]) == (3, []), "what the roles on the subscription are is not known"


def test_a_group_that_could_not_be_asked_is_not_known_and_never_can() -> None:
    fault = Fault("status", f"*/resourcegroups/rg-kart/{PERMISSIONS}", status=400, code="BadRequest")
    with box(READER, overrides=ResponseOverrides(no_permissions=405), faults=[fault]) as served:
        document = answer(served, "-s", "prod-journal")
        assert document["exit"] == 3
        assert (document["scopes"][0]["decided"], len(document["scopes"][0]["unknown"])) == (0, EVERY)
        assert document["scopes"][0]["not-asked"] == {"rg-kart": "400 BadRequest"}
        ended = check(served, "-s", "prod-journal", tty=True)
        assert f"prod-journal  0 of {EVERY:,} rules can be evaluated, {EVERY:,} unknown  full visibility" in ended.out
        assert "groups of prod-journal: rg-kart (400 BadRequest)" in ended.err


def test_groups_that_cannot_be_listed_leave_all_unknown() -> None:
    fault = Fault("status", f"/subscriptions/{PROD}/resourcegroups", status=400, code="BadRequest")
    with box(READER, overrides=ResponseOverrides(no_permissions=404), faults=[fault]) as served:
        document = answer(served, "-s", "prod-journal")
        assert (document["exit"], document["scopes"][0]["decided"]) == (3, 0)
        ended = check(served, "-s", "prod-journal", tty=True)
        assert "the resource groups of prod-journal could not be listed: 400 BadRequest" in " ".join(ended.err.split())


def test_a_login_that_may_not_read_its_own_permissions_knows_nothing() -> None:
    with box(RoleGrant("/", ("*/read",), (OWN,))) as served:
        document = answer(served, "-s", "prod-journal")
        assert (document["exit"], document["scopes"][0]["decided"], document["missing"]) == (3, 0, [])
        assert set(document["scopes"][0]["not-asked"].values()) == {f"403, missing {OWN}"}
        assert "and 7 more" in " ".join(check(served, "-s", "prod-journal", tty=True).err.split())


def test_groups_with_hostile_names_are_not_asked_and_not_known() -> None:
    body = json.dumps({"value": [{"name": "../../x"}, {"name": 5}, {"name": ".."}, {"name": "a\u202eb"}, {}]})
    fault = Fault("status", f"/subscriptions/{PROD}/resourcegroups", status=200, body=body)
    with box(READER, overrides=ResponseOverrides(no_permissions=404), faults=[fault]) as served:
        document = answer(served, "-s", "prod-journal")
        assert document["scopes"][0]["decided"] == 0
        asked = [request.path for request in served.requests if request.path.endswith(PERMISSIONS)]
        assert not [path for path in asked if "resourcegroups" in path]
        assert "\u202e" not in check(served, "-s", "prod-journal").err


def test_entries_come_in_pages_and_add_up() -> None:
    locks = [RoleGrant("/", ("*/read",), (CONTAINERS,)), RoleGrant("/", (CONTAINERS,))]
    with box(*locks, page_size=1) as served:
        assert answer(served)["exit"] == 0


def test_a_disabled_subscription_is_not_visible_and_not_decided() -> None:
    off = [{**each, "state": "Disabled"} if each["subscriptionId"] == TEST else each for each in estate().subscriptions]
    with running(Sandbox(estate().resources, off, grants=[READER], tenant=estate().tenant)) as served:
        document = answer(served)
        assert [(each["view"], each["decided"]) for each in document["scopes"]] == [("full", EVERY), ("none", 0)]
        assert document["exit"] == 3


def test_a_management_group_is_all_subscriptions_below_it() -> None:
    tree = [{"name": "agency", "subscriptions": [TEST]}]
    with box(READER, management_groups=tree) as served:
        for words in (
            ("--management-group", "agency"),
            ("--scope", "/providers/Microsoft.Management/managementGroups/agency"),
            ("--scope", f"/subscriptions/{TEST}"),
        ):
            assert [each["name"] for each in answer(served, *words)["scopes"]] == ["test-journal"]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--scope", "prod-journal"), '"prod-journal" is not a scope'),
        (
            ("--scope", f"/subscriptions/{PROD}/resourceGroups/none"),
            'resource group "none" does not exist in prod-journal',
        ),
        (("--scope", f"/subscriptions/{PROD}/resourceGroups/a", "-s", TEST), "cannot be checked together"),
        (("-s", "prod-jurnal"), 'subscription "prod-jurnal" is none of the 2'),
        (("--format", "bicep"), 'unknown format "bicep"'),
        (("--only", "storage-none"), "matches no rule"),
        (("--cloud", "china"), "--cloud and --arm-endpoint exclude each other"),
    ],
)
def test_wrong_input_ends_with_2(words: tuple[str, ...], what: str) -> None:
    with box(READER) as served:
        ended = check(served, *words)
        assert (ended.code, ended.out) == (2, "")
        assert what in ended.err


def test_names_from_azure_end_no_line_and_no_cell() -> None:
    odd = [
        {**each, "displayName": "prod\n\tx\x1b[31m"}
        for each in estate().subscriptions
        if each["subscriptionId"] == PROD
    ]
    with running(Sandbox(estate().resources, odd, grants=[READER], tenant=estate().tenant)) as served:
        ended = check(served, "-s", PROD)
        assert ended.out.count("\n") == 1
        assert ended.out.split("\t")[:2] == ["scope", "prod<U+000A><U+0009>x<U+001B>[31m"]
