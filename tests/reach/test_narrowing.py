"""The command that narrows a DNAT rule of a policy names the rule by its name, and quotes what Azure returned."""

import shlex
from typing import Any

from scanner.model.exposure import Reach, grant
from scanner.model.fix import Fix
from scanner.model.index import build
from scanner.reach.paths.closing import Closing
from scanner.reach.paths.narrowing import narrowing
from scanner.reach.paths.network_paths import DnatRule
from scanner.reach.paths.open_ports import OpenPorts

GROUP = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network"
    "/firewallPolicies/policy/ruleCollectionGroups/dnat"
)


def fix(*, remove: bool = False, name: str = "ssh; rm -rf {x}", **body: Any) -> Fix:
    rule = DnatRule(GROUP, "properties.ruleCollections", "rules", "inbound", 0, {"name": name, **body})
    ports = OpenPorts("", "tcp/22", None, False, grant(Reach.internet), Closing(dnat=(rule,)), Closing(dnat=(rule,)))
    return narrowing(ports, build(()), remove=remove)


def words(fix: Fix) -> list[str]:
    (command,) = fix.commands
    return shlex.split(command.replace("{{", "{").replace("}}", "}"))


def test_it_names_the_rule_by_its_name() -> None:
    matches = words(fix())
    assert matches[:8] == [
        "az",
        "network",
        "firewall",
        "policy",
        "rule-collection-group",
        "collection",
        "rule",
        "update",
    ]
    options = dict(zip(matches[8::2], matches[9::2], strict=True))
    assert options == {
        "--name": "ssh; rm -rf {x}",
        "--collection-name": "inbound",
        "--rule-collection-group-name": "dnat",
        "--policy-name": "policy",
        "--resource-group": "rg-hub",
        "--subscription": "00000000-0000-0000-0000-000000000001",
        "--source-addresses": "<YOUR_RANGE>",
    }


def test_one_that_is_removed_needs_no_range() -> None:
    result = fix(remove=True)
    assert words(result)[7] == "remove"
    assert not result.fields


def test_without_a_name_or_with_ip_groups_it_is_steps() -> None:
    for result in (fix(name=""), fix(sourceIpGroups=["/subscriptions/x"])):
        assert not result.commands
        assert result.changes
        assert "limit the source" in result.steps[0]


def test_its_first_step_shows_what_has_the_rule() -> None:
    assert fix().check_first == f"az resource show --ids {GROUP}"
