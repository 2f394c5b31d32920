"""`twolocks reach`: finds resource and caller in a snapshot or live, asks `scanner.reach.query`, and prints."""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scanner.config.settings import Settings
from scanner.errors import InputError, UserError, nearest
from scanner.evaluate.run import Evaluation, now
from scanner.exit_codes import FINE, INCOMPLETE
from scanner.model.addresses import PUBLIC, BadAddress, parse
from scanner.model.exposure import Exposure, Hop
from scanner.model.ids import root_of, segments, subscription_of, type_of
from scanner.model.json_paths import get_path, same
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.verdict import Unread
from scanner.output.storage import Storage
from scanner.reach import query as answer
from scanner.reach.front_ends import IN_FRONT
from scanner.reach.query import INTERNET, Answer, Caller, Port
from scanner.reach.topology import Topology, topology
from scanner.rulebook.loader import RuleSet, load
from scanner.snapshot import files as snapshot
from scanner.snapshot.files import Snapshot, Store
from scanner.terminal.screen import Line, Screen, clean, coloured, width_of
from scanner.terminal.signals import Stop

NAME = 18
SHORT = {"firewall": "firewall", "switch": "public access", "no-nsg": "no group"}
"""Names of locks that are no resources of their own."""
WORDS = {True: "lets", False: "holds", None: "?"}
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
"""The TCP port of endpoints that are not named by it; the others answer on 443."""
_NAME = re.compile(r"[\w.() -]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, as it was given; `port` None: every endpoint."""

    resource: str
    source: str
    port: str


def ask(resource: str, settings: Settings, screen: Screen, stop: Stop) -> int:
    """Answer on standard output; the exit code. Raises InputError, and what a collection raises."""
    question = Question(resource, settings["source"], settings["port"])
    rules = load()
    named = answer.port(question.port)
    if "/" in question.port and named is None:
        raise InputError(f'"{question.port}" is no port', at=f"--port {question.port}", do="write tcp/22")
    if settings["from"]:
        storage = Storage(settings, stop.run, tell=screen.tell, busy=screen.busy)
        with storage.reading(settings["from"], settings.at("from", settings["from"])) as path:
            found = answers(question, snapshot.read(path), rules)
    else:
        taken = snapshot.of_store(_collected(question, rules, settings, screen, stop))
        found = answers(question, taken, rules)
    for line in _lines(found):
        for row in line.render(width_of(sys.stdout), coloured(sys.stdout, {})):
            sys.stdout.write(row + "\n")
    if any(each.verdict == "not known" for each in found):
        screen.last([Line(f"Exit {INCOMPLETE}", column=0)])
        return INCOMPLETE
    return FINE


def _lines(found: Sequence[Answer]) -> Iterator[Line]:
    for each in found:
        yield Line(f"{each.verdict}: {each.says}", column=0, whole=True)
        for hop in each.hops:
            name = clean(SHORT.get(hop.kind, hop.name) if not hop.resource else hop.name)
            text = f"{WORDS[hop.lets]:<7}{name:<{NAME - 1}} {hop.detail}"
            yield Line(text.rstrip(), column=2, whole=True)
        for said in each.beside:
            yield Line(f"{'also':<7}{clean(said)}", column=2, whole=True)


# Answers of a snapshot


def answers(question: Question, taken: Snapshot, rules: RuleSet) -> list[Answer]:
    """The answers for the endpoints of a resource. Raises InputError where it is not there, or the caller is not."""
    evaluation = Evaluation(taken, rules)
    bundle, others = _found(question, evaluation)
    topologies = topology(evaluation.index)
    caller = _caller(question.source, others, topologies)
    top = bundle.top
    if top is None:
        gap = next(iter(bundle.gaps.values()), None)
        why = gap.why() if gap is not None else "only parts of it were read"
        name = bundle.id.rsplit("/", 1)[-1]
        hop = Hop("resource", name, why, bundle.id, None)
        return [Answer("not known", f"{name} could not be read", (hop,))]
    kind = next(each for each in evaluation.kinds[top.type.lower()] if each.endpoint_function is not None)
    return _of_kind(question, kind, top, caller, evaluation, topologies)


def _of_kind(
    question: Question, kind: ResourceType, top: Resource, caller: Caller, evaluation: Evaluation, found: Topology
) -> list[Answer]:
    exposures, problem = evaluation.exposures(kind, top)
    if problem is not None:
        raise problem
    named = answer.port(question.port)
    if kind.path_function is None:
        chosen = [each for each in exposures if not question.port or _serves(each.endpoint, question.port, named)]
        if not chosen:
            ends = ", ".join(dict.fromkeys(each.endpoint for each in exposures))
            raise InputError(
                f"{top.name} has no endpoint on {question.port}", at=f"--port {question.port}", do=f"known: {ends}"
            )
        return [_beside(answer.at_endpoint(each, top, caller, evaluation.index), [each]) for each in chosen]
    if question.port and named is None:
        raise InputError(f'"{question.port}" is no port', at=f"--port {question.port}", do="write tcp/22")
    missing: tuple[Unread, ...] = ()
    try:
        led, _, missing = kind.path_function(top, found)
    except Unread as stop:
        led, missing = [], (stop,)
    inside = answer.from_inside(caller, found, _nics(top)) if caller.inside else []
    if named is not None:
        return [_beside(answer.at_port(named, [*inside, *led], missing, top, caller, found, exposures), exposures)]
    places = [(each.endpoint, each.address) for each in exposures if each.proven_reach or each.undecided]
    for path in inside:
        labels = [each.label for each in path.openings(found.fabric)]
        places += [(label, path.front.address) for label in (["*/*"] if "*/*" in labels else labels)]
    ports = [(answer.of_endpoint(label), address) for label, address in dict.fromkeys(places)]
    if not ports or missing:
        return [_beside(answer.at_endpoint(each, top, caller, evaluation.index), [each]) for each in exposures]
    every = [*inside, *led]
    found_at = [
        answer.at_port(
            port, [each for each in every if each.front.address == address], missing, top, caller, found, exposures
        )
        for port, address in ports
        if port is not None
    ]
    return [_beside(each, exposures) for each in found_at]


def _beside(found: Answer, exposures: Sequence[Exposure]) -> Answer:
    """The answer with what else leads to these endpoints, as the report tells it."""
    told = dict.fromkeys(said for each in exposures for said in each.admits if said.startswith(IN_FRONT))
    return replace(found, beside=tuple(told))


def _serves(endpoint: str, text: str, named: Port | None) -> bool:
    if same(endpoint, text):
        return True
    if named is None:
        return False
    if endpoint.startswith(("tcp/", "udp/", "*/")):
        return answer.covers(endpoint, named)
    return named.protocol == "tcp" and named.number == SERVES.get(endpoint.partition("/")[0], 443)


def _nics(machine: Resource) -> list[str]:
    value = machine.get("properties.networkProfile.networkInterfaces")
    ids = [get_path(each, "id") for each in value] if isinstance(value, list) else []
    return [each for each in ids if isinstance(each, str)]


# Finding what was named


def _found(question: Question, evaluation: Evaluation) -> tuple[Bundle, list[Resource]]:
    """The bundle of the resource, and the resources that the caller may be."""
    judged = {type for type, kinds in evaluation.kinds.items() if any(each.endpoint_function for each in kinds)}
    fits: dict[str, Bundle] = {}
    others: list[Resource] = []
    names: set[str] = set()
    for bundle in evaluation.snapshot.bundles():
        top = bundle.top
        if top is not None and _names(question.source, top.id):
            others.append(top)
        if type_of(bundle.id).lower() in judged:
            names.add(bundle.id.rsplit("/", 1)[-1])
            if _names(question.resource, bundle.id):
                fits[bundle.id.lower()] = bundle
    if question.resource.startswith("/") and len(fits) > 1:
        longest = max(fits, key=len)
        fits = {longest: fits[longest]}
    if len(fits) == 1:
        return next(iter(fits.values())), others
    if fits:
        raise _several(question.resource, [each.top.id if each.top else each.id for each in fits.values()], "RESOURCE")
    raise _nothing(question.resource, names)


def _names(word: str, id: str) -> bool:
    """Whether a word names a resource: its name, its id, or the id of something below it."""
    if not word.startswith("/"):
        return same(word, id.rsplit("/", 1)[-1])
    asked, own = segments(word), segments(id)
    return asked[: len(own)] == own


def _several(word: str, ids: Sequence[str], at: str) -> InputError:
    return InputError(
        f'"{word}" names {len(ids)} resources', at=at, do=f"give the id: {', '.join(sorted(ids, key=str.lower)[:3])}"
    )


def _nothing(word: str, names: set[str]) -> InputError:
    short = word.rstrip("/").rsplit("/", 1)[-1]
    known = {name.lower(): name for name in names}
    near = [known[each] for each in nearest(short, known)]
    if word.startswith("/") and type_of(root_of(word) or word) and not near:
        return InputError(f"there is no endpoint on {word}", do="give the id of a resource that was read")
    do = f"nearest: {', '.join(near)}" if near else f"{len(names):,} resources with endpoints are known here"
    return InputError(f'there is no resource "{short}" with an endpoint', do=do)


def _caller(source: str, others: Sequence[Resource], found: Topology) -> Caller:
    """Who calls: the internet, an address or range, or a resource."""
    if source.lower() in ("", "internet", "*"):
        return INTERNET
    try:
        addresses = parse(source)
    except BadAddress:
        return _standing(source, others, found)
    if not PUBLIC.covers(addresses):
        raise InputError(
            f"{source} is no public address: who calls from inside is a resource",
            at=f"--source {source}",
            do="give the name or id of a machine, a subnet or a network",
        )
    return Caller(source, addresses)


def _standing(source: str, others: Sequence[Resource], found: Topology) -> Caller:
    fabric = found.fabric
    ids = {each.id.lower(): each.id for each in others}
    for known in (*fabric.nics, *fabric.subnets, *(found.publics)):
        if _exact(source, known):
            ids.setdefault(known, known)
    if not ids:
        names = {each.rsplit("/", 1)[-1] for each in (*fabric.nics, *fabric.subnets, *found.publics)}
        near = nearest(source.rsplit("/", 1)[-1], names)
        hint = f"nearest: {', '.join(near)}; or " if near else ""
        raise InputError(
            f'"{source}" is no address and no resource that is known here',
            at=f"--source {source}",
            do=f"{hint}internet, an address, or the name or id of a machine, a subnet or a network",
        )
    if len(ids) > 1:
        raise _several(source, list(ids.values()), f"--source {source}")
    id = next(iter(ids.values()))
    name = id.rsplit("/", 1)[-1]
    nics = _nics(others[0]) if others else []
    made = answer.standing(name, id, found, nics)
    if made is None:
        raise InputError(
            f"where {name} stands in a network is not known here",
            at=f"--source {source}",
            do="give a machine, a network interface, a subnet, a network or a public address",
        )
    return made


def _exact(word: str, key: str) -> bool:
    return segments(word) == segments(key) if word.startswith("/") else same(word, key.rsplit("/", 1)[-1])


# Live


def _collected(question: Question, rules: RuleSet, settings: Settings, screen: Screen, stop: Stop) -> Store:
    store = Store(snapshot.Head(taken=now(), cloud=settings["cloud"]))
    screen.begin("Reading")
    try:
        stop.run(_read(question, rules, settings, screen, store))
    finally:
        screen.finish()
    return store


async def _read(question: Question, rules: RuleSet, settings: Settings, screen: Screen, store: Store) -> None:
    from scanner.azure.clients import Way, connect
    from scanner.collect.collector import Plan, Scope, collect

    way = Way.of(settings)
    kinds = [kind for kind in rules.kinds if kind.endpoint_function is not None]
    judged = {type.lower() for kind in kinds for type in kind.types}
    async with connect(way, wait=screen.wait, tell=screen.tell, heard=screen.heard) as reader:
        store.head.cloud, store.head.principal = reader.cloud, reader.account.name
        finder = _Finder(reader, settings["subscription"])
        target = await finder.id(question.resource, judged, "RESOURCE")
        ids, beside = [target], []
        source = question.source
        if source and source.lower() not in ("internet", "*") and not _is_address(source):
            other = await finder.id(source, set(), f"--source {source}")
            beside.append(subscription_of(other))
            if type_of(root_of(other)).lower() in _MACHINES:
                ids.append(other)
        scope = Scope(resources=tuple(dict.fromkeys(ids)), beside=tuple(dict.fromkeys(beside)), chained=True)
        plan = Plan([*kinds, *_fronts(rules)], [*_reads(kinds), *rules.looked_up()])
        await collect(reader, scope, plan, store, screen)


_MACHINES = ("microsoft.compute/virtualmachines",)


def _fronts(rules: RuleSet) -> list[ResourceType]:
    """The kinds of which something below is looked up for others: Front Doors, API Management."""
    return [
        kind for kind in rules.kinds if kind.endpoint_function is None and any(each.always for each in kind.children)
    ]


def _reads(kinds: Sequence[ResourceType]) -> Iterator[Read]:
    """What exposures read, parents first."""
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


class _Finder:
    """Finds ids by name with one query of Resource Graph."""

    def __init__(self, reader: object, wanted: Sequence[str]) -> None:
        self.reader = reader
        self.wanted = wanted

    async def id(self, word: str, judged: set[str], at: str) -> str:
        """The id that a word names. Raises InputError."""
        if word.startswith("/"):
            return word
        if not _NAME.fullmatch(word):
            raise InputError(f'"{word}" is no name of a resource', at=at, do="give its id")
        rows = await self._query(f"resources | where name =~ '{word}' | project id | order by id asc")
        if judged:
            rows = [each for each in rows if type_of(each).lower() in judged]
        if len(rows) == 1:
            return rows[0]
        if rows:
            raise _several(word, rows, at)
        every = await self._query("resources | project id | order by id asc")
        names = {each.rsplit("/", 1)[-1] for each in every if not judged or type_of(each).lower() in judged}
        raise _nothing(word, names)

    async def _query(self, kql: str) -> list[str]:
        from scanner.azure.clients import Reader
        from scanner.azure.errors import ReadError

        reader = self.reader
        assert isinstance(reader, Reader)
        known = await reader.named(self.wanted) if self.wanted else await reader.subscriptions()
        try:
            rows = await reader.query(kql, [each.id for each in known if each.readable])
        except ReadError as error:
            raise UserError(
                f"Resource Graph cannot be asked for the name: {error.status} {error.code}",
                do="give the id of the resource",
                code=4,
            ) from error
        return [row["id"] for row in rows if isinstance(row.get("id"), str)]


__all__ = ["Question", "answers", "ask"]
