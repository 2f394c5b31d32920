"""The vocabulary of what is read: ARM types at a pinned api-version, their endpoints, and the reads below them."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, get_args

from msgspec import Struct

from scanner.model.bulk_reads import GraphRows, SubscriptionRows
from scanner.model.exposure import Auth, EndpointKind, Exposure, Level, Switch
from scanner.model.ids import type_of
from scanner.model.json_paths import MISSING
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread

if TYPE_CHECKING:
    from scanner.model.index import Index


_MOST_NAMES = 4096
"""For how many endpoints a type remembers which of its own they are: containers give endpoints their names."""
Topic = Literal["region", "copy", "key", "log", "lock", "backup", "zone"]
"""What each type is asked about: in which region its data is, where else it may be, whose key encrypts it, whether its
log is kept, whether a lock refuses its deletion, what brings lost data back, what survives the loss of a datacenter.
"""
TOPICS: tuple[Topic, ...] = get_args(Topic)
EndpointFunction = Callable[[Resource, "Index"], Iterable[Exposure]]


class ReadOptions(TypedDict, total=False):
    """What a read below a resource may say about itself."""

    one: bool
    """It is one resource, not a list."""
    when: Callable[[Resource], bool]
    """Whether the read is needed. A condition on a SKU or kind names its source in a comment."""
    none: Iterable[str]
    """Error codes that mean "there is none"."""
    off: Iterable[str]
    """Error codes that mean "not on this SKU or kind"."""
    keep: tuple[str, ...]
    """Paths to keep in a snapshot that neither a row nor a text in Python code names."""
    costly: bool
    """Many requests. Off unless a rule that needs it is named."""
    action: str
    """The RBAC action, where it does not follow from the path."""
    each: bool
    """Read each row of the list by itself too, because the list returns too little. A read of a row that fails is a gap
    with the row's URL, and the row stays as the list returned it.
    """
    only: tuple[str, ...]
    """The types of its resource type that have such children. Empty: all of them."""
    always: bool
    """Read wherever its resource type is read, whether or not a rule needs it, because verdicts on other resources look
    it up in the index.
    """
    matters: Callable[[Resource], bool]
    """Whether a verdict may depend on a row of the list. The others are left out of the snapshot, where a list is long
    and few rows matter.
    """
    joined: bool
    """Read last, below those resources alone that a join of everything else names (`collect.plan.Plan.joined`)."""
    reduce: Callable[[dict[str, Any]], dict[str, Any]]
    """The body with less in it, before anything is kept, where a text that rules read may hold secrets, or most of the
    body is of no use.
    """
    filter: str
    """The `$filter` of a list that would be long without it."""
    graph: GraphRows
    together: SubscriptionRows
    within: "Read"
    """`graph`, `together`, `within`: what stands for the read, where it can be had (`scanner.model.bulk_reads`): rows
    of Resource Graph, one list of the subscription, a list below the same parent that has this resource too.
    """
    after: "After"
    """Another read below the same parent, and whether a row of it makes this one needed. Without such a row it is not
    needed; where the other one failed it is.
    """
    also_after: "After"
    """The same, for parents that `when` leaves out."""
    alone: str
    """Why nothing stands for it, where it is not that its provider has no list above the parent."""
    names: tuple[str, ...]
    """The paths at which a row names other resources, whose existence, place or settings verdicts look up. Those that
    are outside of what is read are looked up in Resource Graph.
    """
    product: str
    """What people call such a resource, where the last segment of its type does not say it."""


class Read:
    """A read below each resource of its parent: `GET {parent id}/{path}`, a list, or one resource (`one`).

    A path that begins with `providers/` reads an extension, whose type is its own.
    """

    def __init__(self, parent: "ResourceType | Read", path: str, api: str, **options: Unpack[ReadOptions]) -> None:
        self.parent: ResourceType | Read = parent
        self.path = path.strip("/")
        self.key = f"/{self.path.lower()}"
        self.api = api
        self.one = options.get("one", False)
        self.when = options.get("when")
        self.none = frozenset(options.get("none", ()))
        self.off = frozenset(options.get("off", ()))
        self.keep = options.get("keep", ())
        self.matters, self.reduce = options.get("matters"), options.get("reduce")
        self.costly, self.each = options.get("costly", False), options.get("each", False)
        self.always, self.joined = options.get("always", False), options.get("joined", False)
        wanted = options.get("filter", "")
        self.query: dict[str, str] | None = {"$filter": wanted} if wanted else None
        self.graph, self.together, self.within = options.get("graph"), options.get("together"), options.get("within")
        self.after, self.also_after = options.get("after"), options.get("also_after")
        self.alone, self.names, self.product = (
            options.get("alone", ""),
            options.get("names", ()),
            options.get("product", ""),
        )
        self.is_extension: bool = self.key.startswith("/providers/") or (
            isinstance(parent, Read) and parent.is_extension
        )
        own = self.key.startswith("/providers/")
        self.type: str = type_of(f"/{self.path}") if own else "/".join([parent.type, *self.path.split("/")[::2]])
        self.action = options.get("action") or f"{self.type}/read"
        self.resource_type: ResourceType = parent if isinstance(parent, ResourceType) else parent.resource_type
        only = options.get("only", ())
        self.tops: tuple[str, ...] = only or (parent.types if isinstance(parent, ResourceType) else parent.tops)
        """The types of its resource type below which it is read."""
        below = self.type[len(self.resource_type.type) :]
        self.types: tuple[str, ...] = (
            (self.type,) if self.is_extension else tuple(f"{each}{below}" for each in self.tops)
        )
        """Its ARM type below each type of its resource type; an extension has one."""
        self._folded = frozenset(each.lower() for each in only)
        self.resource_type.children.append(self)

    def __repr__(self) -> str:
        return f"Read({self.type})"

    @property
    def actions(self) -> tuple[str, ...]:
        """Return the RBAC actions of the read, one below each type of its resource type."""
        usual = self.action == f"{self.type}/read"
        return tuple(f"{each}/read" for each in self.types) if usual else (self.action,)

    def child(self, path: str, *, api: str | None = None, **options: Unpack[ReadOptions]) -> "Read":
        """Return a new read below each of these resources."""
        return Read(self, path, api or self.api, **options)

    def needed(self, parent: Resource) -> bool:
        """Return whether a verdict depends on this read. A condition that is inconclusive needs it."""
        if self.when is None and not self._folded:
            return True
        memo = parent.bundle.memo
        if memo is None:
            return self._needed(parent)
        key = self, parent.key
        result: bool | None = memo.get(key)
        if result is None:
            result = memo[key] = self._needed(parent)
        return result

    def _needed(self, parent: Resource) -> bool:
        if self._folded and parent.type.lower() not in self._folded:
            return False
        try:
            if self.when is None or self.when(parent):
                return self.after is None or self._follows(parent, *self.after)
            return self.also_after is not None and self._follows(parent, *self.also_after)
        except Unread:
            return True

    def decided_by(self, parent: Resource) -> "After | None":
        """Return the read, and the condition on its rows, that decide whether this one is needed below a parent that
        `needed` does not leave out; None: nothing does.
        """
        if self.also_after is None:
            return self.after
        try:
            return self.after if self.when is None or self.when(parent) else self.also_after
        except Unread:
            return self.after

    def _follows(self, parent: Resource, other: "Read", matters: Callable[[Resource], bool]) -> bool:
        children = parent.children(other)
        return children.gap is not None or any(matters(each) for each in children)


After = tuple[Read, Callable[[Resource], bool]]
"""Another read below the same parent, and whether a row of it makes a read needed."""


class NoPort(Struct, frozen=True):
    """Why no port of an endpoint is known."""

    why: Message


Ports = tuple[str, ...] | NoPort
"""The ports of an endpoint, each as `tcp/443`, `udp/500-600` or `*/*`; or why none is known."""
HTTPS: Ports = ("tcp/443",)
HTTP_AND_HTTPS: Ports = ("tcp/443", "tcp/80")
"""A web server that answers plain HTTP too, if only to redirect."""
NO_PORT = NoPort(Message("its type does not say at which port it answers"))


class Endpoint(Struct, frozen=True):
    """An endpoint of a type by its name, or several by a pattern (`blob/*`), of which there are any number."""

    name: str
    kind: EndpointKind
    ports: Ports = NO_PORT
    """The ports at which it answers. `Exposure.ports` overrides them where the resource itself says its ports. A name
    that is a port (`tcp/22`) needs none.
    """
    hosts: tuple[str | tuple[Read, str], ...] = ()
    """Where its further host names are, which have the same locks: the paths of URLs or names. `[]` is each entry of a
    list, `[name=value]` each one with a value, `*` each member of an object. A pair is a read, and a path of what it
    returns.
    """
    no_rule: str | Mapping[str, str] = ""
    """Why no rule reads a lock of it, by lock; a text is about anonymous access and authentication. An app has no
    network rule, and needs no reason (decision 0007).
    """
    may_be_app: bool = False
    """Whether an exposure of it may be an app, because a port of it may be a web port."""

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


class NoRule(Struct, frozen=True, kw_only=True):
    """Why a type has no rule on a topic, by topic.

    `data` answers for region, copy and key, where the type keeps no data; `loss` for lock, backup and zone, where
    nothing is lost with a resource. The answer of a topic itself, or a rule on it, comes first.
    What somebody could read and Twolocks does not, begins with "not evaluated: ".
    """

    region: str = ""
    copy: str = ""
    key: str = ""
    log: str = ""
    lock: str = ""
    backup: str = ""
    zone: str = ""
    data: str = ""
    loss: str = ""

    def why(self, topic: Topic) -> str:
        """Return why there is no rule on the topic, "" where it is not said."""
        own: str = getattr(self, topic)
        return own or getattr(self, _ANSWERS.get(topic, ""), "")


_ANSWERS: Mapping[Topic, Literal["data", "loss"]] = {
    "region": "data",
    "copy": "data",
    "key": "data",
    "lock": "loss",
    "backup": "loss",
    "zone": "loss",
}
"""The answer for several topics by topic."""


class ResourceType:
    """A top-level ARM type, or several that share their rules, at a pinned api-version.

    A nested type (`Microsoft.Web/sites/slots`) is listed below each resource of its parent type. Each of its resources
    is a bundle of its own.
    `each`: read each resource by GET too, because its row in the list says too little.
    `expand`: the `$expand` of the list, which saves reads below each resource.
    `names`: see `ReadOptions`.
    `product`: what people call such a resource, where the last segment of the type does not say it; of several types
    one each.
    `unread`: settings, and types below it, that look as if they decided something and that no rule reads, with the
    reason.
    `no_rule`: why it has no rule on a topic that each type is asked about.
    """

    def __init__(
        self,
        type: str,
        *also: str,
        api: str,
        keep: tuple[str, ...] = (),
        each: bool = False,
        expand: str = "",
        names: tuple[str, ...] = (),
        product: str | tuple[str, ...] = (),
        unread: Mapping[str, str] | None = None,
        no_rule: NoRule | None = None,
    ) -> None:
        self.type = type
        self.names = names
        self.types = (type, *also)
        self.products = (product,) if isinstance(product, str) else product
        self.unread = unread or {}
        self.no_rule = no_rule or NoRule()
        self.api = api
        self.query: dict[str, str] | None = {"$expand": expand} if expand else None
        self.keep = keep
        self.each = each
        self.children: list[Read] = []
        self.endpoint_list: tuple[Endpoint, ...] = ()
        self._named: dict[str, Endpoint | None] = {}
        self.endpoint_reads: tuple[Read, ...] = ()
        self.endpoint_function: EndpointFunction | None = None
        self.path_function: Callable[..., Any] | None = None
        self.inside_function: Callable[..., Any] | None = None
        self.sender_function: Callable[..., Any] | None = None

    def __repr__(self) -> str:
        return f"ResourceType({self.type})"

    def child(self, path: str, *, api: str | None = None, **options: Unpack[ReadOptions]) -> Read:
        """Return a new read below each resource of this type."""
        return Read(self, path, api or self.api, **options)

    def endpoints(
        self, *endpoints: Endpoint, reads: tuple[Read, ...] = ()
    ) -> Callable[[EndpointFunction], EndpointFunction]:
        """Make the decorated function (resource, index) -> exposures the exposure function of this type.

        Its endpoints are a fixed list: plain names are emitted always, patterns (`blob/*`) any number of times.
        """

        def register(function: EndpointFunction) -> EndpointFunction:
            if self.endpoint_function is not None:
                raise ValueError(f"{self.type} has two exposure functions")
            self.endpoint_list, self.endpoint_reads, self.endpoint_function = endpoints, reads, function
            self._named.clear()
            return function

        return register

    def product_names(self) -> dict[str, str]:
        """Return what people call its types and those below them, by type, where the last segment does not say it."""
        result = dict(zip(self.types, self.products, strict=False))
        return result | {type: read.product for read in self.children if read.product for type in read.types}

    @property
    def endpoint_names(self) -> tuple[str, ...]:
        """Return the names of its endpoints, and the patterns."""
        return tuple(each.name for each in self.endpoint_list)

    def endpoint_of(self, name: str) -> Endpoint | None:
        """Return the endpoint, or the pattern, that an exposure's endpoint is; None where the type has none."""
        try:
            return self._named[name]
        except KeyError:
            endpoint = next((each for each in self.endpoint_list if each.fits(name)), None)
            if len(self._named) < _MOST_NAMES:
                self._named[name] = endpoint
            return endpoint

    def ports_of(self, exposure: Exposure) -> Ports:
        """Return the ports of an endpoint, or why none is known."""
        if exposure.ports:
            return exposure.ports
        name = exposure.endpoint
        if name.startswith(("tcp/", "udp/", "*/")):
            return (name,)
        endpoint = self.endpoint_of(name)
        return NO_PORT if endpoint is None else endpoint.ports

    def paths(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make the decorated function return the network paths to a resource whose endpoints are ports.

        It takes (resource, topology) and returns (paths, what publishes it with the ports that it calls, what was not
        read). `twolocks reach` walks the paths.
        """
        self.path_function = function
        return function

    def inside(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make the decorated function (resource, topology) return the paths to a resource from inside its networks."""
        self.inside_function = function
        return function

    def senders(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make the decorated function (resource, topology) return a resource as a caller; None where it is none."""
        self.sender_function = function
        return function

    def local_auth(
        self,
        path: str,
        *,
        off: tuple[Any, ...],
        on: tuple[Any, ...],
        absent: Any = MISSING,
        source: str = "",
        message: Message = NOTHING,
    ) -> Switch:
        """Return the switch that many types share: a value of `off` accepts Entra ID alone, one of `on` keys too."""
        levels: dict[Any, Level] = {}
        levels.update(dict.fromkeys(off, Auth.identity))
        levels.update(dict.fromkeys(on, Auth.shared))
        return Switch(path, levels, absent, source, {Auth.shared: message} if message else {})
