"""Ids that rules had before the first release, and their ids now (`renamed.toml`).

The file is frozen, because migration 0003 of the history reads it. A rule that is renamed later keeps its old id as an
alias.
"""

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path


@cache
def renamed() -> Mapping[str, str]:
    """Return the new ids by the old ones."""
    return tomllib.loads(Path(__file__).with_name("renamed.toml").read_text("utf-8"))


def new_id(name: str) -> str | None:
    """Return the new id of an old one; None for any other text."""
    return renamed().get(name.lower())


def new_ids(pattern: str) -> list[str]:
    """Return the new ids of the old ones that a pattern matches."""
    return [new for old, new in renamed().items() if fnmatchcase(old, pattern.lower())]
