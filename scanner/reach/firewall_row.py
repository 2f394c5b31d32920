"""The declarative row of a service's firewall: where its switch, rule lists and private endpoints stand in the body."""

from dataclasses import dataclass
from typing import Any, Literal

from scanner.model.rule import Read


@dataclass(frozen=True, slots=True)
class RuleList:
    """Where one list of firewall rules stands, and which members of an entry say what.

    Either an inline list (`path`, in the resource or in the row's `holder`) or child resources (`child`). An entry
    holds an `address` (address, CIDR or range; "" where the entry itself is the text), or `start` and `end`, or the id
    of a subnet or a resource (`id`; "" where the entry itself is the id). `action` is the member that may say Deny.
    """

    path: str = ""
    child: Read | None = None
    address: str = ""
    start: str = ""
    end: str = ""
    id: str = ""
    action: str = ""

    @property
    def name(self) -> str:
        return self.path if self.child is None else self.child.path


@dataclass(frozen=True, slots=True)
class Firewall:
    """The row of a service: where its public switch, its rules and its private endpoints stand, and what absence means.

    - `empty`: what no rule at all means where the default action does not decide: "open" or "closed".
    - `public`: the path of the public switch ("" where there is none), with its known values. `absent`: what an absent
      or null switch means: "enabled", "disabled", or "auto" (closed as soon as a private endpoint is approved); ""
      leaves it undecided. `second`: the path of a switch in `holder` that must agree with the first.
    - `default`: the path of the default action, with its values; `default_absent`: "allow", "deny" or "".
    - `addresses`, `subnets`, `instances`: the lists. `acl`: the object that holds them; a list in it that has entries
      and is not known leaves the door undecided; `other` names lists in it that are known to admit nobody.
    - `holder`: the single child on which default action and inline lists stand (rule sets of Event Hubs).
    - `zero`: the address 0.0.0.0 (or the range from it to itself) admits every Azure tenant. Elsewhere it means nobody.
    - `filter`: a path whose value true makes an empty rule list closed (Cosmos DB).
    - `bypass`: the path of the bypass for trusted services, `bypass_off` its values that admit nobody.
    - `endpoints`: where private endpoint connections stand: an inline path, a child, None where they do not serve it.
    - `injection_subnet`: paths; one that is there puts the resource into a virtual network, whatever the switch says.
    - `unruly`: the path of the SKU, the values on which the rule lists do not exist, or are not judged, and those on
      which they hold; on any other they may hold nobody off. `lacks` says what such a SKU lacks, after its name.
    - `configurations`: the child `networkSecurityPerimeterConfigurations`.
    - `source` names where Azure documents `absent`, `default_absent` and `empty`.
    """

    empty: Literal["open", "closed"]
    source: str
    name: str = "network rules"
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
    bypass_off: tuple[Any, ...] = ("None", "", False)
    endpoints: str | Read | None = "properties.privateEndpointConnections"
    injected: tuple[str, ...] = ()
    sku_without_network_rules: tuple[str, tuple[str, ...], tuple[str, ...]] = ("", (), ())
    lacks: str = "has no firewall"
    configurations: Read | None = None

    def __post_init__(self) -> None:
        if not self.source:
            raise TypeError("what an empty rule list means needs a source")
