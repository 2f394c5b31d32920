"""Put the texts of a findings document into the language of a report.

Ids, statuses, commands, portal paths and the values of evidence stay as they are.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from scanner.document.capacity_rows import CapacityRow, ControlPlaneRow, SpreadRow
from scanner.document.key_rows import KeyRow
from scanner.document.schema import (
    ChangeRow,
    ChangesRow,
    DataPlaceRow,
    Document,
    EvidenceRow,
    ExposureRow,
    FindingRow,
    FixRow,
    HopRow,
    RuleRow,
    TypeRow,
)
from scanner.document.views import RowView
from scanner.report.facts import facts
from scanner.report.sentences import endpoint_sentence
from scanner.report.translations import rule_text
from scanner.report.words import ENGLISH, Words

_CHANGES = ("reopened", "worse", "better", "fixed", "unseen")
_OWN = (
    "another region (",
    "another subscription",
    "the service tag ",
    "expires ",
    "all, every ",
    "all, purge ",
    "every permission ",
    "purge of ",
    "priority ",
    "only for one ",
)
"""How texts of ours begin that are the value of a property in evidence."""
_PLACED = re.compile(r"paired with \w+$|^/subscriptions/\S+, in \w+$", re.ASCII)
"""What we say after such a value: the place that it names."""
_Row = TypeVar("_Row", ExposureRow, FindingRow, ChangeRow)


def localized(document: Document, words: Words) -> Document:
    """Return a findings document with titles and the texts of rules in the language of the words; itself in English.

    A text without a translation, such as one of the user's own rules, stays in English.
    """
    if words.language == ENGLISH:
        return document
    texts = Texts(words)
    return msgspec.structs.replace(
        document,
        rules={id: texts.rule(row) for id, row in document.rules.items()},
        findings=RowView(document.findings, texts.finding),
        exposures=RowView(document.exposures, texts.exposure),
        not_applicable=ReasonsSaid(document.not_applicable, texts.fact),
        places=tuple(map(texts.place, document.places)),
        keys=tuple(map(texts.key, document.keys)),
        capacity=tuple(map(texts.capacity, document.capacity)),
        coverage=msgspec.structs.replace(
            document.coverage,
            notes=list(map(texts.fact, document.coverage.notes)),
            types=list(map(texts.type_row, document.coverage.types)),
        ),
        changes=texts.changes(document.changes) if document.changes else None,
    )


class ReasonsSaid(Mapping[str, dict[str, str]]):
    """Reasons by resource and rule in a language, made when they are used."""

    def __init__(self, reasons: Mapping[str, dict[str, str]], say: Callable[[str], str]) -> None:
        self._reasons, self._say = reasons, say

    def __len__(self) -> int:
        return len(self._reasons)

    def __iter__(self) -> Iterator[str]:
        return iter(self._reasons)

    def __getitem__(self, resource: str) -> dict[str, str]:
        return {rule: self._say(reason) for rule, reason in self._reasons[resource].items()}


def title(text: str, words: Words) -> str:
    """Return the title of a rule, or a sentence about an endpoint, in the language of the words."""
    if words.language == ENGLISH:
        return text
    found = rule_text(words.language, "title", text)
    return endpoint_sentence(text, words) if found == text else found


def fact(text: str, words: Words) -> str:
    """Return a reason, a note or a step in the language of the words."""
    return facts(words.language).said(text) if text and words.language != ENGLISH else text


def named(text: str, words: Words) -> str:
    """Return the name of a type in the language of the words; one that is not known stays in English."""
    return facts(words.language).exactly(text) if words.language != ENGLISH else text


class Texts(Struct, frozen=True):
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

    def fact(self, text: str) -> str:
        """Return a reason, a note or a step."""
        return fact(text, self.words)

    def impact(self, text: str) -> str:
        """Return what a fix may break: of a fix of several parts, what each of them may, one after another."""
        ends = [each.end() - 1 for each in re.finditer(r"\. ", text)]
        for end in (len(text), *reversed(ends)):
            said = self._one_impact(text[:end])
            if said != text[:end]:
                return f"{said} {self.impact(text[end + 1 :])}".rstrip()
        return text

    def _one_impact(self, text: str) -> str:
        said = self.text("impact", text)
        return said if said != text else self.fact(text)

    def type_row(self, row: TypeRow) -> TypeRow:
        if not row.names:
            return row
        return msgspec.structs.replace(row, names={type: named(name, self.words) for type, name in row.names.items()})

    def with_fix(self, row: _Row) -> _Row:
        """Return a row with its title, and the texts of its fix."""
        fix: FixRow | None = getattr(row, "fix", None)
        if fix is None:
            return msgspec.structs.replace(row, title=self.title(row.title))
        fix = msgspec.structs.replace(
            fix,
            impact=self.impact(fix.impact),
            steps=list(map(self.fact, fix.steps)),
            fields=[msgspec.structs.replace(each, what=self.fact(each.what)) for each in fix.fields],
        )
        return msgspec.structs.replace(row, title=self.title(row.title), fix=fix)

    def exposure(self, row: ExposureRow) -> ExposureRow:
        return msgspec.structs.replace(
            self.with_fix(row),
            breaks=self.impact(row.breaks) if row.breaks else row.breaks,
            reason=self.fact(row.reason),
            hops=list(map(self.hop, row.hops)),
            admits=list(map(self.fact, row.admits)),
            evidence=list(map(self.evidence, row.evidence)),
            publishers=[list(map(self.hop, chain)) for chain in row.publishers] if row.publishers else row.publishers,
        )

    def finding(self, row: FindingRow) -> FindingRow:
        return msgspec.structs.replace(
            self.with_fix(row), message=self.message(row.message), evidence=list(map(self.evidence, row.evidence))
        )

    def place(self, row: DataPlaceRow) -> DataPlaceRow:
        """Return a place; the values of properties and the names of regions stay as they are."""
        value = self.shown(row.value, is_own=False)
        return msgspec.structs.replace(row, what=self.fact(row.what), why=self.fact(row.why), value=value)

    def key(self, row: KeyRow) -> KeyRow:
        """Return a key with what puts it at risk, and why it is not known."""
        return msgspec.structs.replace(
            row,
            why=self.fact(row.why),
            risks=[msgspec.structs.replace(each, what=self.message(each.what)) for each in row.risks],
            stores=[
                msgspec.structs.replace(each, what=self.fact(each.what), why=self.fact(each.why)) for each in row.stores
            ],
        )

    def capacity(self, row: CapacityRow) -> CapacityRow:
        """Return a row on capacity; the names of quotas are Azure's and stay as they are."""
        if isinstance(row, SpreadRow):
            return msgspec.structs.replace(row, title=self.title(row.title))
        if isinstance(row, ControlPlaneRow):
            return msgspec.structs.replace(row, service=self.fact(row.service), reason=self.fact(row.reason))
        return msgspec.structs.replace(row, why=self.fact(row.why))

    def hop(self, row: HopRow) -> HopRow:
        """Return a hop; the name of a resource, and the endpoint at the end of a path, stay as they are."""
        if row.kind == "endpoint":
            return row
        name = row.name if row.resource else facts(self.words.language).exactly(row.name)
        return msgspec.structs.replace(row, name=name, detail=self.fact(row.detail))

    def evidence(self, row: EvidenceRow) -> EvidenceRow:
        """Return a row of evidence: what is expected is a text of ours or a value; what was found also, but that of a
        property is Azure's.
        """
        is_own = "properties" not in row.path
        return msgspec.structs.replace(
            row,
            path=self.fact(row.path) if is_own and " " in row.path else row.path,
            value=self.shown(row.value, is_own=is_own),
            expected=self.shown(row.expected),
        )

    def shown(self, value: Any, *, is_own: bool = True) -> Any:
        if isinstance(value, list):
            return [self.shown(each, is_own=is_own) for each in value]
        if not isinstance(value, str) or " " not in value:
            return value
        is_own = is_own or value[0].isdigit() or value.startswith(_OWN) or _PLACED.search(value) is not None
        return self.fact(value) if is_own else facts(self.words.language).exactly(value)

    def message(self, text: str) -> str:
        """Return the message of a finding: sentences that are titles, about endpoints, or of facts."""
        if not text.endswith("."):
            return self.fact(text)
        sentences = text.removesuffix(".").split(". ")
        found = [self.title(each) for each in sentences]
        if all(said != each for said, each in zip(found, sentences, strict=True)):
            return f"{'. '.join(found)}."
        found = [self.fact(each) if said == each else said for said, each in zip(found, sentences, strict=True)]
        is_whole = all(said != each for said, each in zip(found, sentences, strict=True))
        return f"{'. '.join(found)}." if is_whole else self.fact(text)

    def changes(self, found: ChangesRow) -> ChangesRow:
        lists = {name: [self.change(row) for row in getattr(found, name)] for name in _CHANGES}
        return msgspec.structs.replace(found, notes=list(map(self.fact, found.notes)), **lists)

    def change(self, row: ChangeRow) -> ChangeRow:
        return msgspec.structs.replace(row, title=self.title(row.title), why=self.fact(row.why))
