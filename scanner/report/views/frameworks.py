"""The view of frameworks: totals for the page, and controls for its data block."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scanner.document.framework_rows import CONTROL_STATES, FrameworkRow
from scanner.document.schema import Document
from scanner.model.framework import Control, Framework, in_order
from scanner.report.language.translations import CONTROL, SECTION, rule_text
from scanner.report.language.words import Words
from scanner.rulebook.frameworks import catalogues

LOOKS = {
    "failed": "fail",
    "passed": "pass",
    "not-assessed": "unknown",
    "not-testable": "waived",
    "not-covered": "not-applicable",
}
"""What each state looks like."""
WORDS = {
    "not-read": "not_read",
    "inconclusive": "inconclusive",
    "rule-off": "rule_off",
    "no-resource": "no_resource",
    "process": "process",
    "people": "people",
    "physical": "physical",
    "tenant": "tenant",
    "inside": "inside",
    "intent": "intent",
    "elsewhere": "elsewhere",
    "provider": "provider",
}
"""The key of the word for each reason why a control was not assessed, or is not testable."""
_WHY = ("failed", "not-read", "inconclusive", "rule-off", "no-resource")
"""Why a control that rules test did not pass."""
_WIDTH = 1000


def framework_totals(document: Document, t: Words) -> list[dict[str, Any]]:
    """Return what the page says of each framework: its numbers by state, and the parts of its bar."""
    return [_totals(row, t) for row in in_order(document.frameworks or ())]


def _totals(row: FrameworkRow, t: Words) -> dict[str, Any]:
    bars, at = [], 0.0
    for state in CONTROL_STATES:
        count = row.states.get(state, 0)
        width = _WIDTH * count / row.controls if row.controls else 0
        bars.append(
            {"state": state, "look": LOOKS[state], "count": count, "x": f"{at:.1f}", "width": f"{width:.1f}"}
            | {"word": t(f"frameworks.state.{state.replace('-', '_')}")}
        )
        at += width
    text = t("frameworks.listed" if row.listed else "frameworks.controls", row.controls)
    said = {"said": text, "tested": f"{tested(row, t)}.", "none_passed": none_passed(row, t)}
    return {"id": row.id, "name": row.name, "title": f"{row.title}, {row.version}", **said, "parts": bars}


def tested(row: FrameworkRow, t: Words) -> str:
    """Return how many controls rules test and why not the others, as one sentence without a full stop."""
    in_part = sum(each.in_part for each in row.tested.values())
    part = t("frameworks.tested_part", n=t.number(in_part)) if in_part else ""
    texts = [t("frameworks.tested", len(row.tested), all=t.number(row.controls), part=part)]
    others = (("no_rule_yet", len(row.not_covered)), ("no_setting", sum(map(len, row.not_testable.values()))))
    texts += [t(f"frameworks.{name}", count) for name, count in others if count]
    return "; ".join(texts)


def none_passed(row: FrameworkRow, t: Words) -> str:
    """Return why no control passed, as one sentence; "" where one did."""
    if row.states.get("passed"):
        return ""
    why = Counter[str](each.why or each.state for each in row.tested.values())
    texts = [t(f"frameworks.not_passed.{name.replace('-', '_')}", why[name]) for name in _WHY if why[name]]
    passing = sum(each.why == "not-read" and not each.inconclusive and each.passed > 0 for each in row.tested.values())
    if passing:
        texts[1 if why["failed"] else 0] += f" ({t('frameworks.part_passed', passing)})"
    return f"{t('frameworks.none_passed', why=', '.join(texts) or t('frameworks.none_tested'))}."


def framework_block(document: Document, language: str) -> list[dict[str, Any]]:
    """Return the controls of each framework for the data block.

    A control is [id, section, title, state, why or reason, in part, failed, waived, inconclusive, passed].
    """
    return [_block(row, language) for row in in_order(document.frameworks or ())]


def _block(row: FrameworkRow, language: str) -> dict[str, Any]:
    known = catalogues().get(row.id)
    controls: Mapping[str, Control] = known.controls if known is not None else {}
    sections = _sections(known, language) if known is not None else {}
    order = {id: position for position, id in enumerate(controls)}
    rows = sorted(_controls(row), key=lambda each: order.get(each[0], len(order)))
    named = [_named(each, controls.get(each[0]), language) for each in rows]
    return {"id": row.id, "name": row.name, "sections": sections, "controls": named}


def _sections(framework: Framework, language: str) -> Mapping[str, str]:
    """Return the titles of the sections in a language, by number."""
    translated = framework.sections_in.get(language)
    return translated or {id: rule_text(language, SECTION, title) for id, title in framework.sections.items()}


def _controls(row: FrameworkRow) -> Iterator[list[Any]]:
    """Yield the controls of a document, without what the catalogue says of them."""
    for id, tested in row.tested.items():
        counts = [tested.failed, tested.waived, tested.inconclusive, tested.passed]
        yield [id, tested.state, WORDS.get(tested.why, ""), int(tested.in_part), *counts]
    for reason, ids in row.not_testable.items():
        yield from ([id, "not-testable", WORDS.get(reason, "process"), 0, 0, 0, 0, 0] for id in ids)
    yield from ([id, "not-covered", "", 0, 0, 0, 0, 0] for id in row.not_covered)


def _named(row: Sequence[Any], control: Control | None, language: str) -> list[Any]:
    if control is None:
        return [row[0], "", "", *row[1:]]
    title = control.titles.get(language) or rule_text(language, CONTROL, control.title)
    return [row[0], control.section, title, *row[1:]]
