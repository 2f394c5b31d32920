"""Put the texts of rules in a findings document into the language of a report.

Ids, statuses, evidence and most messages stay as they are: they are formatted when rules are evaluated, in English.
"""

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from scanner.document.schema import ChangeRow, ChangesRow, Document, ExposureRow, FindingRow, FixRow, RuleRow
from scanner.report.sentences import endpoint_sentence
from scanner.report.translations import rule_text
from scanner.report.words import ENGLISH, Words

_CHANGES = ("reopened", "worse", "better", "fixed", "unseen")
_Row = TypeVar("_Row", ExposureRow, FindingRow, ChangeRow)


def localized(document: Document, words: Words) -> Document:
    """Return a findings document with titles and the texts of rules in the language of the words; itself in English.

    A text without a translation, such as one of the user's own rules, stays in English.
    """
    if words.language == ENGLISH:
        return document
    texts = _Texts(words)
    return msgspec.structs.replace(
        document,
        rules={id: texts.rule(row) for id, row in document.rules.items()},
        findings=[texts.with_message(texts.with_fix(row)) for row in document.findings],
        exposures=[texts.with_impact(texts.with_fix(row)) for row in document.exposures],
        changes=texts.changes(document.changes) if document.changes else None,
    )


def title(text: str, words: Words) -> str:
    """Return the title of a rule, or a sentence about an endpoint, in the language of the words."""
    if words.language == ENGLISH:
        return text
    found = rule_text(words.language, "title", text)
    return endpoint_sentence(text, words) if found == text else found


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of rules in one language."""

    words: Words

    def text(self, field: str, text: str) -> str:
        return rule_text(self.words.language, field, text)

    def title(self, text: str) -> str:
        """Return the title of a row: that of a rule, or a sentence about an endpoint."""
        return title(text, self.words)

    def rule(self, row: RuleRow) -> RuleRow:
        found = {
            name: self.text(name, getattr(row, name))
            for name in ("title", "pass_title", "why")
            if getattr(row, name, "")
        }
        breaks = self.text("impact", row.remediation.breaks)
        return msgspec.structs.replace(
            row, **found, remediation=msgspec.structs.replace(row.remediation, breaks=breaks)
        )

    def with_fix(self, row: _Row) -> _Row:
        """Return an endpoint or a finding with its title, and the impact of its fix."""
        fix: FixRow | None = getattr(row, "fix", None)
        if fix is None:
            return msgspec.structs.replace(row, title=self.title(row.title))
        fix = msgspec.structs.replace(fix, impact=self.text("impact", fix.impact))
        return msgspec.structs.replace(row, title=self.title(row.title), fix=fix)

    def with_impact(self, row: ExposureRow) -> ExposureRow:
        return msgspec.structs.replace(row, breaks=self.text("impact", row.breaks or "") or row.breaks)

    def with_message(self, row: FindingRow) -> FindingRow:
        """Return a finding with its message, where that is a title, or sentences about endpoints."""
        if not row.message.endswith("."):
            return row
        sentences = row.message.removesuffix(".").split(". ")
        found = [self.title(each) for each in sentences]
        if any(said == each for said, each in zip(found, sentences, strict=True)):
            return row
        return msgspec.structs.replace(row, message=f"{'. '.join(found)}.")

    def changes(self, found: ChangesRow) -> ChangesRow:
        lists = {name: [self.with_fix(row) for row in getattr(found, name)] for name in _CHANGES}
        return msgspec.structs.replace(found, **lists)
