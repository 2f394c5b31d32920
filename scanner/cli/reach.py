"""`twolocks reach`: answers a query over a snapshot or live, and prints."""

import sys
from collections.abc import Iterator, Sequence

from scanner.cli.common import print_json, stopping
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.evaluate.reach_answers import answers
from scanner.evaluate.reach_targets import NotCovered, ReachQuestion
from scanner.evaluate.run import Evaluation
from scanner.exit_codes import FINE, INCOMPLETE
from scanner.output.storage import Storage
from scanner.reach.questions.answers import ReachAnswer
from scanner.reach.questions.port_query import parse_port
from scanner.rulebook.loader import RuleSet
from scanner.scan.job import load_rules, redaction_key_of
from scanner.scan.reach_reading import collected
from scanner.scan.verifying import read_verified
from scanner.snapshot.bundles import of_store
from scanner.snapshot.files import VERSION_1
from scanner.terminal.lines import Line, coloured, width_of
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop
from scanner.terminal.text import clean

NAME = 18
SHORT = {"firewall": "firewall", "switch": "public access", "no-nsg": "no network security group"}
"""Names of locks that are no resources of their own."""
WORDS = {True: "allows", False: "blocks", None: "unknown"}


def run(settings: Settings, resource: str) -> int:
    """Print the answers, and return the exit code. Raises InputError, and what a collection raises."""
    screen = Screen()
    with stopping(screen) as stop:
        return _ask(resource, settings, screen, stop)


def _ask(resource: str, settings: Settings, screen: Screen, stop: Stop) -> int:
    question = ReachQuestion(resource, settings["source"], settings["port"])
    rules = load_rules(settings, screen)
    named = parse_port(question.port)
    if "/" in question.port and named is None:
        raise InputError(f'"{question.port}" is not a port', at=f"--port {question.port}", do="write tcp/22")
    try:
        reach_answers = _answers(question, rules, settings, screen, stop)
    except NotCovered as error:
        reach_answers = [ReachAnswer("not known", error.what, ())]
    if settings["format"] == "json":
        print_json(reach_answers)
    else:
        _print(reach_answers)
    if any(each.verdict == "not known" for each in reach_answers):
        screen.last([Line(f"Exit {INCOMPLETE}", column=0)])
        return INCOMPLETE
    return FINE


def _answers(
    question: ReachQuestion, rules: RuleSet, settings: Settings, screen: Screen, stop: Stop
) -> list[ReachAnswer]:
    """Return the answers of a snapshot, or of Azure."""
    if settings["from"]:
        storage = Storage(settings, stop.run, prompt=screen.tell, busy=screen.busy)
        with storage.reading(settings["from"], settings.at("from", settings["from"])) as path:
            taken = read_verified(storage, settings, path, redaction_key_of(settings))
            screen.last([Line(note, "Note") for note in taken.header.notes if note == VERSION_1])
            return answers(question, Evaluation(taken, rules), taken.bundles())
    taken = of_store(collected(question, rules, settings, screen, stop))
    return answers(question, Evaluation(taken, rules), taken.bundles())


def _print(reach_answers: Sequence[ReachAnswer]) -> None:
    for line in _lines(reach_answers, not sys.stdout.isatty()):
        for row in line.render(width_of(sys.stdout), coloured(sys.stdout, {})):
            sys.stdout.write(row + "\n")


def _lines(reach_answers: Sequence[ReachAnswer], whole: bool) -> Iterator[Line]:
    """Yield the lines of the answers. `whole`: in a pipe, where none is wrapped."""
    for each in reach_answers:
        named = each.verdict == "not known" and each.endpoint and each.endpoint not in each.sentence
        prefix = f"{'every port' if each.endpoint == '*/*' else clean(each.endpoint)}: " if named else ""
        yield Line(f"{each.verdict}: {prefix}{each.sentence}", column=0, whole=whole)
        for hop in each.hops:
            name = clean(SHORT.get(hop.kind, hop.name) if not hop.resource else hop.name)
            text = f"{WORDS[hop.allows]:<8}{name:<{NAME - 1}} {hop.detail}"
            if whole:
                yield Line(text.rstrip(), column=2, whole=True)
            else:
                yield Line(hop.detail, f"  {WORDS[hop.allows]:<8}{name}", 2 + 8 + NAME)
        for message in each.also_published:
            yield Line(f"{'also':<8}{clean(message)}", column=2, whole=True)
        if each.next_step:
            yield Line(f"{'next':<8}{clean(each.next_step)}", column=2, whole=True)
