"""Who reads: the kinds of `--auth`, one token cache for all clients, and what went wrong in one sentence."""

import asyncio
import base64
import json
import logging
import os
import re
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import msgspec
from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import CredentialUnavailableError, DeviceCodeCredential, InteractiveBrowserCredential
from azure.identity.aio import (
    AzureCliCredential,
    ClientAssertionCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from scanner.azure.clouds import Cloud
from scanner.azure.errors import ExpiredLogin, LoginRefused, NoCredential, WrongTenant
from scanner.azure.transport import Web, explain
from scanner.errors import AccessError, InputError, nearest

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
EARLY_SECONDS = 300
"""So long before a token ends a new one is fetched; one that lives no longer is fetched anew every half minute."""

RENEW_SECONDS = 30
GITHUB_AUDIENCE = "api://AzureADTokenExchange"

# What goes wrong is told once, in our words; theirs may hold what a server answered, as it came.
for _name in ("azure", "msal"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

_CODE = re.compile(r"AADSTS\d+")
_UPN = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_EXPIRED = frozenset(
    {
        "AADSTS700082",
        "AADSTS50173",
        "AADSTS70043",
        "AADSTS50078",
        "AADSTS700084",
        "AADSTS70008",
        "AADSTS7000222",
        "AADSTS50132",
    }
)
_TENANT = frozenset({"AADSTS90002", "AADSTS50020", "AADSTS90072", "AADSTS50194", "AADSTS700016", "AADSTS500011"})
_NEEDED = {
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


class Credential(Protocol):
    """What azure-identity's asynchronous credentials offer."""

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token is used: `name` as people know it, the `kind` of login, and the tenant's id."""

    name: str
    kind: str
    tenant: str


@dataclass(slots=True)
class Login:
    """A credential of one kind, made only when it is needed; `missing` names what it lacks, "" where it may work."""

    kind: str
    make: Callable[[], Credential]
    missing: str = ""


@dataclass(slots=True)
class Tokens:
    """The token cache of a scan: one request a tenant and claim, however many clients ask at once.

    Tries its logins in order until one gives a token, and keeps that one. Raises an AccessError that says what to do.
    """

    logins: list[Login]
    cloud: Cloud
    tenant: str = ""
    used: Login | None = None
    _credential: Credential | None = None
    _kept: dict[tuple[Any, ...], AccessTokenInfo] = field(default_factory=dict)
    _failed: tuple[AccessError, float] | None = None
    _retired: list[Credential] = field(default_factory=list)
    _fetched: dict[str, float] = field(default_factory=dict)
    _locks: dict[tuple[Any, ...], asyncio.Lock] = field(default_factory=dict)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """A token that lives at least half a minute more."""
        wanted: TokenRequestOptions = {**(options or {})}
        if self.tenant:
            wanted.setdefault("tenant_id", self.tenant)
        key = (scopes, wanted.get("tenant_id", "").lower(), wanted.get("claims"))
        async with self._locks.setdefault(key, asyncio.Lock()):
            kept = self._kept.get(key)
            if kept is None or self._ends_soon(kept):
                try:
                    self._kept[key] = kept = await self._renewed(scopes, wanted)
                    self._fetched[kept.token] = time.monotonic()
                except AccessError:
                    if kept is None or kept.expires_on - time.time() < 10:
                        raise
            return kept

    def _ends_soon(self, kept: AccessTokenInfo) -> bool:
        left = kept.expires_on - time.time()
        return left < 10 or (left < EARLY_SECONDS and time.monotonic() - self._fetched.get(kept.token, 0.0) > 30)

    async def get_token(
        self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, **_: Any
    ) -> AccessToken:
        """The same in the older form."""
        options: TokenRequestOptions = {}
        if claims:
            options["claims"] = claims
        if tenant_id:
            options["tenant_id"] = tenant_id
        info = await self.get_token_info(*scopes, options=options)
        return AccessToken(info.token, info.expires_on)

    def share(self, kept: dict[tuple[Any, ...], AccessTokenInfo]) -> None:
        """Use the tokens of an earlier connection that shared the same, and leave it new ones."""
        self._kept = kept

    def forget(self, authorization: str) -> None:
        """Azure refused this `Authorization` header: fetch a new token before the next request.

        Credentials remember tokens themselves, so a new one is made.
        """
        for key, kept in list(self._kept.items()):
            if authorization == f"Bearer {kept.token}":
                del self._kept[key]
                if self._credential is not None and self.used is not None:
                    self._retired.append(self._credential)
                    self._credential, self.logins = None, [self.used]

    async def account(self) -> Account:
        """Whose token it is, as its claims say."""
        info = await self.get_token_info(self.cloud.scope)
        claims = _claims(info.token)
        name = next(
            (str(claims[each]) for each in ("upn", "unique_name", "app_displayname", "appid", "oid") if each in claims),
            "",
        )
        kind = self.used.kind if self.used else ""
        return Account(_plain(name), kind, _plain(str(claims.get("tid") or self.tenant)))

    async def close(self) -> None:
        for credential in (*self._retired, self._credential):
            if credential is not None:
                await credential.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _renewed(self, scopes: Iterable[str], options: TokenRequestOptions) -> AccessTokenInfo:
        """A token, or the failure of a moment ago: a login that ends in a scan is not asked for at each read."""
        if self._failed is not None and time.monotonic() - self._failed[1] < RENEW_SECONDS:
            raise self._failed[0]
        try:
            return await self._fetch(scopes, options)
        except AccessError as error:
            self._failed = (error, time.monotonic())
            raise

    async def _fetch(self, scopes: Iterable[str], options: TokenRequestOptions) -> AccessTokenInfo:
        if self._credential is not None and self.used is not None:
            return await self._ask(self.used, self._credential, scopes, options)
        reasons: list[str] = []
        for login in self.logins:
            if login.missing:
                reasons.append(f"{_NAMES[login.kind]}: {login.missing}")
                continue
            credential = login.make()
            try:
                token = await self._ask(login, credential, scopes, options)
            except CredentialUnavailableError as error:
                reasons.append(f"{_NAMES[login.kind]}: {_absent(login.kind, str(error))}")
                await credential.close()
                continue
            except BaseException:
                await credential.close()
                raise
            self._credential, self.used = credential, login
            return token
        raise NoCredential("no login was found", at="; ".join(reasons), do=_DO.get(self.logins[-1].kind, "az login"))

    async def _ask(
        self, login: Login, credential: Credential, scopes: Iterable[str], options: TokenRequestOptions
    ) -> AccessTokenInfo:
        try:
            return await credential.get_token_info(*scopes, options=options)
        except (ClientAuthenticationError, AzureError, ValueError, OSError) as error:
            if (
                isinstance(error, CredentialUnavailableError)
                and not _CODE.search(str(error))
                and self._credential is None
            ):
                raise
            raise await self._sentence(login, error) from error

    async def _sentence(self, login: Login, error: Exception) -> AccessError:
        text = str(error)
        found = _CODE.search(text)
        if not found:
            way = await explain(error, self.cloud.authority)
            if way is not None:
                return way
            return LoginRefused(
                f"the login was refused ({_NAMES[login.kind]})",
                at=_first_line(text),
                do=_DO.get(login.kind, "az login"),
            )
        code = found[0]
        who = _UPN.search(text)
        user = who[0] if who else profile_user() if login.kind == "cli" else ""
        of = f" of {user}" if user else ""
        tenant = self.tenant or (user.partition("@")[2] if code in _EXPIRED else "")
        again = (
            f"az login{f' --tenant {tenant}' if tenant else ''}"
            if login.kind == "cli"
            else _DO.get(login.kind, "az login")
        )
        if code in _EXPIRED:
            return ExpiredLogin(f"the {_NAMES[login.kind]} login{of} has expired ({code})", do=again)
        if code in _TENANT:
            asked = f"tenant {self.tenant}" if self.tenant else "this tenant"
            return WrongTenant(
                f"the {_NAMES[login.kind]} login{of} does not belong to {asked} ({code})",
                do=f"check --tenant; then: {again}",
            )
        return LoginRefused(
            f"Entra ID refused the {_NAMES[login.kind]} login{of} ({code})", at=_first_line(text), do=again
        )


_NAMES = {
    "environment": "environment",
    "workload-identity": "workload identity",
    "cli": "Azure CLI",
    "managed-identity": "managed identity",
    "github": "GitHub",
    "azure-pipelines": "Azure Pipelines",
    "device-code": "device code",
    "browser": "browser",
}
_DO = {
    "environment": f"set {', '.join(_NEEDED['environment'])}",
    "workload-identity": f"set {', '.join(_NEEDED['workload-identity'])}",
    "github": "give the job `permissions: id-token: write`, and set AZURE_TENANT_ID and AZURE_CLIENT_ID",
    "azure-pipelines": "run in an AzureCLI@2 task with a service connection, and map SYSTEM_ACCESSTOKEN",
    "device-code": "run again, and enter the code within 15 minutes",
    "browser": "run again, or use --auth device-code where no browser can be opened",
}


def tokens(
    kind: str, cloud: Cloud, tenant: str, web: Web, context: ssl.SSLContext, tell: Callable[[str], None]
) -> Tokens:
    """The token cache for a kind of `--auth`; nothing is asked for yet. Raises InputError for an unknown kind.

    `tell` is given what a person must do (the device code's sentence).
    """
    if kind not in KINDS:
        near = nearest(kind, KINDS, 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise InputError(
            f'no way to sign in is called "{kind}"', at=f"--auth {kind}", do=f"{hint}known: {', '.join(KINDS)}"
        )
    maker = _Maker(cloud, tenant, web, context, tell, kind == "default")
    chain = ("environment", "workload-identity", "cli", "managed-identity") if kind == "default" else (kind,)
    return Tokens([maker.login(each) for each in chain], cloud, tenant)


@dataclass(slots=True)
class _Maker:
    cloud: Cloud
    tenant: str
    web: Web
    context: ssl.SSLContext
    tell: Callable[[str], None]
    chained: bool

    def login(self, kind: str) -> Login:
        make: dict[str, Callable[[], Credential]] = {
            "environment": lambda: EnvironmentCredential(**self._more()),
            "workload-identity": lambda: WorkloadIdentityCredential(**self._tenant(), **self._more()),
            "cli": lambda: AzureCliCredential(
                tenant_id=self.tenant, additionally_allowed_tenants=["*"], process_timeout=30
            ),
            "managed-identity": self._managed,
            "github": self._github,
            "azure-pipelines": self._pipelines,
            "device-code": lambda: _Threaded(
                DeviceCodeCredential(prompt_callback=self._prompt, **self._tenant(), **self._sync())
            ),
            "browser": lambda: _Threaded(InteractiveBrowserCredential(**self._tenant(), **self._sync())),
        }
        return Login(kind, make[kind], _missing(kind))

    def _more(self) -> dict[str, Any]:
        more: dict[str, Any] = {"authority": self.cloud.authority, "additionally_allowed_tenants": ["*"]}
        return {
            **more,
            "transport": self.web.transport,
            "retry_total": 3,
            "disable_instance_discovery": not self.cloud.known,
        }

    def _tenant(self) -> dict[str, Any]:
        return {"tenant_id": self.tenant} if self.tenant else {}

    def _sync(self) -> dict[str, Any]:
        """For the two credentials that exist only without asyncio: the same trust, through requests."""
        from azure.core.pipeline.transport import RequestsTransport

        return {
            **self._more(),
            "transport": RequestsTransport(session=_requests_session(self.context), session_owner=False),
        }

    def _managed(self) -> Credential:
        client = os.environ.get("AZURE_CLIENT_ID")
        own = Web(self.context, proxies=False)
        credential = ManagedIdentityCredential(client_id=client, transport=own.transport, retry_total=2)
        patient = bool(os.environ.get("IDENTITY_ENDPOINT") or os.environ.get("MSI_ENDPOINT")) or not self.chained
        return _Owning(_Probed(credential, 15 if patient else 2), own)

    def _github(self) -> Credential:
        url, bearer = os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"], os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]

        def assertion() -> str:
            return _github_assertion(url, bearer, self.context)

        tenant = self.tenant or os.environ["AZURE_TENANT_ID"]
        return ClientAssertionCredential(tenant, os.environ["AZURE_CLIENT_ID"], assertion, **self._more())

    def _pipelines(self) -> Credential:
        """As azure-identity's own credential does, whose asynchronous form sends nothing with a transport of ours."""
        url, bearer = os.environ["SYSTEM_OIDCREQUESTURI"], os.environ["SYSTEM_ACCESSTOKEN"]
        connection = os.environ["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"]

        def assertion() -> str:
            return _pipelines_assertion(url, connection, bearer, self.context)

        tenant = self.tenant or os.environ["AZURESUBSCRIPTION_TENANT_ID"]
        return ClientAssertionCredential(tenant, os.environ["AZURESUBSCRIPTION_CLIENT_ID"], assertion, **self._more())

    def _prompt(self, address: str, code: str, _expires: object) -> None:
        self.tell(f"To sign in, open {address} and enter the code {code}")


class _Threaded:
    """A credential that blocks, used from asyncio."""

    def __init__(self, blocking: Any) -> None:
        self._blocking = blocking

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        found: AccessTokenInfo = await asyncio.to_thread(self._blocking.get_token_info, *scopes, options=options)
        return found

    async def close(self) -> None:
        await asyncio.to_thread(self._blocking.close)


class _Probed:
    """Managed identity that ends after seconds where no metadata service answers."""

    def __init__(self, credential: Credential, seconds: float) -> None:
        self._credential = credential
        self._seconds = seconds

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._credential.get_token_info(*scopes, options=options)
        except TimeoutError:
            raise CredentialUnavailableError(message="no metadata service answers") from None

    async def close(self) -> None:
        await self._credential.close()


class _Owning:
    """A credential with a session of its own: the metadata service is never asked through a proxy."""

    def __init__(self, credential: Credential, web: Web) -> None:
        self._credential = credential
        self._web = web

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        return await self._credential.get_token_info(*scopes, options=options)

    async def close(self) -> None:
        await self._credential.close()
        await self._web.close()


def profile() -> list[dict[str, Any]]:
    """The subscriptions that the Azure CLI remembers (id, name, tenantId, user, isDefault); [] where it has none."""
    folder = os.environ.get("AZURE_CONFIG_DIR") or str(Path.home() / ".azure")
    try:
        found = msgspec.json.decode((Path(folder) / "azureProfile.json").read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
    rows = found.get("subscriptions") if isinstance(found, dict) else None
    return [row for row in rows or () if isinstance(row, dict)]


def profile_user() -> str:
    """Who is signed in to the Azure CLI, by its own memory; "" where it does not say."""
    rows = sorted(profile(), key=lambda row: row.get("isDefault") is not True)
    user = rows[0].get("user") if rows else None
    return _plain(str(user.get("name") or "")) if isinstance(user, dict) else ""


def _missing(kind: str) -> str:
    """Which variables a kind of login lacks, "" where it may work."""
    lacking = [name for name in _NEEDED.get(kind, ()) if not any(os.environ.get(each) for each in name.split(" or "))]
    if not lacking:
        return ""
    return "not set" if len(lacking) == len(_NEEDED[kind]) else f"{', '.join(lacking)} not set"


def _absent(kind: str, text: str) -> str:
    if kind == "managed-identity":
        return "none here"
    if kind == "cli":
        return "not installed" if "not found" in text.lower() else "not signed in"
    return _first_line(text)


def _github_assertion(url: str, bearer: str, context: ssl.SSLContext) -> str:
    """A fresh OIDC token of the running job; it lives five minutes, so it is fetched for each use."""
    if urlsplit(url).scheme != "https":
        raise ValueError("ACTIONS_ID_TOKEN_REQUEST_URL is not https")
    asked = Request(f"{url}&audience={quote(GITHUB_AUDIENCE, safe='')}", headers={"Authorization": f"Bearer {bearer}"})  # noqa: S310
    with urlopen(asked, timeout=30, context=context) as answer:  # noqa: S310
        return str(json.load(answer)["value"])


def _pipelines_assertion(url: str, connection: str, bearer: str, context: ssl.SSLContext) -> str:
    """A fresh OIDC token of a service connection (distributedtask/oidctoken/create); fetched for each use."""
    if urlsplit(url).scheme != "https":
        raise ValueError("SYSTEM_OIDCREQUESTURI is not https")
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    headers["X-TFS-FedAuthRedirect"] = "Suppress"
    asked = f"{url.rstrip('/')}?api-version=7.1&serviceConnectionId={quote(connection, safe='')}"
    with urlopen(Request(asked, b"", headers), timeout=30, context=context) as answer:  # noqa: S310
        return str(json.load(answer)["oidcToken"])


def _requests_session(context: ssl.SSLContext) -> Any:
    import requests
    from requests.adapters import HTTPAdapter

    class Trusting(HTTPAdapter):
        def init_poolmanager(self, *words: Any, **more: Any) -> Any:
            return super().init_poolmanager(*words, ssl_context=context, **more)

        def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
            return super().proxy_manager_for(proxy, ssl_context=context, **more)

    session = requests.Session()
    session.mount("https://", Trusting())
    return session


def _claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unchecked, for display only; {} where it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, msgspec.DecodeError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _plain(text: str) -> str:
    return text[:200]


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0][:300]
