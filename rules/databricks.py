"""Azure Databricks: the workspace behind its address, with tokens that only the workspace itself shows."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, Unread
from scanner.reach.services.firewall import Firewall, firewall

from .reasons import NO_BACKUP, NO_OTHER_LOCATION, NO_ZONES

WORKSPACE = ResourceType(
    "Microsoft.Databricks/workspaces",
    api="2026-01-01",
    product=Message("Databricks workspace"),
    unread={
        "IP access lists, tokens, cluster policies": "Inside the workspace, with another API and login.",
        "requiredNsgRules, enhancedSecurityCompliance": "Rules that Databricks asks for, and an add-on that costs extra.",
        "virtualNetworkPeerings": "A peering of the managed network opens no endpoint.",
    },
    no_rule=NoRule(copy=NO_OTHER_LOCATION, backup=NO_BACKUP, zone=NO_ZONES),
)
ACL = Firewall(
    empty="open",
    source="Azure Policy 0e7849de: everything but Disabled is non-compliant; databricks/security/network/classic/private-link: a "
    "workspace without private connectivity is public. IP access lists are settings of the workspace, which ARM does not show",
    name=Message("Public network access"),
    absent="enabled",
)
TOKENS = Message("personal access tokens")
HIDDEN_TOKENS = Message(
    "only the workspace shows whether personal access tokens are enabled, as they are by default "
    "(databricks/admin/access-control/tokens)"
)


@WORKSPACE.endpoints(
    Endpoint("workspace", "data", ports=HTTPS, no_rule={"anonymous-access": "every call carries a token"}),
)
def endpoints(workspace: Resource, index: Index) -> Iterator[Exposure]:
    tokens = possible(Auth.shared, Unread(TOKENS, HIDDEN_TOKENS), Evidence(TOKENS, Message("not visible"), "disabled"))
    yield Exposure(
        "workspace",
        "data",
        firewall(workspace, index, ACL, groups=("databricks_ui_api",)),
        grant(Auth.identity) | tokens,
        display_name=Message("The Databricks workspace"),
        address=text_at(workspace.body, "properties.workspaceUrl"),
    )
