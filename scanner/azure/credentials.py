"""The token cache of a scan, and the account that its tokens are for."""

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any, Self

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError, ClientAuthenticationError
from msgspec import Struct, field

from scanner.azure.claims import claims_of
from scanner.azure.clouds import Cloud
from scanner.azure.errors import LoginRefused, WrongTenant
from scanner.azure.login_errors import ENTRA_CODE, NAMES, login_error, no_login, unavailable
from scanner.azure.logins import KINDS, Credential, Login, LoginFactory, TenantLogin
from scanner.azure.transport import HttpSession
from scanner.errors import AccessError, InputError, nearest

EARLY_SECONDS = 300
"""The seconds before the end of a token from which it is renewed, at most every half minute."""

RENEW_SECONDS = 30
"""The seconds for which the error of a failed renewal is repeated instead of asking again."""

CHAIN = ("environment", "workload-identity", "cli", "managed-identity")
"""The logins that `--auth default` tries, one after the other."""
CHOICE = "AZURE_TOKEN_CREDENTIALS"
"""The variable with which Azure's SDKs limit their default chain."""
_NAMES_OF_SDK = ("Environment", "WorkloadIdentity", "AzureCli", "ManagedIdentity")
CHOICES = {
    "dev": ("cli",),
    "prod": ("environment", "workload-identity", "managed-identity"),
    **{f"{name}credential".lower(): (login,) for name, login in zip(_NAMES_OF_SDK, CHAIN, strict=True)},
}
"""The values of the variable, in lower case, with the logins that they leave."""


class ScanLogin(Struct, frozen=True):
    """The login of a scan, for a place where its results are written.

    `prompt` is called with what a person must do to sign in. `token_cache` keeps tokens from one connection to the
    next, so that one sign-in is enough.
    """

    auth: str = "default"
    tenant: str = ""
    cloud: str = "public"
    arm_endpoint: str = ""
    arm_audience: str = ""
    prompt: Callable[[str], None] = lambda text: None
    token_cache: dict[Any, Any] = field(default_factory=dict)


class SignedInAccount(Struct, frozen=True):
    """The account of a token: its `name` as people know it, the `kind` of login, and the id of its tenant."""

    name: str
    kind: str
    tenant: str


class TokenCache(Struct):
    """Cache tokens, with one request for each tenant and claim however many clients ask at once.

    Tries the logins in order until one gives a token, and keeps that one (`used`). Raises an AccessError that says
    what to do.
    """

    logins: list[Login]
    cloud: Cloud
    tenant: str = ""
    pinned: bool = False
    """Whether only tokens of `tenant` are given: it is one of several tenants, and another login reads the others."""
    used: Login | None = None
    _credential: Credential | None = None
    _tokens: dict[tuple[Any, ...], AccessTokenInfo] = field(default_factory=dict)
    _failed: tuple[AccessError, float] | None = None
    _retired: list[Credential] = field(default_factory=list)
    _fetched: dict[str, float] = field(default_factory=dict)
    _locks: dict[tuple[Any, ...], asyncio.Lock] = field(default_factory=dict)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Return a token that is valid for at least 10 seconds more."""
        wanted: TokenRequestOptions = {**(options or {})}
        if self.tenant:
            wanted["tenant_id"] = self.tenant if self.pinned else wanted.get("tenant_id") or self.tenant
        key = (scopes, wanted.get("tenant_id", "").lower(), wanted.get("claims"))
        async with self._locks.setdefault(key, asyncio.Lock()):
            kept = self._tokens.get(key)
            if kept is None or self._ends_soon(kept):
                try:
                    self._tokens[key] = kept = await self._renewed(scopes, wanted)
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
        """Return the same token in azure-core's older form."""
        options: TokenRequestOptions = {}
        if claims:
            options["claims"] = claims
        if tenant_id:
            options["tenant_id"] = tenant_id
        info = await self.get_token_info(*scopes, options=options)
        return AccessToken(info.token, info.expires_on)

    def share(self, tokens: dict[tuple[Any, ...], AccessTokenInfo]) -> None:
        """Use the tokens of an earlier connection, and keep new ones there."""
        self._tokens = tokens

    def forget(self, authorization: str) -> None:
        """Drop the token of an `Authorization` header that Azure refused. The next request fetches a new one.

        The credential is made anew too, because credentials cache tokens themselves.
        """
        for key, kept in list(self._tokens.items()):
            if authorization == f"Bearer {kept.token}":
                del self._tokens[key]
                if self._credential is not None and self.used is not None:
                    self._retired.append(self._credential)
                    self._credential, self.logins = None, [self.used]

    async def account(self) -> SignedInAccount:
        """Return the account that the claims of a token name."""
        info = await self.get_token_info(self.cloud.scope)
        claims = claims_of(info.token)
        name = next(
            (str(claims[each]) for each in ("upn", "unique_name", "app_displayname", "appid", "oid") if each in claims),
            "",
        )
        kind = self.used.kind if self.used else ""
        tenant = str(claims.get("tid") or self.tenant)[:200]
        if self.pinned and tenant.lower() != self.tenant.lower():
            what = f"the {NAMES.get(kind, kind)} login signs in to tenant {tenant}, not to tenant {self.tenant}"
            raise WrongTenant(what, do="use a login of that tenant: auth in [[tenant]]")
        return SignedInAccount(name[:200], kind, tenant)

    async def close(self) -> None:
        """Close all credentials."""
        for credential in (*self._retired, self._credential):
            if credential is not None:
                await credential.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _renewed(self, scopes: Iterable[str], options: TokenRequestOptions) -> AccessTokenInfo:
        """Return a new token. A failure is repeated for a while, so that an expired login is not tried at each read."""
        if self._failed is not None and time.monotonic() - self._failed[1] < RENEW_SECONDS:
            raise self._failed[0]
        try:
            return await self._fetch(scopes, options)
        except AccessError as error:
            self._failed = (error, time.monotonic())
            raise

    async def _fetch(self, scopes: Iterable[str], options: TokenRequestOptions) -> AccessTokenInfo:
        if self._credential is not None and self.used is not None:
            return await self._request(self.used, self._credential, scopes, options)
        from azure.identity import CredentialUnavailableError

        reasons: list[str] = []
        for login in self.logins:
            if login.missing:
                reasons.append(f"{NAMES[login.kind]}: {login.missing}")
                continue
            credential = self._made(login)
            try:
                token = await self._request(login, credential, scopes, options)
            except CredentialUnavailableError as error:
                reasons.append(unavailable(login.kind, str(error)))
                await credential.close()
                continue
            except BaseException:
                await credential.close()
                raise
            self._credential, self.used = credential, login
            return token
        raise no_login(reasons, self.logins[-1].kind)

    def _made(self, login: Login) -> Credential:
        """Return the credential of a login. Raises LoginRefused for a certificate that cannot be used."""
        try:
            return login.make()
        except (ValueError, OSError) as error:
            what = f"the certificate of the {NAMES[login.kind]} login cannot be used"
            why = getattr(error, "strerror", None) or "it is no PEM or PKCS12 with an RSA key"
            raise LoginRefused(what, at=why, do="give a certificate and its private key, as one PEM") from error

    async def _request(
        self, login: Login, credential: Credential, scopes: Iterable[str], options: TokenRequestOptions
    ) -> AccessTokenInfo:
        from azure.identity import CredentialUnavailableError

        try:
            return await credential.get_token_info(*scopes, options=options)
        except (ClientAuthenticationError, AzureError, ValueError, OSError) as error:
            if (
                isinstance(error, CredentialUnavailableError)
                and not ENTRA_CODE.search(str(error))
                and self._credential is None
            ):
                raise
            raise await login_error(login.kind, error, self.tenant, self.cloud.authority) from error


def tokens(
    kind: str,
    cloud: Cloud,
    tenant: str,
    http: HttpSession,
    context: ssl.SSLContext,
    prompt: Callable[[str], None],
    login: TenantLogin | None = None,
) -> TokenCache:
    """Return the token cache for a kind of `--auth`. Nothing is requested yet. Raises InputError for an unknown kind.

    `prompt` is called with what a person must do to sign in (the sentence of the device code). `login`: what a tenant
    of several has of its own; then only tokens of that tenant are given.
    """
    if kind not in KINDS:
        near = nearest(kind, KINDS, 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise InputError(
            f'unknown login method "{kind}"',
            at=login.at if login else f"--auth {kind}",
            do=f"{hint}known: {', '.join(KINDS)}",
        )
    chain = _chain() if kind == "default" else (kind,)
    factory = LoginFactory(cloud, tenant, http, context, prompt, len(chain) > 1, login)
    return TokenCache([factory.login(each) for each in chain], cloud, tenant, login is not None)


def _chain() -> tuple[str, ...]:
    """Return the logins that `--auth default` tries. Raises InputError where the variable of Azure's SDKs limits them
    to one that is not known here: another identity sees other resources.
    """
    wanted = os.environ.get(CHOICE, "").strip()
    if not wanted:
        return CHAIN
    if wanted.lower() not in CHOICES:
        known = ", ".join((*list(CHOICES)[:2], *(f"{each}Credential" for each in _NAMES_OF_SDK)))
        raise InputError(
            f'{CHOICE} is "{wanted[:60]}", which is no login of Twolocks',
            at=CHOICE,
            do=f"known: {known}; or give --auth",
        )
    return CHOICES[wanted.lower()]
