"""The answer to a reach query, and the sentences that answers share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from scanner.model.addresses import NO_ADDRESSES, AddressSet, union
from scanner.model.exposure import AUTH_NAMES, Auth, Exposure, Hop, authentication_clause
from scanner.model.ids import name_of, subscription_of
from scanner.model.resource import Resource
from scanner.model.verdict import NOT_LISTED, Unread
from scanner.reach.networks.peerings import MAY_PUBLISH
from scanner.reach.questions.callers import Caller

ReachVerdict = Literal["yes", "in part", "no", "not known"]
"""`in part`: a part of the addresses that the query names can connect."""


class SenderAnswer(NamedTuple):
    """The answer for one sender of a caller."""

    verdict: ReachVerdict
    hops: tuple[Hop, ...] = ()
    missing: Unread | None = None
    overlap: AddressSet = NO_ADDRESSES
    """The addresses that can connect, where it is `in part`."""
    more: str = ""
    """A clause after a no."""


ORDER: Final[tuple[ReachVerdict, ...]] = ("yes", "in part", "not known", "no")


def combined(caller: Caller, ask: Callable[[Caller], SenderAnswer]) -> SenderAnswer:
    """Return the answer for a caller: of a machine its best sender counts, of a network or a subnet all of them."""
    if caller.in_network and not caller.senders:
        return unread_answer(caller.missing[0])
    matches = [(one, ask(one)) for one in caller.each()]
    best = min((each for _, each in matches), key=lambda each: ORDER.index(each.verdict))
    verdicts = {each.verdict for _, each in matches}
    if not caller.is_area:
        return unread_answer(caller.missing[0]) if best.verdict != "yes" and caller.missing else best
    if caller.missing:
        return unread_answer(caller.missing[0])
    if "not known" in verdicts:
        return next(each for _, each in matches if each.verdict == "not known")
    if len(verdicts) == 1:
        return best._replace(overlap=union(each.overlap for _, each in matches))
    overlap = union(one.private_addresses if each.verdict == "yes" else each.overlap for one, each in matches)
    return best._replace(verdict="in part", overlap=overlap)


def unread_answer(missing: Unread) -> SenderAnswer:
    """Return the answer for a part that was not read."""
    kind = next((each for each in _KINDS if f"/{each}s/" in missing.what.lower()), "")
    name = name_of(missing.what) if missing.what.startswith("/") else missing.what
    hop = Hop(_KINDS.get(kind, "path"), name, missing.why, missing.what if kind else "", None)
    return SenderAnswer("not known", (hop,), missing)


_KINDS: Final = {
    "networkinterface": "network-interface",
    "networksecuritygroup": "nic-nsg",
    "routetable": "route",
    "subnet": "subnet",
    "virtualnetwork": "network",
}


class ReachAnswer(Struct, frozen=True):
    """The answer for one endpoint: the sentence after the verdict, and the hops from the caller on."""

    verdict: ReachVerdict
    sentence: str
    hops: tuple[Hop, ...]
    also_published: tuple[str, ...] = ()
    """What else leads to the endpoint besides these hops: a gateway that publishes it, a name in DNS."""
    endpoint: str = ""
    """Its name, or the port; "" where the answer is about a whole resource."""
    next_step: str = ""
    """What would answer a question that is not known; "" without."""


def next_step(missing: Unread, caller: Caller) -> str:
    """Return what would tell what was not read or evaluated, as an instruction; "" where nothing is known to."""
    if missing.gap:
        return "run `twolocks access check` for the missing permission, grant it and scan again"
    if missing.why == NOT_LISTED and subscription_of(missing.what):
        return f"scan subscription {subscription_of(missing.what)} as a Reader, and ask again"
    if not caller.in_network:
        return ""
    if "route" in missing.what or "peering" in missing.why:
        return "az network nic show-effective-route-table, or test the connection with Network Watcher"
    return "test the connection with Network Watcher from the sender"


def unseen_text(exposures: Iterable[Exposure], caller: Caller) -> str:
    """Return a clause about what may allow outside callers and was not seen; "" without any."""
    if caller.in_network:
        return ""
    result = dict.fromkeys(each for exposure in exposures for each in exposure.admits if each.endswith(MAY_PUBLISH))
    return "".join(f"; {each}" for each in result)


def endpoint_text(endpoint: str, top: Resource, *, opens: bool = False) -> str:
    return f"{'every' if opens else 'any'} port of {top.name}" if endpoint == "*/*" else f"{endpoint} on {top.name}"


def can_open(caller: Caller, endpoint: str) -> str:
    return f"{caller.name} can open {endpoint}"


def overlap_can_open(overlap: str, caller: Caller, endpoint: str) -> str:
    return f"only {overlap} of {caller.name} can open {endpoint}"


def cannot_open(caller: Caller, endpoint: str) -> str:
    return f"{caller.name} cannot open {endpoint}"


def authentication_text(exposure: Exposure) -> str:
    authentication = exposure.authentication.widest
    clause = authentication_clause(authentication)
    if authentication is None or not authentication.description:
        return clause
    return f"{clause}; authentication: {AUTH_NAMES[Auth(authentication.level)]}"


def unread_text(missing: Unread, top: Resource) -> str:
    """Return a clause about an unread part: `the firewall rules of sqlfag could not be read`."""
    what = missing.what
    if " " in what:
        return f"{what}: {missing.why}"
    if what.startswith("/"):
        return f"{name_of(what)}, on the path to {top.name}, could not be assessed"
    name = what.rsplit(".", 1)[-1] if what.startswith("properties.") else name_of(what)
    spoken = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    if missing.gap or missing.why == NOT_LISTED:
        return f"the {spoken} of {top.name} could not be assessed"
    return f"{name} of {top.name}: {missing.why}"
