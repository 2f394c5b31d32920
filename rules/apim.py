"""API Management: the APIs of its gateways, the developer portal, the management API, Git and self-hosted gateways."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from scanner.model.exposure import IDENTITY, Auth, Exposure, Hop, Lock, Reach, closed, grant, possible, replace, unread
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Children, Resource
from scanner.model.resource_type import HTTP_AND_HTTPS, HTTPS, Endpoint, NoPort, NoRule, Read, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import Evidence, Unread, not_returned, not_returned_or_unknown, unknown_value
from scanner.reach.paths.open_ports import subnet_port_lock
from scanner.reach.rules.sources import as_possible, grant_from_addresses
from scanner.reach.services.firewall import Firewall, firewall, injection_subnet

from .apim_policies import NO_POLICY, Demands, Policies, reduced, unread_policy
from .common import host, in_tier, private_only
from .reasons import NO_CUSTOMER_KEY

# MCP servers and agents are not in the lists of this version: only previews have them (azure-rest-api-specs pull 44170).
SERVICE = ResourceType(
    "Microsoft.ApiManagement/service",
    api="2024-05-01",
    keep=(
        "properties.customProperties.*",
        "properties.additionalLocations[].virtualNetworkConfiguration.subnetResourceId",
    ),
    product=Message("API Management"),
    unread={
        "additionalLocations that are absent": "Further locations are a choice of latency.",
        "revisions": "A choice of each API.",
    },
    no_rule=NoRule(
        key=NO_CUSTOMER_KEY,
        backup="a backup is made by an action, and its result is in a storage account; Azure keeps a deleted service for 48 hours, without a setting",
    ),
)
KEYED = "properties.subscriptionRequired"
SUBNET = "properties.virtualNetworkConfiguration.subnetResourceId"
# azure-mgmt-apimanagement SkuType; api-management-features has what each tier has.
CLASSIC = ("Developer", "Basic", "Standard", "Premium")
INJECTED = ("Developer", "Premium")
V2 = ("BasicV2", "StandardV2", "PremiumV2")


def has_portal(service: Resource) -> bool:
    is_off = same(service.get("properties.developerPortalStatus"), "Disabled")
    return not is_off and not in_tier(service, ("Consumption",))


def is_classic(service: Resource) -> bool:
    """Return whether the tier may have the direct management API and Git. A tier that is not known may."""
    return not in_tier(service, (*V2, "Consumption"))


def may_have_gateways(service: Resource) -> bool:
    return not in_tier(service, (*V2, "Consumption", "Basic", "Standard"))


def may_have_workspaces(service: Resource) -> bool:
    # workspaces-overview (June 2026) has them on Basic v2 and Standard v2, api-management-features on Premium tiers alone.
    return not in_tier(service, ("Consumption", "Developer", "Basic", "Standard"))


def needs_no_key(resource: Resource) -> bool:
    """Return whether an API or a product requires no subscription, as far as is known."""
    return not same(resource.get(KEYED), True)


def needs_no_approval(product: Resource) -> bool:
    """Return whether everyone who sees a product in the developer portal gets its key, as far as is known.

    api-management-howto-add-products: a product that is not published is visible to administrators alone.
    """
    published = not same(product.get("properties.state"), "notPublished")
    return published and not same(product.get("properties.approvalRequired"), True)


def gives_keys(product: Resource) -> bool:
    """Return whether a product may let callers in without a key that someone gave them."""
    return needs_no_key(product) or needs_no_approval(product)


# Recorded: "ResourceNotFound", "PoliciesConfiguration not found."
NO_POLICY_CODES = ("ResourceNotFound",)


def kind_of_provider(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of an identity provider with its kind alone: the others of its properties name a secret."""
    properties = body.get("properties")
    if not isinstance(properties, dict):
        return body
    return {**body, "properties": {name: value for name, value in properties.items() if name == "type"}}


def policy(of: ResourceType | Read) -> Read:
    """Return the read of the policy at one scope; of the XML only what says who may call is kept."""
    return of.child("policies/policy", one=True, none=NO_POLICY_CODES, reduce=reduced)


BACKENDS = SERVICE.child("backends", always=True, product=Message("API back end"))
APIS = SERVICE.child("apis", always=True, product=Message("API"))
GLOBAL_POLICY = policy(SERVICE)
FRAGMENTS = SERVICE.child("policyFragments", reduce=reduced)
API_POLICY = policy(APIS)
OPERATIONS = APIS.child("operations", when=needs_no_key)
OPERATION_POLICY = policy(OPERATIONS)
PRODUCTS = SERVICE.child("products")
PRODUCT_APIS = PRODUCTS.child("apis", when=gives_keys)
PRODUCT_POLICY = PRODUCTS.child("policies/policy", one=True, none=NO_POLICY_CODES, reduce=reduced, when=needs_no_key)
WORKSPACES = SERVICE.child("workspaces", when=may_have_workspaces)
WORKSPACE_APIS = WORKSPACES.child("apis")
GATEWAYS = SERVICE.child("gateways", when=may_have_gateways)
PORTAL = SERVICE.child("portalconfigs", when=has_portal)
PROVIDERS = SERVICE.child("identityProviders", when=has_portal, reduce=kind_of_provider)
DIRECT = SERVICE.child("tenant/access", one=True, when=is_classic)
GIT = SERVICE.child("tenant/gitAccess", one=True, when=is_classic)
SUBSCRIPTIONS = SERVICE.child("subscriptions", product=Message("API subscription"))
NAMED_VALUES = SERVICE.child("namedValues")

ACL = Firewall(
    empty="open",
    source="azure-mgmt-apimanagement ApiManagementServiceResource: publicNetworkAccess is Enabled by default, and where it "
    "is Disabled, private endpoints are the exclusive access method",
    name="Policies",
    absent="enabled",
)
INSIDE = replace(ACL, injected=(SUBNET,))
KEYS = grant(Auth.shared, description=Message("accepts a subscription key"))


# Network


def network(service: Resource, index: Index, filters: Lock | None = None) -> Lock:
    """Return the network lock of a service; `filters`: that of the address lists in its policies."""
    path = "properties.virtualNetworkType"
    value = service.get(path)
    if same(value, "Internal"):
        if injection_subnet(service, SUBNET):
            return firewall(service, index, INSIDE)
        return private_only(
            Hop("subnet", Message("its subnet"), Message("inside a virtual network")), service.evidence(path)
        )
    if not is_absent(value) and not same(value, "None") and not same(value, "External"):
        return as_possible(firewall(service, index, ACL, filters), unknown_value(path, value))
    # api-management/integrate-vnet-outbound: the network of Standard v2 is for outgoing traffic, its gateway is public.
    if filters is None and same(value, "External") and in_tier(service, INJECTED):
        filters = by_security_groups(service, index)
    return firewall(service, index, ACL, filters)


def other_regions(service: Resource) -> list[Any] | None:
    """Return the further regions of a service; None where they are not known."""
    value = service.get("properties.additionalLocations")
    if is_absent(value):
        return None if service.why_absent_is_unknown else []
    return value if isinstance(value, list) else None


def by_security_groups(service: Resource, index: Index) -> Lock | None:
    """Return the lock of port 443 in the subnets of all regions; None where one of them names no subnet."""
    regions = other_regions(service)
    if regions is None:
        return None
    path = "virtualNetworkConfiguration.subnetResourceId"
    off = service.get("properties.disableGateway")
    subnets = [] if regions and same(off, True) else [service.get(SUBNET)]
    subnets += [get_path(each, path) for each in regions if not same(get_path(each, "disableGateway"), True)]
    if not all(isinstance(each, str) and each for each in subnets):
        return None
    lock = Lock()
    for subnet in dict.fromkeys(str(each) for each in subnets):
        lock |= subnet_port_lock(index, subnet, 443, Hop("switch", Message("Virtual network"), Message("External")))
    return lock


def gateway_off(service: Resource) -> Evidence | None:
    """Return the evidence that the gateways of all regions are off; None where one is on.

    azure-mgmt-apimanagement: disableGateway is valid only for a service in several regions.
    """
    regions = other_regions(service)
    path = "properties.disableGateway"
    if not regions or not same(service.get(path), True):
        return None
    return service.evidence(path) if all(same(get_path(each, "disableGateway"), True) for each in regions) else None


# What a caller must present


class Calls(Struct, frozen=True):
    """The calls to one API: what a caller must present, and from where."""

    authentication: Lock
    filters: Lock | None = None


class Apis:
    """The APIs of one service, with the policies and products that decide on their calls."""

    def __init__(self, service: Resource, index: Index) -> None:
        self.service = service
        self.index = index
        fragments = service.children(FRAGMENTS)
        self.policies = Policies(fragments, fragments.gap)
        self.whole = self.demands(service, GLOBAL_POLICY, "policies/policy")
        self.products: Children = service.children(PRODUCTS)
        self.open = [each for each in self.products if needs_no_key(each)]
        lock, only_visitors = portal_lock(service) if has_portal(service) else (IDENTITY, False)
        anyone = Auth.anonymous in lock.levels and not only_visitors
        self.self_service = [
            each for each in self.products if anyone and each not in self.open and needs_no_approval(each)
        ]

    def demands(self, of: Resource, read: Read, where: str) -> Demands:
        """Return what the policy at one scope requires. Without a policy those of the outer scopes apply."""
        try:
            resource = of.child(read)
        except Unread as missing:
            return unread_policy(Unread(where, missing.why, missing.gap))
        return NO_POLICY if resource is None else self.policies.of(resource, where)

    def calls(self, api: Resource) -> Calls:
        """Return who may call an API: without a key where it, or an open product with it, requires none."""
        demands = self.demands(api, API_POLICY, f"apis/{api.name}/policies/policy")
        value = api.get(KEYED)
        if same(value, True):
            lock, filters = self._keyed(demands)
            lock |= self._by_account(api) if lock.has(Auth.shared) else Lock()
        else:
            missing = None if same(value, False) else not_returned_or_unknown(f"apis/{api.name} {KEYED}")
            lock, filters = self._keyless(api, demands, api, self.whole, missing)
        for product in self.open:
            lock |= self._in_product(api, demands, product)
        if self.products.gap is not None and same(value, True):
            lock |= possible(Auth.anonymous, self.products.gap)
        return Calls(lock, filters if not self.open else None)

    def _in_product(self, api: Resource, demands: Demands, product: Resource) -> Lock:
        """Return the lock of calls without a key in the context of an open product.

        api-management-subscriptions: whether the product is published makes no difference.
        """
        apis = product.children(PRODUCT_APIS)
        if not _has(apis, api):
            return possible(Auth.anonymous, apis.gap) if apis.gap is not None else Lock()
        value = product.get(KEYED)
        missing = None if same(value, False) else not_returned_or_unknown(f"products/{product.name} {KEYED}")
        where = f"products/{product.name}/policies/policy"
        outer = self.demands(product, PRODUCT_POLICY, where).inside(self.whole)
        return self._keyless(api, demands, product, outer, missing)[0]

    def _by_account(self, api: Resource) -> Lock:
        """Return what an account that anyone can make in the developer portal may add: a key of a product with the API.

        api-management-howto-add-products: without approval a key is given at once, to the groups that see the product.
        """
        lock = Lock()
        for product in self.self_service:
            apis = product.children(PRODUCT_APIS)
            if _has(apis, api):
                groups = Unread(f"products/{product.name}/groups", GROUPS)
                seen = product.evidence("properties.approvalRequired", True)
                lock |= possible(Auth.anonymous, groups, replace(seen, path=f"products/{product.name} {seen.path}"))
            elif apis.gap is not None:
                lock |= possible(Auth.anonymous, apis.gap)
        return lock

    def _keyed(self, demands: Demands) -> tuple[Lock, Lock | None]:
        """Return the lock of an API that requires a key. Its operations are not read: a key is needed anyhow."""
        whole = demands.inside(self.whole)
        why = Message("not collected where a key is required; a policy of an operation may leave out that of its API")
        missing = Unread(Message("the policies of its operations"), why)
        filters = self._filters(whole)
        if filters is not None:
            filters |= possible(Reach.internet, missing)
        if whole.tokens:
            return grant(Auth.identity, *whole.tokens) | KEYS.as_possible(missing), filters
        if whole.unclear:
            return KEYS.as_possible(whole.unclear[0]), filters
        return KEYS, filters

    def _keyless(
        self, api: Resource, demands: Demands, without: Resource, outer: Demands, missing: Unread | None
    ) -> tuple[Lock, Lock | None]:
        """Return the lock of calls without a key. `without`: what requires none, the API or a product."""
        lock, filters, ways = Lock(), Lock(), [demands.inside(outer)]
        operations = (
            api.children(OPERATIONS)
            if needs_no_key(api)
            else Children([], Unread("operations", Message("not collected")))
        )
        if len(operations):
            # Every call is one of an operation.
            ways = [self._operation(api, each).inside(demands).inside(outer) for each in operations]
        for way in ways:
            lock |= self._way(without, way, self._keyed(demands)[0] if without is api else None)
        if operations.gap is not None:
            # Each operation may leave out a check, and each may have one of its own.
            sure = tuple(each for each in lock.grants if each.level != Auth.anonymous)
            lock = replace(lock, grants=sure) | undecided(operations.gap)
        if missing is not None:
            # With a key it has another network lock: see _keyed.
            lock, filters = lock.as_possible(missing) | KEYS.as_possible(missing), possible(Reach.internet, missing)
        known = operations.gap is None and all(way.filters for way in ways)
        for way in ways if known else ():
            filters |= self._filters(way) or Lock()
        return _unique(lock), filters if known else None

    def _operation(self, api: Resource, operation: Resource) -> Demands:
        where = f"apis/{api.name}/operations/{operation.name}/policies/policy"
        return self.demands(operation, OPERATION_POLICY, where)

    def _way(self, without: Resource, way: Demands, then: Lock | None) -> Lock:
        """Return the lock of one way of a call. `then`: that of the API once it requires a key; None for a product."""
        if way.tokens:
            return grant(
                Auth.identity,
                *way.tokens,
                description=Message("requires a token or certificate that its policy checks"),
            )
        if way.signatures:
            return grant(
                Auth.shared, *way.signatures, description=Message("requires a token that is signed with a shared key")
            )
        if way.unclear:
            return undecided(way.unclear[0])
        product = f"products/{without.name} " if then is None else ""
        seen = replace(without.evidence(KEYED, True), path=f"{product}{KEYED}")
        cause = Cause(without.id, KEYED, value=True)
        message = Message("allows anonymous access: neither a key nor its policies are required")
        if product:
            message = Message("allows anonymous access through the open product {name}", name=without.name)
        return grant(Auth.anonymous, seen, description=message, cause=cause, then=then or KEYS)

    def _filters(self, way: Demands) -> Lock | None:
        """Return the network lock of the address lists of policies: of several the first; None without any."""
        if not way.filters:
            return None
        seen = Evidence("ip-filter", Message("only the addresses that it lists"))
        result = grant_from_addresses(way.filters[0], self.index, seen)
        hop = Hop("firewall", "ip-filter", result.description if result is not None else Message("no public address"))
        return Lock((result,) if result is not None else (), hops=(hop,))


GROUPS = Message(
    "anyone can make an account in the developer portal and gets a key of the product without approval, if a group that sees "
    "the product has the account"
)


def _has(apis: Children, api: Resource) -> bool:
    """Return whether an API, in any revision, is in the list of a product."""
    return any(each.name.lower() == api.name.partition(";")[0].lower() for each in apis)


def undecided(missing: Unread) -> Lock:
    """Return the lock of calls of which it is not known what they need."""
    return possible(Auth.anonymous, missing) | possible(Auth.shared, missing)


def _unique(lock: Lock) -> Lock:
    """Return the lock with each grant once: operations repeat them."""
    grants = {(each.level, each.description): each for each in reversed(lock.grants)}
    doubts = {(each.level, each.missing): each for each in reversed(lock.possible_grants)}
    return replace(lock, grants=tuple(grants.values()), possible_grants=tuple(doubts.values()))


def apis(service: Resource, index: Index) -> Iterator[Exposure]:
    """Yield the exposure of each API, as a gateway that is on serves it."""
    children = service.children(APIS)
    known = Apis(service, index)
    address = host(service, "properties.gatewayUrl")
    for api in children:
        name, what = f"api/{api.name}", Message("The API {name}", name=api.name)
        if same(api.get("properties.isOnline"), False):
            seen = api.evidence("properties.isOnline")
            yield replace(
                closed(name, "app", Message("this revision is offline"), seen, display_name=what), subject=api
            )
        else:
            calls = known.calls(api)
            reach = network(service, index, calls.filters)
            yield Exposure(name, "app", reach, calls.authentication, display_name=what, subject=api, address=address)
    if children.gap is not None:
        yield unread("api/*", "app", children.gap, display_name=Message("An API of the gateway"))
    yield from workspace_apis(service, index, address)


def workspace_apis(service: Resource, index: Index, address: str) -> Iterator[Exposure]:
    """Yield the exposure of each API of a workspace. The policies of workspaces are not read."""
    spaces = service.children(WORKSPACES)
    reach = network(service, index)
    missing = Unread(Message("the policies of workspaces"), Message("not collected"))
    for space in spaces:
        children = space.children(WORKSPACE_APIS)
        for api in children:
            lock = possible(Auth.anonymous, missing, api.evidence(KEYED, True))
            if not same(api.get(KEYED), False):
                lock |= KEYS if same(api.get(KEYED), True) else KEYS.as_possible(not_returned_or_unknown(KEYED))
            name, what = (
                f"api/{space.name}/{api.name}",
                Message("The API {name} of the workspace {name2}", name=api.name, name2=space.name),
            )
            yield Exposure(name, "app", reach, lock, display_name=what, address=address)
        if children.gap is not None:
            yield unread(
                f"api/{space.name}/*",
                "app",
                children.gap,
                display_name=Message("An API of the workspace {name}", name=space.name),
            )
    if spaces.gap is not None:
        yield unread("api/*", "app", spaces.gap, display_name=Message("An API of a workspace"))


def at_gateway(service: Resource, served: list[Exposure]) -> Iterator[Exposure]:
    """Yield the APIs as the gateway of the service serves them. A workspace has gateways of its own beside it."""
    off = gateway_off(service)
    for each in served:
        if off is None or each.subject is None or each.disabled_reason:
            yield each
            continue
        why = Message("the gateway is disabled in every region")
        exposure = closed(each.endpoint, each.kind, why, off, display_name=each.display_name)
        yield replace(exposure, subject=each.subject)


# The other endpoints
ENDED = Message(
    "support ended on 15 March 2025 (api-management/breaking-changes/overview); whether an instance that has it enabled still "
    "answers is not documented"
)


def retired(service: Resource, index: Index, read: Read, name: str, what: Message, path: str) -> Exposure:
    """Return the exposure of the direct management API, or of the Git repository. Both accept a password of their own."""
    if not read.needed(service):
        return closed(name, "admin", Message("this tier has none"), service.evidence("sku.name"), display_name=what)
    switch = f"{read.path} properties.enabled"
    try:
        resource = service.child(read)
    except Unread as missing:
        lock = possible(Auth.shared, Unread(switch, missing.why, missing.gap))
        return _ended(name, network(service, index), lock, what, host(service, path))
    value = None if resource is None else resource.get("properties.enabled")
    if resource is not None and same(value, False):
        seen = replace(resource.evidence("properties.enabled"), path=switch)
        return closed(name, "admin", Message("it is disabled"), seen, display_name=what)
    if resource is None or not same(value, True):
        lock = possible(Auth.shared, not_returned_or_unknown(switch))
        return _ended(name, network(service, index), lock, what, host(service, path))
    seen = replace(resource.evidence("properties.enabled", False), path=switch)
    cause = Cause(resource.id, "properties.enabled", value=False)
    lock = grant(Auth.shared, seen, description=Message("accepts a token that is made with its key"), cause=cause)
    return _ended(name, network(service, index), lock, what, host(service, path))


def _ended(name: str, reach: Lock, lock: Lock, what: Message, address: str) -> Exposure:
    return Exposure(
        name, "admin", reach, lock, display_name=what, address=address, severity_steps_down=1, justification=ENDED
    )


VISITORS = Message("its pages are documentation that its owner publishes; a visitor gets no key")


def portal(service: Resource, index: Index) -> Exposure:
    """Return the exposure of the developer portal.

    With the password provider anyone can make an account, even where sign-up is off in the portal: GHSA-vcwf-73jp-r7mv.
    """
    what, path = Message("The developer portal"), "properties.developerPortalStatus"
    if not has_portal(service):
        return closed("portal", "app", Message("it is disabled"), service.evidence(path), display_name=what)
    url = "properties.developerPortalUrl"
    if is_absent(service.get(url)) and not service.why_absent_is_unknown:
        return closed("portal", "app", Message("it has none"), service.evidence(url), display_name=what)
    lock, only_visitors = portal_lock(service)
    exposure = Exposure("portal", "app", network(service, index), lock, display_name=what, address=host(service, url))
    return replace(exposure, severity_steps_down=1, justification=VISITORS) if only_visitors else exposure


def portal_lock(service: Resource) -> tuple[Lock, bool]:
    """Return what the portal requires, and whether it shows visitors its pages and no more."""
    configs = service.children(PORTAL)
    if configs.gap is not None or not len(configs):
        return possible(Auth.anonymous, configs.gap or not_returned(PORTAL.path)), False
    matches = [_portal_of(each, service) for each in configs]
    return max(matches, key=lambda each: (max(each[0].levels), not each[1]))


def _portal_of(config: Resource, service: Resource) -> tuple[Lock, bool]:
    """Return what one configuration of the portal requires, and whether it shows visitors its pages and no more."""
    passwords, sign_in = "properties.enableBasicAuth", "properties.signin.require"
    value = config.get(passwords)
    if is_absent(value) or not isinstance(value, bool):
        missing = not_returned_or_unknown(f"{PORTAL.path} {passwords}")
        return possible(Auth.anonymous, missing), False
    seen = replace(config.evidence(passwords, False), path=f"{PORTAL.path} {passwords}")
    if value:
        cause = Cause(config.id, passwords, value=False)
        return grant(Auth.anonymous, seen, description=ANYONE, cause=cause, then=IDENTITY), False
    accounts = _accounts(config, service)
    if accounts.levels:
        return accounts, False
    asked = replace(config.evidence(sign_in, True), path=f"{PORTAL.path} {sign_in}")
    if same(config.get(sign_in), True):
        return grant(Auth.identity, seen, asked), False
    if same(config.get(sign_in), False):
        cause = Cause(config.id, sign_in, value=True)
        message = Message("shows its pages without sign-in")
        return grant(Auth.anonymous, asked, description=message, cause=cause, then=IDENTITY), True
    return possible(Auth.anonymous, not_returned_or_unknown(asked.path)), True


ANYONE = Message("lets anyone make an account")
# azure-mgmt-apimanagement IdentityProviderType. A tenant of Azure AD B2C is for accounts that its visitors make.
SOCIAL = ("facebook", "google", "microsoft", "twitter", "aadB2C")
DELEGATED = "properties.delegation.delegateRegistration"


def _accounts(config: Resource, service: Resource) -> Lock:
    """Return what the identity providers of the portal allow beside accounts of tenants of Microsoft Entra ID."""
    lock = Lock()
    if same(config.get(DELEGATED), True):
        missing = Unread(
            f"{PORTAL.path} {DELEGATED}", Message("your own site signs users in, which Azure does not show")
        )
        lock |= possible(Auth.anonymous, missing)
    providers = service.children(PROVIDERS)
    for each in providers:
        kind = each.get("properties.type") if each.has("properties.type") else each.name.rsplit("/", 1)[-1]
        seen = Evidence(f"{PROVIDERS.path}/{each.name.rsplit('/', 1)[-1]}", kind, "aad")
        if any(same(kind, one) for one in SOCIAL):
            lock |= grant(Auth.anonymous, seen, description=ANYONE, cause=Cause(each.id))
        elif not same(kind, "aad"):
            lock |= possible(Auth.anonymous, unknown_value(seen.path, kind), seen)
    return lock if providers.gap is None else lock | possible(Auth.anonymous, providers.gap)


GATEWAY_TOKEN = Message(
    "each self-hosted gateway has a token of its own, which is valid for 30 days at most "
    "(api-management/self-hosted-gateway-authentication-options)"
)


def self_hosted(service: Resource, index: Index, served: list[Exposure]) -> Iterator[Exposure]:
    """Yield the endpoint from which self-hosted gateways fetch their configuration, and each such gateway.

    A self-hosted gateway runs in a network that Azure does not know. Which APIs it serves is not read: of those of the
    service (`served`) the one that requires least counts.
    """
    gateways, what = service.children(GATEWAYS), Message("The configuration endpoint of self-hosted gateways")
    if not len(gateways) and gateways.gap is None:
        return (yield closed("configuration", "admin", Message("it has no self-hosted gateway"), display_name=what))
    lock = grant(
        Auth.shared,
        Evidence(GATEWAYS.path, [each.name for each in gateways]),
        description=Message("accepts a gateway's token"),
    )
    if not len(gateways) and gateways.gap is not None:
        lock = possible(Auth.shared, gateways.gap)
    yield Exposure(
        "configuration",
        "admin",
        network(service, index),
        lock,
        display_name=what,
        address=f"{service.name}.configuration.azure-api.net",
        max_severity=Severity.low,
        counts_as_closed_up_to=Reach.selected,
        justification=GATEWAY_TOKEN,
    )
    if gateways.gap is not None:
        yield unread("self-hosted/*", "app", gateways.gap, display_name=Message("A self-hosted gateway"))
    missing = Unread(Message("its address"), Message("a self-hosted gateway runs outside of what Azure describes"))
    for each in gateways:
        what = Message("The self-hosted gateway {name}", name=each.name)
        hop = Hop("switch", Message("A self-hosted gateway"), missing.why, allows=None)
        reach = possible(Reach.internet, missing, hops=(hop,))
        yield Exposure(f"self-hosted/{each.name}", "app", reach, least_required(served), display_name=what)


def least_required(served: list[Exposure]) -> Lock:
    """Return the lock of the API that requires least; what an API may allow counts as allowed."""
    levels = [level for each in served for level in each.authentication.levels]
    return grant(max(levels, default=Auth.identity), Evidence("apis", [each.endpoint for each in served]))


@SERVICE.endpoints(
    Endpoint(
        "management",
        "admin",
        ports=HTTPS,
        hosts=("properties.hostnameConfigurations[type=Management].hostName",),
        no_rule={"anonymous-access": "the direct management API always requires a token that is made with its key"},
    ),
    Endpoint(
        "scm",
        "admin",
        ports=HTTPS,
        hosts=("properties.hostnameConfigurations[type=Scm].hostName",),
        no_rule={"anonymous-access": "Git always requires a password"},
    ),
    Endpoint(
        "configuration",
        "admin",
        ports=HTTPS,
        hosts=("properties.hostnameConfigurations[type=ConfigurationApi].hostName",),
        no_rule={
            "anonymous-access": "a self-hosted gateway always presents its token",
            "authentication": "each self-hosted gateway has a token of its own, which expires; its severity is low",
        },
    ),
    Endpoint(
        "api/*",
        "app",
        ports=HTTP_AND_HTTPS,
        hosts=(
            "properties.hostnameConfigurations[type=Proxy].hostName",
            "properties.gatewayRegionalUrl",
            "properties.additionalLocations[].gatewayRegionalUrl",
        ),
    ),
    Endpoint(
        "portal",
        "app",
        ports=HTTP_AND_HTTPS,
        hosts=("properties.hostnameConfigurations[type=DeveloperPortal].hostName",),
        no_rule={
            "authentication": "the portal's own keys are those of its users; apim-portal-open-sign-up says who may sign in"
        },
    ),
    Endpoint(
        "self-hosted/*",
        "app",
        ports=NoPort(Message("the gateway runs on machines of the customer, at ports that no setting shows")),
    ),
    reads=(
        APIS,
        GLOBAL_POLICY,
        FRAGMENTS,
        API_POLICY,
        OPERATIONS,
        OPERATION_POLICY,
        PRODUCTS,
        PRODUCT_APIS,
        PRODUCT_POLICY,
        WORKSPACES,
        WORKSPACE_APIS,
        GATEWAYS,
        PORTAL,
        PROVIDERS,
        DIRECT,
        GIT,
    ),
)
def endpoints(service: Resource, index: Index) -> Iterator[Exposure]:
    served = list(apis(service, index))
    yield from at_gateway(service, served)
    yield portal(service, index)
    management = Message("The direct management API")
    yield retired(service, index, DIRECT, "management", management, "properties.managementApiUrl")
    yield retired(service, index, GIT, "scm", Message("The Git repository of its settings"), "properties.scmUrl")
    yield from self_hosted(service, index, served)
