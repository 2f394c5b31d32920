"""Items as rows of a history: read with the words that this version knows, written without NUL."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar, get_args

import msgspec

from scanner.document.words import KNOWN
from scanner.history.database import UnknownWord
from scanner.history.items import Item, ItemKind, ItemState, ScanRecord
from scanner.model.ids import subscription_of
from scanner.model.message import message_text
from scanner.text.times import BadTime, checked_time

T = TypeVar("T")

CHUNK = 1000
"""Values in one `IN (...)`."""
FIELDS = Item.__struct_fields__
COLUMNS = Item.__struct_encode_fields__
"""The columns of an item, in the order of its fields."""
_WORDS = (
    ("kind", frozenset(get_args(ItemKind))),
    ("state", frozenset(get_args(ItemState))),
    *KNOWN["ChangeRow"].items(),
)
"""The words that an item has: those that a document takes."""
EVENT_COLUMNS = ("severity", "reach", "authentication", "state", "sighted")
"""The columns of an item that each of its events holds, too."""


def item_of(values: Iterable[Any]) -> Item:
    """Return the item that a row of its columns holds. Raises UnknownWord for a value of a newer or unknown version."""
    item = Item(**dict(zip(FIELDS, values, strict=True)))
    for name, known in _WORDS:
        if getattr(item, name) not in known:
            raise UnknownWord(f"{name} of an item is {getattr(item, name)!r:.60}")
    check_times(item, ("since", "seen"))
    return item


def check_times(result: Item | ScanRecord, names: Iterable[str]) -> None:
    """Raise UnknownWord for a time that cannot be: one of 2099 would make each later scan the older one."""
    for name in names:
        try:
            checked_time(getattr(result, name))
        except (BadTime, TypeError) as error:
            raise UnknownWord(str(error)) from None


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Return the values in parts that fit into one `IN (...)`."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def item_row(item: Item, number: int) -> dict[str, Any]:
    """Return the row of an item."""
    row = {name: _storable(value) for name, value in msgspec.to_builtins(item, enc_hook=message_text).items()}
    return {**row, "number": number, "subscription": subscription_of(item.resource)}


def _storable(value: Any) -> Any:
    """Return a value without NUL, because names from Azure may have one and PostgreSQL's text cannot."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
