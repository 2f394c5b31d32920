"""The checks of stored secrets: what signs in with a key, a password or a service principal where an identity would do."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from scanner.model.index import Index
from scanner.model.json_paths import is_absent, member, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    unknown,
    unknown_value,
)

from .app_settings import REGISTRIES_OF_AZURE, is_of_azure, stack_of
from .appservice import LOGIN, WEB, config_of

IDENTITY = Message("a managed identity")
FROM_ANOTHER = Message("nothing that is read signs in with a secret or an identity")
"""app-service/configure-custom-container: a managed identity pulls from an Azure Container Registry alone."""
BY_IDENTITY = "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"
"""app-service/configure-authentication-provider-aad: the name of the setting where an identity takes the place of a secret."""


class SignIn(NamedTuple):
    """What signs in, as evidence, and whether it does so with a stored secret."""

    evidence: Evidence
    is_secret: bool


def _verdict(sign_ins: Iterable[SignIn], missing: Iterable[Unread]) -> Verdict:
    """Fail where something signs in with a secret; what was not read is never a pass."""
    known, unread = list(sign_ins), list(missing)
    secrets = tuple(each.evidence for each in known if each.is_secret)
    if secrets:
        return Fail(secrets)
    if unread:
        return unknown(*unread)
    return Pass(tuple(each.evidence for each in known)) if known else NotApplicable(FROM_ANOTHER)


# Apps


def of_app(site: Resource, index: Index) -> Verdict:
    """Fail where an app pulls its image, reads its package, or signs users in, with a secret of its settings."""
    known: list[SignIn] = []
    missing: list[Unread] = []
    for part in (_package, _image, _sign_in):
        try:
            known += part(site)
        except Unread as unread:
            missing.append(unread.with_traceback(None))
    return _verdict(known, missing)


PACKAGE = "properties.functionAppConfig.deployment.storage.authentication.type"


def _package(site: Resource) -> Iterator[SignIn]:
    """Yield how the package of a function app (Flex Consumption) is read. Other plans have no such part."""
    if site.has_no_properties:
        raise Unread("properties", site.why_absent_is_unknown)
    kind = site.get(PACKAGE)
    if is_absent(kind):
        return
    if not any(same(kind, each) for each in ("StorageAccountConnectionString", *IDENTITIES)):
        raise unknown_value(PACKAGE, kind)
    yield SignIn(site.evidence(PACKAGE, IDENTITY), same(kind, "StorageAccountConnectionString"))


IDENTITIES = ("SystemAssignedIdentity", "UserAssignedIdentity")
PULLS = "properties.acrUseManagedIdentityCreds"


def _image(site: Resource) -> Iterator[SignIn]:
    """Yield how an app pulls its image, where that is in a registry of Azure. An absent switch is off."""
    config = config_of(site)
    if not is_of_azure(stack_of(site, config)):
        return
    switch = config.get(PULLS)
    if not (is_absent(switch) or isinstance(switch, bool)):
        raise unknown_value(f"{WEB.path} {PULLS}", switch)
    seen = config.evidence(PULLS, True)
    yield SignIn(Evidence(f"{WEB.path} {PULLS}", seen.value, True), switch is not True)


PROVIDER = "properties.identityProviders.azureActiveDirectory"
SETTING = f"{PROVIDER}.registration.clientSecretSettingName"


def _sign_in(site: Resource) -> Iterator[SignIn]:
    """Yield how Easy Auth proves to Microsoft Entra ID that it is the app. Without a setting it needs no proof."""
    config = site.child(LOGIN)
    if config is None or not same(config.get("properties.platform.enabled"), True):
        return
    name = config.get(SETTING)
    if is_absent(name) or name == "" or same(config.get(f"{PROVIDER}.enabled"), False):
        return
    seen = config.evidence(SETTING, BY_IDENTITY)
    yield SignIn(Evidence(f"{LOGIN.path} {SETTING}", seen.value, BY_IDENTITY), not same(name, BY_IDENTITY))


# Clusters


PRINCIPAL = "properties.servicePrincipalProfile.clientId"
WORKLOADS = "properties.platformWorkloadIdentityProfile"


def of_openshift(cluster: Resource, index: Index) -> Verdict:
    """Fail where an OpenShift cluster signs in with a service principal, not with identities of its components."""
    if isinstance(cluster.get(WORKLOADS), dict):
        return Pass((Evidence(WORKLOADS, IDENTITY),))
    principal = cluster.require(PRINCIPAL)
    return _verdict([SignIn(Evidence(PRINCIPAL, principal, IDENTITY), is_secret=True)], ())


# Batch pools


MACHINES = "properties.deploymentConfiguration.virtualMachineConfiguration"
REGISTRIES = f"{MACHINES}.containerConfiguration.containerRegistries"
MOUNTS = "properties.mountConfiguration"


def of_pool(pool: Resource, index: Index) -> Verdict:
    """Fail where the nodes of a Batch pool pull images, or mount a blob container, with a stored secret.

    A file share takes a key alone: batch/virtual-file-mount.
    """
    return _verdict([*_registries(pool), *_mounts(pool)], ())


def _registries(pool: Resource) -> Iterator[SignIn]:
    for each in pool.objects(REGISTRIES):
        server, name = text_at(each, "registryServer"), member(each, "username")
        if text_at(each, "identityReference.resourceId"):
            yield SignIn(Evidence(f"{REGISTRIES}[].identityReference", server), is_secret=False)
        elif not is_absent(name) and server.lower().endswith(REGISTRIES_OF_AZURE):
            yield SignIn(Evidence(f"{REGISTRIES}[].username", name, IDENTITY), is_secret=True)


def _mounts(pool: Resource) -> Iterator[SignIn]:
    for each in pool.objects(MOUNTS):
        blob: Any = member(each, "azureBlobFileSystemConfiguration")
        if isinstance(blob, dict):
            by_identity = bool(text_at(blob, "identityReference.resourceId"))
            path = f"{MOUNTS}[].azureBlobFileSystemConfiguration"
            seen = Evidence(
                f"{path}.identityReference", text_at(blob, "accountName"), None if by_identity else IDENTITY
            )
            yield SignIn(seen, not by_identity)
