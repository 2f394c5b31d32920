"""The lines of a journal: their structs, their form in the file, and what a reader makes of a damaged one."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from scanner.errors import InputError
from scanner.model.masked_values import masked_value
from scanner.model.message import message_text
from scanner.text.masks import has_secret
from scanner.text.times import AHEAD, checked_time

VERSION = 1
"""The version of the format that is written, and the only one that is read."""
LONGEST = 64 << 20
"""The bytes of the longest line. An answer that is larger is not kept, and read again."""
_SUM = 9
"""The length of a sum: eight digits and a space."""
_KEY = re.compile(r"[0-9a-f]{32}")


class JournalHeader(msgspec.Struct, kw_only=True):
    """The first line: what must be the same in a scan that goes on."""

    version: int = VERSION
    taken: str
    """When the scan began (UTC, ISO 8601)."""
    tool: str
    """Name and version."""
    settings: dict[str, Any] = {}
    """Those that decide what is read."""
    kept: dict[str, list[str]] | None = None
    kept_tags: list[str] = []
    """`kept`, `kept_tags`: as in the header of a snapshot."""

    def __post_init__(self) -> None:
        self.taken = checked_time(self.taken)


class AccountLine(msgspec.Struct, omit_defaults=True):
    """The identity that reads, as people know it, and its tenant."""

    name: str
    tenant: str
    login: str = ""
    """See `Journal.key`."""


class FailureLine(msgspec.Struct, omit_defaults=True):
    """An error with which Azure said that there is nothing to read."""

    status: int
    code: str
    action: str = ""
    message: str = ""
    inner: str = ""


class AnswerLine(msgspec.Struct, omit_defaults=True):
    """An answer, or an error that is one (`failure`)."""

    key: str
    """The digest of the request: login, method, path, query and body."""
    path: str
    """The ARM path, for people and to find what a change concerns."""
    at: int
    """The second (since 1970) in which it came."""
    body: Any = None
    more: bool = False
    """Another page follows, to which the body links."""
    etags: list[str] = []
    """Of each row of a list its etag in short, where any has one."""
    failure: FailureLine | None = None

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise ValueError("the key of an answer is 32 hexadecimal digits")
        # A change in Azure that came before an answer does not make its read again.
        if not 0 <= self.at <= time.time() + AHEAD.total_seconds():
            raise ValueError("the time of an answer lies ahead of the clock of this machine")


class JournalLine(msgspec.Struct, omit_defaults=True):
    """One line. Exactly one member is set."""

    journal: JournalHeader | None = None
    account: AccountLine | None = None
    answer: AnswerLine | None = None


encoder = msgspec.json.Encoder(enc_hook=message_text)
_decoder = msgspec.json.Decoder(JournalLine)


def line_of(row: JournalLine) -> bytes:
    """Return a line: a sum of its JSON (CRC-32, eight hexadecimal digits), a space, the JSON, a line break."""
    text = encoder.encode(row)
    return b"%08x %b\n" % (crc32(text), text)


def packed(body: Any) -> Any:
    """Return a body without what looks like a secret, its rows encoded."""
    if isinstance(body, list):
        return [_packed(row) for row in body]
    if isinstance(body, dict):
        for name in ("value", "data"):
            if isinstance(body.get(name), list):
                return {**body, name: [_packed(row) for row in body[name]]}
    return _packed(body)


def _packed(row: Any) -> msgspec.Raw:
    text = encoder.encode(row)
    return msgspec.Raw(encoder.encode(masked_value(row)) if has_secret(text.decode("utf-8", "replace")) else text)


class BadLine(ValueError):
    """A line that is whole, and that no journal of this version has."""


def parsed(raw: bytes) -> JournalLine | None:
    """Return the content of a line, None for one that is cut or damaged. Raise BadLine for one that was written so."""
    if raw[-1:] != b"\n" or raw[8:_SUM] != b" ":
        return None
    text = raw[_SUM:-1]
    try:
        if int(raw[:8], 16) != crc32(text):
            return None
    except ValueError:
        return None
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadLine(str(error)) from None


def read_lines(number: int, path: Path) -> Iterator[tuple[int, int, JournalLine]]:
    """Yield the lines of an open journal with place and size. The file is cut after its last whole line.

    A kill or a power cut leaves a line that is not whole at the end. Raise InputError where whole lines follow a
    damaged one.
    """
    offset = count = 0
    bad: tuple[int, int] | None = None
    with os.fdopen(os.dup(number), "rb") as file:
        file.seek(0)
        while raw := file.readline(LONGEST + 1):
            count += 1
            try:
                row = parsed(raw)
            except BadLine as error:
                raise InputError(
                    f"this is no line of a journal: {error}", at=f"{path}:{count}", do="scan again without --resume"
                ) from None
            if row is None:
                bad = bad or (count, offset)
            elif bad is not None:
                raise InputError(
                    "the journal is damaged: a line was changed, and others follow it",
                    at=f"{path}:{bad[0]}",
                    do="scan again without --resume",
                )
            else:
                yield offset, len(raw), row
            offset += len(raw)
    if bad is not None:
        os.ftruncate(number, bad[1])
