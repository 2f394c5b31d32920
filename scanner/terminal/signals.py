"""Ctrl-C, SIGTERM and SIGHUP: the first stops a command cleanly, the second immediately. Partial files are deleted."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

CODES = {each: 128 + each.value for each in signal.Signals if each.name in ("SIGINT", "SIGTERM", "SIGHUP")}
"""The exit code of each signal. Windows has no SIGHUP."""
T = TypeVar("T")


class Stopped(BaseException):
    """A signal ended the run; `code` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Stop:
    """Handles these signals while a command runs. `temporary`: files that are deleted if it ends immediately."""

    def __init__(self, tell: Callable[[int], None], temporary: Sequence[Path] = ()) -> None:
        self._temporary = temporary
        self.code = 0
        self._tell = tell
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def watching(self) -> Iterator["Stop"]:
        # nohup ignores SIGHUP, and a shell ignores SIGINT for jobs in the background: both stay ignored.
        handled = [number for number in CODES if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._on_signal) for number in handled}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if self.code:
                self._clean()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.code:
            self._clean()
            os._exit(self.code)
        self.code = CODES[signal.Signals(number)]
        if self._loop is None or self._loop.is_closed():
            raise Stopped(self.code)
        # Not from here: the program may be in the middle of writing to the same stream.
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._tell(self.code)
        if self._task is not None:
            self._task.cancel()

    def _clean(self) -> None:
        for path in tuple(self._temporary):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end. Raises Stopped after a signal, when everything that it opened is closed."""

        async def main() -> T:
            self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
            return await work

        try:
            result = asyncio.run(main())
        except asyncio.CancelledError:
            if not self.code:
                raise
            raise Stopped(self.code) from None
        finally:
            self._task = self._loop = None
        if self.code:
            raise Stopped(self.code)
        return result
