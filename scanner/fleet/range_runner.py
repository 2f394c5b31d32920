"""One range of an evaluation: a worker evaluates consecutive bundles into a part of the document."""

import gc
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct

from scanner.cycle_collector import existing_objects_not_walked
from scanner.document.writer import Writer
from scanner.errors import InputError
from scanner.evaluate.run import Evaluation
from scanner.fleet.evaluation_store import EvaluationStore, lines_in
from scanner.fleet.inputs import policy_of, snapshot_of, writer_of
from scanner.fleet.messages import RunPlan
from scanner.fleet.shard import why
from scanner.fleet.shard_store import ShardStore
from scanner.rulebook.loader import RuleSet
from scanner.store.temporary import temporary_folder

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
    """Evaluates ranges."""

    rules: Callable[[RunPlan], RuleSet]
    """Returns the rules of a run."""
    code: str
    """See `digest_of_code`, of when this process began."""
    name: str = ""
    """Of this worker."""
    _loaded: _LoadedEvaluation | None = None

    def run(self, shards: ShardStore, key: str, name: str) -> str:
        """Evaluate a range into its part, and return what was done. Raises UserError for one that no scan wrote, and
        whatever a defect raises: the scan evaluates it then.

        Nothing is done where the part is there, or the evaluation is over: a range may be delivered more than once.
        """
        stored = EvaluationStore(shards, key)
        if shards.is_over() or stored.is_over():
            return "the evaluation is over"
        if stored.is_done(name):
            return "it was evaluated already"
        if not stored.is_handed_out(name):
            raise InputError("no scan wrote such a range", at=name)
        if stored.note_start(name, self.name) > MOST_STARTS:
            stored.write_failure(name, f"{MOST_STARTS} attempts ended without a part")
            return "given up"
        try:
            loaded = self._of(stored)
            fragment = loaded.evaluation.fragment(stored.range(name), loaded.writer)
        except Exception as error:
            stored.write_failure(name, why(error))
            raise
        gc.collect()  # every bundle is a cycle; what was loaded is not walked
        if fragment.crashes:
            # What a crash says may name files of this machine.
            stored.write_failure(name, "a rule crashed")
            return "a rule crashed, so that the scan evaluates it"
        stored.write_fragment(name, fragment)
        return "evaluated"

    def _of(self, stored: EvaluationStore) -> _LoadedEvaluation:
        """Return what the ranges of an evaluation share. Raises UserError."""
        known = self._loaded
        if known is not None and (known.run, known.key) == (stored.shards.run, stored.key):
            return known
        self.close()
        with ExitStack() as opened:
            evaluation, writer = self._load(stored, opened)
            opened.enter_context(existing_objects_not_walked())
            self._loaded = _LoadedEvaluation(stored.shards.run, stored.key, evaluation, writer, opened.pop_all())
        return self._loaded

    def _load(self, stored: EvaluationStore, opened: ExitStack) -> tuple[Evaluation, Writer]:
        evaluation_input = stored.input()
        if evaluation_input.code != self.code:
            raise InputError(
                "this worker has other rules than the scan, or is another version",
                at=evaluation_input.header.tool,
                do="run workers of the same version, on the same version of Python, with the same rules",
            )
        rules = self.rules(stored.shards.plan())
        file = opened.enter_context(temporary_folder()) / "lines.zst"
        stored.copy_lines(file, evaluation_input.lines)
        writer = writer_of(evaluation_input, rules)
        opened.callback(writer.close)
        return Evaluation(
            snapshot_of(evaluation_input, partial(lines_in, file)), rules, policy_of(evaluation_input.policy)
        ), writer

    def close(self) -> None:
        """Delete what was loaded."""
        known, self._loaded = self._loaded, None
        if known is not None:
            known.opened.close()
