"""A worker: takes shards from the queue, one at a time, until it is stopped or the queue is empty."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scanner.errors import InputError, UserError
from scanner.fleet.parts import Parts
from scanner.fleet.queue import RETRIES, TASK, Queue
from scanner.fleet.shard import ShardRunner, why
from scanner.output.storage import Storage

if TYPE_CHECKING:
    from celery import Celery

IDLE_SECONDS = 10.0
"""How long the queue is empty before a worker with `--until-empty` ends."""


@dataclass(slots=True)
class Worker:
    """Serves the queue of an application. `said` is called with a subscription and what became of it."""

    app: "Celery"
    runner: ShardRunner
    storage: Storage
    place: str
    said: Callable[[str, str], None]
    _busy: int = 0
    _last: float = field(default_factory=time.monotonic)

    def serve(self, *, until_empty: bool = False) -> int:
        """Serve until a signal, and return the exit code. `until_empty`: also end when no shard is left."""
        self._add_task()
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
        made.start()
        return int(made.exitcode or 0)

    def _add_task(self) -> None:
        from celery import Task

        worker = self

        class ShardTask(Task):  # type: ignore[misc]
            """A shard that Celery delivers again while it fails, and that is given up after that."""

            name = TASK
            autoretry_for = (Exception,)
            max_retries = RETRIES
            retry_backoff = 2
            retry_jitter = True

            def run(self, *, run: str, subscription: str, parts: str) -> None:
                worker.shard(run, subscription, parts)

            def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
                worker.said(str(kwargs.get("subscription")), f"failed, is tried again: {why(exc)}")

            def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
                worker.give_up(kwargs, exc)

        self.app.register_task(ShardTask())

    def shard(self, run: str, id: str, place: str) -> None:
        """Read one subscription. Raises UserError, and whatever a defect raises: Celery tries it again."""
        self._busy += 1
        try:
            if place != self.place:
                raise InputError("the message names another place than --parts of this worker", at=place[:200])
            self.said(id, self.runner.run(Parts(self.storage, self.place, run), id))
        finally:
            self._busy -= 1
            self._last = time.monotonic()

    def give_up(self, message: dict[str, Any], error: BaseException) -> None:
        """Note that a subscription could not be read. Where that fails too, the scan gives it up by itself."""
        id = str(message.get("subscription"))
        self.said(id, f"given up: {why(error)}")
        if message.get("parts") != self.place:
            return
        try:
            Parts(self.storage, self.place, str(message.get("run"))).write_failure(id, why(error))
        except UserError as failed:
            self.said(id, why(failed))

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
