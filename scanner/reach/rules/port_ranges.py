"""Protocol and port of a packet as places on one line, so that sets of them are sorted intervals.

TCP's ports come first, then UDP's, then one place each for the protocols without ports. A set of places has the form of
one IP version of an `AddressSet`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, TypeAlias

from scanner.model.message import Message

Span: TypeAlias = tuple[int, int]
Spans: TypeAlias = tuple[Span, ...]
Protocol: TypeAlias = Literal["tcp", "udp", "icmp", "esp", "ah"]

PORTS: Final = 65536
LAST_PORT: Final = PORTS - 1
ALL_PORTS: Final[Spans] = ((0, LAST_PORT),)

_STARTS: Final[dict[Protocol, int]] = {
    "tcp": 0,
    "udp": PORTS,
    "icmp": 2 * PORTS,
    "esp": 2 * PORTS + 1,
    "ah": 2 * PORTS + 2,
}
END: Final = 2 * PORTS + 3
"""The first place after the line."""
WITH_PORTS: Final[tuple[Protocol, ...]] = ("tcp", "udp")
WITHOUT_PORTS: Final[tuple[Protocol, ...]] = ("icmp", "esp", "ah")
CONNECTIONS: Final = 2 * PORTS
"""The first place without a port; all places before it are TCP or UDP."""


class BadPort(ValueError):
    """A text that is no port, no range of ports and not `*`, or that names no protocol. `why` says so."""

    def __init__(self, text: object, what: Message = Message("a port")) -> None:  # noqa: B008
        self.why = Message("{value} is not {what}", value=repr(str(text)[:60]), what=what)
        super().__init__(self.why)


def position(protocol: Protocol, port: int = 0) -> int:
    """Return the place of a port on the line; for a protocol without ports the port does not count."""
    return _STARTS[protocol] + (port if protocol in WITH_PORTS else 0)


def span(protocol: Protocol, first: int = 0, last: int = LAST_PORT) -> Span:
    """Return the places of a range of ports."""
    return position(protocol, first), position(protocol, last)


def cut(spans: Iterable[Span]) -> Iterator[tuple[Protocol, int, int]]:
    """Return intervals of the line as (protocol, first port, last port), ascending."""
    for first, last in spans:
        for protocol in (*WITH_PORTS, *WITHOUT_PORTS):
            start, end = span(protocol)
            low, high = max(first, start), min(last, end)
            if low <= high:
                yield protocol, low - start, high - start


def ports(text: str) -> Spans:
    """Return the ports that a text of a rule names: `*`, `any`, `22`, `20-25`, several with commas. Raises BadPort."""
    matches: list[Span] = []
    for segment in text.split(","):
        name = segment.strip()
        if name == "*" or name.lower() == "any":
            return ALL_PORTS
        matches.append(_range(name, text))
    return merged(matches)


def _range(name: str, text: str) -> Span:
    first, dash, last = name.partition("-")
    low = _port(first.strip(), text)
    high = _port(last.strip(), text) if dash else low
    if low > high:
        raise BadPort(text, Message("a range of ports"))
    return low, high


def _port(name: str, text: str) -> int:
    if not (name.isascii() and name.isdecimal() and len(name) <= 5 and int(name) <= LAST_PORT):
        raise BadPort(text)
    return int(name)


def protocols(text: str) -> tuple[Protocol, ...]:
    """Return the protocols that a text names: `*` and `Any` are all of them. Raises BadPort for one that is not
    known.
    """
    name = text.strip().lower()
    if name in ("*", "any"):
        return (*WITH_PORTS, *WITHOUT_PORTS)
    if name not in _STARTS:
        raise BadPort(text, Message("a protocol"))
    return (name,)


def positions(named: tuple[Protocol, ...], numbers: Spans, allow: bool) -> Spans:
    """Return the places that a rule matches.

    A protocol without ports has none to compare, so an Allow ignores the ports that the rule names, and a Deny counts
    only with all of them. This is not verified; it is decided towards open.
    """
    matches: list[Span] = []
    for each in named:
        start = _STARTS[each]
        if each in WITH_PORTS:
            matches += [(start + low, start + high) for low, high in numbers] if start else numbers
        elif allow or numbers == ALL_PORTS:
            matches.append((start, start))
    return merged(matches)


def merged(spans: Iterable[Span]) -> Spans:
    """Return the same places as sorted, disjoint and merged intervals."""
    spans = tuple(spans)
    if len(spans) < 2:
        return spans
    out: list[Span] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(last, out[-1][1]))
        else:
            out.append((first, last))
    return tuple(out)


def label(protocol: str, first: int, last: int) -> str:
    """Return the name of an endpoint: `tcp/22`, `udp/500-600`, `*/*` (protocol `*`: TCP and UDP), `icmp/*`."""
    if (first, last) == (0, LAST_PORT) or protocol in WITHOUT_PORTS:
        return f"{protocol}/*"
    return f"{protocol}/{first}" if first == last else f"{protocol}/{first}-{last}"
