"""The kinds of `--auth`: which variables each needs, and its credential of azure-identity."""

import asyncio
import json
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import aiohttp
from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from msgspec import Struct

from scanner.azure.answers import LimitReached
from scanner.azure.clouds import Cloud
from scanner.azure.transport import HttpSession

KINDS = (
    "default",
    "environment",
    "cli",
    "managed-identity",
    "workload-identity",
    "github",
    "azure-pipelines",
    "device-code",
    "browser",
)
PROBE_SECONDS = 2.0
"""The seconds within which a metadata service answers a request without its header, where there is one."""
TOKEN_SECONDS = 15.0
"""The seconds that a metadata service may take for a token. It has needed six."""
METADATA_HOST = "http://169.254.169.254"
METADATA_PATH = "/metadata/identity/oauth2/token?api-version=2018-02-01"
GITHUB_AUDIENCE = "api://AzureADTokenExchange"
REQUIRED_VARIABLES = {
    "environment": ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH"),
    "workload-identity": ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"),
    "github": ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    "azure-pipelines": (
        "AZURESUBSCRIPTION_TENANT_ID",
        "AZURESUBSCRIPTION_CLIENT_ID",
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
        "SYSTEM_ACCESSTOKEN",
        "SYSTEM_OIDCREQUESTURI",
    ),
}
"""The environment variables that a kind of login needs."""


@dataclass(frozen=True, slots=True)
class TenantLogin:
    """The login of one tenant of several, with what it has of its own, and what of the tenant is read.

    `auth`: a kind of `--auth`. `client`, `secret`, `certificate` (PEM with its key): "" for those of the environment.
    `at`: the place in the settings. `subscriptions`, `management_groups`: empty for all that is visible.
    """

    name: str
    id: str
    auth: str = "default"
    client: str = ""
    secret: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    at: str = ""
    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()


class Credential(Protocol):
    """What azure-identity's asynchronous credentials offer."""

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo: ...
    async def close(self) -> None: ...


class Login(Struct):
    """A kind of login. `make` makes its credential; `missing` says which variables are not set, "" where none is."""

    kind: str
    make: Callable[[], Credential]
    missing: str = ""


class LoginFactory(Struct):
    """Makes logins. `chained`: other kinds are tried after the first, so that an absent one must fail quickly.

    `prompt` is called with what a person must do to sign in (the sentence of the device code).
    """

    cloud: Cloud
    tenant: str
    http: HttpSession
    context: ssl.SSLContext
    prompt: Callable[[str], None]
    chained: bool
    tenant_login: TenantLogin | None = None

    def login(self, kind: str) -> Login:
        """Return the login of a kind."""
        return Login(kind, partial(self._credential, kind), _missing(kind, self.tenant_login))

    def _credential(self, kind: str) -> Credential:
        """Return the credential of a kind."""
        from azure.identity import DeviceCodeCredential, InteractiveBrowserCredential
        from azure.identity.aio import AzureCliCredential, WorkloadIdentityCredential

        make: dict[str, Callable[[], Credential]] = {
            "environment": self._environment,
            "workload-identity": lambda: WorkloadIdentityCredential(
                **self._tenant_option(), **self._client_option(), **self._options()
            ),
            "cli": lambda: AzureCliCredential(
                tenant_id=self.tenant, additionally_allowed_tenants=["*"], process_timeout=30
            ),
            "managed-identity": self._managed,
            "github": self._github,
            "azure-pipelines": self._pipelines,
            "device-code": lambda: _ThreadedCredential(
                DeviceCodeCredential(
                    prompt_callback=self._show_code, **self._tenant_option(), **self._blocking_options()
                )
            ),
            "browser": lambda: _ThreadedCredential(
                InteractiveBrowserCredential(**self._tenant_option(), **self._blocking_options())
            ),
        }
        return make[kind]()

    def _options(self) -> dict[str, Any]:
        return {
            "authority": self.cloud.authority,
            "additionally_allowed_tenants": [] if self.tenant_login is not None else ["*"],
            "transport": self.http.transport,
            "retry_total": 3,
            "disable_instance_discovery": not self.cloud.known,
        }

    def _tenant_option(self) -> dict[str, Any]:
        return {"tenant_id": self.tenant} if self.tenant else {}

    def _client_option(self) -> dict[str, Any]:
        return (
            {"client_id": self.tenant_login.client}
            if self.tenant_login is not None and self.tenant_login.client
            else {}
        )

    def _client_id(self) -> str:
        return (self.tenant_login.client if self.tenant_login is not None else "") or os.environ["AZURE_CLIENT_ID"]

    def _environment(self) -> Credential:
        """Return the credential of a service principal. What a tenant has of its own replaces the variables."""
        from azure.identity.aio import CertificateCredential, ClientSecretCredential, EnvironmentCredential

        login = self.tenant_login
        if login is None:
            return EnvironmentCredential(**self._options())
        secret = login.secret or ("" if login.certificate else os.environ.get("AZURE_CLIENT_SECRET", ""))
        if secret:
            return ClientSecretCredential(login.id, self._client_id(), secret, **self._options())
        if login.certificate:
            given: dict[str, Any] = {"certificate_data": login.certificate.encode()}
        else:
            given = {"certificate_path": os.environ["AZURE_CLIENT_CERTIFICATE_PATH"]}
            given["password"] = os.environ.get("AZURE_CLIENT_CERTIFICATE_PASSWORD")
        return CertificateCredential(login.id, self._client_id(), **given, **self._options())

    def _blocking_options(self) -> dict[str, Any]:
        """Return the options of the two credentials without an asyncio form. They trust the same, through requests."""
        from azure.core.pipeline.transport import RequestsTransport

        return {
            **self._options(),
            "transport": RequestsTransport(session=_requests_session(self.context), session_owner=False),
        }

    def _managed(self) -> Credential:
        from azure.identity.aio import ManagedIdentityCredential

        client = (self.tenant_login.client if self.tenant_login is not None else "") or os.environ.get(
            "AZURE_CLIENT_ID"
        )
        session = HttpSession(self.context, proxies=False)
        credential = ManagedIdentityCredential(client_id=client, transport=session.transport, retry_total=2)
        has_endpoint = bool(os.environ.get("IDENTITY_ENDPOINT") or os.environ.get("MSI_ENDPOINT"))
        return _ManagedCredential(credential, session, probes=self.chained and not has_endpoint)

    def _github(self) -> Credential:
        from azure.identity.aio import ClientAssertionCredential

        url, bearer = os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"], os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]

        def assertion() -> str:
            return github_assertion(url, bearer, self.context)

        tenant = self.tenant or os.environ["AZURE_TENANT_ID"]
        return ClientAssertionCredential(tenant, self._client_id(), assertion, **self._options())

    def _pipelines(self) -> Credential:
        """Return a credential like azure-identity's own, whose asynchronous form sends nothing with our transport."""
        from azure.identity.aio import ClientAssertionCredential

        url, bearer = os.environ["SYSTEM_OIDCREQUESTURI"], os.environ["SYSTEM_ACCESSTOKEN"]
        connection = os.environ["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"]

        def assertion() -> str:
            return pipelines_assertion(url, connection, bearer, self.context)

        tenant = self.tenant or os.environ["AZURESUBSCRIPTION_TENANT_ID"]
        client_id = self.tenant_login.client if self.tenant_login is not None else ""
        return ClientAssertionCredential(
            tenant, client_id or os.environ["AZURESUBSCRIPTION_CLIENT_ID"], assertion, **self._options()
        )

    def _show_code(self, address: str, code: str, _expires: object) -> None:
        self.prompt(f"To sign in, open {address} and enter the code {code}")


class _ThreadedCredential:
    """Run a blocking credential in a thread."""

    def __init__(self, blocking: Any) -> None:
        self._blocking = blocking

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        access_token_info: AccessTokenInfo = await asyncio.to_thread(
            self._blocking.get_token_info, *scopes, options=options
        )
        return access_token_info

    async def close(self) -> None:
        await asyncio.to_thread(self._blocking.close)


class _ManagedCredential:
    """Ask a metadata service for tokens, with a session that uses no proxy, because the service is local.

    `probes`: find out quickly whether there is one at all, because other machines have none and most of them let
    requests to its address time out. Where there is one, a token may take longer.
    """

    def __init__(self, credential: Credential, http: HttpSession, *, probes: bool) -> None:
        self._credential = credential
        self._http = http
        self._probes = probes

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        try:
            if self._probes:
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._probe()
                self._probes = False
            async with asyncio.timeout(TOKEN_SECONDS):
                return await self._credential.get_token_info(*scopes, options=options)
        except (TimeoutError, aiohttp.ClientError, OSError):
            from azure.identity import CredentialUnavailableError

            raise CredentialUnavailableError(message="no metadata service responds") from None

    async def _probe(self) -> None:
        """Return when the service answers, whatever it says: it refuses a request without its header."""
        host = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", METADATA_HOST).strip("/")
        with suppress(LimitReached):
            await self._http.get(host + METADATA_PATH)

    async def close(self) -> None:
        await self._credential.close()
        await self._http.close()


def _missing(kind: str, login: TenantLogin | None = None) -> str:
    """Return which variables of a kind of login are not set, "" where none is missing. A tenant replaces some."""
    needed = [each for each in REQUIRED_VARIABLES.get(kind, ()) if login is None or not _replaced(each, login)]
    unset = [name for name in needed if not any(os.environ.get(each) for each in name.split(" or "))]
    if not unset:
        return ""
    return "not set" if len(unset) == len(REQUIRED_VARIABLES[kind]) else f"{', '.join(unset)} not set"


def _replaced(variable: str, login: TenantLogin) -> bool:
    """Return whether a tenant has of its own what a variable gives."""
    if variable.endswith("TENANT_ID"):
        return True
    if variable.endswith("CLIENT_ID"):
        return bool(login.client)
    return variable.startswith("AZURE_CLIENT_SECRET") and bool(login.secret or login.certificate)


def github_assertion(url: str, bearer: str, context: ssl.SSLContext) -> str:
    """Return an OIDC token of the running job. It is fetched for each use, because it is valid for five minutes."""
    if urlsplit(url).scheme != "https":
        raise ValueError("ACTIONS_ID_TOKEN_REQUEST_URL is not https")
    address = f"{url}&audience={quote(GITHUB_AUDIENCE, safe='')}"
    request = Request(address, headers={"Authorization": f"Bearer {bearer}"})  # noqa: S310
    with urlopen(request, timeout=30, context=context) as answer:  # noqa: S310
        return str(json.load(answer)["value"])


def pipelines_assertion(url: str, connection: str, bearer: str, context: ssl.SSLContext) -> str:
    """Return an OIDC token of a service connection (distributedtask/oidctoken/create). It is fetched for each use."""
    if urlsplit(url).scheme != "https":
        raise ValueError("SYSTEM_OIDCREQUESTURI is not https")
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    headers["X-TFS-FedAuthRedirect"] = "Suppress"
    address = f"{url.rstrip('/')}?api-version=7.1&serviceConnectionId={quote(connection, safe='')}"
    with urlopen(Request(address, b"", headers), timeout=30, context=context) as answer:  # noqa: S310
        return str(json.load(answer)["oidcToken"])


def _requests_session(context: ssl.SSLContext) -> Any:
    """Return a session of requests that trusts what the context trusts."""
    import requests
    from requests.adapters import HTTPAdapter

    class ContextAdapter(HTTPAdapter):
        def init_poolmanager(self, *words: Any, **more: Any) -> Any:
            return super().init_poolmanager(*words, ssl_context=context, **more)

        def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
            return super().proxy_manager_for(proxy, ssl_context=context, **more)

    session = requests.Session()
    session.mount("https://", ContextAdapter())
    return session
