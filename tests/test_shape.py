"""The package keeps its shape: small parts, one meaning a name, few files at the top."""

from functools import lru_cache

from tests.shape import Shape, names_with_several_meanings, shape, top_files


@lru_cache
def found() -> Shape:
    return shape()


def test_a_class_name_means_one_thing() -> None:
    assert names_with_several_meanings(found()) == {}


def test_few_files_stand_in_the_package_itself() -> None:
    assert len(top_files()) <= 6, top_files()


def test_functions_classes_and_modules_stay_small() -> None:
    assert [each for each in found().functions if each.lines > 57] == []
    assert [each for each in found().classes if each.lines > 250] == []
    assert [each for each in found().modules if each.lines > 500] == []
