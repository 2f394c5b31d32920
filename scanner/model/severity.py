"""The severities of a failure, and their names."""

from enum import IntEnum


class Level(IntEnum):
    """A number with a name. Rows ask for names, and tables for numbers, so often that the code of `enum` for both is
    not used.
    """

    __hash__ = int.__hash__

    @property
    def name(self) -> str:
        return self._name_


class Severity(Level):
    """The severity of a failure, from `info` to `critical`; JSON holds the name."""

    info = 0
    low = 1
    medium = 2
    high = 3
    critical = 4

    def lowered(self, steps: int = 1) -> "Severity | None":
        """Return the severity so many steps lower; None below `low`."""
        lower = self - steps
        return Severity(lower) if lower >= Severity.low else None


SEVERITIES = tuple(each.name for each in reversed(Severity))
"""The names of the severities, critical first."""
_RANKS = {name: position for position, name in enumerate(SEVERITIES)}


def severity_rank(name: str | None) -> int:
    """Return the position of a severity in SEVERITIES, 0 for critical; None ranks behind info."""
    return _RANKS.get(name or "", len(SEVERITIES))
