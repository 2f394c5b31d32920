"""The shape of the package: modules, classes, functions and their sizes. `python -m tests.shape` prints it."""

import ast
import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, order=True)
class Definition:
    """A module, class or function. `lines`: its length, with docstring and blank lines."""

    lines: int
    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Shape:
    """All parts of `scanner/` and `rules/`, by kind."""

    modules: list[Definition]
    classes: list[Definition]
    functions: list[Definition]


def files() -> Iterator[Path]:
    """Yield the Python files of the package and of the rules."""
    for folder in ("scanner", "rules"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def shape() -> Shape:
    """Measure every module, class and function."""
    result = Shape([], [], [])
    for path in files():
        file = path.relative_to(ROOT).as_posix()
        text = path.read_text("utf-8")
        result.modules.append(Definition(text.count("\n"), path.stem, file))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                result.classes.append(_definition(node, file))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                result.functions.append(_definition(node, file))
    return result


def _definition(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, file: str) -> Definition:
    return Definition((node.end_lineno or 0) - node.lineno + 1, node.name, file)


def names_with_several_meanings(result: Shape) -> dict[str, list[str]]:
    """Return the class names of the package that stand in more than one module, with these modules."""
    locations: dict[str, list[str]] = defaultdict(list)
    for each in result.classes:
        if each.file.startswith("scanner/"):
            locations[each.name].append(each.file)
    return {name: where for name, where in locations.items() if len(where) > 1}


def main() -> None:
    """Print the longest of each kind, and what the tests hold the package to."""
    result = shape()
    packages = {each.file.rsplit("/", 1)[0] for each in result.modules}
    print(f"{len(packages)} folders, {len(result.modules)} modules")
    for kind, definitions in (("module", result.modules), ("class", result.classes), ("function", result.functions)):
        longest = ", ".join(f"{each.name} {each.lines} ({each.file})" for each in sorted(definitions, reverse=True)[:3])
        print(f"longest {kind}: {longest}; median {statistics.median(each.lines for each in definitions):.0f}")
    print(f"class names that mean two things: {len(names_with_several_meanings(result))}")


if __name__ == "__main__":
    main()
