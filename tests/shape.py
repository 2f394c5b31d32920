"""The shape of the package: modules, classes, functions and their sizes. `python -m tests.shape` prints it."""

import ast
import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A module, class or function. `lines`: its length, with docstring and blank lines."""

    lines: int
    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Shape:
    """All parts of `scanner/` and `rules/`, by kind."""

    modules: list[Part]
    classes: list[Part]
    functions: list[Part]


def files() -> Iterator[Path]:
    """Yield the Python files of the package and of the rules."""
    for folder in ("scanner", "rules"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def shape() -> Shape:
    """Measure every module, class and function."""
    found = Shape([], [], [])
    for path in files():
        file = path.relative_to(ROOT).as_posix()
        text = path.read_text("utf-8")
        found.modules.append(Part(text.count("\n"), path.stem, file))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                found.classes.append(_part(node, file))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.functions.append(_part(node, file))
    return found


def _part(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, file: str) -> Part:
    return Part((node.end_lineno or 0) - node.lineno + 1, node.name, file)


def names_with_several_meanings(found: Shape) -> dict[str, list[str]]:
    """Return the class names of the package that stand in more than one module, with these modules."""
    places: dict[str, list[str]] = defaultdict(list)
    for each in found.classes:
        if each.file.startswith("scanner/"):
            places[each.name].append(each.file)
    return {name: where for name, where in places.items() if len(where) > 1}


def main() -> None:
    """Print the longest of each kind, and what the tests hold the package to."""
    found = shape()
    packages = {each.file.rsplit("/", 1)[0] for each in found.modules}
    print(f"{len(packages)} folders, {len(found.modules)} modules")
    for kind, parts in (("module", found.modules), ("class", found.classes), ("function", found.functions)):
        longest = ", ".join(f"{each.name} {each.lines} ({each.file})" for each in sorted(parts, reverse=True)[:3])
        print(f"longest {kind}: {longest}; median {statistics.median(each.lines for each in parts):.0f}")
    print(f"class names that mean two things: {len(names_with_several_meanings(found))}")


if __name__ == "__main__":
    main()
