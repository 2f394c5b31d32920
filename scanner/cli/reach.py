"""`twolocks reach`: finds resource and caller in a snapshot or live, queries `scanner.reach.query`, and prints."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from scanner.cli.common import print_json, stopping
from scanner.cli.reach_names import (
    MACHINE,
    NotCovered,
    Question,
    ambiguous,
    find_caller,
    find_target,
    is_address,
    is_at,
    not_covered,
    unknown_resource,
)
from scanner.config.settings import Settings
from scanner.document.schema import now
from scanner.errors import InputError, UserError
from scanner.evaluate.hosts import host_of
from scanner.evaluate.run import Evaluation
from scanner.exit_codes import FINE, INCOMPLETE
from scanner.model.exposure import Exposure, Hop
from scanner.model.ids import name_of, root_of, subscription_of, type_of
from scanner.model.json_paths import same
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.verdict import Unread
from scanner.output.storage import Storage
from scanner.reach.answers import ReachAnswer
from scanner.reach.callers import Caller
from scanner.reach.front_ends import PUBLISHER_PREFIXES
from scanner.reach.paths import NetworkPath
from scanner.reach.port_query import AskedPort, ask_port, endpoint_covers, parse_port, port_of_endpoint
from scanner.reach.query import ask_endpoint
from scanner.reach.topology import Topology, topology
from scanner.rulebook.kept import kept_paths
from scanner.rulebook.loader import RuleSet
from scanner.scan.job import key_of, load_rules
from scanner.scan.sources import show_logins
from scanner.scan.verifying import read_verified
from scanner.snapshot.bundles import of_store
from scanner.snapshot.files import VERSION_1
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line, coloured, width_of
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop
from scanner.terminal.text import clean

NAME = 18
SHORT = {"firewall": "firewall", "switch": "public access", "no-nsg": "no network security group"}
"""Names of locks that are no resources of their own."""
WORDS = {True: "allows", False: "blocks", None: "unknown"}
_SCALE_SET = "microsoft.compute/virtualmachinescalesets"
_NAME = re.compile(r"[\w.() -]+", re.ASCII)


def run(settings: Settings, resource: str) -> int:
    """Print the answers, and return the exit code. Raises InputError, and what a collection raises."""
    screen = Screen()
    with stopping(screen) as stop:
        return _ask(resource, settings, screen, stop)


def _ask(resource: str, settings: Settings, screen: Screen, stop: Stop) -> int:
    question = Question(resource, settings["source"], settings["port"])
    rules = load_rules(settings, screen)
    named = parse_port(question.port)
    if "/" in question.port and named is None:
        raise InputError(f'"{question.port}" is not a port', at=f"--port {question.port}", do="write tcp/22")
    try:
        found = _found(question, rules, settings, screen, stop)
    except NotCovered as error:
        found = [ReachAnswer("not known", error.what, ())]
    if settings["format"] == "json":
        print_json(found)
    else:
        _print(found)
    if any(each.verdict == "not known" for each in found):
        screen.last([Line(f"Exit {INCOMPLETE}", column=0)])
        return INCOMPLETE
    return FINE


def _found(question: Question, rules: RuleSet, settings: Settings, screen: Screen, stop: Stop) -> list[ReachAnswer]:
    """Return the answers of a snapshot, or of Azure."""
    if settings["from"]:
        storage = Storage(settings, stop.run, prompt=screen.tell, busy=screen.busy)
        with storage.reading(settings["from"], settings.at("from", settings["from"])) as path:
            taken = read_verified(storage, settings, path, key_of(settings))
            screen.last([Line(note, "Note") for note in taken.header.notes if note == VERSION_1])
            return answers(question, Evaluation(taken, rules), taken.bundles())
    taken = of_store(_collected(question, rules, settings, screen, stop))
    return answers(question, Evaluation(taken, rules), taken.bundles())


def _print(found: Sequence[ReachAnswer]) -> None:
    for line in _lines(found, not sys.stdout.isatty()):
        for row in line.render(width_of(sys.stdout), coloured(sys.stdout, {})):
            sys.stdout.write(row + "\n")


def _lines(found: Sequence[ReachAnswer], whole: bool) -> Iterator[Line]:
    """Yield the lines of the answers. `whole`: in a pipe, where none is wrapped."""
    for each in found:
        named = each.verdict == "not known" and each.endpoint and each.endpoint not in each.sentence
        place = f"{'every port' if each.endpoint == '*/*' else clean(each.endpoint)}: " if named else ""
        yield Line(f"{each.verdict}: {place}{each.sentence}", column=0, whole=whole)
        for hop in each.hops:
            name = clean(SHORT.get(hop.kind, hop.name) if not hop.resource else hop.name)
            text = f"{WORDS[hop.allows]:<8}{name:<{NAME - 1}} {hop.detail}"
            if whole:
                yield Line(text.rstrip(), column=2, whole=True)
            else:
                yield Line(hop.detail, f"  {WORDS[hop.allows]:<8}{name}", 2 + 8 + NAME)
        for said in each.also_published:
            yield Line(f"{'also':<8}{clean(said)}", column=2, whole=True)
        if each.next_step:
            yield Line(f"{'next':<8}{clean(each.next_step)}", column=2, whole=True)


# Answers of a snapshot


def answers(question: Question, evaluation: Evaluation, bundles: Iterable[Bundle]) -> list[ReachAnswer]:
    """Return the answers for the endpoints of a resource. Raise InputError if it or the caller does not exist."""
    try:
        return _answers(question, evaluation, bundles)
    except NotCovered as error:
        return [ReachAnswer("not known", f"{error.what}{f'; {error.do}' if error.do else ''}", ())]
    except Unread as missing:
        name = name_of(question.resource)
        hop = Hop("resource", name, f"{missing.what}: {missing.why}", "", None)
        return [ReachAnswer("not known", f"{name} could not be assessed", (hop,))]


def _answers(question: Question, evaluation: Evaluation, bundles: Iterable[Bundle]) -> list[ReachAnswer]:
    bundle, others, instances = find_target(question, evaluation, bundles)
    topologies = topology(evaluation.index)
    caller = find_caller(question.source, others, topologies, evaluation)
    top = bundle.top
    if top is None:
        gap = next(iter(bundle.gaps.values()), None)
        why = gap.why() if gap is not None else "only parts of it were collected"
        name = name_of(bundle.id)
        hop = Hop("resource", name, why, bundle.id, None)
        return [ReachAnswer("not known", f"{name} could not be assessed", (hop,))]
    machines = [top]
    if same(top.type, _SCALE_SET) and same(top.get("properties.orchestrationMode"), "Flexible"):
        # Instances of a Flexible scale set are virtual machines of their own.
        machines = instances
        if not machines:
            why = "no virtual machine of this scale set was collected"
            hop = Hop("resource", top.name, why, top.id, None)
            return [ReachAnswer("not known", f"{top.name}: {why}", (hop,))]
    found = [(_kind_of(each, evaluation), each) for each in machines]
    return [line for kind, each in found for line in _of_kind(question, kind, each, caller, evaluation, topologies)]


def _kind_of(top: Resource, evaluation: Evaluation) -> ResourceType:
    return next(each for each in evaluation.kinds[top.type.lower()] if each.endpoint_function is not None)


def _of_kind(
    question: Question, kind: ResourceType, top: Resource, caller: Caller, evaluation: Evaluation, found: Topology
) -> list[ReachAnswer]:
    exposures = _exposures(question, kind, top, evaluation)
    named = parse_port(question.port)
    if kind.path_function is None:
        chosen = [each for each in exposures if not question.port or _serves(kind, each, question.port, named)]
        if not chosen and exposures:
            ends = ", ".join(dict.fromkeys(each.endpoint for each in exposures))
            raise InputError(
                f"{top.name} has no endpoint on {question.port}", at=f"--port {question.port}", do=f"known: {ends}"
            )
        if not exposures:
            return [ReachAnswer("no", f"{top.name} has no endpoint", ())]
        index = evaluation.index
        return [_of_exposure(each, ask_endpoint(each, top, caller, index, kind, named)) for each in chosen]
    if question.port and named is None:
        raise InputError(f'"{question.port}" is not a port', at=f"--port {question.port}", do="write tcp/22")
    return list(_of_machine(named, kind, top, caller, found, exposures))


def _of_machine(
    named: AskedPort | None,
    kind: ResourceType,
    top: Resource,
    caller: Caller,
    found: Topology,
    exposures: Sequence[Exposure],
) -> Iterator[ReachAnswer]:
    """Yield the answers for a resource whose endpoints are ports: for one port, or for each that may be open."""
    assert kind.path_function is not None
    missing: tuple[Unread, ...] = ()
    led: list[NetworkPath] = []
    inside: list[NetworkPath] = []
    published: dict[str, frozenset[int]] = {}
    try:
        led, published, missing = kind.path_function(top, found)
        inside = kind.inside_function(top, found) if caller.in_network and kind.inside_function is not None else []
    except Unread as stop:
        missing = (*missing, stop)
    every = [*inside, *led]
    if named is not None:
        yield _at_port(named, every, missing, top, caller, found, exposures, published)
        return
    places = [(each.endpoint, each.address) for each in exposures if each.proven_reach or each.inconclusive]
    for path in inside:
        labels = [each.label for each in path.open_ranges(found.fabric)]
        places += [(label, path.front_end.address) for label in (["*/*"] if "*/*" in labels else labels)]
    ports = [(port_of_endpoint(label), address) for label, address in dict.fromkeys(places)]
    if caller.in_network and (not ports or missing):
        yield _at_port(AskedPort("tcp", 0, "*/*"), every, missing, top, caller, found, exposures, published)
    elif not ports or missing:
        for each in exposures:
            yield _of_exposure(each, ask_endpoint(each, top, caller, found.index))
    else:
        for port, at in ports:
            if port is not None:
                there = [each for each in every if each.front_end.address == at]
                yield _at_port(port, there, missing, top, caller, found, exposures, published)


def _at_port(
    port: AskedPort,
    paths: Sequence[NetworkPath],
    missing: tuple[Unread, ...],
    top: Resource,
    caller: Caller,
    found: Topology,
    exposures: Sequence[Exposure],
    published: Mapping[str, frozenset[int]],
) -> ReachAnswer:
    """Return the answer for a port, with the gateways that call it and the DNS names that lead to the machine."""
    answer = ask_port(port, paths, missing, top, caller, found, exposures)
    called = [each for each, ports in published.items() if not ports or _is_called(port, ports)]
    return replace(answer, also_published=tuple(called), endpoint=f"{port.protocol}/{port.number}")


def _is_called(port: AskedPort, ports: frozenset[int]) -> bool:
    """Return whether a gateway that calls these TCP ports calls a port, or one of the range that it represents."""
    if port.name:
        return any(endpoint_covers(port.name, AskedPort("tcp", each)) for each in ports)
    return port.protocol == "tcp" and port.number in ports


def _exposures(question: Question, kind: ResourceType, top: Resource, evaluation: Evaluation) -> list[Exposure]:
    """Return the endpoints of a resource, of one that is named by a host those at the host."""
    exposures, problem = evaluation.exposures(kind, top)
    if problem is not None:
        raise problem
    if question.host and not same(question.resource, top.name):
        return [each for each in exposures if is_at(each, question.host)]
    return exposures


def _of_exposure(exposure: Exposure, found: ReachAnswer) -> ReachAnswer:
    """Return the answer with other resources that publish the endpoint, in the words of the report."""
    published = dict.fromkeys(each for each in exposure.admits if each.startswith(PUBLISHER_PREFIXES))
    return replace(found, also_published=tuple(published), endpoint=found.endpoint or exposure.endpoint)


def _serves(kind: ResourceType, exposure: Exposure, text: str, named: AskedPort | None) -> bool:
    """Return whether a text names an endpoint, or one of its ports."""
    if same(exposure.endpoint, text):
        return True
    ports = kind.ports_of(exposure)
    return named is not None and isinstance(ports, tuple) and any(endpoint_covers(each, named) for each in ports)


# Live


def _collected(question: Question, rules: RuleSet, settings: Settings, screen: Screen, stop: Stop) -> Store:
    kept = kept_paths(rules).listed()
    store = Store(Header(taken=now(), cloud=settings["cloud"], kept=kept, kept_tags=[]))
    screen.begin("Reading")
    try:
        stop.run(_read(question, rules, settings, screen, store))
    finally:
        screen.finish()
    return store


async def _read(question: Question, rules: RuleSet, settings: Settings, screen: Screen, store: Store) -> None:
    from scanner.azure.clients import ConnectionOptions, connect
    from scanner.collect.collector import Plan, Scope, collect

    way = ConnectionOptions.of(settings)
    kinds = [kind for kind in rules.kinds if kind.endpoint_function is not None]
    evaluated = {type.lower() for kind in kinds for type in kind.types}
    async with connect(way, on_wait=screen.wait, prompt=screen.tell, on_request=screen.heard) as reader:
        store.header.cloud, store.header.principal = reader.cloud, reader.account.name
        store.header.tenants = dict(reader.labels)
        show_logins(reader.labels, reader.notes, screen)
        finder = _IdFinder(reader, settings["subscription"])
        target = await finder.id(question.resource, evaluated, "RESOURCE")
        ids, beside = [target], []
        source = question.source
        if source and source.lower() not in ("internet", "*") and not is_address(source):
            other = await finder.id(source, set(), f"--source {source}")
            beside.append(subscription_of(other))
            if type_of(root_of(other)).lower() in (MACHINE, _SCALE_SET):
                ids.append(other)
        scope = Scope(
            resources=tuple(dict.fromkeys(ids)), index_subscriptions=tuple(dict.fromkeys(beside)), admin_rules=True
        )
        plan = Plan([*kinds, *_fronts(rules)], [*_reads(kinds), *rules.looked_up()])
        await collect(reader, scope, plan, store, screen)


def _fronts(rules: RuleSet) -> list[ResourceType]:
    """Return the resource types of which a child is looked up for others: Front Doors, API Management."""
    return [
        kind for kind in rules.kinds if kind.endpoint_function is None and any(each.always for each in kind.children)
    ]


def _reads(kinds: Sequence[ResourceType]) -> Iterator[Read]:
    """Yield what exposures read, parents first."""
    seen: set[int] = set()
    for kind in kinds:
        for child in kind.endpoint_reads:
            line = [child]
            while isinstance(line[-1].parent, Read):
                line.append(line[-1].parent)
            for each in reversed(line):
                if id(each) not in seen:
                    seen.add(id(each))
                    yield each


class _IdFinder:
    """Finds ids by name with one query of Resource Graph."""

    def __init__(self, reader: object, wanted: Sequence[str]) -> None:
        self.reader = reader
        self.wanted = wanted

    async def id(self, word: str, evaluated: set[str], at: str) -> str:
        """Return the id that a word names. Raise InputError."""
        if word.startswith("/"):
            return word
        if not _NAME.fullmatch(word):
            raise InputError(f'"{word}" is not a resource name', at=at, do="give its id")
        named = await self._query(f"resources | where name =~ '{word}' | project id | order by id asc")
        rows = [each for each in named if not evaluated or type_of(each).lower() in evaluated]
        if not rows and (label := host_of(word).partition(".")[0].removesuffix("-secondary")):
            # Most hosts begin with the name of their resource. Whether it has the host is known once it is read.
            own = await self._query(f"resources | where name =~ '{label}' | project id | order by id asc")
            rows = [each for each in own if type_of(each).lower() in evaluated]
        if len(rows) == 1:
            return rows[0]
        if rows:
            raise ambiguous(word, rows, at)
        every = await self._query("resources | project id | order by id asc")
        names = {name_of(each) for each in every if not evaluated or type_of(each).lower() in evaluated}
        if named:
            raise not_covered(word, {type_of(each).lower(): type_of(each) for each in named}.values())
        raise unknown_resource(word, names)

    async def _query(self, kql: str) -> list[str]:
        from scanner.azure.errors import ReadError
        from scanner.azure.reader import AzureReader

        reader = self.reader
        assert isinstance(reader, AzureReader)
        known = await reader.named(self.wanted) if self.wanted else await reader.subscriptions()
        try:
            rows = await reader.query(kql, [each.id for each in known if each.readable])
        except ReadError as error:
            raise UserError(
                f"Resource Graph cannot look up the name: {error.status} {error.code}",
                do="give the id of the resource",
                code=4,
            ) from error
        return [row["id"] for row in rows if isinstance(row.get("id"), str)]
