"""`twolocks rules test`: runs the examples of a rules folder, and checks its paths and `az` commands."""

import os
import sys
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain
from pathlib import Path

from msgspec import Struct, field

from scanner.azure.az_commands import NoAzureCli, refused
from scanner.cli.common import allow_python, show_broken, write_line
from scanner.config.settings import Settings
from scanner.content import content
from scanner.errors import InputError, nearest
from scanner.evaluate.examples import evaluate, shown
from scanner.fix.sample_commands import commands_of
from scanner.model.rule import Question, Rule, questions
from scanner.rulebook import derived
from scanner.rulebook.examples import Case, CaseFile, has_examples, read_cases, with_rules
from scanner.rulebook.loader import PATHS, RuleSet, load, match_whole, matches
from scanner.rulebook.pinned_paths import not_returned, read_pins, row_reads
from scanner.terminal.tables import table
from scanner.terminal.text import many

CASES = "cases"
DECIDED = ("pass", "fail")
MEMBERS = (
    *("properties", "sku", "identity", "tags", "kind", "location", "name", "type", "id", "zones", "plan"),
    *("managedBy", "extendedLocation", "systemData", "etag"),
)
"""The members of bodies of ARM."""
ALIKE = 0.8
"""How much alike two names are of which one is the other misspelt."""
SHOWN = 3
"""How many faults of a rule are printed."""


class Result(Struct):
    """How many examples of a rule were run, how many of them pass or fail, and what is wrong with it."""

    count: int = 0
    decided: int = 0
    faults: list[str] = field(default_factory=list)

    def row(self, id: str) -> tuple[str, str, str]:
        """Return the line of the rule."""
        if self.faults:
            more = f"; and {len(self.faults) - SHOWN} more" if len(self.faults) > SHOWN else ""
            return "fail", id, "; ".join(self.faults[:SHOWN]) + more
        if not self.decided:
            return "none", id, f"no example that passes or fails: write one in {CASES}/"
        return "ok", id, many(self.count, "example")


def run(settings: Settings, folder: str) -> int:
    """Print a line for each rule, and return the exit code. Raises InputError."""
    rules, tested, files = _loaded(Path(folder), run_code=settings["run-code"])
    chosen = questions(_chosen(rules, tested, settings))
    result = {id: Result() for id in chosen}
    if not tested and not rules.broken:
        raise InputError(f"{folder} has no rule", do="give a folder of rule files; folders below it are not read")
    for id, question in chosen.items():
        for rule in question.rules:
            _derived(rules, rule, files, result[id])
    _written(rules, files, result)
    for id, question in chosen.items():
        result[id].faults += dict.fromkeys(each for rule in question.rules for each in _never_decided(rule, result[id]))
    _paths(chosen, Path(folder), result)
    _commands(chosen, result)
    table([result.row(id) for id, result in sorted(result.items())], sys.stdout, os.environ)
    show_broken(rules.broken)
    return _ended(rules, list(result.values()))


def _ended(rules: RuleSet, results: list[Result]) -> int:
    failed = sum(1 for each in results if each.faults)
    none = sum(1 for each in results if not each.decided and not each.faults)
    examples = sum(each.count for each in results)
    text = f"{many(len(results), 'rule')}, {many(examples, 'example')}: {failed} failed"
    text += f", {none} without an example" if none else ""
    text += f", {len(rules.broken):,} not loaded" if rules.broken else ""
    write_line(f"{text}.")
    return 2 if rules.broken else 1 if failed else 0


def _loaded(folder: Path, *, run_code: bool) -> tuple[RuleSet, list[Rule], list[CaseFile]]:
    """Return all rules, those of the folder, and its files of examples. Raise InputError."""
    built_in = content("rules")
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", do="give a folder of rule files")
    if folder.resolve() == built_in:
        rules = load(packages=False)
        return rules, list(rules.rules.values()), _files(built_in, built_in.parent / "tests" / "rules" / CASES, rules)
    allow_python(folder, run_code=run_code)
    known = load(packages=False).rules
    rules = load(code=[folder], packages=False)
    return rules, [rule for id, rule in rules.rules.items() if id not in known], _files(folder, folder / CASES, rules)


def _files(folder: Path, cases: Path, rules: RuleSet) -> list[CaseFile]:
    """Return the examples of a folder of their own, and those that stand beside rows."""
    files = [read_cases(path) for path in sorted(cases.glob("*.toml"))]
    files += [read_cases(path, beside_rows=True) for path in sorted(folder.glob("*.toml")) if has_examples(path)]
    return [with_rules(each, rules.rules) for each in files]


def _chosen(rules: RuleSet, tested: list[Rule], settings: Settings) -> list[Rule]:
    for pattern in (*settings["only"], *settings["skip"]):
        rules.check(pattern)
    return [
        rule
        for rule in tested
        if (not settings["only"] or any(matches(rule, each) for each in settings["only"]))
        and not match_whole(rule, settings["skip"])
    ]


# Examples


def _derived(rules: RuleSet, rule: Rule, files: Sequence[CaseFile], result: Result) -> None:
    """Run the examples that follow from a row, and the empty resource, which must not pass without a source."""
    rules.enabled = {rule.key: rule}
    for case in derived.of_rule(rule, partial(_healthy, files), rules.key_finders()):
        result.count += 1
        result.decided += case.expect.get(rule.id) in DECIDED
        result.faults += _differences(case, rules, of=rule.id)
    safe = derived.safe([rule]).keys() | {key for each in files for key in each.safe}
    for type in rule.resource_type.types:
        empty = Case("", "an empty resource", type, {"properties": {}}, {}, read=False)
        if rule.id not in safe and _statuses(empty, rules).get(rule.id) == "pass":
            result.faults.append("passes on a resource without properties")


def _healthy(files: Sequence[CaseFile], type: str) -> Case:
    """Return the [[base]] of a type, else a resource of whose properties nothing is known."""
    return next((each.healthy[type.lower()] for each in files if type.lower() in each.healthy), derived.plain(type))


def _written(rules: RuleSet, files: Sequence[CaseFile], result: dict[str, Result]) -> None:
    """Run the examples of the files that name a rule of the folder."""
    rules.enabled = dict(rules.rules)
    for case in chain.from_iterable(each.cases for each in files):
        for id in case.expect:
            if not rules.all_named(id):
                near = nearest(id, rules.questions(), 1)
                raise InputError(
                    f'an example names no rule: "{id}"', at=case.id, do=f"nearest: {near[0]}" if near else ""
                )
        about = [id for id in case.expect if id in result]
        faults = _differences(case, rules) if about else []
        for id in about:
            result[id].count += 1
            result[id].decided += case.expect[id] in DECIDED
            result[id].faults += [each for each in faults if each.startswith((f"{id} ", "endpoint ", "crashed "))]


def _differences(case: Case, rules: RuleSet, of: str = "") -> list[str]:
    """Return how an example ended otherwise than it expects. `of`: the rule that need not be named."""
    name = case.name.removeprefix(f"{of}: ") if of else case.id
    try:
        statuses, exposures = evaluate(case, rules)
    except Exception as error:  # noqa: BLE001 - the code of a rule may raise anything
        return [f"crashed on {name}: {type(error).__name__}: {error}"]
    faults = []
    for id, status in case.expect.items():
        ended = statuses.get(id, "not evaluated")
        if ended != status:
            faults.append(f"{name}: {ended}, not {status}" if of else f"{id} in {name}: {ended}, not {status}")
    for endpoint, text in case.exposures.items():
        ended = shown(exposures[endpoint]) if endpoint in exposures else "not exposed"
        if ended != text:
            faults.append(f"endpoint {endpoint} in {name}: {ended}, not {text}")
    return faults


def _statuses(case: Case, rules: RuleSet) -> dict[str, str]:
    try:
        return evaluate(case, rules)[0]
    except Exception:  # noqa: BLE001 - the code of a rule may raise anything; a crash is no pass
        return {}


# Paths and commands


def _never_decided(rule: Rule, result: Result) -> list[str]:
    """Return why a rule is inconclusive on every resource, or reads no endpoint; [] where nothing says so."""
    if rule.lock:
        names = rule.resource_type.endpoint_names
        return [
            f'no endpoint of {rule.resource_type.type} is called "{pattern}"'
            for pattern in rule.endpoints
            if not any(fnmatchcase(name, pattern) or fnmatchcase(pattern, name) for name in names)
        ]
    faults = []
    for _, path in row_reads(rule):
        first, dot, _ = path.partition(".")
        near = nearest(first, MEMBERS, 1) if dot and first.lower() not in map(str.lower, MEMBERS) else []
        if near and SequenceMatcher(None, first.lower(), near[0].lower()).ratio() > ALIKE:
            faults.append(f'{path} is in no body: "{first}" (nearest: {near[0]})')
    if result.count and not result.decided:
        faults.append("it is inconclusive in every example, so it would be everywhere")
    return list(dict.fromkeys(faults))


def _paths(chosen: Mapping[str, Question], folder: Path, mapping: dict[str, Result]) -> None:
    pins = read_pins(folder / PATHS)
    for id, result in mapping.items():
        result.faults += dict.fromkeys(each for rule in chosen[id].rules for each in not_returned(rule, pins))


def _commands(chosen: Mapping[str, Question], mapping: dict[str, Result]) -> None:
    """Have the Azure CLI parse the commands of the fixes. Without it, say so."""
    commands = []
    for id, result in mapping.items():
        try:
            commands += [(id, command) for rule in chosen[id].rules for _, command in commands_of(rule)]
        except ValueError as error:
            result.faults.append(f"its fix is no template: {error}")
    try:
        for id, faults in refused(commands).items():
            mapping[id].faults += [f"az: {each}" for each in dict.fromkeys(faults)]
    except NoAzureCli as why:
        write_line(f"The az commands were not parsed: {why}.")
