"""Sentences do not begin with Anyone again and again: at most one on a page, and one in the texts of a rule."""

import re

import pytest

from scanner.rulebook.loader import load
from tests.words.test_repeats import pages
from tests.words.texts import ROOT, prose

OPENING = re.compile(r"(?:^|[.:|] |- )(?:Anyone|Anybody|Whoever)\b", re.MULTILINE)


def test_no_page_opens_two_sentences_with_anyone() -> None:
    counts = {name: len(OPENING.findall(prose(text))) for name, text in pages(ROOT).items()}
    assert {name: count for name, count in counts.items() if count > 1} == {}


def test_no_rule_opens_two_sentences_with_anyone() -> None:
    texts = {rule.id: f"{rule.why} {rule.fix.impact}" for rule in load(packages=False).rules.values()}
    counts = {id: len(OPENING.findall(text)) for id, text in texts.items()}
    assert len(counts) > 800
    assert {id: count for id, count in counts.items() if count > 1} == {}


@pytest.mark.parametrize(("text", "count"), [("Anyone can. Anyone may.", 2), ("- Whoever has it", 1), ("If anyone", 0)])
def test_openings_are_found(text: str, count: int) -> None:
    assert len(OPENING.findall(text)) == count
