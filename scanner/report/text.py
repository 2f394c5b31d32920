"""Foreign text, made visible: no character may hide, turn the direction, or act as markup."""

import re
import unicodedata

from markupsafe import Markup, escape

INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff\ud800-\udfff]"
)
"""Control, zero-width, bidirectional and unpaired characters. `templates/report/dom.js` has the same list."""


def invisible(text: str) -> bool:
    """Whether the text holds a character that does not show or that changes how others show."""
    return INVISIBLE.search(text) is not None


def code(char: str) -> str:
    """`U+202E` for the character."""
    return f"U+{ord(char):04X}"


def plain(text: object) -> str:
    """The text for places without markup (titles, attributes): hidden characters as `[U+202E]`."""
    return INVISIBLE.sub(lambda hit: f"[{code(hit[0])}]", str(text))


def shown(text: object) -> Markup:
    """The text as markup: escaped, hidden characters boxed, and held apart from its surroundings' direction."""
    pieces: list[str] = []
    at = 0
    text = str(text)
    for hit in INVISIBLE.finditer(text):
        pieces += [str(escape(text[at : hit.start()])), f'<span class="hid">{code(hit[0])}</span>']
        at = hit.end()
    pieces.append(str(escape(text[at:])))
    return Markup("<bdi>{}</bdi>").format(Markup("".join(pieces)))  # noqa: S704


def split_fix(fix: str | None) -> tuple[str, str]:
    """A fix as (sentence, command). `Cannot be closed on Basic. Move to Premium: az ...` has both."""
    if not fix:
        return "", ""
    if fix.startswith("az "):
        return "", fix
    sentence, colon, command = fix.partition(": az ")
    return (sentence + ".", "az " + command) if colon else (fix, "")


def normal(text: str) -> str:
    """The text as search compares it: lower case, composed."""
    return unicodedata.normalize("NFC", text).lower()
