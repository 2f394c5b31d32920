"""Which fields of ranges and front ends two of them are compared by."""

import pytest
from msgspec.structs import fields, replace

from scanner.reach.filtering import OpenRange
from scanner.reach.paths import FrontEnd
from scanner.reach.source_sets import NO_SOURCES, OUTSIDE_SOURCES

RANGE = OpenRange("tcp", 22, 22, None, NO_SOURCES, OUTSIDE_SOURCES, (), ())
FRONT = FrontEnd("203.0.113.7", "standard")


@pytest.mark.parametrize(("made", "left_out"), [(RANGE, {"chain", "spans"}), (FRONT, {"dnat"})])
def test_every_field_counts_but_those_that_say_where_it_comes_from(
    made: OpenRange | FrontEnd, left_out: set[str]
) -> None:
    names = [each.name for each in fields(made)]
    others = {name: replace(made, **{name: "another"}) for name in names}
    assert {name for name, other in others.items() if other == made} == left_out
    assert {name for name, other in others.items() if hash(other) == hash(made)} == left_out
    assert made != "another"
