"""Texts that people read, as data: an English template and its values.

A template is the key of its translations. It stands in the code as the first argument of `Message`, or as one of the
first two of `plural`, from where the catalogue of translations is made. The text itself is the English one.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

Value = "str | Number | Message"
"""A value of a message: a name, which is never translated, a number, or a message."""
FIELD = re.compile(r"\{(\w+)(?:!([clp]))?\}")
"""A field of a template. `!c`: a message in it begins with a capital letter; `!l`: with a small one. `!p`: it is a verb
phrase of several subjects ("allow access"), which only English tells from that of one ("allows access")."""


class Number(int):
    """A number that is shown with the separators of the language. A port or a priority is a name, not a number."""

    def __str__(self) -> str:
        return f"{int(self):,}"

    __format__: Any = lambda self, _: str(self)


class Message(str):
    """A text with the template that it is made of and its values.

    It is its English text, so that it sorts, compares and prints as any text. What is put together from it by an
    f-string or by `join` is a plain text, which has no translation: use a field, or `joined`.
    """

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, "str | Number | Message"]

    def __new__(cls, template: str, /, **values: object) -> "Message":
        """Return the message. A value that is no message and no `Number` is a name."""
        if not values:
            return given(template, template, values)
        for name, value in values.items():
            kind = type(value)
            if kind is not str and kind is not Message and kind is not Number:
                values[name] = str(value)
        form = _form(template)
        if form is None:
            return given(_rendered(template, values), template, values)
        text, names = form
        message: Any = _new(Message, text % tuple([values[each] for each in names]))
        message.template = template
        message.values = values
        return message  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Callable[..., "Message"], tuple[Any, ...]]:
        return given, (str(self), self.template, self.values)


_new: Final = str.__new__


def given(text: str, template: str, values: Mapping[str, Any]) -> Message:
    """Return the message of a text that is known already; nothing is filled in."""
    message = str.__new__(Message, text)
    message.template = template
    message.values = values
    return message


NOTHING = Message("")


def name(text: str) -> Message:
    """Return a message that is a name, or a value of Azure: it is the same in every language."""
    return Message("{name}", name=text) if text else NOTHING


def plural(one: str, other: str, /, count: int, **values: object) -> Message:
    """Return the message for a count. `one`, `other`: its templates in English, of which the field `count` is shown."""
    return Message(one if count == 1 else other, count=Number(count), **values)


def joined(separator: str, items: Iterable[str]) -> Message:
    """Return messages and names as one message, with punctuation between them; a part that is empty is left out."""
    matches = [each for each in items if each]
    if len(matches) == 1 and isinstance(matches[0], Message):
        return matches[0]
    return Message(separator.join(_fields(len(matches))), **dict(zip(_names(len(matches)), matches, strict=True)))


def listed(items: Sequence[str]) -> Message:
    """Return messages and names as a list: "a, b and c"."""
    if len(items) < 2:
        return joined(", ", items)
    return Message("{list} and {last}", list=joined(", ", items[:-1]), last=items[-1])


def either(items: Sequence[str]) -> str:
    """Return messages and names of which one is enough: "a, b or c"; a single one as it is."""
    if len(items) < 2:
        return items[0] if items else NOTHING
    return Message("{list} or {last}", list=joined(", ", items[:-1]), last=items[-1])


_MORE: Final = "{count} more"


def more(count: int) -> Message:
    """Return the last part of a list that was cut: how many were left out."""
    return Message(_MORE, count=Number(count))


def is_rest(item: str) -> bool:
    """Return whether a part of a list counts those that were left out."""
    return isinstance(item, Message) and item.template == _MORE


def message_text(value: object) -> str:
    """Return a text that is of a class of its own, as a message is, for encoders (`enc_hook`).

    Raises TypeError for anything else, as they do.
    """
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


def _rendered(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with its values. Nothing of a value is looked up in, and no field has a format."""
    return "".join(
        each if field is None else cased(str(values[field]), case if isinstance(values[field], Message) else "")
        for each, field, case in pieces(template)
    )


def cased(text: str, case: str) -> str:
    """Return the text of a message in the form that its field asks for, as `FIELD` says."""
    if case == "p":
        verb, space, rest = text.partition(" ")
        return verb.removesuffix("s") + space + rest
    return {"c": text[:1].upper(), "l": text[:1].lower()}.get(case, text[:1]) + text[1:]


@lru_cache(maxsize=4096)
def pieces(template: str) -> tuple[tuple[str, str | None, str], ...]:
    """Return a template as its fixed texts, and its fields with how they begin."""
    matches = FIELD.split(template)
    made: list[tuple[str, str | None, str]] = []
    for at in range(0, len(matches), 3):
        if matches[at]:
            made.append((matches[at], None, ""))
        if at + 1 < len(matches):
            made.append(("", matches[at + 1], matches[at + 2] or ""))
    return tuple(made)


@lru_cache(maxsize=4096)
def _form(template: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a template as a format of `%` and the names of its fields; None where a field begins in its own way."""
    matches = pieces(template)
    if any(case for _, _, case in matches):
        return None
    text = "".join("%s" if field is not None else each.replace("%", "%%") for each, field, _ in matches)
    return text, tuple(field for _, field, _ in matches if field is not None)


@lru_cache(maxsize=64)
def _names(count: int) -> tuple[str, ...]:
    return tuple(f"part{at}" for at in range(1, count + 1))


@lru_cache(maxsize=64)
def _fields(count: int) -> tuple[str, ...]:
    return tuple(f"{{{each}}}" for each in _names(count))
