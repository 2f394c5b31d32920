"""The states of controls: what was not read is never passed, and every control is counted once."""

from collections.abc import Collection

import msgspec
import pytest

from scanner.document.framework_rows import CONTROL_STATES, ControlRow
from scanner.document.schema import Coverage, FindingRow, GapRow, ScopeRow, TypeRow
from scanner.evaluate.frameworks import Tally, assessed, covered
from scanner.rulebook.loader import RuleSet, load

DDOS, CONTROL = "network-no-ddos-protection", "8.5"
"""A rule that tests a control of CIS alone and wholly."""
GATE, FLOW = "keyvault-key-no-expiry", "8.3.1"
"""A rule that is off by default."""


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load(packages=False)


def coverage(view: str = "full", *types: TypeRow) -> Coverage:
    return Coverage(scopes=[ScopeRow(subscription="s", name="s", tenant="t", view=view)], types=[*types], rules_off=[])


def tally(*result: str, rule: str = DDOS, gaps: Collection[str] = ()) -> Tally:
    """Return the checks of a rule with these statuses."""
    made = Tally()
    for status in result:
        if status == "pass":
            made.passed([rule])
            continue
        row = FindingRow(
            rule=rule, title="", category="network", status=status, severity="low", resource="/r", endpoints=[],
            message="", evidence=[], fix=None, gaps=list(gaps), fingerprint="",
        )  # fmt: skip
        made.finding(row)
    return made


def state(rules: RuleSet, made: Tally, control: str = CONTROL, at: Coverage | None = None) -> ControlRow:
    framework_rows = assessed(rules, made, at or coverage())
    return next(row.tested[control] for row in framework_rows if row.id == "cis-azure-6.0")


@pytest.mark.parametrize(
    ("statuses", "expected", "why"),
    [
        (["pass"], "passed", ""),
        (["pass", "fail"], "failed", ""),
        (["pass", "waived"], "failed", ""),
        (["unknown", "fail"], "failed", ""),
        (["pass", "unknown"], "not-assessed", "inconclusive"),
        (["pass", "error"], "not-assessed", "inconclusive"),
        ([], "not-assessed", "no-resource"),
    ],
)
def test_the_state_of_a_control(statuses: list[str], expected: str, why: str, rules: RuleSet) -> None:
    row = state(rules, tally(*statuses))
    assert (row.state, row.why) == (expected, why)
    assert (row.waived, row.passed) == (statuses.count("waived"), statuses.count("pass"))


def test_what_was_not_read_is_never_passed(rules: RuleSet) -> None:
    assert state(rules, tally("pass", "unknown", gaps=["/gap"])).why == "not-read"
    for view in ("partial", "none"):
        row = state(rules, tally("pass"), at=coverage(view))
        assert (row.state, row.why) == ("not-assessed", "not-read")


@pytest.mark.parametrize(
    "url",
    ["/tenants/t2", "/subscriptions", "/subscriptions/s2", "/tenants/t2/managementGroups/mg",
     "/providers/Microsoft.Management/managementGroups/mg/descendants"],
)  # fmt: skip
def test_a_tenant_or_subscription_that_was_not_read_leaves_every_control_open(url: str, rules: RuleSet) -> None:
    """No finding stands for it, so that controls passed by the rest (found in reading the change once more)."""
    gap = GapRow(url=url, status=403, code="AuthorizationFailed", action="", rules=[])
    framework_rows = assessed(rules, tally("pass"), coverage(), [gap])
    row = next(row.tested[CONTROL] for row in framework_rows if row.id == "cis-azure-6.0")
    assert (row.state, row.why) == ("not-assessed", "not-read")


def test_a_rule_file_that_was_not_loaded_leaves_every_control_open(rules: RuleSet) -> None:
    row = state(rules, tally("pass"), at=msgspec.structs.replace(coverage(), rules_broken=["own.py"]))
    assert (row.state, row.why) == ("not-assessed", "rule-off")


def test_a_rule_that_is_off_leaves_its_control_open(rules: RuleSet) -> None:
    vaults = TypeRow(type="Microsoft.KeyVault/vaults", resources=3, judged=True)
    assert GATE not in rules.enabled
    assert state(rules, Tally(), FLOW, coverage("full", vaults)).why == "rule-off"
    assert state(rules, Tally(), FLOW).why == "no-resource"
    nowhere = TypeRow(type="Microsoft.KeyVault/vaults", resources=0, judged=True, complete=False)
    assert state(rules, Tally(), FLOW, coverage("full", nowhere)).why == "rule-off"


def test_every_control_has_one_state(rules: RuleSet) -> None:
    everything = Tally()
    everything.passed(rules.enabled)
    for framework_rows in (
        covered(rules),
        assessed(rules, everything, coverage()),
        assessed(rules, tally("fail"), coverage()),
    ):
        for row in framework_rows:
            assert tuple(row.states) == CONTROL_STATES
            assert sum(row.states.values()) == row.controls == len(rules.frameworks[row.id].controls)
            ids = [*row.tested, *row.not_covered, *(id for ids in row.not_testable.values() for id in ids)]
            assert sorted(ids) == sorted(rules.frameworks[row.id].controls)
