"""The package keeps its shape: one meaning a name, few files at the top."""

from tests.shape import names_with_several_meanings, shape, top_files


def test_a_class_name_means_one_thing() -> None:
    assert names_with_several_meanings(shape()) == {}


def test_few_files_stand_in_the_package_itself() -> None:
    assert len(top_files()) <= 6, top_files()
