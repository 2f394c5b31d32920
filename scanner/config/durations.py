"""Durations as options have them: 90s, 30m, 2h; low=7d."""

import re

from scanner.errors import InputError
from scanner.model.severity import Severity

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST_AGE = 14 * 86_400
"""The seconds for which Resource Graph keeps changes."""
_AGE = re.compile(r"(low|info)=([1-9][0-9]{0,2})([dh])")
_DURATION = re.compile(r"([1-9][0-9]{0,4})([smh])")


def seconds_of(text: str, at: str) -> float:
    """Return the seconds of a duration. Raises InputError for what is none. `at`: the option or setting."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise InputError(f'"{text}" is not a duration', at=at, do="write seconds, minutes or hours: 90s, 30m, 2h")
    return float(match[1]) * _UNITS[match[2]]


def longest_ages(text: str, at: str) -> dict[Severity, float]:
    """Return how old answers may be, in seconds, by the highest severity that a read decides: `low=7d`,
    `low=2d,info=7d`. What counts for low counts for info. Raises InputError.
    """
    result: dict[Severity, float] = {}
    for each in text.split(","):
        match = _AGE.fullmatch(each.strip().lower())
        seconds = float(int(match[2]) * _UNITS[match[3]]) if match is not None else 0.0
        if match is None or seconds > LONGEST_AGE:
            raise InputError(
                f'"{each.strip()}" is not an age of low or info, of at most 14 days',
                at=at,
                do="write low=7d, info=36h or low=2d,info=7d",
            )
        result[Severity[match[1]]] = seconds
    if Severity.low in result:
        result.setdefault(Severity.info, result[Severity.low])
    return result
