"""The answers to a reach query, for the endpoints of a resource among those of a snapshot."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from scanner.errors import InputError
from scanner.evaluate.reach_targets import SCALE_SET, NotCovered, ReachQuestion, find_caller, find_target, is_at
from scanner.evaluate.run import Evaluation
from scanner.model.exposure import Exposure, Hop
from scanner.model.ids import name_of
from scanner.model.json_paths import same
from scanner.model.message import Message
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import ResourceType
from scanner.model.verdict import Unread
from scanner.reach.paths.front_ends import PUBLISHER_PREFIXES
from scanner.reach.paths.network_paths import NetworkPath
from scanner.reach.paths.topology import Topology, topology
from scanner.reach.questions.answers import ReachAnswer
from scanner.reach.questions.callers import Caller
from scanner.reach.questions.port_query import AskedPort, ask_port, endpoint_covers, parse_port, port_of_endpoint
from scanner.reach.questions.query import ask_endpoint


def answers(question: ReachQuestion, evaluation: Evaluation, bundles: Iterable[Bundle]) -> list[ReachAnswer]:
    """Return the answers for the endpoints of a resource. Raise InputError if it or the caller does not exist."""
    try:
        return _answers(question, evaluation, bundles)
    except NotCovered as error:
        return [ReachAnswer("not known", f"{error.what}{f'; {error.do}' if error.do else ''}", ())]
    except Unread as missing:
        name = name_of(question.resource)
        hop = Hop("resource", name, Message("{what}: {why}", what=missing.what, why=missing.why), "", None)
        return [ReachAnswer("not known", f"{name} could not be assessed", (hop,))]


def _answers(question: ReachQuestion, evaluation: Evaluation, bundles: Iterable[Bundle]) -> list[ReachAnswer]:
    bundle, others, instances = find_target(question, evaluation, bundles)
    topologies = topology(evaluation.index)
    caller = find_caller(question.source, others, topologies, evaluation)
    top = bundle.top
    if top is None:
        gap = next(iter(bundle.gaps.values()), None)
        why = gap.why() if gap is not None else Message("only parts of it were collected")
        name = name_of(bundle.id)
        hop = Hop("resource", name, why, bundle.id, None)
        return [ReachAnswer("not known", f"{name} could not be assessed", (hop,))]
    machines = [top]
    if same(top.type, SCALE_SET) and same(top.get("properties.orchestrationMode"), "Flexible"):
        # Instances of a Flexible scale set are virtual machines of their own.
        machines = instances
        if not machines:
            why = Message("no virtual machine of this scale set was collected")
            hop = Hop("resource", top.name, why, top.id, None)
            return [ReachAnswer("not known", f"{top.name}: {why}", (hop,))]
    matches = [(_kind_of(each, evaluation), each) for each in machines]
    return [line for kind, each in matches for line in _of_kind(question, kind, each, caller, evaluation, topologies)]


def _kind_of(top: Resource, evaluation: Evaluation) -> ResourceType:
    return next(each for each in evaluation.kinds[top.type.lower()] if each.endpoint_function is not None)


def _of_kind(
    question: ReachQuestion, kind: ResourceType, top: Resource, caller: Caller, evaluation: Evaluation, result: Topology
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
    return list(_of_machine(named, kind, top, caller, result, exposures))


def _of_machine(
    named: AskedPort | None,
    kind: ResourceType,
    top: Resource,
    caller: Caller,
    result: Topology,
    exposures: Sequence[Exposure],
) -> Iterator[ReachAnswer]:
    """Yield the answers for a resource whose endpoints are ports: for one port, or for each that may be open."""
    assert kind.path_function is not None
    missing: tuple[Unread, ...] = ()
    led: list[NetworkPath] = []
    inside: list[NetworkPath] = []
    published: dict[str, frozenset[int]] = {}
    try:
        led, published, missing = kind.path_function(top, result)
        inside = kind.inside_function(top, result) if caller.in_network and kind.inside_function is not None else []
    except Unread as stop:
        missing = (*missing, stop)
    every = [*inside, *led]
    if named is not None:
        yield _at_port(named, every, missing, top, caller, result, exposures, published)
        return
    addresses = [(each.endpoint, each.address) for each in exposures if each.proven_reach or each.inconclusive]
    for path in inside:
        labels = [each.label for each in path.open_ranges(result.fabric)]
        addresses += [(label, path.front_end.address) for label in (["*/*"] if "*/*" in labels else labels)]
    ports = [(port_of_endpoint(label), address) for label, address in dict.fromkeys(addresses)]
    if caller.in_network and (not ports or missing):
        yield _at_port(AskedPort("tcp", 0, "*/*"), every, missing, top, caller, result, exposures, published)
    elif not ports or missing:
        for each in exposures:
            yield _of_exposure(each, ask_endpoint(each, top, caller, result.index))
    else:
        for port, at in ports:
            if port is not None:
                there = [each for each in every if each.front_end.address == at]
                yield _at_port(port, there, missing, top, caller, result, exposures, published)


def _at_port(
    port: AskedPort,
    paths: Sequence[NetworkPath],
    missing: tuple[Unread, ...],
    top: Resource,
    caller: Caller,
    result: Topology,
    exposures: Sequence[Exposure],
    published: Mapping[str, frozenset[int]],
) -> ReachAnswer:
    """Return the answer for a port, with the gateways that call it and the DNS names that lead to the machine."""
    answer = ask_port(port, paths, missing, top, caller, result, exposures)
    called = [each for each, ports in published.items() if not ports or _is_called(port, ports)]
    return replace(answer, also_published=tuple(called), endpoint=f"{port.protocol}/{port.number}")


def _is_called(port: AskedPort, ports: frozenset[int]) -> bool:
    """Return whether a gateway that calls these TCP ports calls a port, or one of the range that it represents."""
    if port.name:
        return any(endpoint_covers(port.name, AskedPort("tcp", each)) for each in ports)
    return port.protocol == "tcp" and port.number in ports


def _exposures(question: ReachQuestion, kind: ResourceType, top: Resource, evaluation: Evaluation) -> list[Exposure]:
    """Return the endpoints of a resource, of one that is named by a host those at the host."""
    exposures, problem = evaluation.exposures(kind, top)
    if problem is not None:
        raise problem
    if question.host and not same(question.resource, top.name):
        return [each for each in exposures if is_at(each, question.host)]
    return exposures


def _of_exposure(exposure: Exposure, reach_answer: ReachAnswer) -> ReachAnswer:
    """Return the answer with other resources that publish the endpoint, in the words of the report."""
    published = dict.fromkeys(each for each in exposure.admits if each.startswith(PUBLISHER_PREFIXES))
    return replace(reach_answer, also_published=tuple(published), endpoint=reach_answer.endpoint or exposure.endpoint)


def _serves(kind: ResourceType, exposure: Exposure, text: str, named: AskedPort | None) -> bool:
    """Return whether a text names an endpoint, or one of its ports."""
    if same(exposure.endpoint, text):
        return True
    ports = kind.ports_of(exposure)
    return named is not None and isinstance(ports, tuple) and any(endpoint_covers(each, named) for each in ports)
