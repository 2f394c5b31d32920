"""Reads `equal.toml`: the mutants that change nothing that anybody can see."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

FILE = Path(__file__).parent / "equal.toml"


def reasons() -> dict[str, str]:
    """Return why each of them changes nothing, by its name."""
    result: dict[str, str] = tomllib.loads(FILE.read_text("utf-8"))
    return result


def without_a_mutant(names: Iterable[str]) -> list[str]:
    """Return each entry, with its line, that is no name of these mutants."""
    lines = FILE.read_text("utf-8").splitlines()
    unknown = reasons().keys() - set(names)
    return [
        f"tests/mutants/equal.toml:{position}: no mutant has the name {name}; name it as it is now, or remove the line"
        for position, line in enumerate(lines, 1)
        for name in unknown
        if line.startswith(f'"{name}" = ')
    ]
