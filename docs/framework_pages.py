"""The generated pages of docs/frameworks: what the rules test of each control."""

from collections import Counter
from collections.abc import Iterable, Iterator

import jinja2

from scanner.content import content
from scanner.document.framework_rows import FrameworkRow
from scanner.evaluate.frameworks import covered, tested_by
from scanner.model.framework import NOT_TESTABLE, Control, Framework
from scanner.rulebook.loader import RuleSet


def framework_pages(rules: RuleSet) -> Iterator[tuple[str, str]]:
    """Yield the page of each framework."""
    for row in covered(rules):
        yield f"frameworks/{row.id}.md", _page(rules.frameworks[row.id], rules, _numbers(row))


def framework_list(rules: RuleSet) -> str:
    """Return the list of all frameworks."""
    rows = []
    for row in covered(rules):
        framework = rules.frameworks[row.id]
        total, *others = _numbers(row)
        listed = " (of those listed)" if framework.listed else ""
        rows.append(f"| {framework.name} | `{framework.id}` | {total}{listed} | {' | '.join(map(str, others))} |")
    loader = jinja2.FileSystemLoader(content("templates"))
    environment = jinja2.Environment(loader=loader, autoescape=False, undefined=jinja2.StrictUndefined)  # noqa: S701
    return environment.get_template("frameworks.md.j2").render(rows="\n".join(rows)) + "\n"


def _numbers(row: FrameworkRow) -> tuple[int, ...]:
    """Return how many controls a framework has, and how many are tested wholly, in part, and not, by the reason."""
    in_part = sum(each.in_part for each in row.tested.values())
    return (row.controls, len(row.tested) - in_part, in_part, *(row.states[name] for name in _UNTESTED))


_UNTESTED = ("not-testable", "not-covered")


def _page(framework: Framework, rules: RuleSet, numbers: tuple[int, ...]) -> str:
    by_control = tested_by(rules.rules.values()).get(framework.name, {})
    total, wholly, in_part, untestable, uncovered = numbers
    lines = [
        f"# {framework.name}",
        "",
        f"[{framework.title}]({framework.url}), {framework.version}. {framework.publisher}.",
        "",
        f"{total} controls: {wholly} tested wholly, {in_part} in part, {untestable} not testable, "
        f"{uncovered} not covered.",
        "",
        f"- Source: {framework.source}",
        *([f"- Listed: {framework.listed}."] if framework.listed else []),
    ]
    reasons = Counter(control.not_testable for control in framework.controls.values() if control.not_testable)
    if reasons:
        lines += ["", "| not testable | controls |", "| --- | --- |"]
        lines += [f"| {NOT_TESTABLE[reason]} | {count} |" for reason, count in reasons.most_common()]
    for section, title in framework.sections.items():
        controls = [each for each in framework.controls.values() if each.section == section]
        lines += [
            "",
            f"## {section} {title}",
            "",
            "| control | it asks | state | tested by |",
            "| --- | --- | --- | --- |",
        ]
        lines += [_row(control, by_control.get(control.id, ())) for control in controls]
    return "\n".join(lines) + "\n"


def _row(control: Control, rules: Iterable[str]) -> str:
    matches = sorted(rules)
    if not matches:
        state = "not testable" if control.not_testable else "not covered"
        return f"| {control.id} | {control.title} | {state} | {NOT_TESTABLE.get(control.not_testable, '')} |"
    names = ", ".join(f"`{name}`" for name in control.tests)
    text = f"{names} ({len(matches)} rule{'s' if len(matches) > 1 else ''})"
    rest = f". Not tested: {control.rest}" if control.rest else ""
    return f"| {control.id} | {control.title} | {'in part' if control.rest else 'wholly'} | {text}{rest} |"
