"""Forked processes that do the tasks of this one. They share its memory, and end with it, however it ends."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar, cast

from scanner.cycle_collector import existing_objects_not_walked

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

MOST: Final = 8
"""How many processes there are at most, unless a number is given."""
_AHEAD: Final = 4
"""How many tasks of each process may be done or in work before the one whose result comes next."""
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
_SIGNALS: Final = [each for each in signal.Signals if each.name in ("SIGINT", "SIGTERM", "SIGHUP")]
Task = TypeVar("Task")
Result = TypeVar("Result")


def can_fork() -> bool:
    """Return whether this process may be forked: on Linux, while it has no other thread, whose locks would stay."""
    return sys.platform == "linux" and threading.active_count() == 1


def usable_cores() -> int:
    """Return how many cores this process may use, at most `MOST`. A container may have fewer than its machine."""
    count = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    return min(MOST, count, _cores_of(_QUOTA))


def _cores_of(file: Path) -> int:
    """Return how many whole cores a control group allows, at least 1; `MOST` where it has no such file or no limit.

    docs.kernel.org, cgroup-v2: `cpu.max` has the microseconds of CPU in each period, or "max", and the period.
    """
    try:
        quota, period = file.read_text("ascii").split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return MOST


class _Worker(NamedTuple):
    process: "BaseProcess"
    pipe: "Connection"


class Processes(Generic[Task, Result]):
    """Processes that do tasks, one at a time each. `encode`, `decode`: how results come back.

    What a process was doing when it ended is done again here, so that no result is missing; what raised an exception
    there raises it here.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[Task], Result],
        encode: Callable[[Result], bytes],
        decode: Callable[[bytes], Result],
    ) -> None:
        self._work = work
        self._encode = encode
        self._decode = decode
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, int, Task]] = {}
        self.lost = 0
        """How many processes ended before their work."""
        try:
            # Where the system allows no more processes, those that there are do.
            with _signals_held(), suppress(OSError):
                for _ in range(count):
                    self._start()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._workers)

    def _start(self) -> None:
        # Imported here: it takes as long as the evaluation of fifty resources.
        import multiprocessing

        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        others = [here, *(each.pipe for each in self._workers)]
        process = context.Process(target=self._serve, args=(there, others), name="evaluation", daemon=True)
        try:
            process.start()
        except OSError:
            here.close()
            raise
        finally:
            there.close()
        self._workers.append(_Worker(process, here))
        self._idle.append(self._workers[-1])

    def _serve(self, pipe: "Connection", others: Sequence["Connection"]) -> None:
        """Do tasks until the other end of the pipe is closed."""
        # An open copy of another end would keep a process waiting when this program is killed.
        for each in others:
            each.close()
        # Ctrl-C reaches this process too, and the first one ends it. Where it does not, multiprocessing does at
        # exit, by SIGTERM.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        # What is wrong shows where the task is done again.
        with suppress(Exception), existing_objects_not_walked():
            while True:
                pipe.send_bytes(self._encode(self._work(pipe.recv())))

    def results(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the result of each task, in the order of the tasks."""
        done: dict[int, Result] = {}
        due = 0

        def ready() -> Iterator[Result]:
            nonlocal due
            while due in done:
                yield done.pop(due)
                due += 1

        for number, task in enumerate(tasks):
            while not self._has_room(number - due):
                done.update(self._received())
                yield from ready()
            if not self._send(number, task):
                done[number] = self._work(task)
                yield from ready()
        while self._busy:
            done.update(self._received())
            yield from ready()

    def _has_room(self, ahead: int) -> bool:
        return not self._busy or (bool(self._idle) and ahead < _AHEAD * len(self._workers))

    def _send(self, number: int, task: Task) -> bool:
        """Give a task to a process. Return False where there is none."""
        while self._idle:
            worker = self._idle.pop()
            try:
                worker.pipe.send(task)
            except OSError:
                self._lose(worker)
            else:
                self._busy[worker.pipe] = worker, number, task
                return True
        return False

    def _received(self) -> Iterator[tuple[int, Result]]:
        """Wait for processes, and yield number and result of what they did."""
        from multiprocessing.connection import wait

        for pipe in wait(list(self._busy)):
            worker, number, task = self._busy.pop(cast("Connection", pipe))
            try:
                text = worker.pipe.recv_bytes()
            except (EOFError, OSError):
                self._lose(worker)
                yield number, self._work(task)
            else:
                self._idle.append(worker)
                yield number, self._decode(text)

    def _lose(self, worker: _Worker) -> None:
        self.lost += 1
        self._workers.remove(worker)
        _end(worker)

    def close(self) -> None:
        """End all processes."""
        while self._workers:
            _end(self._workers.pop())
        self._idle, self._busy = [], {}


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.join()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold signals back, so that none is handled in a process that is just forked, or before it is known here."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
