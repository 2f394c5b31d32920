"""What publishes an endpoint, and what names it in DNS: by host, address, IP configuration, pool and id."""

from typing import Any

import pytest
from hypothesis import given, settings

from scanner.model.ids import root_of
from scanner.model.index import build
from scanner.model.resource import Bundle, Resource
from scanner.reach.paths.front_ends import PublisherIndex, endpoint_keys, publishers
from scanner.reach.paths.topology import topology
from tests.reach.test_topology import CONFIGURATION, NET, NIC, STRANGE, Body, group, network, nic, public, shown
from tests.reach.test_topology import made as made_topology

ROOT = NET.rpartition("/providers/")[0]
CDN = f"{ROOT}/providers/Microsoft.Cdn/profiles/afd"
APIM = f"{ROOT}/providers/Microsoft.ApiManagement/service/apim"
SITE = f"{ROOT}/providers/Microsoft.Web/sites/app"
HOST = "app.example.net"
DOOR = "published through the Front Door afd"


def made(*bodies: Body, reads: tuple[str, ...] = ()) -> PublisherIndex:
    """What publishes what; `reads`: the lists that were read, below `CDN`."""
    bundles: dict[str, Bundle] = {}
    resources = []
    for body in bodies:
        root = root_of(body["id"]) or body["id"].lower()
        bundle = bundles.setdefault(root, Bundle(root, reads={f"{CDN}/{each}".lower(): 1 for each in reads}))
        resources.append(Resource(body, by="get", bundle=bundle))
    return publishers(build(resources))


def of_nic(publisher_index: PublisherIndex, *paths: Any) -> tuple[str, ...]:
    return publisher_index.publishers(
        publisher_index.machine_keys("", [publisher_index.topology.fabric.nics[NIC.lower()]], paths)
    )


# What leads to itself, or to much


def test_profiles_that_are_nested_deeper_than_any_real_ones() -> None:
    ids = [f"{NET}/trafficManagerProfiles/t{position}" for position in range(1200)]
    profiles = [
        {"id": id, "properties": {"endpoints": [{"properties": {"targetResourceId": to}}]}}
        for id, to in zip(ids, [*ids[1:], SITE], strict=True)
    ]
    assert made(*profiles).publishers([SITE.lower()])[0] == "named by Traffic Manager profile t0"


def test_gateways_that_publish_each_other_end_in_few_words() -> None:
    bodies: list[Body] = []
    for position in range(24):
        further = [{"ipAddress": f"192.0.2.{each}"} for each in range(position + 1, 25)]
        front = {"name": "out", "properties": {"publicIPAddress": {"id": f"{NET}/publicIPAddresses/p{position}"}}}
        body = gateway({"backendAddresses": further}, frontendIPConfigurations=[front])
        bodies += [
            public(f"p{position}", f"192.0.2.{position}"),
            {**body, "id": f"{NET}/applicationGateways/g{position:02}"},
        ]
    texts = made(*bodies).publishers(["192.0.2.24"])
    assert len(texts) == 24
    assert texts[1] == f"{GATEWAY[0][:-3]}g01 ({GATEWAY[0][:-3]}g00)"
    assert max(map(len, texts)) < 2000


# Application Gateway


def gateway(*pools: Body, **more: Any) -> Body:
    fronts = [
        {"name": "out", "properties": {"publicIPAddress": {"id": f"{NET}/publicIPAddresses/pip-agw"}}},
        {"name": "in", "properties": {"privateIPAddress": "10.0.0.9"}},
    ]
    named = [{"name": f"p{position}", "properties": pool} for position, pool in enumerate(pools)]
    return {
        "id": f"{NET}/applicationGateways/agw",
        "properties": {"frontendIPConfigurations": fronts, "backendAddressPools": named, **more},
    }


GATEWAY = ("published through the application gateway agw",)


def test_what_publishes_a_machine() -> None:
    pools = ({"backendIPConfigurations": [{"id": CONFIGURATION}]}, {"backendAddresses": [{"fqdn": "App.Example.net"}]})
    door = {
        "id": f"{NET}/frontDoors/fd",
        "properties": {"backendPools": [{"properties": {"backends": [{"address": "192.0.2.1"}]}}]},
    }
    publisher_index = made(network(), group(), nic(public="pip"), public(), gateway(*pools), door)
    assert of_nic(publisher_index) == (*GATEWAY, "published through the Front Door fd")
    assert publisher_index.publishers(["app.example.NET"]) == GATEWAY
    assert publisher_index.publishers(["", "other.example.net"]) == ()
    assert of_nic(made(network(), nic(), gateway({"backendAddresses": [{"ipAddress": "10.0.0.4"}]}))) == GATEWAY
    inside = gateway(*pools, frontendIPConfigurations=[{"name": "in", "properties": {}}])
    assert of_nic(made(network(), nic(), inside)) == ()


def listened(name: str, front: str) -> Body:
    return {"name": name, "properties": {"frontendIPConfiguration": {"id": f"agw/frontendIPConfigurations/{front}"}}}


def routed(listener: str, **more: Any) -> Body:
    ids = {key: {"id": f"agw/x/{value}"} for key, value in more.items()}
    return {"name": "r", "properties": {"httpListener": {"id": f"agw/httpListeners/{listener}"}, **ids}}


@pytest.mark.parametrize(
    ("rules", "published"),
    [
        ([routed("out", backendAddressPool="P0")], {"one"}),
        ([routed("in", backendAddressPool="p0"), routed("out", backendAddressPool="p1")], {"two"}),
        ([routed("out", urlPathMap="map")], {"one", "two"}),
        ([routed("in", urlPathMap="map")], set()),
        ([routed("out", redirectConfiguration="p0")], set()),
        ([routed("unknown", backendAddressPool="p1")], {"two"}),
        ([], set()),
        ("not read", {"one", "two"}),
    ],
)
def test_a_gateway_publishes_what_a_rule_of_a_public_listener_leads_to(rules: Any, published: set[str]) -> None:
    pools = [{"backendAddresses": [{"fqdn": each}]} for each in ("one", "two")]
    mapped = {"defaultBackendAddressPool": {"id": "agw/backendAddressPools/p1"}}
    mapped |= {"pathRules": [{"properties": {"backendAddressPool": {"id": "agw/backendAddressPools/p0"}}}]}  # type: ignore[dict-item]
    more = {"httpListeners": [listened("out", "out"), listened("in", "in")], "urlPathMaps": []}
    more["urlPathMaps"] = [{"name": "map", "properties": mapped}]
    publisher_index = made(gateway(*pools, requestRoutingRules=rules, **more))
    assert {each for each in ("one", "two") if publisher_index.publishers([each])} == published


def test_a_gateway_publishes_a_scale_set_by_its_instances() -> None:
    scale_set = f"{ROOT}/providers/Microsoft.Compute/virtualMachineScaleSets/vmss"
    member = f"{scale_set}/virtualMachines/0/networkInterfaces/nic/ipConfigurations/ip"
    publisher_index = made(gateway({"backendIPConfigurations": [{"id": member}]}))
    assert publisher_index.publishers(publisher_index.machine_keys(scale_set, [], [])) == GATEWAY


def test_a_gateway_reports_what_leads_to_itself() -> None:
    address = public("pip-agw", "192.0.2.9")
    pool = {"backendAddresses": [{"fqdn": "one"}]}
    publisher_index = made(address, gateway(pool), origin("192.0.2.9"), manager(azure(address["id"])))
    assert publisher_index.publishers(["one"]) == (f"{GATEWAY[0]} ({DOOR}; named by Traffic Manager profile tm)",)
    inner = gateway(pool, frontendIPConfigurations=[{"name": "in", "properties": {}}])
    link = {"privateLink": {"id": inner["id"]}, "groupId": "appGwPrivateFrontendIp"}
    assert made(inner).publishers(["one"]) == ()
    linked = made(inner, origin("", sharedPrivateLinkResource={**link, "groupId": ""}))
    assert linked.publishers(["one"]) == (f"{GATEWAY[0]} ({DOOR}, by private link)",)
    assert steps(linked, "one") == [["front-door afd", "application-gateway agw"]]


def steps(publisher_index: PublisherIndex, key: str) -> list[list[str]]:
    return [[f"{hop.kind} {hop.name}" for hop in chain] for chain in publisher_index.chains([key])]


def test_chains_have_the_ids_of_gateways() -> None:
    """Two Front Doors of the same name have the same text, so the map knew one."""
    address, other = public("pip-agw", "192.0.2.9"), origin("192.0.2.9")
    other["id"] = other["id"].replace("resourceGroups/", "resourceGroups/other-")
    publisher_index = made(address, gateway({"backendAddresses": [{"fqdn": "one"}]}), origin("192.0.2.9"), other)
    assert len(publisher_index.publishers(["192.0.2.9"])) == 1
    ids = [chain[-1].resource for chain in publisher_index.chains(["192.0.2.9"])]
    assert len(set(map(str.lower, ids))) == 2
    whole = "application-gateway agw"
    assert steps(publisher_index, "one") == [[whole], *[["front-door afd", whole]] * 2]


# Front Door


def origin(host: Any, name: str = "one", at: str = "g", **more: Any) -> Body:
    return {"id": f"{CDN}/originGroups/{at}/origins/{name}", "properties": {"hostName": host, **more}}


def route(to: str, endpoint: str = "web", **more: Any) -> Body:
    led = {"originGroup": {"id": f"{CDN}/originGroups/{to}".upper()}, **more}
    return {"id": f"{CDN}/afdEndpoints/{endpoint}/routes/{to}", "properties": led}


def end(name: str = "web", **more: Any) -> Body:
    return {"id": f"{CDN}/afdEndpoints/{name}", "properties": {"hostName": "x.azurefd.net", **more}}


ALL = ("afdEndpoints", "afdEndpoints/web/routes")


def test_what_front_door_publishes() -> None:
    assert made(origin("App.Example.NET")).publishers([HOST]) == (DOOR,)
    private = {"privateLink": {"id": SITE}, "groupId": "sites"}
    linked = made(origin("", sharedPrivateLinkResource=private))
    assert linked.publishers(endpoint_keys(SITE.upper(), "app", "")) == (f"{DOOR}, by private link",)
    assert linked.publishers(endpoint_keys(SITE, "admin", "")) == ()
    twice = made(origin(HOST), origin(HOST, "two"), origin("", "three"))
    assert twice.publishers([HOST]) == (DOOR,)
    assert made(origin(HOST, enabledState="Disabled")).publishers([HOST]) == ()
    machine = made(network(), group(), nic(public="pip"), public(), origin("192.0.2.1"))
    assert of_nic(machine) == (DOOR,)
    assert shown(machine.topology) == {}
    assert made(origin("", azureOrigin={"id": SITE})).publishers(endpoint_keys(SITE, "app", "")) == (DOOR,)


def test_a_private_link_is_for_the_part_that_it_names() -> None:
    def linked(segment: str) -> PublisherIndex:
        return made(origin("", sharedPrivateLinkResource={"privateLink": {"id": SITE}, "groupId": segment}))

    assert linked("sites-Test").publishers(endpoint_keys(f"{SITE}/slots/test", "app", "")) == (
        f"{DOOR}, by private link",
    )
    assert linked("sites-Test").publishers(endpoint_keys(SITE, "app", "")) == ()
    assert linked("blob").publishers(endpoint_keys(SITE, "app", "")) == ()


def test_a_private_link_service_stands_for_the_pool_behind_it() -> None:
    front = f"{NET}/loadBalancers/lb/frontendIPConfigurations/in"
    pool = f"{NET}/loadBalancers/lb/backendAddressPools/p"
    rule = {"frontendIPConfiguration": {"id": front}, "backendAddressPool": {"id": pool}}
    rule |= {"frontendPort": 443, "backendPort": 443, "protocol": "Tcp"}  # type: ignore[dict-item]
    balancer = {
        "id": f"{NET}/loadBalancers/lb",
        "properties": {
            "frontendIPConfigurations": [{"id": front, "properties": {"privateIPAddress": "10.0.0.100"}}],
            "backendAddressPools": [{"id": pool, "properties": {"backendIPConfigurations": [{"id": CONFIGURATION}]}}],
            "loadBalancingRules": [{"name": "web", "properties": rule}],
        },
    }
    service = {
        "id": f"{NET}/privateLinkServices/pls",
        "properties": {"loadBalancerFrontendIpConfigurations": [{"id": front}]},
    }
    lead = origin("10.0.0.100", sharedPrivateLinkResource={"privateLink": {"id": service["id"]}})
    publisher_index = made(network(), nic(), balancer, service, lead)
    assert of_nic(publisher_index) == (f"{DOOR}, by private link",)
    assert of_nic(made(network(), nic(), balancer, lead)) == ()


@pytest.mark.parametrize(
    ("bodies", "reads", "texts"),
    [
        ((end(), route("g")), ALL, (DOOR,)),
        ((end(), route("other")), ALL, ()),
        ((end(),), ALL, ()),
        ((), ("afdEndpoints",), ()),
        ((end(enabledState="disabled"), route("g")), ALL, ()),
        ((end(enabledState="Enabled"), route("g", enabledState="Disabled")), ALL, ()),
        ((end(), route("other", ruleSets=[{"id": "x"}])), ALL, (f"{DOOR}, if a rule set routes there",)),
        ((end(), route("other", enabledState="Disabled", ruleSets=[{"id": "x"}])), ALL, ()),
        ((end(enabledState="Disabled"), end("two"), route("g", "two")), (*ALL, "afdEndpoints/two/routes"), (DOOR,)),
        ((end(), end("two"), route("other")), ALL, (DOOR,)),
        ((end(),), ("afdEndpoints",), (DOOR,)),
        ((), (), (DOOR,)),
    ],
    ids=[
        "routed",
        "another group",
        "no route",
        "no endpoint",
        "endpoint off",
        "route off",
        "rule set",
        "rule set of a route that is off",
        "the other endpoint",
        "routes of one endpoint not read",
        "routes not read",
        "nothing read",
    ],
)
def test_front_door_publishes_what_a_route_leads_to(
    bodies: tuple[Body, ...], reads: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    assert made(origin(HOST), *bodies, reads=reads).publishers([HOST]) == texts


def classic(*rules: Body, **more: Any) -> Body:
    backends = [{"address": HOST}, {"address": "off.example.net", "enabledState": "Disabled"}]
    pools = [{"name": "P", "properties": {"backends": backends}}]
    return {"id": f"{NET}/frontDoors/fd", "properties": {"backendPools": pools, "routingRules": list(rules), **more}}


def led(pool: str, **more: Any) -> Body:
    return {"properties": {"routeConfiguration": {"backendPool": {"id": f"fd/backendPools/{pool}"}}, **more}}


def test_classic_front_door_publishes_what_a_routing_rule_leads_to() -> None:
    text = "published through the Front Door fd"
    assert made(classic(led("p"))).publishers([HOST]) == (text,)
    assert made(classic(led("p"))).publishers(["off.example.net"]) == ()
    assert made(classic(led("q"))).publishers([HOST]) == made(classic()).publishers([HOST]) == ()
    assert made(classic(led("p"), enabledState="Disabled")).publishers([HOST]) == ()
    assert made(classic(led("p", enabledState="Disabled"))).publishers([HOST]) == ()
    engine = classic(led("q", rulesEngine={"id": "x"}))
    assert made(engine).publishers([HOST]) == (f"{text}, if a rules engine routes there",)
    assert made(classic(routingRules="not read")).publishers([HOST]) == (text,)
    linked = {"address": "", "privateLinkResourceId": SITE}
    private = classic(led("p"), backendPools=[{"name": "p", "properties": {"backends": [linked]}}])
    assert made(private).publishers(endpoint_keys(SITE, "app", "")) == (f"{text}, by private link",)


# API Management


def api(name: str = "a", url: str = f"https://{HOST}/x", **more: Any) -> Body:
    return {"id": f"{APIM}/apis/{name}", "properties": {"serviceUrl": url, **more}}


def test_what_api_management_publishes() -> None:
    texts = ("published through API Management apim",)
    backend = {"id": f"{APIM}/backends/b", "properties": {"url": "https://App.Example.net:8443/api"}}
    publisher_index = made(network(), nic(), backend, api(url="http://10.0.0.4/x"))
    assert publisher_index.publishers([HOST]) == of_nic(publisher_index) == texts
    for more, published in (
        ({"virtualNetworkType": "None"}, texts),
        ({"virtualNetworkType": "External"}, texts),
        ({"virtualNetworkType": "Internal"}, ()),
        ({"publicNetworkAccess": "Enabled"}, texts),
        ({"publicNetworkAccess": "Disabled"}, ()),
    ):
        assert made({"id": APIM, "properties": more}, backend, api()).publishers([HOST]) == published
    for url in ("https://[bad", "app.example.net", "", None, 7, ["https://app.example.net"]):
        assert made({**backend, "properties": {"url": url}}).publishers([HOST]) == ()


def test_a_back_end_is_named_by_the_management_url_of_its_resource() -> None:
    texts = ("published through API Management apim",)
    for id in (f"https://management.azure.com{SITE}", SITE, f"https://management.chinacloudapi.cn{SITE}/"):
        backend = {"id": f"{APIM}/backends/b", "properties": {"url": "https://x", "resourceId": id}}
        assert made(backend).publishers(endpoint_keys(SITE, "app", "")) == texts
    assert made({"id": f"{APIM}/backends/b", "properties": {"resourceId": "https://x"}}).by_target == {}


def test_an_api_without_subscriptions_is_reported() -> None:
    text = "published through API Management apim"
    assert made(api(subscriptionRequired=True), api("b")).publishers([HOST]) == (text,)
    assert made(api(subscriptionRequired=False), api("b")).publishers([HOST]) == (f"{text}; its API a requires no key",)
    several = [api(f"{name};rev=2", subscriptionRequired=False) for name in "abcde"]
    assert made(*several).publishers([HOST]) == (f"{text}; its APIs a, b, c and 2 more require no key",)
    elsewhere = made(api(), api("b", "https://other.example.net", subscriptionRequired=False))
    assert elsewhere.publishers([HOST]) == (text,)


# Traffic Manager


def manager(*ends: Body, name: str = "tm", **more: Any) -> Body:
    return {"id": f"{NET}/trafficManagerProfiles/{name}", "properties": {"endpoints": list(ends), **more}}


def azure(id: str, **more: Any) -> Body:
    return {
        "type": "Microsoft.Network/trafficManagerProfiles/azureEndpoints",
        "properties": {"targetResourceId": id, **more},
    }


def outer(target: str, **more: Any) -> Body:
    return {
        "type": "Microsoft.Network/trafficManagerProfiles/externalEndpoints",
        "properties": {"target": target, **more},
    }


TM = ("named by Traffic Manager profile tm",)


def test_what_traffic_manager_names() -> None:
    publisher_index = made(manager(azure(SITE.upper(), target="x.azurewebsites.net"), outer("App.Example.NET")))
    assert (
        publisher_index.publishers(endpoint_keys(SITE, "app", ""))
        == publisher_index.publishers(["x.azurewebsites.net"])
        == publisher_index.publishers([HOST])
        == TM
    )
    assert publisher_index.publishers(endpoint_keys(SITE, "admin", "")) == ()
    assert made(manager(outer(HOST, endpointStatus="disabled"))).publishers([HOST]) == ()
    assert made(manager(outer(HOST, endpointStatus="Enabled"))).publishers([HOST]) == TM
    assert made(manager(outer(HOST), profileStatus="Disabled")).publishers([HOST]) == ()


def test_traffic_manager_names_a_public_address() -> None:
    bodies = (network(), group(), nic(public="pip"), public())
    publisher_index = made(*bodies, manager(azure(f"{NET}/publicIPAddresses/PIP")))
    assert of_nic(publisher_index) == TM
    assert shown(publisher_index.topology) == shown(made_topology(*bodies))
    named = public()
    named["properties"]["dnsSettings"] = {"fqdn": "VM.norwayeast.cloudapp.azure.com"}
    assert of_nic(made(*bodies[:3], named, manager(outer("vm.norwayeast.cloudapp.azure.com")))) == TM
    assert of_nic(made(*bodies, manager(outer("192.0.2.1")))) == TM
    assert of_nic(made(*bodies, manager(outer("192.0.2.2")))) == ()


def test_nested_profiles_are_followed_and_end() -> None:
    inner = f"{NET}/trafficManagerProfiles/inner"
    nested = {
        "type": "Microsoft.Network/trafficManagerProfiles/nestedEndpoints",
        "properties": {"targetResourceId": inner},
    }
    back = azure(f"{NET}/trafficManagerProfiles/tm")
    publisher_index = made(manager(nested), manager(outer(HOST), back, name="inner"))
    assert publisher_index.publishers([HOST]) == (
        "named by Traffic Manager profile tm",
        "named by Traffic Manager profile inner",
    )
    assert made(manager(nested), manager(outer(HOST), name="inner", profileStatus="Disabled")).publishers([HOST]) == ()
    assert made(manager(nested)).publishers([HOST]) == ()


# Whatever Azure sends


@settings(max_examples=80, deadline=None)
@given(STRANGE)
def test_no_body_breaks_it(strange: Any) -> None:
    ids: tuple[str, ...] = (
        CDN,
        f"{CDN}/originGroups/g/origins/o",
        f"{CDN}/afdEndpoints/e",
        f"{CDN}/afdEndpoints/e/routes/r",
    )
    ids += (APIM, f"{APIM}/backends/b", f"{APIM}/apis/a", f"{NET}/trafficManagerProfiles/t", f"{NET}/frontDoors/f")
    ids += (f"{NET}/applicationGateways/a", f"{NET}/privateLinkServices/p", f"{NET}/publicIPAddresses/pip")
    reads = ("afdEndpoints", "afdEndpoints/e/routes")
    publisher_index = made(
        network(), nic(public="pip"), *({"id": id, "properties": strange} for id in ids), reads=reads
    )
    assert publisher_index.publishers([""]) == ()
    of_nic(publisher_index, *topology(publisher_index.index).paths(publisher_index.topology.fabric.nics[NIC.lower()]))


# The ports that a publisher calls


def ruled(port: int | None, **more: Any) -> Body:
    """A gateway with a rule that calls its pool at a port (None: without a backend setting)."""
    id = f"{NET}/applicationGateways/agw"
    rule: Body = {
        "httpListener": {"id": f"{id}/httpListeners/l"},
        "backendAddressPool": {"id": f"{id}/backendAddressPools/p0"},
        "backendHttpSettings": {"id": f"{id}/backendHttpSettingsCollection/s"},
    }
    listener = {"name": "l", "properties": {"frontendIPConfiguration": {"id": f"{id}/frontendIPConfigurations/out"}}}
    settings = [{"name": "s", "properties": {"port": port}}] if port is not None else []
    return gateway(
        {"backendAddresses": [{"ipAddress": "10.0.0.4"}]},
        httpListeners=[listener],
        requestRoutingRules=[{"name": "r", "properties": rule}],
        backendHttpSettingsCollection=settings,
        **more,
    )


@pytest.mark.parametrize(("port", "expected"), [(8080, {8080}), (None, set())])
def test_a_gateway_calls_the_port_of_its_setting(port: int | None, expected: set[int]) -> None:
    publisher_index = made(network(), group(), nic(), ruled(port))
    machine = publisher_index.topology.fabric.nics[NIC.lower()]
    assert publisher_index.called_ports("", [machine], ()) == {GATEWAY[0]: expected}


def test_a_path_map_calls_the_port_of_each_path() -> None:
    id = f"{NET}/applicationGateways/agw"
    body = ruled(8080)
    rules = body["properties"]["requestRoutingRules"]
    rules[0]["properties"] = {"urlPathMap": {"id": f"{id}/urlPathMaps/m"}}
    body["properties"]["backendHttpSettingsCollection"].append({"name": "t", "properties": {"port": 9090}})
    led = {
        "backendAddressPool": {"id": f"{id}/backendAddressPools/p0"},
        "backendHttpSettings": {"id": f"{id}/backendHttpSettingsCollection/t"},
    }
    whole = {
        "defaultBackendAddressPool": {"id": f"{id}/backendAddressPools/p0"},
        "defaultBackendHttpSettings": {"id": f"{id}/backendHttpSettingsCollection/s"},
        "pathRules": [{"name": "x", "properties": led}],
    }
    body["properties"]["urlPathMaps"] = [{"name": "m", "properties": whole}]
    publisher_index = made(network(), group(), nic(), body)
    # The rule itself names no pool and no setting.
    assert publisher_index.called_ports("", [publisher_index.topology.fabric.nics[NIC.lower()]], ()) == {
        GATEWAY[0]: {8080, 9090}
    }


def test_what_a_classic_cdn_publishes() -> None:
    origins = [
        {"properties": {"hostName": HOST, "httpPort": 80, "httpsPort": 443, "enabled": True}},
        {"properties": {"hostName": "off.example.net", "enabled": False}},
    ]
    profile: Body = {"id": CDN, "sku": {"name": "Standard_Microsoft"}}
    publisher_index = made(
        profile, {"id": f"{CDN}/endpoints/site", "properties": {"resourceState": "Running", "origins": origins}}
    )
    assert publisher_index.publishers([HOST]) == ("published through the CDN afd",)
    assert [[hop.kind for hop in chain] for chain in publisher_index.chains([HOST])] == [["cdn"]]
    assert publisher_index.publishers(["off.example.net"]) == ()
    stopped = {"id": f"{CDN}/endpoints/site", "properties": {"resourceState": "Stopped", "origins": origins}}
    assert made(profile, stopped).publishers([HOST]) == ()


def test_a_stopped_application_gateway_publishes_nothing() -> None:
    gateway: Body = {
        "id": f"{CDN.partition('/providers/')[0]}/providers/Microsoft.Network/applicationGateways/agw",
        "properties": {
            "frontendIPConfigurations": [{"name": "public", "properties": {"publicIPAddress": {"id": "pip"}}}],
            "backendAddressPools": [{"name": "app", "properties": {"backendAddresses": [{"fqdn": HOST}]}}],
        },
    }
    assert made(gateway).publishers([HOST]) == ("published through the application gateway agw",)
    gateway["properties"]["operationalState"] = "Stopped"
    assert made(gateway).publishers([HOST]) == ()
