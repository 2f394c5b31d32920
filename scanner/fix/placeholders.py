"""Templates of commands and steps, with the names of a resource filled in."""

import shlex
from collections.abc import Callable
from functools import lru_cache
from string import Formatter

from scanner.model.message import Message, pieces
from scanner.model.message import name as named
from scanner.model.resource import Resource

PLACEHOLDERS: dict[str, Callable[[Resource, Resource], str]] = {
    "name": lambda subject, top: subject.name,
    "id": lambda subject, top: subject.id,
    "group": lambda subject, top: subject.group,
    "subscription": lambda subject, top: subject.subscription,
    "top": lambda subject, top: top.name,
    "top_id": lambda subject, top: top.id,
    "location": lambda subject, top: top.location,
}


Segments = tuple[tuple[str, str], ...]
quoted = lru_cache(maxsize=4096)(shlex.quote)


@lru_cache(maxsize=8192)
def segments_of(template: str) -> Segments | None:
    """Return the texts of a template, each with the name that follows it ("" for none).

    None where `str.format` must decide: names with attributes or formats, and templates that are not well formed.
    """
    matches: list[tuple[str, str]] = []
    try:
        for text, name, form, conversion in Formatter().parse(template):
            if name is not None and (form or conversion or not name.isidentifier()):
                return None
            matches.append((text, name or ""))
    except ValueError:
        return None
    return tuple(matches)


class _Placeholders(dict[str, str]):
    """The values of a command's placeholders, made when they are looked up. Other words in braces stay."""

    def __init__(self, subject: Resource, top: Resource, quote: Callable[[str], str], more: dict[str, str]) -> None:
        self._subject = subject
        self._top = top
        self._quote = quote
        self._more = more

    def __missing__(self, key: str) -> str:
        if key in self._more:
            return self._quote(self._more[key])
        make = PLACEHOLDERS.get(key)
        return "{" + key + "}" if make is None else self._quote(make(self._subject, self._top))


def formatted(
    template: str, subject: Resource, top: Resource, quote: Callable[[str], str], more: dict[str, str]
) -> str:
    """Return a template with its names filled in, as `str.format` does."""
    return template.format_map(_Placeholders(subject, top, quote, more))


def _filled(template: str, subject: Resource, top: Resource, quote: Callable[[str], str], more: dict[str, str]) -> str:
    """Return what `formatted` returns; each template is parsed once."""
    if "{" not in template and "}" not in template:
        return template
    segments = segments_of(template)
    if segments is None:
        return formatted(template, subject, top, quote, more)
    words: list[str] = []
    for text, name in segments:
        words.append(text)
        if name:
            if name in more:
                words.append(quote(more[name]))
            elif (make := PLACEHOLDERS.get(name)) is not None:
                words.append(quote(make(subject, top)))
            else:
                words.append("{" + name + "}")
    return "".join(words)


def filled(template: str, subject: Resource, top: Resource, **more: str) -> str:
    """Return a command with the names of a resource filled in, each quoted for POSIX shells; "" stays ""."""
    return _filled(template, subject, top, quoted, more)


def words_of(template: str, subject: Resource, top: Resource) -> Message:
    """Return a step in words with the names of a resource filled in, as they are; other words in braces stay.

    A step with values is one of this resource already: braces in its names are no fields.
    """
    if isinstance(template, Message) and template.values:
        return template
    if "{{" in template or "}}" in template:
        # Braces that are no field: only a step of a rule of one's own has them, which is not translated.
        return named(_filled(template, subject, top, str, {}))
    names = dict.fromkeys(field for _, field, _ in pieces(template) if field is not None)
    return Message(
        template,
        **{each: PLACEHOLDERS[each](subject, top) if each in PLACEHOLDERS else f"{{{each}}}" for each in names},
    )
