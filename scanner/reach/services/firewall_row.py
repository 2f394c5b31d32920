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
    """

    path: str = ""
    child: Read | None = None
    address: str = ""
    start: str = ""
    end: str = ""
    id: str = ""
    action: str = ""
    remove: str = ""
    """The service's own command that removes an entry of an inline list, a template with `{entry}`."""

    @property
    def name(self) -> str:
        return self.path if self.child is None else self.child.path


class Firewall(Struct, frozen=True):
    """The row of a service: its public switch, its rule lists and its private endpoints in the body, and the meaning of
    absent values.
    """

    empty: Literal["open", "closed"]
    """What no rule at all means where the default action does not decide: "open" or "closed"."""
    source: str
    """Where Azure documents `absent`, `default_absent` and `empty`."""
    name: str = Message("network rules")
    public: str = "properties.publicNetworkAccess"
    """The path of the public switch ("" without one), with its known values."""
    enabled: tuple[Any, ...] = ("Enabled",)
    disabled: tuple[Any, ...] = ("Disabled",)
    secured: tuple[Any, ...] = ("SecuredByPerimeter",)
    absent: Literal["enabled", "disabled", "auto", ""] = ""
    """What an absent or null switch means: "enabled", "disabled", or "auto" (closed as soon as a private endpoint is
    approved); "" is not known.
    """
    second: str = ""
    """The path of a switch in `holder` that must agree with the first."""
    default: str = ""
    """The path of the default action, with its values."""
    allow: tuple[Any, ...] = ("Allow",)
    deny: tuple[Any, ...] = ("Deny",)
    default_absent: Literal["allow", "deny", ""] = ""
    """"allow", "deny" or ""."""
    addresses: tuple[RuleList, ...] = ()
    subnets: tuple[RuleList, ...] = ()
    instances: tuple[RuleList, ...] = ()
    """`addresses`, `subnets`, `instances`: the lists."""
    acl: str = ""
    """The object that holds them; another list in it that has entries makes the lock inconclusive, except for the names
    of `other`, which are known to allow no caller.
    """
    other: tuple[str, ...] = ()
    holder: Read | None = None
    """The single child that has the default action and the inline lists (rule sets of Event Hubs)."""
    zero: bool = False
    """The address 0.0.0.0 (or the range from it to itself) allows every Azure tenant. Elsewhere it allows no one."""
    filter: str = ""
    """A path whose value true makes an empty rule list closed (Cosmos DB)."""
    bypass: str = ""
    """The path of the bypass, a value or several with commas between."""
    bypass_off: tuple[Any, ...] = ("None", "")
    """Values that allow no one."""
    bypass_trusted: tuple[Any, ...] = ("AzureServices",)
    """Values that allow trusted Microsoft services."""
    bypass_other: tuple[str, ...] = ()
    """Values that allow something else, which the service file rates. Any other value makes the lock inconclusive."""
    endpoints: str | Connections | Read | None = "properties.privateEndpointConnections"
    """Where private endpoint connections are: an inline path, a form of their own, a child, None without any."""
    injected: tuple[str, ...] = ()
    """Paths; one that has a value puts the resource into a virtual network, whatever the switch says."""
    sku_without_network_rules: tuple[str, tuple[str, ...], tuple[str, ...]] = ("", (), ())
    """The path of the SKU, the values on which the rule lists do not exist or are not evaluated, and those on which
    they are; on any other value they may block no one.
    """
    lacks: str = Message("has no firewall")
    """What such a SKU lacks, after its name."""
    configurations: Read | None = None
    """The child `networkSecurityPerimeterConfigurations`."""

    def __post_init__(self) -> None:
        if not self.source:
            raise TypeError("the meaning of an empty rule list needs a source")
