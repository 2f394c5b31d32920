"""`twolocks reach`: finds resource and caller in a snapshot or live, queries `scanner.reach.query`, and prints."""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from scanner.cli.common import print_json, stopping
from scanner.config.settings import Settings
from scanner.document.schema import now
from scanner.errors import InputError, UserError, nearest
from scanner.evaluate.run import Evaluation
from scanner.exit_codes import FINE, INCOMPLETE
from scanner.model.addresses import PUBLIC_ADDRESSES, BadAddress, parse
from scanner.model.exposure import Exposure, Hop
from scanner.model.ids import name_of, root_of, segments, subscription_of, type_of
from scanner.model.json_paths import get_path, same
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.verdict import Unread
from scanner.output.storage import Storage
from scanner.reach.answers import ReachAnswer
from scanner.reach.callers import INTERNET, Caller, caller_of_resource
from scanner.reach.front_ends import PUBLISHER_PREFIXES
from scanner.reach.port_query import AskedPort, ask_port, endpoint_covers, internal_paths, parse_port, port_of_endpoint
from scanner.reach.public_addresses import public_addresses
from scanner.reach.query import ask_endpoint
from scanner.reach.topology import Topology, topology
from scanner.rulebook.kept import kept_paths
from scanner.rulebook.loader import RuleSet
from scanner.scan.job import key_of, load_rules
from scanner.scan.verifying import read_verified
from scanner.snapshot.bundles import Snapshot, of_store
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
SERVES = {
    "tds": 1433,
    "tds-public": 3342,
    "postgres": 5432,
    "mysql": 3306,
    "redis": 6380,
    "redis-plain": 6379,
    "ftp": 21,
    "sftp": 22,
    "file": 445,
    "nfs": 2049,
    "mqtt": 8883,
    "mongo": 10260,
}
"""The TCP ports of endpoints without a port in their name; all others use 443."""
_MACHINE = "microsoft.compute/virtualmachines"
_SCALE_SET = "microsoft.compute/virtualmachinescalesets"
_NAME = re.compile(r"[\w.() -]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Question:
    """The options of the command. `port` "": every endpoint."""

    resource: str
    source: str
    port: str


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
    if settings["from"]:
        storage = Storage(settings, stop.run, prompt=screen.tell, busy=screen.busy)
        with storage.reading(settings["from"], settings.at("from", settings["from"])) as path:
            found = answers(question, read_verified(storage, settings, path, key_of(settings)), rules)
    else:
        taken = of_store(_collected(question, rules, settings, screen, stop))
        found = answers(question, taken, rules)
    if settings["format"] == "json":
        print_json(found)
    else:
        for line in _lines(found):
            for row in line.render(width_of(sys.stdout), coloured(sys.stdout, {})):
                sys.stdout.write(row + "\n")
    if any(each.verdict == "not known" for each in found):
        screen.last([Line(f"Exit {INCOMPLETE}", column=0)])
        return INCOMPLETE
    return FINE


def _lines(found: Sequence[ReachAnswer]) -> Iterator[Line]:
    for each in found:
        yield Line(f"{each.verdict}: {each.sentence}", column=0, whole=True)
        for hop in each.hops:
            name = clean(SHORT.get(hop.kind, hop.name) if not hop.resource else hop.name)
            text = f"{WORDS[hop.allows]:<8}{name:<{NAME - 1}} {hop.detail}"
            yield Line(text.rstrip(), column=2, whole=True)
        for said in each.also_published:
            yield Line(f"{'also':<8}{clean(said)}", column=2, whole=True)


# Answers of a snapshot


def answers(question: Question, taken: Snapshot, rules: RuleSet) -> list[ReachAnswer]:
    """Return the answers for the endpoints of a resource. Raise InputError if it or the caller does not exist."""
    try:
        return _answers(question, taken, rules)
    except Unread as missing:
        name = name_of(question.resource)
        hop = Hop("resource", name, f"{missing.what}: {missing.why}", "", None)
        return [ReachAnswer("not known", f"{name} could not be assessed", (hop,))]


def _answers(question: Question, taken: Snapshot, rules: RuleSet) -> list[ReachAnswer]:
    evaluation = Evaluation(taken, rules)
    bundle, others, instances = _target(question, evaluation)
    topologies = topology(evaluation.index)
    caller = _caller(question.source, others, topologies)
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
    exposures, problem = evaluation.exposures(kind, top)
    if problem is not None:
        raise problem
    named = parse_port(question.port)
    if kind.path_function is None:
        chosen = [each for each in exposures if not question.port or _serves(each.endpoint, question.port, named)]
        if not chosen:
            ends = ", ".join(dict.fromkeys(each.endpoint for each in exposures))
            raise InputError(
                f"{top.name} has no endpoint on {question.port}", at=f"--port {question.port}", do=f"known: {ends}"
            )
        return [_with_front_ends(ask_endpoint(each, top, caller, evaluation.index), [each]) for each in chosen]
    if question.port and named is None:
        raise InputError(f'"{question.port}" is not a port', at=f"--port {question.port}", do="write tcp/22")
    missing: tuple[Unread, ...] = ()
    try:
        led, _, missing = kind.path_function(top, found)
    except Unread as stop:
        led, missing = [], (stop,)
    inside = internal_paths(caller, found, _nics(top)) if caller.in_network else []
    if named is not None:
        return [_with_front_ends(ask_port(named, [*inside, *led], missing, top, caller, found, exposures), exposures)]
    places = [(each.endpoint, each.address) for each in exposures if each.proven_reach or each.inconclusive]
    for path in inside:
        labels = [each.label for each in path.open_ranges(found.fabric)]
        places += [(label, path.front_end.address) for label in (["*/*"] if "*/*" in labels else labels)]
    ports = [(port_of_endpoint(label), address) for label, address in dict.fromkeys(places)]
    if not ports or missing:
        return [_with_front_ends(ask_endpoint(each, top, caller, evaluation.index), [each]) for each in exposures]
    every = [*inside, *led]
    found_at = [
        ask_port(
            port, [each for each in every if each.front_end.address == address], missing, top, caller, found, exposures
        )
        for port, address in ports
        if port is not None
    ]
    return [_with_front_ends(each, exposures) for each in found_at]


def _with_front_ends(found: ReachAnswer, exposures: Sequence[Exposure]) -> ReachAnswer:
    """Return the answer with other resources that publish these endpoints, in the words of the report."""
    published = dict.fromkeys(said for each in exposures for said in each.admits if said.startswith(PUBLISHER_PREFIXES))
    return replace(found, also_published=tuple(published))


def _serves(endpoint: str, text: str, named: AskedPort | None) -> bool:
    if same(endpoint, text):
        return True
    if named is None:
        return False
    if endpoint.startswith(("tcp/", "udp/", "*/")):
        return endpoint_covers(endpoint, named)
    return named.protocol == "tcp" and named.number == SERVES.get(endpoint.partition("/")[0], 443)


def _nics(machine: Resource) -> list[str]:
    """Return the ids of the network interfaces of a virtual machine; [] for any other resource."""
    if not same(machine.type, _MACHINE):
        return []
    value = machine.get("properties.networkProfile.networkInterfaces")
    ids = [get_path(each, "id") for each in value] if isinstance(value, list) else []
    return [each for each in ids if isinstance(each, str)]


# Finding resources by name


@dataclass(slots=True)
class _Matches:
    """What a snapshot has under the names of a query: resources with endpoints, callers, instances of scale sets.

    `judged`: the types (lower case) with endpoints; `uncovered`: the types without, of resources of the name.
    """

    question: Question
    judged: set[str]
    fits: dict[str, Bundle] = field(default_factory=dict)
    callers: list[Resource] = field(default_factory=list)
    instances: list[Resource] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    uncovered: set[str] = field(default_factory=set)

    def add(self, bundle: Bundle) -> None:
        named, type = _names(self.question.resource, bundle.id), type_of(bundle.id)
        if bundle.top is not None:
            self._add_top(bundle.top)
        if type.lower() in self.judged:
            self.names.add(bundle.id.rsplit("/", 1)[-1])
            if named:
                self.fits[bundle.id.lower()] = bundle
        elif named:
            self.uncovered.add(type)

    def _add_top(self, top: Resource) -> None:
        if _names(self.question.source, top.id):
            self.callers.append(top)
        owner = top.get("properties.virtualMachineScaleSet.id") if same(top.type, _MACHINE) else None
        if isinstance(owner, str) and _names(self.question.resource, owner):
            self.instances.append(top)


def _target(question: Question, evaluation: Evaluation) -> tuple[Bundle, list[Resource], list[Resource]]:
    """Return the bundle of the resource, the resources that the caller may be, and the instances of a scale set."""
    judged = {type for type, kinds in evaluation.kinds.items() if any(each.endpoint_function for each in kinds)}
    found = _Matches(question, judged)
    for bundle in evaluation.snapshot.bundles():
        found.add(bundle)
    fits = found.fits
    if question.resource.startswith("/") and len(fits) > 1:
        longest = max(fits, key=len)
        fits = {longest: fits[longest]}
    if len(fits) == 1:
        return next(iter(fits.values())), found.callers, found.instances
    if fits:
        raise _ambiguous(
            question.resource, [each.top.id if each.top else each.id for each in fits.values()], "RESOURCE"
        )
    asked = "/".join(type_of(question.resource).split("/")[:2]) if question.resource.startswith("/") else ""
    if asked and asked.lower() not in judged:
        found.uncovered.add(asked)
    raise _unknown_resource(question.resource, found.names, found.uncovered)


def _names(word: str, id: str) -> bool:
    """Return whether a word names a resource: its name, its id, or the id of something below it."""
    if not word.startswith("/"):
        return same(word, name_of(id))
    asked, own = segments(word), segments(id)
    return asked[: len(own)] == own


def _ambiguous(word: str, ids: Sequence[str], at: str) -> InputError:
    return InputError(
        f'"{word}" matches {len(ids)} resources', at=at, do=f"give the id: {', '.join(sorted(ids, key=str.lower)[:3])}"
    )


def _unknown_resource(word: str, names: set[str], uncovered: set[str]) -> InputError:
    """Return the error for a name without an endpoint. `uncovered`: the types of resources of that name."""
    short = name_of(word)
    if uncovered:
        return InputError(
            f"{short} is of a type without evaluated endpoints: {', '.join(sorted(uncovered))}",
            do="this is no verdict: whether it is reachable is not known to Twolocks",
        )
    known = {name.lower(): name for name in names}
    near = [known[each] for each in nearest(short, known)]
    if word.startswith("/") and type_of(root_of(word) or word) and not near:
        return InputError(f"no endpoint on {word}", do="give the id of a resource that was collected")
    do = f"nearest: {', '.join(near)}" if near else f"{len(names):,} resources with endpoints were collected"
    return InputError(f'no resource "{short}" with an endpoint', do=do)


def _caller(source: str, others: Sequence[Resource], found: Topology) -> Caller:
    """Return the caller: the internet, an address or range, or a resource."""
    if source.lower() in ("", "internet", "*"):
        return INTERNET
    try:
        addresses = parse(source)
    except BadAddress:
        return _inside_caller(source, others, found)
    if not PUBLIC_ADDRESSES.covers(addresses):
        raise InputError(
            f"{source} is not a public address; name an inside caller as a resource",
            at=f"--source {source}",
            do="give the name or id of a machine, a subnet or a network",
        )
    return Caller(source, addresses)


def _inside_caller(source: str, others: Sequence[Resource], found: Topology) -> Caller:
    fabric = found.fabric
    ids = {each.id.lower(): each.id for each in others}
    for known in (*fabric.nics, *fabric.subnets, *public_addresses(found.index)):
        if _exact(source, known):
            ids.setdefault(known, known)
    if not ids:
        names = {name_of(each) for each in (*fabric.nics, *fabric.subnets, *public_addresses(found.index))}
        near = nearest(name_of(source), names)
        hint = f"nearest: {', '.join(near)}; or " if near else ""
        raise InputError(
            f'"{source}" is not an address or a collected resource',
            at=f"--source {source}",
            do=f"{hint}internet, an address, or the name or id of a machine, a subnet or a network",
        )
    if len(ids) > 1:
        raise _ambiguous(source, list(ids.values()), f"--source {source}")
    id = next(iter(ids.values()))
    name = name_of(id)
    nics = _nics(others[0]) if others else []
    made = caller_of_resource(name, id, found, nics)
    if made is None:
        raise InputError(
            f"the network position of {name} is not known",
            at=f"--source {source}",
            do="give a machine, a network interface, a subnet, a network or a public address",
        )
    return made


def _exact(word: str, key: str) -> bool:
    return segments(word) == segments(key) if word.startswith("/") else same(word, name_of(key))


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
    judged = {type.lower() for kind in kinds for type in kind.types}
    async with connect(way, on_wait=screen.wait, prompt=screen.tell, on_request=screen.heard) as reader:
        store.header.cloud, store.header.principal = reader.cloud, reader.account.name
        finder = _IdFinder(reader, settings["subscription"])
        target = await finder.id(question.resource, judged, "RESOURCE")
        ids, beside = [target], []
        source = question.source
        if source and source.lower() not in ("internet", "*") and not _is_address(source):
            other = await finder.id(source, set(), f"--source {source}")
            beside.append(subscription_of(other))
            if type_of(root_of(other)).lower() == _MACHINE:
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


def _is_address(text: str) -> bool:
    try:
        parse(text)
    except BadAddress:
        return False
    return True


class _IdFinder:
    """Finds ids by name with one query of Resource Graph."""

    def __init__(self, reader: object, wanted: Sequence[str]) -> None:
        self.reader = reader
        self.wanted = wanted

    async def id(self, word: str, judged: set[str], at: str) -> str:
        """Return the id that a word names. Raise InputError."""
        if word.startswith("/"):
            return word
        if not _NAME.fullmatch(word):
            raise InputError(f'"{word}" is not a resource name', at=at, do="give its id")
        named = await self._query(f"resources | where name =~ '{word}' | project id | order by id asc")
        rows = [each for each in named if not judged or type_of(each).lower() in judged]
        if len(rows) == 1:
            return rows[0]
        if rows:
            raise _ambiguous(word, rows, at)
        every = await self._query("resources | project id | order by id asc")
        names = {name_of(each) for each in every if not judged or type_of(each).lower() in judged}
        raise _unknown_resource(word, names, {type_of(each) for each in named})

    async def _query(self, kql: str) -> list[str]:
        from scanner.azure.clients import AzureReader
        from scanner.azure.errors import ReadError

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
