"""A fix that is made of a form is what the plain functions make."""

from typing import Any

import pytest

from scanner.evaluate.bicep import versions_of
from scanner.evaluate.fix_forms import FixForms, plain_id
from scanner.evaluate.fix_rows import fix_row
from scanner.evaluate.remedies import rule_remedy
from scanner.model.resource import Bundle, Resource
from scanner.model.rule import Rule
from tests.rules import examples

GROUP = "/subscriptions/5A000000-0000-4000-8000-000000000001/resourceGroups/Rg_1.a"
NAMES = ("one", "One-2.x_y", "0", "zq8qz")
ODD = ("o'ne", "(one)", "<EMAIL>", "{name}", "%s", "é", "a b", "$x", "one\n")


def tops(type: str, name: str) -> list[Resource]:
    """Resources of a type whose bodies lack more and more of their objects."""
    namespace, *types = type.split("/")
    id = f"{GROUP}/providers/{namespace}" + "".join(f"/{each}/{name}" for each in types)
    bodies: tuple[dict[str, Any], ...] = ({}, {"properties": {}}, {"properties": Everything()}, {"properties": None})
    return [Resource({"id": id, **body, "location": "norwayeast"}, by="get", bundle=Bundle(id)) for body in bodies]


class Everything(dict[str, Any]):
    """An object of which each member is another one."""

    def __getitem__(self, name: str) -> Any:
        return Everything()


def rules() -> list[Rule]:
    return [each for each in examples.all_rules() if each.subject is None and not each.lock]


@pytest.fixture(scope="module")
def forms() -> FixForms:
    return FixForms(versions_of(examples.rules().kinds))


@pytest.mark.parametrize("name", NAMES)
def test_a_form_gives_the_fix_of_the_plain_functions(name: str, forms: FixForms) -> None:
    versions = versions_of(examples.rules().kinds)
    filled = 0
    for rule in rules():
        for top in (top for type in rule.types for top in tops(type, name)):
            id = plain_id(top.id)
            form = forms.of(rule, id, top) if id is not None else None
            if form is None or id is None:
                continue
            filled += 1
            remedy = form.remedy(id.words)
            assert remedy == rule_remedy(rule, top, top), (rule.id, top.id)
            assert form.fix(remedy, id.words, top, [], versions) == fix_row(rule, remedy, top, top, versions=versions)
    assert filled > 2000


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_has_no_form(name: str) -> None:
    assert plain_id(tops("Microsoft.Storage/storageAccounts", name)[0].id) is None


@pytest.mark.parametrize(
    "id",
    [
        "/subscriptions/s",
        f"{GROUP}/providers/Microsoft.Storage/storageAccounts",
        f"{GROUP}/Providers/Microsoft.Storage/storageAccounts/one",
        f"{GROUP}/providers/Microsoft.Storage/storageAccounts/one/",
        f"{GROUP}/providers/Microsoft.Storage/storageAccounts/one/providers/Microsoft.Insights/diagnosticSettings/x",
        f"{GROUP}/providers/Microsoft.Storage/storageAccounts/one?api-version=1",
    ],
)
def test_another_id_has_no_form(id: str) -> None:
    assert plain_id(id) is None
