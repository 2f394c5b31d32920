"""What the texts of a row are made of: the template of each, and its values, beside the texts themselves.

The English text stands in its field, for people and programs. `texts` of the row has, by the position of the field
(`hops.0.detail`), what a report in another language is made of: a list of the id of the template, and a value for each
of its fields. A value is a text (a name, which is never translated), a number that is shown with separators, or again
such a list. A list whose first element is "" is texts and lists that follow each other. `templates` of the document has
the English template of each id.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from scanner.model.message import FIELD, Message, Number, given, pieces

Data = list[Any]
"""A message as data: `[id, value, ...]`, or `["", piece, ...]`."""
TextData = dict[str, Data] | msgspec.UnsetType
FIELD_OF_TEXTS: Final = "texts"
TEXTS: Final = frozenset({
    "admits", "breaks", "cannot", "detail", "evidence", "expected", "fields", "fix", "hops", "impact", "message",
    "name", "notes", "path", "publishers", "reason", "risks", "service", "source", "steps", "title", "undo",
    "value", "what", "why",
})  # fmt: skip
"""The fields of a row that are texts, or have such rows. A report changes no other one, whatever a document says of
it."""
DEEPEST: Final = 12
"""How deep messages of a file may lie in each other."""
_LETTER: Final = re.compile(r"[^\W\d_]")
_Row = TypeVar("_Row", bound=msgspec.Struct)


@lru_cache(maxsize=8192)
def template_id(template: str) -> str:
    """Return the id of a template: the first 8 hex digits of its SHA-256."""
    return sha256(template.encode()).hexdigest()[:8]


@lru_cache(maxsize=8192)
def is_translated(template: str) -> bool:
    """Return whether a template differs by language: it has a word, or a field that asks for a form of its message."""
    fields = FIELD.findall(template)
    return bool(_LETTER.search(FIELD.sub("", template))) or any(form for _, form in fields)


@lru_cache(maxsize=8192)
def fields_of(template: str) -> tuple[str, ...]:
    """Return the names of the fields of a template, in the order in which `Data` has their values."""
    return tuple(dict.fromkeys(field for _, field, _ in pieces(template) if field is not None))


def data_of(message: Message, templates: dict[str, str]) -> Data | None:
    """Return a message as data, None where it is the same in every language. Its templates are added to `templates`."""
    template, values = message.template, message.values
    if not values:
        id = _id_of_words(template)
        if id and id not in templates:
            templates[id] = str(template)
        return [id] if id else None
    if not is_translated(template):
        values_and_texts = list(_pieces(message, templates))
        return ["", *values_and_texts] if any(type(each) is not str for each in values_and_texts) else None
    id = template_id(template)
    templates[id] = str(template)
    return [id, *[_value(values[field], templates) for field in fields_of(template)]]


@lru_cache(maxsize=8192)
def _id_of_words(template: str) -> str:
    """Return the id of a template, "" where it is the same in every language."""
    return template_id(template) if is_translated(template) else ""


def _value(value: str | Number | Message, templates: dict[str, str]) -> str | int | Data:
    if isinstance(value, Message):
        data = data_of(value, templates)
        return str(value) if data is None else data
    return int(value) if isinstance(value, Number) else value


def _pieces(message: Message, templates: dict[str, str]) -> Iterator[str | int | Data]:
    """Yield the parts of a message that has no words of its own, those of such messages in it too."""
    for text, field, _ in pieces(message.template):
        value = text if field is None else _value(message.values[field], templates)
        if isinstance(value, list) and not value[0]:
            yield from value[1:]
        else:
            yield value


def stored(message: str) -> str:
    """Return a message as JSON of its data and templates, "" where it is the same in every language."""
    templates: dict[str, str] = {}
    data = data_of(message, templates) if isinstance(message, Message) else None
    return "" if data is None else msgspec.json.encode([data, templates]).decode()


def stored_data(data: Data, templates: Mapping[str, str]) -> str:
    """Return the data of a message of a document as `stored` does. `templates`: those of the document."""
    ids = set(_ids(data, 0))
    return msgspec.json.encode([data, {id: text for id, text in templates.items() if id in ids}]).decode()


def _ids(data: Data, depth: int) -> Iterator[str]:
    for each in data if depth < DEEPEST else ():
        if isinstance(each, list):
            yield from _ids(each, depth + 1)
    yield from (each for each in data[:1] if isinstance(each, str))


def restored(text: str, kept: str) -> str:
    """Return the message of a text and what `stored` gave for it; the text alone where that is damaged."""
    if not kept:
        return text
    try:
        data, templates = _decode(kept)
        return message_of(text, data, templates)
    except (msgspec.DecodeError, KeyError, IndexError, TypeError, ValueError, RecursionError):
        return text


_decode: Final = msgspec.json.Decoder(tuple[Data, dict[str, str]]).decode


def message_of(text: str, data: Data, templates: Mapping[str, str], depth: int = 0) -> Message:
    """Return the message of a text and its data. Nothing is filled in: its messages have no text of their own.

    Raises KeyError for a template that is not known, and ValueError for data of another form, or deeper than DEEPEST.
    """
    if depth > DEEPEST:
        raise ValueError("messages lie too deep in each other")
    id, *values = data
    if id:
        template = templates[id]
        names = fields_of(template)
    else:
        names = tuple(f"part{at}" for at in range(len(values)))
        template = "".join(f"{{{each}}}" for each in names)
    read = [_read(each, templates, depth + 1) for each in values]
    return given(text, template, dict(zip(names, read, strict=True)))


def _read(value: Any, templates: Mapping[str, str], depth: int) -> str | Number | Message:
    if isinstance(value, list):
        return message_of("", value, templates, depth)
    return Number(value) if isinstance(value, int) else str(value)


def texts_of(row: Any, templates: dict[str, str]) -> dict[str, Data]:
    """Return what the texts of a row are made of, by their positions. Rows in it with `texts` of their own are left
    out.
    """
    result: dict[str, Data] = {}
    _collect(row, "", result, templates)
    return result


def _collect(value: Any, at: str, result: dict[str, Data], templates: dict[str, str]) -> None:
    kind = type(value)
    if kind is Message:
        data = data_of(value, templates)
        if data is not None:
            result[at] = data
    elif kind is list:
        for number, each in enumerate(value):
            if type(each) not in _PLAIN:
                _collect(each, f"{at}.{number}", result, templates)
    elif (fields := _FIELDS[kind]) is not None and not (at and fields.has_texts):
        for name in fields.names:
            each = getattr(value, name)
            if type(each) not in _PLAIN:
                _collect(each, f"{at}.{name}" if at else name, result, templates)


class _Fields(NamedTuple):
    """The fields with texts of a type of row, and whether it has `texts` of its own."""

    names: tuple[str, ...]
    has_texts: bool


class _FieldsByType(dict[type, _Fields | None]):
    """The fields of each type of row, None for what is no row."""

    def __missing__(self, kind: type) -> _Fields | None:
        names = getattr(kind, "__struct_fields__", None)
        result = self[kind] = (
            None if names is None else _Fields(tuple(each for each in names if each in TEXTS), FIELD_OF_TEXTS in names)
        )
        return result


_FIELDS: Final = _FieldsByType()
_PLAIN: Final = frozenset({str, int, float, bool, type(None), msgspec.UnsetType})


def with_texts(row: _Row, templates: dict[str, str]) -> _Row:
    """Return a row with what its texts are made of; one that was read from a document keeps what it has."""
    result = texts_of(row, templates)
    return msgspec.structs.replace(row, **{FIELD_OF_TEXTS: result}) if result else row


def all_with_texts(rows: Iterable[_Row], templates: dict[str, str]) -> list[_Row]:
    """Return rows with what their texts are made of."""
    return [with_texts(each, templates) for each in rows]


def reasons_of(rules: Mapping[str, str], templates: dict[str, str]) -> dict[str, Data]:
    """Return what the reasons of a resource are made of, by rule."""
    return {
        rule: data
        for rule, reason in rules.items()
        if isinstance(reason, Message) and (data := data_of(reason, templates)) is not None
    }
