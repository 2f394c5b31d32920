"""The part of Kusto that Resource Graph queries of ours use, over rows that are dicts.

Stages: where, extend, project, project-away, summarize (count(), countif, dcount, min, max, make_set, take_any) by,
order by / sort by, distinct, count, limit / take, top N by. Expressions: literals, columns with `.name` or `['name']`,
and / or / not, comparisons, in, in~, !in, !in~, has, contains, startswith, endswith, negations, some functions.
Everything else raises `BadQuery`: better refused than answered wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]
Expression = Callable[[Row], Any]


class BadQuery(Exception):
    """The query is wrong, or uses what this engine does not know."""


TOKEN = re.compile(
    r"""\s*(?:(?P<comment>//[^\n]*)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?)
    |(?P<operator>!in~|in~|!in\b|=~|!~|==|!=|<=|>=|!(?:has|contains|startswith|endswith)\b|[|()\[\],.=<>-])
    |(?P<word>\$?[A-Za-z_]\w*))""",
    re.VERBOSE,
)

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "=~": lambda a, b: text(a).lower() == text(b).lower(),
    "!~": lambda a, b: text(a).lower() != text(b).lower(),
    "<": lambda a, b: a is not None and b is not None and bool(a < b),
    ">": lambda a, b: a is not None and b is not None and bool(a > b),
    "<=": lambda a, b: a is not None and b is not None and bool(a <= b),
    ">=": lambda a, b: a is not None and b is not None and bool(a >= b),
    "has": lambda a, b: re.search(rf"(?<!\w){re.escape(text(b))}(?!\w)", text(a), re.IGNORECASE) is not None,
    "contains": lambda a, b: text(b).lower() in text(a).lower(),
    "startswith": lambda a, b: text(a).lower().startswith(text(b).lower()),
    "endswith": lambda a, b: text(a).lower().endswith(text(b).lower()),
}
LISTS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "in": lambda a, b: a in b,
    "!in": lambda a, b: a not in b,
    "in~": lambda a, b: text(a).lower() in {text(x).lower() for x in b},
    "!in~": lambda a, b: text(a).lower() not in {text(x).lower() for x in b},
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tolower": lambda a: text(a).lower(),
    "toupper": lambda a: text(a).upper(),
    "tostring": lambda a: text(a),  # noqa: PLW0108
    "tobool": lambda a: None if text(a).lower() not in ("true", "false") else text(a).lower() == "true",
    "isempty": lambda a: text(a) == "",
    "isnotempty": lambda a: text(a) != "",
    "isnull": lambda a: a is None,
    "isnotnull": lambda a: a is not None,
    "array_length": lambda a: len(a) if isinstance(a, list) else None,
    "strcat": lambda *a: "".join(text(x) for x in a),
    "coalesce": lambda *a: next((x for x in a if x is not None and x != ""), None),
    "iff": lambda a, b, c: b if a else c,
    "split": lambda a, b: text(a).split(text(b)),
}
AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "countif": lambda values: sum(1 for v in values if v),
    "dcount": lambda values: len({text(v) for v in values}),
    "min": lambda values: min((v for v in values if v is not None), default=None),
    "max": lambda values: max((v for v in values if v is not None), default=None),
    "make_set": lambda values: list(dict.fromkeys(v for v in values if v is not None)),
    "take_any": lambda values: next((v for v in values if v is not None), None),
    "any": lambda values: next((v for v in values if v is not None), None),
}


def text(value: Any) -> str:
    """Kusto's string of a value: null is empty, booleans are lower case."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def tokens(query: str) -> list[tuple[str, str]]:
    """Pairs of kind and spelling."""
    found, at, end = [], 0, len(query.rstrip())
    while at < end:
        match = TOKEN.match(query, at)
        if match is None or match.lastgroup is None:
            raise BadQuery(f"cannot read the query at: {query[at : at + 30]!r}")
        if match.lastgroup != "comment":
            found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class Reader:
    """Tokens of one stage, read from the left."""

    def __init__(self, given: Sequence[tuple[str, str]]) -> None:
        self.given, self.at = given, 0

    def peek(self) -> str:
        return self.given[self.at][1] if self.at < len(self.given) else ""

    def take(self) -> tuple[str, str]:
        if self.at >= len(self.given):
            raise BadQuery("the query ends too early")
        self.at += 1
        return self.given[self.at - 1]

    def skip(self, *words: str) -> bool:
        """Step over the words if they come next."""
        ahead = [spelled for _, spelled in self.given[self.at : self.at + len(words)]]
        if [a.lower() for a in ahead] != list(words):
            return False
        self.at += len(words)
        return True

    def need(self, word: str) -> None:
        if not self.skip(word):
            raise BadQuery(f"expected {word!r} before {self.peek()!r}")

    def name(self) -> str:
        kind, spelled = self.take()
        if kind != "word":
            raise BadQuery(f"expected a column, not {spelled!r}")
        return spelled

    def done(self) -> None:
        if self.at < len(self.given):
            raise BadQuery(f"did not expect {self.peek()!r}")

    def expression(self) -> Expression:
        left = self._both()
        while self.skip("or"):
            left = _either(left, self._both())
        return left

    def _both(self) -> Expression:
        left = self._compared()
        while self.skip("and"):
            left = _both(left, self._compared())
        return left

    def _compared(self) -> Expression:
        if self.skip("not"):
            inner = self._value()
            return lambda row: not inner(row)
        left = self._value()
        operator = self.peek().lower()
        if operator in LISTS:
            self.take()
            self.need("(")
            return _listed(LISTS[operator], left, self._arguments())
        negated = operator.startswith("!") and operator[1:] in COMPARISONS and operator not in COMPARISONS
        plain = operator[1:] if negated else operator
        if plain not in COMPARISONS:
            return left
        self.take()
        right = self._value()
        compare = COMPARISONS[plain]
        return lambda row: compare(left(row), right(row)) is not negated

    def _arguments(self) -> list[Expression]:
        """Expressions up to the closing parenthesis."""
        found: list[Expression] = []
        while not self.skip(")"):
            if found:
                self.need(",")
            found.append(self.expression())
        return found

    def _value(self) -> Expression:
        kind, spelled = self.take()
        if spelled == "(" and kind == "operator":
            inner = self.expression()
            self.need(")")
            return inner
        if kind == "text":
            return _constant(re.sub(r"\\(.)", r"\1", spelled[1:-1]))
        if kind == "number":
            return _constant(float(spelled) if "." in spelled else int(spelled))
        if kind != "word":
            raise BadQuery(f"did not expect {spelled!r}")
        if spelled.lower() in ("true", "false"):
            return _constant(spelled.lower() == "true")
        if self.skip("("):
            if spelled.lower() not in FUNCTIONS:
                raise BadQuery(f"unknown function {spelled!r}")
            return _called(FUNCTIONS[spelled.lower()], self._arguments())
        return self._column(spelled)

    def _column(self, name: str) -> Expression:
        path: list[Any] = [name]
        while self.peek() in (".", "["):
            if self.skip("."):
                path.append(self.name())
            else:
                self.take()
                kind, spelled = self.take()
                path.append(int(spelled) if kind == "number" else spelled[1:-1])
                self.need("]")
        return lambda row: _at(row, path)


def _constant(value: Any) -> Expression:
    return lambda _: value


def _either(a: Expression, b: Expression) -> Expression:
    return lambda row: bool(a(row)) or bool(b(row))


def _both(a: Expression, b: Expression) -> Expression:
    return lambda row: bool(a(row)) and bool(b(row))


def _listed(member: Callable[[Any, list[Any]], bool], left: Expression, given: list[Expression]) -> Expression:
    return lambda row: member(left(row), [one(row) for one in given])


def _called(function: Callable[..., Any], given: list[Expression]) -> Expression:
    return lambda row: function(*(one(row) for one in given))


def _at(value: Any, path: Sequence[Any]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


class Result:
    """Rows after the last stage; `ordered` says whether their order is fixed, `cut` that the query itself cut them."""

    def __init__(self, rows: list[Row], ordered: bool = False, cut: bool = False) -> None:
        self.rows, self.ordered, self.cut = rows, ordered, cut


def run(query: str, table: Callable[[str], list[Row]]) -> Result:
    """Run a query; `table` gives the rows of a table by its name in lower case. Raises BadQuery."""
    first, *stages = _stages(tokens(query))
    if len(first) != 1 or first[0][0] != "word":
        raise BadQuery("the query must start with one table")
    result = Result(table(first[0][1].lower()))
    for stage in stages:
        reader = Reader(stage)
        word = reader.name().lower()
        if word == "project" and reader.skip("-", "away"):
            word = "project-away"
        step = STAGES.get(word)
        if step is None:
            raise BadQuery(f"unknown operator {word!r}")
        step(result, reader)
        reader.done()
    return result


def _stages(given: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = [[]]
    for token in given:
        if token == ("operator", "|"):
            found.append([])
        else:
            found[-1].append(token)
    return found


def _named(reader: Reader) -> list[tuple[str, Expression]]:
    """`a, b = expression, properties.x`: names and what they hold."""
    found: list[tuple[str, Expression]] = []
    while not found or reader.skip(","):
        start = reader.at
        name = ""
        if reader.given[start][0] == "word" and reader.given[start + 1 : start + 2] == [("operator", "=")]:
            name = reader.name()
            reader.need("=")
            start = reader.at
        value = reader.expression()
        path = [spelled.strip("'\"") for kind, spelled in reader.given[start : reader.at] if kind in ("word", "text")]
        found.append((name or "_".join(path), value))
    return found


def _where(result: Result, reader: Reader) -> None:
    test = reader.expression()
    result.rows = [row for row in result.rows if test(row)]


def _extend(result: Result, reader: Reader) -> None:
    named = _named(reader)
    result.rows = [{**row, **{name: value(row) for name, value in named}} for row in result.rows]


def _project(result: Result, reader: Reader) -> None:
    named = _named(reader)
    result.rows = [{name: value(row) for name, value in named} for row in result.rows]


def _project_away(result: Result, reader: Reader) -> None:
    names = {name for name, _ in _named(reader)}
    result.rows = [{name: value for name, value in row.items() if name not in names} for row in result.rows]


def _summarize(result: Result, reader: Reader) -> None:
    wanted: list[tuple[str, Callable[[list[Any]], Any], Expression]] = []
    while reader.peek().lower() not in ("by", "") and (not wanted or reader.skip(",")):
        wanted.append(_aggregate(reader))
    by = _named(reader) if reader.skip("by") else []
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in result.rows:
        groups.setdefault(tuple(text(value(row)) for _, value in by), []).append(row)
    if not by and not groups:
        groups[()] = []
    result.rows = [
        {
            **{name: value(rows[0]) for name, value in by},
            **{name: function([value(row) for row in rows]) for name, function, value in wanted},
        }
        for rows in groups.values()
    ]
    result.ordered = False


def _aggregate(reader: Reader) -> tuple[str, Callable[[list[Any]], Any], Expression]:
    name = reader.name()
    given = ""
    if reader.skip("="):
        given, name = name, reader.name()
    if name.lower() not in AGGREGATES:
        raise BadQuery(f"unknown aggregate {name!r}")
    reader.need("(")
    if reader.skip(")"):
        return given or f"{name}_", AGGREGATES[name.lower()], _constant(1)
    column = reader.peek()
    value = reader.expression()
    reader.need(")")
    return given or f"{name}_{column}", AGGREGATES[name.lower()], value


def _order(result: Result, reader: Reader) -> None:
    reader.need("by")
    _sort(result, reader)


def _sort(result: Result, reader: Reader) -> None:
    keys: list[tuple[Expression, bool]] = []
    while not keys or reader.skip(","):
        value = reader.expression()
        down = not reader.skip("asc")
        if down:
            reader.skip("desc")
        keys.append((value, down))
    for value, down in reversed(keys):
        result.rows.sort(key=lambda row: _rank(value(row)), reverse=down)
    result.ordered = True


def _rank(value: Any) -> tuple[int, float, str]:
    """Numbers before text, nothing first; text without case, as Resource Graph sorts it."""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return (0, 0.0, "") if value is None else (2, 0.0, str(value).lower())


def _distinct(result: Result, reader: Reader) -> None:
    _project(result, reader)
    result.rows = list({tuple(text(v) for v in row.values()): row for row in result.rows}.values())
    result.ordered = False


def _count(result: Result, reader: Reader) -> None:
    result.rows = [{"Count": len(result.rows)}]


def _limit(result: Result, reader: Reader) -> None:
    kind, spelled = reader.take()
    if kind != "number":
        raise BadQuery(f"expected a number, not {spelled!r}")
    if reader.skip("by"):
        _sort(result, reader)
    result.rows, result.cut = result.rows[: int(spelled)], True


STAGES: dict[str, Callable[[Result, Reader], None]] = {
    "where": _where,
    "extend": _extend,
    "project": _project,
    "project-away": _project_away,
    "summarize": _summarize,
    "order": _order,
    "sort": _order,
    "distinct": _distinct,
    "count": _count,
    "limit": _limit,
    "take": _limit,
    "top": _limit,
}
