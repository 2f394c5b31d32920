"""The platform sign-in of App Service and Container Apps ("Easy Auth").

It counts as a lock only if it is enabled, excludes no path, and accepts accounts of the subscription's tenant alone. A
provider with open sign-up (a social provider, the Entra endpoints for all tenants) accepts accounts that anyone can
create; an issuer of another tenant accepts the accounts of that tenant. Which audiences are allowed does not matter: they
select for which application a token was issued, and the issuer decides whose tokens are accepted. A provider with neither
a client nor an audience is inconclusive.
"""

import re
from typing import Any

from scanner.model.exposure import Auth, Lock, grant, possible
from scanner.model.ids import subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import ABSENT, Evidence, Unread, not_a_list, not_returned_or_unknown, unknown_value

from .common import child_evidence

ENFORCED = ("RedirectToLoginPage", "Return401", "Return403")
# Microsoft Learn: entra/identity-platform/v2-protocols, the tenant part of an issuer; the last one is the tenant of
# personal Microsoft accounts.
EVERY_TENANT = ("common", "organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad")
# Microsoft Learn: entra/identity-platform/authentication-national-cloud, and the older issuer of version 1 tokens.
ISSUERS = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
    "login.windows.net",
    "sts.windows.net",
    "sts.chinacloudapi.cn",
)
TENANT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SOCIAL = ("apple", "facebook", "gitHub", "google", "legacyMicrosoftAccount", "twitter")
# Members of a provider's entry once it is set up. An export shows the others as enabled, with an empty registration.
CLIENT = ("clientId", "appId", "consumerKey")

NO_LOGIN = Message("requires no platform sign-in (whether the app has its own sign-in is not visible)")
ANY_ACCOUNT = Message("accepts accounts that anyone can create")
ANOTHER_TENANT = Message("accepts accounts of another tenant")
STATIC_WEB_APP = "azureStaticWebApps"
ISSUER_OF_ENTRA = "registration.openIdIssuer"
AUDIENCES = "validation.allowedAudiences"
NO_CLIENT = Message("the provider names neither a client nor an audience, so it is not known what it accepts")
# azure-mgmt-web CustomOpenIdConnectProvider: the issuer and the document of a provider's endpoints.
OPEN_ID = "registration.openIdConnectConfiguration"
ISSUERS_OF_CUSTOM = (f"{OPEN_ID}.issuer", f"{OPEN_ID}.wellKnownOpenIdConfiguration")


def easy_auth(config: Resource, where: str, index: Index) -> Lock:
    """Return the authentication lock of the settings in `config`; `where` is their path below the app."""
    on = child_evidence(config, where, "properties.platform.enabled", True)
    if same(on.value, False):
        return grant(Auth.anonymous, on, description=NO_LOGIN)
    file = config.get("properties.platform.configFilePath")
    if isinstance(file, str) and file:
        missing = Unread(
            f"{where} properties.platform.configFilePath", Message("the settings are in a file of the app")
        )
        return possible(Auth.anonymous, missing, Evidence(missing.what, file))
    if on.value in (ABSENT, None):
        return grant(Auth.anonymous, on, description=NO_LOGIN)
    if not same(on.value, True):
        return possible(Auth.anonymous, unknown_value(on.path, on.value), on)
    return (
        _requirement(config, where, on)
        or _excluded_paths(config, where)
        or _providers(config, where, on, index.subscriptions.get(subscription_of(config.id), ""))
        | _omitted_paths(config, where)
    )


def _requirement(config: Resource, where: str, on: Evidence) -> Lock | None:
    """Return the lock if sign-in is not required or this is unknown; None if it is required."""
    required = child_evidence(config, where, "properties.globalValidation.requireAuthentication", True)
    action = child_evidence(config, where, "properties.globalValidation.unauthenticatedClientAction", "Return401")
    refuses = any(same(action.value, each) for each in ENFORCED)
    unset = action.value in (ABSENT, None)
    if same(action.value, "AllowAnonymous"):
        return grant(Auth.anonymous, on, action, description=NO_LOGIN)
    if same(required.value, False) and unset:
        return grant(Auth.anonymous, on, required, description=NO_LOGIN)
    if same(required.value, False) and refuses:
        return possible(
            Auth.anonymous,
            Unread(required.path, Message("it contradicts unauthenticatedClientAction")),
            required,
            action,
        )
    known = refuses or (unset and same(required.value, True))
    if known and (required.value in (ABSENT, None) or same(required.value, True)):
        return None
    seen = action if not known and not unset else required
    return possible(Auth.anonymous, not_returned_or_unknown(seen.path), on, seen)


def _excluded_paths(config: Resource, where: str) -> Lock | None:
    """Return the lock if some paths are excluded from sign-in, None if no path is."""
    path = "properties.globalValidation.excludedPaths"
    value = config.get(path)
    if is_absent(value) or value == []:
        return None
    seen = Evidence(f"{where} {path}", value, [])
    if isinstance(value, list):
        return grant(
            Auth.anonymous,
            seen,
            description=Message("requires no platform sign-in on {list}", list=", ".join(map(str, value[:3]))),
        )
    return possible(Auth.anonymous, not_a_list(seen.path), seen)


def _omitted_paths(config: Resource, where: str) -> Lock:
    """Return the possible grant of a record that may omit excluded paths."""
    path = "properties.globalValidation.excludedPaths"
    if config.api_version_unknown and not config.has(path):
        return possible(Auth.anonymous, Unread(f"{where} {path}", config.why_absent_is_unknown))
    return Lock()


def _providers(config: Resource, where: str, on: Evidence, tenant: str) -> Lock:
    """Return the lock of the weakest provider that is set up; `tenant`: of the subscription, "" if it is not known."""
    path = f"{where} properties.identityProviders"
    named = config.get("properties.identityProviders")
    entries: dict[str, Any] = named if isinstance(named, dict) else {}
    lock = Lock()
    for name, entry in entries.items():
        if _is_off(entry):
            continue
        lock |= _switch(entry, f"{path}.{name}.enabled")
        if name.lower() in (each.lower() for each in SOCIAL) and _malformed(entry):
            lock |= possible(Auth.anonymous, Unread(f"{path}.{name}", Message("it is not known whether it is set up")))
        elif name.lower() in (each.lower() for each in SOCIAL) and _set_up(entry):
            lock |= grant(
                Auth.anonymous,
                Evidence(f"{path}.{name}", Message("set up"), Message("no social login")),
                description=ANY_ACCOUNT,
            )
        elif name.lower() == "azureactivedirectory":
            lock |= _entra(entry, f"{path}.{name}.{ISSUER_OF_ENTRA}", on, tenant)
        elif name.lower() == "customopenidconnectproviders" and isinstance(entry, dict):
            lock |= _custom(entry, f"{path}.{name}", on, tenant)
        elif name.lower() == STATIC_WEB_APP.lower() and (_set_up(entry) or _malformed(entry)):
            missing = Unread(f"{path}.{name}", Message("what the static web app asks of its visitors is not visible"))
            lock |= possible(Auth.anonymous, missing)
        elif name.lower() not in (each.lower() for each in (*SOCIAL, STATIC_WEB_APP)):
            lock |= possible(Auth.anonymous, Unread(f"{path}.{name}", Message("unrecognized provider")))
    if lock.grants or lock.possible_grants:
        return lock
    return possible(Auth.anonymous, Unread(path, Message("no identity provider was found")), on)


def _is_off(entry: Any) -> bool:
    return same(get_path(entry, "enabled"), False)


def _switch(entry: Any, path: str) -> Lock:
    """Return the possible grant of a provider whose switch has an unknown value."""
    value = get_path(entry, "enabled")
    known = is_absent(value) or same(value, True)
    return Lock() if known else possible(Auth.anonymous, unknown_value(path, value))


def _malformed(entry: Any) -> bool:
    """Return whether an entry or its registration is not an object."""
    registration = get_path(entry, "registration")
    return not (entry is None or isinstance(entry, dict)) or not (
        is_absent(registration) or isinstance(registration, dict)
    )


def _set_up(entry: Any) -> bool:
    registration = get_path(entry, "registration")
    return any(get_path(registration, each) not in (MISSING, None, "") for each in CLIENT)


def _entra(entry: Any, path: str, on: Evidence, tenant: str) -> Lock:
    """Return the lock of Microsoft Entra ID.

    azure-mgmt-web AzureActiveDirectoryRegistration: sign-in needs a client id; allowed audiences are for tokens of callers.
    """
    issuer = get_path(entry, ISSUER_OF_ENTRA)
    if issuer in (MISSING, None, "") and not _set_up(entry):
        return Lock()
    lock = _issued(issuer, path, on, tenant)
    if _names_client(entry) or lock.has(Auth.anonymous):
        return lock
    missing = Unread(f"{path.removesuffix(ISSUER_OF_ENTRA)}registration.clientId", NO_CLIENT)
    return possible(Auth.anonymous, missing, on)


def _names_client(entry: Any) -> bool:
    """Return whether a provider names by a text whose tokens it accepts: of a client, or of an audience."""
    client, audiences = get_path(entry, "registration.clientId"), get_path(entry, AUDIENCES)
    listed = audiences if isinstance(audiences, list) else []
    return any(isinstance(each, str) and each != "" for each in (client, *listed))


def _issued(issuer: Any, path: str, on: Evidence, tenant: str) -> Lock:
    """Return the lock of an issuer: whose accounts it signs in."""
    seen = Evidence(
        path,
        ABSENT if issuer is MISSING else issuer,
        Message("the issuer of the tenant {tenant}", tenant=tenant) if tenant else Message("the issuer of the tenant"),
    )
    segments = [each for each in issuer.lower().split("/") if each] if isinstance(issuer, str) else []
    host, theirs = (segments[1], segments[2]) if len(segments) > 2 and segments[0] == "https:" else ("", "")
    if host not in ISSUERS or theirs in ("{tenantid}", "v2.0"):
        return possible(Auth.anonymous, Unread(path, Message("the tenant that issues the tokens is not known")), seen)
    if theirs in EVERY_TENANT:
        return grant(Auth.anonymous, seen, description=ANY_ACCOUNT)
    if not TENANT_ID.fullmatch(theirs):
        missing = Unread(
            path, Message("it names a tenant by its domain, which cannot be compared with the subscription's tenant")
        )
        return possible(Auth.anonymous, missing, seen)
    if not tenant:
        return possible(Auth.anonymous, Unread(path, Message("the tenant of the subscription is not known")), seen)
    if theirs != tenant.lower():
        return grant(Auth.anonymous, seen, description=ANOTHER_TENANT)
    return grant(Auth.identity, on, seen)


def _custom(entries: dict[str, Any], path: str, on: Evidence, tenant: str) -> Lock:
    lock = Lock()
    for name, entry in entries.items():
        if _is_off(entry):
            continue
        lock |= _switch(entry, f"{path}.{name}.enabled")
        named = [(each, get_path(entry, each)) for each in ISSUERS_OF_CUSTOM]
        known = [(each, value) for each, value in named if _is_of_entra(value)]
        for each, issuer in known:
            lock |= _issued(issuer, f"{path}.{name}.{each}", on, tenant)
        if len(known) < sum(value not in (MISSING, None, "") for _, value in named) or not known:
            missing = Unread(f"{path}.{name}", Message("it is not visible whether anyone can sign up there"))
            lock |= possible(Auth.anonymous, missing)
    return lock


def _is_of_entra(issuer: Any) -> bool:
    return isinstance(issuer, str) and any(issuer.lower().startswith(f"https://{host}/") for host in ISSUERS)
