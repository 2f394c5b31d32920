"""Durations as options have them: 90s, 30m, 2h."""

import re

from scanner.errors import InputError

_UNITS = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"([1-9][0-9]{0,4})([smh])")


def seconds_of(text: str, at: str) -> float:
    """Return the seconds of a duration. Raises InputError for what is none. `at`: the option or setting."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise InputError(f'"{text}" is not a duration', at=at, do="write seconds, minutes or hours: 90s, 30m, 2h")
    return float(match[1]) * _UNITS[match[2]]
