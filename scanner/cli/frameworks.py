"""`twolocks show frameworks` and `twolocks rules frameworks`: the controls of frameworks, in a scan and without one."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import to_builtins

from scanner import version
from scanner.cli.common import print_json, show_broken, stopping, write_line
from scanner.config.settings import Settings
from scanner.document.framework_rows import ControlRow, FrameworkRow
from scanner.document.schema import Document
from scanner.errors import InputError, nearest
from scanner.evaluate.frameworks import assessed, covered, tally_of, tested_by
from scanner.history.documents import document_of
from scanner.model.framework import NOT_TESTABLE, Control, Framework, in_order
from scanner.model.message import message_text
from scanner.output.storage import Storage
from scanner.report.language.words import Words
from scanner.report.views.headline import left_out
from scanner.rulebook.loader import RuleSet
from scanner.scan.job import chosen
from scanner.snapshot.files import VERSION_1
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.tables import table
from scanner.terminal.text import many

_HEADS = ("framework", "controls", "tested", "failed", "passed", "not assessed", "not testable", "not covered")
_STATIC_HEADS = ("framework", "controls", "tested wholly", "tested in part", "not testable", "not covered")
WHY = {
    "not-read": "a read failed",
    "inconclusive": "a value is missing or not known",
    "rule-off": "a rule is off",
    "no-resource": "no such resource",
}
"""Why a control that rules test was not assessed."""


def rules(settings: Settings, id: str = "") -> int:
    """Print the frameworks, or the controls of one, without a scan, and return the exit code. Raises InputError."""
    return run(settings, "", id)


def run(settings: Settings, file: str, id: str = "") -> int:
    """Print the frameworks of a scan, or the controls of one, and return the exit code. Raises InputError."""
    screen = Screen()
    rules = chosen(settings, screen)
    chosen_one = _named(rules, id) if id else None
    document = _document(settings, file, rules, screen) if file else None
    rows = _rows(rules, document)
    if chosen_one is not None:
        row = next((each for each in rows if each.id == chosen_one.id), None)
        if row is None:
            raise InputError(f"the file has no framework {chosen_one.id}", at=file, do="scan again with this version")
        _print_one(settings, rules, chosen_one, row, document)
    elif settings["format"] == "json":
        print_json([to_builtins(row, enc_hook=message_text) for row in rows])
    else:
        _print_all(rows, rules, document)
    show_broken(rules.broken)
    return 2 if rules.broken else 0


def _named(rules: RuleSet, id: str) -> Framework:
    """Return the framework of an id or a name. Raise InputError."""
    names = {word.lower(): each for each in rules.frameworks.values() for word in (each.name, each.id)}
    framework = names.get(id.lower())
    if framework is None:
        near = nearest(id.lower(), rules.frameworks, 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise InputError(f'unknown framework "{id}"', do=f"{hint}known: {', '.join(sorted(rules.frameworks))}")
    return framework


def _document(settings: Settings, file: str, rules: RuleSet, screen: Screen) -> Document:
    with stopping(screen) as stop:
        storage = Storage(settings, stop.run, prompt=screen.tell, busy=screen.busy)
        with storage.reading(file, file) as path:
            document = document_of(path, rules, f"twolocks {version()}", accept_version_1=settings["accept-version-1"])
    screen.last([Line(note, "Note") for note in document.coverage.notes if note == VERSION_1])
    return document


def _rows(rules: RuleSet, document: Document | None) -> list[FrameworkRow]:
    """Return the frameworks of a document; those of an earlier version are assessed now."""
    if document is None:
        return covered(rules)
    return in_order(document.frameworks or ()) or assessed(rules, tally_of(document), document.coverage, document.gaps)


# All frameworks


def _not_scanned(document: Document | None) -> str:
    """Return what a scan was limited to and what was excluded, as sentences after a space."""
    return "".join(f" {each}." for each in left_out(document.scan, Words())) if document is not None else ""


def _print_all(rows: Iterable[FrameworkRow], rules: RuleSet, document: Document | None) -> None:
    is_scan = document is not None
    cells = [_totals(row) if is_scan else _coverage(row, rules.frameworks[row.id]) for row in rows]
    text = f"{many(len(cells), 'framework')}. "
    text += (
        "A passed control is one that its rules test" if is_scan else "States of a scan: twolocks show frameworks FILE"
    )
    controls = "twolocks show frameworks FILE ID" if is_scan else "twolocks rules frameworks ID"
    text += f".{_not_scanned(document)} Controls: {controls}"
    heads = _HEADS if is_scan else _STATIC_HEADS
    if not table(cells, sys.stdout, os.environ, heads=heads, summary=text):
        write_line(text)


def _totals(row: FrameworkRow) -> tuple[str, ...]:
    return (row.id, str(row.controls), str(len(row.tested)), *(str(number) for number in row.states.values()))


def _coverage(row: FrameworkRow, framework: Framework) -> tuple[str, ...]:
    in_part = sum(each.in_part for each in row.tested.values())
    numbers = (len(row.tested) - in_part, in_part, row.states["not-testable"], row.states["not-covered"])
    return (framework.id, str(row.controls), *map(str, numbers))


# One framework


def _print_one(
    settings: Settings, rules: RuleSet, framework: Framework, row: FrameworkRow, document: Document | None
) -> None:
    if settings["format"] == "json":
        print_json(_facts(rules, framework, row, document))
        return
    cells = [
        (control.id, _state(control, row, is_scan=document is not None), control.title, _detail(control, row))
        for control in framework.controls.values()
    ]
    text = f"{framework.title}, {framework.version}: {many(row.controls, 'control')}"
    text += f" ({framework.listed})." if framework.listed else "."
    text += _not_scanned(document)
    heads = ("control", "state", "title", "detail")
    if not table(cells, sys.stdout, os.environ, heads=heads, summary=text):
        write_line(text)


def _state(control: Control, row: FrameworkRow, *, is_scan: bool) -> str:
    tested = row.tested.get(control.id)
    if tested is None:
        return "not testable" if control.not_testable else "not covered"
    word = tested.state.replace("-", " ") if is_scan else "tested"
    return f"{word}, in part" if tested.in_part and word != "not assessed" else word


def _detail(control: Control, row: FrameworkRow) -> str:
    """Return what was found, or why a control was not tested; then what its rules leave open."""
    tested = row.tested.get(control.id)
    if tested is None:
        return NOT_TESTABLE.get(control.not_testable, "")
    texts = [_result(tested), f"not tested: {control.rest}" if control.rest else ""]
    return "; ".join(filter(None, texts))


def _result(tested: ControlRow) -> str:
    if not tested.used:
        return many(tested.rules, "rule")
    counts = (("failed", tested.failed), ("waived", tested.waived), ("inconclusive", tested.inconclusive))
    text = ", ".join(f"{number:,} {word}" for word, number in (*counts, ("passed", tested.passed)) if number)
    why = f"{WHY[tested.why]}; " if tested.why else ""
    return f"{why}{text} by {tested.used} of {many(tested.rules, 'rule')}"


def _facts(rules: RuleSet, framework: Framework, row: FrameworkRow, document: Document | None) -> dict[str, Any]:
    """Return a framework as JSON, with each control, its rules and its findings."""
    by_control = tested_by(rules.rules.values()).get(framework.name, {})
    facts: dict[str, Any] = to_builtins(row, enc_hook=message_text)
    for name in ("tested", "not_testable", "not_covered"):
        del facts[name]
    facts["source"], facts["controls"] = framework.source, []
    for control in framework.controls.values():
        tested = row.tested.get(control.id)
        mapped = by_control.get(control.id, [])
        facts["controls"].append(
            {
                "id": control.id,
                "section": control.section,
                "title": control.title,
                **(
                    to_builtins(tested, enc_hook=message_text)
                    if tested
                    else {"state": _state(control, row, is_scan=True).replace(" ", "-")}
                ),
                "reason": control.not_testable,
                "rest": control.rest,
                "rules": mapped,
                "findings": list(_findings(document, mapped)) if document is not None and mapped else [],
            }
        )
    return facts


def _findings(document: Document, rules: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the findings of some rules."""
    wanted = frozenset(rules)
    for each in document.findings:
        if each.rule in wanted:
            names = ("rule", "status", "severity", "resource", "fingerprint")
            yield {name: getattr(each, name) for name in names}
