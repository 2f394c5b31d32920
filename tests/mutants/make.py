"""Mutants of exposure functions, of reach and of what remembers: the same source with one thing wrong."""

import ast
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUIET_ARGUMENTS = frozenset(
    (
        *("says", "description", "descriptions", "what", "display_name", "address", "fix_instruction", "justification"),
        *("name", "source", "hops", "off", "disabled_reason", "why", "hidden_rules", "expected"),
    )
)
"""Arguments that only words hang on."""
QUIET_CALLS = frozenset(
    (
        *("Evidence", "Hop", "Unread", "seen", "listed", "source_hop", "KeyError", "ValueError"),
        *("not_returned", "malformed", "unknown_value", "not_returned_or_unknown", "absent_at_unknown_version"),
        *("not_a_list", "not_listed", "not_read"),
    )
)
ROWS = frozenset(("Firewall", "Switch", "local_auth", "acl", "network_acls", "keys"))
WEAKER = {"anonymous": "identity", "shared": "identity", "identity": "shared", "none": "internet"}
QUIET_FIELDS = ("decorator_list", "returns", "args")
WORDS = ("str", "Evidence", "tuple[Evidence, ...]", "list[Evidence]", "Hop", "tuple[Hop, ...]", "Iterator[str]")
"""What functions return on which only words hang."""
NAMES = {"IDENTITY": "SHARED", "SHARED": "IDENTITY", "ANONYMOUS": "IDENTITY"}
FLIPPED = {
    "enabled": "disabled",
    "disabled": "enabled",
    "auto": "enabled",
    "allow": "deny",
    "deny": "allow",
    "open": "closed",
    "closed": "open",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutant: the file (below the root), the function or row, what was changed, and the whole changed source."""

    file: str
    where: str
    what: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.file} {self.where}: {self.what}"


EDGES: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}

Change = tuple[str, ast.AST | None]
"""What is changed, and the node that takes the place; None where nothing does."""
Variants = Callable[[ast.AST, ast.AST, str], Iterator[Change]]


def of_rules(file: Path, root: Path, *, helper: bool) -> list[Mutant]:
    """The mutants of a rule file: its exposure functions, what they call in it, and its rows; of a helper: all."""
    tree = ast.parse(file.read_text("utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    wanted = set(functions) if helper else _reached(tree, functions)
    nodes: list[tuple[str, ast.AST]] = [(name, functions[name]) for name in functions if name in wanted]
    nodes += [(_target(node), node.value) for node in tree.body if isinstance(node, ast.Assign) and _is_row(node.value)]
    return list(_unique(file, root, tree, [each for each in nodes if not _is_rule(each[1]) and not _words(each[1])]))


def of_scanner(file: Path, root: Path, *, only: Collection[str] = (), wide: bool = False) -> list[Mutant]:
    """The mutants of every function and method of a module of the scanner, or of those named (`run`, `Store.add`, or
    a class); `wide`: with all that `_wide` knows, also where words are returned.
    """
    tree = ast.parse(file.read_text("utf-8"))
    nodes: list[tuple[str, ast.AST]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            nodes.append((node.name, node))
        elif isinstance(node, ast.ClassDef):
            nodes += [(f"{node.name}.{each.name}", each) for each in node.body if isinstance(each, ast.FunctionDef)]
    known = {name for each, _ in nodes for name in (each, each.split(".")[0])}
    if gone := set(only) - known:
        raise ValueError(f"{file.name} has no {', '.join(sorted(gone))}")
    nodes = [each for each in nodes if not only or each[0] in only or each[0].split(".")[0] in only]
    return list(_unique(file, root, tree, [each for each in nodes if wide or not _words(each[1])], wide=wide))


def _unique(
    file: Path, root: Path, tree: ast.Module, nodes: list[tuple[str, ast.AST]], *, wide: bool = False
) -> Iterator[Mutant]:
    counted: dict[str, int] = {}
    for where, node in nodes:
        for what, source in _changes(tree, node, _all_variants if wide else _variants):
            key = f"{where}: {what}"
            counted[key] = counted.get(key, 0) + 1
            again = f" ({counted[key]})" if counted[key] > 1 else ""
            yield Mutant(str(file.relative_to(root)), where, what + again, source)


def _reached(tree: ast.Module, functions: dict[str, ast.FunctionDef]) -> set[str]:
    """The exposure functions, the conditions of reads, and what they call in the same file."""
    matches = [
        name
        for name, node in functions.items()
        if any(isinstance(each, ast.Call) and _name(each.func) == "endpoints" for each in node.decorator_list)
    ]
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            matches += [_name(each.value) for each in call.keywords if each.arg == "when"]
    matches += [_name(node.value.func) for node in tree.body if isinstance(node, ast.Assign) and _is_row(node.value)]  # type: ignore[attr-defined]
    wanted: set[str] = set()
    while matches:
        name = matches.pop()
        if name in functions and name not in wanted:
            wanted.add(name)
            matches += [each.id for each in ast.walk(functions[name]) if isinstance(each, ast.Name)]
    return wanted


def _is_rule(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and (
        any(isinstance(each, ast.Call) and _name(each.func) == "rule" for each in node.decorator_list)
        or ast.unparse(node.returns or ast.Constant(None)) in ("Verdict", "None", "bool | None")
        or any(isinstance(each, ast.FunctionDef) for each in node.body)
    )


def _words(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and (
        node.returns is None or ast.unparse(node.returns) in WORDS or node.name in ("__repr__", "__post_init__")
    )


def _is_row(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) in ROWS


def _target(node: ast.Assign) -> str:
    return ast.unparse(node.targets[0])


def _name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _changes(tree: ast.Module, root: ast.AST, variants: Variants) -> Iterator[tuple[str, str]]:
    for parent, field, position, node in _slots(root):
        for what, new in variants(node, parent, field):
            held = getattr(parent, field)
            if position is None:
                setattr(parent, field, new)
            elif new is None:
                setattr(parent, field, [*held[:position], *held[position + 1 :]])
            else:
                setattr(parent, field, [*held[:position], new, *held[position + 1 :]])
            source = ast.unparse(ast.fix_missing_locations(tree))
            setattr(parent, field, held)
            yield what, source


def _slots(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every place below a node, but decorators, annotations, docstrings and words."""
    for field, value in ast.iter_fields(node):
        if field == "annotation" or (field in QUIET_FIELDS and isinstance(node, ast.FunctionDef)):
            continue
        for position, each in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(each, ast.AST) or _quiet(each):
                continue
            yield node, field, position, each
            yield from _slots(each)


def _quiet(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):
        return node.arg in QUIET_ARGUMENTS
    if isinstance(node, ast.Assign) and _target(node) in QUIET_ARGUMENTS:
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and _name(node.func) in QUIET_CALLS)


def _variants(node: ast.AST, parent: ast.AST, field: str) -> Iterator[Change]:
    if isinstance(node, ast.stmt | ast.IfExp | ast.comprehension):
        yield from _flow(node)
    elif isinstance(node, ast.keyword):
        yield from _row_variants(node)
    elif isinstance(node, ast.Call):
        yield from _call_variants(node)
    elif isinstance(node, ast.BoolOp | ast.BinOp):
        yield from _joined(node)
    elif not isinstance(parent, ast.Compare):
        yield from _levels(node)


def _all_variants(node: ast.AST, parent: ast.AST, field: str) -> Iterator[Change]:
    yield from _variants(node, parent, field)
    yield from _wide(node, parent, field)


def _wide(node: ast.AST, parent: ast.AST, field: str) -> Iterator[Change]:
    """Each part of a condition, each call for its effect, each edge, each true and false."""
    if isinstance(node, ast.BoolOp):
        # `a or b` elsewhere is a value with its default.
        if (
            isinstance(node.op, ast.And)
            or field in ("test", "ifs", "operand", "values")
            or isinstance(parent, ast.Return)
        ):
            yield from _operands(node)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _compared(node, is_test=field in ("test", "ifs"))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.Sub):
        sign = "&" if isinstance(node.op, ast.BitAnd) else "-"
        yield f"without {sign} {_short(node.right)}", node.left
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} -> {not node.value}", ast.Constant(not node.value)
    elif _is_effect(node):
        yield f"without {_short(node)}", ast.Pass()


def _operands(node: ast.BoolOp) -> Iterator[Change]:
    reported = {what for what, _ in _joined(node)}
    joined = "and" if isinstance(node.op, ast.And) else "or"
    for position, each in enumerate(node.values):
        left = [*node.values[:position], *node.values[position + 1 :]]
        if (what := f"without {joined} {_short(each)}") not in reported:
            yield what, left[0] if len(left) == 1 else ast.BoolOp(node.op, left)


def _compared(node: ast.Compare, *, is_test: bool) -> Iterator[Change]:
    kind = type(node.ops[0])
    other = EDGES.get(kind) or (None if is_test else TURNED.get(kind))
    if other is not None:
        new = ast.Compare(node.left, [other()], node.comparators)
        yield f"{_short(new)} in place of {_short(node)}", new


def _is_effect(node: ast.AST) -> bool:
    """Whether a statement is a call, or sets a field or an entry."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute | ast.Subscript)


def _flow(node: ast.AST) -> Iterator[Change]:
    """Conditions turned round, loops that stop after the first, statements left out."""
    if isinstance(node, ast.If | ast.IfExp) and not _is_text(node):
        turned: Any = type(node)(**{**dict(ast.iter_fields(node)), "test": _not(node.test)})
        yield f"if not {_short(node.test)}", turned
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield f"without if {_short(node.ifs[0])}", ast.comprehension(node.target, node.iter, [], node.is_async)
    elif isinstance(node, ast.AugAssign):
        yield f"without {_short(node)}", ast.Pass()
    elif isinstance(node, ast.For):
        yield f"only the first of {_short(node.iter)}", _first(node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
        yield f"without {_short(node.value)}", ast.Pass()


def _joined(node: ast.BoolOp | ast.BinOp) -> Iterator[Change]:
    """Halves of which one is left out; null or an absent value that is taken for a value."""
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.BitOr):
            yield f"without | {_short(node.right)}", node.left
            yield f"without {_short(node.left)} |", node.right
        return
    joined = "and" if isinstance(node.op, ast.And) else "or"
    for position, each in enumerate(node.values):
        if any(word in ast.unparse(each) for word in ("None", "MISSING", "is_absent(", ".api_version_unknown")):
            left = [*node.values[:position], *node.values[position + 1 :]]
            yield f"without {joined} {_short(each)}", left[0] if len(left) == 1 else ast.BoolOp(node.op, left)


def _levels(node: ast.AST) -> Iterator[Change]:
    """Another level of authentication or reach."""
    if isinstance(node, ast.Attribute):
        lock, level = _name(node.value), node.attr
        weaker = "none" if (lock, level) == ("Reach", "internet") else WEAKER.get(level)
        if lock in ("Auth", "Reach") and weaker is not None:
            yield f"{lock}.{level} -> {weaker}", ast.Attribute(node.value, weaker, ast.Load())
    elif isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
        yield f"{node.id} -> {NAMES[node.id]}", ast.Name(NAMES[node.id], ast.Load())


def _row_variants(node: ast.keyword) -> Iterator[Change]:
    value = node.value
    if node.arg in ("absent", "empty", "default_absent", "max_severity"):
        if isinstance(value, ast.Constant) and value.value in FLIPPED:
            new = FLIPPED[value.value]
            yield f"{node.arg} {value.value} -> {new}", ast.keyword(node.arg, ast.Constant(new))
        elif isinstance(value, ast.Constant) and isinstance(value.value, bool):
            yield f"{node.arg} {value.value} -> {not value.value}", ast.keyword(node.arg, ast.Constant(not value.value))
    elif node.arg in ("addresses", "subnets") and isinstance(value, ast.Tuple):
        for each in value.elts:
            left: list[ast.expr] = [other for other in value.elts if other is not each]
            yield f"{node.arg} without {_short(each)}", ast.keyword(node.arg, ast.Tuple(left, ast.Load()))
    elif node.arg in (
        "zero",
        "filter",
        "injected",
        "sku_without_network_rules",
        "second",
        "configurations",
        "acl",
        "other",
    ):
        yield f"without {node.arg}", None
    elif node.arg in ("public", "endpoints"):
        empty = ast.Constant("" if node.arg == "public" else None)
        if ast.unparse(value) != ast.unparse(empty):
            yield f"without {node.arg}", ast.keyword(node.arg, empty)
    elif node.arg == "reads":
        return


def _call_variants(node: ast.Call) -> Iterator[Change]:
    name = _name(node.func)
    if name in ("possible", "unread", "PossibleGrant"):
        if name == "possible":
            lock = ast.Call(ast.Name("grant", ast.Load()), [node.args[0]], [])
            yield f"a grant in place of {_short(node)}", lock
        return
    if name == "same" and len(node.args) == 2:
        yield f"not {_short(node)}", _not(node)
    if name in ("any", "all") and len(node.args) == 1:
        other = "all" if name == "any" else "any"
        yield f"{other} in place of {_short(node)}", ast.Call(ast.Name(other, ast.Load()), node.args, [])
    if name in ("Exposure", "closed") and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
        kind = node.args[1].value
        other = "data" if kind == "app" else "app"
        args = [node.args[0], ast.Constant(other), *node.args[2:]]
        yield f"kind {kind!r} -> {other} of {_short(node.args[0])}", ast.Call(node.func, args, node.keywords)


def _first(node: ast.For) -> ast.For:
    whole = ast.Call(ast.Name("list", ast.Load()), [node.iter], [])
    first = ast.Subscript(whole, ast.Slice(None, ast.Constant(1), None), ast.Load())
    return ast.For(node.target, first, node.body, node.orelse)


def _not(node: ast.expr) -> ast.expr:
    turned = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return node.operand if turned else ast.UnaryOp(ast.Not(), node)  # type: ignore[attr-defined]


def _is_text(node: ast.AST) -> bool:
    """Whether a branch of an expression is words."""
    return isinstance(node, ast.IfExp) and any(
        isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str))
        for each in (node.body, node.orelse)
    )


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:87]}..."
