"""Texts of a findings document in another language, made of their templates and values.

Only templates of the catalogue are filled in. A text of which a part is in no catalogue, or whose English is not what
its template and values give, stays in English as a whole.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from scanner.document.message_data import DEEPEST, Data, data_of, fields_of, template_id
from scanner.model.message import Message, cased, pieces
from scanner.report.language.translations import IMPACT, MESSAGES, RULES, TITLE, translations
from scanner.report.language.words import ENGLISH, Words


class Known(NamedTuple):
    """A template, and its translation."""

    english: str
    translated: str


class _Other(Exception):
    """A message is not one of the catalogue."""


class Messages:
    """The messages of one language."""

    def __init__(self, words: Words, known: Iterable[Known]) -> None:
        self._words = words
        self._known = {template_id(each.english): each for each in known}

    def exactly(self, text: str) -> str:
        """Return the translation of a text without fields, such as the name of a type; any other text unchanged."""
        known = self._known.get(template_id(text))
        return text if known is None or known.english != text or fields_of(text) else known.translated

    def text(self, data: Data, english: str) -> str:
        """Return a text in the language. `data`: what it is made of; `english`: itself."""
        try:
            made, text = self._rendered(data, len(english), 0)
        except _Other:
            return english
        return text if made == english else english

    def _rendered(self, data: Any, longest: int, depth: int) -> tuple[str, str]:
        """Return a message in English and in the language. Raises _Other for one that is not known, or is longer than
        the whole text.
        """
        if not isinstance(data, list) or not data or depth > DEEPEST:
            raise _Other
        id, *values = data
        parts = [self._value(each, longest, depth) for each in values]
        if id == "":
            made = "".join(english for english, _, _ in parts), "".join(text for _, text, _ in parts)
        else:
            known = self._known.get(id) if isinstance(id, str) else None
            names = fields_of(known.english) if known is not None else ()
            if known is None or len(names) != len(values):
                raise _Other
            english = {name: (each[0], each[2]) for name, each in zip(names, parts, strict=True)}
            translated = {name: each[1:] for name, each in zip(names, parts, strict=True)}
            made = _filled(known.english, english), _filled(known.translated, translated, "p")
        if len(made[0]) > longest:
            raise _Other
        return made

    def _value(self, value: Any, longest: int, depth: int) -> tuple[str, str, bool]:
        """Return a value in English and in the language, and whether it is a message."""
        if isinstance(value, str):
            return value, value, False
        if isinstance(value, int) and not isinstance(value, bool):
            return f"{value:,}", self._words.number(value), False
        english, text = self._rendered(value, longest, depth + 1)
        return english, text, True


def _filled(template: str, values: Mapping[str, tuple[str, bool]], not_asked: str = "") -> str:
    """Return a template with its values, each with whether it is a message. No field is looked up in. `not_asked`: the
    form that the language has not.
    """
    made: list[str] = []
    for text, field, case in pieces(template):
        if field is None:
            made.append(text)
        elif (filled := values.get(field)) is None:
            raise _Other
        else:
            value, is_message = filled
            made.append(cased(value, case) if is_message and case != not_asked else value)
    return "".join(made)


def _known(language: str) -> list[Known]:
    """Return the templates that have a translation."""
    of_rules = translations(language, RULES)
    return [
        *(Known(text, forms[0]) for (field, text), forms in of_rules.items() if field in (TITLE, IMPACT)),
        *(Known(text, forms[0]) for (_, text), forms in translations(language, MESSAGES).items()),
    ]


@lru_cache
def messages(language: str) -> Messages:
    """Return the messages of a language. Raises OSError where it has no catalogue."""
    return Messages(Words(language), _known(language))


def exactly(text: str, words: Words) -> str:
    """Return the name of a type, or another text without fields, in the language of the words."""
    return text if words.language == ENGLISH else messages(words.language).exactly(text)


def in_words(text: str, words: Words) -> str:
    """Return a message that was just made in the language of the words; any other text unchanged."""
    if words.language == ENGLISH or not isinstance(text, Message):
        return text
    data = data_of(text, {})
    return text if data is None else messages(words.language).text(data, text)
