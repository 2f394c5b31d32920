"""The row of a scope that was left out of a scan."""

import msgspec


class ExcludedRow(msgspec.Struct, kw_only=True, frozen=True):
    """A subscription or resource group that `--exclude` left out: its path, and its name for people."""

    scope: str
    name: str
