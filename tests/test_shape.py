"""The package keeps its shape: small parts, one meaning a name, few files at the top."""

from tests.shape import names_with_several_meanings, shape, top_files

FOUND = shape()


def test_a_class_name_means_one_thing() -> None:
    assert names_with_several_meanings(FOUND) == {}


def test_few_files_stand_in_the_package_itself() -> None:
    assert len(top_files()) <= 6, top_files()


def test_functions_classes_and_modules_stay_small() -> None:
    assert [each for each in FOUND.functions if each.lines > 57] == []
    assert [each for each in FOUND.classes if each.lines > 250] == []
    assert [each for each in FOUND.modules if each.lines > 500] == []
