"""The package keeps its shape: one meaning a name."""

from tests.shape import names_with_several_meanings, shape


def test_a_class_name_means_one_thing() -> None:
    assert names_with_several_meanings(shape()) == {}
