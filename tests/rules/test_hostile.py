"""Whatever stands where a value should be, no rule crashes."""

import random

from tests.rules import examples
from tests.rules.each import each_case
from tests.rules.examples import Case
from tests.rules.hostile import STRANGE, errors, paths_of, replaced, with_body
from tests.sampled import some


@each_case
def test_nothing_crashes_on_a_strange_value(case: Case) -> None:
    chance = random.Random(case.id)
    bundle, run = examples.bundle(case), examples.evaluation(case)
    matches = [(each.key, at) for each in bundle.resources.values() for at in paths_of(each.body)]
    for key, at in some(chance.sample(matches, min(len(matches), 6)), 2):
        value = chance.choice(STRANGE)
        body = replaced(bundle.resources[key].body, at, value)
        assert errors(run, with_body(bundle, key, body)) == [], f"{key} {at} {value!r}"
