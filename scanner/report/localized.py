"""Put the texts of rules in a findings document into the language of a report.

Ids, statuses, messages and evidence stay as they are: they are formatted when rules are evaluated, in English.
"""

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from scanner.document.schema import ChangeRow, ChangesRow, Document, ExposureRow, FindingRow, FixRow, RuleRow
from scanner.report.translations import rule_text
from scanner.report.words import ENGLISH

_CHANGES = ("reopened", "worse", "better", "fixed", "unseen")
_Row = TypeVar("_Row", ExposureRow, FindingRow, ChangeRow)


def localized(document: Document, language: str) -> Document:
    """Return a findings document with the texts of rules in a language; itself in English. A text without a
    translation, such as one of the user's own rules, stays in English.
    """
    if language == ENGLISH:
        return document
    texts = _Texts(language)
    return msgspec.structs.replace(
        document,
        rules={id: texts.rule(row) for id, row in document.rules.items()},
        findings=[texts.with_fix(row) for row in document.findings],
        exposures=[texts.with_impact(texts.with_fix(row)) for row in document.exposures],
        changes=texts.changes(document.changes) if document.changes else None,
    )


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of rules in one language."""

    language: str

    def title(self, row: _Row) -> str:
        """Return the title of a row: that of a rule."""
        return rule_text(self.language, "title", row.title)

    def rule(self, row: RuleRow) -> RuleRow:
        found = {
            name: rule_text(self.language, name, getattr(row, name))
            for name in ("title", "pass_title", "why")
            if getattr(row, name, "")
        }
        breaks = rule_text(self.language, "impact", row.remediation.breaks)
        return msgspec.structs.replace(
            row, **found, remediation=msgspec.structs.replace(row.remediation, breaks=breaks)
        )

    def with_fix(self, row: _Row) -> _Row:
        """Return an endpoint or a finding with its title, and the impact of its fix."""
        fix: FixRow | None = getattr(row, "fix", None)
        if fix is None:
            return msgspec.structs.replace(row, title=self.title(row))
        fix = msgspec.structs.replace(fix, impact=rule_text(self.language, "impact", fix.impact))
        return msgspec.structs.replace(row, title=self.title(row), fix=fix)

    def with_impact(self, row: ExposureRow) -> ExposureRow:
        return msgspec.structs.replace(row, breaks=rule_text(self.language, "impact", row.breaks or "") or row.breaks)

    def changes(self, found: ChangesRow) -> ChangesRow:
        lists = {name: [self.with_fix(row) for row in getattr(found, name)] for name in _CHANGES}
        return msgspec.structs.replace(found, **lists)
