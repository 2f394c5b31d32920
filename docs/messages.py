"""Find the templates of messages, for their translation: those in the code, and those that rows of rules make."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import to_builtins

from scanner.content import content
from scanner.document.message_data import is_translated
from scanner.model.type_names import type_name
from scanner.rulebook.loader import RuleSet, load

_TEMPLATES = {"Message": 1, "plural": 2}
"""The functions that make messages, and how many of their first arguments are templates."""
_ROWS = frozenset({"because", "cannot_undo", "expected", "none", "otherwise", "set", "steps", "unclear", "what"})
"""The keys of a rule's row that are templates; the catalogue of rules has the others."""


def texts() -> Iterator[tuple[str, list[str]]]:
    """Yield each template with the files or rules that have it, in their order."""
    result: dict[str, set[str]] = defaultdict(set)
    rules = content("rules")
    for folder in (rules.parent / "scanner", rules):
        for path in sorted(folder.rglob("*.py")):
            for text in in_code(path.read_text("utf-8")):
                result[text].add(path.name)
    known = load(packages=False)
    for rule in known.rules.values():
        if rule.row is not None:
            for text in _in_rows("", to_builtins(rule.row)):
                result[text].add(rule.id)
    for name in _type_names(known):
        result[name].add("product names")
    yield from ((text, sorted(files)) for text, files in result.items() if is_translated(text))


def in_code(code: str) -> Iterator[str]:
    """Yield the templates of a module, in their order."""
    module = ast.parse(code)
    constants = dict(_constants(module))
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            for argument in node.args[: _TEMPLATES.get(node.func.id, 0)]:
                yield from _strings(argument, constants)


def _constants(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the constants of a module that are strings."""
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                yield target.id, node.value.value


def _strings(node: ast.expr, constants: Mapping[str, str]) -> Iterator[str]:
    """Yield the strings that an expression may be: one of two, or a constant of the module."""
    if isinstance(node, ast.IfExp):
        yield from _strings(node.body, constants)
        yield from _strings(node.orelse, constants)
    elif isinstance(node, ast.Name) and node.id in constants:
        yield constants[node.id]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def _in_rows(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _in_rows(name, each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _in_rows(key, each)
    elif key in _ROWS and isinstance(value, str):
        yield value


def _type_names(rules: RuleSet) -> Iterator[str]:
    """Yield the names of the types that rules evaluate, and of those that have one by hand."""
    yield from (name for rule in rules.rules.values() if rule.of_many for _, name in rule.of_many.named())
    for kind in rules.kinds:
        products = {type.lower(): name for type, name in kind.product_names().items()}
        yield from (type_name(type, products) for type in kind.types)
        yield from products.values()
