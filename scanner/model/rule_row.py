"""The keys of a row: a rule as data."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from scanner.model.keys import KeyFinder
from scanner.model.places import PlaceKind

SeverityName = Literal["critical", "high", "medium", "low", "info"]
Value = bool | int | str
Names = tuple[str, ...]


class CheckRow(Struct, frozen=True, forbid_unknown_fields=True):
    """The question of a property rule: one of `good`, `at_least`, `set`, `place`, `key` and
    `function`.

    `of`: the Python variable of the type or read. The only type of the `.py` beside may be left out. A single read
    (`one`) is a child of the resource that the rule assesses; each resource of a list is assessed by itself.
    `path`: the property; LIST[].PROPERTY asks each item of a list. A name with other signs than letters, digits, `_`,
    `-`, `/`, `:` stands in quotes, as in JSON: 'tags."cost.center"'. `any_of`: paths of which one must be good.
    `good`, `bad`: the known values. The bad values of a switch may be left out.
    `absent`: the value that an absent property stands for; needs the row's `source`.
    `at_least`: a number, a version ("1.2") or an ISO 8601 period ("P30D").
    `set`: what must stand there, in words; `like`: the pattern that it must fit, in lower case.
    `expected`: what the evidence on a list names as right. `unclear`: the reason where the value is not known.
    `place`: how a place follows from the property, and `what` it is in words; `also`, `copy`, `unpaired`, `logs`,
    `flows`, `exists`, `switches`, `zones`, `removed` and `instead` are those of `PlaceFinder`. `good`: values without
    such a place; `bad`: values with one;
    `absent = ""`: there is none.
    `region_has`: what the region of the resource must have, so that the rule applies: availability zones, or a pair.
    `key`: where the properties say whose key it is; see `KeyFinder`.
    `chooses_key`: the property chooses a key of the customer, which the rows with `key` find: a good value passes only
    where a vault of the scan has that key, and the service does not report that it cannot use it.
    `function`: the Python function (resource, index, **arguments) in the `.py` beside. `arguments`: its Python
    variables by name; a list is given as it is.
    """

    of: str = ""
    path: str = ""
    any_of: Names = ()
    good: tuple[Value, ...] = ()
    bad: tuple[Value, ...] | UnsetType = UNSET
    absent: Value | UnsetType = UNSET
    at_least: int | str | UnsetType = UNSET
    set: str = ""
    like: str = "?*"
    expected: str = ""
    unclear: str = ""
    place: PlaceKind | Literal[""] = ""
    what: str = ""
    also: Names = ()
    copy_: str = field(default="", name="copy")
    unpaired: Names = ()
    logs: bool = False
    flows: str = ""
    exists: str = ""
    switches: dict[str, str] = {}
    zones: tuple[Value, ...] = ()
    removed: bool = False
    instead: dict[str, str] = {}
    region_has: Literal["zones", "pair", ""] = ""
    key: KeyFinder | None = None
    chooses_key: bool = False
    function: str = ""
    arguments: dict[str, str | Names] = {}

    @property
    def paths(self) -> Names:
        """Return the properties that it reads, without those of a function."""
        keys = self.key.paths if self.key is not None else ()
        own = self.any_of or (self.path,)
        return tuple(
            dict.fromkeys(
                each
                for each in (*own, *self.also, self.copy_, self.flows, self.exists, *self.switches.values(), *keys)
                if each
            )
        )

    @property
    def bad_values(self) -> tuple[Value, ...]:
        """Return the values that fail; those of a switch are its other value."""
        if self.bad is not UNSET:
            return self.bad
        return tuple(not value for value in self.good if isinstance(value, bool))


class UnlessRow(Struct, frozen=True, forbid_unknown_fields=True, rename={"is_": "is"}):
    """A condition under which the rule does not apply, and `because` of what.

    `path` has a value of `is`, or it is `absent`, or it is `present`. `of` names the single read that has the path.
    The path `name` is the name in the resource's id.
    `required`: an absent value makes the rule Unknown.
    `without`: the resource has no such child, as the read's own condition says.
    """

    because: str
    path: str = ""
    of: str = ""
    is_: tuple[Value, ...] = ()
    absent: bool = False
    present: bool = False
    required: bool = False
    without: str = ""


class LockRow(Struct, frozen=True, forbid_unknown_fields=True):
    """The endpoints (patterns) that a lock rule reads, and the `credentials` of them where rules share an endpoint.

    `of`: the type, or the list whose resources are assessed one by one, by the exposures that name them.
    """

    endpoints: Names
    of: str = ""
    credentials: Names = ()


class FixData(Struct, frozen=True, forbid_unknown_fields=True):
    """The fix; see `FixTemplate`. A `bicep` or a `change` that is left out follows from the path of the check.

    A rule needs `az` or `steps`. The fix of a lock rule changes what its rows say in `change` and `add`; rules and
    entries of lists that allow a caller have commands of their own, which need no row.
    """

    impact: str
    az: str = ""
    steps: Names = ()
    change: dict[str, Any] = {}
    add: dict[str, Any] = {}
    delete: str = ""
    bicep: str | None = None
    terraform: str = ""
    portal: str = ""
    check_first: str = ""
    try_first: str = ""
    cost: Literal[1, 2, 3] = 1


class ExampleRow(Struct, frozen=True, forbid_unknown_fields=True):
    """An example of a row that calls a function: what is laid on the healthy resource, and the status that follows."""

    name: str
    status: Literal["pass", "fail", "unknown", "not-applicable"]
    body: dict[str, Any]


class MergedRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule that became a part of this one: its ids, the oldest first, and its ARM types where they are not all.

    Such an id means its part alone. So a waiver of it accepts a finding only where every other part is accepted too.
    """

    ids: Names
    types: Names = ()


class TypeOverlay(Struct, frozen=True, forbid_unknown_fields=True):
    """What is of one type alone, in a rule on many types. All but `was` and `product` is laid over the row.

    `was`: the ids that the rule had for this type, the oldest first. `product`: what the title calls such a resource,
    where its type does not say it.
    """

    was: Names = ()
    product: str = ""
    check: dict[str, Any] = {}
    fix: dict[str, Any] = {}
    unless: list[Any] | None = None
    reads: list[str] | None = None
    examples: list[Any] | None = None
    source: str | None = None
    costly: bool | None = None


class RuleData(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule as data, with a `check` or a `lock`. `learn`: pages of Microsoft Learn below /azure/.

    A row may ask many types: `types = ["storage.ACCOUNT", ...]` in place of `of`, or a table of them with what is of
    one type alone (`TypeOverlay`). Each makes a rule of its own, and `{product}` in the title is the name of the type.

    `aliases`: the ids that it had before, the oldest first. `merged`: the rules that became one in it, under a new id.
    No id that a rule ever had is left out.

    `looks_up`: the types whose resources the verdict looks up beside its own; `users of keys`: every type whose rows
    find keys.
    `examples`: those of a row whose check is a function; from the others they follow.
    `responsibility`: whose job a finding is, where that does not follow from category and type.
    """

    title: str
    pass_title: str
    category: str
    why: str
    fix: FixData
    check: CheckRow | None = None
    lock: LockRow | None = None
    unless: tuple[UnlessRow, ...] = ()
    severity: SeverityName | None = None
    source: str = ""
    controls: str | Names = ()
    learn: str | Names = ()
    references: Names = ()
    aliases: Names = ()
    merged: tuple[MergedRow, ...] = ()
    reads: Names = ()
    looks_up: Names = ()
    examples: tuple[ExampleRow, ...] = ()
    costly: bool = False
    retired_on: str = ""
    responsibility: Literal["", "customer", "shared", "microsoft"] = ""
