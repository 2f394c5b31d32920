"""Loads rule files: the built-in folder, packages of the entry-point group `twolocks.rules`, and a user's folders."""

import importlib
import importlib.metadata
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType

from scanner.content import content
from scanner.errors import InputError, nearest
from scanner.model.rule import CATEGORIES, Read, ResourceType, Rule
from scanner.model.verdict import Severity

GROUP = "twolocks.rules"


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule file that did not load: the others go on, and the scan ends with 2."""

    file: str
    line: int
    error: str


@dataclass(slots=True)
class RuleSet:
    """The rules that were loaded; `enabled` are those that this scan judges."""

    kinds: list[ResourceType] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)
    enabled: dict[str, Rule] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def by_type(self) -> dict[str, list[ResourceType]]:
        """The kinds of each type (lower case) that has an enabled rule."""
        found: dict[str, list[ResourceType]] = {}
        for kind in self.kinds:
            if any(rule.id in self.enabled for rule in kind.rules):
                for type in kind.types:
                    found.setdefault(type.lower(), []).append(kind)
        return found

    def read(self) -> list[ResourceType]:
        """The kinds that a scan reads: those with an enabled rule, and those that verdicts on others alone look up."""
        return [
            kind
            for kind in self.kinds
            if any(rule.id in self.enabled for rule in kind.rules)
            or (not kind.rules and any(each.always for each in kind.children))
        ]

    def reads(self) -> list[Read]:
        """The reads that the enabled rules need, and those that verdicts on others look up, parents first."""
        wanted = [*self.looked_up(), *(child for rule in self.enabled.values() for child in reads_of(rule))]
        return list({id(child): child for child in wanted}.values())

    def looked_up(self) -> list[Read]:
        """The reads that verdicts on others look up, parents first."""
        return [child for kind in self.read() for each in kind.children if each.always for child in _line(each)]

    def off(self) -> list[str]:
        return sorted(set(self.rules) - set(self.enabled))

    def select(self, only: Sequence[str] = (), skip: Sequence[str] = (), named: Iterable[str] = ()) -> None:
        """Enable what the patterns say; costly rules only where `only` or `named` (the settings) name them."""
        for pattern in (*only, *skip):
            self.check(pattern)
        named = frozenset(named)
        self.enabled = {
            id: rule
            for id, rule in self.rules.items()
            if (not only or any(matches(rule, each) for each in only))
            and not any(matches(rule, each) for each in skip)
            and (not rule.costly or id in named or any(_names(rule, each) for each in only))
        }

    def check(self, pattern: str, option: str = "--only/--skip") -> None:
        """InputError with the nearest names where a pattern matches no rule, or names no category, severity or key."""
        key, colon, value = pattern.partition(":")
        if colon and key not in ("category", "severity", "type", "control"):
            raise InputError(f'{option} "{pattern}": no such key', do="known: category, severity, type, control")
        known = {"category": CATEGORIES, "severity": tuple(Severity.__members__)}.get(key) if colon else None
        if known is not None and not any(fnmatchcase(each, value.lower()) for each in known):
            near = nearest(value, known, 1)
            raise InputError(
                f'{option} "{pattern}": no such {key}',
                do=(f"nearest: {near[0]}; " if near else "") + f"known: {', '.join(known)}",
            )
        if not any(matches(rule, pattern) for rule in self.rules.values()) and known is None:
            names = [*self.rules, *(alias for rule in self.rules.values() for alias in rule.aliases)]
            near = nearest(pattern, names) if not colon else []
            raise InputError(
                f'{option} "{pattern}" matches no rule',
                do=(f"nearest: {', '.join(near)}; " if near else "") + "all: twolocks rules list",
            )


def reads_of(rule: Rule) -> list[Read]:
    """The reads below its type that a rule needs, parents first."""
    reads = (*rule.reads, *(rule.kind.endpoint_reads if rule.lock else ()), *((rule.subject,) if rule.subject else ()))
    return [child for each in reads for child in _line(each)]


def _line(child: Read) -> list[Read]:
    """A read and those above it, parents first."""
    return [*(_line(child.parent) if isinstance(child.parent, Read) else ()), child]


def _names(rule: Rule, pattern: str) -> bool:
    return ":" not in pattern and "*" not in pattern and matches(rule, pattern)


def matches(rule: Rule, pattern: str) -> bool:
    """Whether a PATTERN of the contract means a rule: an id with `*`, or category:, severity:, type:, control:."""
    key, colon, value = pattern.partition(":")
    if not colon:
        return any(fnmatchcase(each, pattern.lower()) for each in (rule.id, *rule.aliases))
    value = value.lower()
    if key == "category":
        return fnmatchcase(rule.category, value)
    if key == "severity":
        return rule.severity is not None and fnmatchcase(rule.severity.name, value)
    if key == "type":
        return any(fnmatchcase(each.lower(), value) for each in (*rule.kind.types, *rule.types))
    if key == "control":
        ids = [f"{framework} {id}" for framework, found in rule.controls.items() for id in found]
        return any(
            fnmatchcase(each.lower(), value) or fnmatchcase(each.rsplit(" ", 1)[-1].lower(), value) for each in ids
        )
    return False


def load(folders: Sequence[Path] = (), *, built_in: bool = True, packages: bool = True) -> RuleSet:
    """Every rule file of the built-in folder, of installed rule packages, and of these folders; all enabled but costly.

    A file that does not import is told in `broken`; an id that stands twice is an InputError.
    """
    found = RuleSet()
    if built_in:
        _folder(found, content("rules"), "scanner.rules")
    if packages:
        for place, entry in enumerate(importlib.metadata.entry_points(group=GROUP)):
            module = entry.load()
            _folder(found, Path(str(module.__file__)).parent, f"scanner.rules_package_{place}")
    for place, folder in enumerate(folders):
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}", at=f"--rules {folder}", do="give a folder of rule files")
        _folder(found, folder.resolve(), f"scanner.rules_user_{place}")
    found.select()
    return found


def _folder(found: RuleSet, folder: Path, name: str) -> None:
    # One namespace module per folder, so that two files named alike never clash and helpers import beside each other.
    package = sys.modules.get(name)
    if package is None or list(getattr(package, "__path__", ())) != [str(folder)]:
        for stale in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
            del sys.modules[stale]
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    for file in sorted(folder.glob("*.py")):
        if file.name.startswith("__"):
            continue
        try:
            module = importlib.import_module(f"{name}.{file.stem}")
        except Exception as error:  # noqa: BLE001 - a rule file may raise anything while it is imported
            found.broken.append(_broken(file, error))
            continue
        _take(found, module, file)


def _broken(file: Path, error: Exception) -> Broken:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
    line = frames[-1].lineno if frames else getattr(error, "lineno", None)
    return Broken(str(file), line or 1, f"{type(error).__name__}: {error}")


def _take(found: RuleSet, module: ModuleType, file: Path) -> None:
    kinds = [each for each in vars(module).values() if isinstance(each, ResourceType)]
    for kind in dict.fromkeys(kinds):
        if kind in found.kinds:
            continue
        found.kinds.append(kind)
        for rule in kind.rules:
            for id in (rule.id, *rule.aliases):
                if id in found.rules or any(id in each.aliases for each in found.rules.values()):
                    raise InputError(
                        f"the rule id {id} stands twice", at=str(file), do="ids are unique and never reused"
                    )
            found.rules[rule.id] = rule
            found.files[rule.id] = str(file)
