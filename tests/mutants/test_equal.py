"""`equal.toml` names mutants that are made: a rename in the code leaves no entry behind."""

from tests.mutants import equal
from tests.mutants.__main__ import mutants
from tests.sampled import only_all


@only_all("all mutants are made in 13 s")
def test_each_name_is_one_of_a_mutant() -> None:
    assert equal.without_a_mutant(each.name for each in mutants()) == []
