"""Whatever stands where a value should be, no rule crashes."""

import random

from tests.rules import examples
from tests.rules.each import each_case
from tests.rules.examples import Case
from tests.rules.hostile import STRANGE, errors, places, replaced, with_body
from tests.sampled import some


@each_case
def test_nothing_crashes_on_a_strange_value(case: Case) -> None:
    chance = random.Random(case.id)
    bundle, run = examples.bundle(case), examples.evaluation(case)
    found = [(each.key, at) for each in bundle.resources.values() for at in places(each.body)]
    for key, at in some(chance.sample(found, min(len(found), 6)), 2):
        value = chance.choice(STRANGE)
        body = replaced(bundle.resources[key].body, at, value)
        assert errors(run, with_body(bundle, key, body)) == [], f"{key} {at} {value!r}"
