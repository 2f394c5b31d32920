"""The generated pages of docs/frameworks: what the rules test of each control."""

from collections import Counter
from collections.abc import Iterable, Iterator

import jinja2

from scanner.content import content
from scanner.evaluate.frameworks import covered, tested_by
from scanner.model.framework import NOT_TESTABLE, Control, Framework
from scanner.rulebook.loader import RuleSet


def framework_pages(rules: RuleSet) -> Iterator[tuple[str, str]]:
    """Yield the page of each framework, and the list of all."""
    rows = []
    for row in covered(rules):
        framework = rules.frameworks[row.id]
        in_part = sum(each.in_part for each in row.tested.values())
        numbers = (row.controls, len(row.tested) - in_part, in_part, *(row.states[name] for name in _UNTESTED))
        listed = " (of those listed)" if framework.listed else ""
        cells = " | ".join(map(str, numbers[1:]))
        rows.append(f"| [{framework.name}]({framework.id}.md) | {numbers[0]}{listed} | {cells} |")
        yield f"frameworks/{framework.id}.md", _page(framework, rules, numbers)
    loader = jinja2.FileSystemLoader(content("templates"))
    environment = jinja2.Environment(loader=loader, autoescape=False, undefined=jinja2.StrictUndefined)  # noqa: S701
    yield "frameworks/README.md", environment.get_template("frameworks.md.j2").render(rows="\n".join(rows)) + "\n"


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
        found = [each for each in framework.controls.values() if each.section == section]
        lines += [
            "",
            f"## {section} {title}",
            "",
            "| control | it asks | state | tested by |",
            "| --- | --- | --- | --- |",
        ]
        lines += [_row(control, by_control.get(control.id, ())) for control in found]
    return "\n".join(lines) + "\n"


def _row(control: Control, rules: Iterable[str]) -> str:
    found = sorted(rules)
    if not found:
        state = "not testable" if control.not_testable else "not covered"
        return f"| {control.id} | {control.title} | {state} | {NOT_TESTABLE.get(control.not_testable, '')} |"
    names = ", ".join(f"`{name}`" for name in control.tests)
    said = f"{names} ({len(found)} rule{'s' if len(found) > 1 else ''})"
    rest = f". Not tested: {control.rest}" if control.rest else ""
    return f"| {control.id} | {control.title} | {'in part' if control.rest else 'wholly'} | {said}{rest} |"
