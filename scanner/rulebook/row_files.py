"""Files of rules as data (`*.toml`): read, and each fault named with its line and the nearest known word.

    [storage-versioning-disabled]            a rule: its id, and the keys of `scanner.model.rule_row.RuleData`
    title = "..."

    [table.tls]                         what many rules share; {words} are filled from their rows
    title = "{what} accepts old TLS versions"
    [table.tls.rows]
    redis-old-tls = { what = "The cache", check = { of = "redis.CACHE" } }

    [tls-old.types]                     a row with `types` alone: types that take part in a rule of `tables/`
    CACHE = {}

`of` and the other names of Python variables mean the `.py` beside; `storage.ACCOUNT` means another one. The examples of
a service (`scanner.rulebook.examples`) may stand in its file too.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import rtoml
from msgspec import Struct, field
from msgspec.structs import replace

from scanner.errors import nearest
from scanner.model.framework import Framework
from scanner.model.keys import KeyFinder
from scanner.model.message import Message
from scanner.model.resource_type import ResourceType
from scanner.model.rows import CHECK_FIELDS, FIELDS, BadRow, ControlsOf, Lookup, row_of, rule_of
from scanner.model.rule import GENERAL, PRODUCT, Controls, FixTemplate, OfMany, Rule
from scanner.model.rule_row import ExampleRow, FixData, LockRow, MergedRow, TypeOverlay, UnlessRow
from scanner.model.type_names import type_name
from scanner.text.toml import Key, check_depth, key_lines, text_of, toml_tables

OF_CAUSES = ("cause", "entry", "path", "place")
LATER = frozenset(("name", "id", "group", "subscription", "top", "top_id", "location", "sku", "value", *OF_CAUSES))
"""The words that are filled for each finding."""
EXAMPLE_TABLES = frozenset(("part", "base", "case", "safe", "never", "paths", "sdks"))
"""The tables of examples; the last two are the contract that the tests of built-in types read."""
_NONE: AbstractSet[str] = frozenset()

_WORD = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
_POSITION = re.compile(r"\(at (?:line (\d+), column \d+|end of document)\)")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+?)`")
_AT = re.compile(r" - at `\$(.*?)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


class Broken(Struct, frozen=True):
    """A rule, or a whole rule file, that did not load. The others go on, and the scan ends with 2."""

    file: str
    line: int
    error: str


class TypesOfRow(NamedTuple):
    """Types that take part in a rule of many types, by their names, from a file of their own."""

    file: Path
    text: str
    types: list[tuple[str, TypeOverlay]]


class RuleFiles(Struct):
    """The rule files that were read: modules by name (`storage`), the sets of controls, and what is broken."""

    modules: dict[str, ModuleType] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    """The names of Python files that did not load; rows that need one are left out without a fault of their own."""
    taken: dict[str, Rule] = field(default_factory=dict)
    """The rule of each id and alias."""
    joining: dict[str, list[TypesOfRow]] = field(default_factory=dict)
    """The types that take part in a rule that was not read yet, by id."""
    controls: dict[str, Controls] = field(default_factory=dict)
    frameworks: dict[str, str] = field(default_factory=dict)
    """Their names by short name, in the order in which they are shown."""
    catalogues: dict[str, Framework] = field(default_factory=dict)
    """Those with a file, by id."""
    topics: dict[str, str] = field(default_factory=dict)
    """What each topic asks."""
    tested: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """The control ids by framework, by topic or rule that tests them."""
    broken: list[Broken] = field(default_factory=list)


def read_toml(file: Path, files: RuleFiles) -> tuple[dict[str, Any], str]:
    """Return a TOML file's tables and text; nothing, and an entry in `broken`, where it is not TOML."""
    try:
        text = text_of(file)
        check_depth(text)
        return rtoml.loads(text), text
    except (rtoml.TomlParsingError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        files.broken.append(_not_toml(file, str(error)))
        return {}, ""


def _not_toml(file: Path, why: str) -> Broken:
    """Return what tomllib says, because it names the place in one form."""
    try:
        toml_tables(text_of(file))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        why = str(error)
    match = _POSITION.search(why)
    line = int(match[1]) if match and match[1] else 1
    return Broken(str(file), line, f"the file is not TOML: {_POSITION.sub('', why).strip()}")


def read_controls(file: Path, files: RuleFiles) -> None:
    """Add the topics of a `controls.toml`, and its sets: control ids by framework, whose short names stand in its
    [frameworks].
    """
    tables, text = read_toml(file, files)
    for name, known in (("topics", files.topics), ("frameworks", files.frameworks)):
        table = tables.pop(name, {})
        if not _all_are(table, str):
            fault = BadRow(f"{name} must be a table of texts", *_other(table, str, name))
            files.broken.append(broken(file, text, (), fault))
            return
        known.update(table)
    for name, ids in tables.items():
        if not _all_are(ids, list) or not all(isinstance(each, str) for value in ids.values() for each in value):
            fault = BadRow("a set must be lists of ids by framework", *_other(ids, list))
            files.broken.append(broken(file, text, (name,), fault))
            continue
        unknown = [each for each in ids if each not in files.frameworks]
        if unknown:
            fault = BadRow(f'unknown framework "{unknown[0]}"', unknown[0], word=unknown[0], known=files.frameworks)
            files.broken.append(broken(file, text, (name,), fault))
            continue
        files.controls[name] = {files.frameworks[short]: tuple(value) for short, value in ids.items()}


def _other(table: Any, type: type, *above: str) -> Key:
    """Return the key of the first value of a table that is of another type."""
    matches = [name for name, each in table.items() if not isinstance(each, type)] if isinstance(table, dict) else []
    return (*above, *matches[:1])


def _all_are(table: Any, type: type) -> bool:
    """Return whether a value is a table of values of this type."""
    return isinstance(table, dict) and all(isinstance(each, type) for each in table.values())


def read_rows(file: Path, files: RuleFiles, beside: ModuleType | None) -> list[Rule]:
    """Return the rules of a file of rows; what is wrong with one is added to `broken`, and the others go on."""
    tables, text = read_toml(file, files)
    rules: list[Rule] = []
    lookup = _lookup(files, file.stem, beside)
    only_type = partial(_only_type, files, file.stem, beside)
    controls = _SetControls(files)
    shared: dict[Key, dict[str, AbstractSet[str]]] = {}
    for id, key, template, row in _rows(tables):
        try:
            _check_table(id, template, row, tables)
            if row.keys() == {"types"} and not template:
                files.joining.setdefault(id, []).append(TypesOfRow(file, text, _overlays(row["types"], file.stem)))
                continue
            if template and key[:2] not in shared:
                shared[key[:2]] = {name: _words(value) for name, value in template.items() if name != "rows"}
            data = _filled(template, row, shared[key[:2]]) if template else row
            if "types" in data:
                rules += _of_types(id, data, lookup, controls, files)
            else:
                rules.append(rule_of(id, row_of(data), lookup, only_type, controls))
        except _NotLoaded:
            continue
        except BadRow as fault:
            files.broken.append(broken(file, text, key, fault))
        except msgspec.ValidationError as error:
            files.broken.append(broken(file, text, key, unfit(error)))
        except ValueError as error:
            at = "severity" if "severity" in str(error) else "category"
            files.broken.append(broken(file, text, key, BadRow(str(error).removeprefix(f"{id}: "), at)))
    return rules


def _check_table(id: str, template: Mapping[str, Any], row: Any, tables: Mapping[str, Any]) -> None:
    """Raise BadRow where a row is no table, or only has tables, as one whose own heading is missing."""
    if not isinstance(row, dict):
        raise BadRow("a row must be a table")
    if not template and row and not {"title", "types"} & row.keys() and all(map(_is_table, row.values())):
        raise BadRow(f"the table [{id}] is missing", word=id, known=tables.keys() - {id})


def _overlays(given: Any, module: str = "") -> list[tuple[str, TypeOverlay]]:
    """Return what a row says of each of its types. `module`: that of the names without one. Raise BadRow."""
    types = msgspec.convert({"types": given}, _Types).types
    items = types.items() if isinstance(types, dict) else [(name, {}) for name in types]
    return [(name if "." in name or not module else f"{module}.{name}", _overlay(name, one)) for name, one in items]


def _overlay(name: str, data: Any) -> TypeOverlay:
    try:
        return msgspec.convert(data, TypeOverlay)
    except msgspec.ValidationError as error:
        fault = unfit(error)
        raise BadRow(fault.what, "types", name, *fault.key, word=fault.word, known=fault.known) from None


def _of_types(id: str, data: dict[str, Any], lookup: Lookup, controls: ControlsOf, files: RuleFiles) -> list[Rule]:
    """Return a rule for each type of a row that asks many, and for each that takes part from a file of its own."""
    given = data["types"]
    facts = _overlays(given)
    shared = {key: value for key, value in data.items() if key != "types"}
    if PRODUCT in str({key: value for key, value in shared.items() if key != "title"}):
        raise BadRow("only the title names the type: {product}")
    general = str(shared.get("title", "")).replace(PRODUCT, GENERAL)
    made: list[tuple[Rule, TypeOverlay]] = []
    for position, (name, one) in enumerate(facts):
        try:
            rule = rule_of(id, row_of(_of_type(shared, general, name, one)), lookup, _no_type, controls)
        except BadRow as fault:
            at = name if isinstance(given, dict) else position
            raise BadRow(fault.what, "types", at, word=fault.word, known=fault.known) from None
        made.append((rule, one))
    for joining in files.joining.pop(id, ()):
        made += _joining(id, joining, partial(_of_type, shared, general), lookup, controls, files)
    types = [type.lower() for rule, _ in made for type in rule.resource_type.types]
    if twice := [type for type in types if types.count(type) > 1]:
        raise BadRow(f"two of its types are {twice[0]}, whose findings could not be told apart", "types")
    fix = next((rule.fix for rule, one in made if not one.fix), made[0][0].fix) if made else None
    return [_one_of_many(rule, one, shared["title"], general, fix or rule.fix) for rule, one in made]


def _joining(
    id: str,
    joining: TypesOfRow,
    row_of_type: Callable[[str, TypeOverlay], dict[str, Any]],
    lookup: Lookup,
    controls: ControlsOf,
    files: RuleFiles,
) -> Iterator[tuple[Rule, TypeOverlay]]:
    """Yield the rule of each type of another file. What is wrong with one is a fault of that file, and of it alone."""
    for name, one in joining.types:
        try:
            yield rule_of(id, row_of(row_of_type(name, one)), lookup, _no_type, controls), one
        except _NotLoaded:
            continue
        except BadRow as fault:
            at = BadRow(fault.what, "types", name.rpartition(".")[2], word=fault.word, known=fault.known)
            files.broken.append(broken(joining.file, joining.text, (id,), at))


def without_rule(files: RuleFiles) -> None:
    """Add a fault for each row with `types` alone whose rule is nowhere: after all files of a folder."""
    known = [rule.id for rule in files.taken.values() if rule.of_many is not None]
    for id, rows in files.joining.items():
        fault = BadRow("no rule with `types` has this id", word=id, known=known)
        files.broken += [broken(each.file, each.text, (id,), fault) for each in rows]
    files.joining.clear()


class _Types(Struct, frozen=True):
    types: tuple[str, ...] | dict[str, Any]


_WHOLE = ("unless", "reads", "examples", "source", "costly")
"""What of a type stands in place of what its rule says."""


def _of_type(shared: dict[str, Any], title: str, name: str, type_overlay: TypeOverlay) -> dict[str, Any]:
    """Return a row as it is for one of its types, which is the variable of that name."""
    asked = "lock" if "lock" in shared else "check"
    above: dict[str, Any] = {"title": title, asked: {**type_overlay.check, "of": name}, "fix": type_overlay.fix}
    above |= {key: value for key in _WHOLE if (value := getattr(type_overlay, key)) is not None}
    return {**shared, **{key: _merged(shared.get(key), value) for key, value in above.items()}}


def _no_type() -> ResourceType:
    raise BadRow("the key of is missing")


def _one_of_many(rule: Rule, type_overlay: TypeOverlay, title: str, general: str, fix: FixTemplate) -> Rule:
    """Return the rule for one type with its titles, its key, and the ids that it had."""
    kind = rule.resource_type
    products = {type.lower(): name for type, name in kind.product_names().items()}
    names = {type.lower(): type_overlay.product or type_name(type, products) for type in kind.types}
    titles = {type: Message(title, product=Message(name)) for type, name in names.items()}
    key = type_overlay.was[0] if type_overlay.was else f"{rule.first_id}:{kind.type.lower()}"
    return replace(
        rule,
        title=general if len(set(titles.values())) > 1 else titles[kind.type.lower()],
        aliases=(*type_overlay.was, *rule.aliases),
        of_many=OfMany(
            key=key,
            titles=titles,
            template=title,
            products=tuple(names.values()),
            title=general,
            fix=fix,
            was=type_overlay.was,
        ),
    )


def with_controls(rule: Rule, files: RuleFiles) -> Rule:
    """Return the rule with the control ids of its topics and sets, and those that name it. Raise BadRow for a topic or
    set that does not exist.
    """
    return replace(rule, controls=_controls(files, rule.controls, rule.control_sets, (rule.id, *rule.old_ids)))


def _controls(files: RuleFiles, controls: Controls, sets: tuple[str, ...], ids: tuple[str, ...]) -> Controls:
    """Return the control ids of a rule by framework: its own, those of its topics and sets, and those that name it."""
    for position, name in enumerate(sets):
        if name not in files.controls and name not in files.topics:
            known = (*files.topics, *files.controls)
            raise BadRow(f'unknown control set "{name}"', "controls", position, word=name, known=known)
    result: dict[str, tuple[str, ...]] = dict(controls)
    for name in (*sets, *ids):
        for by in (files.controls.get(name), files.tested.get(name)):
            for framework, more in by.items() if by else ():
                before = result.get(framework)
                result[framework] = tuple(dict.fromkeys((*before, *more) if before else more))
    if len(result) < 2:
        return result
    order = dict.fromkeys((*files.frameworks.values(), *result))
    return {framework: result[framework] for framework in order if framework in result}


class _SetControls:
    """The control ids of rules by their sets: most rules have the sets of others, and none of their own."""

    def __init__(self, files: RuleFiles) -> None:
        self._files = files
        self._known: dict[tuple[str, ...], Controls] = {}

    def __call__(self, sets: tuple[str, ...], ids: tuple[str, ...]) -> Controls:
        """Return the same as `_controls`, of a rule without control ids of its own."""
        if any(id in self._files.controls or id in self._files.tested for id in ids):
            return _controls(self._files, {}, sets, ids)
        if sets not in self._known:
            self._known[sets] = _controls(self._files, {}, sets, ids)
        return dict(self._known[sets])


# Tables: what many rows share


def _is_table(value: Any) -> bool:
    """Return whether a value has a table of its own in the file."""
    values = value if isinstance(value, list) and value else [value]
    return all(isinstance(each, dict) for each in values)


def _rows(tables: dict[str, Any]) -> Iterator[tuple[str, Key, dict[str, Any], dict[str, Any]]]:
    """Yield id, place in the file, what its table shares ({} outside a table), and data of each row."""
    shared = tables.pop("table", {})
    for id, row in tables.items():
        if id not in EXAMPLE_TABLES or (isinstance(row, dict) and "title" in row):
            yield id, (id,), {}, row
    if not isinstance(shared, dict):
        yield "table", ("table",), {}, shared
        return
    for topic, template in shared.items():
        rows = template.get("rows", {}) if isinstance(template, dict) else template
        if not isinstance(rows, dict):
            yield topic, ("table", topic), {}, rows
            continue
        for id, row in rows.items():
            yield id, ("table", topic, "rows", id), template, row


def _filled(template: dict[str, Any], row: dict[str, Any], shared: Mapping[str, AbstractSet[str]]) -> dict[str, Any]:
    """Return a row with what its table shares. `shared`: the words of each part of the table."""
    words = {name: text for name, text in row.items() if name not in FIELDS and isinstance(text, str)}
    if "types" in row:
        words.setdefault("product", PRODUCT)
    filled: dict[str, Any] = {}
    wanted: set[str] = set()
    for name, value in template.items():
        if name == "rows":
            continue
        is_of_row = name in row and name not in words
        whole = _merged(value, row[name]) if is_of_row else value
        result = _words(whole) if is_of_row else shared[name]
        wanted |= result
        filled[name] = _fill(whole, words) if result else whole
    for name, value in row.items():
        if name not in words and name not in template:
            result = _words(value)
            wanted |= result
            filled[name] = _fill(value, words) if result else value
    for name in words.keys() - wanted:
        raise BadRow(f'unknown key "{name}"', name, word=name, known=(*FIELDS, *wanted))
    for name in wanted - words.keys():
        raise BadRow(f"the key {name} is missing, but its table uses it")
    return filled


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}


def _words(value: Any) -> AbstractSet[str]:
    """Return the words that a table's rows fill."""
    texts: list[str] = []
    _add_texts(value, texts)
    return {word for text in texts for word in _WORD.findall(text)} - LATER if texts else _NONE


def _add_texts(value: Any, texts: list[str]) -> None:
    """Add the texts in a value that may have words."""
    if isinstance(value, str):
        if "{" in value:
            texts.append(value)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _add_texts(item, texts)


def _fill(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _WORD.sub(lambda match: words.get(match[1], match[0]), value) if "{" in value else value
    if isinstance(value, dict):
        return {key: _fill(each, words) for key, each in value.items()}
    return [_fill(each, words) for each in value] if isinstance(value, list) else value


# Names of Python variables


class _NotLoaded(Exception):
    """A row needs a Python file that did not load."""


def _lookup(files: RuleFiles, module_name: str, beside: ModuleType | None) -> Callable[[str], object]:
    def lookup(name: str) -> object:
        file, _, variable = name.rpartition(".")
        module = files.modules.get(file) if file else beside
        if (file or module_name) in files.failed:
            raise _NotLoaded
        if module is None:
            raise BadRow(
                f'"{name}": {file or module_name}.py does not exist', word=file or module_name, known=files.modules
            )
        if variable.startswith("__") or not hasattr(module, variable):
            raise BadRow(f'"{name}" is not a variable of its .py file', word=variable, known=vars(module))
        return getattr(module, variable)

    return lookup


def _only_type(files: RuleFiles, module: str, beside: ModuleType | None) -> ResourceType:
    if module in files.failed:
        raise _NotLoaded
    resource_types = types_of(beside) if beside is not None else []
    if len(resource_types) != 1:
        raise BadRow(f"the key of is missing: the .py file of the same name has {len(resource_types)} types")
    return resource_types[0]


def types_of(module: ModuleType) -> list[ResourceType]:
    """Return the resource types among a module's variables."""
    return list(dict.fromkeys(each for each in vars(module).values() if isinstance(each, ResourceType)))


# Faults


def unfit(error: msgspec.ValidationError) -> BadRow:
    """Return the fault that msgspec found."""
    text = str(error)
    at = _AT.search(text)
    steps = _STEP.findall(at[1]) if at else []
    key: Key = tuple(int(position) if position else name for name, position in steps)
    text = _AT.sub("", text)
    unknown = _UNKNOWN.match(text)
    if unknown:
        return BadRow(f'unknown key "{unknown[1]}"', *key, unknown[1], word=unknown[1], known=_fields(key))
    return BadRow(text.replace("Object missing required field", "missing key").replace("`", '"'), *key)


_STRUCTS: dict[tuple[str, ...], type[Struct]] = {
    ("check", "key"): KeyFinder,
    ("lock",): LockRow,
    ("fix",): FixData,
    ("unless",): UnlessRow,
    ("merged",): MergedRow,
    ("examples",): ExampleRow,
}


def _fields(key: Key) -> Iterable[str]:
    """Return the keys that a table of a row may have."""
    names = tuple(each for each in key if isinstance(each, str))
    if names == ("check",):
        return CHECK_FIELDS
    result = _STRUCTS.get(names)
    return result.__struct_encode_fields__ if result is not None else FIELDS


def broken(file: Path, text: str, key: Key, fault: BadRow) -> Broken:
    """Return a fault with the line of its key and the nearest known word."""
    folded = {each.lower(): each for each in fault.known}
    near = nearest(fault.word, folded, 1) if fault.word else []
    hint = f" (nearest: {folded[near[0]]})" if near else ""
    line = line_of(text, (*key, *fault.key))
    if key[:1] == ("table",) and len(key) > 2:
        line = _line_in_table(text, key, fault.key) or line
    return Broken(str(file), line, f"{key[-1]}: {fault.what}{hint}" if key else f"{fault.what}{hint}")


def _line_in_table(text: str, key: Key, below: Key) -> int:
    """Return the line of a fault in what the rows of a table share, 0 where the row itself has more of its key."""
    lines = _lines_of(text)
    exact, shared = (_known(lines, above, below) for above in (key, key[:2]))
    return lines[(*key[:2], *shared)] if len(shared) > len(exact) else 0


def _known(lines: Mapping[Key, int], above: Key, below: Key) -> Key:
    """Return the longest part of a key below a table that has a line."""
    return next((below[:end] for end in range(len(below), 0, -1) if (*above, *below[:end]) in lines), ())


def line_of(text: str, key: Key) -> int:
    """Return the line (from 1) of the longest part of a key that has one, or that of the first key below it."""
    lines = _lines_of(text)
    for end in range(len(key), 0, -1):
        if key[:end] in lines:
            return lines[key[:end]]
        if below := [line for each, line in lines.items() if each[:end] == key[:end]]:
            return min(below)
    return 1


def line_of_rule(text: str, id: str) -> int:
    """Return the line (from 1) of the row of a rule, in a table or not."""
    lines = _lines_of(text)
    of_tables = (line for key, line in lines.items() if key[:1] == ("table",) and key[2:] == ("rows", id))
    return lines.get((id,)) or next(of_tables, 0) or line_of(text, (id,))


@lru_cache(maxsize=4)
def _lines_of(text: str) -> Mapping[Key, int]:
    return key_lines(text)
