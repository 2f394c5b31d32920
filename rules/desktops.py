"""Azure Virtual Desktop: who may connect to the desktops of a host pool, and to the feed of a workspace."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.severity import Severity
from scanner.reach.services.firewall import Firewall, firewall

from .reasons import FROM_TEMPLATE, NO_CUSTOMER_KEY

HOST_POOL = ResourceType(
    "Microsoft.DesktopVirtualization/hostPools",
    api="2025-10-10",
    product=Message("Host pool"),
    unread={
        "customRdpProperty": "What is redirected by default is decided by the client and the session host.",
        "session hosts": "They are machines, and evaluated as such.",
        "scaling plans": "They start hosts that exist.",
    },
    no_rule=NoRule(copy="hosts are machines, which are evaluated", key=NO_CUSTOMER_KEY, loss=FROM_TEMPLATE),
)
WORKSPACE = ResourceType(
    "Microsoft.DesktopVirtualization/workspaces",
    api="2025-10-10",
    product=Message("Desktop workspace"),
    no_rule=NoRule(
        data="it is a list of applications; the host pools behind it are evaluated",
        log="users are in the log of the host pool",
        loss=FROM_TEMPLATE,
    ),
)
SOURCE = "Azure Policy c25dcf31, 87ac3038: everything but Disabled is non-compliant, an absent value too; virtual-desktop/private-link-overview"
DESKTOPS = Firewall(
    empty="open",
    source=SOURCE,
    name=Message("Public network access"),
    absent="enabled",
    enabled=("Enabled", "EnabledForClientsOnly"),
    disabled=("EnabledForSessionHostsOnly", "Disabled"),
)
FEED = Firewall(empty="open", source=SOURCE, name=Message("Public network access"), absent="enabled")
NAMES = Message("the feed has names of desktops alone, and opens none, so low at most")
GATEWAY = "rdweb.wvd.microsoft.com"


# virtual-desktop/authentication: users sign in to the service with Microsoft Entra ID before they reach a session host.
ALWAYS = "users sign in with Microsoft Entra ID"


@HOST_POOL.endpoints(
    Endpoint("desktops", "data", ports=HTTPS, no_rule=ALWAYS),
)
def desktops(pool: Resource, index: Index) -> Iterator[Exposure]:
    reach = firewall(pool, index, DESKTOPS, groups=("connection",))
    yield Exposure(
        "desktops", "data", reach, IDENTITY, display_name=Message("The desktops of the host pool"), address=GATEWAY
    )


@WORKSPACE.endpoints(
    Endpoint("feed", "data", ports=HTTPS, no_rule=ALWAYS),
)
def feed(workspace: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "feed",
        "data",
        firewall(workspace, index, FEED, groups=("feed",)),
        IDENTITY,
        display_name=Message("The feed of the workspace"),
        address=GATEWAY,
        max_severity=Severity.low,
        justification=NAMES,
    )
