"""Templates of commands and steps, with the names of a resource filled in."""

import shlex
from collections.abc import Callable

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


def filled(template: str, subject: Resource, top: Resource, **more: str) -> str:
    """Return a command with the names of a resource filled in, each quoted for POSIX shells; "" stays ""."""
    return template.format_map(_Placeholders(subject, top, shlex.quote, more))


def words_of(template: str, subject: Resource, top: Resource) -> str:
    """Return a step in words with the names of a resource filled in, as they are."""
    return template.format_map(_Placeholders(subject, top, str, {}))
