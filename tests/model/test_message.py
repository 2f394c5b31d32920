"""Messages: what a value holds is never a template, and each template has the fields that it is given."""

import ast
import copy
import pickle
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.content import content
from scanner.model.message import FIELD, NOTHING, Message, Number, is_rest, joined, listed, message_text, more, plural

TEXTS = st.text(st.sampled_from("a{}%s!c.[]0 "), max_size=12)


@given(TEXTS, TEXTS)
def test_a_value_is_put_in_as_it_is(one: str, other: str) -> None:
    """Braces and percent signs of a name from Azure are no fields, in a template with and without marks."""
    assert Message("{a} = {b}%", a=one, b=other) == f"{one} = {other}%"
    assert Message("{a!c}: {b!l}", a=one, b=other) == f"{one}: {other}"


@given(TEXTS)
def test_a_text_without_values_is_no_template(text: str) -> None:
    assert Message(text) == text


def test_a_message_in_a_message_keeps_its_own_values() -> None:
    inner = Message("the {what} service", what="blob")
    outer = Message("{where!c} is open to {count} peers", where=inner, count=Number(1200))
    assert outer == "The blob service is open to 1,200 peers"
    assert outer.values["where"] is inner
    assert type(outer.values["count"]) is Number


def test_a_message_survives_copies() -> None:
    made = Message("{name} is off", name="kv")
    for each in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert (each, each.template, each.values) == (made, made.template, made.values)


def test_lists() -> None:
    assert listed([]) == NOTHING
    assert listed(["a"]) == "a"
    assert listed(["a", "b", more(1200)]) == "a, b and 1,200 more"
    assert joined("; ", ["a", "", "b"]) == "a; b"
    assert [is_rest(each) for each in ("1 more", more(1))] == [False, True]
    assert plural("{count} peer", "{count} peers", count=1) == "1 peer"
    assert plural("{count} peer", "{count} peers", count=2) == "2 peers"


def test_an_encoder_takes_messages_and_refuses_everything_else() -> None:
    """A setting that cannot be written down must not become a text: a worker would evaluate with it."""
    assert msgspec.json.encode([Message("{a}", a="x")], enc_hook=message_text) == b'["x"]'
    with pytest.raises(TypeError, match="Pattern"):
        msgspec.json.encode([re.compile("x")], enc_hook=message_text)


def calls(code: str) -> list[ast.Call]:
    nodes = ast.walk(ast.parse(code))
    return [
        each
        for each in nodes
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in ("Message", "plural")
    ]


def faults(file: Path) -> list[str]:
    """Return the templates of a module whose fields are not the values that they are given."""
    result = []
    for call in calls(file.read_text("utf-8")):
        assert isinstance(call.func, ast.Name)
        given = {each.arg for each in call.keywords}
        for text in call.args[: 1 if call.func.id == "Message" else 2]:
            if isinstance(text, ast.Constant) and isinstance(text.value, str) and given and None not in given:
                named = {hit[1] for hit in FIELD.finditer(text.value)}
                if named - given or given - named - {"count"} or re.search("[{}]", FIELD.sub("", text.value)):
                    result.append(f"{file}:{call.lineno}: {text.value}")
    return result


def test_every_template_has_the_fields_that_it_is_given() -> None:
    modules = [*(content("rules").parent / "scanner").rglob("*.py"), *content("rules").rglob("*.py")]
    assert [each for file in modules for each in faults(file)] == []
