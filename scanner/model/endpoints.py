"""The endpoints of a resource type: their kinds, their ports, where their host names are, and what no rule asks."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from msgspec import Struct

from scanner.model.levels import EndpointKind

if TYPE_CHECKING:
    from scanner.model.resource_type import Read


class NoPort(Struct, frozen=True):
    """Why no port of an endpoint is known."""

    why: str


Ports = tuple[str, ...] | NoPort
"""The ports of an endpoint, each as `tcp/443`, `udp/500-600` or `*/*`; or why none is known."""
HTTPS: Ports = ("tcp/443",)
HTTP_AND_HTTPS: Ports = ("tcp/443", "tcp/80")
"""A web server that answers plain HTTP too, if only to redirect."""
NO_PORT = NoPort("its type does not say at which port it answers")


class Endpoint(Struct, frozen=True):
    """An endpoint of a type by its name, or several by a pattern (`blob/*`), of which there are any number.

    `ports`: the ports at which it answers. `Exposure.ports` overrides them where the resource itself says its ports. A
    name that is a port (`tcp/22`) needs none.
    `hosts`: where its further host names are, which have the same locks: the paths of URLs or names. `[]` is each entry
    of a list, `[name=value]` each one with a value, `*` each member of an object. A pair is a read, and a path of
    what it returns.
    `no_rule`: why no rule reads a lock of it, by lock; a text is about anonymous access and authentication. An app has
    no network rule, and needs no reason (decision 0007).
    `may_be_app`: whether an exposure of it may be an app, because a port of it may be a web port.
    """

    name: str
    kind: EndpointKind
    ports: Ports = NO_PORT
    hosts: "tuple[str | tuple[Read, str], ...]" = ()
    no_rule: str | Mapping[str, str] = ""
    may_be_app: bool = False

    def fits(self, endpoint: str) -> bool:
        """Return whether the endpoint of an exposure is this one, or one of these."""
        return endpoint == self.name or fnmatchcase(endpoint, self.name)

    def why_no_rule(self, lock: str) -> str:
        """Return why no rule reads a lock of it, "" where there is no reason."""
        if lock == "network" and self.kind == "app":
            return "a web application has no network rule (decision 0007)"
        if isinstance(self.no_rule, str):
            return "" if lock == "network" else self.no_rule
        return self.no_rule.get(lock, "")
