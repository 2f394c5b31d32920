"""The chain against the packet oracle, over random estates; more packets: `python -m tests.reach.oracle`."""

from __future__ import annotations

import pytest

from tests.reach import net_mutants
from tests.reach.compare import compare, fabric
from tests.reach.estates import Maker
from tests.reach.oracle import Oracle

EACH = 150


@pytest.mark.parametrize("seed", range(1, 21))
def test_the_evaluator_agrees_with_the_oracle(seed: int) -> None:
    assert list(compare(Maker(seed, doubtful=seed % 3 == 0), EACH)) == []


def test_the_estates_hold_both_verdicts_and_possible_grants() -> None:
    seen = {
        frozenset(oracle.ask(maker.packet(estate)))
        for seed in range(1, 13)
        for maker in [Maker(seed, doubtful=seed % 3 == 0)]
        for estate in [maker.estate()]
        for oracle in [Oracle(estate)]
        for _ in range(40)
    }
    assert seen == {frozenset({True}), frozenset({False}), frozenset({True, False})}


def test_the_same_seed_makes_the_same_estate() -> None:
    one, two = Maker(7), Maker(7)
    first, second = one.estate(), two.estate()
    assert first == second
    assert [one.packet(first) for _ in range(20)] == [two.packet(second) for _ in range(20)]


def test_an_estate_is_read_the_same_in_any_order() -> None:
    maker = Maker(5)
    estate = maker.estate()
    packets = [maker.packet(estate) for _ in range(60)]
    whole = fabric(estate)
    estate.resources.reverse()
    turned = fabric(estate)
    assert whole.subnets == turned.subnets
    assert whole.nics == turned.nics
    assert {key: group.packed for key, group in whole.groups.items()} == {
        key: group.packed for key, group in turned.groups.items()
    }
    assert packets


@pytest.mark.parametrize("mutant", net_mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_has_its_place(mutant: net_mutants.Mutant) -> None:
    """Running them takes a minute: `python -m tests.reach.net_mutants`."""
    assert (net_mutants.ROOT / mutant.file).read_text("utf-8").count(mutant.old) == 1
