"""What stands for a read below each of many resources: rows of Resource Graph, or one list of the subscription."""

from collections.abc import Callable

from msgspec import Struct

from scanner.model.resource import Resource

TABLES = "governance/resource-graph/reference/supported-tables-resources"


class GraphRows(Struct, frozen=True):
    """The rows of Resource Graph that stand for a list below each parent."""

    table: str = "resources"
    """The table, and `type` the type in it, in lower case, where it is not that of the read. The page TABLES says which
    table has which type.
    """
    type: str = ""
    holds: tuple[str, ...] | None = None
    """The paths that decide verdicts. Where each row of a parent has a value at each of them, the rows take the place
    of the list; else the list is read. None: the rows say only which parents have any.
    """
    includes: tuple[str, ...] = ()
    """Names that the rows of each parent have; without them not all are there."""
    check: Callable[[Resource], bool] | None = None
    """Whether a row says what the list says, beyond `holds`. That a parent has none is believed only where the table
    has a row of the type below another parent: no row says nothing of a type that Resource Graph does not have. Not
    each cloud has each type, and none has them from the first day of a service.
    """


class SubscriptionRows(Struct, frozen=True):
    """One list of a subscription, of the parent's type, whose rows hold what a read below each parent returns."""

    source: str
    at: str
    """The path of it in a row."""
    query: tuple[tuple[str, str], ...] = ()
    holds: tuple[str, ...] = ()
    """The paths in it that decide verdicts: a row without one of them is not used."""
