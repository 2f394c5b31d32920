"""Makes foreign text safe to show: no character stays invisible, changes the direction, or acts as markup."""

import re

from markupsafe import Markup, escape

INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff\ud800-\udfff]"
)
"""Control, zero-width, bidirectional and unpaired characters. `templates/report/dom.js` has the same list."""

READS_ONLY = re.compile(r"^az( [a-z][a-z0-9-]*)* (show|list|get|list-versions)(\s|$)")
"""A command that only reads. `templates/report/finding_card.js` has the same pattern."""


def has_invisible(text: str) -> bool:
    """Return whether a text contains a character that is invisible or changes how others are shown."""
    return INVISIBLE.search(text) is not None


def code_point(char: str) -> str:
    """Return `U+202E` for the character U+202E."""
    return f"U+{ord(char):04X}"


def plain(text: object) -> str:
    """Return a text for places without markup, such as titles and attributes, with `[U+202E]` for U+202E."""
    return INVISIBLE.sub(lambda hit: f"[{code_point(hit[0])}]", str(text))


def shortened(text: object, longest: int) -> str:
    """Return `plain` text of at most so many characters; ` [cut]` follows what was cut."""
    found = plain(text)
    return found if len(found) <= longest else found[:longest] + " [cut]"


def escaped(text: object) -> Markup:
    """Return a text as HTML: escaped, invisible characters in boxes, apart from the direction of its surroundings."""
    pieces: list[str] = []
    at = 0
    text = str(text)
    for hit in INVISIBLE.finditer(text):
        pieces += [str(escape(text[at : hit.start()])), f'<span class="hid">{code_point(hit[0])}</span>']
        at = hit.end()
    pieces.append(str(escape(text[at:])))
    return Markup("<bdi>{}</bdi>").format(Markup("".join(pieces)))  # noqa: S704


def split_fix(fix: str | None) -> tuple[str, str]:
    """Return a fix as (sentence, command). `Not supported on Basic. Move to Premium: az ...` has both."""
    if not fix:
        return "", ""
    if fix.startswith("az "):
        return "", fix
    sentence, colon, command = fix.partition(": az ")
    return (sentence + ".", "az " + command) if colon else (fix, "")


def first_step_label(command: str) -> str:
    """Return the label of a first step: `Check first` for a command that only reads, else `Try first`."""
    return "Check first" if READS_ONLY.match(command) else "Try first"
