"""Examples that follow from the rows: a good, a bad, an absent, a null and a strange value, and each condition.

They change the healthy resource of a type (`[[base]]` of a file of examples), and so need no example by hand. Of a lock
rule follows one: it is inconclusive where nothing was returned.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from scanner.model.json_paths import steps
from scanner.model.keys import KeyFinder
from scanner.model.resource_type import Read
from scanner.model.rule import Rule
from scanner.model.rule_row import (
    FunctionCheck,
    KeyCheck,
    LeastCheck,
    PlaceCheck,
    RuleData,
    SetCheck,
    UnlessRow,
    ValueCheck,
)
from scanner.rulebook.examples import Case, merged, resource_id
from scanner.rulebook.key_examples import key_examples, with_keys

STRANGE = "a-value-nobody-knows"
LOCATED = "ARM: every top-level resource has a location, which is not one of its properties"
GONE = object()
"""A property that is taken away."""


def plain(type: str) -> Case:
    """Return a resource of a type of which no example says what a healthy one looks like."""
    return Case("", "plain", type, _some({}), {})


def safe(rules: Iterable[Rule]) -> dict[str, str]:
    """Return the rules whose absent value passes, and their paths ("rule:path"), with the source of the row."""
    result: dict[str, str] = {}
    for rule in rules:
        check = rule.row.check if rule.row is not None else None
        if isinstance(check, KeyCheck):
            result |= {rule.id: rule.source, **{f"{rule.id}:{path}": rule.source for path in check.key.paths}}
            continue
        if isinstance(check, PlaceCheck) and (check.absent is not UNSET or not check.path):
            result |= {rule.id: rule.source or LOCATED, f"{rule.id}:{check.path}": rule.source or LOCATED}
            continue
        if isinstance(check, ValueCheck | LeastCheck | PlaceCheck) and _passes_absent(check):
            result |= {rule.id: rule.source, f"{rule.id}:{check.path}": rule.source}
    return result


def _passes_absent(check: ValueCheck | LeastCheck | PlaceCheck) -> bool:
    """Return whether the value that an absent property stands for is good, or at least as large as needed."""
    if isinstance(check, LeastCheck):
        return isinstance(check.absent, int) and isinstance(check.at_least, int) and check.absent >= check.at_least
    return check.absent in check.good


def of_rule(rule: Rule, healthy: Callable[[str], Case], finders: Mapping[str, tuple[KeyFinder, ...]]) -> Iterator[Case]:
    """Yield the examples of a rule, for each of its types. `finders`: what finds the keys of each type (lower case).

    Of a rule that calls a function, they are those that its row names; of one that is no row, there are none.
    """
    row = rule.row
    if rule.lock:
        yield from (_nothing(rule, type) for type in rule.resource_type.types)
    if row is None or row.check is None:
        return
    check = row.check
    if isinstance(check, FunctionCheck):
        yield from _named(rule, row, healthy)
        return
    for type in rule.resource_type.types:
        base = healthy(type)
        for each in row.unless:
            base = with_value(base, rule, each.of, each.path, _outside(each))
        if isinstance(check, PlaceCheck) and check.logs:
            off = with_value(base, rule, check.of, LOGS, [{"category": "Audit", "enabled": False}])
            yield replace(off, name=f"{rule.id}: every category is off", expect={rule.id: "not-applicable"})
            both = [{"category": "Audit", "enabled": False}, {"category": "Requests", "enabled": True}]
            base = with_value(base, rule, check.of, LOGS, both)
        if isinstance(check, PlaceCheck):
            yield from _places(base, rule, check)
        elif isinstance(check, KeyCheck):
            yield from key_examples(base, rule, with_value)
        else:
            if isinstance(check, ValueCheck | SetCheck) and check.chooses_key:
                subject = rule.subject.type if rule.subject is not None else type
                base = _with_chosen_key(base, rule, check, finders.get(subject.lower(), ()))
                nowhere = replace(base, also=[], name=f"{rule.id}: the vault is in no list")
                yield replace(nowhere, expect={rule.id: "pass"})
            yield from _facts(base, rule, check)
        yield from _conditions(base, rule, row)


def _with_chosen_key(base: Case, rule: Rule, check: ValueCheck | SetCheck, finders: tuple[KeyFinder, ...]) -> Case:
    """Return the example with a key of the customer, which its property chooses."""
    base = with_keys(base, rule, finders, with_value)
    # A key that is chosen by its address is the one that the example has.
    if check.path in [path for each in finders for path in each.paths]:
        return base
    return with_value(
        base, rule, check.of, check.path, check.good[0] if isinstance(check, ValueCheck) else _sample(check)
    )


def _named(rule: Rule, row: RuleData, healthy: Callable[[str], Case]) -> Iterator[Case]:
    """Yield the examples that a row names itself."""
    for type in rule.resource_type.types:
        base = healthy(type)
        for each in row.examples:
            body = merged(base.body, each.body)
            yield replace(base, name=f"{rule.id}: {each.name}", body=body, expect={rule.id: each.status}, exposures={})


def _nothing(rule: Rule, type: str) -> Case:
    """Return a resource of which neither properties nor children were returned."""
    return Case("", f"{rule.id}: nothing was returned", type, {}, {}, {rule.id: "unknown"}, read=False)


def _facts(base: Case, rule: Rule, check: ValueCheck | LeastCheck | SetCheck) -> Iterator[Case]:
    for path in check.paths:
        for what, value, status in _values(check):
            changed = base
            if isinstance(check, ValueCheck):
                for other in check.any_of:
                    changed = with_value(changed, rule, check.of, other, check.bad_values[0])
            if not (isinstance(check, SetCheck) and check.chooses_key and status == "pass"):
                changed = with_value(changed, rule, check.of, path, value)
            yield replace(changed, name=f"{rule.id}: {path} {what}", expect={rule.id: status})


LOGS = "properties.logs"
"""The categories of a diagnostic setting, each with its switch."""
INSIDE, OUTSIDE, NOWHERE = "norwayeast", "westeurope", "nowhereeast"
"""Regions, for a resource group in Norway East: in its geography, outside of it with its pair, and an unknown one."""


def _places(base: Case, rule: Rule, check: PlaceCheck) -> Iterator[Case]:
    """Yield a place that is allowed, one that is not, and one that is not known."""
    for what, region, status in (
        ("inside", INSIDE, "pass"),
        ("outside", OUTSIDE, "fail"),
        ("unknown", NOWHERE, "unknown"),
    ):
        located = replace(base, body={**base.body, "location": region})
        for case in _placed(located if check.place in ("region", "pair") else base, rule, check, region):
            yield replace(case, name=f"{rule.id}: {case.name}{what}", expect={rule.id: status})
    if check.good:
        yield from _switched(base, rule, check)
    elif check.path and check.path != "location":
        absent = "unknown" if check.absent is UNSET else "pass"
        gone = with_value(base, rule, check.of, check.path.partition("[]")[0], GONE)
        gone = with_value(gone, rule, check.of, check.exists, GONE)
        yield replace(gone, name=f"{rule.id}: {check.path} is absent", expect={rule.id: absent})


def _placed(base: Case, rule: Rule, check: PlaceCheck, region: str) -> Iterator[Case]:
    """Yield an example for each value that has a place; the place is in the region."""
    if check.place == "target":
        id = resource_id("Microsoft.Storage/storageAccounts", f"target-{region}")
        target = with_value(base, rule, check.of, check.path, id)
        for other in check.also:
            if other.partition("[]")[0] != check.path.partition("[]")[0]:
                target = with_value(target, rule, check.of, other.partition("[]")[0], GONE)
        yield replace(target, name="the target is ", also=[*base.also, {"id": id, "location": region}])
    elif check.place == "listed" and check.removed:
        listed, _, inner = check.path.partition("[].")
        entries = [{inner: INSIDE}, {inner: region}]
        yield replace(with_value(base, rule, check.of, listed, entries), name="a region of the list is ")
    elif check.place == "listed":
        location = [region] if check.path.endswith("[]") else region
        yield replace(with_value(base, rule, check.of, check.path.removesuffix("[]"), location), name="the region is ")
    elif check.place == "pair" and check.path:
        for value in check.bad_values:
            switched = with_value(base, rule, check.of, check.path, value)
            if check.copy_:
                switched = with_value(switched, rule, check.of, check.copy_, region)
            yield replace(switched, name=f"{check.path} is {value!r}, ")
    elif check.place != "processing":
        yield replace(base, name="the region is ")


def _switched(base: Case, rule: Rule, check: PlaceCheck) -> Iterator[Case]:
    """Yield the values that have no place, or are processed elsewhere, and those that are not known."""
    pairs: list[tuple[Any, str]] = [(value, "pass") for value in check.good] + [(STRANGE, "unknown"), (7, "unknown")]
    if check.place == "processing":
        pairs += [(value, "fail") for value in (*check.bad_values, *check.zones)]
    if check.absent is UNSET:
        pairs += [(GONE, "unknown"), (None, "unknown")]
    for value, status in pairs:
        shown = "absent" if value is GONE else repr(value)
        changed = with_value(base, rule, check.of, check.path, value)
        yield replace(changed, name=f"{rule.id}: {check.path} is {shown}", expect={rule.id: status})


def _conditions(base: Case, rule: Rule, row: RuleData) -> Iterator[Case]:
    for each in row.unless:
        if each.path and each.path != "name":
            value = GONE if each.absent else each.is_[0] if each.is_ else STRANGE
            met = with_value(base, rule, each.of, each.path, value)
            yield replace(met, name=f"{rule.id}: {each.because}", expect={rule.id: "not-applicable"})


def _values(check: ValueCheck | LeastCheck | SetCheck) -> Iterator[tuple[str, Any, str]]:
    """Yield each value of the property with the status that it leads to."""
    if isinstance(check, ValueCheck):
        yield from ((f"is {value!r}", value, "pass") for value in check.good)
        yield from ((f"is {value!r}", value, "fail") for value in check.bad_values)
    if isinstance(check, LeastCheck) and isinstance(check.at_least, int):
        yield from (("is enough", check.at_least, "pass"), ("is too small", check.at_least - 1, "fail"))
    if isinstance(check, SetCheck):
        yield "is set", _sample(check), "pass"
        yield "is empty", "", "fail"
        absent = "fail"
    elif check.absent is UNSET:
        absent = "unknown"
    else:
        absent = "pass" if _passes_absent(check) else "fail"
    yield from (("is absent", GONE, absent), ("is null", None, absent))
    yield "is strange", 7 if isinstance(check, SetCheck) else STRANGE, "unknown"


def _sample(check: SetCheck) -> str:
    """Return a text that fits the pattern of a check."""
    return check.like.replace("?*", "x").replace("[0-9]*", "7.00:00:00").replace("*", "x")


def _outside(row: UnlessRow) -> Any:
    """Return a value of a condition's path that does not meet it."""
    if row.is_:
        return not row.is_[0] if isinstance(row.is_[0], bool) else STRANGE
    return {} if row.absent else GONE


def with_value(case: Case, rule: Rule, of: str, path: str, value: Any) -> Case:
    """Return the example with a value at a path of the resource that `of` names; GONE takes the property away."""
    if not path or path == "name":
        return case
    single = next((read for read in rule.reads if read.one), None) if of else None
    subject_path = _subject_path(case, single or rule.subject)
    if not subject_path:
        return replace(case, body=written(case.body, path, value))
    child = written(case.children.get(subject_path) or _some({}), path, value)
    return replace(case, children={**case.children, subject_path: child})


def _some(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body with a property, because one without any says nothing about the properties that are absent."""
    return {**body, "properties": {"provisioningState": "Succeeded", **body.get("properties", {})}}


def _subject_path(case: Case, read: Read | None) -> str:
    """Return the path of a resource of the read below the example's, "" for the example's own."""
    if read is None:
        return ""
    above = _subject_path(case, read.parent) if isinstance(read.parent, Read) else ""
    path = f"{above}/{read.path}".lstrip("/")
    if read.one:
        return path
    known = (each for each in case.children if each.rpartition("/")[0] == path)
    return next(known, f"{path}/sample")


def written(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of the body with the value at a path; LIST[].PROPERTY means the first item of the list."""
    made = copy.deepcopy(body)
    inner: Any = made
    *above, last = steps(path)
    for step in above:
        inner = inner.setdefault(step.removesuffix("[]"), [{}] if step.endswith("[]") else {})
        if step.endswith("[]"):
            inner[:] = inner or [{}]
            inner = inner[0]
    if value is GONE:
        inner.pop(last, None)
    else:
        inner[last] = value
    return made
