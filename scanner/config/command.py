"""A command as data: its arguments and options, the function that runs, the text of its help."""

from dataclasses import dataclass
from functools import cached_property

from scanner.config.options import CONFIG, Option


@dataclass(frozen=True)
class Command:
    """A command, such as `scan` or `rules list`; without `runs` a group of commands whose names begin with its own."""

    name: str
    about: str
    """Its line in the list of commands."""
    runs: str = ""
    """`module:function` in `scanner.cli`; the function takes the settings and the arguments, and returns the exit code.
    """
    arguments: tuple[str, ...] = ()
    """As the usage line shows them, `[SCAN]` for an optional one."""
    rows: tuple[Option | str, ...] = ()
    """Its options, with headings between them."""
    intro: str = ""
    """The text of the help before them."""
    outro: str = ""
    """The text of the help after them."""
    example: str = ""
    """The option whose variable the help names (default: the first)."""
    summary: str = ""
    """The text beside the usage line of a group."""
    tables: tuple[str, ...] = ()
    """What it uses of a settings file beside its options: tables, or keys as `table.key`."""

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """Return the options that can also be set by a variable."""
        return tuple(each for each in self.rows if isinstance(each, Option) and each is not CONFIG)

    @property
    def word(self) -> str:
        """Return the first word, which is part of the names of the variables."""
        return self.name.partition(" ")[0]
