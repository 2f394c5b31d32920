"""Private endpoints of a type that lists them below each resource (App Service), and what their status means."""

from scanner.model.exposure import Grant, Lock, Reach
from scanner.model.resource import By, Gap, Resource
from scanner.model.resource_type import ResourceType
from scanner.reach.services.firewall import firewall
from scanner.reach.services.firewall_row import Firewall
from tests.reach import shapes
from tests.reach.shapes import HOME, endpoint, reach

SITE = ResourceType("Microsoft.Web/sites", "Microsoft.Web/sites/slots", api="2025-03-01")
CONNECTIONS = SITE.child(
    "privateEndpointConnections", when=lambda site: site.get("properties.publicNetworkAccess") != "Enabled"
)
APP = Firewall(empty="open", source="app-service/overview-access-restrictions", absent="auto", endpoints=CONNECTIONS)
APP_ID = f"/subscriptions/{HOME}/resourceGroups/rg/providers/Microsoft.Web/sites/app"
ELSEWHERE = f"/subscriptions/{HOME}/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe"


def app(switch: str | None, status: str = "", *, by: By = "get", rules: Lock | None = None, also: str = "") -> str:
    """The reach of an app with a private endpoint in that status; `also`: one that is known from its own side."""
    site = Resource({"id": APP_ID, "properties": {"publicNetworkAccess": switch}}, by=by)
    site.bundle.reads[f"{site.key}/privateendpointconnections"] = 1
    if status:
        connection = {"id": f"{APP_ID}/privateEndpointConnections/pe", **endpoint(status=status)}
        site.bundle.add(Resource(connection, bundle=site.bundle))
    index = shapes.index()
    if also:
        known = {"privateLinkServiceId": APP_ID, "privateLinkServiceConnectionState": {"status": "Approved"}}
        index.add(Resource({"id": also, "properties": {"privateLinkServiceConnections": [{"properties": known}]}}))
    return reach(firewall(site, index, APP, rules))


def test_a_status_that_is_unknown_may_be_a_connection() -> None:
    assert app("Disabled", "Pending") == "none"
    assert app("Disabled", "Moon") == "unknown, may selected"
    assert app(None, "Moon") == "unknown, may internet"


def test_an_absent_switch_of_a_graph_row_is_not_surely_closed_by_a_private_endpoint() -> None:
    assert app(None, "Approved") == "private"
    assert app(None, "Approved", by="import") == "private, may internet"


def test_endpoints_that_need_not_be_read_are_known_from_their_own_side() -> None:
    nobody = Lock((Grant(Reach.none),))
    assert app("Enabled", rules=nobody) == "none"
    assert app("Enabled", rules=nobody, also=ELSEWHERE) == "private"


def test_the_private_endpoint_of_a_slot_closes_the_slot_and_not_the_app() -> None:
    def public(id: str, group: str) -> str:
        site = Resource({"id": id, "properties": {"publicNetworkAccess": None}})
        url = f"{id}/privateEndpointConnections".lower()
        site.bundle.gaps[url] = Gap(url, 403, "AuthorizationFailed")
        known = {"privateLinkServiceId": APP_ID, "privateLinkServiceConnectionState": {"status": "Approved"}}
        known |= {"groupIds": [group]}
        index = shapes.index(
            Resource({"id": ELSEWHERE, "properties": {"privateLinkServiceConnections": [{"properties": known}]}})
        )
        return reach(firewall(site, index, APP))

    assert public(APP_ID, "sites") == "private, may selected"
    assert public(APP_ID, "sites-staging") == "unknown, may internet"
    assert public(f"{APP_ID}/slots/staging", "sites-staging") == "private, may selected"
    assert public(f"{APP_ID}/slots/staging", "sites") == "unknown, may internet"


def test_a_private_endpoint_leads_to_its_own_groups_alone() -> None:
    id = f"/subscriptions/{HOME}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/files"

    def result(asked: str, named: dict[str, object], served: list[str] | None = None) -> str:
        body = endpoint()
        body["properties"]["privateEndpoint"]["id"] = ELSEWHERE
        body["properties"] |= named
        account = Resource(
            {"id": id, "properties": {"publicNetworkAccess": "Disabled", "privateEndpointConnections": [body]}}
        )
        known = {"privateLinkServiceId": id, "groupIds": served}
        private = {"id": ELSEWHERE, "properties": {"privateLinkServiceConnections": [{"properties": known}]}}
        index = shapes.index(*([Resource(private)] if served else []))
        return reach(firewall(account, index, shapes.ROWS["storage"], groups=(asked,)))

    assert result("blob", {"groupIds": ["blob"]}) == "private"
    assert result("file", {"groupIds": ["blob"]}) == "none"
    assert result("blob", {"groupId": "blob_secondary"}) == "private"
    assert result("blob", {}, ["BLOB"]) == "private"
    assert result("queue", {}, ["blob", "file"]) == "none"
    assert result("file", {}, ["blob", "file"]) == "private"
    assert result("queue", {}) == "private"


def test_a_read_below_two_types_has_a_type_and_an_action_for_each() -> None:
    assert CONNECTIONS.types == (
        "Microsoft.Web/sites/privateEndpointConnections",
        "Microsoft.Web/sites/slots/privateEndpointConnections",
    )
    assert CONNECTIONS.actions == tuple(f"{each}/read" for each in CONNECTIONS.types)
    assert SITE.child("x", action="Microsoft.Web/y/read").actions == ("Microsoft.Web/y/read",)
