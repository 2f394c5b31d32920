"""A worker: takes shards and ranges from the queue, one at a time, until it is stopped or the queue is empty."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from scanner.errors import InputError, UserError
from scanner.fleet.evaluation_parts import EvaluationParts
from scanner.fleet.parts import Parts
from scanner.fleet.queue import RANGE_TASK, RETRIES, TASK, Queue
from scanner.fleet.range_runner import RangeRunner
from scanner.fleet.shard import ShardRunner, why
from scanner.output.storage import Storage

if TYPE_CHECKING:
    from celery import Celery

IDLE_SECONDS = 10.0
"""How long the queue is empty before a worker with `--until-empty` ends."""


class Worker(Struct):
    """Serves the queue of an application. `said` is called with a subscription or range and what became of it."""

    app: "Celery"
    runner: ShardRunner
    ranges: RangeRunner
    storage: Storage
    place: str
    said: Callable[[str, str], None]
    _busy: int = 0
    _last: float = field(default_factory=time.monotonic)

    def serve(self, *, until_empty: bool = False) -> int:
        """Serve until a signal, and return the exit code. `until_empty`: also end when no shard is left."""
        self._add_tasks()
        made = self.app.Worker(
            pool="threads",
            concurrency=1,
            loglevel="CRITICAL",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        if until_empty:
            threading.Thread(target=self._end_when_empty, name="until empty", daemon=True).start()
        try:
            made.start()
        finally:
            self.ranges.close()
        return int(made.exitcode or 0)

    def _add_tasks(self) -> None:
        from celery import Task

        worker = self

        class FleetTask(Task):  # type: ignore[misc]
            """A message that Celery delivers again while it fails, and that is given up after that."""

            autoretry_for = (Exception,)
            max_retries = RETRIES
            retry_backoff = 2
            retry_jitter = True

            def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
                worker.said(_named(kwargs), f"failed, is tried again: {why(exc)}")

            def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
                worker.give_up(kwargs, exc)

        class ShardTask(FleetTask):
            name = TASK

            def run(self, *, run: str, subscription: str, parts: str) -> None:
                worker.shard(run, subscription, parts)

        class RangeTask(FleetTask):
            name = RANGE_TASK
            max_retries = 1

            def run(self, *, run: str, evaluation: str, range: str, parts: str) -> None:
                worker.range(run, evaluation, range, parts)

        self.app.register_task(ShardTask())
        self.app.register_task(RangeTask())

    def shard(self, run: str, id: str, place: str) -> None:
        """Read one subscription. Raises UserError, and whatever a defect raises: Celery tries it again."""
        with self._at_work(place):
            self.said(id, self.runner.run(self._parts(run), id))

    def range(self, run: str, key: str, name: str, place: str) -> None:
        """Evaluate one range, as `shard`."""
        with self._at_work(place):
            self.said(name, self.ranges.run(self._parts(run), key, name))

    @contextmanager
    def _at_work(self, place: str) -> Iterator[None]:
        """Raise InputError for a message of another place, and note that this worker is not idle."""
        self._busy += 1
        try:
            if place != self.place:
                raise InputError("the message names another place than --parts of this worker", at=place[:200])
            yield
        finally:
            self._busy -= 1
            self._last = time.monotonic()

    def _parts(self, run: str) -> Parts:
        return Parts(self.storage, self.place, run)

    def give_up(self, message: dict[str, Any], error: BaseException) -> None:
        """Note that a message could not be done. Where that fails too, the scan gives it up by itself."""
        name = _named(message)
        self.said(name, f"given up: {why(error)}")
        if message.get("parts") != self.place:
            return
        try:
            parts = self._parts(str(message.get("run")))
            if "evaluation" in message:
                EvaluationParts(parts, str(message["evaluation"])).write_failure(name, why(error))
            else:
                parts.write_failure(name, why(error))
        except UserError as failed:
            self.said(name, why(failed))

    def _end_when_empty(self) -> None:
        from celery.worker import state

        queue = Queue(self.app)
        while True:
            time.sleep(1.0)
            idle = not self._busy and time.monotonic() - self._last > IDLE_SECONDS
            try:
                if idle and not queue.length():
                    state.should_stop = 0
                    return
            except InputError:
                continue


def _named(message: dict[str, Any]) -> str:
    """Return what a message is about: a subscription or a range."""
    return str(message.get("subscription", message.get("range")))
