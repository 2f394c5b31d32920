"""Connections of Foundry and Machine Learning: how they sign in, to whose hosts. Their credentials are never kept."""

from scanner.model.checks import is_one
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Verdict,
    malformed,
    not_returned,
    unknown,
    unknown_value,
)
from scanner.reach.rules.owners import rated
from scanner.reach.rules.sources import in_same_tenant

from .connections import host_of
from .foundry import CONNECTIONS as ACCOUNT_CONNECTIONS
from .foundry import PROJECT_CONNECTIONS
from .machine_learning import CONNECTIONS as WORKSPACE_CONNECTIONS

__all__ = ["ACCOUNT_CONNECTIONS", "PROJECT_CONNECTIONS", "WORKSPACE_CONNECTIONS"]

AUTH = "properties.authType"
CATEGORY = "properties.category"
SHARED = "properties.isSharedToAll"
TARGET = "properties.target"
RESOURCE = "properties.metadata.ResourceId"
KEYLESS = (
    *("AAD", "ManagedIdentity", "AccountManagedIdentity", "ProjectManagedIdentity"),
    *("AgenticIdentityToken", "AgenticUser", "AgentUserImpersonation", "UserEntraToken"),
)
KEYED = (
    *("AccessKey", "AccountKey", "ApiKey", "CustomKeys", "DelegatedSAS", "OAuth2", "PAT", "SAS", "ServicePrincipal"),
    "UsernamePassword",
)
"""azure-rest-api-specs, Microsoft.CognitiveServices 2026-03-01: ConnectionAuthType; bicep-types-az lists fewer."""
TAKES_TOKENS = (
    *(
        "ADLSGen2",
        "AIServices",
        "AppConfig",
        "AppInsights",
        "AzureBlob",
        "AzureDataExplorer",
        "AzureKeyVault",
        "AzureOneLake",
    ),
    *("AzureOpenAI", "AzurePostgresDb", "AzureSqlDb", "AzureSqlMi", "AzureStorageAccount", "AzureSynapseAnalytics"),
    *("AzureTableStorage", "CognitiveSearch", "CognitiveService", "ContainerRegistry", "CosmosDb", "Databricks"),
    *("ManagedOnlineEndpoint", "MicrosoftFabric"),
)
"""Categories whose services accept Microsoft Entra ID. Others take a credential of their own, and no identity."""
AZURE = (
    *(".azure.com", ".windows.net", ".microsoft.com", ".azurecr.io", ".azureml.ms", ".azure-api.net", ".azure.net"),
    *(
        ".azurewebsites.net",
        ".azurecontainerapps.io",
        ".azuredatabricks.net",
        ".microsofttranslator.com",
        ".azconfig.io",
    ),
    *(".visualstudio.com", ".applicationinsights.azure.com", ".azuresynapse.net"),
)
"""Suffixes of hosts that Azure runs: how to tell whose resource one is, only an id says."""


def _keyed(connection: Resource) -> bool:
    """Return whether a connection keeps a credential. Raise Unread where that is not known."""
    value = connection.require(AUTH)
    if is_one(value, KEYED):
        return True
    if is_one(value, (*KEYLESS, "None")):
        return False
    raise unknown_value(AUTH, value)


def stored_credential(connection: Resource, index: Index) -> Verdict:
    """Fail where a connection to a service that accepts Microsoft Entra ID keeps a key or password instead."""
    seen = connection.evidence(AUTH, Message("AAD or a managed identity"))
    if not _keyed(connection):
        return Pass((seen,))
    category = connection.require(CATEGORY)
    if not isinstance(category, str):
        return unknown(malformed(CATEGORY))
    if not is_one(category, TAKES_TOKENS):
        return NotApplicable(
            Message("the service takes a credential of its own, and no identity of Microsoft Entra ID")
        )
    return Fail((seen, connection.evidence(CATEGORY)))


def shared_credential(connection: Resource, index: Index) -> Verdict:
    """Fail where everyone in the account or hub uses the credential of a connection."""
    if not _keyed(connection):
        return NotApplicable(Message("it keeps no credential"))
    value, seen = connection.require(SHARED), connection.evidence(SHARED, False)
    if same(value, True):
        return Fail((seen, connection.evidence(AUTH)))
    return Pass((seen,)) if same(value, False) else unknown(unknown_value(SHARED, value))


def foreign_target(connection: Resource, index: Index) -> Verdict:
    """Fail where a connection sends to a resource of an external subscription, or to a host that Azure does not run."""
    id = connection.get(RESOURCE)
    if isinstance(id, str) and id.startswith("/subscriptions/"):
        if in_same_tenant(connection, index, id):
            return Pass((connection.evidence(RESOURCE),))
        severity, message = rated(connection, index, [id], Message("destination"))
        return Fail((connection.evidence(RESOURCE, Message("a resource in your own tenant")),), message, severity)
    if not is_absent(id) and not isinstance(id, str):
        return unknown(malformed(RESOURCE))
    target = connection.get(TARGET)
    if is_absent(target) and connection.has_no_properties:
        return unknown(not_returned(TARGET))
    if is_absent(target) or target in ("", "_", "-"):
        return NotApplicable(Message("it names no target"))
    host = host_of(target)
    if not isinstance(target, str) or "." not in host:
        return unknown(unknown_value(TARGET, Message("not a host")))
    seen = Evidence(TARGET, host, Message("your own service"))
    if host.endswith(AZURE):
        return NotApplicable(Message("it names a host of Azure, not the resource behind it"))
    return Fail((seen,), Message("The connection sends to {host}, which is not a host of Azure.", host=host))


def plain_target(connection: Resource, index: Index) -> Verdict:
    """Fail where a connection sends its credential and its data without encryption."""
    target = connection.get(TARGET)
    if not is_absent(target) and not isinstance(target, str):
        return unknown(unknown_value(TARGET, Message("not a URL")))
    if is_absent(target) and connection.has_no_properties:
        return unknown(not_returned(TARGET))
    if is_absent(target) or "://" not in target:
        return NotApplicable(Message("it names no URL"))
    scheme = target.partition("://")[0].lower()
    seen = Evidence(TARGET, f"{scheme}://{host_of(target)}", "https")
    if scheme == "http":
        return Fail((seen,))
    return Pass((seen,)) if scheme == "https" else NotApplicable(Message("it names no web address"))
