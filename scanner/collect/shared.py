"""What a collection reads once for all subscriptions, as the collection of one of them gets it from another process."""

from typing import Any

import msgspec

Json = dict[str, Any]


class SharedTable(msgspec.Struct):
    """The rows of a table of Resource Graph in one subscription, by the list that they stand for: see `GraphTable`.

    `types`: the types (lower case) that have rows in any subscription.
    """

    types: list[str]
    rows: dict[str, list[Json] | None] = {}


class SharedAnswers(msgspec.Struct, kw_only=True):
    """What was read for all subscriptions, as far as it concerns one.

    `types`: the rows that say which types exist; None where Resource Graph was not asked or refused. `index`: how many
    rows of each type of the index (lower case) Resource Graph has; None where it refused. `tables`: its tables that are
    worth a query; None in place of one that it refused. `regions`: ARM's list of regions. `excluded`: the paths of the
    excluded scopes.
    """

    types: list[Json] | None = None
    index: dict[str, int] | None = None
    tables: dict[str, SharedTable | None] = {}
    regions: list[Json] = []
    excluded: list[str] = []
