"""Texts of fixes that are made from parsed templates are those that the plain definitions make."""

import shlex
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scanner.fix.bicep import _items, _items_of, properties
from scanner.fix.placeholders import PLACEHOLDERS, filled, formatted, words_of
from scanner.fix.set_commands import subject_command, with_parents
from scanner.model.fix import REMOVE, Edit
from scanner.model.message import Message
from scanner.model.resource import Resource

ID = "/subscriptions/s/resourceGroups/my group/providers/Microsoft.Agency/things/o'ne"
TOP = Resource({"id": ID, "location": "norwayeast", "properties": {"a": {"b": 1}}})
BELOW = Resource({"id": f"{ID}/parts/$two", "properties": {"a": None}})
PIECES = st.sampled_from(
    [*(f"{{{name}}}" for name in PLACEHOLDERS), "{entry}", "{other}", "{{", "}}", "az x ", "'", "{"]
)
TEMPLATES = st.lists(PIECES | st.sampled_from(["}", "{}", "{0}", "{name!r}", "{name:>9}", "{a.b}", "-"]), max_size=6)


def told(function: Any, *given: Any, **more: Any) -> Any:
    """What a function returns, or the error that it raises."""
    try:
        return function(*given, **more)
    except (ValueError, IndexError, AttributeError, KeyError) as error:
        return type(error)


@given(TEMPLATES.map("".join), st.text(max_size=5))
def test_a_template_is_filled_as_python_formats_it(template: str, entry: str) -> None:
    plain = told(formatted, template, BELOW, TOP, shlex.quote, {"entry": entry})
    assert told(filled, template, BELOW, TOP, entry=entry) == plain


@given(st.lists(PIECES, max_size=6).map("".join), st.text(max_size=5))
def test_a_step_has_the_names_of_its_resource(template: str, value: str) -> None:
    plain = told(formatted, template, BELOW, TOP, str, {})
    if isinstance(plain, str):
        assert words_of(template, BELOW, TOP) == plain
    # A step of one resource is filled in already: braces in its names are no fields.
    own = Message("Open {place}.", place="{name}" + value)
    assert words_of(own, BELOW, TOP) is own


STARTS = ["az resource update --ids {id}", "az resource update --ids {top_id}", "az thing update --ids {id}"]
SETTINGS = ["properties.a.b=1", "properties.c.d=x", "'properties.c.d={{\"e\": 1}}'", "properties.a.b='o n'", "a[0].b=1"]


@given(
    st.sampled_from(STARTS),
    st.sampled_from(["", "/parts/x", "/parts/$two"]),
    st.sampled_from([" --set ", " --add ", " --set x=1 --set "]),
    st.sampled_from(SETTINGS),
)
def test_a_template_that_sets_a_property_makes_missing_objects(start: str, below: str, word: str, setting: str) -> None:
    template = f"{start}{below}{word}{setting}"
    plain = with_parents(filled(template, BELOW, TOP), BELOW, TOP)
    assert subject_command(template, BELOW, TOP) == plain


PATHS = st.lists(st.sampled_from(["properties", "a", "A", "b", "state"]), min_size=1, max_size=3).map(".".join)
VALUES = st.sampled_from([True, False, 1, 0, "1", "", "o'$\n", None, 1.5, REMOVE, "not kept", [1], {"a": True}])


@given(st.lists(st.tuples(PATHS, VALUES), min_size=1, max_size=3), st.sampled_from([None, {}, TOP.body]))
def test_lines_of_bicep_are_those_of_the_properties(pairs: list[tuple[str, Any]], body: Any) -> None:
    edits = [Edit(ID, path, value) for path, value in pairs]
    written = properties(edits, body)
    assert _items_of(edits, body) == (None if written is None else _items(written))
