"""Values in JSON bodies by dotted path. Keys, texts and booleans compare without case, as ARM compares them.

A name with other signs stands in quotes, as in JSON: `tags."cost.center"`.
"""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from scanner.model.unread import Unread, malformed


class _Missing:
    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return ABSENT


ABSENT: Final = "absent"
"""What people read in place of MISSING."""
PRESENT: Final = "present"
"""What people read in place of a resource, or of an entry of a list, that a fix removes."""
MISSING = _Missing()
"""What `get_path` and `Resource.get` return for a property that the body does not have."""


class PartialObject(dict[str, Any]):
    """A JSON object that may lack members that Azure returned. Subclasses say which (`scanner.model.kept`)."""

    __slots__ = ()

    def check(self, name: str) -> None:
        """Raise Unread where a member that this object does not have may have been left out."""
        raise NotImplementedError


_STEP = re.compile(r'(?:^|\.)("(?:[^"\\]|\\.)*"|[^.]*)')


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[str, ...]:
    """Return the names of a path, without quotes. Raise ValueError for quotes around what is no JSON text."""
    if '"' not in path:
        return tuple(path.split("."))
    return tuple(json.loads(step) if step.startswith('"') else step for step in _STEP.findall(path))


@lru_cache(maxsize=8192)
def _folded(keys: tuple[str, ...]) -> dict[str, str]:
    return {key.lower(): key for key in keys}


def member(body: Any, name: str) -> Any:
    """Return the member of a JSON object whatever its case; MISSING without one, and for a body that is no object.

    Raises Unread for a member that was not kept.
    """
    if type(body) is dict:
        if name in body:
            return body[name]
        key = _folded(tuple(body)).get(name.lower())
        return MISSING if key is None else body[key]
    if not isinstance(body, dict):
        return MISSING
    if dict.__contains__(body, name):
        return body[name]
    key = _folded(tuple(dict.keys(body))).get(name.lower())
    if key is not None:
        return body[key]
    if isinstance(body, PartialObject):
        body.check(name)
    return MISSING


def copied(body: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a JSON object; of one that was cut a copy of what was kept, where `{**body}` raises Unread."""
    return dict(dict.items(body))


def _member_of_partial(body: Any, name: str) -> Any:
    """Return what `member` returns, of an object that watches what is looked up in it."""
    if isinstance(body, PartialObject):
        result = dict.get(body, name, MISSING)
        if result is MISSING:
            key = _folded(tuple(dict.keys(body))).get(name.lower())
            if key is not None:
                return dict.__getitem__(body, key)
            body.check(name)
        return result
    try:
        return body[name]
    except (KeyError, TypeError):
        return member(body, name)


def get_path(body: Any, path: str) -> Any:
    """Return the value below a dotted path whatever the case of its keys; MISSING without one. Raises Unread for what
    was not kept.
    """
    for step in steps(path):
        if type(body) is dict:
            value = body.get(step, MISSING)
            if value is MISSING:
                key = _folded(tuple(body)).get(step.lower())
                if key is None:
                    return MISSING
                value = body[key]
            body = value
        else:
            body = _member_of_partial(body, step)
            if body is MISSING:
                return MISSING
    return body


def peek(body: Any, path: str) -> Any:
    """Return the value below a dotted path; MISSING also for what was not kept, and where the body is no object."""
    try:
        return get_path(body, path)
    except Unread:
        return MISSING


def value_at(body: Any, path: str) -> Any:
    """Return what `get_path` returns. Raises Unread also where the path leads into a value that is no object: that is
    not absence, and no default applies.
    """
    for step in steps(path):
        if type(body) is dict:
            value = body.get(step, MISSING)
            if value is MISSING:
                key = _folded(tuple(body)).get(step.lower())
                if key is None:
                    return MISSING
                value = body[key]
            body = value
        elif isinstance(body, dict):
            body = _member_of_partial(body, step)
            if body is MISSING:
                return MISSING
        elif is_absent(body):
            return MISSING
        else:
            raise malformed(path)
    return body


def spelled(value: object) -> str:
    """Return a value of a body as text for people: as JSON has it, a text as it is, `absent` for MISSING."""
    text = str(value)
    if isinstance(value, str) or value is MISSING or not any(each in text for each in ("None", "True", "False")):
        return text
    return json.dumps(value, ensure_ascii=False, default=str)


def same(seen: object, known: object) -> bool:
    """Return whether a value from Azure equals a known one: texts without case, and "true" equals true."""
    if seen is known:
        return True
    if isinstance(seen, str) and isinstance(known, str):
        return seen.lower() == known.lower()
    if isinstance(known, bool) or isinstance(seen, bool):
        return str(seen).lower() == str(known).lower()
    return seen == known


def is_one(value: Any, known: Iterable[Any]) -> bool:
    """Return whether a value is one of the known ones, as `same` compares them."""
    for each in known:  # noqa: SIM110 - a generator takes as long as the comparison
        if same(value, each):
            return True
    return False


def is_absent(value: object) -> bool:
    """Return whether a value is MISSING or null; both mean that ARM did not return the property."""
    return value is MISSING or value is None


def text_at(body: Any, path: str) -> str:
    """Return the text below a dotted path; "" where there is none."""
    value = get_path(body, path)
    return value if isinstance(value, str) else ""


def texts_at(body: Any, path: str) -> list[str]:
    """Return the texts of the list below a dotted path; [] where there is no list."""
    value = get_path(body, path)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def objects_at(body: Any, path: str) -> list[Any]:
    """Return the JSON objects of the list below a dotted path; [] where there is no list."""
    value = get_path(body, path)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def known_text(body: Any, path: str) -> str:
    """Return the text below a dotted path; "" where it is absent. Raises Unread for a value that is no text."""
    value = value_at(body, path)
    if is_absent(value):
        return ""
    if not isinstance(value, str):
        raise malformed(path)
    return value


def known_objects(body: Any, path: str) -> list[Any]:
    """Return the list of JSON objects below a dotted path; [] where it is absent. Raises Unread for anything else."""
    value = value_at(body, path)
    if is_absent(value):
        return []
    if not (isinstance(value, list) and all(isinstance(each, dict) for each in value)):
        raise malformed(path)
    return value


def is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
