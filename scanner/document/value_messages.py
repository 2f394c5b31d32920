"""The message of a failed check whose rule says no more than its title: the value that decides it."""

from collections.abc import Sequence

from scanner.document.schema import EvidenceRow, FindingRow
from scanner.model.ids import name_of
from scanner.model.message import NOTHING, Message, joined, more, plural
from scanner.model.verdict import display_value

_MOST = 3
"""The values of a list that are named; the others are counted."""


def value_message(evidence: Sequence[EvidenceRow]) -> Message:
    """Return the path and the value of the first evidence with an expected value, or of the first; "" for none."""
    row = next((each for each in evidence if each.expected is not None), evidence[0] if evidence else None)
    return NOTHING if row is None else Message("{path}: {value}.", path=_path(row.path), value=_value(row.value))


def is_value(row: FindingRow) -> bool:
    """Return whether the message of a finding begins with a value alone, so that it needs the title beside it."""
    text = value_message(row.evidence)
    return bool(text) and row.message.startswith(text)


def with_title(row: FindingRow) -> str:
    """Return the message of a finding, after its title where it is a value alone."""
    return f"{row.title}. {row.message}" if is_value(row) else row.message


def _path(path: str) -> str:
    if isinstance(path, Message):
        return path
    resource, space, rest = path.partition(" ")
    return _short(resource) + space + rest.replace("properties.", "")


def _short(text: str) -> str:
    return name_of(text) if text.startswith("/subscriptions/") else text.replace("properties.", "")


def _value(value: object) -> str:
    if not isinstance(value, list):
        return _one(value)
    if not value:
        return Message("none")
    if any(isinstance(each, dict) for each in value):
        return plural("{count} entry", "{count} entries", len(value))
    rest = [more(len(value) - _MOST)] if len(value) > _MOST else []
    return joined(", ", [*(_one(each) for each in value[:_MOST]), *rest])


def _one(value: object) -> str:
    """Return a value as a short text: a resource by its name, a list by its values."""
    if isinstance(value, dict):
        return Message("an object")
    if isinstance(value, list):
        return _value(value)
    if value == "":
        return Message("empty")
    shown = display_value(value)
    return shown if isinstance(shown, Message) or not shown.startswith("/subscriptions/") else name_of(str(value))
