"""Find the texts about endpoints and findings that rules and the evaluation make, for their translation.

A text is a string in the code of rules, or in their rows: a reason, a note, a step of a fix, a hop of a network path.
The first argument of `Message` is a template; a string is one without fields, and an f-string one with them. So
the English of a report and the list of what is to be translated come from the same line.
"""

import ast
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from scanner.content import content
from scanner.model.type_names import type_name
from scanner.report.words import source
from scanner.rulebook.loader import load

_CODE = {
    "scanner/model": (
        "addresses",
        "checks",
        "control_planes",
        "diagnostic_settings",
        "fix",
        "index",
        "keys",
        "kept",
        "places",
        "residency",
        "resource",
        "rows",
        "unread",
        "verdict",
    ),
    "scanner/evaluate": (
        "capacity",
        "checks",
        "endpoints",
        "fixes",
        "keys",
        "locks",
        "missing",
        "places",
        "rows",
        "waiving",
    ),
    "scanner/fix": ("causes",),
    "scanner/history": ("baseline", "compare", "documents"),
    "scanner/reach": (),
    "rules": (),
}
"""The folders whose texts are in reports, and the modules of each; () is every module but those of `_SPOKEN`."""
_SPOKEN = ("answers", "callers", "effective_rules", "port_query", "query", "port_ranges")
"""The modules of `scanner/reach` whose texts only the terminal shows."""
_REASONS = ("not_evaluated", "reasons")
"""The modules of `rules` whose texts only the page of services shows."""
_NOTES = {
    "scanner/azure/tenants.py": ("__init__", "_assign", "_said"),
    "scanner/collect/quotas.py": ("TOO_MANY", "IN_PART", "NO_REGION", "_add_failure"),
    "scanner/config/waivers.py": ("says", "notes", "_expired_note", "_needless_note"),
    "scanner/scan/job.py": ("KEPT_ALL",),
    "scanner/scan/narrowing.py": ("apply",),
    "scanner/scan/outcome.py": ("DISAGREES",),
    "scanner/snapshot/files.py": ("_BARE",),
}
"""Modules with notes on the coverage of a scan: the functions and constants that have them."""
_PLACES = "places.toml"
"""The file of rows whose `what` begins a sentence."""
_KEYS = ("keys.toml", "customer_keys.toml")
"""The files of rows whose `what` is within a sentence."""
_ROWS = ("because", "expected", "none", "otherwise", "set", "steps", "unclear")
"""The keys of rows whose texts are in reports as they are; those of RULE_TEXTS have a catalogue of their own."""
_WORDS = (
    "{count} more", "Accepted: {waived}.", "Allowed: {words} ({source})", "{region} ({place}; {area})",
    "limit: one snapshot line, {mb} MB or {values} values", "the setting residency.scope of {name}",
    "Approved", "Authentication", "Azure", "Azure did not return them", "Environment",
    "FTP", "Internet", "Microsoft Entra ID", "NFS", "Public", "SFTP", "absent", "automatic", "never", "none",
    "destination", "destinations", "off", "on", "private endpoint", "shared key or password", "subnet", "subnets",
    "subscription", "subscriptions", "the firewall",
    "the rules of security admin configuration {name}", "traffic", "{names}, a private endpoint {where}",
    "{names}, a subnet {where}", "{names}, a subscription {where}",
)  # fmt: skip
"""Texts that are not told apart from values, or from the texts of `templates/endpoint`."""
_NO_TEXTS = frozenset({"TypeError", "ValueError", "KeyError", "RuntimeError", "LookupError", "BadRow", "InputError"})
_NO_CALLS = _NO_TEXTS | {"compile", "cached", "startswith", "endswith", "partition", "split", "get", "once"}
_NO_KEYWORDS = frozenset(
    {"source", "commands", "az", "says", "values", "paths", "filter", "alone", "no_rule", "unread"}
)
_PROSE = re.compile(r"(?<!\S)[(\"']?[A-Za-z][A-Za-z'-]*[,.;:)\"']*(?!\S)")
_NO_PROSE = re.compile(
    r"az |--|//|Microsoft (Learn|Download)|resource \{|[a-z-]+/[a-z-]+: |.* \| |azure-mgmt"
    r"|Azure Policy |get list |give a file |properties\.\{|(management-group|subscription):\{"
)
_Tokens = list[str | tuple[str]]
"""The parts of a text; a tuple is the name of a field."""


def texts() -> Iterator[tuple[str, list[str]]]:
    """Yield each text with the files that have it, in the order of the files."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in _modules():
        for text in in_code(path.read_text("utf-8")):
            found[text].add(path.name)
    for name, parts in _NOTES.items():
        path = content("rules").parent / name
        for text in in_code(path.read_text("utf-8"), parts):
            found[text].add(path.name)
    for path in sorted(content("rules").rglob("*.toml")):
        rows = tomllib.loads(path.read_text("utf-8"))
        for text in (*_in_rows("", rows), *_things(rows, path.name)):
            found[text].add(path.name)
    for name in _type_names():
        found[name].add("product names")
    known = {text for table in source("endpoint").values() for text in table.values()}
    for text, files in found.items():
        if text not in known:
            yield text, sorted(files)
    yield from ((text, []) for text in _WORDS)


def _type_names() -> Iterator[str]:
    """Yield the names of the types that rules evaluate, and of those that have one by hand."""
    rules = load(packages=False)
    yield from (name for rule in rules.rules.values() if rule.of_many for _, name in rule.of_many.named())
    for kind in rules.kinds:
        products = {type.lower(): name for type, name in kind.product_names().items()}
        yield from (type_name(type, products) for type in kind.types)
        yield from products.values()


def _modules() -> Iterator[Path]:
    for folder, names in _CODE.items():
        for path in sorted((content(folder) if folder == "rules" else content("rules").parent / folder).rglob("*.py")):
            if path.stem in names or (not names and path.stem not in (*_SPOKEN, *_REASONS)):
                yield path


def _in_rows(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _in_rows(name, each)
    elif isinstance(value, list):
        for each in value:
            yield from _in_rows(key, each)
    elif key in _ROWS and isinstance(value, str) and " " in value:
        yield value


def _things(rows: Any, file: str) -> Iterator[str]:
    """Yield what the rows of places and keys are about, those of places also as they begin a sentence."""
    if file != _PLACES and file not in _KEYS:
        return
    for name, each in rows.items():
        if isinstance(each, Mapping):
            yield from _things(each, file)
        elif name == "what":
            yield each
            if file == _PLACES:
                yield each[:1].upper() + each[1:]


def in_code(code: str, parts: Collection[str] = ()) -> list[str]:
    """Return the texts of a module: strings and f-strings of at least two words, without docstrings and errors.

    `parts`: the functions and constants to read, () for all.
    """
    module = ast.parse(code)
    visitor = _Visitor(_reasons(module))
    for node in [each for each in ast.walk(module) if _defined(each) in parts] if parts else [module]:
        visitor.visit(node)
    return list(dict.fromkeys(visitor.found))


def _defined(node: ast.AST) -> str:
    """Return the name of the function or constant that a node defines, "" for any other."""
    if isinstance(node, ast.Assign):
        return _name(node.targets[0])
    return node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ""


def _reasons(module: ast.AST) -> frozenset[str]:
    """Return the constants that say why there is no rule: only the page of services shows them."""
    given = (
        k.value for node in ast.walk(module) if isinstance(node, ast.Call) for k in node.keywords if k.arg == "no_rule"
    )
    return frozenset(each.id for value in given for each in ast.walk(value) if isinstance(each, ast.Name))


class _Visitor(ast.NodeVisitor):
    """Finds texts. `unsaid`: the constants whose texts no report shows."""

    def __init__(self, unsaid: Collection[str] = ()) -> None:
        self.found: list[str] = []
        self._unsaid = unsaid

    def visit_Assign(self, node: ast.Assign) -> None:
        if _name(node.targets[0]) not in self._unsaid:
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if _name(node.func) not in _NO_CALLS:
            for each in (node.func, *node.args, *(k.value for k in node.keywords if k.arg not in _NO_KEYWORDS)):
                self.visit(each)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        """Skip annotations."""

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        if isinstance(node.slice, ast.JoinedStr):
            self.visit(node.slice)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for each in (node.args, *node.body, *node.decorator_list):
            self.visit(each)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._take(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._take(node)
        for each in node.values:
            if isinstance(each, ast.FormattedValue) and not _alternatives(each.value):
                self.visit(each.value)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if _alternatives(node):
            self._take(node)
        self.generic_visit(node)

    def _take(self, node: ast.expr) -> None:
        self.found += filter(_is_prose, (_bare(_template(each)) for each in _alternatives(node)))


def _bare(text: str) -> str:
    """Return a text without the punctuation around it, and without a pair of parentheses."""
    text = text.strip(" ,;")
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text


def _is_prose(text: str) -> bool:
    words = _PROSE.findall(re.sub(r"\{\w+\}", " ", text))
    enough = 1 if "{" in text and "properties" not in text else 2
    return len(words) >= enough and any(each.islower() for each in words) and not _NO_PROSE.match(text)


def _alternatives(node: ast.expr) -> list[_Tokens]:
    """Return what a string may be, [] for what is no string: an f-string with `a if b else c` is two texts."""
    if isinstance(node, ast.Constant):
        return [[node.value]] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return _either(node.body, node.orelse)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return _either(*node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        both = _alternatives(node.left), _alternatives(node.right)
        if not any(both):
            return []
        return _product([each or [[_field(side)]] for each, side in zip(both, (node.left, node.right), strict=True)])
    if not isinstance(node, ast.JoinedStr):
        return []
    return _product(
        [
            (_alternatives(each.value) or [[_field(each.value)]])
            if isinstance(each, ast.FormattedValue)
            else _alternatives(each)
            for each in node.values
        ]
    )


def _either(*nodes: ast.expr) -> list[_Tokens]:
    found = [_alternatives(each) for each in nodes]
    if not any(found):
        return []
    return [text for each, node in zip(found, nodes, strict=True) for text in each or [[_field(node)]]]


def _product(parts: list[list[_Tokens]]) -> list[_Tokens]:
    made: list[_Tokens] = [[]]
    for each in parts:
        made = [[*before, *after] for before in made for after in each]
    return made


def _field(node: ast.expr) -> tuple[str]:
    return (_name(node).strip("_").lower(),)


def _name(node: ast.expr) -> str:
    """Return a name for the value of an expression: its last word, or that of its first argument."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "join":
            return "list"
        return _name(node.args[0]) if node.args else _name(node.func)
    if isinstance(node, ast.BoolOp):
        return _name(node.values[0])
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    return _name(node.body) if isinstance(node, ast.IfExp) else "value"


def _template(tokens: _Tokens) -> str:
    """Return a text with a field in braces for each value; the second field of a name has the number 2."""
    used: Counter[str] = Counter()
    made = []
    for each in tokens:
        if isinstance(each, str):
            made.append(each)
        else:
            used[each[0]] += 1
            made.append(f"{{{each[0]}{used[each[0]] if used[each[0]] > 1 else ''}}}")
    return "".join(made).replace("{}", "{what}")
