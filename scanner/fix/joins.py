"""How a command takes several address ranges in place of one: the text that stands between two of them."""

from collections.abc import Iterable
from typing import Final

from scanner.model.fix import RANGE

_SEPARATORS: Final = {
    "--source-address-prefixes": " ",
    "--source-addresses": " ",
    "--api-server-authorized-ip-ranges": ",",
    "--ip-rules": ",",
}
"""Options with a list as their value. Source: the Azure CLI's reference, and its code for the lists with commas."""
_RULE: Final = "--ip-rule ip-address="
"""An option that is given once a rule."""
_ADD: Final = "--add"
"""The generic option: a path, then one value or more, each of which is appended (azure-cli-core, arm.py)."""
_ONE: Final = "--ip-address "
"""An option with one range, so that the command is run once a range."""


def join_of(commands: Iterable[str]) -> str:
    """Return the text between several ranges, "" where the commands take one, or differ."""
    joins = {_join(each) for each in commands if RANGE in each}
    return joins.pop() if len(joins) == 1 else ""


def _join(command: str) -> str:
    before, _, after = command.partition(RANGE)
    if RANGE in after:
        return ""
    if before.endswith(_RULE):
        return f"{after.partition(' --')[0]} {_RULE}"
    if before.endswith(_ONE) and not after:
        return f"\n{before}"
    if before.endswith('["') and after.startswith('"]'):
        return '", "'
    opening, closing = before.rfind("[{"), after.find("}]")
    if opening >= 0 and closing >= 0:
        return f"{after[: closing + 1]}, {before[opening + 1 :]}"
    words = before.split()
    if words[-2:-1] == [_ADD] and before.endswith(" "):
        return " "
    return _SEPARATORS.get(words[-1], "")
