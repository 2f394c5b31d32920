"""Services whose control plane is global: what no choice of region or zone makes independent of an outage there."""

from typing import Final, NamedTuple

from scanner.model.message import Message

LEARN: Final = "https://learn.microsoft.com"


class ControlPlane(NamedTuple):
    """A service with a global control plane."""

    id: str
    service: str
    types: frozenset[str]
    """The types (lower case) that depend on it; empty: every resource."""
    reason: str
    """What depends on it."""
    source: str
    """The page of Microsoft that says so."""


CONTROL_PLANES: Final = (
    ControlPlane(
        "resource-manager",
        "Azure Resource Manager",
        frozenset(),
        Message(
            "Creating, changing, scaling and deleting resources goes through it. Requests to running services do not."
        ),
        f"{LEARN}/azure/reliability/reliability-resource-manager",
    ),
    ControlPlane(
        "entra-id",
        "Microsoft Entra ID",
        frozenset(),
        Message(
            "Sign-in and new tokens come from it, also for the portal, the command line and managed identities. A "
            "token that was issued works until it expires."
        ),
        f"{LEARN}/entra/architecture/resilience-app-development-overview",
    ),
    ControlPlane(
        "front-door",
        Message("Azure Front Door and Azure CDN"),
        frozenset({"microsoft.cdn/profiles", "microsoft.network/frontdoors"}),
        Message(
            "A global service: one configuration is sent to every edge location, and traffic enters through it "
            "whatever region the application is in."
        ),
        f"{LEARN}/azure/frontdoor/front-door-faq",
    ),
    ControlPlane(
        "traffic-manager",
        "Azure Traffic Manager",
        frozenset({"microsoft.network/trafficmanagerprofiles"}),
        Message(
            "A global service that answers DNS queries: which region a client goes to is decided and changed there."
        ),
        f"{LEARN}/azure/reliability/reliability-traffic-manager",
    ),
)
"""The services, in the order of reports."""
