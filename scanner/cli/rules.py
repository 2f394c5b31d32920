"""`twolocks rules`: the lines of `rules list`, the page of `rules show`, and both as JSON."""

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from scanner.cli.common import print_json, show_broken, write_line
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.evaluate.fixes import sample_bicep
from scanner.model.exposure import LOCKS
from scanner.model.resource_type import Read
from scanner.model.rule import Question, questions
from scanner.model.severity import Severity
from scanner.report.language.text import without_ticks
from scanner.rulebook.loader import RuleSet, match_whole, matches
from scanner.scan.job import chosen, load_rules
from scanner.terminal.lines import Line, coloured, width_of
from scanner.terminal.screen import Screen
from scanner.terminal.tables import table
from scanner.terminal.text import many, named

_RESPONSIBILITY = {
    "customer": "yours: a setting of your own closes it",
    "shared": "shared: Microsoft runs the control, and you set it",
    "microsoft": "Microsoft's: no setting of yours closes it",
}
_COLUMN = 14
"""The column in which the text after a label of `rules show` starts."""


def list_rules(settings: Settings) -> int:
    """Print the rules, one per line, and return the exit code. Raises InputError."""
    rules = chosen(settings, Screen())
    items = wanted(rules, settings)
    types = len({type for rule in items for type in rule.types})
    text = f"{many(len(items), 'rule')} on {many(types, 'type')}."
    text += ' "exposure": the severity depends on the exposure. Details: twolocks rules show ID'
    is_said = False
    if settings["format"] == "json":
        print_json([facts(rule) for rule in items])
    else:
        rows = [(rated(rule), rule.id, rule.one.category, rule.title + off(rule)) for rule in items]
        heads = ("severity", "id", "category", "title")
        is_said = table(rows, sys.stdout, os.environ, heads=heads, summary=text)
    show_broken(rules.broken)
    if not is_said:
        write_line(text)
    return 2 if rules.broken else 0


def show(settings: Settings, id: str) -> int:
    """Print one rule, and return the exit code. Raises InputError."""
    rules = load_rules(settings, Screen())
    items = rules.all_named(id)
    if not items:
        raise InputError(f'unknown rule "{id}"', do=rules.hint(id))
    question = Question(tuple(items))
    if settings["format"] == "json":
        print_json(facts(question))
        return 0
    width, colour = width_of(sys.stdout), coloured(sys.stdout, os.environ)
    for line in page(question):
        sys.stdout.writelines(row + "\n" for row in line.render(width, colour))
    return 0


def wanted(rules: RuleSet, settings: Settings) -> list[Question]:
    """Return the rules that the patterns select, including costly ones, by id."""
    items = [
        rule
        for rule in rules.rules.values()
        if (not settings["only"] or any(matches(rule, each) for each in settings["only"]))
        and not match_whole(rule, settings["skip"])
    ]
    return sorted(questions(items).values(), key=lambda rule: rule.id)


def rated(rule: Question) -> str:
    return rule.one.severity.name if rule.one.severity is not None else "exposure"


def off(rule: Question) -> str:
    return " (off by default: many requests; enable with --only)" if rule.costly else ""


def facts(rule: Question) -> dict[str, Any]:
    """Return a rule as JSON, by the contract, with the facts that `rules show` prints."""
    return {
        "id": rule.id,
        "title": rule.title,
        "category": rule.one.category,
        "severity": rule.one.severity.name if rule.one.severity is not None else None,
        "types": list(rule.types),
        "reads": [
            {"type": read.type, "path": read.path, "action": read.action, "api-version": read.api}
            for read in reads(rule)
        ],
        "controls": {framework: list(ids) for framework, ids in rule.controls.items()},
        "responsibility": rule.responsibility,
        "references": list(rule.references),
        "why": rule.one.why,
        "endpoints": list(rule.one.endpoints),
        "costly": rule.costly,
        "aliases": list(rule.old_ids),
    } | ({"merged": _merged(rule), "costly-types": _costly(rule)} if rule.one.of_many is not None else {})


def _merged(rule: Question) -> dict[str, list[str]]:
    """Return the types that each old id means, which the rule had for these alone."""
    return {
        old: list(each.resource_type.types)
        for each in rule.rules
        if each.of_many is not None
        for old in each.of_many.was
    }


def _costly(rule: Question) -> list[str]:
    """Return the types for which it is off unless it is named, where it is on for others."""
    return [] if rule.costly else [type for each in rule.rules if each.costly for type in each.resource_type.types]


def reads(rule: Question) -> list[Read]:
    """Return the reads below the resource that the rule requires."""
    items: list[Read] = []
    for each in rule.rules:
        items += [*each.reads, *([each.subject] if each.subject is not None else [])]
        items += each.resource_type.endpoint_reads if each.lock else []
    return list(dict.fromkeys(items))


def page(rule: Question) -> Iterator[Line]:
    """Yield the lines of `rules show`."""
    how = f"rated {_range(rule)} by exposure" if rule.one.category in LOCKS and rule.one.lock else rated(rule)
    yield Line(f"{rule.title} ({rule.one.category}; {how})", column=0)
    yield Line(without_ticks(rule.one.why), "Why", _COLUMN)
    rows = [f"{type}, api {each.resource_type.api}" for each in rule.rules for type in each.resource_type.types]
    rows += [f"{read.type}, api {read.api}" for read in reads(rule)]
    for position, row in enumerate(rows):
        yield Line(row, "" if position else "Reads", _COLUMN, whole=True)
    if rule.one.endpoints:
        yield Line(", ".join(rule.one.endpoints), "Endpoints", _COLUMN)
    yield Line(_not_assessed(rule), "Not assessed", _COLUMN)
    yield from _fix(rule)
    if rule.controls:
        text = "; ".join(f"{framework} {', '.join(ids)}" for framework, ids in rule.controls.items())
        yield Line(text, "Controls", _COLUMN)
    yield Line(_RESPONSIBILITY[rule.responsibility], "Responsibility", _COLUMN)
    if rule.old_ids:
        yield Line(", ".join(rule.old_ids), "Old ids", _COLUMN)
    for position, reference in enumerate(rule.references):
        yield Line(reference, "" if position else "References", _COLUMN, whole=True)
    if rule.costly:
        yield Line("off by default: many requests; enable with --only", "Default", _COLUMN)
    elif types := _costly(rule):
        yield Line(f"off by default for {', '.join(types)}: many requests; enable with --only", "Default", _COLUMN)


def _range(question: Question) -> str:
    from scanner.model.exposure import Auth, Reach, cell

    rule = question.one
    auths = {"anonymous-access": [Auth.anonymous], "authentication": [Auth.shared]}.get(rule.category, list(Auth))
    kinds = {
        each.kind for each in rule.resource_type.endpoint_list if rule.names(each.name) or each.name in rule.endpoints
    }
    wide = [Reach.wide, Reach.azure, Reach.internet] if rule.category == "network" else list(Reach)
    severities = [cell(kind, auth, reach) for kind in kinds for auth in auths for reach in wide]
    rates = sorted({each for each in severities if each is not None}, key=int)
    if not rates:
        return "for each endpoint,"
    return rates[0].name if len(rates) == 1 else f"{rates[0].name} to {Severity(rates[-1]).name}"


def _not_assessed(rule: Question) -> str:
    names = sorted({named(f"/providers/a/b/c/{read.path}", {}).removesuffix(" of c") for read in reads(rule)})
    if not names:
        return "when a required value was not returned"
    return f"when {', '.join(names)} could not be read, or a required value was not returned"


def _fix(rule: Question) -> Iterator[Line]:
    fix = rule.fix
    generated = sample_bicep(rule.one).replace("'sample'", "'NAME'")
    for label, text in (
        ("Fix in Bash" if fix.text.startswith("az ") else "Fix", fix.text),
        ("Check first", fix.first_step),
        ("Bicep", "" if generated else fix.bicep),
        ("Portal", fix.portal),
    ):
        if text:
            is_command = text.startswith("az ") and sys.stdout.isatty()
            is_whole = text.startswith("az ") or label == "Bicep"
            shown = text if is_whole else without_ticks(text)
            yield Line(template(shown), label, _COLUMN, whole=is_whole, command=is_command)
    for label, code in (("Bicep", generated), ("Terraform", fix.terraform)):
        for position, line in enumerate(code.splitlines()):
            yield Line(line, "" if position else label, _COLUMN, whole=True)
    for each in fix.fields:
        yield Line(f"<{each.name}>: {each.what}", "Field", _COLUMN)
    if fix.impact:
        yield Line(without_ticks(fix.impact), "Impact", _COLUMN)


def template(text: str) -> str:
    """Return a command with words in capitals for the names of a finding: `{top_id}` as `ID`."""
    return (
        re.sub(r"\{(?:top_)?(\w+)\}", lambda hit: hit[1].upper() if hit[1] != "top" else "NAME", text)
        .replace("{{", "{")
        .replace("}}", "}")
    )
