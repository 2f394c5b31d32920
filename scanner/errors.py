"""Errors that a user can act on: what is wrong, where, and what to do; with their exit codes."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """`what` is one clause, `at` the place (a file and line, an option), `do` the hint, `code` the exit code."""

    code = 2

    def __init__(self, what: str, *, at: str = "", do: str = "", code: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.at = at
        self.do = do
        if code is not None:
            self.code = code


class InputError(UserError):
    """Wrong usage or input: exit code 2."""


class HistoryError(UserError):
    """The history could not be opened, read or written: exit code 2."""


class AccessError(UserError):
    """Nothing could be read because of the credentials, the network or a permission: exit code 4."""

    code = 4


def nearest(word: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known words that are nearest to a mistyped one, nearest first."""
    return difflib.get_close_matches(word.lower(), list(known), n=count, cutoff=0.5)
