"""A command that names an entry of a list by its position runs only where the entry is still the one that was read.

The check and the command are one line of Bash, so that neither is copied without the other.
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from scanner.fix.placeholders import quoted
from scanner.model.kept import MARK, NOT_KEPT
from scanner.model.masked_values import masked_value
from scanner.text.masks import MASK

STOP: Final = (
    " | grep -qx true || { echo 'Nothing was changed: the list is not as it was scanned. Scan again.' >&2; false; } && "
)
"""What stands between a check, which prints `true`, and the command that it protects."""
POSITION: Final = re.compile(r"--remove \S+ -?\d+|\[-?\d+\]")
"""What names an entry by its position."""
Entries = Sequence[tuple[int, Any]]
"""Positions, each with the entry that was read there."""
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NOT_COMPARED: Final = frozenset(("provisioningstate", "etag", "state", "description"))
"""Members (lower case) that Azure changes by itself, or that change nothing of what an entry does."""


def checked(command: str, id: str, path: str, entries: Entries) -> str:
    """Return a command that changes entries of a list, behind the check that they are those that were read.

    "" where nothing is known of an entry that a check can compare.
    """
    comparisons = [list(_comparisons(f"{path}[{position}]", entry)) for position, entry in entries]
    if not all(comparisons):
        return ""
    query = " && ".join(each for several in comparisons for each in several)
    return f"az resource show --ids {quoted(id)} --query {shlex.quote(query)} --output json{STOP}{command}"


def unchecked(command: str) -> str:
    """Return a command without its check."""
    return command.rpartition(STOP)[2]


def check_of(command: str) -> str:
    """Return the check of a command, "" where it has none."""
    return command.rpartition(STOP)[0]


def _comparisons(at: str, entry: Any) -> Iterator[str]:
    """Yield what is true of the entry that was read: its texts, numbers and switches, in JMESPath."""
    if isinstance(entry, dict):
        for name, value in sorted(dict.items(entry)):
            if name != MARK and _is_comparable(value) and name.lower() not in _NOT_COMPARED:
                yield f"{at}.{_name(name)}==`{_literal(value)}`"
    elif _is_comparable(entry):
        yield f"{at}==`{_literal(entry)}`"


def _is_comparable(value: Any) -> bool:
    """Return whether a value was kept, and is no secret that a command would show."""
    if not isinstance(value, str):
        return isinstance(value, bool | int | float)
    return value != NOT_KEPT and MASK not in value and masked_value(value) == value


def _name(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else _escaped(json.dumps(name))


def _literal(value: Any) -> str:
    return _escaped(json.dumps(value))


def _escaped(text: str) -> str:
    """Return JSON without what ends a literal of JMESPath, or a quoted word of a shell."""
    return text.replace("`", "\\u0060").replace("'", "\\u0027")


def positions_of(texts: Iterable[str]) -> list[str]:
    """Return the commands that name a position without a check."""
    return [each for each in texts if POSITION.search(unchecked(each)) and not check_of(each)]
