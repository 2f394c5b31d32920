"""What people see: names made harmless, colour, width, tables, progress in three modes, errors. All to two streams."""

import codecs
import os
import re
import shutil
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TextIO

from scanner.errors import UserError

Mode = Literal["live", "log", "quiet"]
COLOURS = {
    "critical": "1;31",
    "high": "31",
    "medium": "33",
    "low": "36",
    "not read": "35",
    "fixed": "32",
}
COLUMN = 9
"""Where the text behind a label starts."""

SCOPES = 8
LOG_LINES = 20
LOG_SECONDS = 30.0
FRAME_SECONDS = 0.25
_MARKS = re.compile("#(?=#)")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


# Names


def clean(text: object) -> str:
    """One token on one line: what does not show, ends a line or turns the direction becomes `<U+202E>`; so does the
    first sign of `##`, since CI agents look for `##vso[` and `##[` anywhere in a line.
    """
    text = str(text)
    if not (text.isascii() and text.isprintable()):
        text = "".join(f"<U+{ord(char):04X}>" if hides(char) else char for char in text)
    return _MARKS.sub("<U+0023>", text) if "##" in text else text


def hides(char: str) -> bool:
    """Whether a character does not show as itself."""
    kind = unicodedata.category(char)
    return kind in _HIDDEN or (kind == "Zs" and char != " ")


def odd(text: str) -> str:
    """Return `U+202E` for the first character that `clean` replaces, "" where it replaces none."""
    return next((f"U+{ord(char):04X}" for char in text if hides(char)), "U+0023" if "##" in text else "")


def cells(text: str) -> int:
    """How many columns a text takes: wide letters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def middle(name: str, width: int) -> str:
    """A name in at most `width` columns; too long, it loses its middle. Its end, where names differ, keeps more."""
    if cells(name) <= width:
        return name
    room = max(width - 3, 2)
    head = _fitting(name, room * 2 // 5)
    tail = _fitting(name[::-1], room - cells(head))[::-1]
    return f"{head}...{tail}"


def _fitting(text: str, width: int) -> str:
    used = 0
    for place, char in enumerate(text):
        used += cells(char)
        if used > width:
            return text[:place]
    return text


def wrap(text: str, width: int, column: int) -> Iterator[str]:
    """A sentence as lines of at most `width` columns, the first of them `column` shorter. Long words stay whole."""
    line, room = "", width - column
    for word in text.split(" "):
        # A word that a CI system takes for a command never starts a line.
        fits = not line or cells(line) + 1 + cells(word) <= room or word.startswith(("::", "##"))
        if fits:
            line = f"{line} {word}" if line else word
        else:
            yield line
            line = word
    yield line


# Streams


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}" for char in lost), error.end


def prepare() -> None:
    """Let no letter that a stream cannot encode end the run: it is written `\\u00f8`."""
    codecs.register_error("twolocks", _escape)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="twolocks")


def is_terminal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    return stream.isatty() and environ.get("TERM", "") not in ("", "dumb")


def coloured(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """NO_COLOR wins, then FORCE_COLOR, then a terminal that is not dumb."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return is_terminal(stream, environ)


def mode_of(stream: TextIO, environ: Mapping[str, str], *, quiet: bool = False, verbose: bool = False) -> Mode:
    """Live on a terminal, plain lines where there is none or a machine reads (CI), nothing where that was asked."""
    if quiet:
        return "quiet"
    return "live" if is_terminal(stream, environ) and not environ.get("CI") and not verbose else "log"


def width_of(stream: TextIO) -> int:
    """80 to 200 columns from the terminal, 100 without one."""
    if not stream.isatty():
        return 100
    return min(200, max(80, shutil.get_terminal_size((100, 24)).columns))


def height_of(stream: TextIO) -> int:
    return max(24, shutil.get_terminal_size((100, 24)).lines) if stream.isatty() else 24


def paint(text: str, tone: str, on: bool) -> str:
    return f"\x1b[{COLOURS[tone]}m{text}\x1b[0m" if on and tone in COLOURS else text


# What is said


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence behind a label. `tone` colours the label; `whole` lines (commands, paths) are never wrapped."""

    text: str = ""
    label: str = ""
    column: int = COLUMN
    tone: str = ""
    whole: bool = False

    def render(self, width: int, colour: bool) -> Iterator[str]:
        text, label = clean(self.text), clean(self.label)
        head = paint(label, self.tone, colour) + " " * (self.column - len(label)) if label else " " * self.column
        if label and len(label) >= self.column:
            head = paint(label, self.tone, colour) + ("  " if self.tone else " ")
        rows = [text] if self.whole else list(wrap(text, width, self.column))
        for place, row in enumerate(rows):
            yield ((head if place == 0 else " " * self.column) + row).rstrip()


def rows_of(lines: Iterable[Line], width: int) -> int:
    return sum(1 for line in lines for _ in line.render(width, False))


def error_lines(error: UserError) -> list[Line]:
    """What, where and what to do."""
    faults: Sequence[UserError] = getattr(error, "all", None) or [error]
    lines = []
    for fault in faults:
        lines.append(Line(f"error: {fault.what}", column=0, whole=True))
        lines += [Line(f"at: {fault.at}", column=0, whole=True)] if fault.at else []
        lines += [Line(f"do: {fault.do}", column=0, whole=True)] if fault.do else []
    return lines


_SENTENCE = 24
"""So many columns of a sentence, which is never cut, count when a table shares out the room."""


def table(rows: Sequence[Sequence[str]], stream: TextIO, environ: Mapping[str, str], name: int = -1) -> None:
    """One row a line: in columns on a terminal, else separated by tabs and whole. The first cell may be a severity.

    Where a line is too long for a terminal, the cells of the column `name` lose their middle (default: of the last).
    """
    names = [[clean(cell) for cell in row] for row in rows]
    colour = coloured(stream, environ)
    if not stream.isatty():
        for row in names:
            stream.write("\t".join([paint(row[0], row[0], colour), *row[1:]]) + "\n")
        return
    room = width_of(stream)
    wide = [max((cells(row[place]) for row in names), default=0) for place in range(max(map(len, names), default=0))]
    if wide:
        name = name % len(wide)
        others = [*wide[:-1], min(wide[-1], _SENTENCE)]
        others.pop(name)
        wide[name] = min(wide[name], max(room - sum(others) - 2 * len(others), 16))
    for row in names:
        line = ""
        for place, cell in enumerate(row):
            shown = middle(cell, wide[place]) if place == name else cell
            filled = "" if place == len(row) - 1 else " " * (wide[place] - cells(shown) + 2)
            line += (paint(shown, shown, colour) if place == 0 else shown) + filled
        stream.write(line.rstrip() + "\n")


# Progress


@dataclass
class Screen:
    """Progress and the last screen, on stderr. It is the `Progress` of a collection. Safe to call from any thread."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    quiet: bool = False
    verbose: bool = False
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self.mode: Mode = mode_of(self.stream, self.environ, quiet=self.quiet, verbose=self.verbose)
        self.colour = coloured(self.stream, self.environ)
        self.began = self.clock()
        self.done = self.to_come = self.resources = self.failed = 0
        self.scopes: list[tuple[str, str, str]] = []
        self.who = ""
        self._kinds: dict[str, tuple[int, int, str]] = {}
        self._waits: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._verb = ""
        self._says: Callable[[], str] | None = None
        self._shown: list[str] = []
        self._last = self.clock()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # Lines that stay

    def start(self, text: str) -> None:
        """The first line, before anything heavy is imported."""
        self.write([Line(text, column=0)] if self.mode == "live" else [], "start", text)

    def write(self, lines: Iterable[Line], word: str = "", text: str = "") -> None:
        """Lines for people, or in a log one stamped line instead (none where `word` is "")."""
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
        """Lines that stand in every mode but quiet, unstamped: errors, and the end of a demo."""
        with self._lock:
            self._erase()
            if self.mode != "quiet":
                self._put(lines)

    def plain(self, lines: Iterable[Line]) -> None:
        """Lines that stand in every mode."""
        with self._lock:
            self._erase()
            self._put(lines)

    def log(self, word: str, text: str) -> None:
        """A stamped line of a log; nothing in other modes."""
        if self.mode == "log":
            with self._lock:
                self._log(word, text)

    def limited(self, word: str, text: str, limit: int = LOG_LINES) -> None:
        """A stamped line of which a log holds only so many; `rest` says how many more there were."""
        with self._lock:
            self._counts[word] = self._counts.get(word, 0) + 1
            if self._counts[word] <= limit:
                self.log(word, text)
            else:
                self._held[word] = self._held.get(word, 0) + 1

    def rest(self, word: str, what: str) -> None:
        if more := self._held.pop(word, 0):
            self.log(word, f"and {more:,} more {what}")

    def _log(self, word: str, text: str) -> None:
        self._last = self.clock()
        self.stream.write(f"{self.now():%Y-%m-%dT%H:%M:%SZ} {word:<8} {clean(text)}\n")
        self.stream.flush()

    def _put(self, lines: Iterable[Line]) -> None:
        width = width_of(self.stream)
        for line in lines:
            for row in line.render(width, self.colour):
                self.stream.write(row + "\n")
        self.stream.flush()

    # What a collection tells

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None:
        self.who = name
        text = f"{name} ({kind}), tenant {tenant}"
        lines = [Line(text, "Account", whole=True)]
        if others:
            lines.append(Line(f"not read: {_some(others)}; --tenant changes that"))
        self.write(lines, "account", text + (f"; not read: {_some(others)}" if others else ""))

    def scope(self, subscription: str, name: str, view: str) -> None:
        said = {"full": "seen in full", "partial": "seen in part", "none": "not seen"}[view]
        self.scopes.append((subscription, name, view))
        place = len(self.scopes)
        if place > SCOPES and self.mode == "live":
            self._held["scope"] = self._held.get("scope", 0) + 1
            return
        line = Line(f"{name}  {subscription}  {said}", "Scope" if place == 1 else "", whole=True)
        if self.mode == "log":
            self.limited("scope", f"{name} {subscription}, {said}")
        else:
            self.write([line])

    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None:
        self.done, self.to_come, self.resources, self.failed = done, to_come, resources, failed
        if more := self._held.pop("scope", 0):
            self.write([Line(f"and {more:,} more subscriptions")], "scope", f"and {more:,} more subscriptions")

    def reading(self, what: str, done: int, total: int, of: str) -> None:
        with self._lock:
            self._kinds.pop(what, None)
            if done < total:
                self._kinds[what] = (done, total, of)

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        if self.mode == "log":
            answer = f"{status}" if status else code
            why = f"{answer}, missing {action}" if action else f"{status} {code}" if status else code
            self.limited("gap", f"{self.named(url)}: {why}")

    def wait(self, what: str, seconds: float) -> None:
        """Hears which limit is waited for, and how long."""
        now = self.clock()
        with self._lock:
            self._waits[what] = now + seconds
            if now - self._told.get(what, -LOG_SECONDS) >= LOG_SECONDS:
                self._told[what] = now
                self.limited("wait", f"{span(seconds)} for {what}", 40)

    def tell(self, text: str) -> None:
        """What a person must do now (sign in); in every mode."""
        if self.mode == "log":
            self.log("account", text)
        else:
            self.plain([Line(text, "Account")])

    def heard(self, method: str, path: str, status: int, milliseconds: float) -> None:
        if self.verbose and self.mode == "log":
            self.log("read", f"{method} {path} {status or 'no answer'} {milliseconds:.0f} ms")

    def named(self, url: str) -> str:
        """A read for people: `containers of stjournal`, `sites of prod-journal`."""
        return named(url, {subscription.lower(): name for subscription, name, _ in self.scopes})

    # The block that is redrawn

    def begin(self, verb: str, says: Callable[[], str] | None = None) -> None:
        """Start to show progress: `Reading`, or another verb with what it `says`."""
        self._verb, self._says = verb, says
        if self._thread is None and self.mode != "quiet":
            self._stop.clear()
            self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._thread.start()

    @contextmanager
    def busy(self, verb: str, says: str) -> Iterator[None]:
        """Progress while it lasts."""
        self.begin(verb, lambda: says)
        try:
            yield
        finally:
            self.finish()

    def finish(self) -> None:
        """Take the block away; what was printed stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1)
            self._thread = None
        with self._lock:
            self._verb = ""
            self._erase()

    def _tick(self) -> None:
        while not self._stop.wait(FRAME_SECONDS):
            with self._lock:
                if self.mode == "live":
                    self._redraw()
                elif self.clock() - self._last >= LOG_SECONDS:
                    verb = "" if self._says is None else f"{self._verb.lower()} "
                    self._log("read", f"{span(self.clock() - self.began)}: {verb}{self._sentence()}")

    def _sentence(self) -> str:
        if self._says is not None:
            return self._says()
        if not self.who:
            return "signing in"
        if not self.scopes:
            return "looking for subscriptions"
        failed = f"; {self.failed:,} failed" if self.failed else ""
        return f"{self.done:,} reads done, {self.to_come:,} known to come; {self.resources:,} resources{failed}"

    def block(self) -> list[str]:
        """The lines of the block, each cut to the width; numbers stand first, so only names are cut."""
        if not self._verb:
            return []
        now = self.clock()
        lines = [f"{self._verb:<{COLUMN - 1}} {span(now - self.began)}: {self._sentence()}"]
        if self._says is None:
            busy = sorted(self._kinds.items(), key=lambda each: each[1][0] - each[1][1])[:2]
            said = [f"{what}, {done:,} of {total:,}" + (f" {of}" if of else "") for what, (done, total, of) in busy]
            lines += [f"  now    {'; '.join(said)}"] if said else []
            waits = sorted(((until - now, what) for what, until in self._waits.items() if until > now), reverse=True)
            if waits:
                more = f"; {len(waits) - 1} more waits" if len(waits) > 1 else "; other reads go on"
                lines.append(f"  wait   {span(waits[0][0])} more for {waits[0][1]}{more}")
        width = width_of(self.stream) - 1
        return [_fitting(clean(line), width) for line in lines[:4]]

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


def span(seconds: float) -> str:
    """A time as people say it: `38 s`, `4 min 12 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def named(url: str, subscriptions: Mapping[str, str]) -> str:
    """A read for people, from its ARM path; `subscriptions` names ids (lower case)."""
    parts = [part for part in url.split("?", 1)[0].split("/") if part]
    lower = [part.lower() for part in parts]
    where = ""
    if lower[:1] == ["subscriptions"] and len(parts) > 1:
        where = subscriptions.get(lower[1], parts[1])
        if lower[2:3] == ["resourcegroups"] and len(parts) > 3:
            where = parts[3]
    if "providers" not in lower:
        return where or url
    rest = parts[len(parts) - lower[::-1].index("providers") :]
    if len(rest) <= 2:
        return f"{rest[-1]} of {where}" if where else "/".join(rest)
    if len(rest) == 3:
        return rest[2]
    child = rest[3:]
    last = child[-1] if len(child) % 2 or child[-1].lower() not in ("default", "web") else child[-2]
    return f"{last} of {rest[2]}"


def _some(names: Sequence[str], count: int = 3) -> str:
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")
