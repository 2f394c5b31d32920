"""A worker: takes shards and ranges from the queue, one at a time, until it is stopped or the queue is empty.

What comes from the queue says no more than which planned subscription to read, or which range that a scan wrote to
evaluate. How often that was tried is known from the marks in the place of the parts.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from msgspec import Struct

from scanner.errors import InputError
from scanner.fleet.queue import Message, Queue, RangeMessage, ShardMessage, Taken
from scanner.fleet.range_runner import RangeRunner
from scanner.fleet.shard import ShardFailed, ShardRunner, why
from scanner.fleet.shard_store import ShardStore
from scanner.output.storage import Storage

IDLE_SECONDS = 10.0
"""How long the queue is empty before a worker with `--until-empty` ends."""
POLL_SECONDS = 0.5
"""How often an empty queue is looked at."""
OUTAGE_SECONDS = 5.0
"""How often a broker that does not answer is tried again."""
TOLD = 5
"""How many malformed messages are reported one by one; beyond that, every hundredth."""


class Worker(Struct):
    """Serves a queue. `log` is called with a subscription or range and what became of it."""

    queue: Queue
    runner: ShardRunner
    ranges: RangeRunner
    storage: Storage
    location: str
    log: Callable[[str, str], None]
    _is_stopped: bool = False
    _refused: int = 0
    _is_out: bool = False

    def serve(self, *, until_empty: bool = False) -> int:
        """Serve until a signal, and return the exit code. `until_empty`: also end when no message is left."""
        last = time.monotonic()
        with self._watching():
            try:
                while not self._is_stopped:
                    if self._one():
                        last = time.monotonic()
                    elif until_empty and not self._is_out and time.monotonic() - last > IDLE_SECONDS:
                        break
            finally:
                self.ranges.close()
                self.queue.close()
        return 0

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """End after the current message on the first signal, at once on the second."""

        def on_signal(number: int, frame: FrameType | None) -> None:
            if self._is_stopped:
                raise SystemExit(128 + number)
            self._is_stopped = True

        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _one(self) -> bool:
        """Do one message, and return whether there was any. A broker that does not answer is waited for."""
        try:
            taken = self.queue.take()
            self._is_out = False
            if taken.message is not None:
                self._do(taken.message)
            elif taken.delivery.body is None and not taken.delivery.dropped:
                self._wait(POLL_SECONDS)
                return False
            else:
                self._refuse(taken)
            if taken.delivery.body is not None:
                self.queue.done(taken)
        except InputError as error:
            if not self._is_out:
                self.log("queue", why(error))
            self._is_out = True
            self._wait(OUTAGE_SECONDS)
            return False
        return True

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_stopped and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _refuse(self, taken: Taken) -> None:
        """Tell that what came is no message of a scan. It is dropped."""
        count = taken.delivery.dropped + (taken.delivery.body is not None)
        before, self._refused = self._refused, self._refused + count
        if before < TOLD or before // 100 < self._refused // 100:
            what = "too large" if taken.delivery.body is None else "of another form"
            self.log("queue", f"dropped a message that is {what}; {self._refused:,} so far")

    def _do(self, message: Message) -> None:
        """Do what a message says. One that nothing can be done for is dropped: a scan hands out again what is left."""
        try:
            if message.parts != self.location:
                raise InputError("the message names another place than --parts of this worker", at=message.parts[:200])
            shards = ShardStore(self.storage, self.location, message.run)
            shards.check_owner()
            if isinstance(message, ShardMessage):
                self._read(shards, message)
            else:
                self._evaluate(shards, message)
        except Exception as error:  # noqa: BLE001 - no message ends a worker
            self.log(message.about[:100], f"dropped: {why(error)}")

    def _read(self, shards: ShardStore, message: ShardMessage) -> None:
        """Read a subscription. Where that fails, the message is added again after a while, or the shard is given up."""
        try:
            self.log(message.subscription, self.runner.run(shards, message.subscription))
        except ShardFailed as failed:
            if failed.is_last:
                self.log(message.subscription, f"given up: {failed}")
                return
            self.log(message.subscription, f"failed, is tried again: {failed}")
            self._wait(failed.seconds)
            self.queue.put(message)

    def _evaluate(self, shards: ShardStore, message: RangeMessage) -> None:
        """Evaluate a range. Where that fails, the scan evaluates it."""
        self.log(message.range, self.ranges.run(shards, message.evaluation, message.range))
