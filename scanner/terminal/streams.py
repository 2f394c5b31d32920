"""Standard output and standard error: what they may carry into a log, and what happens where they are closed.

A write to standard output that fails raises `OutputLost`, so that no command can end well without its output. A write
to standard error that fails is ignored, because messages must not end a scan.
"""

import codecs
import errno
import io
import os
import re
import select
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING, TextIO, cast

from scanner.errors import InputError
from scanner.terminal.text import hides

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

PIPE_CLOSED = 141
"""The exit code where the reader of standard output left: 128 and SIGPIPE, as a shell reports it."""

# Windows says EINVAL where the reader of a pipe left.
_CLOSED = (errno.EPIPE, errno.EBADF, *((errno.EINVAL,) if os.name == "nt" else ()))
# GitHub runs `::name::` at the start of a line; its agent and that of Azure Pipelines look for `##[` and `##vso[`
# anywhere in one. A group of an IPv6 address (`fe80::1c`) is no name of a command.
_COMMAND = re.compile(r"#(?=#)|::(?=[A-Za-z])(?![0-9A-Fa-f]{1,4}(?![\w-]))")
_JSON_COMMAND = re.compile(rb"(?<=#)#|(?<=:):(?=[A-Za-z]|$)")
_IN_JSON = {b"#": rb"\u0023", b":": rb"\u003a"}
_NOT_ASCII = re.compile(r"[^\x00-\x7e]")
_REPLACED = {"#": "<U+0023>", "::": "<U+003A>:"}


class OutputLost(OSError):
    """Standard output could not be written."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, by its reader or before the start."""
        return self.errno in _CLOSED


def lost_output(error: OutputLost) -> InputError:
    """Return the error for a standard output that cannot be written (a full disk)."""
    return InputError(f"standard output cannot be written: {error.strerror}", do="free space, or write to a file")


def without_commands(text: str) -> str:
    """Return a text in which a CI system finds no log command: `<U+003A>:error`, `<U+0023>#vso[`."""
    return _COMMAND.sub(lambda match: _REPLACED[match[0]], text) if "##" in text or "::" in text else text


def json_without_commands(text: bytes, last: bytes = b"") -> bytes:
    """Return JSON with the same content in which no log command stands: `#\\u0023vso[`, `:\\u003aerror`.

    `last`: the end of the JSON before it. Outside of strings JSON has neither `#` nor `::`.
    """
    if b"##" in text or b"::" in text:
        text = _JSON_COMMAND.sub(lambda match: _IN_JSON[match[0]], text)
    first = text[:1]
    return _IN_JSON[first] + text[1:] if first in _IN_JSON and last[-1:] == first else text


class _Descriptor(io.RawIOBase):
    """A file descriptor. A write that fails raises OutputLost, or is ignored where `is_required` is False.

    `console`: what writes in its place, for a console of Windows, which would take the bytes for those of a code page.
    """

    def __init__(self, number: int, *, is_open: bool, is_required: bool, console: io.RawIOBase | None = None) -> None:
        self._number = number
        self._console = console
        self._is_open = is_open
        self._is_required = is_required

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return self._is_open and os.isatty(self._number)

    def ignore_errors(self) -> None:
        """Ignore every failure from now on."""
        self._is_required = False

    def write(self, data: "Buffer", /) -> int:
        size = memoryview(data).nbytes
        try:
            if not self._is_open:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return self._written(data)
        except OSError as error:
            if self._is_required:
                raise OutputLost(error.errno, error.strerror) from None
            return size

    def _written(self, data: "Buffer") -> int:
        while True:
            try:
                return os.write(self._number, data) if self._console is None else self._console.write(data) or 0
            except BlockingIOError:
                select.select([], [self._number], [])


class _JsonBuffer:
    """The binary side of standard output. Commands write JSON there, and nothing else."""

    def __init__(self, buffer: IO[bytes]) -> None:
        self._buffer = buffer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._last = b""

    def write(self, data: bytes) -> int:
        # A character may begin in one write and end in the next.
        shown = _json_without_hidden(self._decoder.decode(data)).encode()
        self._buffer.write(json_without_commands(shown, self._last))
        self._last = shown[-1:] or self._last
        return len(data)

    def flush(self) -> None:
        self._buffer.flush()


def _json_without_hidden(text: str) -> str:
    """Return JSON with the same content, in which a terminal finds no control character and no change of direction."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _NOT_ASCII.sub(lambda match: _escaped(match[0]) if hides(match[0]) else match[0], text)


def _escaped(char: str) -> str:
    r"""Return a character as JSON writes it in ASCII: `\u202e`, a pair of surrogates where one does not suffice."""
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[offset : offset + 2].hex()}" for offset in range(0, len(units), 2))


class Output(io.TextIOWrapper):
    """A stream of text in which no log command of a CI system stands, whatever was written."""

    def write(self, text: str, /) -> int:
        super().write(without_commands(text))
        return len(text)

    def write_commands(self, text: str) -> None:
        """Write a text with log commands of our own."""
        super().write(text)


def json_output() -> IO[bytes]:
    """Return the stream for JSON on standard output: it has `write` and `flush`. The content stays the same."""
    sys.stdout.flush()
    return cast("IO[bytes]", _JsonBuffer(sys.stdout.buffer))


def write_commands(text: str) -> None:
    """Write log commands of a CI system on standard output. Each value in them must be escaped."""
    stream = sys.stdout
    if isinstance(stream, Output):
        stream.write_commands(text)
    else:
        stream.write(text)
    stream.flush()


def install() -> None:
    """Replace the streams of this process. Do nothing where something else replaced them (a test)."""
    opened = [_is_open(number) for number in range(3)]
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _stream(1, sys.__stdout__, is_open=opened[1], is_required=True)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _stream(2, sys.__stderr__, is_open=opened[2], is_required=False)


def _is_open(number: int) -> bool:
    """Return whether a descriptor is open. Put the null device on one that is not, because the next file that is
    opened (a history) would get its number, and what is printed.
    """
    try:
        os.fstat(number)
    except OSError:
        with suppress(OSError):
            os.open(os.devnull, os.O_RDWR)
        return False
    return True


def _stream(number: int, before: TextIO | None, *, is_open: bool, is_required: bool) -> Output:
    console = _console(before)
    raw = _Descriptor(number, is_open=is_open and before is not None, is_required=is_required, console=console)
    encoding = before.encoding if before is not None else "utf-8"
    return Output(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=number == 2 or raw.isatty())


def _console(stream: TextIO | None) -> io.RawIOBase | None:
    """Return the unbuffered side of a stream that is a console of Windows; None for all others."""
    kind = getattr(io, "_WindowsConsoleIO", None)
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if kind is not None and isinstance(raw, kind) else None


def discard() -> None:
    """Send what standard output still holds to the null device, so that the end of the process does not fail."""
    with suppress(OSError, ValueError, io.UnsupportedOperation):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    stream = sys.stdout
    if isinstance(stream, Output) and isinstance(raw := getattr(stream.buffer, "raw", None), _Descriptor):
        raw.ignore_errors()
