"""Put the texts of a findings document into the language of a report.

Ids, statuses, commands, portal paths, names and the values of Azure stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from scanner.document.message_data import FIELD_OF_TEXTS, TEXTS, Data
from scanner.document.schema import CHANGE_LISTS, ChangesRow, Coverage, Document, RuleRow
from scanner.document.views import RowView
from scanner.report.language.messages import Messages, exactly, messages
from scanner.report.language.translations import IMPACT, rule_text
from scanner.report.language.words import ENGLISH, Words

_Row = TypeVar("_Row", bound=msgspec.Struct)


def localized(document: Document, words: Words) -> Document:
    """Return a findings document with its texts in the language of the words; itself in English.

    A text without a translation, such as one of the user's own rules, stays in English.
    """
    if words.language == ENGLISH:
        return document
    texts = Texts(words)
    return msgspec.structs.replace(
        document,
        rules={id: texts.rule(row) for id, row in document.rules.items()},
        findings=RowView(document.findings, texts.row),
        exposures=RowView(document.exposures, texts.row),
        not_applicable=TranslatedReasons(document, texts.text),
        places=tuple(map(texts.row, document.places)),
        keys=tuple(map(texts.key, document.keys)),
        capacity=tuple(map(texts.capacity, document.capacity)),
        coverage=texts.coverage(document.coverage),
        changes=texts.changes(document.changes) if document.changes else None,
    )


class TranslatedReasons(Mapping[str, dict[str, str]]):
    """Reasons by resource and rule in a language, made when they are used."""

    def __init__(self, document: Document, translate: Callable[[Data, str], str]) -> None:
        self._english, self._data, self._translate = document.not_applicable, document.reasons, translate

    def __len__(self) -> int:
        return len(self._english)

    def __iter__(self) -> Iterator[str]:
        return iter(self._english)

    def __getitem__(self, resource: str) -> dict[str, str]:
        data = self._data.get(resource, {})
        return {
            rule: self._translate(data[rule], reason) if rule in data else reason
            for rule, reason in self._english[resource].items()
        }


class Texts:
    """The texts of rows in one language."""

    def __init__(self, words: Words, known: Messages | None = None) -> None:
        self._words = words
        self._text = (known or messages(words.language)).text

    def text(self, data: Data, english: str) -> str:
        """Return a text in the language. `data`: what it is made of."""
        return self._text(data, english)

    def rule(self, row: RuleRow) -> RuleRow:
        language = self._words.language
        result = {name: rule_text(language, name, getattr(row, name)) for name in ("title", "pass_title", "why")}
        breaks = rule_text(language, IMPACT, row.remediation.breaks)
        return msgspec.structs.replace(
            row, **result, remediation=msgspec.structs.replace(row.remediation, breaks=breaks)
        )

    def row(self, row: _Row) -> _Row:
        """Return a row with its texts in the language."""
        result: dict[str, Data] | msgspec.UnsetType = getattr(row, FIELD_OF_TEXTS)
        if not result:
            return row
        tree: dict[str, Any] = {}
        for position, data in result.items():
            *above, last = position.split(".")
            at = tree
            for each in above:
                below = at.setdefault(each, {})
                if not isinstance(below, dict):
                    break
                at = below
            else:
                at[last] = data
        return self._within(row, tree)  # type: ignore[no-any-return]

    def _within(self, value: Any, item: Any) -> Any:
        """Return a value of a row with its texts in the language. `item`: what these are made of, by position."""
        if isinstance(item, list):
            return self._text(item, value) if isinstance(value, str) else value
        if isinstance(value, list):
            return [self._within(each, item.get(str(at))) if item else each for at, each in enumerate(value)]
        if not isinstance(value, msgspec.Struct) or not item:
            return value
        names = TEXTS.intersection(value.__struct_fields__).intersection(item)
        return msgspec.structs.replace(
            value, **{name: self._within(getattr(value, name), item[name]) for name in names}
        )

    def key(self, row: Any) -> Any:
        """Return a key with its resources and risks, each of which has texts of its own."""
        return msgspec.structs.replace(
            self.row(row), stores=list(map(self.row, row.stores)), risks=list(map(self.row, row.risks))
        )

    def capacity(self, row: Any) -> Any:
        """Return a row on capacity. What a snapshot kept of why its quotas are not known is a text alone."""
        made = self.row(row)
        why = getattr(made, "why", "")
        return msgspec.structs.replace(made, why=exactly(why, self._words)) if why else made

    def coverage(self, row: Coverage) -> Coverage:
        """Return the coverage. What a snapshot kept of a note is a text alone, and so are the names of types."""
        made = self.row(row)
        notes = [exactly(each, self._words) for each in made.notes]
        types = [
            msgspec.structs.replace(each, names={type: exactly(name, self._words) for type, name in each.names.items()})
            if each.names
            else each
            for each in row.types
        ]
        return msgspec.structs.replace(made, types=types, notes=notes)

    def changes(self, changes_row: ChangesRow) -> ChangesRow:
        lists = {name: list(map(self.row, getattr(changes_row, name))) for name in CHANGE_LISTS}
        return msgspec.structs.replace(self.row(changes_row), **lists)
