"""Values in JSON bodies by dotted path. Keys, texts and booleans compare without case, as ARM does."""

from functools import lru_cache
from typing import Any


class _Missing:
    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""What `Resource.look` answers for a property that the body does not have."""


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


@lru_cache(maxsize=8192)
def _folded(keys: tuple[str, ...]) -> dict[str, str]:
    return {key.lower(): key for key in keys}


def member(body: Any, name: str) -> Any:
    """The member of a JSON object whatever its case, or MISSING; a body that is no object has none."""
    if not isinstance(body, dict):
        return MISSING
    if name in body:
        return body[name]
    key = _folded(tuple(body)).get(name.lower())
    return MISSING if key is None else body[key]


def get_path(body: Any, path: str) -> Any:
    """The value below a dotted path whatever the case of its keys, or MISSING."""
    for step in _steps(path):
        try:
            body = body[step]
        except (KeyError, TypeError):
            body = member(body, step)
            if body is MISSING:
                return MISSING
    return body


def same(seen: object, known: object) -> bool:
    """Whether a value from Azure is a known one: text without case, and "true" for true."""
    if seen is known:
        return True
    if isinstance(known, bool) or isinstance(seen, bool):
        return str(seen).lower() == str(known).lower()
    if isinstance(seen, str) and isinstance(known, str):
        return seen.lower() == known.lower()
    return seen == known
