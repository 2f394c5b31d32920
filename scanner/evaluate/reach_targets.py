"""The resources that a reach query names: the target, the caller, the instances of a scale set."""

from collections.abc import Iterable, Sequence
from typing import cast

from msgspec import Struct, field

from scanner.errors import InputError, nearest
from scanner.evaluate.hosts import host_of
from scanner.evaluate.run import Evaluation
from scanner.model.addresses import PUBLIC_ADDRESSES, BadAddress, parse
from scanner.model.exposure import Exposure
from scanner.model.ids import is_subscription, name_of, root_of, segments, subscription_of, type_of
from scanner.model.json_paths import get_path, same
from scanner.model.message import Message
from scanner.model.resource import Bundle, Resource
from scanner.model.verdict import Unread, not_listed
from scanner.reach.networks.public_addresses import public_addresses
from scanner.reach.paths.topology import Topology, topology
from scanner.reach.questions.callers import INTERNET, Caller, caller_of_resource

MACHINE = "microsoft.compute/virtualmachines"
SCALE_SET = "microsoft.compute/virtualmachinescalesets"


class ReachQuestion(Struct, frozen=True):
    """The options of the command. `port` "": every endpoint."""

    resource: str
    source: str
    port: str

    @property
    def host(self) -> str:
        """Return the host name or the address that the resource is named by, in lower case; "" for another word."""
        word = self.resource.strip().lower().removesuffix(".")
        return host_of(word) or (word if is_address(word) else "")


def is_address(text: str) -> bool:
    """Return whether a text is an address, a network or a range."""
    try:
        parse(text)
    except BadAddress:
        return False
    return True


def is_at(exposure: Exposure, host: str) -> bool:
    """Return whether an endpoint has a host name or an address; a host "*.x" stands for each name of one label in x."""
    parent = host.partition(".")[2]
    return any(each.lower() in (host, f"*.{parent}") for each in (exposure.address, *exposure.hosts) if each)


class _Matches(Struct):
    """What a snapshot has under the names of a query: resources with endpoints, callers, instances.

    `judged`: the types (lower case) with endpoints; `uncovered`: the types without, by lower case, of resources of the
    name.
    """

    question: ReachQuestion
    judged: set[str]
    fits: dict[str, Bundle] = field(default_factory=dict)
    callers: list[Resource] = field(default_factory=list)
    instances: list[Resource] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    uncovered: dict[str, str] = field(default_factory=dict)
    uncovered_ids: list[str] = field(default_factory=list)
    related: list[str] = field(default_factory=list)
    """Names of resources with endpoints that are attached to an uncovered one."""
    at_host: dict[str, Bundle] = field(default_factory=dict)
    """Resources with an endpoint at the host that the query names."""

    def add(self, bundle: Bundle, evaluation: Evaluation) -> None:
        if is_subscription(bundle.id):
            return  # its id begins that of every resource in it
        named, type = _names(self.question.resource, bundle.id), type_of(bundle.id)
        if bundle.top is not None:
            self._add_top(bundle.top)
        if type.lower() in self.judged:
            self.names.add(bundle.id.rsplit("/", 1)[-1])
            if named:
                self.fits[bundle.id.lower()] = bundle
            elif self.question.host and _serves_host(bundle, self.question.host, evaluation):
                self.at_host[bundle.id.lower()] = bundle
            elif bundle.top is not None and any(_is_attached(bundle.top, each) for each in self.uncovered_ids):
                self.related.append(bundle.top.name)
        elif named:
            self.uncovered.setdefault(type.lower(), type)
            self.uncovered_ids.append(bundle.id.lower())

    def _add_top(self, top: Resource) -> None:
        if _names(self.question.source, top.id):
            self.callers.append(top)
        owner = top.get("properties.virtualMachineScaleSet.id") if same(top.type, MACHINE) else None
        if isinstance(owner, str) and _names(self.question.resource, owner):
            self.instances.append(top)


def find_target(
    question: ReachQuestion, evaluation: Evaluation, bundles: Iterable[Bundle]
) -> tuple[Bundle, list[Resource], list[Resource]]:
    """Return the bundle of the resource, the resources that the caller may be, and the instances of a scale set."""
    judged = {type for type, kinds in evaluation.kinds.items() if any(each.endpoint_function for each in kinds)}
    matches = _Matches(question, judged)
    nics = [id for id in topology(evaluation.index).fabric.nics if _exact(question.resource, id)]
    if nics:
        # The networks of the index hold these; they are not kept as bundles.
        matches.uncovered_ids += nics
        matches.uncovered["microsoft.network/networkinterfaces"] = "Microsoft.Network/networkInterfaces"
    for bundle in bundles:
        matches.add(bundle, evaluation)
    fits = matches.fits or matches.at_host
    if question.resource.startswith("/") and len(fits) > 1:
        longest = max(fits, key=len)
        fits = {longest: fits[longest]}
    if len(fits) == 1:
        return next(iter(fits.values())), matches.callers, matches.instances
    if fits:
        raise ambiguous(question.resource, [each.top.id if each.top else each.id for each in fits.values()], "RESOURCE")
    asked = "/".join(type_of(question.resource).split("/")[:2]) if question.resource.startswith("/") else ""
    if asked and asked.lower() not in judged:
        matches.uncovered.setdefault(asked.lower(), asked)
    if matches.uncovered:
        raise not_covered(question.resource, matches.uncovered.values(), matches.related)
    raise unknown_resource(question.resource, matches.names)


def _serves_host(bundle: Bundle, host: str, evaluation: Evaluation) -> bool:
    """Return whether a resource has an endpoint at a host or an address."""
    top = bundle.top
    if top is None:
        return False
    kinds = evaluation.kinds.get(top.type.lower(), ())
    return any(is_at(each, host) for kind in kinds for each in evaluation.exposures(kind, top)[0])


def _names(word: str, id: str) -> bool:
    """Return whether a word names a resource: its name, its id, or the id of something below it."""
    if not word.startswith("/"):
        return same(word, name_of(id))
    asked, segments_of_id = segments(word), segments(id)
    return asked[: len(segments_of_id)] == segments_of_id


def ambiguous(word: str, ids: Sequence[str], at: str) -> InputError:
    return InputError(
        f'"{word}" matches {len(ids)} resources', at=at, do=f"give the id: {', '.join(sorted(ids, key=str.lower)[:3])}"
    )


class NotCovered(InputError):
    """A resource of a type whose endpoints are not evaluated: the answer is `not known`."""


def not_covered(word: str, types: Iterable[str], related: Sequence[str] = ()) -> NotCovered:
    """Return the answer for a resource of these types. `related`: names of resources that it is attached to."""
    names = list(dict.fromkeys(related))
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    ask = f"it belongs to {', '.join(names[:3])}{more}: ask for that" if names else ""
    return NotCovered(f"{name_of(word)} is of a type without evaluated endpoints: {', '.join(sorted(types))}", do=ask)


def _is_attached(top: Resource, id: str) -> bool:
    """Return whether a resource holds an id (lower case), as far as its properties were kept."""
    try:
        return id in map(str.lower, _interfaces(top)) or _names_id(top.body, id)
    except Unread:
        return False


def _interfaces(machine: Resource) -> list[str]:
    value = machine.get("properties.networkProfile.networkInterfaces") if same(machine.type, MACHINE) else None
    ids = [get_path(each, "id") for each in value] if isinstance(value, list) else []
    return [each for each in ids if isinstance(each, str)]


def _names_id(value: object, id: str) -> bool:
    """Return whether JSON holds an id (lower case), or one below it."""
    if isinstance(value, dict):
        return any(_names_id(each, id) for each in value.values())
    if isinstance(value, list):
        return any(_names_id(each, id) for each in value)
    return isinstance(value, str) and (value.lower() == id or value.lower().startswith(f"{id}/"))


def unknown_resource(word: str, names: set[str]) -> InputError:
    """Return the error for a name without an endpoint."""
    short = name_of(word)
    known = {name.lower(): name for name in names}
    near = [known[each] for each in nearest(short, known)]
    if word.startswith("/") and type_of(root_of(word) or word) and not near:
        return InputError(f"no endpoint on {word}", do="give the id of a resource that was collected")
    do = f"nearest: {', '.join(near)}" if near else f"{len(names):,} resources with endpoints were collected"
    return InputError(f'no resource "{short}" with an endpoint', do=do)


def find_caller(source: str, others: Sequence[Resource], result: Topology, evaluation: Evaluation) -> Caller:
    """Return the caller: the internet, an address or range, or a resource."""
    if source.lower() in ("", "internet", "*"):
        return INTERNET
    try:
        addresses = parse(source)
    except BadAddress:
        return _inside_caller(source, others, result, evaluation)
    if not PUBLIC_ADDRESSES.covers(addresses):
        raise InputError(
            f"{source} is not a public address; name an inside caller as a resource",
            at=f"--source {source}",
            do="give the name or id of a machine, a subnet or a network",
        )
    return Caller(source, addresses)


def _inside_caller(source: str, others: Sequence[Resource], result: Topology, evaluation: Evaluation) -> Caller:
    fabric = result.fabric
    ids = {each.id.lower(): each.id for each in others}
    for known in (*fabric.nics, *fabric.subnets, *public_addresses(result.index)):
        if _exact(source, known):
            ids.setdefault(known, known)
    if not ids and source.startswith("/") and subscription_of(source):
        return Caller(name_of(source), missing=(not_listed(source),))
    if not ids:
        names = {name_of(each) for each in (*fabric.nics, *fabric.subnets, *public_addresses(result.index))}
        near = nearest(name_of(source), names)
        hint = f"nearest: {', '.join(near)}; or " if near else ""
        raise InputError(
            f'"{source}" is not an address or a collected resource',
            at=f"--source {source}",
            do=f"{hint}internet, an address, or the name or id of a machine, a subnet or a network",
        )
    if len(ids) > 1:
        raise ambiguous(source, list(ids.values()), f"--source {source}")
    id = next(iter(ids.values()))
    return _caller_of(id, others, result, evaluation)


def _caller_of(id: str, others: Sequence[Resource], result: Topology, evaluation: Evaluation) -> Caller:
    """Return the resource of an id as a caller; one whose place is not known is not known as a whole."""
    name = name_of(id)
    try:
        kinds = evaluation.kinds.get(others[0].type.lower(), ()) if others else ()
        sender_function = next((each.sender_function for each in kinds if each.sender_function is not None), None)
        made = (
            sender_function(others[0], result) if sender_function is not None else caller_of_resource(name, id, result)
        )
    except Unread as missing:
        return Caller(name, missing=(Unread(f"{name} {missing.what}", missing.why, missing.gap),))
    if made is not None:
        return cast("Caller", made)
    why = Message(
        "its subnet and its addresses are not known; ask for a machine, a network interface, a subnet or a network"
    )
    return Caller(name, missing=(Unread(f"the network position of {name}", why),))


def _exact(word: str, key: str) -> bool:
    return segments(word) == segments(key) if word.startswith("/") else same(word, name_of(key))
