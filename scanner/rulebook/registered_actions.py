"""The actions that Azure has registered, of those that a role needs, and the wildcards that grant the others.

Actions are derived from the paths that rules read. Azure checks the derived action when a path is read, but registers
not each of them, and refuses a custom role that names one that it has not registered. `registered_actions.toml` has the
source of each action; what has none is granted by the narrowest wildcard that matches a registered action.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct, field


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """A list that others wrote, and the actions that it names."""

    source: str
    actions: tuple[str, ...]


class Wildcard(Struct, frozen=True, forbid_unknown_fields=True):
    """An action with `*`, for the actions in `covers` that no source names."""

    action: str
    covers: tuple[str, ...]
    because: str
    matches: str
    """A registered action that it matches, without which Azure refuses it."""
    grants: str
    """What it grants besides."""
    without: tuple[str, ...] = ()
    """What of it is a NotAction of the role."""


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    registered: dict[str, Source]
    wildcard: tuple[Wildcard, ...] = field(default_factory=tuple)


@cache
def _file() -> _File:
    path = Path(__file__).with_name("registered_actions.toml")
    return msgspec.toml.decode(path.read_bytes(), type=_File)


def sources() -> dict[str, Source]:
    """Return the sources by their short names."""
    return _file().registered


def wildcards() -> tuple[Wildcard, ...]:
    """Return the wildcards, by action."""
    return _file().wildcard


@cache
def registered() -> dict[str, str]:
    """Return the registered actions (lower case) with the short name of the source."""
    return {action.lower(): name for name, each in sources().items() for action in each.actions}


@cache
def _covered() -> dict[str, Wildcard]:
    return {action.lower(): each for each in wildcards() for action in each.covers}


def wildcard_of(action: str) -> Wildcard | None:
    """Return the wildcard that grants an action that no source names; None where it needs none."""
    return _covered().get(action.lower())


def granted(needed: Iterable[str]) -> list[str]:
    """Return the actions of a role that allows what is needed, sorted: each that a wildcard grants as that wildcard."""
    matches = {matches.action if (matches := wildcard_of(each)) else each for each in needed}
    return sorted(matches, key=str.lower)


def without(actions: Iterable[str]) -> list[str]:
    """Return the NotActions of a role with these actions, sorted."""
    result = {each.action: each.without for each in wildcards()}
    return sorted(other for action in actions for other in result.get(action, ()))


def unverified(needed: Iterable[str]) -> list[str]:
    """Return the actions that no source names and no wildcard grants. Only rules of one's own need such."""
    return [each for each in needed if each.lower() not in registered() and wildcard_of(each) is None]
