"""The further host names of endpoints, which have the same locks: secondaries, replicas, other APIs, custom names."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from scanner.model.exposure import Exposure
from scanner.model.json_paths import MISSING, PartialObject, peek, same
from scanner.model.resource import Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.unread import Unread

_HOST = re.compile(r"(?=.{4,253}$)[a-z0-9_*]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)+", re.ASCII)
_MORE = re.compile(r"\[|\.\*$")


def is_host(text: str) -> bool:
    """Return whether a text (lower case) is a host name of at least two labels."""
    return _HOST.fullmatch(text) is not None and not text.replace(".", "").isdecimal()


def host_of(text: str) -> str:
    """Return the host of a URL or of `host:port`, in lower case; "" where it is no host name."""
    name = text.rpartition("://")[2].partition("/")[0].partition(":")[0].lower()
    return name if is_host(name) else ""


def hosts_of(
    kind: ResourceType, top: Resource, exposure: Exposure, known: dict[str, Any] | None = None
) -> tuple[str, ...]:
    """Return the further hosts of an endpoint, as the exposure names them and as `Endpoint.hosts` finds them.

    `known`: takes the objects of the resource that paths lead through, for its other endpoints.
    What was not read or not kept has no host here: the locks of the endpoint do not depend on it.
    """
    if exposure.disabled_reason:
        return ()
    result: dict[str, None] = {}
    known = {} if known is None else known
    for text in exposure.hosts:
        if host := host_of(text):
            result[host] = None
    known_as = kind.endpoint_of(exposure.endpoint)
    for path in known_as.hosts if known_as else ():
        for text in _texts_at(path, top, known):
            if host := host_of(text):
                result[host] = None
    if not result:
        return ()
    return tuple(sorted(each for each in result if each != exposure.address.lower()))


def _texts_at(path: str | tuple[Read, str], top: Resource, known: dict[str, Any]) -> Iterable[str]:
    """Return the texts at a place: see `_found`."""
    if not isinstance(path, str):
        return [text for each in top.children(path[0]).items for text in _texts_below(each.body, path[1])]
    above, name = _split(path)
    if not name:
        return _texts_below(top.body, path)
    if above in known:
        beside = known[above]
    else:
        beside = known[above] = peek(top.body, above)
    if beside is MISSING:
        # An object that watches what is looked up in it hears of the whole path.
        is_watched = type(top.body) is not dict and not isinstance(top.body, PartialObject)
        value = peek(top.body, path) if is_watched else MISSING
    else:
        value = peek(beside, name)
    return (value,) if isinstance(value, str) else ()


@lru_cache(maxsize=1024)
def _split(path: str) -> tuple[str, str]:
    """Return the path of an object that others share, and what follows; no such path where `_found` must decide."""
    steps = path.split(".")
    if len(steps) < 3 or _MORE.search(path):
        return path, ""
    return ".".join(steps[:2]), ".".join(steps[2:])


def _texts_below(body: Any, path: str) -> Iterator[str]:
    """Yield the texts at a path: `[]` is each entry of a list, `[name=value]` each one with a value, `*` each member of
    an object.
    """
    head, mark, rest = path.partition("[")
    if mark:
        condition, _, rest = rest.partition("]")
        name, _, value = condition.partition("=")
        item = peek(body, head)
        for each in item if isinstance(item, list) else ():
            if not condition or same(peek(each, name), value):
                yield from _texts_below(each, rest.removeprefix(".")) if rest else _text(each)
        return
    if path.endswith(".*"):
        item = peek(body, path.removesuffix(".*"))
        try:
            for each in list(item.values()) if isinstance(item, dict) else ():
                yield from _text(each)
        except Unread:
            return
        return
    yield from _text(peek(body, path))


def _text(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
