"""The keys of a row: a rule as data."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType, field

from scanner.model.keys import KeyFinder
from scanner.model.places import PlaceKind

SeverityName = Literal["critical", "high", "medium", "low", "info"]
Value = bool | int | str
Names = tuple[str, ...]


class _Check(Struct, frozen=True, forbid_unknown_fields=True, tag_field="asks"):
    """What every check has. A row does not write what it `asks`: that is the one of `ASKED` that it has."""

    of: str = ""
    """The Python variable of the type or read. The only type of the `.py` beside may be left out. A single read (`one`)
    is a child of the resource that the rule assesses; each resource of a list is assessed by itself.
    """
    region_has: Literal["zones", "pair", ""] = ""
    """What the region of the resource must have, so that the rule applies: availability zones, or a pair."""


class ValueCheck(_Check, frozen=True, kw_only=True, tag="good"):
    """Whether a property has a good value."""

    good: tuple[Value, ...] = ()
    bad: tuple[Value, ...] | UnsetType = UNSET
    """`good`, `bad`: the known values. The bad values of a switch may be left out."""
    path: str = ""
    """The property; LIST[].PROPERTY asks each item of a list. A name with other signs than letters, digits, `_`, `-`,
    `/`, `:` stands in quotes, as in JSON: 'tags."cost.center"'.
    """
    any_of: Names = ()
    """Paths of which one must be good."""
    absent: Value | UnsetType = UNSET
    """The value that an absent property stands for; needs the row's `source`."""
    expected: str = ""
    """What the evidence on a list names as right."""
    unclear: str = ""
    """The reason where the value is not known."""
    chooses_key: bool = False
    """The property chooses a key of the customer, which the rows with `key` find: a good value passes only where a
    vault of the scan has that key, and the service does not report that it cannot use it.
    """

    @property
    def paths(self) -> Names:
        return tuple(dict.fromkeys(self.any_of or (self.path,)))

    @property
    def bad_values(self) -> tuple[Value, ...]:
        return _bad_values(self.good, self.bad)


class LeastCheck(_Check, frozen=True, kw_only=True, tag="at_least"):
    """Whether a property is large enough.

    `path`, `absent` and `unclear` as of `ValueCheck`.
    """

    at_least: int | str
    """A number, a version ("1.2") or an ISO 8601 period ("P30D")."""
    path: str = ""
    absent: Value | UnsetType = UNSET
    unclear: str = ""

    @property
    def paths(self) -> Names:
        return (self.path,)


class SetCheck(_Check, frozen=True, kw_only=True, tag="set"):
    """Whether a property is set.

    `path`, `unclear` and `chooses_key` as of `ValueCheck`.
    """

    set: str
    """What must stand there, in words."""
    path: str = ""
    like: str = "?*"
    """The pattern that it must fit, in lower case."""
    unclear: str = ""
    chooses_key: bool = False

    @property
    def paths(self) -> Names:
        return (self.path,)


class PlaceCheck(_Check, frozen=True, kw_only=True, tag="place"):
    """Whether the data is in a place that is allowed."""

    place: PlaceKind
    """How a place follows from the property, and `what` it is in words; `also`, `copy`, `unpaired`, `logs`, `flows`,
    `exists`, `switches`, `zones`, `removed` and `instead` are those of `PlaceFinder`.
    """
    what: str = ""
    path: str = ""
    good: tuple[Value, ...] = ()
    """Values without such a place."""
    bad: tuple[Value, ...] | UnsetType = UNSET
    """Values with one; `absent = ""`: there is none."""
    absent: Value | UnsetType = UNSET
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

    @property
    def paths(self) -> Names:
        own = (self.path, *self.also, self.copy_, self.flows, self.exists, *self.switches.values())
        return tuple(dict.fromkeys(filter(None, own)))

    @property
    def bad_values(self) -> tuple[Value, ...]:
        return _bad_values(self.good, self.bad)


class KeyCheck(_Check, frozen=True, kw_only=True, tag="key"):
    """Whether the key is one that counts."""

    key: KeyFinder
    """Where the properties say whose key it is; see `KeyFinder`."""

    @property
    def paths(self) -> Names:
        return tuple(dict.fromkeys(filter(None, self.key.paths)))


class FunctionCheck(_Check, frozen=True, kw_only=True, tag="function"):
    """What a Python function says."""

    function: str
    """(resource, index, **arguments) in the `.py` beside."""
    arguments: dict[str, str | Names] = {}
    """Its Python variables by name; a list is given as it is."""


CheckRow = ValueCheck | LeastCheck | SetCheck | PlaceCheck | KeyCheck | FunctionCheck
"""The question of a property rule."""
ASKED: Final[Mapping[str, type[CheckRow]]] = {
    "place": PlaceCheck,  # its good values are those without a place
    "good": ValueCheck,
    "at_least": LeastCheck,
    "set": SetCheck,
    "key": KeyCheck,
    "function": FunctionCheck,
}
"""The kind of a check by the key that only this kind needs."""


def asked_by(check: Mapping[str, Any]) -> list[str]:
    """Return what a check asks by its keys. One that is consistent asks one thing."""
    return [each for each in ASKED if check.get(each) not in _NOTHING and not (each == "good" and check.get("place"))]


_NOTHING: Final[tuple[object, ...]] = (None, "", [], ())


def _bad_values(good: tuple[Value, ...], bad: tuple[Value, ...] | UnsetType) -> tuple[Value, ...]:
    """Return the values that fail; those of a switch are its other value."""
    return bad if bad is not UNSET else tuple(not value for value in good if isinstance(value, bool))


class UnlessRow(Struct, frozen=True, forbid_unknown_fields=True, rename={"is_": "is"}):
    """A condition under which the rule does not apply, and `because` of what.

    `path` has a value of `is`, or it is `absent`, or it is `present`. `of` names the single read that has the path. The
    path `name` is the name in the resource's id.
    """

    because: str
    path: str = ""
    of: str = ""
    is_: tuple[Value, ...] = ()
    absent: bool = False
    present: bool = False
    required: bool = False
    """An absent value makes the rule Unknown."""
    without: str = ""
    """The resource has no such child, as the read's own condition says."""
    tier: bool = False
    """Another tier of the resource has what the rule asks for. Of a rule that `chooses_key`."""


class LockRow(Struct, frozen=True, forbid_unknown_fields=True):
    """The endpoints (patterns) that a lock rule reads, and the `credentials` of them where rules share an endpoint."""

    endpoints: Names
    of: str = ""
    """The type, or the list whose resources are assessed one by one, by the exposures that name them."""
    credentials: Names = ()


class FixData(Struct, frozen=True, forbid_unknown_fields=True):
    """The fix; see `FixTemplate`. A `bicep` or a `change` that is left out follows from the path of the check.

    A rule needs `az` or `steps`. The fix of a lock rule changes what its rows say in `change` and `add`; rules and
    entries of lists that allow a caller have commands of their own, which need no row.

    Its undo follows from what it changes.
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
    unset: Value | None = None
    """The value that the property has where Azure returns none."""
    cannot_undo: str = ""
    """Why nothing undoes the fix. Both need `undo_source`, the https address of the page that says so."""
    undo_source: str = ""


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
    """What is of one type alone, in a rule on many types. All but `was` and `product` is laid over the row."""

    was: Names = ()
    """The ids that the rule had for this type, the oldest first."""
    product: str = ""
    """What the title calls such a resource, where its type does not say it."""
    check: dict[str, Any] = {}
    fix: dict[str, Any] = {}
    unless: list[Any] | None = None
    reads: list[str] | None = None
    examples: list[Any] | None = None
    source: str | None = None
    costly: bool | None = None


class RuleData(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule as data, with a `check` or a `lock`.

    A row may ask many types: `types = ["storage.ACCOUNT", ...]` in place of `of`, or a table of them with what is of
    one type alone (`TypeOverlay`). Each makes a rule of its own, and `{product}` in the title is the name of the type.
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
    """Pages of Microsoft Learn below /azure/."""
    references: Names = ()
    aliases: Names = ()
    """The ids that it had before, the oldest first."""
    merged: tuple[MergedRow, ...] = ()
    """The rules that became one in it, under a new id. No id that a rule ever had is left out."""
    reads: Names = ()
    looks_up: Names = ()
    """The types whose resources the verdict looks up beside its own; `users of keys`: every type whose rows find keys.
    """
    examples: tuple[ExampleRow, ...] = ()
    """Those of a row whose check is a function; from the others they follow."""
    costly: bool = False
    retired_on: str = ""
    responsibility: Literal["", "customer", "shared", "microsoft"] = ""
    """Who is responsible for a finding, where that does not follow from category and type."""
