"""Characters that stay invisible or change the direction of a text."""

import re

INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff\ud800-\udfff]"
)
"""Control, zero-width, bidirectional and unpaired characters. `templates/report/dom.js` has the same list."""


def code_point(char: str) -> str:
    """Return `U+202E` for the character U+202E."""
    return f"U+{ord(char):04X}"


def plain(text: object) -> str:
    """Return a text for places without markup, such as titles and attributes, with `[U+202E]` for U+202E."""
    return INVISIBLE.sub(lambda hit: f"[{code_point(hit[0])}]", str(text))
