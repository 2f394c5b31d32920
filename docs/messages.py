"""Find the templates of messages, for their translation: those in the code, and those that rows of rules make."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scanner.content import content
from scanner.document.said import is_translated
from scanner.model.type_names import type_name
from scanner.rulebook.loader import load

_TEMPLATES = {"Message": 1, "plural": 2}
"""The functions that make messages, and how many of their first arguments are templates."""
_ROWS = frozenset({"because", "expected", "none", "otherwise", "set", "steps", "unclear"})
"""The keys of rows that are templates; the catalogue of rules has the others."""
_MECHANISMS = frozenset({"places.toml", "keys.toml", "customer_keys.toml"})
"""The files of rows whose `what` is a template, too."""


def texts() -> Iterator[tuple[str, list[str]]]:
    """Yield each template with the files that have it, in the order of the files."""
    found: dict[str, set[str]] = defaultdict(set)
    rules = content("rules")
    for folder in (rules.parent / "scanner", rules):
        for path in sorted(folder.rglob("*.py")):
            for text in in_code(path.read_text("utf-8")):
                found[text].add(path.name)
    for path in sorted(rules.rglob("*.toml")):
        keys = _ROWS | {"what"} if path.name in _MECHANISMS else _ROWS
        for text in _in_rows("", tomllib.loads(path.read_text("utf-8")), keys):
            found[text].add(path.name)
    for name in _type_names():
        found[name].add("product names")
    yield from ((text, sorted(files)) for text, files in found.items() if is_translated(text))


def in_code(code: str) -> Iterator[str]:
    """Yield the templates of a module, in their order."""
    module = ast.parse(code)
    constants = {
        node.targets[0].id if isinstance(node, ast.Assign) else node.target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.targets[0] if isinstance(node, ast.Assign) else node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            for argument in node.args[: _TEMPLATES.get(node.func.id, 0)]:
                yield from _strings(argument, constants)


def _strings(node: ast.expr, constants: Mapping[str, str]) -> Iterator[str]:
    """Yield the strings that an expression may be: one of two, or a constant of the module."""
    if isinstance(node, ast.IfExp):
        yield from _strings(node.body, constants)
        yield from _strings(node.orelse, constants)
    elif isinstance(node, ast.Name) and node.id in constants:
        yield constants[node.id]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def _in_rows(key: str, value: Any, keys: frozenset[str]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _in_rows(name, each, keys)
    elif isinstance(value, list):
        for each in value:
            yield from _in_rows(key, each, keys)
    elif key in keys and isinstance(value, str) and " " in value:
        yield value


def _type_names() -> Iterator[str]:
    """Yield the names of the types that rules evaluate, and of those that have one by hand."""
    rules = load(packages=False)
    yield from (name for rule in rules.rules.values() if rule.of_many for _, name in rule.of_many.named())
    for kind in rules.kinds:
        products = {type.lower(): name for type, name in kind.product_names().items()}
        yield from (type_name(type, products) for type in kind.types)
        yield from products.values()
