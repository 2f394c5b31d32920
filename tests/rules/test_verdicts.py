"""Rules that are asked alone say what an evaluation says."""

import pytest

from tests.rules import examples
from tests.rules.verdicts import every, worst_by_rule
from tests.sampled import some

MOST = 6
"""How many examples of each file are compared."""


@pytest.mark.parametrize("file", sorted(path.name for path in examples.CASES.glob("*.toml")))
def test_rules_alone_say_what_the_evaluation_says(file: str) -> None:
    for case in some(examples.read(file).cases, MOST):
        run, bundle = examples.evaluation(case), examples.bundle(case)
        statuses = examples.worst_statuses(run, bundle)
        assert worst_by_rule(every(bundle), bundle, run.index) == statuses, case.id
