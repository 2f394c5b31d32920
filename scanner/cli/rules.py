"""Rules for people and programs: the lines of `rules list`, the page of `rules show`, and both as JSON."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from scanner.config.settings import Settings
from scanner.model.exposure import LOCKS
from scanner.model.resource_type import Read
from scanner.model.rule import Rule
from scanner.model.verdict import Severity
from scanner.rulebook.loader import RuleSet, matches
from scanner.terminal.screen import Line, named


def wanted(rules: RuleSet, settings: Settings) -> list[Rule]:
    """The rules that the patterns mean, costly ones too, by category and id."""
    found = [
        rule
        for rule in rules.rules.values()
        if (not settings["only"] or any(matches(rule, each) for each in settings["only"]))
        and not any(matches(rule, each) for each in settings["skip"])
    ]
    return sorted(found, key=lambda rule: rule.id)


def words(rules: RuleSet, settings: Settings) -> list[tuple[str, str, str, str]]:
    """One row a rule: severity, id, category, title."""
    return [(rated(rule), rule.id, rule.category, rule.title + off(rule)) for rule in wanted(rules, settings)]


def rated(rule: Rule) -> str:
    return rule.severity.name if rule.severity is not None else "exposure"


def off(rule: Rule) -> str:
    return " (off: costs many requests; name it with --only)" if rule.costly else ""


def listed(rules: RuleSet, settings: Settings) -> str:
    return _json([facts(rule) for rule in wanted(rules, settings)])


def shown(rule: Rule) -> str:
    return _json(facts(rule))


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def facts(rule: Rule) -> dict[str, Any]:
    """A rule as JSON, by the contract; with what `rules show` prints beside."""
    return {
        "id": rule.id,
        "title": rule.title,
        "category": rule.category,
        "severity": rule.severity.name if rule.severity is not None else None,
        "types": list(rule.types),
        "reads": [
            {"type": read.type, "path": read.path, "action": read.action, "api-version": read.api}
            for read in reads(rule)
        ],
        "controls": {framework: list(ids) for framework, ids in rule.controls.items()},
        "references": list(rule.references),
        "why": rule.why,
        "endpoints": list(rule.endpoints),
        "costly": rule.costly,
        "aliases": list(rule.aliases),
    }


def reads(rule: Rule) -> list[Read]:
    """What is read below the resource to decide it."""
    found = [*rule.reads, *([rule.subject] if rule.subject is not None else [])]
    found += rule.resource_type.endpoint_reads if rule.lock else []
    return list(dict.fromkeys(found))


def page(rule: Rule) -> Iterator[Line]:
    """What `rules show` prints."""
    how = f"rated {_range(rule)} by exposure" if rule.category in LOCKS and rule.lock else rated(rule)
    yield Line(f"{rule.title} ({rule.category}; {how})", column=0)
    yield Line(rule.why, "Why")
    rows = [f"{type}, api {rule.resource_type.api}" for type in rule.resource_type.types]
    rows += [f"{read.type}, api {read.api}" for read in reads(rule)]
    for place, row in enumerate(rows):
        yield Line(row, "" if place else "Reads", whole=True)
    if rule.endpoints:
        yield Line(", ".join(rule.endpoints), "Endpoint")
    yield Line(_unknown(rule), "Unknown")
    yield from _fix(rule)
    if rule.controls:
        said = "; ".join(f"{framework} {', '.join(ids)}" for framework, ids in rule.controls.items())
        yield Line(said, "Controls")
    for place, reference in enumerate(rule.references):
        yield Line(reference, "" if place else "More", whole=True)
    if rule.costly:
        yield Line("costs many requests; it runs where --only names it", "Off")


def _range(rule: Rule) -> str:
    from scanner.model.exposure import Auth, Reach, cell

    auths = {"anonymous-access": [Auth.anonymous], "authentication": [Auth.shared]}.get(rule.category, list(Auth))
    kinds = {
        rule.resource_type.endpoint_kinds[name]
        for name in rule.resource_type.endpoint_kinds
        if rule.names(name) or name in rule.endpoints
    }
    wide = [Reach.wide, Reach.azure, Reach.internet] if rule.category == "network" else list(Reach)
    found = [cell(kind, auth, reach) for kind in kinds for auth in auths for reach in wide]
    rates = sorted({each for each in found if each is not None}, key=int)
    if not rates:
        return "by the endpoint,"
    return rates[0].name if len(rates) == 1 else f"{rates[0].name} to {Severity(rates[-1]).name}"


def _unknown(rule: Rule) -> str:
    names = sorted({named(f"/providers/a/b/c/{read.path}", {}).removesuffix(" of c") for read in reads(rule)})
    if not names:
        return "when a value that decides it was not returned"
    return f"when {', '.join(names)} could not be read, or a value that decides it was not returned"


def _fix(rule: Rule) -> Iterator[Line]:
    fix = rule.fix
    for label, text in (
        ("Fix", fix.az),
        ("First", fix.first_step),
        ("Bicep", fix.bicep),
        ("Terraform", fix.terraform),
        ("Portal", fix.portal),
    ):
        if text:
            yield Line(template(text), label, whole=text.startswith("az ") or label in ("Bicep", "Terraform"))
    if fix.impact:
        yield Line(fix.impact, "Breaks")


def template(text: str) -> str:
    """A command with words in capitals where a finding has names: `{top_id}` as `ID`."""
    return (
        re.sub(r"\{(?:top_)?(\w+)\}", lambda hit: hit[1].upper() if hit[1] != "top" else "NAME", text)
        .replace("{{", "{")
        .replace("}}", "}")
    )
