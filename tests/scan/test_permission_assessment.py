"""Which actions count as missing for the rules, given the roles in each scope."""

from functools import lru_cache
from typing import Any

from scanner.collect.permissions import SubscriptionPermissions
from scanner.rulebook import loader, permissions
from scanner.scan.permission_assessment import assess, missing, wanted

IDS = {"prod": "5b1d7c1e-0d2a-4c6b-9f53-2f6a1c0e7a10", "test": "c4e0f7d2-7a31-4b8e-8d0c-91b6f2a3e5d4"}


@lru_cache
def rules() -> loader.RuleSet:
    return loader.load(packages=False)


def rights(name: str, **more: Any) -> SubscriptionPermissions:
    return SubscriptionPermissions(IDS[name], name, "full", **more)


def test_an_action_of_the_index_that_one_subscription_lacks_counts_in_all() -> None:
    gate = "Microsoft.Network/loadBalancers/read"
    reader = rights("prod", roles=[(["*/read"], [])])
    lacks = rights("test", roles=[(["*/read"], [gate])])
    scopes = assess(rules(), [reader, lacks])
    assert "machine-web-port-anonymous" in scopes[0].lacking
    assert "load-balancer-basic-sku" not in scopes[0].lacking
    assert "load-balancer-basic-sku" in scopes[1].lacking
    rows = missing(rules(), scopes)
    assert [(row.action, row.names) for row in rows] == [(gate, ("test",))]


def test_what_every_scan_asks_counts_too() -> None:
    for action in permissions.ALWAYS:
        subscription_permissions = [
            rights("prod", roles=[(["*/read"], [action])], groups={"rg": [(["*/read"], [action])]})
        ]
        rows = missing(rules(), assess(rules(), subscription_permissions))
        reported = [row.action for row in rows]
        assert reported == ([] if "managementGroups" in action else [action])
    assert permissions.GRAPH in wanted(rules())
