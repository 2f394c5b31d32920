"""Text for a terminal: escaping of names, widths, wrapping, times, names of reads."""

import re
import unicodedata
from collections.abc import Iterator, Mapping

from scanner.text.masks import masked

_MARKS = re.compile("#(?=#)")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean(text: object) -> str:
    """Return a text as one token on one line: a character that does not show, ends a line or turns the direction
    becomes `<U+202E>`. So does the first sign of `##`, because CI agents look for `##vso[` and
    `##[` anywhere in a line.
    """
    text = str(text)
    if not (text.isascii() and text.isprintable()):
        text = "".join(f"<U+{ord(char):04X}>" if hides(char) else char for char in text)
    return _MARKS.sub("<U+0023>", text) if "##" in text else text


def printable(text: object) -> str:
    """Return a text for people as `clean` does, without what looks like a secret: an error may repeat a value."""
    return clean(masked(str(text)))


def hides(char: str) -> bool:
    """Return whether a character is not displayed as itself."""
    kind = unicodedata.category(char)
    return kind in _HIDDEN or (kind == "Zs" and char != " ")


def odd(text: str) -> str:
    """Return `U+202E` for the first character that `clean` replaces, "" where it replaces none."""
    return next((f"U+{ord(char):04X}" for char in text if hides(char)), "U+0023" if "##" in text else "")


def cells(text: str) -> int:
    """Return how many columns a text takes: wide letters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def middle(name: str, width: int) -> str:
    """Return a name in at most `width` columns. A longer one loses its middle; its end keeps more, because names differ
    there.
    """
    if cells(name) <= width:
        return name
    room = max(width - 3, 2)
    head = fitting(name, room * 2 // 5)
    tail = fitting(name[::-1], room - cells(head))[::-1]
    return f"{head}...{tail}"


def fitting(text: str, width: int) -> str:
    """Return as much of the beginning of a text as takes at most `width` columns."""
    used = 0
    for position, char in enumerate(text):
        used += cells(char)
        if used > width:
            return text[:position]
    return text


def wrap(text: str, width: int, column: int) -> Iterator[str]:
    """Yield a sentence as lines of at most `width` - `column` columns. Long words stay whole."""
    line, room = "", width - column
    for word in text.split(" "):
        # A word that a CI system takes for a command never starts a line, nor one that was such a word (`<U+0023>#`).
        fits = not line or cells(line) + 1 + cells(word) <= room or word.startswith(("::", "##", "<U+"))
        if fits:
            line = f"{line} {word}" if line else word
        else:
            yield line
            line = word
    yield line


_SHELL_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|['"\\])+""")
"""A word of a POSIX shell, with what its quotes hold."""


def wrap_command(text: str, width: int, column: int) -> Iterator[str]:
    """Yield a command as lines of at most `width` - `column` columns, each but the last with a backslash at its end.

    An option stays beside its value, and a word is never divided: such a line may be longer.
    """
    lines: list[str] = []
    for word in _SHELL_WORD.findall(text):
        starts = not lines or word.startswith("-") or word in ("|", "&&", ">")
        lines = [*lines, word] if starts else [*lines[:-1], f"{lines[-1]} {word}"]
    if " ".join(lines) != text:
        yield text
        return
    line, room = "", width - column - 2
    for position, shell_word in enumerate(lines):
        last = position == len(lines) - 1
        indent = "  " if position else ""
        if not line or cells(line) + 1 + cells(shell_word) <= room + 2 * last:
            line = f"{line} {shell_word}" if line else shell_word
        else:
            yield f"{line} \\"
            line = indent + shell_word
    yield line


def span(seconds: float) -> str:
    """Return a duration as text: `38 s`, `4 min 12 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def many(count: int, word: str) -> str:
    """Return a count with its word: `1 gap`, `1,204 gaps`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def named(url: str, subscriptions: Mapping[str, str]) -> str:
    """Return the displayed name of a read, from its ARM path: `containers of stjournal`.

    `subscriptions`: names by id (lower case), and those of tenants.
    """
    segments = [segment for segment in url.split("?", 1)[0].split("/") if segment]
    lower = [segment.lower() for segment in segments]
    where = ""
    if lower[:1] == ["tenants"] and len(segments) > 1:
        where = f"tenant {subscriptions.get(lower[1], segments[1])}"
        where = f"{segments[-1]} of {where}" if len(segments) > 2 else where
    if lower[:1] == ["subscriptions"] and len(segments) > 1:
        where = subscriptions.get(lower[1], segments[1])
        if lower[2:3] == ["resourcegroups"] and len(segments) > 3:
            where = segments[3]
    if "providers" not in lower or lower[0] == "tenants":
        return where or url
    rest = segments[len(segments) - lower[::-1].index("providers") :]
    if len(rest) <= 2:
        return f"{rest[-1]} of {where}" if where else "/".join(rest)
    if len(rest) == 3:
        return rest[2]
    child = rest[3:]
    last = child[-1] if len(child) % 2 or child[-1].lower() not in ("default", "web") else child[-2]
    return f"{last} of {rest[2]}"
