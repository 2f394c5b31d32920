"""One range of an evaluation: a worker evaluates consecutive bundles into a part of the document."""

import gc
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct

from scanner.cycle_collector import existing_objects_not_walked
from scanner.document.temporary import temporary_folder
from scanner.document.writer import Writer
from scanner.errors import InputError
from scanner.evaluate.run import Evaluation
from scanner.fleet.evaluation_parts import EvaluationParts, lines_in
from scanner.fleet.inputs import policy_of, snapshot_of, writer_of
from scanner.fleet.messages import RunPlan
from scanner.fleet.parts import Parts
from scanner.fleet.shard import why
from scanner.rulebook.loader import RuleSet

MOST_STARTS: Final = 3
"""The attempts to evaluate one range, after which the scan evaluates it: each ended as if the worker was killed, or
with an error.
"""


class _LoadedEvaluation(NamedTuple):
    """What all ranges of one evaluation share: loaded once, because the next range is of the same."""

    run: str
    key: str
    evaluation: Evaluation
    writer: Writer
    opened: ExitStack


class RangeRunner(Struct):
    """Evaluates ranges. `rules`: returns the rules of a run. `code`: see `digest_of_code`, of when this process began.

    `name`: of this worker.
    """

    rules: Callable[[RunPlan], RuleSet]
    code: str
    name: str = ""
    _loaded: _LoadedEvaluation | None = None

    def run(self, parts: Parts, key: str, name: str) -> str:
        """Evaluate a range into its part, and return what was done. Raises UserError for one that no scan wrote, and
        whatever a defect raises: the scan evaluates it then.

        Nothing is done where the part is there, or the evaluation is over: a range may be delivered more than once.
        """
        place = EvaluationParts(parts, key)
        if parts.is_over() or place.is_over():
            return "the evaluation is over"
        if place.is_done(name):
            return "it was evaluated already"
        if not place.is_handed_out(name):
            raise InputError("no scan wrote such a range", at=name)
        if place.note_start(name, self.name) > MOST_STARTS:
            place.write_failure(name, f"{MOST_STARTS} attempts ended without a part")
            return "given up"
        try:
            loaded = self._of(place)
            part = loaded.evaluation.part(place.range(name), loaded.writer)
        except Exception as error:
            place.write_failure(name, why(error))
            raise
        gc.collect()  # every bundle is a cycle; what was loaded is not walked
        if part.crashes:
            # What a crash says may name files of this machine.
            place.write_failure(name, "a rule crashed")
            return "a rule crashed, so that the scan evaluates it"
        place.write_part(name, part)
        return "evaluated"

    def _of(self, place: EvaluationParts) -> _LoadedEvaluation:
        """Return what the ranges of an evaluation share. Raises UserError."""
        known = self._loaded
        if known is not None and (known.run, known.key) == (place.parts.run, place.key):
            return known
        self.close()
        with ExitStack() as opened:
            evaluation, writer = self._load(place, opened)
            opened.enter_context(existing_objects_not_walked())
            self._loaded = _LoadedEvaluation(place.parts.run, place.key, evaluation, writer, opened.pop_all())
        return self._loaded

    def _load(self, place: EvaluationParts, opened: ExitStack) -> tuple[Evaluation, Writer]:
        found = place.input()
        if found.code != self.code:
            raise InputError(
                "this worker has other rules than the scan, or is another version",
                at=found.header.tool,
                do="run workers of the same version, on the same version of Python, with the same rules",
            )
        rules = self.rules(place.parts.plan())
        file = opened.enter_context(temporary_folder()) / "lines.zst"
        place.copy_lines(file, found.lines)
        writer = writer_of(found, rules)
        opened.callback(writer.close)
        return Evaluation(snapshot_of(found, partial(lines_in, file)), rules, policy_of(found.policy)), writer

    def close(self) -> None:
        """Delete what was loaded."""
        known, self._loaded = self._loaded, None
        if known is not None:
            known.opened.close()
