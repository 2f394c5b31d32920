"""Fixes as plain text, for formats without Markdown: their sentences have no backticks around code."""

from collections.abc import Mapping
from typing import Final

from scanner.document.message_data import Data, message_of
from scanner.document.schema import Document, ExposureRow, FindingRow, FixRow
from scanner.model.message import Message, cased, pieces
from scanner.report.language.text import without_ticks

TICK: Final = "`"
_DAMAGED: Final = (KeyError, IndexError, TypeError, ValueError)
"""What data of another form raises: a findings file may say anything."""


class PlainFixes:
    """Makes the fixes of a document plain text.

    The backticks of a template mark code, and are left out. Those of its values (names, values of Azure) stay, as do
    those of commands. Where a row does not say what its texts are made of, each pair of backticks marks code.
    """

    def __init__(self, document: Document) -> None:
        self._templates: Mapping[str, str] = document.templates or {}

    def text(self, row: ExposureRow | FindingRow) -> str:
        """Return the commands of a fix, else its steps, as `FixRow.text` does; "" without one."""
        return "\n".join(self.lines(row))

    def lines(self, row: ExposureRow | FindingRow) -> list[str]:
        """Return the commands of a fix, else its steps; none without one."""
        fix = row.fix
        if fix is None:
            return []
        return fix.commands or [self._plain(row, f"fix.steps.{at}", step) for at, step in enumerate(fix.steps)]

    def impact(self, row: ExposureRow | FindingRow) -> str:
        """Return what a fix may break; "" without one."""
        return self._plain(row, "fix.impact", row.fix.impact) if row.fix is not None else ""

    def _plain(self, row: ExposureRow | FindingRow, position: str, text: str) -> str:
        if TICK not in text:
            return text
        data = (row.texts or {}).get(position)
        return without_ticks(text) if data is None else _without_own_ticks(text, data, self._templates)


def plain_fix(fix: FixRow | None) -> str:
    """Return the commands of a fix, else its steps, as plain text; "" without one."""
    return "" if fix is None else "\n".join(fix.commands or map(without_ticks, fix.steps))


def _without_own_ticks(text: str, data: Data, templates: Mapping[str, str]) -> str:
    try:
        message = message_of(text, data, templates)
        is_made_of_it = _filled(message, keeps=True) == text
    except _DAMAGED:
        return without_ticks(text)
    return _filled(message, keeps=False) if is_made_of_it else without_ticks(text)


def _filled(message: Message, *, keeps: bool) -> str:
    """Return a message from its templates and values. `keeps`: with the backticks of the templates.

    Raises KeyError for a field without a value.
    """
    made = []
    keeps = keeps or bool(message.template.count(TICK) % 2)
    for text, field, case in pieces(message.template):
        value = text if field is None else message.values[field]
        if field is None:
            made.append(text if keeps else text.replace(TICK, ""))
        else:
            made.append(cased(_filled(value, keeps=keeps), case) if isinstance(value, Message) else str(value))
    return "".join(made)
