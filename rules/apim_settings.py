"""API Management: protocols and ciphers, certificates, and what its lists of children say."""

import re
from typing import Any

from scanner.model.checks import check_set, check_value
from scanner.model.dates import seconds_of
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_one, same, spelled
from scanner.model.message import Message, joined
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    not_a_list,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)

from .apim import other_regions
from .common import in_tier, rows

PROPERTIES = "properties.customProperties"
SECURITY = "Microsoft.WindowsAzure.ApiManagement.Gateway.Security"
CLIENT = tuple(f"{SECURITY}.Protocols.{each}" for each in ("Tls10", "Tls11", "Ssl30"))
BACKEND = tuple(f"{SECURITY}.Backend.Protocols.{each}" for each in ("Tls10", "Tls11", "Ssl30"))
TRIPLE_DES = (f"{SECURITY}.Ciphers.TripleDes168",)
OLD_DEFAULT = "2018-04-02T00:00:00Z"
"""azure-mgmt-apimanagement: a service that was created on or before 1 April 2018 has them on by default."""
# api-management-howto-manage-protocols-ciphers: these tiers do not support changes to the ciphers.
NEWER = ("BasicV2", "StandardV2", "PremiumV2")
FIXED_CIPHERS = ("Consumption", *NEWER)


def allows_old(service: Resource, index: Index, *, names: tuple[str, ...], fixed: tuple[str, ...] = ()) -> Verdict:
    """Fail where one of the protocols or ciphers is on. `fixed`: the tiers that have no such switch."""
    if in_tier(service, fixed):
        return NotApplicable(Message("its tier has a fixed set of ciphers"))
    if service.has_no_properties or (service.api_version_unknown and is_absent(service.get(PROPERTIES))):
        return unknown(Unread(PROPERTIES, service.why_absent_is_unknown))
    item = service.get(PROPERTIES)
    if not is_absent(item) and not isinstance(item, dict):
        return unknown(unknown_value(PROPERTIES))
    values = {} if is_absent(item) else {str(name).lower(): value for name, value in item.items()}
    on, missing = [], []
    for name in names:
        value = values.get(name.lower())
        if is_absent(value) or value is None:
            value = default(service)
        if same(value, True) or same(value, "True"):
            on.append(name)
        elif not same(value, False) and not same(value, "False"):
            missing.append(name)
    expected = "off"
    if on:
        return Fail((Evidence(PROPERTIES, [each.removeprefix(f"{SECURITY}.") for each in on], expected),))
    if missing:
        return unknown(Unread(PROPERTIES, Message("it is not known whether {list} is on", list=", ".join(missing))))
    return Pass((Evidence(PROPERTIES, expected, expected),))


def default(service: Resource) -> object:
    """Return whether what a service does not say is on: by the day of its creation, None where that is not known.

    The v2 tiers are younger than that day.
    """
    if in_tier(service, NEWER):
        return False
    created = service.get("properties.createdAtUtc")
    when, last = seconds_of(created) if isinstance(created, str) else None, seconds_of(OLD_DEFAULT)
    return None if when is None or last is None else when < last


def plain_protocols(api: Resource, index: Index) -> Verdict:
    """Fail where an API is served over HTTP or WebSocket without encryption."""
    path = "properties.protocols"
    if same(api.get("properties.isOnline"), False):
        return NotApplicable(Message("this revision is offline"))
    matches = rows(api, path)
    seen = api.evidence(path, ["https"])
    if any(same(each, "http") or same(each, "ws") for each in matches):
        return Fail((seen,))
    if matches and all(same(each, "https") or same(each, "wss") for each in matches):
        return Pass((seen,))
    return unknown(unknown_value(path), evidence=(seen,))


def plain_backend(backend: Resource, index: Index) -> Verdict:
    """Fail where the URL of a back end has no TLS."""
    path = "properties.url"
    if is_absent(backend.get(path)) and same(backend.get("properties.type"), "Pool"):
        return NotApplicable(Message("it is a pool of other back ends"))
    value = backend.require(path)
    if not isinstance(value, str):
        return unknown(unknown_value(path))
    scheme = value.lower().partition("://")[0]
    seen = Evidence(path, f"{scheme}://", "https://")
    if scheme in ("http", "ws"):
        return Fail((seen,))
    return Pass((seen,)) if scheme in ("https", "wss") else unknown(Unread(path, Message("its scheme is not known")))


CHECKS = {
    "properties.tls.validateCertificateChain": Message("The gateway accepts a certificate of any issuer."),
    "properties.tls.validateCertificateName": Message("The gateway accepts a trusted certificate of any host."),
}
"""The two switches of a back end, and what the gateway does while one is off. Both are on by default."""


def unchecked_certificate(backend: Resource, index: Index) -> Verdict:
    """Fail where the gateway does not check who issued the certificate of a back end, or for which host."""
    result = {path: check_value(backend, path, good=(True,), bad=(False,), absent=True) for path in CHECKS}
    off = [path for path, each in result.items() if isinstance(each, Fail)]
    if off:
        seen = tuple(backend.evidence(path, True) for path in off)
        return Fail(
            seen, joined(" ", (CHECKS[path] for path in off)), causes=tuple(Cause("", path, value=True) for path in off)
        )
    unclear = next((each for each in result.values() if isinstance(each, Unknown)), None)
    return unclear or Pass(tuple(backend.evidence(path, True) for path in CHECKS))


REFERENCE, STATUS = "properties.keyVault.secretIdentifier", "properties.keyVault.lastStatus.code"


def outside_vault(value: Resource, index: Index) -> Verdict:
    """Fail where a secret is kept by API Management itself. A reference counts once the vault has answered it."""
    if same(value.get("properties.secret"), False):
        return NotApplicable(Message("it is not marked as a secret"))
    named = check_set(value, REFERENCE, expected=Message("the identifier of a secret"))
    status = value.get(STATUS)
    if not isinstance(named, Pass) or is_absent(status) or same(status, "Success"):
        return named
    why = Message("API Management could not read the secret from the vault: {status}", status=status)
    return unknown(Unread(STATUS, why), evidence=(value.evidence(STATUS, "Success"),))


STATES = ("active", "suspended", "submitted", "rejected", "cancelled", "expired")
"""The states of a subscription: azure-mgmt-apimanagement SubscriptionState."""


def for_all_apis(subscription: Resource, index: Index) -> Verdict:
    """Fail where an active subscription is for all APIs. The one that every service has cannot be removed."""
    path = "properties.scope"
    scope = subscription.require(path)
    if not isinstance(scope, str):
        return unknown(unknown_value(path))
    seen = Evidence(path, scope.rstrip("/").rsplit("/service/", 1)[-1], Message("one API or product"))
    state = subscription.require("properties.state")
    if not any(same(state, each) for each in STATES):
        return unknown(unknown_value("properties.state", state))
    if not same(state, "active"):
        return NotApplicable(Message("it is not active"))
    if same(subscription.name, "master"):
        return NotApplicable(Message("every service has this one, for its administrators"))
    segments = ["", *scope.rstrip("/").lower().split("/")]
    if segments[-1] == "apis" or segments[-2] == "service":
        return Fail((seen,))
    return Pass((seen,)) if segments[-2] in ("apis", "products") else unknown(unknown_value(path))


MINIMUM = "properties.apiVersionConstraint.minApiVersion"
OLDEST = "2021-08-01"


def old_versions(service: Resource, index: Index) -> Verdict:
    """Fail where old versions of the management API are not refused."""
    value, seen = service.get(MINIMUM), service.evidence(MINIMUM, Message("{oldest} or later", oldest=OLDEST))
    if is_absent(value):
        why = service.why_absent_is_unknown
        return unknown(Unread(MINIMUM, why), evidence=(seen,)) if why else Fail((seen,))
    if not isinstance(value, str) or seconds_of(value[:10]) is None:
        return unknown(unknown_value(MINIMUM, value), evidence=(seen,))
    return Pass((seen,)) if value[:10] >= OLDEST else Fail((seen,))


PLATFORM = "platformVersion"
SUPPORTED = ("stv2", "stv2.1", "mtv1")
V2_TIERS = ("BasicV2", "StandardV2", "PremiumV2")
"""Their platform has no name in the API. api-management/compute-infrastructure: stv1 is of classic tiers alone."""
NO_NAME = "undetermined"


def retired_platform(service: Resource, index: Index) -> Verdict:
    """Fail where the platform of one of the regions of a service is retired. Each region has its own."""
    regions = other_regions(service)
    matches = [(f"properties.{PLATFORM}", service.get(f"properties.{PLATFORM}"))]
    matches += [
        (f"properties.additionalLocations[{spelled(get_path(each, 'location'))}].{PLATFORM}", get_path(each, PLATFORM))
        for each in regions or ()
    ]
    old = tuple(Evidence(path, value, SUPPORTED[0]) for path, value in matches if same(value, "stv1"))
    if old:
        return Fail(old)
    if regions is None:
        return unknown(not_returned_or_unknown("properties.additionalLocations"))
    good = (*SUPPORTED, NO_NAME) if in_tier(service, V2_TIERS) else SUPPORTED
    unclear = next((path for path, value in matches if not is_one(value, good)), "")
    if unclear:
        return unknown(not_returned_or_unknown(unclear))
    return Pass(tuple(Evidence(path, value, SUPPORTED[0]) for path, value in matches))


HOSTS = "properties.hostnameConfigurations"
SOON = 30 * 86400
RENEWED = ("BuiltIn", "Managed", "KeyVault")
_OF_ONE_VERSION = re.compile(r"https://[^/]+/secrets/[^/]+/[^/]+/?", re.IGNORECASE)


def _is_renewed(host: Any) -> bool:
    """Return whether Azure or a key vault renews the certificate of a host name.

    api-management/configure-custom-domain: an identifier with a version is not rotated. A failed renewal renews nothing.
    """
    if same(get_path(host, "certificateStatus"), "Failed"):
        return False
    secret = get_path(host, "keyVaultId")
    if isinstance(secret, str) and _OF_ONE_VERSION.fullmatch(secret):
        return False
    return is_one(get_path(host, "certificateSource"), RENEWED)


def expiring(service: Resource, index: Index) -> Verdict:
    """Fail where the certificate of a host name expires within 30 days, and no one but its owner renews it."""
    value = service.get(HOSTS)
    if is_absent(value) and not service.why_absent_is_unknown:
        return NotApplicable(Message("it has no host name of its own"))
    item = service.require(HOSTS)
    if not isinstance(item, list):
        raise not_a_list(HOSTS)
    now = seconds_of(index.taken)
    manual = [each for each in item if not _is_renewed(each)]
    if not manual:
        return NotApplicable(Message("Azure or a key vault renews its certificates"))
    late, ends = [], []
    for each in manual:
        end = get_path(each, "certificate.expiry")
        when = seconds_of(end) if isinstance(end, str) else None
        if when is None or now is None:
            return unknown(Unread(f"{HOSTS}[].certificate.expiry", Message("Azure did not return it")))
        ends.append(f"{spelled(get_path(each, 'hostName'))} {str(end)[:10]}")
        if when - now < SOON:
            late.append(ends[-1])
    path, expected = f"{HOSTS}[].certificate.expiry", Message("30 days from now, or later")
    return Fail((Evidence(path, late, expected),)) if late else Pass((Evidence(path, ends, expected),))
