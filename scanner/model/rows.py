"""Rules as data: the `Rule` that a row makes."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from scanner.model import checks
from scanner.model.json_paths import MISSING, is_absent, steps
from scanner.model.keys import KeyFinder, with_known_key
from scanner.model.message import NOTHING, Message
from scanner.model.places import PlaceFinder
from scanner.model.resource import Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import LEARN, Check, Controls, FixTemplate, Rule, subject_of
from scanner.model.rule_row import (
    ASKED,
    CheckRow,
    FixData,
    FunctionCheck,
    KeyCheck,
    LeastCheck,
    Names,
    PlaceCheck,
    RuleData,
    SetCheck,
    UnlessRow,
    Value,
    ValueCheck,
    asked_by,
)
from scanner.model.severity import Severity
from scanner.model.verdict import Fail, NotApplicable, Unknown, Unread, Verdict, malformed

if TYPE_CHECKING:
    from scanner.model.index import Index

Lookup = Callable[[str], object]
"""The Python object of a variable's name; raises BadRow for a name that does not exist."""
ControlsOf = Callable[[Names, Names], Controls]
"""The control ids of a rule, by its topics and sets and its ids; raises BadRow for a set that does not exist."""


class BadRow(Exception):
    """A fault of a row. `key`: its place below the row. `word` is no `known` one."""

    def __init__(self, what: str, *key: str | int, word: str = "", known: Iterable[str] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.key = key
        self.word = word
        self.known = tuple(known)


FIELDS = frozenset((*RuleData.__struct_fields__, "types"))


def row_of(data: dict[str, Any]) -> RuleData:
    """Return a row of parsed TOML. Raise `msgspec.ValidationError`, or BadRow for keys that contradict each other."""
    row = msgspec.convert(_tagged(data), RuleData)
    if (row.check is None) == (row.lock is None):
        raise BadRow("a rule needs a check or a lock", *(["lock"] if row.lock is not None else []))
    if not row.fix.az and not row.fix.steps:
        raise BadRow("a fix needs az or steps", "fix")
    if row.check is not None:
        _consistent(row, row.check)
    for position, condition in enumerate(row.unless):
        _check_path(condition.path, "unless", position, "path")
        if condition.tier and not (_chooses_key(row.check) and condition.is_ and not condition.of):
            raise BadRow("tier goes with path and is, of a check with chooses_key", "unless", position, "tier")
    for position, old in enumerate(row.aliases):
        _check_id(old, "aliases", position)
    for position, merged in enumerate(row.merged):
        for at, old in enumerate(merged.ids):
            _check_id(old, "merged", position, "ids", at)
    return row


_ID = re.compile(r"[a-z0-9][a-z0-9-]*")
_STEP = r"[^\s.\[\]\"]+(?:\[\])?"
_QUOTED = r'"(?:[^"\\]|\\.)+"'
_PATH = re.compile(rf"{_STEP}(?:\.(?:{_STEP}|{_QUOTED}))*")


def _check_id(id: str, *key: str | int) -> None:
    if not _ID.fullmatch(id):
        raise BadRow(f'"{id}" is no id: ids have small letters, digits and hyphens', *key)


def _check_path(path: str, *key: str | int, listed: bool = False) -> None:
    """Raise BadRow for a path that no body has. `listed`: it may be LIST[].PROPERTY."""
    if not path:
        return
    if not _is_path(path):
        raise BadRow(f"'{path}' is no path: names with a dot between them, such as properties.x", *key)
    if not (listed and '"' not in path) and "[]" in re.sub(_QUOTED, "", path):
        raise BadRow(f'"{path}" names the items of a list, which is not asked here', *key)


def _tagged(data: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose check says what it asks. Raise BadRow where that is not one thing.

    A row of a table takes what the table says of the check away by an empty value.
    """
    check = data.get("check")
    if not isinstance(check, dict):
        return data
    if "asks" in check:
        raise BadRow('unknown key "asks"', "check", "asks")
    unknown = next((each for each in check if each not in CHECK_FIELDS), None)
    if unknown is not None:
        raise BadRow(f'unknown key "{unknown}"', "check", unknown, word=unknown, known=CHECK_FIELDS)
    asked = asked_by(check)
    if len(asked) != 1:
        raise BadRow("a check needs exactly one of good, at_least, set, place, key and function", "check")
    fields = ASKED[asked[0]].__struct_encode_fields__
    kept = {name: value for name, value in check.items() if name in fields or value}
    other = next((name for name in kept if name not in fields), None)
    if other is not None:
        raise BadRow(f'the key "{other}" does not go with {asked[0]}', "check", other)
    return {**data, "check": {**kept, "asks": asked[0]}}


CHECK_FIELDS = tuple(dict.fromkeys(name for each in ASKED.values() for name in each.__struct_encode_fields__))
"""The keys that a check may have, whatever it asks."""


def _consistent(row: RuleData, check: CheckRow) -> None:
    _check_paths(check)
    if isinstance(check, PlaceCheck):
        _consistent_place(row, check)
    elif isinstance(check, KeyCheck):
        _consistent_key(row, check.key)
    elif (isinstance(check, ValueCheck) and bool(check.path) == bool(check.any_of)) or (
        isinstance(check, LeastCheck | SetCheck) and not check.path
    ):
        raise BadRow("a check needs path or any_of", "check")
    if row.severity is None:
        raise BadRow("a rule with a check needs a severity")
    if isinstance(check, SetCheck) and not row.source:
        raise BadRow("the key source is missing: absent needs a source", "check", "set")
    if isinstance(check, ValueCheck | LeastCheck | PlaceCheck) and check.absent is not UNSET and not row.source:
        raise BadRow("the key source is missing: absent needs a source", "check", "absent")
    if isinstance(check, ValueCheck) and check.chooses_key and not check.path:
        raise BadRow("chooses_key needs a path with good or set", "check", "chooses_key")
    if isinstance(check, ValueCheck | PlaceCheck) and check.good and not check.bad_values:
        raise BadRow("the key bad is missing", "check", "good")


def _chooses_key(check: CheckRow | None) -> bool:
    return isinstance(check, ValueCheck | SetCheck) and check.chooses_key


def _is_path(path: str) -> bool:
    try:
        return bool(_PATH.fullmatch(path) and steps(path))
    except ValueError:
        return False


def _check_paths(check: CheckRow) -> None:
    """Raise BadRow for a path that no body has."""
    if isinstance(check, KeyCheck | FunctionCheck):
        return
    _check_path(check.path, "check", "path", listed=isinstance(check, ValueCheck | PlaceCheck))
    is_list = "[]" in check.path and '"' not in check.path
    if isinstance(check, ValueCheck):
        if is_list and (check.path.count("[]"), check.path.count("[].")) != (1, 1):
            raise BadRow(f'"{check.path}" is no path: a list is asked as LIST[].PROPERTY', "check", "path")
        for position, path in enumerate(check.any_of):
            _check_path(path, "check", "any_of", position)
    if isinstance(check, PlaceCheck):
        for position, path in enumerate(check.also):
            _check_path(path, "check", "also", position, listed=True)
    least = check.at_least if isinstance(check, LeastCheck) else None
    if isinstance(least, str) and not re.fullmatch(r"\d+(\.\d+)*", least) and checks.period_seconds(least) is None:
        raise BadRow(f'"{least}" is no version and no ISO 8601 period', "check", "at_least")


def _consistent_place(row: RuleData, check: PlaceCheck) -> None:
    if not check.what:
        raise BadRow("the key what is missing", "check")
    if check.place == "region" and check.path:
        raise BadRow("the place region reads the location: it takes no path", "check", "path")
    if check.also and check.place == "processing":
        raise BadRow(f"the place {check.place} has no further paths", "check", "also")
    if check.place in ("listed", "target") and not check.path:
        raise BadRow(f"the place {check.place} needs a path", "check", "place")
    if check.place in ("pair", "processing") and bool(check.path) != bool(check.good):
        raise BadRow(f"the place {check.place} needs a path with good and bad, or neither", "check", "place")


def _consistent_key(row: RuleData, key: KeyFinder) -> None:
    if bool(key.uri) + bool(key.name and key.vault) + bool(key.sets) == 0:
        raise BadRow("a key needs uri, vault and name, or sets", "check", "key")
    if bool(key.mode) != bool(key.customer) or bool(key.customer) != bool(key.platform):
        raise BadRow("mode, customer and platform belong together", "check", "key")
    if not row.source:
        raise BadRow("the key source is missing: what an absent key means needs a source", "check")


def rule_of(
    id: str, row: RuleData, lookup: Lookup, default: Callable[[], ResourceType], controls: ControlsOf | None = None
) -> Rule:
    """Return the rule of a row. `default` is the type of a row that names none.

    Raise BadRow, or ValueError for a category that does not fit.
    """
    ids = (id, *row.aliases, *(old for each in row.merged for old in each.ids))
    named = row.check.of if row.check is not None else row.lock.of if row.lock is not None else ""
    of = _read_or_type(lookup, named, "check" if row.check else "lock", "of") if named else default()
    resource_type, subject = subject_of(of)
    reads = [_read(lookup, name, "reads", position) for position, name in enumerate(row.reads)]
    check = finder = None
    if row.check is not None:
        finder = _finder(row, row.check) if isinstance(row.check, PlaceCheck) else None
        check, needed = _check(row.check, of, row.unless, lookup, finder, row.fix.change)
        if row.check.region_has:
            check = partial(_in_region, check, row.check.region_has)
        reads += needed
        reads += [
            _read(lookup, each.of, "unless", position, "of") for position, each in enumerate(row.unless) if each.of
        ]
    return Rule(
        id=id,
        title=row.title,
        pass_title=row.pass_title,
        category=row.category,
        resource_type=resource_type,
        why=row.why,
        fix=_fix(row, of),
        severity=Severity[row.severity] if row.severity is not None else None,
        subject=subject,
        reads=tuple(dict.fromkeys(reads)),
        endpoints=row.lock.endpoints if row.lock else (),
        credentials=row.lock.credentials if row.lock else (),
        check=check,
        controls=controls(_names(row.controls), ids) if controls is not None else {},
        control_sets=_names(row.controls),
        references=(*(f"{LEARN}/{page}" for page in _names(row.learn)), *row.references),
        aliases=row.aliases,
        merged=row.merged,
        source=row.source,
        looks_up=row.looks_up,
        costly=row.costly,
        retired_on=row.retired_on,
        responsible=row.responsibility,
        row=row,
        finder=finder,
        keys=_key(row.check) if isinstance(row.check, KeyCheck) else None,
    )


def _finder(row: RuleData, check: PlaceCheck) -> PlaceFinder:
    """Return what finds the places of a row."""
    none = isinstance(check.absent, str) and not check.absent
    return PlaceFinder(
        kind=check.place,
        what=Message(check.what),
        path=check.path,
        also=check.also,
        off=check.good,
        on=check.bad_values,
        zones=check.zones,
        absent=MISSING if check.absent is UNSET else check.absent,
        none=none,
        copy=check.copy_,
        unpaired=check.unpaired,
        logs=check.logs,
        flows=check.flows,
        exists=check.exists,
        switches=check.switches,
        removed=check.removed,
        instead=check.instead,
        most=Severity[row.severity or "medium"],
    )


def _key(check: KeyCheck) -> KeyFinder:
    """Return what finds the keys of a row."""
    return replace(check.key, what=Message(check.key.what))


def _names(value: str | Names) -> Names:
    return (value,) if isinstance(value, str) else value


def _values_at(lookup: Lookup, name: str, *key: str | int) -> object:
    try:
        return lookup(name)
    except BadRow as fault:
        fault.key = key
        raise


def _read_or_type(lookup: Lookup, name: str, *key: str | int) -> ResourceType | Read:
    result = _values_at(lookup, name, *key)
    if not isinstance(result, ResourceType | Read):
        raise BadRow(f"{name} is not a type or a read", *key)
    return result


def _read(lookup: Lookup, name: str, *key: str | int) -> Read:
    result = _values_at(lookup, name, *key)
    if not isinstance(result, Read):
        raise BadRow(f"{name} is not a read", *key)
    return result


# Conditions

Condition = Callable[[Resource], bool]


def _conditions(unless: tuple[UnlessRow, ...], lookup: Lookup) -> list[tuple[UnlessRow, Condition]]:
    return [(each, _condition(each, lookup, position)) for position, each in enumerate(unless)]


def _condition(row: UnlessRow, lookup: Lookup, position: int) -> Condition:
    if row.without:
        return partial(_lacks, _read(lookup, row.without, "unless", position, "without"))
    if not row.path or not (row.is_ or row.absent or row.present):
        raise BadRow("a condition needs without, or a path with is, absent or present", "unless", position)
    return _meets(row, _read(lookup, row.of, "unless", position, "of") if row.of else None)


def _lacks(read: Read, resource: Resource) -> bool:
    return not read.needed(resource)


def _meets(row: UnlessRow, read: Read | None) -> Condition:
    path, is_one, types = row.path, checks.known_by(row.is_), frozenset(map(type, row.is_))

    def meets(resource: Resource) -> bool:
        of = resource.child(read) if read is not None else resource
        if of is None:
            return False
        value = of.name if path == "name" else of.require(path) if row.required else of.get(path)
        if row.required and type(value) not in types:
            raise malformed(path)
        if not is_absent(value):
            return row.present or is_one(value)
        if row.absent and of.why_absent_is_unknown:
            raise Unread(path, of.why_absent_is_unknown)
        return row.absent

    return meets


# Checks


def _check(
    row: CheckRow,
    of: ResourceType | Read,
    unless: tuple[UnlessRow, ...],
    lookup: Lookup,
    finder: PlaceFinder | None = None,
    sets: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Check, list[Read]]:
    """Return the check of a row, and the reads that it needs. `sets`: what its fix changes.

    A single child is read after the conditions `without`, and before the others: an unread child is Unknown.
    """
    if isinstance(row, FunctionCheck):
        called, reads = _called(row, lookup)
        met = [(Message(each.because), condition) for each, condition in _conditions(unless, lookup)]
        return (partial(_conditional, called, met) if met else called), reads
    conditions = _conditions(unless, lookup)
    lacking = [(Message(each.because), condition) for each, condition in conditions if each.without]
    others = [(Message(each.because), condition) for each, condition in conditions if not each.without]
    single = of if isinstance(of, Read) and of.one else None
    none = lacking[0][0] if lacking else NOTHING
    if isinstance(row, KeyCheck):
        return partial(_placed, _key(row), [*lacking, *others]), []
    if isinstance(row, PlaceCheck):
        assert finder is not None
        return partial(_placed, finder, [*lacking, *others]), []
    chooses_key = _chooses_key(row)
    fact = _fact(row, {target.rpartition(" ")[2]: value for target, value in sets.items()})

    def check(resource: Resource, index: "Index") -> Verdict:
        for because, condition in lacking:
            if condition(resource):
                return NotApplicable(because)
        child = resource.child(single) if single is not None else None
        for because, condition in others:
            if condition(resource):
                return NotApplicable(because)
        if single is None:
            verdict = fact(resource)
            return with_known_key(verdict, row.path, resource, index) if chooses_key else verdict
        return checks.check_child(child, single, fact, none=none, named=bool(row.unclear))

    return check, [single] if single is not None else []


def _placed(
    finder: PlaceFinder | KeyFinder, conditions: list[tuple[Message, Condition]], resource: Resource, index: "Index"
) -> Verdict:
    return _conditional(finder.check, conditions, resource, index)


def _conditional(
    called: Check, conditions: list[tuple[Message, Condition]], resource: Resource, index: "Index"
) -> Verdict:
    for because, condition in conditions:
        if condition(resource):
            return NotApplicable(because)
    return called(resource, index)


def _in_region(check: Check, needed: str, resource: Resource, index: "Index") -> Verdict:
    """Return the verdict of a check; not applicable where the region of the resource cannot give what it asks for."""
    verdict = check(resource, index)
    region = index.residency.regions.get(resource.location)
    if region is None or not isinstance(verdict, Fail | Unknown):
        return verdict
    if needed == "zones":
        return (
            NotApplicable(Message("{name} has no availability zones", name=region.name))
            if region.lacks_zones
            else verdict
        )
    lacks = not region.pair and region.is_pair_known
    return NotApplicable(Message("{name} has no paired region", name=region.name)) if lacks else verdict


def _called(row: FunctionCheck, lookup: Lookup) -> tuple[Check, list[Read]]:
    function = _values_at(lookup, row.function, "check", "function")
    if not callable(function):
        raise BadRow(f"{row.function} is not a function", "check", "function")
    arguments = {
        name: _values_at(lookup, given, "check", "arguments", name) if isinstance(given, str) else given
        for name, given in row.arguments.items()
    }
    return partial(function, **arguments), [each for each in arguments.values() if isinstance(each, Read)]


def _fact(row: ValueCheck | LeastCheck | SetCheck, sets: Mapping[str, Any]) -> Callable[[Resource], Verdict]:
    """Return the check of a property. Of several good values the one that the fix sets is expected."""
    if isinstance(row, SetCheck):
        return partial(checks.check_set, path=row.path, expected=Message(row.set), like=row.like)
    absent = MISSING if row.absent is UNSET else row.absent
    if isinstance(row, LeastCheck):
        return partial(checks.check_at_least, path=row.path, least=row.at_least, absent=absent)
    known: dict[str, Any] = {"good": row.good, "bad": row.bad_values, "absent": absent}
    if row.any_of:
        return partial(
            checks.check_any_of,
            paths=row.any_of,
            expected={each: sets[each] for each in row.any_of if sets.get(each) in row.good},
            **known,
        )
    if row.path in sets and sets[row.path] in row.good:
        known["good"] = (sets[row.path], *row.good)
    if "[]." in row.path and '"' not in row.path:
        return partial(
            checks.check_items, path=row.path, expected=Message(row.expected), unclear=Message(row.unclear), **known
        )
    return checks.value_check(row.path, unclear=Message(row.unclear), **known)


# Fixes


def _fix(row: RuleData, of: ResourceType | Read) -> FixTemplate:
    fix = row.fix
    _check_templates(row)
    _check_undo(fix)
    bicep = fix.bicep if fix.bicep is not None else _bicep(row.check, of) if row.check is not None else ""
    return FixTemplate(
        az=fix.az,
        impact=Message(fix.impact),
        bicep=bicep,
        terraform=fix.terraform,
        portal=Message(fix.portal),
        check_first=fix.check_first,
        try_first=fix.try_first,
        cost=fix.cost,
        steps=tuple(map(Message, fix.steps)),
        change=fix.change or _change(row, of),
        add=fix.add,
        delete=fix.delete,
        unset=fix.unset,
        cannot_undo=Message(fix.cannot_undo),
        undo_source=fix.undo_source,
    )


_IDS = frozenset({"id", "top_id"})
"""The names that the id of another resource is made of."""


def _check_templates(row: RuleData) -> None:
    """Raise BadRow for a text of a fix whose braces cannot be filled in."""
    fix = row.fix
    texts: list[tuple[tuple[str | int, ...], str]] = [
        *(((name,), getattr(fix, name)) for name in ("az", "check_first", "try_first", "delete")),
        *((("steps", position), each) for position, each in enumerate(fix.steps)),
        *(((name, key), key) for name in ("change", "add") for key in getattr(fix, name) if key.startswith("{")),
    ]
    for at, text in texts:
        try:
            matches = [each for _, *each in Formatter().parse(text)]
        except ValueError:
            raise BadRow("a brace stands alone: write {{ and }} for braces", "fix", *at) from None
        for word, form, conversion in matches:
            if word is not None and (form or conversion or not word.isidentifier()):
                raise BadRow(f"{{{word[:40]}}} is no name: write {{{{ and }}}} for braces", "fix", *at)
            if word is not None and at[0] in ("delete", "change", "add") and word not in _IDS:
                raise BadRow(f"an id is made of {{id}} and {{top_id}}, not of {{{word[:40]}}}", "fix", *at)


def _check_undo(fix: FixData) -> None:
    """Raise BadRow for what is said of the undo without a page that says it, and for a page of nothing."""
    text = "cannot_undo" if fix.cannot_undo else "unset" if fix.unset is not None else ""
    if text and not fix.undo_source.startswith("https://"):
        raise BadRow(f"{text} needs undo_source: the https address of the page that says so", "fix", text)
    if fix.cannot_undo and fix.unset is not None:
        raise BadRow("what cannot be undone has no value to set back: leave out unset", "fix", "unset")
    if fix.undo_source and not text:
        raise BadRow("a source of what? Say cannot_undo or unset", "fix", "undo_source")


def _change(row: RuleData, of: ResourceType | Read) -> dict[str, Any]:
    """Return the change to the first good value of a property rule's path, {} where a row does not say it."""
    check, fix = row.check, row.fix
    if not isinstance(check, ValueCheck | PlaceCheck) or (
        not check.good or not check.path or not fix.az or fix.add or fix.delete or '"' in check.path
    ):
        return {}
    if isinstance(check, PlaceCheck) and (check.removed or check.instead):
        return {}
    below = f"{of.path} " if isinstance(of, Read) and of.one else ""
    return {f"{below}{check.path}": check.good[0]}


def _bicep(row: CheckRow, of: ResourceType | Read) -> str:
    """Return the Bicep that sets the first good value at the path, "" where the path does not say it."""
    if not isinstance(row, ValueCheck | PlaceCheck) or not row.good or not row.path or "[]" in row.path:
        return ""
    text = _literal(row.good[0])
    first, *others = map(_bicep_name, steps(row.path.removeprefix("properties.")))
    for step in reversed(others):
        text = f"{{ {step}: {text} }}"
    text = f"{first}: {text}"
    return f"{of.path.split('/')[0]}: {{ {text} }}" if isinstance(of, Read) and of.one else text


def _bicep_name(name: str) -> str:
    """Return a name as Bicep writes it: in quotes where it is no identifier."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else _literal(name)


def _literal(value: Value) -> str:
    if not isinstance(value, str):
        return str(value).lower()
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
    return f"'{escaped}'"
