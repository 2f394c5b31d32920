"""What a scan keeps of each resource: the paths that the built-in rules read, and those of own rules.

`rules/kept.json` has the paths of the built-in rules, by ARM type. `make paths` writes it: the rows name their paths,
and those of Python code are noted while every example and the sample estate are evaluated.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec

from scanner.content import content
from scanner.model.ids import QUOTA_TYPES
from scanner.model.json_paths import steps
from scanner.model.kept import KeptPaths
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.rulebook.loader import RuleSet
from scanner.rulebook.pinned_paths import row_reads

FILE = "kept.json"
CONTAINERS = (
    "metadata.geography",
    "metadata.physicalLocation",
    "metadata.regionType",
    "metadata.pairedRegion[].name",
    "availabilityZoneMappings[].logicalZone",
)
"""What is kept of regions, which have no type."""
QUOTAS = tuple(f"properties.quotas[].{each}" for each in ("name", "label", "used", "limit"))
"""What is kept of the quotas of a region, on which there are no rules."""
BUILT_IN = "scanner.rules."
_MEMBERS = ("properties", "sku", "identity", "tags", "plan", "extendedLocation")
"""The members of a resource with which a text in Python code must begin to count as a path."""


def kept_paths(rules: RuleSet, tags: tuple[str, ...] = ()) -> KeptPaths:
    """Return what a scan with these rules keeps. `tags`: the names of the tags to keep
    beside those that a rule names (`tags.NAME`)."""
    result: dict[str, set[str]] = defaultdict(set)
    for type, paths in built_in().items():
        result[type.lower()].update(paths)
    for type, path in (*_of_rows(rules), *_declared(rules), *_of_code(rules)):
        result[type.lower()].add(path)
    result[""].update(CONTAINERS)
    for type in QUOTA_TYPES:
        result[type.lower()].update(QUOTAS)
    tag_names = {steps(path)[1] for paths in result.values() for path in paths if path.lower().startswith("tags.")}
    return KeptPaths(dict(result), (*tags, *tag_names))


def built_in() -> dict[str, list[str]]:
    """Return the paths that the built-in rules read, by ARM type."""
    return msgspec.json.decode((content("rules") / FILE).read_bytes(), type=dict[str, list[str]])


def is_built_in(name: str) -> bool:
    """Return whether the module of that name belongs to the built-in rules."""
    return name.startswith(BUILT_IN)


def _of_rows(rules: RuleSet) -> Iterator[tuple[str, str]]:
    for rule in rules.rules.values():
        for read, path in row_reads(rule):
            for type in read.types:
                yield type, path


def _declared(rules: RuleSet) -> Iterator[tuple[str, str]]:
    """Yield the types and paths of `keep=`."""
    for kind in rules.kinds:
        reads: list[ResourceType | Read] = [kind, *kind.children]
        for read in reads:
            for type in read.types:
                yield from ((type, path) for path in read.keep)


def _of_code(rules: RuleSet) -> Iterator[tuple[str, str]]:
    """Yield the paths that Python files of own folders name, and all below them, for each type that they use."""
    for module in rules.modules.values():
        if not is_built_in(module.__name__):
            paths = [f"{path}.**" for path in _named(module)]
            for type in _types(module):
                yield from ((type, path) for path in paths)


def _named(module: ModuleType) -> list[str]:
    """Return the texts of a Python file that are paths: `properties.x`."""
    tree = ast.parse(Path(str(module.__file__)).read_bytes())
    texts = {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return sorted(text for text in texts if text.partition(".")[0] in _MEMBERS and "." in text and " " not in text)


def _types(module: ModuleType) -> set[str]:
    """Return the ARM types of the resource types, reads and rules among the variables of a Python file."""
    reads: list[ResourceType | Read] = []
    for value in vars(module).values():
        if isinstance(value, ResourceType | Read):
            reads.append(value)
        elif isinstance(value, Rule):
            reads += [value.resource_type, *value.reads, *([value.subject] if value.subject else [])]
    return {type for read in reads for type in read.types}
