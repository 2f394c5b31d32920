"""Each kept input, and a few hundred new ones for each target; `make fuzz` runs them for longer."""

import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.engines import strategy
from tests.fuzz.targets import CORPUS, LIMIT, TARGETS, Target


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_kept_inputs(target: Target) -> None:
    for data in target.corpus():
        begin = time.process_time()
        target.run(data)
        assert time.process_time() - begin < LIMIT


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_new_inputs(target: Target) -> None:
    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy(target.corpus(), target.words))
    def run(data: bytes) -> None:
        target.run(data)

    run()


def test_every_folder_of_the_corpus_is_one_of_a_target() -> None:
    names = {each.name for each in TARGETS}
    assert {path.name for path in CORPUS.iterdir()} <= names
