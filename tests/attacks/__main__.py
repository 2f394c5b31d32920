"""`python -m tests.attacks [--tree PATH] [--only WORD]`: each attack against the commands of a checkout, one line each.

A line says: held or fell, the exit code, the attack, what happened, and the test that holds it. Ends with 1 where one
fell. `--before PATH` prints the tables of docs/dev/attacks.md instead, with what an earlier checkout did.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.attacks import brokers, codes, files, folders  # noqa: F401 - each adds its attacks
from tests.attacks.lab import ATTACKS, Attack, Lab, Outcome

ROOT = Path(__file__).parents[2]
TITLES = {
    1: "A folder that somebody else wrote",
    2: "What a file claims",
    3: "What an exit code says",
    4: "What the broker of a fleet holds",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks")
    parser.add_argument("--tree", type=Path, default=ROOT)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    attacks = [each for each in chosen() if given.only.lower() in each.name.lower()]
    after = run(given.tree, attacks, show=given.before is None)
    if given.before:
        sys.stdout.write(table(attacks, run(given.before, attacks, show=False), after))
    fallen = [name for name, outcome in after.items() if outcome.fell]
    sys.stderr.write(f"{len(after)} attacks, {len(fallen)} fell\n")
    return 1 if fallen else 0


def chosen() -> list[Attack]:
    """Return every attack, by parts."""
    return sorted(ATTACKS, key=lambda each: each.group)


def run(tree: Path, attacks: list[Attack], *, show: bool) -> dict[str, Outcome]:
    """Return the outcome of each attack by its name."""
    result: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="twolocks-attacks-") as folder:
        lab = Lab(tree, Path(folder))
        for each in attacks:
            result[each.name] = outcome = each.run(lab)
            if show:
                line = (verdict(outcome), f"{code(outcome):>4}", each.name, outcome.what, each.test)
                sys.stdout.write("  ".join(line) + "\n")
                sys.stdout.flush()
    return result


def verdict(outcome: Outcome) -> str:
    return "FELL" if outcome.fell else "held"


def code(outcome: Outcome) -> str:
    return "none" if outcome.code is None else str(outcome.code)


def table(attacks: list[Attack], before: dict[str, Outcome], after: dict[str, Outcome]) -> str:
    """Return the tables of two checkouts, one for each part."""
    lines = []
    for group, title in TITLES.items():
        lines += [f"## {title}", "", "| attack | before | now | test |", "| --- | --- | --- | --- |"]
        for each in attacks:
            if each.group == group:
                cells = [
                    f"{verdict(at[each.name])}, {code(at[each.name])}: {at[each.name].what}" for at in (before, after)
                ]
                file, _, name = each.test.partition("::")
                lines.append(f"| {each.name} | {cells[0]} | {cells[1]} | `{name}` in `{file}` |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
