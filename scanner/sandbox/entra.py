"""Answers as Microsoft Entra ID does: discovery, and tokens for client credentials, assertions and device codes.

Also answers as the token issuers of GitHub and Azure DevOps do, and as the managed identity of App Service.
"""

import base64
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from scanner.sandbox.errors import HttpAnswer, answer
from scanner.sandbox.served_estate import ServedEstate

CLIENT = "33333333-3333-3333-3333-333333333333"
SECRET = "sandbox-secret-that-opens-nothing"  # noqa: S105
ALIASES = {"common", "organizations"}
ISSUER_SECRET = "sandbox-issuer-secret"  # noqa: S105
"""The secret that a job sends to its token issuer, and an app to its identity endpoint."""


class IssuedToken(msgspec.Struct, frozen=True):
    tenant: str
    expires: float


class SandboxEntra:
    """The token service of one sandbox. It remembers the tokens that it issued.

    `apps`: client id and secret of the app of a tenant; the other tenants have the app `client`.
    """

    def __init__(
        self,
        estate: ServedEstate,
        lifetime: float = 3600.0,
        client: str = CLIENT,
        secret: str = SECRET,
        apps: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.estate = estate
        self.lifetime = lifetime
        self.client = client
        self.secret = secret
        self.apps = {tenant.lower(): app for tenant, app in (apps or {}).items()}
        self.tokens: dict[str, IssuedToken] = {}
        self.devices: dict[str, str] = {}

    def serves(self, path: str) -> bool:
        """Return whether a path belongs to Microsoft Entra ID or a token issuer."""
        segments = path.strip("/").split("/")
        known = path.startswith(("/common/discovery/", "/oidc/", "/identity"))
        return known or "/oauth2/" in path or segments[-1] == "openid-configuration"

    def answer(self, method: str, url: str, body: bytes, base: str, secret: str) -> HttpAnswer:
        """Return the answer to a request. `secret`: the one in its headers, for a token issuer."""
        path, _, query = url.partition("?")
        if path.startswith(("/oidc/", "/identity")):
            return self._issuer(path, dict(parse_qsl(query)), base, secret)
        return self.get(path, query, base) if method == "GET" else self.post(path, body, base)

    def _issuer(self, path: str, query: Mapping[str, str], base: str, secret: str) -> HttpAnswer:
        if secret.removeprefix("Bearer ") != ISSUER_SECRET:
            return answer({"message": "unauthorized"}, 401)
        if path.startswith("/identity"):
            made = self._issue(self.estate.tenant, {"client_id": self.client, "scope": query.get("resource", "")})
            return answer(
                {**made, "expires_on": str(int(time.time() + self.lifetime)), "resource": query.get("resource")}
            )
        token = jwt({"iss": f"{base}{path}", "sub": "job", "aud": query.get("audience", "api://AzureADTokenExchange")})
        return answer({"value": token, "oidcToken": token})

    def get(self, path: str, query: str, base: str) -> HttpAnswer:
        """Return the discovery document of the instance or of a tenant."""
        if path.startswith("/common/discovery/instance"):
            return self._instance(dict(parse_qsl(query)), base)
        tenant = path.strip("/").split("/")[0]
        known = self._tenant(tenant)
        if known is None:
            return _no_tenant(tenant)
        at = f"{base}/{tenant}/oauth2/v2.0"
        return answer(
            {
                "token_endpoint": f"{at}/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "authorization_endpoint": f"{at}/authorize",
                "device_authorization_endpoint": f"{at}/devicecode",
                "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys",
                "issuer": f"{base}/{known}/v2.0",
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "tenant_region_scope": "EU",
                "cloud_instance_name": base.removeprefix("https://"),
            }
        )

    def _instance(self, query: Mapping[str, str], base: str) -> HttpAnswer:
        asked = query.get("authorization_endpoint", "").split("/oauth2")[0] or f"{base}/common"
        host = base.removeprefix("https://")
        metadata = [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}]
        discovery = f"{asked}/v2.0/.well-known/openid-configuration"
        return answer({"tenant_discovery_endpoint": discovery, "api-version": "1.1", "metadata": metadata})

    def post(self, path: str, body: bytes, base: str) -> HttpAnswer:
        """Return a token, or a device code."""
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        name = path.strip("/").split("/")[0]
        tenant = self._tenant(name)
        if tenant is None:
            return _no_tenant(name)
        if path.endswith("/devicecode"):
            return self._device(tenant, base)
        return self._token(tenant, form, base)

    def _token(self, tenant: str, form: Mapping[str, str], base: str) -> HttpAnswer:
        match form.get("grant_type", ""):
            case "client_credentials":
                return self._credentials(tenant, form) or answer(self._issue(tenant, form))
            case "urn:ietf:params:oauth:grant-type:device_code" | "device_code":
                if form.get("device_code", "") not in self.devices:
                    return _refused(400, "expired_token", 70000, "The device code is not known.")
                return answer({**self._issue(tenant, form), **self._user(tenant, form, base)})
            case "refresh_token":
                return answer({**self._issue(tenant, form), **self._user(tenant, form, base)})
            case other:
                return _refused(400, "unsupported_grant_type", 70003, f"The grant type '{other}' is not supported.")

    def _credentials(self, tenant: str, form: Mapping[str, str]) -> HttpAnswer | None:
        client = form.get("client_id", "")
        known, secret = self.apps.get(tenant, (self.client, self.secret))
        if client.lower() != known.lower():
            text = f"Application with identifier '{client}' was not found in the directory."
            return _refused(400, "unauthorized_client", 700016, text)
        if "client_secret" in form and form["client_secret"] != secret:
            return _refused(401, "invalid_client", 7000215, "Invalid client secret provided.")
        if "client_secret" not in form and form.get("client_assertion", "").count(".") != 2:
            return _refused(401, "invalid_client", 50027, "JWT token is invalid or malformed.")
        return None

    def _device(self, tenant: str, base: str) -> HttpAnswer:
        code = secrets.token_urlsafe(24)
        self.devices[code] = tenant
        return answer(
            {
                "user_code": "SANDBOX42",
                "device_code": code,
                "verification_uri": f"{base}/device",
                "expires_in": 900,
                "interval": 1,
                "message": f"To sign in, open {base}/device and enter the code SANDBOX42. The sandbox accepts it.",
            }
        )

    def _issue(self, tenant: str, form: Mapping[str, str]) -> dict[str, Any]:
        now = int(time.time())
        expires = now + int(self.lifetime)
        claims = {
            "aud": form.get("scope", form.get("resource", "")).split("/.default")[0],
            # The resource decides the form of its tokens: ARM and Azure Storage take those of v1.0.
            "iss": f"https://sts.windows.net/{tenant}/",
            "iat": now,
            "nbf": now,
            "exp": expires,
            "appid": form.get("client_id", ""),
            "app_displayname": "Twolocks sandbox",
            "oid": self.estate.principal,
            "tid": tenant,
            "jti": secrets.token_hex(8),
        }
        token = jwt(claims)
        self.tokens[token] = IssuedToken(tenant, now + self.lifetime)
        seconds = int(self.lifetime)
        return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}

    def _user(self, tenant: str, form: Mapping[str, str], base: str) -> dict[str, Any]:
        """Return what the sign-in of a user adds: a refresh token, an id token and the user."""
        claims = {
            "iss": f"{base}/{tenant}/v2.0",
            "aud": form.get("client_id", ""),
            "exp": int(time.time()) + 3600,
            "iat": int(time.time()),
            "sub": self.estate.principal,
            "oid": self.estate.principal,
            "tid": tenant,
            "preferred_username": "ola.nordmann@example.no",
        }
        info = _encoded({"uid": self.estate.principal, "utid": tenant})
        return {
            "refresh_token": secrets.token_urlsafe(24),
            "id_token": jwt(claims),
            "client_info": info,
            "scope": form.get("scope", ""),
        }

    def token(self, tenant: str, base: str) -> str:
        """Return a token of a tenant, without a request."""
        text: str = self._issue(tenant, {"client_id": self.client, "scope": base})["access_token"]
        return text

    def check(self, authorization: str | None) -> IssuedToken | str:
        """Return the token of an Authorization header, or what is wrong: `missing`, `invalid` or `expired`."""
        if not authorization:
            return "missing"
        word, _, text = authorization.partition(" ")
        token = self.tokens.get(text)
        if word.lower() != "bearer" or token is None:
            return "invalid"
        return token if token.expires > time.time() else "expired"

    def _tenant(self, name: str) -> str | None:
        tenants = {self.estate.tenant.lower(), *(s["tenantId"].lower() for s in self.estate.subscriptions.values())}
        if name.lower() in ALIASES:
            return self.estate.tenant
        return name.lower() if name.lower() in tenants else None


def jwt(claims: Mapping[str, Any]) -> str:
    """Return a token in the form of a JWT with a random signature."""
    header = _encoded({"typ": "JWT", "alg": "RS256", "kid": "sandbox"})
    return f"{header}.{_encoded(dict(claims))}.{secrets.token_urlsafe(32)}"


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


def _no_tenant(tenant: str) -> HttpAnswer:
    text = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
    return _refused(400, "invalid_tenant", 90002, text)


def _refused(status: int, error: str, number: int, text: str) -> HttpAnswer:
    shown = f"AADSTS{number}: {text} Trace ID: 00000000-0000-0000-0000-000000000000"
    return answer({"error": error, "error_description": shown, "error_codes": [number]}, status)
