"""Masks JSON values: apart from the patterns, because the help of a command must not load msgspec."""

from functools import lru_cache
from typing import Any

import msgspec

from scanner.model.message import message_text
from scanner.text.masks import has_secret, masked

_SHORT = 32
"""The length of texts that are mostly the values of settings, which come again and again."""
_NUMBERS = (bool, int, float)
_masked = lru_cache(maxsize=2048)(masked)


def masked_value(value: Any) -> Any:
    """Return a JSON value without what looks like a secret: the value itself where there is nothing."""
    if isinstance(value, str):
        return _masked(value) if len(value) <= _SHORT else masked(value)
    if value is None or isinstance(value, _NUMBERS):
        return value
    if not isinstance(value, dict | list) or not _is_suspicious(value):
        return value
    if isinstance(value, dict):
        return {name: masked_value(each) for name, each in value.items()}
    return [masked_value(each) for each in value]


def shown_value(value: Any) -> Any:
    """Return a value of evidence without what looks like a secret; a message stays one where nothing is masked."""
    shown = masked_value(value)
    return value if shown == value else shown


def _is_suspicious(value: Any) -> bool:
    """Return whether the JSON of a value has a match of any pattern."""
    return has_secret(msgspec.json.encode(value, enc_hook=message_text).decode())
