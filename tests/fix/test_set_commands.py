"""Commands that set a property make the objects that the resource does not have."""

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.fix.set_commands import with_parents
from scanner.model.resource import Resource

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Agency/things/one"
COMMANDS = {
    "every object is there": ({"a": {"b": 1}}, "properties.a.b=2", "properties.a.b=2"),
    "the last object is missing": ({}, "properties.a.b=true", """'properties.a={"b": true}'"""),
    "an object is null": ({"a": None}, "properties.a.b.c=Off", """'properties.a={"b": {"c": "Off"}}'"""),
    "the inner object is missing": ({"a": {}}, "properties.a.b.c=Off", """'properties.a.b={"c": "Off"}'"""),
    "another case": ({"A": {"B": 1}}, "properties.a.b=2", "properties.a.b=2"),
    "the property itself": ({}, "properties.a=2", "properties.a=2"),
    "an entry of a list": ({}, "properties.a[0].b=2", "properties.a[0].b=2"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_missing_objects_are_made(name: str) -> None:
    properties, setting, wanted = COMMANDS[name]
    made = with_parents(
        f"az resource update --ids {ID} --set {setting}", Resource({"id": ID, "properties": properties})
    )
    assert made == f"az resource update --ids {ID} --set {wanted}"


@pytest.mark.parametrize(
    "command",
    [
        f"az resource update --ids {ID}x --set properties.a.b=1",
        f"az resource update --ids {ID} --set properties.a.b=1 properties.c.d=1",
        f"az resource update --ids {ID} --remove properties.a 0",
        f"az thing update --ids {ID} --set properties.a.b=1",
    ],
)
def test_other_commands_stay(command: str) -> None:
    assert with_parents(command, Resource({"id": ID, "properties": {}})) == command


def test_a_command_knows_the_objects_that_those_before_it_make() -> None:
    one = Resource({"id": ID, "properties": {}})
    first = with_parents(f"az resource update --ids {ID} --set properties.a.b.c=1", one)
    second = with_parents(f"az resource update --ids {ID} --set properties.a.b.d=2", one, before=[first])
    third = with_parents(f"az resource update --ids {ID} --set properties.a.e.f=3", one, before=[first, second])
    assert first.endswith("""--set 'properties.a={"b": {"c": 1}}'""")
    assert second.endswith("--set properties.a.b.d=2")
    assert third.endswith("""--set 'properties.a.e={"f": 3}'""")
    after_another = f"az resource update --ids {ID} --set properties.a.b=1"
    assert with_parents(after_another, one, before=["az thing rule add --name one"]) == after_another


def test_what_lies_below_a_resource_is_known_too() -> None:
    """Three fixes of file services failed as they were printed: the account was known alone."""
    one = Resource({"id": ID, "properties": {"a": {"b": 1}}})
    one.bundle.add(Resource({"id": f"{ID}/parts/Default", "properties": {}}, bundle=one.bundle))
    made = with_parents(f"az resource update --ids {ID}/parts/default --set properties.a.b=2", one)
    assert made.endswith("""--set 'properties.a={"b": 2}'""")


BODIES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


def set_as_the_cli_does(body: dict[str, Any], setting: str) -> None:
    """Set a property of a body. Raise KeyError or TypeError where one of its objects is missing."""
    path, _, value = setting.partition("=")
    *parents, last = path.split(".")
    for each in parents:
        body = body[each]
    body[last] = json.loads(value)


@given(
    st.dictionaries(st.sampled_from("abc"), BODIES, max_size=3),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4),
)
def test_the_command_sets_the_property_and_leaves_the_rest(properties: dict[str, Any], steps: list[str]) -> None:
    body: dict[str, Any] = {"id": ID, "properties": json.loads(json.dumps(properties))}
    path = ".".join(("properties", *steps))
    made = with_parents(f"az resource update --ids {ID} --set {path}=7", Resource(body))
    wanted: Any = json.loads(json.dumps(properties))
    inner = wanted
    for each in steps[:-1]:
        if inner.get(each) is None:
            inner[each] = {}
        if not isinstance(inner[each], dict):
            return
        inner = inner[each]
    inner[steps[-1]] = 7
    set_as_the_cli_does(body, shlex.split(made)[-1])
    assert body["properties"] == wanted
