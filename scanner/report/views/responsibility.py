"""Who is responsible for a finding, and for how many failed findings."""

from collections import Counter
from typing import Any, Final

from scanner.document.schema import Document, FindingRow, RuleRow
from scanner.model.responsibility import ANOTHER_TIER, RESPONSIBILITIES
from scanner.model.rule import CATEGORIES
from scanner.report.language.words import Words

WHOSE: Final = (*RESPONSIBILITIES, ANOTHER_TIER)


def responsibility_of(row: FindingRow, rule: RuleRow | None) -> str:
    """Return who is responsible for a finding, one of WHOSE; "" in older documents."""
    if row.fix is not None and row.fix.tier:
        return ANOTHER_TIER
    return rule.responsibility if rule is not None else ""


class Whose:
    """Counts the failed findings by category and responsibility."""

    def __init__(self, document: Document) -> None:
        self._rules = document.rules
        self._counts = Counter[tuple[str, str]]()

    def add(self, row: FindingRow) -> None:
        """Count a finding."""
        if row.status == "fail":
            self._counts[row.category, responsibility_of(row, self._rules.get(row.rule))] += 1

    def totals(self) -> dict[str, int]:
        """Return the failed findings by those of WHOSE that have one; {} where the rules name none."""
        counts = Counter[str]()
        for (_, whose), count in self._counts.items():
            counts[whose] += count
        return {each: counts[each] for each in WHOSE if counts[each]}

    def rows(self) -> dict[str, Any]:
        """Return them for the page; no row where the rules name none."""
        counts, totals = self._counts, self.totals()
        rows = [
            {"category": category, "cells": [_cell(category, each, counts[category, each]) for each in totals]}
            for category in CATEGORIES
            if any(counts[category, each] for each in totals)
        ]
        return {"rows": rows, "whose": list(totals), "totals": list(totals.values())}


def whose_word(whose: str, words: Words) -> str:
    """Return the word for one of WHOSE."""
    return words(f"responsibility.{whose.replace('-', '_')}")


def _cell(category: str, whose: str, count: int) -> dict[str, Any]:
    return {"count": count, "query": f"status:fail category:{category} responsibility:{whose}"}
