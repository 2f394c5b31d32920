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
    """What every check has. A row does not write what it `asks`: that is the one of `ASKED` that it has.

    `of`: the Python variable of the type or read. The only type of the `.py` beside may be left out. A single read
    (`one`) is a child of the resource that the rule assesses; each resource of a list is assessed by itself.
    `region_has`: what the region of the resource must have, so that the rule applies: availability zones, or a pair.
    """

    of: str = ""
    region_has: Literal["zones", "pair", ""] = ""


class ValueCheck(_Check, frozen=True, kw_only=True, tag="good"):
    """Whether a property has a good value.

    `path`: the property; LIST[].PROPERTY asks each item of a list. A name with other signs than letters, digits, `_`,
    `-`, `/`, `:` stands in quotes, as in JSON: 'tags."cost.center"'. `any_of`: paths of which one must be good.
    `good`, `bad`: the known values. The bad values of a switch may be left out.
    `absent`: the value that an absent property stands for; needs the row's `source`.
    `expected`: what the evidence on a list names as right. `unclear`: the reason where the value is not known.
    `chooses_key`: the property chooses a key of the customer, which the rows with `key` find: a good value passes only
    where a vault of the scan has that key, and the service does not report that it cannot use it.
    """

    good: tuple[Value, ...] = ()
    bad: tuple[Value, ...] | UnsetType = UNSET
    path: str = ""
    any_of: Names = ()
    absent: Value | UnsetType = UNSET
    expected: str = ""
    unclear: str = ""
    chooses_key: bool = False

    @property
    def paths(self) -> Names:
        return tuple(dict.fromkeys(self.any_of or (self.path,)))

    @property
    def bad_values(self) -> tuple[Value, ...]:
        return _bad_values(self.good, self.bad)


class LeastCheck(_Check, frozen=True, kw_only=True, tag="at_least"):
    """Whether a property is large enough. `at_least`: a number, a version ("1.2") or an ISO 8601 period ("P30D").

    `path`, `absent` and `unclear` as of `ValueCheck`.
    """

    at_least: int | str
    path: str = ""
    absent: Value | UnsetType = UNSET
    unclear: str = ""

    @property
    def paths(self) -> Names:
        return (self.path,)


class SetCheck(_Check, frozen=True, kw_only=True, tag="set"):
    """Whether a property is set. `set`: what must stand there, in words; `like`: the pattern that it must fit, in lower
    case.

    `path`, `unclear` and `chooses_key` as of `ValueCheck`.
    """

    set: str
    path: str = ""
    like: str = "?*"
    unclear: str = ""
    chooses_key: bool = False

    @property
    def paths(self) -> Names:
        return (self.path,)


class PlaceCheck(_Check, frozen=True, kw_only=True, tag="place"):
    """Whether the data is in a place that is allowed.

    `place`: how a place follows from the property, and `what` it is in words; `also`, `copy`, `unpaired`, `logs`,
    `flows`, `exists`, `switches`, `zones`, `removed` and `instead` are those of `PlaceFinder`. `good`: values without
    such a place; `bad`: values with one; `absent = ""`: there is none.
    """

    place: PlaceKind
    what: str = ""
    path: str = ""
    good: tuple[Value, ...] = ()
    bad: tuple[Value, ...] | UnsetType = UNSET
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
    """Whether the key is one that counts. `key`: where the properties say whose key it is; see `KeyFinder`."""

    key: KeyFinder

    @property
    def paths(self) -> Names:
        return tuple(dict.fromkeys(filter(None, self.key.paths)))


class FunctionCheck(_Check, frozen=True, kw_only=True, tag="function"):
    """What a Python function says. `function`: (resource, index, **arguments) in the `.py` beside. `arguments`: its
    Python variables by name; a list is given as it is.
    """

    function: str
    arguments: dict[str, str | Names] = {}


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

    `path` has a value of `is`, or it is `absent`, or it is `present`. `of` names the single read that has the path.
    The path `name` is the name in the resource's id.
    `required`: an absent value makes the rule Unknown.
    `without`: the resource has no such child, as the read's own condition says.
    `tier`: another tier of the resource has what the rule asks for. Of a rule that `chooses_key`.
    """

    because: str
    path: str = ""
    of: str = ""
    is_: tuple[Value, ...] = ()
    absent: bool = False
    present: bool = False
    required: bool = False
    without: str = ""
    tier: bool = False


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

    Its undo follows from what it changes. `unset`: the value that the property has where Azure returns none;
    `cannot_undo`: why nothing undoes the fix. Both need `undo_source`, the https address of the page that says so.
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
    cannot_undo: str = ""
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
    `responsibility`: who is responsible for a finding, where that does not follow from category and type.
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
