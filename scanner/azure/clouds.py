"""Azure's clouds: the address of ARM, the authority that signs in, and the audience of tokens."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import SplitResult, urlsplit

from scanner.errors import InputError, nearest

METADATA = "/metadata/endpoints?api-version=2022-09-01"
"""The path where an ARM endpoint names its authority. It needs no token."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud. `arm` and `authority` are https origins without a slash at the end. `scope` is the scope of tokens.

    `known`: its authority is one that azure-identity knows.
    """

    name: str
    arm: str
    authority: str
    scope: str
    known: bool = True

    @property
    def host(self) -> str:
        """Return host and port of ARM. A token is sent to no others."""
        return origin(self.arm)


CLOUDS = {
    cloud.name: cloud
    for cloud in (
        Cloud(
            "public",
            "https://management.azure.com",
            "https://login.microsoftonline.com",
            "https://management.azure.com/.default",
        ),
        Cloud(
            "us-government",
            "https://management.usgovcloudapi.net",
            "https://login.microsoftonline.us",
            "https://management.core.usgovcloudapi.net/.default",
        ),
        Cloud(
            "china",
            "https://management.chinacloudapi.cn",
            "https://login.chinacloudapi.cn",
            "https://management.chinacloudapi.cn/.default",
        ),
    )
}
"""Public, US Government and China, as azure-core and azure-mgmt-core name their endpoints."""


def cloud(name: str) -> Cloud:
    """Return the cloud of a name, with AZURE_AUTHORITY_HOST applied. Raises InputError that names the nearest."""
    found = CLOUDS.get(name.lower())
    if found is None:
        near = nearest(name, CLOUDS, 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise InputError(f'unknown cloud "{name}"', at=f"--cloud {name}", do=f"{hint}known: {', '.join(CLOUDS)}")
    return with_authority(found)


def endpoint(url: str) -> str:
    """Return an ARM endpoint as an https origin. Raises InputError for anything else, because a token is sent there."""
    parts = _split(url if "://" in url else f"https://{url}")
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.path.strip("/") or parts.query:
        raise InputError(
            "an ARM endpoint is https:// and a host, without a path",
            at=f"--arm-endpoint {url}",
            do="for example --arm-endpoint https://management.azure.com",
        )
    return f"https://{origin(url)}"


def described(arm: str, metadata: Any) -> Cloud:
    """Return the cloud at `arm` from the answer of `GET /metadata/endpoints`: one object, or a list of clouds."""
    entries = metadata if isinstance(metadata, list) else [metadata]
    described_there = [entry for entry in entries if isinstance(entry, Mapping)]
    own = [entry for entry in described_there if origin(str(entry.get("resourceManager", ""))) == origin(arm)]
    for entry in own or described_there:
        login = entry.get("authentication")
        if isinstance(login, Mapping) and is_https(str(login.get("loginEndpoint"))):
            named = login.get("audiences")
            audiences = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
            audiences = audiences or [arm]
            scope = f"{audiences[0].rstrip('/')}/.default"
            authority = str(login["loginEndpoint"]).rstrip("/").removesuffix("/adfs")
            return with_authority(Cloud(origin(arm), arm, authority, scope, known=False))
    raise InputError(
        "this endpoint does not name its login authority",
        at=f"{arm}/metadata/endpoints",
        do="check --arm-endpoint, or set AZURE_AUTHORITY_HOST",
    )


def with_authority(known: Cloud) -> Cloud:
    """Return the cloud with the authority of AZURE_AUTHORITY_HOST where that is set."""
    host = os.environ.get("AZURE_AUTHORITY_HOST", "").strip().rstrip("/")
    if not host:
        return known
    return replace(known, authority=host if "://" in host else f"https://{host}", known=False)


def _split(url: str) -> SplitResult:
    """Return the parts of a URL, empty ones where it is broken."""
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port else SplitResult("", "", "", "", "")
    except ValueError:
        return SplitResult("", "", "", "", "")


def is_https(url: str) -> bool:
    """Return whether a URL is https with a host and a valid port."""
    parts = _split(url)
    return parts.scheme == "https" and bool(parts.hostname) and url.isprintable()


def origin(url: str) -> str:
    """Return host and port of a URL in lower case, without port 443; "" where there is no host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    return host if port in (None, 443) else f"{host}:{port}"
