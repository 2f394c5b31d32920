"""What the texts of a row are made of, for reports in other languages: templates and values, by where the text stands.

A row of a findings document has its English texts where they always stood, and beside them `said`:
`{"message": ["5d0c1f2a", {"who": "Internet"}], "evidence.0.expected": ["a93b11c0"]}`. A position is the names of members
and the numbers of items, between dots. A text is a list: the id of its template, then its values by name where it has
any. A value is a name (text), a number, or a text again (a list). The document has each template once, in `templates`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from scanner.model.message import Message, Number

Said = dict[str, list[Any]]
"""Texts by their position in a row: the id of a template and its values."""


@lru_cache(maxsize=8192)
def template_id(template: str) -> str:
    """Return the id of a template: the first 8 hex digits of SHA-256 over it."""
    return hashlib.sha256(template.encode()).hexdigest()[:8]


def said(row: Any, templates: dict[str, str]) -> Said:
    """Return what the texts of a row are made of. `templates`: where the template of each is added, by its id."""
    found: Said = {}
    for position, message in messages(row):
        found[position] = _data(message, templates)
    return found


def messages(value: Any, position: str = "") -> Iterator[tuple[str, Message]]:
    """Yield the messages in a row with their positions."""
    kind = type(value)
    if kind is Message:
        if value:
            yield position, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            each = getattr(value, name)
            if type(each) not in _PLAIN:
                yield from messages(each, f"{position}.{name}" if position else name)
    elif kind is dict:
        yield from _inside(value.items(), position)
    elif kind is list or kind is tuple:
        yield from _inside(enumerate(value), position)


_PLAIN = frozenset({str, int, bool, float, type(None), msgspec.UnsetType})


def _inside(items: Iterable[tuple[Any, Any]], position: str) -> Iterator[tuple[str, Message]]:
    for key, each in items:
        if type(each) not in _PLAIN:
            yield from messages(each, f"{position}.{key}" if position else str(key))


def _data(message: Message, templates: dict[str, str]) -> list[Any]:
    id = template_id(message.template)
    templates[id] = message.template
    if not message.values:
        return [id]
    return [id, {name: _value(value, templates) for name, value in message.values.items()}]


def _value(value: Any, templates: dict[str, str]) -> str | int | list[Any]:
    if type(value) is Message:
        return _data(value, templates)
    return int(value) if type(value) is Number else str(value)
