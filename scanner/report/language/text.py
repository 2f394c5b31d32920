"""Makes foreign text safe to show: no character stays invisible, changes the direction, or acts as markup."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from markupsafe import Markup, escape

from scanner.document.schema import ExposureRow, FixRow, TypeRow
from scanner.report.language.words import Words
from scanner.text.invisible import INVISIBLE, code_point, plain

READS_ONLY = re.compile(r"^az( [a-z][a-z0-9-]*)* (show|list|get|list-versions)(\s|$)")
"""A command that only reads. `templates/report/finding_card.js` has the same pattern."""

IN_BASH: Final = "in Bash, as in Azure Cloud Shell"
"""Where commands run as they are printed. Elsewhere their quotes mean something else: PowerShell hands JSON in single
quotes to `az`, which is a batch file on Windows, without its double quotes."""


def has_invisible(text: str) -> bool:
    """Return whether a text contains a character that is invisible or changes how others are shown."""
    return INVISIBLE.search(text) is not None


def shortened(text: object, longest: int) -> str:
    """Return `plain` text of at most so many characters; ` [cut]` follows what was cut."""
    value = plain(text)
    return value if len(value) <= longest else value[:longest] + " [cut]"


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


def code_parts(text: str) -> list[tuple[str, bool]]:
    """Return the parts of a sentence, each with whether it is code, which stands between backticks."""
    parts = text.split("`")
    if not len(parts) % 2:
        return [(text, False)]
    return [(part, bool(position % 2)) for position, part in enumerate(parts) if part]


def with_code(text: object) -> Markup:
    """Return a sentence as HTML, as `escaped` does, with its code in elements."""
    pieces = ((escaped(part), is_code) for part, is_code in code_parts(str(text)))
    return Markup("").join(Markup("<code>{}</code>").format(part) if is_code else part for part, is_code in pieces)


def without_ticks(text: str) -> str:
    """Return a sentence as plain text: its code without backticks."""
    return "".join(part for part, _ in code_parts(text))


def split_fix(fix: FixRow | None) -> tuple[str, list[str]]:
    """Return the steps of a fix as one text, and its commands."""
    return ("", []) if fix is None else (" ".join(fix.steps), fix.commands)


def field_lines(fix: FixRow | None) -> list[str]:
    """Return a line for each field of a fix: its name, and what to put there."""
    return [] if fix is None else [f"<{each.name}>: {each.what}" for each in fix.fields]


def effect(fix: FixRow | None, words: Words, endpoint: str = "") -> str:
    """Return what a fix closes, as one sentence; "" where it is not about endpoints; as in `dom.js`.

    `endpoint`: the endpoint of the card; the others are then counted.
    """
    if fix is None or not (fix.closes or fix.leaves):
        return ""
    also, here = fix.others, endpoint in fix.closes
    if not endpoint:
        more, left = also, len(fix.leaves)
        texts = [words("fix.closes", len(fix.closes))]
    else:
        more, left = len(fix.closes) - here + also, len(fix.leaves) - (not here)
        texts = [words("fix.closes_this" if here else "fix.closes_lock")]
    if more > 0:
        listed = f" {words('fix.listed', len(fix.also_closes))}" if also > len(fix.also_closes) else ""
        texts.append(words("fix.also", more) + listed)
    if left > 0:
        texts.append(words("fix.leaves_others" if endpoint else "fix.leaves", left))
    return f"{'; '.join(texts)}."


def effect_on_card(exposures: Sequence[ExposureRow], words: Words) -> str:
    """Return what one change closes of several endpoints, each of which has its own fix with it; as in `endpoints.js`.

    A fix says what it closes in all, and of the endpoints of its finding what it leaves open.
    """
    fix = exposures[0].fix
    if fix is None or not (fix.closes or fix.leaves):
        return ""
    here = sum(each.fix is not None and each.endpoint in each.fix.closes for each in exposures)
    more, left = len(fix.closes) + fix.others - here, len(exposures) - here
    texts = [words("fix.closes", here) if here else words("fix.closes_lock")]
    if more > 0:
        texts.append(words("fix.also", more))
    if here and left:
        texts.append(words("fix.leaves", left))
    return f"{'; '.join(texts)}."


def first_step_label(command: str) -> str:
    """Return the label of a first step: `Check first` for a command that only reads, else `Try first`."""
    return "Check first" if READS_ONLY.match(command) else "Try first"


def uncovered_types(types: Iterable[TypeRow], words: Words, most: int = 5) -> str:
    """Return the types that no rule covers with their counts, the largest first; "" without any."""
    rows = sorted((each for each in types if not each.judged), key=lambda each: (-each.resources, each.type.lower()))
    texts = [
        f"{re.sub('^microsoft[.]', '', each.type, flags=re.I)} {words.number(each.resources)}" for each in rows[:most]
    ]
    more = len(rows) - len(texts)
    return ", ".join([*texts, words("summary.more_types", more)] if more > 0 else texts)
