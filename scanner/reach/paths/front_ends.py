"""Gateways that publish an endpoint, and DNS names that lead to it. Evidence, never reach.

The endpoint itself is evaluated all the same, because a gateway in front of it is no lock; what was not read here
changes no verdict.
Sources: azure-mgmt-cdn Route, AFDOrigin; azure-mgmt-frontdoor RoutingRule; azure-mgmt-apimanagement ApiContract,
BackendContract; azure-mgmt-trafficmanager Endpoint; azure-mgmt-network ApplicationGateway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.model.exposure import Chain, Hop
from scanner.model.ids import name_of, root_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, objects_at, same, text_at
from scanner.model.message import NOTHING, Message, joined, listed, more
from scanner.model.resource import Resource
from scanner.reach.networks.fabric import Nic, id_or_empty, network_of
from scanner.reach.paths.network_paths import NetworkPath, configuration_key, port_at
from scanner.reach.paths.topology import Topology, topology
from scanner.reach.rules.sources import cached

NETWORK: Final = "Microsoft.Network"
CDN: Final = "Microsoft.Cdn/profiles"
APIM: Final = "Microsoft.ApiManagement/service"
PUBLISHER_PREFIXES: Final = ("published through ", "named by ")
"""How the texts of this module begin."""
MANAGER: Final = f"{NETWORK}/trafficManagerProfiles"


class PublisherIndex(Struct):
    """The texts about gateways (`by_target`) by what these lead to.

    Keys: a host name or an address; the id of a resource, of an IP configuration or of a pool, as `key_of` returns it.
    """

    index: Index
    by_target: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    dns_names: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The same for DNS names, which publish nothing."""
    ports: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    """The ports that a gateway calls, by target and text; without an entry they are not known."""
    _chains: dict[str, dict[Chain, None]] = field(default_factory=lambda: defaultdict(dict))
    _published: dict[str, tuple[str, ...]] | None = None
    """The keys of public addresses that something leads to, by their address; made at the first use."""

    @property
    def topology(self) -> Topology:
        return topology(self.index)

    def publishers(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Return the gateways that publish one of these keys, then the DNS names that lead to it."""
        known = [each.lower() for each in keys if each] if self.by_target or self.dns_names else []
        whole_text = [
            publisher
            for source in (self.by_target, self.dns_names)
            for key in known
            for publisher in source.get(key, ())
        ]
        return tuple(dict.fromkeys(whole_text))

    def chains(self, keys: Iterable[str]) -> tuple[Chain, ...]:
        """Return the same as hops, whose `detail` is the text; before a gateway stands the one that leads to it."""
        return tuple(dict.fromkeys(chain for key in keys for chain in self._chains.get(key.lower(), ())))

    def machine_keys(self, id: str, nics: Iterable[Nic], paths: Iterable[NetworkPath]) -> tuple[str, ...]:
        """Return what publishers name a machine by: its id, its network interfaces, the public addresses on its paths.

        () where nothing is published.
        """
        return (id_or_empty(id), *self._keys(nics, paths)) if self.by_target or self.dns_names else ()

    def of_machine(self, id: str, nics: Iterable[Nic], paths: Iterable[NetworkPath]) -> dict[str, frozenset[int]]:
        """Return the publishers of a machine with the ports that they call (none: not known), and the DNS names that
        lead to it.
        """
        nics, paths = tuple(nics), tuple(paths)
        matches = self.publishers(self.machine_keys(id, nics, paths))
        called = self.called_ports(id, nics, paths) if matches else {}
        return {each: called.get(each, frozenset()) for each in matches}

    def _keys(self, nics: Iterable[Nic], paths: Iterable[NetworkPath]) -> Iterator[str]:
        for nic in nics:
            for each in nic.configurations:
                key = configuration_key(nic.id, each.name)
                yield from (key, each.address, *self.public(each.public))
                yield from (*self.topology.load_balancers.pools_of_configuration.get(key, ()), *each.pools)
                for where in (network_of(each.subnet), "") if each.address else ():
                    yield from self.topology.load_balancers.pools_of_address.get((where, each.address), ())
        for path in paths:
            yield path.front_end.address
            yield from self._published_at(path.front_end.address)

    def _published_at(self, address: str) -> tuple[str, ...]:
        if self._published is None:
            result: dict[str, dict[str, None]] = defaultdict(dict)
            for each in self.index.of_type(f"{NETWORK}/publicIPAddresses")[0]:
                for key in self.public(each.id):
                    if key.lower() in self.by_target or key.lower() in self.dns_names:
                        result[text_at(each.body, "properties.ipAddress")][key] = None
            self._published = {address: tuple(keys) for address, keys in result.items()}
        return self._published.get(address, ()) if address else ()

    def public(self, id: str) -> list[str]:
        """Return the keys of a public address (its id): the id, the address and its DNS name."""
        body = self.index.resources.get(id_or_empty(id)) if id else None
        if body is None:
            return [id_or_empty(id)]
        return [body.key, text_at(body.body, "properties.ipAddress"), text_at(body.body, "properties.dnsSettings.fqdn")]

    def read(self) -> None:
        """Read the whole index, the outermost gateways first, because an inner gateway names what leads to it."""
        for profile in self.index.of_type(MANAGER)[0]:
            self._manager(profile)
        for front_door in self.index.of_type(f"{NETWORK}/frontDoors")[0]:
            self._classic(front_door)
        routes = _FrontDoorRoutes(self.index)
        for origin in self.index.of_type(f"{CDN}/originGroups/origins")[0]:
            self._origin(origin, routes)
        for endpoint, origin in _cdn_origins(self.index):
            name, id = self._top(endpoint)
            hop = Hop("cdn", name, Message("published through the CDN {name}", name=name), id)
            self._add(text_at(origin, "hostName"), hop, _http_ports(origin))
        self._api_management()
        for gateway in self.index.of_type(f"{NETWORK}/applicationGateways")[0]:
            self._gateway(gateway)

    def _add(self, key: str, hop: Hop, ports: Iterable[int] = (), chains: Iterable[Chain] = ()) -> None:
        """Add a target; `ports`: those that the publisher calls, none where they are not known."""
        if not key:
            return
        self._chains[key.lower()].update(dict.fromkeys(chains or [(hop,)]))
        known, published = set(ports), (key.lower(), hop.detail)
        if hop.detail not in self.by_target[key.lower()]:
            self.by_target[key.lower()].append(hop.detail)
            self.ports[published] = known
        elif known and self.ports.get(published):
            self.ports[published] |= known
        else:
            self.ports[published] = set()

    def called_ports(self, id: str, nics: Iterable[Nic], paths: Iterable[NetworkPath]) -> dict[str, frozenset[int]]:
        """Return the ports of a machine that its publishers call, by their text; no ports where these are not known."""
        result: dict[str, set[int]] = {}
        unknown: set[str] = set()
        for key in dict.fromkeys(each.lower() for each in (id_or_empty(id), *self._keys(nics, paths)) if each):
            for text in self.by_target.get(key, ()):
                ports = self.ports.get((key, text), set())
                result.setdefault(text, set()).update(ports)
                unknown |= {text} if not ports else set()
        return {text: frozenset() if text in unknown else frozenset(ports) for text, ports in result.items()}

    def _manager(self, profile: Resource) -> None:
        """Add the targets of a Traffic Manager profile, and those of the profiles that are nested in it."""
        hop = _hop("traffic-manager", profile, Message("named by Traffic Manager profile {name}", name=profile.name))
        seen, left = {profile.key}, [profile]
        while left:
            for each in _live_endpoints(left.pop()):
                target = id_or_empty(text_at(each, "properties.targetResourceId"))
                inner = self.index.resources.get(target)
                if inner is not None and same(inner.type, MANAGER):
                    left += [inner] if inner.key not in seen else []
                    seen.add(inner.key)
                    continue
                for key in (target, text_at(each, "properties.target").lower()):
                    if key:
                        self.dns_names[key].append(hop.detail)
                        self._chains[key][(hop,)] = None

    def _classic(self, front_door: Resource) -> None:
        if same(get_path(front_door.body, "properties.enabledState"), "Disabled"):
            return
        publisher = Message("published through the Front Door {name}", name=front_door.name)
        routed, engine = _classic_pools(front_door)
        for pool in objects_at(front_door.body, "properties.backendPools"):
            whole_text = publisher
            if routed is not None and _named(pool) not in routed:
                if not engine:
                    continue
                whole_text = Message("{publisher}, if a rules engine routes there", publisher=publisher)
            for each in objects_at(pool, "properties.backends"):
                if same(get_path(each, "enabledState"), "Disabled"):
                    continue
                linked = text_at(each, "privateLinkResourceId")
                whole = (
                    Message("{whole_text}, by private link", whole_text=whole_text)
                    if linked or text_at(each, "privateLinkAlias")
                    else whole_text
                )
                hop = _hop("front-door", front_door, whole)
                self._add(text_at(each, "address"), hop, _http_ports(each))
                self._by_id(linked, "", hop, _http_ports(each))

    def _origin(self, origin: Resource, routes: _FrontDoorRoutes) -> None:
        """Add an origin of Front Door Standard or Premium, where a route leads to its group."""
        if same(get_path(origin.body, "properties.enabledState"), "Disabled"):
            return
        how = routes.lead(origin)
        if how is None:
            return
        link = "properties.sharedPrivateLinkResource"
        linked = text_at(origin.body, f"{link}.privateLink.id")
        name, id = self._top(origin)
        message = Message(
            "published through the Front Door {name}{how}{value}",
            name=name,
            how=how,
            value=Message(", by private link") if linked else "",
        )
        hop = Hop("front-door", name, message, id)
        ports = _http_ports(get_path(origin.body, "properties"))
        self._add(text_at(origin.body, "properties.hostName"), hop, ports)
        self._by_id(text_at(origin.body, "properties.azureOrigin.id"), "", hop, ports)
        self._by_id(linked, text_at(origin.body, f"{link}.groupId"), hop, ports)

    def _by_id(self, id: str, kind: str, hop: Hop, ports: list[int]) -> None:
        """Add a target by its id: a slot by `kind`; for a private link service what is behind the called ports.

        Of other parts (a service of a storage account) the host name says which endpoint it is.
        """
        key = id_or_empty(id)
        if not key:
            return
        service = self.index.resources.get(key)
        if service is not None and same(service.type, f"{NETWORK}/privateLinkServices"):
            for front in objects_at(service.body, "properties.loadBalancerFrontendIpConfigurations"):
                for behind, called in self.topology.load_balancers.called_behind(
                    id_or_empty(text_at(front, "id")), ports
                ):
                    self._add(behind, hop, called)
        slot = kind.lower().partition("sites-")[2]
        if not kind or "." in kind or kind.lower() in ("sites", "managedenvironments", "gateway") or slot:
            self._add(f"{key}/slots/{slot}" if slot else key, hop, ports)

    def _api_management(self) -> None:
        """Add back ends and APIs by the host of their URL; a service that the internet does not reach publishes
        none.
        """
        apis: dict[tuple[tuple[str, str], str], list[str]] = defaultdict(list)
        for each in self.index.of_type(f"{APIM}/backends")[0]:
            if _is_public(self.index, each):
                self._add_api(apis, each, _host(text_at(each.body, "properties.url")))
                self._add_api(apis, each, _arm(text_at(each.body, "properties.resourceId")))
        for each in self.index.of_type(f"{APIM}/apis")[0]:
            if _is_public(self.index, each):
                open_one = same(get_path(each.body, "properties.subscriptionRequired"), False)
                host = _host(text_at(each.body, "properties.serviceUrl"))
                self._add_api(apis, each, host, each.name.partition(";")[0] if open_one else "")
        for ((name, id), key), names in apis.items():
            message = Message("published through API Management {name}{names}", name=name, names=_keyless(names))
            self._add(key, Hop("api-management", name, message, id))

    def _add_api(
        self, apis: dict[tuple[tuple[str, str], str], list[str]], each: Resource, key: str, keyless: str = ""
    ) -> None:
        if key:
            apis[self._top(each), key].extend([keyless] if keyless else [])

    def _gateway(self, gateway: Resource) -> None:
        # azure-mgmt-network, ApplicationGatewayOperationalState: a stopped gateway forwards nothing.
        if same(get_path(gateway.body, "properties.operationalState"), "Stopped"):
            return
        before = self.publishers((gateway.key,))
        fronts: dict[str, tuple[str, ...]] = {}
        for each in objects_at(gateway.body, "properties.frontendIPConfigurations"):
            public = text_at(each, "properties.publicIPAddress.id")
            if public or before:
                fronts[_named(each)] = self.publishers(self.public(public)) if public else ()
        if not fronts:
            return
        # An outer gateway names what leads to it, because the texts would double with each gateway in a row.
        outer = dict.fromkeys(_alone(publisher) for each in (before, *fronts.values()) for publisher in each)
        hop = _hop("application-gateway", gateway, _published(gateway, list(outer)))
        chains = self._before(gateway, hop)
        routed = _gateway_pools(gateway, set(fronts))
        for pool in objects_at(gateway.body, "properties.backendAddressPools"):
            if routed is not None and _named(pool) not in routed:
                continue
            ports = routed[_named(pool)] if routed is not None else ()
            for each in objects_at(pool, "properties.backendAddresses"):
                self._add(text_at(each, "ipAddress") or text_at(each, "fqdn"), hop, ports, chains)
            for each in objects_at(pool, "properties.backendIPConfigurations"):
                key = id_or_empty(text_at(each, "id"))
                self._add(key, hop, ports, chains)
                if _SCALE_SET in key:
                    before_name, _, name = key.partition(_SCALE_SET)
                    self._add(f"{before_name}{_SCALE_SET}{name.partition('/')[0]}", hop, ports, chains)

    def _before(self, gateway: Resource, hop: Hop) -> list[Chain]:
        """Return the chains that end with a gateway: each with one outer gateway, and itself where it is public."""
        values = objects_at(gateway.body, "properties.frontendIPConfigurations")
        public = [id for each in values if (id := text_at(each, "properties.publicIPAddress.id"))]
        outer = self.chains([gateway.key, *(key for id in public for key in self.public(id))])
        inner = [
            (replace(each, detail=_alone(each.detail)), hop) for each in dict.fromkeys(chain[-1] for chain in outer)
        ]
        return [*([(hop,)] if public else []), *inner]

    def _top(self, below: Resource) -> tuple[str, str]:
        """Return name and id of the top-level resource, spelled as they were read."""
        root = root_of(below.id)
        resource = self.index.resources.get(root)
        return (resource.name, resource.id) if resource is not None else (name_of(root), root)


_SCALE_SET: Final = "/virtualmachinescalesets/"


def _hop(kind: str, gateway: Resource, text: Message) -> Hop:
    return Hop(kind, gateway.name, text, gateway.id)


def _is_public(index: Index, below: Resource) -> bool:
    service = index.resources.get(id_or_empty(root_of(below.id)))
    if service is None:
        return True
    inside = same(get_path(service.body, "properties.virtualNetworkType"), "Internal")
    return not (inside or same(get_path(service.body, "properties.publicNetworkAccess"), "Disabled"))


def _alone(publisher: str) -> str:
    return publisher.partition(" (published through ")[0].partition(" (named by ")[0]


def _live_endpoints(profile: Resource) -> list[Any]:
    """Return the enabled endpoints of a Traffic Manager profile; [] for a disabled profile."""
    if same(get_path(profile.body, "properties.profileStatus"), "Disabled"):
        return []
    every = objects_at(profile.body, "properties.endpoints")
    return [each for each in every if not same(get_path(each, "properties.endpointStatus"), "Disabled")]


def _cdn_origins(index: Index) -> Iterator[tuple[Resource, Any]]:
    """Yield the properties of the enabled origins of a classic CDN, each after its endpoint."""
    for endpoint in index.of_type(f"{CDN}/endpoints")[0]:
        if same(get_path(endpoint.body, "properties.resourceState"), "Stopped"):
            continue
        for each in objects_at(endpoint.body, "properties.origins"):
            origin = get_path(each, "properties")
            if not same(get_path(origin, "enabled"), False):
                yield endpoint, origin


class _FrontDoorRoutes:
    """The routes of Front Door Standard and Premium, by endpoint and profile."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.endpoints: dict[str, list[Resource]] = defaultdict(list)
        self.routes: dict[str, list[Resource]] = defaultdict(list)
        for each in index.of_type(f"{CDN}/afdEndpoints")[0]:
            self.endpoints[root_of(each.key)].append(each)
        for each in index.of_type(f"{CDN}/afdEndpoints/routes")[0]:
            self.routes[each.key.rsplit("/", 2)[0]].append(each)

    def lead(self, origin: Resource) -> Message | None:
        """Return what restricts the routes to an origin, as a clause; None where no route leads there.

        Routes that were not read count as leading everywhere.
        """
        profile, group = root_of(origin.key), origin.key.rsplit("/", 2)[0]
        endpoints = self.endpoints.get(profile, [])
        reads = origin.bundle.reads
        if f"{profile}/afdendpoints" not in reads or any(f"{each.key}/routes" not in reads for each in endpoints):
            return NOTHING
        live = [
            route
            for endpoint in endpoints
            if not same(get_path(endpoint.body, "properties.enabledState"), "Disabled")
            for route in self.routes.get(endpoint.key, ())
            if not same(get_path(route.body, "properties.enabledState"), "Disabled")
        ]
        if any(id_or_empty(text_at(route.body, "properties.originGroup.id")) == group for route in live):
            return NOTHING
        rules = any(objects_at(route.body, "properties.ruleSets") for route in live)
        return Message(", if a rule set routes there") if rules else None


def _classic_pools(front_door: Resource) -> tuple[set[str] | None, bool]:
    """Return the pools (names, lower case) that routing rules lead to, None where they were not read; and whether a
    rules engine may lead to others.
    """
    rules = get_path(front_door.body, "properties.routingRules")
    if not isinstance(rules, list):
        return None, False
    live = [
        each
        for each in objects_at(front_door.body, "properties.routingRules")
        if not same(get_path(each, "properties.enabledState"), "Disabled")
    ]
    pools = {_last(text_at(each, "properties.routeConfiguration.backendPool.id")) for each in live}
    return pools, any(text_at(each, "properties.rulesEngine.id") for each in live)


def _published(gateway: Resource, outer: Sequence[str]) -> Message:
    """Return by which gateway a resource is published, with what leads to the gateway."""
    message = Message("published through the application gateway {name}", name=gateway.name)
    return Message("{said} ({outer})", said=message, outer=joined("; ", outer)) if outer else message


def _gateway_pools(gateway: Resource, fronts: set[str]) -> dict[str, set[int]] | None:
    """Return the pools (names, lower case) that rules of listeners on these fronts lead to, with the ports that they
    call (none: not known); None where the rules were not read.
    """
    if not isinstance(get_path(gateway.body, "properties.requestRoutingRules"), list):
        return None
    listeners = {
        _named(each): _last(text_at(each, "properties.frontendIPConfiguration.id"))
        for name in ("httpListeners", "listeners")
        for each in objects_at(gateway.body, f"properties.{name}")
    }
    maps = {_named(each): each for each in objects_at(gateway.body, "properties.urlPathMaps")}
    settings = _settings_ports(gateway)
    pools: dict[str, set[int]] = {}
    unknown: set[str] = set()
    for name in ("requestRoutingRules", "routingRules"):
        for rule in objects_at(gateway.body, f"properties.{name}"):
            listener = text_at(rule, "properties.httpListener.id") or text_at(rule, "properties.listener.id")
            front = listeners.get(_last(listener), "")
            if front and front not in fronts:
                continue
            paths = maps.get(_last(text_at(rule, "properties.urlPathMap.id")))
            for pool, setting in (_led(rule, ""), *(_mapped(paths) if paths is not None else ())):
                port = settings.get(setting)
                pools.setdefault(pool, set()).update([port] if port else [])
                unknown |= set() if port else {pool}
    return {pool: set() if pool in unknown else ports for pool, ports in pools.items()}


def _settings_ports(gateway: Resource) -> dict[str, int]:
    """Return the port of each backend setting (name, lower case)."""
    result: dict[str, int] = {}
    for name in ("backendHttpSettingsCollection", "backendSettingsCollection"):
        for each in objects_at(gateway.body, f"properties.{name}"):
            port = port_at(each, "properties.port")
            if port:
                result[_named(each)] = port
    return result


def _led(rule: Any, default: str) -> tuple[str, str]:
    """Return the pool and the backend setting (names) of a rule; `default`: "default" in the parts of a path map."""
    first, rest = "backendAddressPool", "backendHttpSettings"
    if default:
        first, rest = "defaultBackendAddressPool", "defaultBackendHttpSettings"
    setting = text_at(rule, f"properties.{rest}.id") or text_at(rule, "properties.backendSettings.id")
    return _last(text_at(rule, f"properties.{first}.id")), _last(setting)


def _mapped(paths: Any) -> list[tuple[str, str]]:
    return [_led(paths, "default"), *(_led(rule, "") for rule in objects_at(paths, "properties.pathRules"))]


def _http_ports(body: Any) -> list[int]:
    """Return the ports of an origin of Front Door, whose route says which protocol it calls."""
    ports = [port_at(body, name) for name in ("httpPort", "httpsPort")]
    return [each for each in ports if each]


def _keyless(names: list[str]) -> Message:
    """Return a clause about APIs that require no subscription.

    Source: azure-mgmt-apimanagement ApiContract.subscription_required.
    """
    if not names:
        return NOTHING
    if len(names) == 1:
        return Message("; its API {names} requires no key", names=names[0])
    rest = [more(len(names) - 3)] if len(names) > 3 else []
    return Message("; its APIs {value} require no key", value=listed([*names[:3], *rest]))


def _named(body: Any) -> str:
    return (text_at(body, "name") or _last(text_at(body, "id"))).lower()


def _last(id: str) -> str:
    return name_of(id).lower()


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _arm(url: str) -> str:
    """Return the key of the resource that the management URL of a back end names."""
    _, value, rest = url.partition("/subscriptions/")
    return id_or_empty(f"/subscriptions/{rest}") if value else ""


def endpoint_keys(id: str, kind: str, address: str) -> tuple[str, str]:
    """Return what publishers name an endpoint by: its address and, for an app, the resource's id."""
    return address, id_or_empty(id) if kind == "app" else ""


def publishers(index: Index) -> PublisherIndex:
    """Return the publishers of an index, made once."""
    return cached(index, "publishing", _made)


def _made(index: Index) -> PublisherIndex:
    publisher_index = PublisherIndex(index)
    publisher_index.read()
    return publisher_index


__all__ = ["PUBLISHER_PREFIXES", "PublisherIndex", "endpoint_keys", "publishers"]
