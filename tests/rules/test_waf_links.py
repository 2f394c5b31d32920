"""The fix of a gateway without an effective firewall follows the cause."""

import pytest

from tests.rules import examples
from tests.rules.simulate import fix_of, fixed


@pytest.mark.parametrize(
    ("example", "setting"),
    [
        ("a gateway without a policy", "firewallPolicy.id=<WAF_POLICY_ID>"),
        ("the configuration of an old gateway in the mode Detection", "firewallMode=Prevention"),
        ("the configuration of an old gateway, switched off", "firewallMode=Prevention"),
        ("the configuration of an old gateway, switched off in the mode Detection", "firewallMode=Prevention"),
    ],
)
def test_the_fix_follows_the_cause(example: str, setting: str) -> None:
    case = next(each for each in examples.cases() if each.name == f"gateway: {example}")
    (result,) = (each for each in fixed(case) if each.finding.rule == "application-gateway-no-waf")
    (command,) = fix_of(result).commands
    assert command.endswith(setting)
    assert result.status == "pass"


def test_a_gateway_of_version_1_is_replaced() -> None:
    case = next(
        each for each in examples.cases() if each.name == "gateway: a gateway of version 1 without a configuration"
    )
    (result,) = (each for each in fixed(case) if each.finding.rule == "application-gateway-no-waf")
    assert not fix_of(result).commands
    assert "WAF_v2" in fix_of(result).steps[0]
