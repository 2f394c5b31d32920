"""Azure Health Data Services: FHIR and DICOM services of a workspace, the tenants that sign tokens, and their stores."""

import re
from collections.abc import Iterator
from typing import Any

from scanner.model.bulk_reads import GraphRows
from scanner.model.checks import check_value
from scanner.model.exposure import IDENTITY, Exposure, Lock, replace, unread
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_one
from scanner.model.message import Message
from scanner.model.regions import authority_of
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, Read, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    malformed,
    not_a_list,
    unknown,
    unknown_value,
)
from scanner.reach.rules.owners import rated
from scanner.reach.rules.sources import in_same_tenant
from scanner.reach.services.firewall import Firewall, firewall, private_endpoints

from .common import host
from .reasons import NO_OTHER_LOCATION, ZONES_BY_AZURE

WORKSPACE = ResourceType(
    "Microsoft.HealthcareApis/workspaces",
    api="2024-03-31",
    product=Message("Health Data Services workspace"),
    unread={
        "acrConfiguration of FHIR": "Outbound: registries that hold templates.",
        "audiences of FHIR and DICOM": "For whom a token is made. Who makes it is evaluated (authority).",
        "exportConfiguration, importConfiguration of FHIR": "The name of a storage account, which does not say whose it is. The identity of the service needs a role there.",
        "iotconnectors": "No endpoint: it reads from an event hub and writes to a FHIR service, which are evaluated.",
        "smartProxyEnabled": "Retired on 21 September 2026.",
    },
    no_rule=NoRule(copy=NO_OTHER_LOCATION, zone=ZONES_BY_AZURE),
)
FHIR = WORKSPACE.child("fhirservices", graph=GraphRows(), product=Message("FHIR service"))
DICOM = WORKSPACE.child("dicomservices", graph=GraphRows(), product=Message("DICOM service"))
SWITCH = Firewall(
    empty="open",
    source="azure-rest-api-specs, Microsoft.HealthcareApis 2024-03-31 FhirServiceProperties: publicNetworkAccess is optional; "
    "healthcare-apis/healthcare-apis-configure-private-link: an approved private endpoint disables it, which the value then "
    "says. An absent value counts as enabled",
    name=Message("Public network access"),
    absent="enabled",
    endpoints=None,
)
CONNECTIONS = "properties.privateEndpointConnections"


def network(service: Resource, workspace: Resource, index: Index) -> Lock:
    """Return the network lock of a service: its own switch, and the private endpoints of the workspace."""
    direct, private = firewall(service, index, SWITCH), private_endpoints(workspace, index, CONNECTIONS)
    # The cause has the id of the service: one of a workspace is closed without the others.
    grants = tuple(replace(each, cause=each.switch) for each in direct.grants)
    if private.grants or private.possible_grants:
        grants = tuple(each for each in grants if each.level)
    return replace(direct, grants=grants) | private


NO_RULE = {
    "anonymous-access": "every call carries a token",
    "authentication": "every call carries a token of Microsoft Entra ID, or of a provider that fhir-other-identity-provider names",
}


@WORKSPACE.endpoints(
    Endpoint("fhir/*", "data", ports=HTTPS, no_rule=NO_RULE),
    Endpoint("dicom/*", "data", ports=HTTPS, no_rule=NO_RULE),
    reads=(FHIR, DICOM),
)
def endpoints(workspace: Resource, index: Index) -> Iterator[Exposure]:
    yield from _of(workspace, index, FHIR, "fhir", (Message("FHIR service"), Message("The FHIR services")))
    yield from _of(workspace, index, DICOM, "dicom", (Message("DICOM service"), Message("The DICOM services")))


def _of(workspace: Resource, index: Index, read: Read, kind: str, what: tuple[Message, Message]) -> Iterator[Exposure]:
    services = workspace.children(read)
    if services.gap is not None:
        yield unread(f"{kind}/*", "data", services.gap, display_name=what[1])
    for service in services:
        name = service.name.rsplit("/", 1)[-1]
        # healthcare-apis/fhir/fhir-service-overview: WORKSPACE-NAME.fhir.azurehealthcareapis.com. A DICOM service names its own.
        address = f"{workspace.name}-{name}.fhir.azurehealthcareapis.com"
        if read is DICOM:
            address = host(service, "properties.serviceUrl")
        yield Exposure(
            f"{kind}/{name}",
            "data",
            network(service, workspace, index),
            IDENTITY,
            Message("{what} {name}", what=what[0], name=name),
            subject=service,
            address=address,
        )


# Who signs tokens

AUTHORITY = "properties.authenticationConfiguration.authority"
_TENANT = re.compile(
    r"https://(?:login\.microsoftonline\.(?:com|us)|login\.windows\.net|sts\.windows\.net|login\.(?:partner\.microsoftonline|chinacloudapi)\.cn)"
    r"/([0-9a-z.-]+)(?:/v2\.0)?/?",
    re.IGNORECASE,
)
EVERY_TENANT = ("common", "organizations", "consumers")
PROVIDERS = "properties.authenticationConfiguration.smartIdentityProviders"


def foreign_authority(service: Resource, index: Index) -> Verdict:
    """Fail where tokens of an external tenant, or of every tenant, are accepted."""
    value = service.require(AUTHORITY)
    match = _TENANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return unknown(unknown_value(AUTHORITY, value))
    tenant, home = match[1].lower(), index.subscriptions.get(service.subscription, "")
    top = service.bundle.top
    expected = f"{authority_of(service.location or (top.location if top is not None else ''))}/{home}"
    seen = service.evidence(AUTHORITY, expected if home else Message("the tenant of the subscription"))
    if tenant in EVERY_TENANT:
        return Fail((seen,))
    if not home:
        return unknown(Unread(Message("the tenant of the subscription"), Message("not collected")), evidence=(seen,))
    if index.same_owner(tenant, home):
        return Pass((seen,))
    if "." in tenant:
        return unknown(
            Unread(AUTHORITY, Message("it names a tenant by a domain, of which the id is not known")), evidence=(seen,)
        )
    return Fail((seen,))


def other_providers(service: Resource, index: Index) -> Verdict:
    """Fail where tokens of an identity provider beside Microsoft Entra ID are accepted."""
    value = service.get(PROVIDERS)
    if is_absent(value) and not service.why_absent_is_unknown:
        return NotApplicable(Message("no other identity provider is configured"))
    entries = service.require(PROVIDERS)
    if not isinstance(entries, list):
        return unknown(not_a_list(PROVIDERS))
    if not entries:
        return Pass((service.evidence(PROVIDERS),))
    hosts = [_host(get_path(each, "authority")) for each in entries]
    return Fail((Evidence(Message("hosts of {providers}[].authority", providers=PROVIDERS), hosts, "none"),))


def _host(value: Any) -> str:
    return value.split("://", 1)[-1].split("/", 1)[0] if isinstance(value, str) else Message("not known")


# Earlier versions

VERSIONS = "properties.resourceVersionPolicyConfiguration"
KEEPS, KEEPS_NONE = ("versioned", "versioned-update"), ("no-version",)


def without_history(service: Resource, index: Index) -> Verdict:
    """Fail where a service keeps no earlier versions: of every type of FHIR resource, or of some, which have their own."""
    verdict = check_value(service, f"{VERSIONS}.default", good=KEEPS, bad=KEEPS_NONE, absent="versioned")
    path = f"{VERSIONS}.resourceTypeOverrides"
    value = service.get(path)
    without = [name for name, value in value.items() if is_one(value, KEEPS_NONE)] if isinstance(value, dict) else []
    causes = tuple(Cause("", f"{path}.{name}", value="versioned") for name in without)
    if isinstance(verdict, Fail):
        return replace(verdict, causes=(Cause("", f"{VERSIONS}.default", value="versioned"), *causes))
    if not isinstance(verdict, Pass) or is_absent(value):
        hidden = isinstance(verdict, Pass) and service.api_version_unknown
        return unknown(absent_at_unknown_version(path)) if hidden else verdict
    if not isinstance(value, dict):
        return unknown(malformed(path))
    if without:
        return Fail(
            (Evidence(path, without, "none"),),
            Message("No history is kept of {list}.", list=", ".join(without)),
            causes=causes,
        )
    strange = next((name for name, value in value.items() if not is_one(value, KEEPS)), None)
    return unknown(unknown_value(f"{path}.{strange}", value[strange])) if strange is not None else verdict


# Where data is

STORES = "properties.storageConfiguration.storageResourceId"


def foreign_store(service: Resource, index: Index) -> Verdict:
    """Fail where a DICOM service keeps its images in a storage account of an external subscription."""
    value = service.get(STORES)
    if is_absent(value) and not service.why_absent_is_unknown:
        return NotApplicable(Message("it keeps its images itself"))
    id = service.require(STORES)
    if not isinstance(id, str) or not id.startswith("/subscriptions/"):
        return unknown(unknown_value(STORES, id))
    seen = service.evidence(STORES, Message("a storage account in your own tenant"))
    if in_same_tenant(service, index, id):
        return Pass((seen,))
    severity, message = rated(service, index, [id], Message("destination"))
    return Fail((seen,), message, severity)
