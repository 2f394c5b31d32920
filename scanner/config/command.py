"""A command as data: its arguments and options, the function that runs, the text of its help."""

from dataclasses import dataclass
from functools import cached_property

from scanner.config.options import CONFIG, Option


@dataclass(frozen=True)
class Command:
    """A command, such as `scan` or `rules list`; without `runs` a group of the commands whose names begin with its own.

    `about`: its line in the list of commands. `runs`: `module:function` in `scanner.cli`; the function takes the
    settings and the arguments, and returns the exit code. `arguments`: as the usage line shows them, `[SCAN]` for an
    optional one. `rows`: its options, with headings between them. `intro` and `outro`: the text of the help before and
    after them. `example`: the option whose variable the help names (default: the first). `summary`: the text beside the
    usage line of a group. `tables`: what it uses of a settings file beside its options: tables, or keys as `table.key`.
    """

    name: str
    about: str
    runs: str = ""
    arguments: tuple[str, ...] = ()
    rows: tuple[Option | str, ...] = ()
    intro: str = ""
    outro: str = ""
    example: str = ""
    summary: str = ""
    tables: tuple[str, ...] = ()

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """Return the options that can also be set by a variable."""
        return tuple(each for each in self.rows if isinstance(each, Option) and each is not CONFIG)

    @property
    def word(self) -> str:
        """Return the first word, which is part of the names of the variables."""
        return self.name.partition(" ")[0]
