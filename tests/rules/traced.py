"""Bodies that note what is looked up in them, and what their texts are compared with."""

import ast
import sys
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

Log = set[tuple[str, bool]]
"""Paths below a body and whether they were there; `[]` is an element of a list, `*` all members of an object."""
Compared = set[tuple[str, str]]
"""Paths below a body and the texts that what stands there was compared with."""


class TracedObject(dict[str, Any]):
    """A JSON object that notes which members are asked for; names of missing ones are noted as they were asked for."""

    def __init__(self, body: dict[str, Any], at: str, log: Log, compared: Compared | None = None) -> None:
        super().__init__({key: traced(value, log, compared, f"{at}.{key}".lstrip(".")) for key, value in body.items()})
        self.at = at
        self.log = log

    def _note(self, name: object) -> None:
        there = super().get(name, None) is not None  # type: ignore[call-overload]
        # A lookup without case asks twice, the second time with the key as it is spelled: the first is no absence.
        twin = not there and any(key.lower() == str(name).lower() for key in super().__iter__())
        if not twin:
            self.log.add((f"{self.at}.{name}".lstrip("."), there))

    def __contains__(self, name: object) -> bool:
        self._note(name)
        return super().__contains__(name)

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)

    def note_whole(self) -> None:
        """Note that everything below is used, as by evidence that shows it."""
        self.log.add((f"{self.at}.**".lstrip("."), True))

    def __str__(self) -> str:
        self.note_whole()
        return super().__str__()

    def items(self) -> Any:
        self.log.add((f"{self.at}.*".lstrip("."), True))
        return super().items()

    def values(self) -> Any:
        self.log.add((f"{self.at}.*".lstrip("."), True))
        return super().values()


class TracedList(list[Any]):
    """A JSON list that notes that it was read."""

    def __init__(self, items: list[Any], at: str, log: Log, compared: Compared | None = None) -> None:
        super().__init__(traced(each, log, compared, f"{at}[]") for each in items)
        self.at = at
        self.log = log

    def note_whole(self) -> None:
        """Note that everything below is used, as by evidence that shows it."""
        whole = any(isinstance(each, dict | list) for each in super().__iter__())
        self.log.add((f"{self.at}.**" if whole else self.at, True))

    def __str__(self) -> str:
        self.note_whole()
        return super().__str__()

    def __iter__(self) -> Iterator[Any]:
        self.log.add((f"{self.at}[]", True))
        return super().__iter__()


class TracedText(str):
    """A text that notes what it is compared with: by `==`, and by a lookup in a set or a table."""

    def __new__(cls, text: str, at: str, compared: Compared) -> "TracedText":
        made = super().__new__(cls, text)
        made.at, made.compared = at, compared
        return made

    at: str
    compared: Compared

    def lower(self) -> "TracedText":
        return TracedText(super().lower(), self.at, self.compared)

    def strip(self, *chars: Any) -> "TracedText":
        return TracedText(super().strip(*chars), self.at, self.compared)

    def __eq__(self, other: object) -> bool:
        if type(other) is str and sys._getframe(1).f_code.co_filename.startswith(_COMPARING):
            self.compared.add((self.at, other))
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        self.compared.update((self.at, each) for each in _looked_through(sys._getframe(1)) if type(each) is str)
        return super().__hash__()


_ROOT = Path(__file__).parents[2]
_COMPARING = tuple(str(_ROOT / each) for each in ("rules", "scanner/reach", "scanner/model"))
"""The code that compares values with what rules know: what it then shows of them compares them too."""


def _looked_through(frame: FrameType) -> Collection[object]:
    """Return what the set or table holds in which code of the rules looks a text up: `x in SET`, `TABLE.get(x)`."""
    code = _container(frame.f_code, frame.f_lasti)
    if code is None:
        return ()
    try:
        # An expression of the rules.
        document = eval(code, frame.f_globals, dict(frame.f_locals))
    except NameError:
        return ()
    return document if isinstance(document, set | frozenset | dict) and len(document) <= _MOST else ()


_MOST = 100
"""The most entries of a table of values. Larger ones are indexes of resources."""


@cache
def _container(code: CodeType, instruction: int) -> CodeType | None:
    """Return the expression of the set or table that an instruction looks through; None for any other instruction."""
    line, last, start, end = list(code.co_positions())[instruction // 2]
    if not code.co_filename.startswith(_COMPARING) or line is None or line != last:
        return None
    text = Path(code.co_filename).read_text("utf-8").splitlines()[line - 1].encode()[start:end].decode()
    try:
        result = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    holder: ast.expr | None = None
    if isinstance(result, ast.Compare) and isinstance(result.ops[-1], ast.In | ast.NotIn):
        holder = result.comparators[-1]
    elif isinstance(result, ast.Subscript):
        holder = result.value
    elif isinstance(result, ast.Call) and isinstance(result.func, ast.Attribute) and result.func.attr == "get":
        holder = result.func.value
    if not isinstance(holder, ast.Name | ast.Attribute | ast.Dict | ast.Set):
        return None
    return compile(ast.Expression(holder), code.co_filename, "eval")


def traced(value: Any, log: Log, compared: Compared | None = None, at: str = "") -> Any:
    """Return the same value, whose lookups are noted in `log`, and the comparisons of its texts in `compared`."""
    if isinstance(value, dict):
        return TracedObject(value, at, log, compared)
    if isinstance(value, list):
        return TracedList(value, at, log, compared)
    return TracedText(value, at, compared) if compared is not None and isinstance(value, str) else value


def untraced(value: Any) -> Any:
    """Return the same value without notes, and note nothing."""
    if isinstance(value, dict):
        return {str(key): untraced(each) for key, each in dict.items(value)}
    if isinstance(value, list):
        return [untraced(each) for each in list.__iter__(value)]
    return str(value) if isinstance(value, str) else value


def plain(log: Log) -> set[str]:
    """The paths that were looked up, without those that only lead to others."""
    paths = {path for path, _ in log}
    return {
        path
        for path in paths
        if not any(other != path and other.startswith((f"{path}.", f"{path}[]")) for other in paths)
    }
