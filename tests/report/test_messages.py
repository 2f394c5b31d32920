"""Messages in another language: every text of every example has one; names stay; a file cannot make one say more."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from docs.messages import texts as templates
from scanner.document.message_data import (
    all_with_texts,
    data_of,
    fields_of,
    message_of,
    reasons_of,
    restored,
    stored,
    template_id,
    with_texts,
)
from scanner.document.schema import CellRow, ChangeRow
from scanner.model.message import Message, Number, joined, listed, name, plural
from scanner.report.language.localized import Texts
from scanner.report.language.messages import Known, Messages, in_words, messages
from scanner.report.language.translations import MESSAGES, RULES, translations
from scanner.report.language.words import Words
from tests.rules import examples

TOGETHER = examples.TOGETHER
NORWEGIAN = Words("nb")
FIELD_OF_TEXTS = messages("nb").text
ENGLISH = re.compile(
    r"(?<![\w'\"{-])(the|is|are|not|which|allows|accepts|requires|could|from|every|was|were|that|has|and|or)(?![\w'\"}-])"
)
"""Words of English. Values of Azure and names that have them stand in quotes."""


def rows_of_examples() -> Iterator[tuple[str, msgspec.Struct]]:
    """Yield each row that the evaluation makes of an example, with what its texts are made of."""
    every = [*examples.cases(), *(case for rule in examples.all_rules() for case in examples.of_rule(rule))]
    for case in every:
        result = examples.result(case)
        for row in all_with_texts([*result.exposures, *result.findings, *result.places], {}):
            yield f"{case.file}: {case.name}", row


def texts(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each, at)
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            if field not in ("texts", "commands", "bicep", "check_first", "resource", "endpoint", "allowed"):
                yield from texts(getattr(value, field), f"{at}.{field}" if at else field)


def test_every_text_of_the_examples_is_a_message() -> None:
    """A text that is put together by an f-string or by `join` has no template: make it a message."""
    other, left = Texts(NORWEGIAN, every_message()), set()
    for where, row in rows_of_examples():
        for at, text in texts(other.row(row)):
            if ENGLISH.search(NAMES.sub("", text)) and at.rpartition(".")[2] not in LEVELS:
                left.add(f"{where}: {at}: {text}")
    assert left == set()


def every_message() -> Messages:
    """Return the messages of a language without words: whether a text is translated already is another question."""
    every = [*(text for text, _ in templates()), *(text for _, text in translations("nb", RULES))]
    return Messages(NORWEGIAN, [Known(each, "~".join(f"{{{field}}}" for field in fields_of(each))) for each in every])


LEVELS = ("reach", "authentication", "region")
NAMES = re.compile(r"select \* from \S+|Settings and monitoring|for machines|Health and status")
"""Names in the portal, and a statement."""


MANY = plural("{count} port", "{count} ports", count=1204)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message("no network"), "ingen nettverk"),
        (Message("no {what}", what=Message("replica")), "ingen replika"),
        (Message("no {what}", what="replica of the <b>"), "ingen replica of the <b>"),
        (Message("it {lock}", lock=Message("accepts account keys")), "den godtar kontonøkler"),
        (Message("they {lock!p}", lock=Message("accepts account keys")), "de godtar kontonøkler"),
        (listed(["the vault", Message("the internet"), name("traffic")]), "the vault, internett og traffic"),
        (joined(": ", ("traffic", Message("none"))), "traffic: ingen"),
        (Message("{value} public IPv4 addresses", value=Number(131072)), "131\xa0072 offentlige IPv4-adresser"),
        (Message("something that no catalogue has"), "something that no catalogue has"),
        (Message("no {what}", what=Message("thing that no catalogue has")), "no thing that no catalogue has"),
        (name("no network"), "no network"),
    ],
)
def test_a_message_is_in_the_language_as_a_whole_or_not_at_all(message: Message, text: str) -> None:
    assert in_words(message, NORWEGIAN) == text
    assert in_words(message, Words()) is message


ID = template_id("no {what}")


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [1],
        [ID],
        [ID, "a", "b"],
        [ID, None],
        [ID, True],
        [ID, {"what": "a"}],
        [ID, [[[["x"]]]]],
        ["00000000", "vault"],
        ["no {what}", "vault"],
        [ID, "another vault"],
        ["", "no ", "vault!"],
        ["", ["", ["", ["", ["", ["", ["", ["", ["", ["", ["", ["", ["", "no vault"]]]]]]]]]]]]],
        [[ID, "vault"]],
    ],
)
def test_data_that_does_not_give_the_english_text_leaves_it(data: Any) -> None:
    assert FIELD_OF_TEXTS(data, "no vault") == "no vault"


def test_a_template_of_a_file_is_never_filled_in() -> None:
    """The catalogue has no such template, whatever a document says of its id."""
    text = "{what.__class__} {0[a]} no {what}"
    assert FIELD_OF_TEXTS([template_id(text), "vault"], "vault no vault") == "vault no vault"
    assert message_of("kept", [template_id(text), "a"], {template_id(text): text}) == "kept"


def test_messages_that_lie_in_each_other_many_times_are_not_filled_in() -> None:
    data: Any = [ID, "x" * 60]
    for _ in range(8):
        data = ["", *[data] * 8]
    assert FIELD_OF_TEXTS(data, "no vault") == "no vault"


def test_the_ids_of_the_templates_differ() -> None:
    known = [text for _, text in (*translations("nb", MESSAGES), *translations("nb", RULES))]
    assert len({template_id(text) for text in known}) == len(set(known))


def change(title: str) -> ChangeRow:
    texts: dict[str, Any] = dict.fromkeys(("fingerprint", "resource", "endpoint", "address", "rule"), "")
    times: dict[str, Any] = {"since": "2026-11-01T00:00:00Z", "last_seen": "2026-11-01T00:00:00Z"}
    was = CellRow(severity="high", reach="internet", authentication="anonymous")
    return ChangeRow(
        kind="exposure", title=title, severity="high", reach="internet", authentication="shared", why="", was=was,
        **texts, **times,
    )  # fmt: skip


def test_a_title_that_a_history_keeps_is_a_message_again() -> None:
    title = Message("{what} is off: {why}", what=Message("The app"), why=Message("this revision is offline"))
    again = restored(str(title), stored(title))
    assert isinstance(again, Message)
    row = with_texts(change(again), {})
    assert row == with_texts(change(title), {})
    assert Texts(NORWEGIAN).row(row).title == "Appen er slått av: denne revisjonen er frakoblet"
    deep = '["",' * 20 + '["0"]' + "]" * 20
    for damaged in (f'[{deep},{{"0":"a"}}]', "[", "[1]", "[[],{}]", '[["0"],{}]', '[["0",1,2],{"0":"{a}"}]', "[{},{}]"):
        assert restored(str(title), damaged) == str(title)
        assert not isinstance(restored(str(title), damaged), Message)
    assert stored("a name") == stored(name("a name")) == ""


def test_reasons_have_their_data() -> None:
    templates: dict[str, str] = {}
    result = reasons_of({"a": Message("no {what}", what=Message("replica")), "b": "plain"}, templates)
    assert result == {"a": [ID, [template_id("replica")]]}
    assert templates == {ID: "no {what}", template_id("replica"): "replica"}
    assert data_of(MANY, {}) == [template_id("{count} ports"), 1204]
