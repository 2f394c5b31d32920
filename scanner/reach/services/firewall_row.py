"""The row of a service's firewall: the paths of its switch, rule lists and private endpoints in the body."""

from typing import Any, Literal

from msgspec import Struct

from scanner.model.message import Message
from scanner.model.resource_type import Read
from scanner.reach.services.private_endpoints import Connections


class RuleList(Struct, frozen=True):
    """One list of firewall rules in a body, and the members of an entry.

    The list is inline (`path`, in the resource or in the row's `holder`) or child resources (`child`). An entry has an
    `address` (address, CIDR or range; "" where the entry itself is the text), or `start` and `end`, or the `id` of a
    subnet or a resource ("" where the entry itself is the id). `action` is the member that may say Deny.
    `remove`: the service's own command that removes an entry of an inline list, a template with `{entry}`.
    """

    path: str = ""
    child: Read | None = None
    address: str = ""
    start: str = ""
    end: str = ""
    id: str = ""
    action: str = ""
    remove: str = ""

    @property
    def name(self) -> str:
        return self.path if self.child is None else self.child.path


class Firewall(Struct, frozen=True):
    """The row of a service: its public switch, its rule lists and its private endpoints in the body, and the meaning of
    absent values.

    - `empty`: what no rule at all means where the default action does not decide: "open" or "closed".
    - `public`: the path of the public switch ("" without one), with its known values. `absent`: what an absent or null
      switch means: "enabled", "disabled", or "auto" (closed as soon as a private endpoint is approved); "" is not
      known. `second`: the path of a switch in `holder` that must agree with the first.
    - `default`: the path of the default action, with its values; `default_absent`: "allow", "deny" or "".
    - `addresses`, `subnets`, `instances`: the lists. `acl`: the object that holds them; another list in it that has
      entries makes the lock inconclusive, except for the names of `other`, which are known to allow no caller.
    - `holder`: the single child that has the default action and the inline lists (rule sets of Event Hubs).
    - `zero`: the address 0.0.0.0 (or the range from it to itself) allows every Azure tenant. Elsewhere it allows no
      one.
    - `filter`: a path whose value true makes an empty rule list closed (Cosmos DB).
    - `bypass`: the path of the bypass, a value or several with commas between. `bypass_off`: values that allow no one;
      `bypass_trusted`: values that allow trusted Microsoft services; `bypass_other`: values that allow something else,
      which the service file rates. Any other value makes the lock inconclusive.
    - `endpoints`: where private endpoint connections are: an inline path, a form of their own, a child, None without
      any.
    - `injected`: paths; one that has a value puts the resource into a virtual network, whatever the switch says.
    - `sku_without_network_rules`: the path of the SKU, the values on which the rule lists do not exist or are not
      evaluated, and those on which they are; on any other value they may block no one. `lacks`: what such a SKU lacks,
      after its name.
    - `configurations`: the child `networkSecurityPerimeterConfigurations`.
    - `source`: where Azure documents `absent`, `default_absent` and `empty`.
    """

    empty: Literal["open", "closed"]
    source: str
    name: str = Message("network rules")
    public: str = "properties.publicNetworkAccess"
    enabled: tuple[Any, ...] = ("Enabled",)
    disabled: tuple[Any, ...] = ("Disabled",)
    secured: tuple[Any, ...] = ("SecuredByPerimeter",)
    absent: Literal["enabled", "disabled", "auto", ""] = ""
    second: str = ""
    default: str = ""
    allow: tuple[Any, ...] = ("Allow",)
    deny: tuple[Any, ...] = ("Deny",)
    default_absent: Literal["allow", "deny", ""] = ""
    addresses: tuple[RuleList, ...] = ()
    subnets: tuple[RuleList, ...] = ()
    instances: tuple[RuleList, ...] = ()
    acl: str = ""
    other: tuple[str, ...] = ()
    holder: Read | None = None
    zero: bool = False
    filter: str = ""
    bypass: str = ""
    bypass_off: tuple[Any, ...] = ("None", "")
    bypass_trusted: tuple[Any, ...] = ("AzureServices",)
    bypass_other: tuple[str, ...] = ()
    endpoints: str | Connections | Read | None = "properties.privateEndpointConnections"
    injected: tuple[str, ...] = ()
    sku_without_network_rules: tuple[str, tuple[str, ...], tuple[str, ...]] = ("", (), ())
    lacks: str = Message("has no firewall")
    configurations: Read | None = None

    def __post_init__(self) -> None:
        if not self.source:
            raise TypeError("the meaning of an empty rule list needs a source")
