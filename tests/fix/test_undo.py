"""The undo of a fix puts each example back as it was; what is not known before is never guessed or printed."""

from typing import Any

import pytest

from scanner.evaluate.trials import edited
from scanner.fix.placeholders import quoted
from scanner.fix.undo import undo_of
from scanner.fix.undo_steps import CONNECTIONS, COPY, FOLLOWS, Creation, Lost, Restore, inverse_of, is_printable
from scanner.model.fix import Change, Deletion, Edit, Fix
from scanner.model.ids import normalized_id, type_of
from scanner.model.json_paths import peek
from scanner.model.kept import NOT_KEPT
from scanner.model.message import Message
from scanner.model.resource import Bundle, Resource
from scanner.model.rule import FixTemplate
from scanner.text.masks import MASK
from tests.rules import examples
from tests.rules.simulate import Fixed, everything, index_of, overlaid_body

TOGETHER = examples.TOGETHER
ID = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.Agency/things/o'ne"


def present(value: Any) -> Any:
    """Return a body without null and empty members, which Azure returns or leaves out, and names in lower case."""
    if isinstance(value, dict):
        result = {key.lower(): present(each) for key, each in value.items()}
        return {key: each for key, each in sorted(result.items()) if each not in (None, {}, [])}
    return list(map(present, value)) if isinstance(value, list) else value


def put_back(body: Any, step: Restore) -> Any:
    """Return a body after a step of an undo."""
    if step.position < 0:
        return edited(body, Edit(step.resource, step.path, step.value))
    entries = list(peek(body, step.path))
    del entries[step.position]
    return edited(body, Edit(step.resource, step.path, entries))


def follows(change: Edit) -> bool:
    """Return whether a property shows what another resource has: it follows that one, also when that is put back."""
    type, path = type_of(change.resource).lower(), change.path.lower()
    return type.endswith(COPY) or path.endswith(CONNECTIONS) or (type, path) in FOLLOWS


def wrong(each: Fixed) -> list[str]:
    """Return what differs after the fix of an example and its undo."""
    bundle = examples.bundle(each.case)
    assert bundle.top is not None
    steps = inverse_of(each.fix, bundle.top, index_of(each.case, ()))
    lost = {normalized_id(step.resource) for step in steps if isinstance(step, Lost)}
    edits = [change for change in each.fix.changes if isinstance(change, Edit) and not follows(change)]
    matches = []
    for resource in bundle.resources.values():
        if normalized_id(resource.id) in lost:
            continue
        restores = [
            one
            for one in steps
            if isinstance(one, Restore) and normalized_id(one.resource) == normalized_id(resource.id)
        ]
        body = overlaid_body(resource.body, resource.id, edits)
        for restore in restores:
            body = put_back(body, restore)
        if present(body) != present(resource.body):
            matches.append(f"{resource.id}: {present(body)} was {present(resource.body)}")
    gone = {normalized_id(change.resource) for change in each.fix.changes if isinstance(change, Deletion)}
    made = {normalized_id(step.resource) for step in steps if isinstance(step, Creation | Lost)}
    return matches + [f"{id} is not created again" for id in gone - made]


def test_a_fix_and_its_undo_leave_each_example_as_it_was() -> None:
    matches = [f"{each.id}: {one}" for each in everything() if each.fix.changes for one in wrong(each)]
    assert matches == []


def test_a_fix_with_commands_has_an_undo_or_says_why_not() -> None:
    silent = {
        each.finding.rule
        for each in everything()
        if each.fix.changes and each.finding.fix and each.finding.fix.commands and each.finding.fix.undo is None
    }
    assert silent == set()


def test_a_saved_resource_is_put_back_from_the_same_file() -> None:
    for each in everything():
        undo = each.finding.fix.undo if each.finding.fix else None
        for save in undo.save if undo else []:
            file = save.rpartition(" > ")[2]
            assert undo is not None
            assert any(f"@{file}" in command for command in undo.commands) or any(file in step for step in undo.steps)


def made(properties: dict[str, Any], *changes: Change, commands: tuple[str, ...] = ("az thing update",)) -> Any:
    """Return the undo of a fix of one resource."""
    bundle = Bundle(ID.lower())
    top = Resource({"id": ID, "properties": properties}, api="1", by="get", bundle=bundle)
    bundle.add(top)
    template = FixTemplate(az="", impact=Message("None."))
    return undo_of(
        Fix(commands=commands, changes=changes), template, top, index_of(next(iter(examples.cases())), ()), {}, {}
    )


def test_an_old_value_is_set_back_with_its_quotes() -> None:
    document = made({"name": "it's $(x)"}, Edit(ID, "properties.name", "new"))
    words = "'properties.name=it'\"'\"'s $(x)'"
    assert document.commands == (f"az resource update --ids {quoted(ID)} --set {words}",)


def test_what_was_absent_is_removed_again() -> None:
    document = made({"a": {}}, Edit(ID, "properties.a.b", 1))
    assert document.commands == (f"az resource update --ids {quoted(ID)} --remove properties.a.b",)


@pytest.mark.parametrize("value", [MASK, NOT_KEPT, [NOT_KEPT], {"adminPassword": "x"}, {"a": [{"sasToken": "y"}]}])
def test_what_is_not_known_or_a_secret_is_never_printed(value: Any) -> None:
    document = made({"setting": value}, Edit(ID, "properties.setting", "off"))
    assert document.commands == ()
    assert "not known" in str(document.steps)
    for each in ("x", "y", MASK, str(NOT_KEPT)):
        assert f"={each}" not in str(document)


def test_a_body_without_secrets_is_printable() -> None:
    assert is_printable({"a": ["b", {"tokenLifetime": 5}]})


SUBNETS: list[dict[str, Any]] = [
    {"name": "a", "properties": {"addressPrefix": "10.0.0.0/24"}},
    {"name": "b", "properties": {"addressPrefix": "10.0.1.0/24", "networkSecurityGroup": None}},
]
GROUP = {"networkSecurityGroup": {"id": "<NSG_ID>"}}


def with_groups(**more: Any) -> Any:
    """Return the undo of a fix that gives two subnets a group."""
    edits = [
        Edit(ID, "properties.subnets", {**each, "properties": {**each["properties"], **GROUP, **more}}, entry=each)
        for each in SUBNETS
    ]
    update = "az network vnet subnet update --ids /x/subnets/{} --network-security-group <NSG_ID>"
    return made({"subnets": SUBNETS}, *edits, commands=(update.format("a"), update.format("b")))


def test_the_group_of_a_subnet_is_taken_away_and_no_list_of_subnets_is_written() -> None:
    """The list was written as it was read: subnets that were made since would go, and those in use refuse it."""
    assert with_groups().commands == (
        "az network vnet subnet update --ids /x/subnets/b --network-security-group null",
        "az network vnet subnet update --ids /x/subnets/a --network-security-group null",
    )


def test_an_entry_that_a_fix_overwrites_is_not_undone_by_taking_something_away() -> None:
    assert "properties.subnets=" in with_groups(addressPrefix="10.9.0.0/24").commands[0]
