"""`access check` beside scans with the same logins: no rule that it calls decidable stays undecided by a refusal."""

import asyncio
import json
from functools import lru_cache, partial
from typing import Any

import pytest

from scanner.azure.clients import ConnectionOptions, connect
from scanner.collect.collector import Plan, Scope, collect
from scanner.model.ids import subscription_of, type_of
from scanner.model.index import EXTENSIONS, INDEX_TYPES
from scanner.rulebook import permissions as access
from scanner.sandbox.served_estate import RoleGrant
from scanner.sandbox.server import serve
from scanner.scan.joined import joined
from scanner.snapshot.format import GapLine, Header, SnapshotLine, url_of
from scanner.snapshot.store import Store
from tests.cli.test_access_check import CONTAINERS, PROD, READER, TEST, answer, box, estate, group, rules
from tests.estate.parts import one_of_each_type
from tests.evaluate.test_run import run
from tests.sampled import some
from tests.terminals import twolocks

SQL = "Microsoft.Sql/servers/firewallRules/read"


class Silent:
    def __getattr__(self, name: str) -> Any:
        return lambda *words: None


async def read(url: str) -> list[SnapshotLine]:
    store = Store(Header(taken="2026-11-25T00:00:00Z"))
    plan = Plan(rules().read(), rules().reads(), joined=partial(joined, rules(), store, graph=True))
    async with connect(ConnectionOptions(arm_endpoint=url, auth="environment", limits=False)) as reader:
        await collect(reader, Scope(), plan, store, Silent())
    return list(store.decoded())


def scanned(*grants: RoleGrant) -> tuple[list[SnapshotLine], dict[str, Any]]:
    """What a scan writes for a login with these roles, and what `access check` says of it."""

    with box(*grants, of=one_of_each_type()) as served, pytest.MonkeyPatch.context() as patch:
        for name, value in served.environment().items():
            patch.setenv(name, value)
        return asyncio.run(read(served.url)), answer(served)


def undecided(lines: list[SnapshotLine]) -> set[tuple[str, str]]:
    """The resources and rules with a check that is undecided."""
    store = Store(Header(taken="2026-11-25T00:00:00Z"))
    for line in lines:
        store.add(line)
    document, _ = run(store, rules())
    matches = (each for each in document["findings"] if each["status"] == "unknown")
    return {(each["resource"], each["rule"]) for each in matches}


@lru_cache
def whole() -> tuple[list[SnapshotLine], frozenset[tuple[str, str]]]:
    """A scan with all rights, and what is undecided all the same."""
    lines, _ = scanned(READER)
    return lines, frozenset(undecided(lines))


@lru_cache
def storage_role() -> tuple[str, ...]:
    return tuple(json.loads(twolocks("access", "role", "--only", "storage-*").out)["Actions"])


LOGINS = {
    "children": [RoleGrant("/", ("*/read",), (CONTAINERS, SQL))],
    "balancers": [RoleGrant("/", ("*/read",), ("Microsoft.Network/loadBalancers/*",))],
    "perimeters": [RoleGrant("/", ("*/read",), ("Microsoft.Network/networkSecurityPerimeters/*",))],
    "apps": [
        RoleGrant("/", ("*/read",), ("Microsoft.Web/sites/config/*", "Microsoft.Cdn/*", "Microsoft.App/managed*"))
    ],
    "groups": [
        RoleGrant(group("rg-test-data", TEST)),
        RoleGrant(group("rg-test-web", TEST), ("*/read",), (CONTAINERS, SQL)),
    ],
    "one type": [RoleGrant(f"/subscriptions/{PROD}", ("Microsoft.Storage/*", "*/permissions/read"))],
    "role": [RoleGrant(f"/subscriptions/{PROD}", storage_role()), RoleGrant(f"/subscriptions/{TEST}")],
    "both": [RoleGrant(f"/subscriptions/{PROD}"), RoleGrant(group("rg-test-web", TEST), storage_role())],
}


@lru_cache
def scanned_by(login: str) -> tuple[list[SnapshotLine], dict[str, Any]]:
    return scanned(*LOGINS[login])


# Each login is a live scan.
@pytest.mark.parametrize("login", some(LOGINS, 4))
def test_what_the_check_calls_decidable_a_scan_decides(login: str) -> None:
    lines, stated = scanned_by(login)
    missed = undecided(lines) - whole()[1]
    for scope in stated["scopes"]:
        lacking = {*scope["undecided"], *scope["unknown"]}
        mine = {rule for resource, rule in missed if subscription_of(resource).lower() == scope["scope"].split("/")[2]}
        assert mine <= lacking, sorted(mine - lacking)


@pytest.mark.parametrize("type", some((each for each in INDEX_TYPES if each.lower() not in EXTENSIONS), 8))
def test_what_a_type_of_the_index_leaves_undecided_needs_it(type: str) -> None:
    """The table of what verdicts look up, held to a scan in which each type of the index is refused in turn."""

    def gone(line: SnapshotLine) -> bool:
        below = f"{type}/".lower()
        return bool(line.resource or line.read) and f"{type_of(url_of(line))}/".lower().startswith(below)

    kept = [line for line in whole()[0] if not gone(line)]
    above, last = type.rsplit("/", 1)
    bodies = [line.resource for line in kept if line.resource is not None]
    lists = [f"{each['id']}/{last}" for each in bodies if type_of(str(each["id"])).lower() == above.lower()]
    if above.count("/") == 0:
        lists = [f"/subscriptions/{each}/providers/{type}" for each in (PROD, TEST)]
    refused = [SnapshotLine(gap=GapLine(each, 403, "AuthorizationFailed", f"{type}/read")) for each in lists]
    for resource, id in undecided([*kept, *refused]) - whole()[1]:
        # On a subscription a rule says of one of its types that it is not listed.
        asked = [rules().named(id, resource)] if "/providers/" in resource else rules().all_named(id)
        assert any(rule and f"{type}/read" in access.needs(rule) for rule in asked), (resource, id)


def test_without_resource_graph_the_chains_of_machines_are_undecided() -> None:
    admin = next(each for each in INDEX_TYPES if each.lower() in EXTENSIONS)
    kept = [line for line in whole()[0] if line.resource or not url_of(line).lower().endswith(admin.lower())]
    refused = [
        SnapshotLine(gap=GapLine(f"/subscriptions/{each}/providers/{admin}", 403, "AuthorizationFailed", access.GRAPH))
        for each in (PROD, TEST)
    ]
    missed = {rule for _, rule in undecided([*kept, *refused]) - whole()[1]}
    assert missed
    assert all(access.GRAPH in access.needs(rules().rules[rule]) for rule in missed)


def refused(lines: list[SnapshotLine]) -> set[tuple[str, str]]:
    """The subscriptions and actions that a scan reports as missing permissions."""
    gap_lines = (
        line.gap for line in lines if line.gap is not None and line.gap.action and line.gap.status in (401, 403)
    )
    return {(subscription_of(gap.url), gap.action.lower()) for gap in gap_lines}


def missing(stated: dict[str, Any]) -> set[tuple[str, str]]:
    """The subscriptions and actions that `access check` reports as missing."""
    return {(subscription_of(scope), row["action"].lower()) for row in stated["missing"] for scope in row["scopes"]}


# Each login is a live scan.
@pytest.mark.parametrize("login", some(LOGINS, 4))
def test_what_a_scan_reports_as_missing_the_check_reports_too(login: str) -> None:
    lines, stated = scanned_by(login)
    assert refused(lines) <= missing(stated)


def test_the_demo_misses_the_same_permissions_for_a_scan_and_for_the_check() -> None:
    """The refused list of containers was a fault of one account, which no role shows: the check said "all rules"."""
    with serve(estate()) as served, pytest.MonkeyPatch.context() as patch:
        for name, value in served.environment().items():
            patch.setenv(name, value)
        lines, stated = asyncio.run(read(served.url)), answer(served)
    of_subscription = {each.lower() for rule in rules().enabled.values() for each in access.of_subscription(rule)}
    shown = {action for subscription, action in refused(lines) if subscription == TEST}
    assert refused(lines) == missing(stated)
    assert {action for subscription, action in missing(stated) if subscription == PROD} == {CONTAINERS.lower()}
    assert shown - of_subscription == {next(row["action"].lower() for row in stated["missing"] if not row["rules"])}
    assert len(shown & of_subscription) == 16, "what is set on a subscription that is visible in part"
