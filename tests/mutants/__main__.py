"""`python -m tests.mutants [WORD...]`: each mutant whose name holds a word, and the test that catches it.

A mutant of a rule file is judged by the examples of its service, then by the other tests of rules over them, then by
the sample estate's truth; one of the scanner by all examples, then by the tests of reach and of the vocabulary.
`equal.toml` names mutants that change nothing that anybody can see, each with the reason. Ends with 1 if one survives,
or if `equal.toml` names one that is caught or that is no more.
"""

import multiprocessing
import os
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.mutants import judge
from tests.mutants.make import Mutant, of_rules, of_scanner

ROOT = Path(__file__).parents[2]
HELPERS = {"easy_auth": ("appservice", "containerapps"), "messaging": ("eventhub", "servicebus")}
SCANNER = (
    "scanner/reach/firewall.py",
    "scanner/reach/perimeters.py",
    "scanner/reach/restrictions.py",
    "scanner/reach/sources.py",
    "scanner/exposure.py",
    "scanner/locks.py",
)


def mutants() -> list[Mutant]:
    found: list[Mutant] = []
    for file in sorted((ROOT / "rules").glob("*.py")):
        if file.stem != "common":
            found += of_rules(file, ROOT, helper=file.stem in HELPERS)
    for name in SCANNER:
        found += of_scanner(ROOT / name, ROOT)
    return found


def services(mutant: Mutant) -> tuple[str, ...]:
    stem = Path(mutant.file).stem
    return HELPERS.get(stem, (stem,))


def caught(mutant: Mutant) -> str:
    """The first test that fails on it, "" where none does. Runs in a process of its own."""
    sys.dont_write_bytecode = True
    if mutant.file.startswith("rules/"):
        with tempfile.TemporaryDirectory() as folder:
            found = judge.rule_file(mutant, services(mutant), Path(folder))
        return found or judge.in_copy(mutant, ROOT, ("tests/estate/test_truth.py",))
    folders = ("tests/reach", "tests/test_exposure.py", "tests/test_locks.py", "tests/test_evaluate.py")
    return judge.scanner_file(mutant) or judge.in_copy(mutant, ROOT, (*folders, "tests/test_cases.py"))


def main(words: Sequence[str], workers: int = 2) -> int:
    started = time.monotonic()
    wanted = [each for each in mutants() if not words or any(word in each.name for word in words)]
    equal: dict[str, str] = tomllib.loads((Path(__file__).parent / "equal.toml").read_text("utf-8"))
    answers = run(wanted, caught, workers)
    survivors = [each.name for each in wanted if not answers[each.name] and each.name not in equal]
    for each in wanted:
        reason = f"equal: {equal[each.name]}" if each.name in equal else "SURVIVES"
        print(f"{each.name}: {answers[each.name] or reason}")
    stale = [name for name in equal if answers.get(name)]
    stale += [] if words else [name for name in equal if name not in answers]
    files = len({each.file for each in wanted})
    alike = sum(not answers[each.name] and each.name in equal for each in wanted)
    counts = f"{len(wanted) - alike - len(survivors)} caught, {alike} equal, {len(survivors)} survive"
    print(f"{len(wanted)} mutants in {files} files: {counts}; {time.monotonic() - started:.0f} s")
    for name in stale:
        print(f"equal.toml: caught, or no more: {name}")
    return 1 if survivors or stale else 0


def run(wanted: Sequence[Mutant], check: Callable[[Mutant], str], workers: int) -> dict[str, str]:
    answers: dict[str, str] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = {pool.submit(check, each): each for each in wanted}
        for done in as_completed(futures):
            answers[futures[done].name] = done.result()
            if sys.stderr.isatty():
                print(f"\r{len(answers)} of {len(wanted)}", end="", file=sys.stderr)
    return answers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], int(os.environ.get("TWOLOCKS_MUTANT_WORKERS", "2"))))
