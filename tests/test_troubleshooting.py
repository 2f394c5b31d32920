"""The errors that docs/troubleshooting.md quotes are those that the code prints."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
QUOTED = [line for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
LEAST = 9
"""The letters of its own that a text of the code needs, so that not everything is like it."""


def _patterns(tree: ast.AST) -> Iterator[str]:
    """Yield each text of a module as a regular expression: what is filled in may be anything."""
    pieces = {id(piece) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values}
    for node in ast.walk(tree):
        values = node.values if isinstance(node, ast.JoinedStr) else [node]
        texts = [each.value for each in values if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if id(node) in pieces or sum(map(len, texts)) < LEAST:
            continue
        yield "".join(
            re.escape(each.value) if isinstance(each, ast.Constant) and isinstance(each.value, str) else ".*"
            for each in values
        )


@lru_cache(maxsize=1)
def printed() -> re.Pattern[str]:
    """Return an expression for whatever the code may print."""
    matches = [each for path in ROOT.glob("scanner/**/*.py") for each in _patterns(ast.parse(path.read_text("utf-8")))]
    return re.compile("|".join(f"(?:{each})" for each in dict.fromkeys(matches)))


@pytest.mark.parametrize("line", [line for line in QUOTED if not line.startswith("-->")])
def test_the_code_prints_what_is_quoted(line: str) -> None:
    text = re.sub(r"^(error|hint): ", "", line)
    if text.startswith("az login"):
        return
    assert printed().fullmatch(text), f"no text of the code is like: {text}"


def test_an_error_that_no_code_prints_is_found() -> None:
    assert not printed().fullmatch("the proxy declined login.microsoftonline.com:443: 407")


def test_each_part_quotes_an_error() -> None:
    pieces = PAGE.split("\n## ")[1:-1]
    assert [piece.split("\n")[0] for piece in pieces if "```text" not in piece] == []
    assert [
        name for name in ("Sign-in", "Proxy", "certificate", "403", "429") if not any(name in each for each in pieces)
    ] == []
