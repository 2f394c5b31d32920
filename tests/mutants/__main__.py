"""`python -m tests.mutants [WORD...]`: each mutant whose name holds a word, and the test that catches it.

A mutant of a rule file is checked by the examples of its service, then by the other tests of rules over them, then by
the expected results of the sample estate; one of the scanner by all examples, then by the tests of reach and of the
vocabulary; one of what remembers, waives and compares by its own quick tests.
`equal.toml` names mutants that change nothing that anybody can see, each with the reason. Ends with 1 if one survives,
or if `equal.toml` names one that is caught, and before any is tried if it names one that is not made.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.mutants.equal import reasons, without_a_mutant
from tests.mutants.make import Mutant, of_rules, of_scanner
from tests.mutants.outcome import HELPERS, by_examples, caught
from tests.mutants.run import Check, run

ROOT = Path(__file__).parents[2]
SCANNER = (
    "scanner/reach/services/firewall.py",
    "scanner/reach/services/firewall_rules.py",
    "scanner/reach/services/public_switch.py",
    "scanner/reach/services/private_endpoints.py",
    "scanner/reach/services/perimeters.py",
    "scanner/reach/services/access_restrictions.py",
    "scanner/reach/rules/sources.py",
    "scanner/model/exposure.py",
    "scanner/evaluate/locks.py",
)
PURE: dict[str, tuple[str, ...]] = {
    "scanner/history/compare.py": (),
    "scanner/history/baseline.py": (),
    "scanner/exit_codes.py": (),
    "scanner/config/waivers.py": (
        *("Waiver", "WaiverFile", "_ByRule._sorted", "expiring", "fits", "_is_listed", "_is_within", "parse_cell"),
        "_was_evaluated",
    ),
    "scanner/config/waiver_reader.py": ("_gap", "_check_width", "day"),
    "scanner/history/documents.py": (
        *("_Pair", "difference", "_difference", "_explained", "_not_evaluated", "_why_not_evaluated"),
        *("_subscriptions", "_tops"),
    ),
    "scanner/history/observation.py": (),
    "scanner/snapshot/store.py": ("Store.merged_with", "_Reread", "_failed_in", "_is_index_list"),
    "scanner/evaluate/missing.py": ("_missing_types", "_unread_subscriptions", "_inherit"),
    "scanner/evaluate/waiving.py": ("accept_property", "accept_endpoints", "accept_lock"),
    "scanner/evaluate/gaps.py": ("GapLedger.accept", "GapLedger.all_accepted"),
    "scanner/evaluate/run.py": ("Evaluation._is_complete",),
}
"""What remembers, waives and compares, and the functions or classes of each that decide something; () for all."""


def mutants() -> list[Mutant]:
    result: list[Mutant] = []
    for file in sorted((ROOT / "rules").glob("*.py")):
        result += of_rules(file, ROOT, helper=file.stem in HELPERS)
    for name in SCANNER:
        result += of_scanner(ROOT / name, ROOT)
    for name, only in PURE.items():
        result += of_scanner(ROOT / name, ROOT, only=only, wide=True)
    return result


def unchanged(files: Iterable[str]) -> Iterator[tuple[Check, Mutant]]:
    """The files as they are, by their examples; and one of each kind by all that could be asked."""
    kinds: set[bool] = set()
    for file in sorted(files):
        plain = Mutant(file, "", "", (ROOT / file).read_text("utf-8"))
        is_rule = file.startswith("rules/")
        yield by_examples if is_rule in kinds else caught, plain
        kinds.add(is_rule)


def main(words: Sequence[str], workers: int = 2) -> int:
    started = time.monotonic()
    every = mutants()
    if unknown := without_a_mutant(each.name for each in every):
        print("\n".join(unknown))
        return 1
    wanted = [each for each in every if not words or any(word in each.name for word in words)]
    equal = reasons()
    for check, plain in unchanged({each.file for each in wanted}):
        if value := run([plain], check, 1)[plain.name]:
            print(f"{plain.file}: the tests fail without any mutant: {value}")
            return 1
    answers = run([each for each in wanted if each.name not in equal], caught, workers)
    answers |= run([each for each in wanted if each.name in equal], by_examples, workers)
    survivors = [each.name for each in wanted if not answers[each.name] and each.name not in equal]
    for each in wanted:
        reason = f"equal: {equal[each.name]}" if each.name in equal else "SURVIVES"
        print(f"{each.name}: {answers[each.name] or reason}")
    stale = [name for name in equal if answers.get(name)]
    files = len({each.file for each in wanted})
    alike = sum(not answers[each.name] and each.name in equal for each in wanted)
    counts = f"{len(wanted) - alike - len(survivors)} caught, {alike} equal, {len(survivors)} survive"
    print(f"{len(wanted)} mutants in {files} files: {counts}; {time.monotonic() - started:.0f} s")
    for name in stale:
        print(f"equal.toml: caught: {name}")
    return 1 if survivors or stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], int(os.environ.get("TWOLOCKS_MUTANT_WORKERS", "2"))))
