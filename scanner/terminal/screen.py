"""The screen on standard error: progress in three modes, lines that stay, the last lines, errors."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TextIO

from scanner.terminal.lines import Line, coloured, is_terminal, width_of
from scanner.terminal.progress import ProgressState
from scanner.terminal.text import named, printable, span

Mode = Literal["live", "log", "quiet"]
SCOPES = 8
"""How many subscriptions a live screen names."""
LOG_LINES = 20
LOG_SECONDS = 30.0
FRAME_SECONDS = 0.25
VIEWS = {"full": "full visibility", "partial": "partial visibility", "none": "not visible"}


def mode_of(stream: TextIO, environ: Mapping[str, str], *, quiet: bool = False, verbose: bool = False) -> Mode:
    """Return `live` on a terminal, `log` without one or in a CI system, `quiet` with `--quiet`."""
    if quiet:
        return "quiet"
    return "live" if is_terminal(stream, environ) and not environ.get("CI") and not verbose else "log"


@dataclass
class Screen:
    """Progress and the last screen, on stderr. A collection reports to it. Safe to call from any thread."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    quiet: bool = False
    verbose: bool = False
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self.mode: Mode = mode_of(self.stream, self.environ, quiet=self.quiet, verbose=self.verbose)
        self.colour = coloured(self.stream, self.environ)
        self.progress = ProgressState(self.clock())
        self.tenants: dict[str, str] = {}
        self._waits: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._shown: list[str] = []
        self._last = self.clock()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def scopes(self) -> list[tuple[str, str, str]]:
        """Return id, name and visibility of each subscription."""
        return self.progress.scopes

    # Lines that stay

    def start(self, text: str) -> None:
        """Print the first line, before anything heavy is imported."""
        self.write([Line(text, column=0)] if self.mode == "live" else [], "start", text)

    def write(self, lines: Iterable[Line], word: str = "", text: str = "") -> None:
        """Print lines, or in a log one stamped line instead (none where `word` is "")."""
        if self.mode == "quiet":
            return
        with self._lock:
            if self.mode == "log":
                if word:
                    self._log(word, text)
                return
            self._erase()
            self._put(lines)

    def last(self, lines: Iterable[Line]) -> None:
        """Print unless `--quiet`, without a timestamp."""
        with self._lock:
            self._erase()
            if self.mode != "quiet":
                self._put(lines)

    def plain(self, lines: Iterable[Line]) -> None:
        """Print in every mode, without a timestamp."""
        with self._lock:
            self._erase()
            self._put(lines)

    def log(self, word: str, text: str) -> None:
        """Print a stamped line in a log; nothing in other modes."""
        if self.mode == "log":
            with self._lock:
                self._log(word, text)

    def limited(self, word: str, text: str, limit: int = LOG_LINES) -> None:
        """Print a stamped line in a log, at most `limit` of one word; `rest` prints how many more there were."""
        with self._lock:
            self._counts[word] = self._counts.get(word, 0) + 1
            if self._counts[word] <= limit:
                self.log(word, text)
            else:
                self._held[word] = self._held.get(word, 0) + 1

    def rest(self, word: str, what: str) -> None:
        """Print how many lines `limited` did not print."""
        if more := self._held.pop(word, 0):
            self.log(word, f"and {more:,} more {what}")

    def _log(self, word: str, text: str) -> None:
        self._last = self.clock()
        self.stream.write(f"{self.now():%Y-%m-%dT%H:%M:%SZ} {word:<8} {printable(text)}\n")
        self.stream.flush()

    def _put(self, lines: Iterable[Line]) -> None:
        width = width_of(self.stream)
        for line in lines:
            for row in line.render(width, self.colour):
                self.stream.write(row + "\n")
        self.stream.flush()

    # Reports of a collection

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None:
        """Report the account, its tenant, and tenants that are not scanned."""
        self.progress.who = name
        text = f"{name} ({kind}), tenant {tenant}"
        lines = [Line(text, "Account", whole=True)]
        if others:
            how = "add an entry [[tenant]] for each" if self.tenants else "use --tenant to select one"
            lines.append(Line(f"not scanned: {_some(others)}; {how}"))
        self.write(lines, "account", text + (f"; not scanned: {_some(others)}" if others else ""))

    def scope(self, subscription: str, name: str, view: str) -> None:
        """Report a subscription, and how much of it is visible: `full`, `partial` or `none`."""
        text = VIEWS[view]
        self.scopes.append((subscription, name, view))
        position = len(self.scopes)
        if position > SCOPES and self.mode == "live":
            self._held["scope"] = self._held.get("scope", 0) + 1
        elif self.mode == "log":
            self.limited("scope", f"{name} {subscription}, {text}")
        else:
            self.write([Line(f"{name}  {subscription}  {text}", "Scope" if position == 1 else "", whole=True)])

    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None:
        """Report how many reads are done, known to come and failed, and how many resources there are."""
        made = self.progress
        made.done, made.to_come, made.resources, made.failed = done, to_come, resources, failed
        if more := self._held.pop("scope", 0):
            self.write([Line(f"and {more:,} more subscriptions")], "scope", f"and {more:,} more subscriptions")

    def reading(self, what: str, done: int, total: int) -> None:
        """Report how many reads of `what` are done."""
        with self._lock:
            self.progress.reading(what, done, total)

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        """Report a read that failed, and the action that is missing."""
        if self.mode == "log":
            answer = f"{status}" if status else code
            why = f"{answer}, missing {action}" if action else f"{status} {code}" if status else code
            self.limited("gap", f"{self.named(url)}: {why}")

    def wait(self, what: str, seconds: float) -> None:
        """Report the limit that reads wait for, and how long."""
        now = self.clock()
        with self._lock:
            self.progress.wait(what, now + seconds)
            if seconds >= 1 and now - self._waits.get(what, -LOG_SECONDS) >= LOG_SECONDS:
                self._waits[what] = now
                self.limited("wait", f"{span(seconds)} for {what}", 40)

    def tell(self, text: str) -> None:
        """Print what the user must do now (sign in), in every mode."""
        if self.mode == "log":
            self.log("account", text)
        else:
            self.plain([Line(text, "Account")])

    def note_response(self, method: str, path: str, status: int, milliseconds: float) -> None:
        """Report a request, for `--verbose`."""
        if self.verbose and self.mode == "log":
            self.log("read", f"{method} {path} {status or 'no answer'} {milliseconds:.0f} ms")

    def named(self, url: str) -> str:
        """Return the displayed name of a read: `containers of stjournal`, `sites of prod-journal`."""
        return named(url, {**self.tenants, **{subscription.lower(): name for subscription, name, _ in self.scopes}})

    # The block that is redrawn

    def begin(self, verb: str, text: Callable[[], str] | None = None) -> None:
        """Start to show progress: `Reading`, or another verb with the sentence that `text` returns."""
        self.progress.verb, self.progress.status = verb, text
        if self._thread is None and self.mode != "quiet":
            self._stop.clear()
            self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._thread.start()

    @contextmanager
    def busy(self, verb: str, text: str | Callable[[], str]) -> Iterator[None]:
        """Show progress during a `with` block: a sentence, or what returns the current one.

        What was shown before goes on after it.
        """
        before = (self.progress.verb, self.progress.status) if self._thread is not None else None
        self.begin(verb, text if callable(text) else lambda: text)
        try:
            yield
        finally:
            if before is None:
                self.finish()
            else:
                self.begin(*before)

    def finish(self) -> None:
        """Erase the block; what was printed stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1)
            self._thread = None
        with self._lock:
            self.progress.verb = ""
            self._erase()

    def _tick(self) -> None:
        while not self._stop.wait(FRAME_SECONDS):
            with self._lock:
                if self.mode == "live":
                    self._redraw()
                elif self.clock() - self._last >= LOG_SECONDS:
                    self._log("read", self.progress.log(self.clock()))

    def block(self) -> list[str]:
        """Return the lines of the block."""
        return self.progress.block(self.clock(), width_of(self.stream) - 1)

    def _redraw(self) -> None:
        lines = self.block()
        if lines and lines != self._shown:
            self._erase()
            self.stream.write("".join(f"{line}\n" for line in lines))
            self.stream.flush()
            self._shown = lines

    def _erase(self) -> None:
        if self._shown:
            self.stream.write(f"\x1b[{len(self._shown)}A\r\x1b[J")
            self._shown = []


def _some(names: Sequence[str], count: int = 3) -> str:
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")
