"""Each rule that fails on nearly everything recorded has a reason to stay, and nothing else has one."""

import tomllib
from pathlib import Path

from tests.real_input.noise import noise, noisy
from tests.rules.examples import current_id

REASONS = tomllib.loads((Path(__file__).parent / "noisy.toml").read_text("utf-8"))


def test_a_rule_that_fails_or_is_inconclusive_on_nearly_everything_has_a_reason() -> None:
    assert sorted(noisy(noise())) == sorted(map(current_id, REASONS))
    assert all(len(reason) > 40 for reason in REASONS.values())
