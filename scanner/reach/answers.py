"""The answer to a reach query, and the sentences that answers share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from scanner.model.exposure import AUTH_NAMES, Auth, Exposure, Hop, authentication_clause
from scanner.model.ids import name_of
from scanner.model.resource import Resource
from scanner.model.verdict import NOT_LISTED, Unread
from scanner.reach.callers import Caller
from scanner.reach.peerings import MAY_PUBLISH

ReachVerdict = Literal["yes", "in part", "no", "not known"]
"""`in part`: a part of the addresses that the query names can connect."""


class ReachAnswer(Struct, frozen=True):
    """The answer for one endpoint: the sentence after the verdict, and the hops from the caller on.

    `endpoint`: its name, or the port; "" where the answer is about a whole resource.
    `also_published`: what else leads to the endpoint besides these hops: a gateway that publishes it, a name in DNS.
    """

    verdict: ReachVerdict
    sentence: str
    hops: tuple[Hop, ...]
    also_published: tuple[str, ...] = ()
    endpoint: str = ""


def unseen_text(exposures: Iterable[Exposure], caller: Caller) -> str:
    """Return a clause about what may allow outside callers and was not seen; "" without any."""
    if caller.in_network:
        return ""
    found = dict.fromkeys(each for exposure in exposures for each in exposure.admits if each.endswith(MAY_PUBLISH))
    return "".join(f"; {each}" for each in found)


def place_text(endpoint: str, top: Resource, *, opens: bool = False) -> str:
    return f"{'every' if opens else 'any'} port of {top.name}" if endpoint == "*/*" else f"{endpoint} on {top.name}"


def can_open(caller: Caller, place: str) -> str:
    return f"{caller.name} can open {place}"


def part_can_open(part: str, caller: Caller, place: str) -> str:
    return f"only {part} of {caller.name} can open {place}"


def cannot_open(caller: Caller, place: str) -> str:
    return f"{caller.name} cannot open {place}"


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
