"""Load rule files: the built-in folder, packages of the entry-point group `twolocks.rules`, and a user's folders.

A folder holds Python files (types, reads, exposure functions, rules that need code), files of rows beside them
(`storage.toml` beside `storage.py`), `tables/` with both, `controls.toml`, `frameworks/` with the controls of
frameworks, and for `twolocks rules test` `paths.toml` and `cases/`. `test_*.py` is no rule file. A folder of rows has
no Python files: nothing in it runs.
"""

import importlib
import importlib.metadata
import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from types import CodeType, ModuleType

from msgspec import Struct, field
from msgspec.structs import fields, replace

from scanner.content import content
from scanner.cycle_collector import long_lived_objects
from scanner.errors import InputError, nearest
from scanner.model.framework import Framework
from scanner.model.ids import bundle_of, resource_type_of
from scanner.model.keys import KeyFinder, TierWithoutKeys
from scanner.model.message import Message
from scanner.model.resource_type import Read, ResourceType
from scanner.model.responsibility import RESPONSIBILITIES
from scanner.model.rows import BadRow
from scanner.model.rule import CATEGORIES, Question, Rule, questions
from scanner.model.rule_row import MergedRow
from scanner.model.severity import Severity
from scanner.rulebook.frameworks import read_frameworks
from scanner.rulebook.ranks import least_of, ranks_of
from scanner.rulebook.row_files import (
    Broken,
    RuleFiles,
    line_of_rule,
    read_controls,
    read_rows,
    types_of,
    with_controls,
    without_rule,
)
from scanner.text.toml import text_of

__all__ = ["Broken", "RulePackage", "RuleSet", "forget", "installed", "load", "matches", "python_files", "reads_of"]
GROUP = "twolocks.rules"
TABLES = "tables"
CONTROLS = "controls.toml"
PATHS = "paths.toml"
_KEYS: dict[str, Sequence[str] | None] = {
    "category": CATEGORIES,
    "severity": tuple(Severity.__members__),
    "type": None,
    "control": None,
    "responsibility": RESPONSIBILITIES,
}
"""The keys of patterns, and the values of those that have known ones."""


SPREADS = {"-single-zone": "zones", "-single-region": "regions"}
"""How the ids of rules on zones and regions end, and what a resource would be spread over."""
KEY_USERS = "users of keys"
"""What a rule looks up that asks who uses a key: every type whose rows find keys."""

_WILD = re.compile(r"[*?\[]")
"""What makes an id a pattern of `fnmatch`."""


class _Tables(Struct, frozen=True):
    """Rules by what they are about."""

    of: dict[str, Rule]
    """The enabled rules that it was made of."""
    counts: tuple[int, int, int]
    """How many there were then."""
    by_kind: dict[ResourceType, list[Rule]] = field(default_factory=dict)
    by_type: dict[str, list[ResourceType]] = field(default_factory=dict)
    declared: dict[str, list[ResourceType]] = field(default_factory=dict)
    finders: dict[str, tuple[KeyFinder, ...]] = field(default_factory=dict)
    tiers: dict[str, tuple[TierWithoutKeys, ...]] = field(default_factory=dict)
    by_id: dict[str, list[Rule]] = field(default_factory=dict)
    by_old_id: dict[str, list[Rule]] = field(default_factory=dict)
    read: list[ResourceType] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    """What a scan reads, once it was asked."""


class RuleSet(Struct):
    """The rules that were loaded, by their keys; `enabled` are those that this scan evaluates."""

    kinds: list[ResourceType] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)
    enabled: dict[str, Rule] = field(default_factory=dict)
    off_by_cost: dict[str, Rule] = field(default_factory=dict)
    """The rules that the patterns of a scan select, and that are off because their reads cost many requests."""
    broken: list[Broken] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """The file of each rule: the Python that it runs, else its row's."""
    modules: dict[str, ModuleType] = field(default_factory=dict)
    """The Python files by name (`storage`)."""
    frameworks: dict[str, Framework] = field(default_factory=dict)
    """The frameworks by id, as their files were read; `in_order` has the order of lists."""
    topics: dict[str, str] = field(default_factory=dict)
    """What each topic of controls asks."""
    until: str = ""
    """The severity of `--until`, "" without it."""
    unasked: dict[str, Rule] = field(default_factory=dict)
    """The rules that `--until` disabled, because they need reads that it leaves out."""
    _made: _Tables | None = None

    def questions(self) -> dict[str, Question]:
        """Return all rules by id, as people see them: those of many types as one."""
        return questions(self.rules.values())

    def enabled_questions(self) -> dict[str, Question]:
        """Return the enabled rules by id, as people count them."""
        return questions(self.enabled.values())

    def rules_of(self, resource_type: ResourceType) -> list[Rule]:
        """Return the rules of a resource type, enabled or not."""
        return self.by_kind().get(resource_type, [])

    def by_kind(self) -> dict[ResourceType, list[Rule]]:
        """Return the rules of each resource type that has rules. Not to be changed."""
        return self._tables().by_kind

    def by_type(self) -> dict[str, list[ResourceType]]:
        """Return the resource types of each ARM type (lower case) that has an enabled rule. Not to be changed."""
        return self._tables().by_type

    def _tables(self) -> _Tables:
        """Return the tables of these rules: those that were made before, where no rule and no type was added since."""
        made, counts = self._made, (len(self.enabled), len(self.rules), len(self.kinds))
        if made is not None and made.of is self.enabled and made.counts == counts:
            return made
        made = self._made = _Tables(self.enabled, counts)
        for rule in self.rules.values():
            made.by_kind.setdefault(rule.resource_type, []).append(rule)
            made.by_id.setdefault(rule.id, []).append(rule)
            for id in dict.fromkeys(rule.old_ids):
                made.by_old_id.setdefault(id, []).append(rule)
            for type in map(str.lower, rule.types):
                if rule.keys is not None:
                    made.finders[type] = (*made.finders.get(type, ()), rule.keys)
                if tiers := _tiers_without_keys(rule):
                    made.tiers[type] = (*made.tiers.get(type, ()), *tiers)
        enabled = {self.rules[each].resource_type for each in self.enabled if each in self.rules}
        for kind in self.kinds:
            for type in dict.fromkeys(map(str.lower, kind.types)):
                made.declared.setdefault(type, []).append(kind)
                if kind in enabled:
                    made.by_type.setdefault(type, []).append(kind)
        return made

    def declared(self, type: str) -> Sequence[ResourceType]:
        """Return the resource types of an ARM type, whether or not one of their rules is enabled."""
        return self._tables().declared.get(type.lower(), ())

    def key_finders(self) -> Mapping[str, tuple[KeyFinder, ...]]:
        """Return what finds the keys of resources, by type in lower case: of all rules on keys, enabled or not."""
        return self._tables().finders

    def tiers_without_keys(self) -> Mapping[str, tuple[TierWithoutKeys, ...]]:
        """Return the tiers that have no customer-managed keys, by type in lower case: of all rules, enabled or not."""
        return self._tables().tiers

    def read(self) -> list[ResourceType]:
        """Return what a scan reads: types with an enabled rule, and types that only verdicts on others look up."""
        tables = self._tables()
        if not tables.read:
            needed = {read.resource_type for rule in self.enabled.values() for read in rule.reads}
            needed.update(self._looked_up_kinds())
            rules = tables.by_kind
            tables.read.extend(
                kind for kind in self.kinds if kind in needed or self._is_read(kind, rules.get(kind, ()))
            )
        return list(tables.read)

    def _is_read(self, kind: ResourceType, rules: Sequence[Rule]) -> bool:
        if any(each.key in self.enabled for each in rules):
            return True
        # Rules on the logs of a type do not make it one that is left out where they are not enabled.
        return all(_is_on_logs(each) for each in rules) and any(each.always for each in kind.children)

    def reads(self) -> list[Read]:
        """Return the reads that the enabled rules need, and those that verdicts on others look up, parents first."""
        tables = self._tables()
        if not tables.reads:
            rules = (*self.enabled.values(), *self.key_users())
            wanted = [*self.looked_up(), *(child for rule in rules for child in reads_of(rule))]
            tables.reads.extend(dict.fromkeys(wanted))
        return list(tables.reads)

    def unasked_reads(self) -> list[Read]:
        """Return the reads that `--until` leaves out."""
        made = set(self.reads())
        needed = (read for rule in self.unasked.values() for read in reads_of(rule))
        return [read for read in dict.fromkeys(needed) if read not in made]

    def ranks(self) -> Mapping[Read, int]:
        """Return which reads a collection makes first: see `ranks.py`."""
        rules = (*self.enabled.values(), *self.key_users())
        return ranks_of(((rule, reads_of(rule)) for rule in rules), self.looked_up())

    def least_reads(self, severities: Mapping[str, Severity]) -> Mapping[Read, Severity]:
        """Return the reads that decide low and info findings alone: see `ranks.py`."""
        rules = (*self.enabled.values(), *self.key_users())
        others = set(self.looked_up())
        least = least_of(((rule, reads_of(rule)) for rule in rules), severities)
        return {read: severity for read, severity in least.items() if read not in others}

    @property
    def needs_places(self) -> bool:
        """Return whether an enabled rule asks where data may be."""
        return any(rule.finder is not None for rule in self.enabled.values())

    @property
    def needs_quotas(self) -> bool:
        """Return whether an enabled rule asks where data may be, or whether a resource survives the loss of a place."""
        return self.needs_places or any(rule.id.endswith(tuple(SPREADS)) for rule in self.enabled.values())

    def looked_up(self) -> list[Read]:
        """Return the reads that verdicts on others look up, parents first."""
        return [child for kind in self.read() for each in kind.children if each.always for child in _line(each)]

    def _looked_up_kinds(self) -> list[ResourceType]:
        """Return the types that enabled rules look up. What a resource names by its id is not read for that: Resource
        Graph is asked for it (`Read.names`).
        """
        rules = [rule for rule in self.enabled.values() if rule.looks_up and not _names_others(rule)]
        wanted = {type.lower() for rule in rules for type in rule.looks_up}
        kinds = [rule.resource_type for rule in self.key_users()]
        return kinds + [kind for kind in self.kinds if wanted.intersection(map(str.lower, kind.types))]

    def key_users(self) -> list[Rule]:
        """Return the rules whose rows find who uses a key, where an enabled rule asks for the users of keys."""
        if not any(KEY_USERS in rule.looks_up for rule in self.enabled.values()):
            return []
        return [
            rule
            for rule in self.rules.values()
            if rule.keys is not None and (not rule.costly or rule.key in self.enabled)
        ]

    def off(self) -> list[str]:
        """Return the ids of the rules that are not enabled, sorted; `ID:TYPE` where one is enabled for other types."""
        used = {rule.id for rule in self.enabled.values()}
        left = (rule for key, rule in self.rules.items() if key not in self.enabled)
        return sorted({f"{rule.id}:{rule.resource_type.type}" if rule.id in used else rule.id for rule in left})

    def select(self, only: Sequence[str] = (), skip: Sequence[str] = (), named: Iterable[str] = ()) -> None:
        """Enable what the patterns select; costly rules only where `only` or `named` (the settings) name them."""
        for pattern in (*only, *skip):
            self.check(pattern)
        named = {rule.key for id in named for rule in self.all_named(id)}
        selected = {
            key: rule
            for key, rule in self.rules.items()
            if (not only or any(matches(rule, each) for each in only)) and not match_whole(rule, skip)
        }
        self.off_by_cost = {
            key: rule
            for key, rule in selected.items()
            if rule.costly and key not in named and not any(_names(rule, each) for each in only)
        }
        self.enabled = {key: rule for key, rule in selected.items() if key not in self.off_by_cost}
        self.until, self.unasked = "", {}

    def leave_out(self, keys: Iterable[str], until: str) -> None:
        """Disable the rules of these keys, which need reads that `--until` leaves out."""
        self.until = until
        self.unasked = {key: self.enabled[key] for key in keys if key in self.enabled}
        self.enabled = {key: rule for key, rule in self.enabled.items() if key not in self.unasked}

    def all_named(self, id: str) -> list[Rule]:
        """Return the rules of an id, or of an old one: several where it asks many types."""
        rule = self.rules.get(id)
        if rule is not None:
            return [rule]
        tables = self._tables()
        return list(tables.by_id.get(id) or tables.by_old_id.get(id) or ())

    def named(self, id: str, resource: str = "") -> Rule | None:
        """Return the rule of an id, or of an old one: of several the one for the type of this resource."""
        rules = self.all_named(id)
        type = (resource_type_of(bundle_of(resource)) or resource_type_of(resource)).lower()
        fitting = (rule for rule in rules if type in map(str.lower, rule.resource_type.types))
        return next(fitting, rules[0] if rules else None)

    def of_type(self, id: str, type: str) -> Rule | None:
        """Return the rule of ID:TYPE: of an id that asks many types the one for this type."""
        rules = (rule for rule in self.all_named(id) if rule.of_many is not None)
        return next((rule for rule in rules if type.lower() in map(str.lower, rule.resource_type.types)), None)

    def check(self, pattern: str, option: str = "--only/--skip") -> None:
        """Raise InputError with the nearest names where a pattern matches no rule, or names no category or severity."""
        key, colon, value = pattern.partition(":")
        if colon and key not in _KEYS and not self.all_named(key):
            raise InputError(f'{option} "{pattern}": unknown key', do=f"known: {', '.join(_KEYS)}")
        known = _KEYS.get(key) if colon else None
        if known is not None and not any(fnmatchcase(each, value.lower()) for each in known):
            near = nearest(value, known, 1)
            raise InputError(
                f'{option} "{pattern}": unknown {key}',
                do=(f"nearest: {near[0]}; " if near else "") + f"known: {', '.join(known)}",
            )
        if not any(matches(rule, pattern) for rule in self.rules.values()) and known is None:
            raise InputError(f'{option} "{pattern}" matches no rule', do=self.hint("" if colon else pattern))

    def hint(self, id: str = "") -> str:
        """Return what helps where an id names no rule: a file that was not loaded, the nearest ids, where all stand."""
        names = [each for rule in self.rules.values() for each in (rule.id, *rule.old_ids)]
        near = nearest(id, names) if id else []
        parts = [f"{each.file}:{each.line} was not loaded: {each.error}" for each in self.broken[:1]]
        return "; ".join([*parts, *([f"nearest: {', '.join(near)}"] if near else []), "all: twolocks rules list"])


def _tiers_without_keys(rule: Rule) -> tuple[TierWithoutKeys, ...]:
    """Return the tiers in which a rule does not apply because another one has what it asks for."""
    unless = rule.row.unless if rule.row is not None else ()
    return tuple(TierWithoutKeys(each.path, each.is_, Message(each.because)) for each in unless if each.tier)


def _is_on_logs(rule: Rule) -> bool:
    """Return whether a rule is about the logs of a resource, or about what is set on it, as their destination."""
    return rule.category == "logging" or (rule.subject is not None and rule.subject.is_extension)


def reads_of(rule: Rule) -> list[Read]:
    """Return the reads below its type that a rule needs, parents first."""
    exposed = rule.resource_type.endpoint_reads if rule.lock else ()
    subject = (rule.subject,) if rule.subject else ()
    return [child for each in (*rule.reads, *exposed, *subject) for child in _line(each)]


def _names_others(rule: Rule) -> bool:
    """Return whether what a rule looks up is named by what it reads."""
    return bool(rule.resource_type.names) or any(read.names for read in reads_of(rule))


def _line(child: Read) -> list[Read]:
    """Return a read and those above it, parents first."""
    return [*(_line(child.parent) if isinstance(child.parent, Read) else ()), child]


def _names(rule: Rule, pattern: str) -> bool:
    return pattern.partition(":")[0] not in _KEYS and "*" not in pattern and matches(rule, pattern)


def matches(rule: Rule, pattern: str) -> bool:
    """Return whether a PATTERN of the contract means a rule, or a part of it: an id with `*`, the id and a type of one
    that asks many, category:, severity:, type:, control:, responsibility:.
    """
    return _matches(rule, pattern, rule.old_ids)


def match_whole(rule: Rule, patterns: Sequence[str], type: str = "") -> bool:
    """Return whether patterns together mean all of a rule. The old id of a rule that became a part means its part.

    `type`: the ARM type of the resource in question, whose parts are enough.
    """
    if any(_matches(rule, each, rule.aliases) for each in patterns):
        return True
    merged = merged_rows(rule, type)
    return bool(merged) and all(any(names_merged_row(row, each) for each in patterns) for row in merged)


def merged_rows(rule: Rule, type: str = "") -> list[MergedRow]:
    """Return the rules that became one in a rule; those that were about a type, where some of them were."""
    if not type:
        return list(rule.merged)
    wanted = type.lower()
    return [each for each in rule.merged if not each.types or wanted in map(str.lower, each.types)]


def names_merged_row(row: MergedRow, pattern: str) -> bool:
    """Return whether a pattern means a rule that became a part of another one."""
    return _is_named(row.ids, pattern.lower())


def _is_named(ids: Iterable[str], pattern: str) -> bool:
    """Return whether a pattern of an id, in lower case, means one of these."""
    if not _WILD.search(pattern):
        return pattern in ids
    return any(fnmatchcase(each, pattern) for each in ids)


def _matches(rule: Rule, pattern: str, old: tuple[str, ...]) -> bool:
    key, colon, value = pattern.partition(":")
    if not colon:
        return _is_named((rule.id, *old), pattern.lower())
    value = value.lower()
    if key == "category":
        return fnmatchcase(rule.category, value)
    if key == "severity":
        return rule.severity is not None and fnmatchcase(rule.severity.name, value)
    if key == "responsibility":
        return fnmatchcase(rule.responsibility, value)
    if key == "type":
        return any(fnmatchcase(each.lower(), value) for each in (*rule.resource_type.types, *rule.types))
    if key not in _KEYS:
        return _is_named((rule.id, *old), key.lower()) and any(
            fnmatchcase(each.lower(), value) for each in rule.resource_type.types
        )
    if key == "control":
        ids = [f"{framework} {id}" for framework, items in rule.controls.items() for id in items]
        return any(
            fnmatchcase(each.lower(), value) or fnmatchcase(each.rsplit(" ", 1)[-1].lower(), value) for each in ids
        )
    return False


class RulePackage(Struct, frozen=True):
    """An entry point of the group `twolocks.rules`: its name, and the installed distribution that has it."""

    entry: importlib.metadata.EntryPoint

    def __str__(self) -> str:
        dist = self.entry.dist
        return f"{dist.name} {dist.version} ({self.entry.name})" if dist is not None else self.entry.name


def installed() -> list[RulePackage]:
    """Return the installed rule packages, without importing one."""
    return list(_installed(tuple(sys.path)))


@lru_cache(maxsize=1)
def _installed(paths: tuple[str, ...]) -> tuple[RulePackage, ...]:
    """Return the rule packages that these folders have. Each search reads the metadata of every package in them."""
    return tuple(RulePackage(entry) for entry in importlib.metadata.entry_points(group=GROUP))


def load(
    rows: Sequence[Path] = (), *, code: Sequence[Path] = (), built_in: bool = True, packages: bool = True
) -> RuleSet:
    """Return every rule of the built-in folder, of installed rule packages, and of these folders.

    `rows`: folders of which no Python runs. `code`: folders of which it does. All rules are enabled but the costly
    ones. A rule or file that does not load stands in `broken`. Raise InputError for an id that stands twice, and for a
    Python file in a folder of rows.
    """
    rule_set, files = _built_in(content("rules"), _stamps(content("rules"))) if built_in else _none()
    rule_set, files = _copied(rule_set, files)
    if packages:
        for position, each in enumerate(installed()):
            module = each.entry.load()
            _folder(rule_set, files, Path(str(module.__file__)).parent, f"scanner.rules_package_{position}")
    for folder in rows:
        _check_folder(folder, "--rules")
        _only_rows(folder)
        _rows_folder(rule_set, files, folder.resolve())
    for position, folder in enumerate(code):
        _check_folder(folder, "--rules-code")
        _folder(rule_set, files, folder.resolve(), f"scanner.rules_user_{position}")
    rule_set.select()
    return rule_set


def forget(*, built_in: bool = True) -> None:
    """Forget the modules of rules, and what was loaded from them, so that the files are read again: those of own
    folders, and the built-in ones.
    """
    modules = r"scanner\.rules(_user_\d+)?(\.|$)" if built_in else r"scanner\.rules_user_\d+(\.|$)"
    for name in [each for each in sys.modules if re.match(modules, each)]:
        del sys.modules[name]
    if built_in:
        _built_in.cache_clear()
    importlib.invalidate_caches()


def _none() -> tuple[RuleSet, RuleFiles]:
    """Return a set without rules, and what its files share."""
    return _shared(RuleSet(), RuleFiles())


def _shared(rule_set: RuleSet, files: RuleFiles) -> tuple[RuleSet, RuleFiles]:
    """Make a set and its files share what both add to."""
    files.modules, files.broken = rule_set.modules, rule_set.broken
    files.catalogues, files.topics = rule_set.frameworks, rule_set.topics
    return rule_set, files


@lru_cache(maxsize=1)
def _built_in(folder: Path, stamps: tuple[object, ...]) -> tuple[RuleSet, RuleFiles]:
    """Return the rules of the built-in folder, loaded again where a file changed. They are not to be changed."""
    rule_set, files = _none()
    with long_lived_objects():
        _folder(rule_set, files, folder, "scanner.rules")
    return rule_set, files


def _stamps(folder: Path) -> tuple[object, ...]:
    """Return the name, time and size of each file of rules in a folder."""
    items: list[tuple[str, int, int]] = []
    with os.scandir(folder) as entries:
        below = [each for each in entries if each.is_dir() or each.name.endswith((".toml", ".py"))]
    for each in below:
        if each.is_dir():
            with os.scandir(each) as entries:
                items += [_stamp(one) for one in entries if one.name.endswith((".toml", ".py"))]
        else:
            items.append(_stamp(each))
    return tuple(sorted(items))


def _stamp(file: "os.DirEntry[str]") -> tuple[str, int, int]:
    known = file.stat()
    return file.path, known.st_mtime_ns, known.st_size


def _copied(rule_set: RuleSet, files: RuleFiles) -> tuple[RuleSet, RuleFiles]:
    """Return copies to which rules can be added."""
    rules = replace(rule_set, **{each.name: copy(getattr(rule_set, each.name)) for each in fields(rule_set)})
    rule_files = replace(files, **{each.name: copy(getattr(files, each.name)) for each in fields(files)})
    rule_files.tested = {name: {key: [*ids] for key, ids in by.items()} for name, by in files.tested.items()}
    return _shared(rules, rule_files)


def _check_folder(folder: Path, option: str) -> None:
    if not folder.is_dir():
        raise InputError(f"folder {folder} does not exist", at=f"{option} {folder}", do="give a folder of rule files")


def python_files(folder: Path) -> list[Path]:
    """Return the Python files that loading a folder runs."""
    return [
        file
        for directory in (folder, folder / TABLES)
        for file in sorted(directory.glob("*.py"))
        if _is_rule_file(file)
    ]


def _is_rule_file(file: Path) -> bool:
    return not file.name.startswith(("__", "test_"))


def _only_rows(folder: Path) -> None:
    if paths := python_files(folder):
        raise InputError(
            f"{paths[0]} is Python, which --rules does not run",
            at=f"--rules {folder}",
            do=f"if you trust this folder: --rules-code {folder}",
        )


def _rows_folder(rule_set: RuleSet, files: RuleFiles, folder: Path) -> None:
    """Load a folder of rows: its controls and its rows, which name variables of files that were loaded before."""
    _read_controls(folder, files)
    for directory in (folder, folder / TABLES):
        _row_files(rule_set, files, directory, "")
    without_rule(files)


def _read_controls(folder: Path, files: RuleFiles) -> None:
    read_frameworks(folder, files)
    if (folder / CONTROLS).is_file():
        read_controls(folder / CONTROLS, files)


def _folder(rule_set: RuleSet, files: RuleFiles, folder: Path, name: str) -> None:
    """Load a folder: its controls, its Python files, and then the rows, which name variables of these."""
    _read_controls(folder, files)
    for directory, package in ((folder, name), (folder / TABLES, f"{name}.{TABLES}")):
        if directory.is_dir():
            _namespace(directory, package)
            _modules(rule_set, files, directory, package)
            _row_files(rule_set, files, directory, package)
    without_rule(files)


def _namespace(folder: Path, name: str) -> None:
    """Make one namespace module of a folder, so that files named alike never clash and import beside each other."""
    package = sys.modules.get(name)
    if package is None or list(getattr(package, "__path__", ())) != [str(folder)]:
        for stale in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
            del sys.modules[stale]
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package


def _modules(rule_set: RuleSet, files: RuleFiles, folder: Path, name: str) -> None:
    for file in sorted(folder.glob("*.py")):
        if not _is_rule_file(file):
            continue
        try:
            module = importlib.import_module(f"{name}.{file.stem}")
        except Exception as error:  # noqa: BLE001 - a rule file may raise anything while it is imported
            rule_set.broken.append(_broken(file, error))
            files.failed.add(file.stem)
            continue
        files.modules[file.stem] = module
        rule_set.kinds += [kind for kind in types_of(module) if kind not in rule_set.kinds]
        for each in dict.fromkeys(each for each in vars(module).values() if isinstance(each, Rule)):
            _python_rule(rule_set, files, each, file)


def _python_rule(rule_set: RuleSet, files: RuleFiles, rule: Rule, file: Path) -> None:
    if files.taken.get(rule.id) is rule:
        return  # a file that imports another one has its rules among its variables
    try:
        made = with_controls(rule, files)
    except BadRow as fault:
        rule_set.broken.append(Broken(str(file), _line_of_id(file, rule.id, rule.id), f"{rule.id}: {fault.what}"))
        return
    _add(rule_set, files, made, file)
    files.taken[rule.id] = rule


def _row_files(rule_set: RuleSet, files: RuleFiles, folder: Path, name: str) -> None:
    """Load the rows of a folder. `name`: the namespace of the Python files beside them, "" without any."""
    for file in sorted(folder.glob("*.toml")):
        if file.name not in (CONTROLS, PATHS):
            beside = sys.modules.get(f"{name}.{file.stem}") if name else None
            for rule in read_rows(file, files, beside):
                _add(rule_set, files, rule, file)


def _add(rule_set: RuleSet, files: RuleFiles, rule: Rule, file: Path) -> None:
    for id in (rule.id, *rule.old_ids):
        if (other := files.taken.get(id)) is not None and not _are_one(other, rule, id):
            old = f": it was an id of {other.id}" if id != other.id else ""
            what = f"duplicate rule id {id}{old}"
            line = _line_of_id(file, rule.id, id, is_old=other is rule)
            raise InputError(what, at=f"{file}:{line}", do="ids are unique and never reused")
        files.taken[id] = rule
    rule_set.rules[rule.key] = rule
    rule_set.files[rule.key] = _code_of(rule) or str(file)


def _are_one(other: Rule, rule: Rule, id: str) -> bool:
    """Return whether two rules have an id in common, because one row made both for different types."""
    if other is rule or other.of_many is None or rule.of_many is None or id in rule.of_many.was:
        return False
    return other.id == rule.id and other.of_many.fix is rule.of_many.fix


def _line_of_id(file: Path, rule: str, id: str, *, is_old: bool = False) -> int:
    """Return the line (from 1) at which a file names an id of a rule: the present one, or an old one."""
    text = text_of(file)
    start = line_of_rule(text, rule) if file.suffix == ".toml" else 1
    if id == rule and not is_old and file.suffix == ".toml":
        return start
    quoted = re.compile(rf"""["']{re.escape(id)}["']""")
    lines = list(enumerate(text.split("\n"), 1))[start - 1 :]
    return next((number for number, line in lines if quoted.search(line)), start)


def _code_of(rule: Rule) -> str:
    """Return the Python file that a rule runs, "" for a row that runs none."""
    if rule.finder is not None or rule.keys is not None:
        return ""
    function = rule.resource_type.endpoint_function if rule.lock else getattr(rule.check, "func", None)
    if function is None:
        return ""
    code = getattr(function, "__code__", None)
    return code.co_filename if isinstance(code, CodeType) else inspect.getfile(function)


def _broken(file: Path, error: Exception) -> Broken:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
    line = frames[-1].lineno if frames else getattr(error, "lineno", None)
    return Broken(str(file), line or 1, f"{type(error).__name__}: {error}")
