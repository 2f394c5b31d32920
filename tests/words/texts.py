"""Collect the sentences that people read, by area, with the file and line of each.

`python -m tests.words.texts [ROOT]` lists and counts what is banned.
"""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


COMMANDS = (".az", ".terraform", ".bicep", ".check_first")
"""Keys of rules/*.toml that hold code."""
COMMENT = re.compile(r"\s*(#|//) |\s*(displayName|@?[Dd]escription)\b")


class Text(NamedTuple):
    """A sentence or a line, where it is, and the area that it belongs to."""

    area: str
    location: str
    text: str


class Banned(NamedTuple):
    """A phrase that is banned: what finds it, what is taken out before, what to write, and the areas."""

    pattern: re.Pattern[str]
    allow: re.Pattern[str] | None
    use: str
    areas: frozenset[str]

    def hits(self, text: str) -> list[str]:
        """Return the occurrences in a text, in lower case."""
        lower = text.lower()
        if self.allow is not None:
            lower = self.allow.sub(" ", lower)
        return [match.group() for match in self.pattern.finditer(lower)]


def banned() -> list[Banned]:
    """Return the list of tests/words/banned.toml."""
    rows = tomllib.loads((Path(__file__).parent / "banned.toml").read_text("utf-8"))["banned"]
    return [
        Banned(
            re.compile(rf"\b(?:{row['pattern']})\b"),
            re.compile("|".join(row["allow"])) if "allow" in row else None,
            row["use"],
            frozenset(row["where"]),
        )
        for row in rows
    ]


def texts(root: Path = ROOT) -> Iterator[Text]:
    """Yield what people read, under a root. Ids, JSON values and code in pages are contracts, so they are left out."""
    for path in sorted([*root.glob("rules/**/*.toml"), *root.glob("templates/**/*.toml")]):
        yield from _of_toml(path, path.relative_to(root).as_posix())
    for path in sorted(root.glob("templates/**/*.j2")):
        text = re.sub(r"{[{%#].*?[}%#]}", "", path.read_text("utf-8"), flags=re.DOTALL)
        yield from _lines("report", path.relative_to(root).as_posix(), text)
    for path in sorted([*root.glob("scanner/**/*.py"), *root.glob("rules/**/*.py"), *root.glob("docs/*.py")]):
        yield from _of_python(path, path.relative_to(root).as_posix())
    for path in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("deploy/**/*.md")]):
        yield from _lines("docs", path.relative_to(root).as_posix(), prose(path.read_text("utf-8")))

    for path in sorted(path for path in root.glob("deploy/**/*") if path.suffix not in (".md", "") and path.is_file()):
        name = path.relative_to(root).as_posix()
        yield from (line for line in _lines("docs", name, path.read_text("utf-8")) if COMMENT.match(line.text))


def prose(page: str) -> str:
    """Return a page of Markdown without code, link targets and comments, with its lines where they were."""
    blocks = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
    without = blocks.sub(lambda match: "\n" * match.group().count("\n"), page)
    without = re.sub(r"`[^`\n]+`", "", without)
    return re.sub(r"\]\([^)]*\)|<!--.*?-->", "]", without)


def _lines(area: str, name: str, text: str) -> Iterator[Text]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield Text(area, f"{name}:{number}", line)


def _of_toml(path: Path, name: str) -> Iterator[Text]:
    area = "report" if name.startswith("templates/") else "rules"

    def walk(value: object, key: str) -> Iterator[Text]:
        if isinstance(value, dict):
            for each, below in value.items():
                yield from walk(below, f"{key}.{each}")
        elif isinstance(value, list):
            for each in value:
                yield from walk(each, key)
        elif isinstance(value, str) and " " in value and not key.endswith(COMMANDS):
            yield Text(area, f"{name} {key[1:]}", value)

    yield from walk(tomllib.loads(path.read_text("utf-8")), "")


def _of_python(path: Path, name: str) -> Iterator[Text]:
    tree = ast.parse(path.read_text("utf-8"))
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, owners)]
    docstrings = {id(statement.value) for body in bodies for statement in body if isinstance(statement, ast.Expr)}
    area = "rules" if name.startswith("rules/") else "messages"
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in docstrings:
                yield Text("docstrings", f"{name}:{node.lineno}", re.sub(r"`[^`\n]+`", "", node.value))
            elif " " in node.value:
                yield Text(area, f"{name}:{node.lineno}", node.value)


def hits(root: Path = ROOT) -> Iterator[tuple[Text, str, str]]:
    """Yield each occurrence of what is banned: the text, the phrase, and what to write instead."""
    listed = banned()
    any_of_them = re.compile("|".join(each.pattern.pattern for each in listed))
    for text in texts(root):
        if not any_of_them.search(text.text.lower()):
            continue
        for each in listed:
            if text.area in each.areas:
                yield from ((text, value, each.use) for value in each.hits(text.text))


def main(root: Path) -> None:
    matches = list(hits(root))
    for text, phrase, use in matches:
        print(f"{text.area}\t{text.location}\t{phrase}\t-> {use}\t| {' '.join(text.text.split())[:160]}")
    print(Counter(text.area for text, _, _ in matches), len(matches))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
