"""Azure's clouds: where ARM is, who signs in, and for which audience."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from scanner.errors import InputError, nearest

METADATA = "/metadata/endpoints?api-version=2022-09-01"
"""Where an ARM endpoint says who signs in for it; asked without a token."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud: `arm` and `authority` are https origins without a slash at the end, `scope` is what tokens are for."""

    name: str
    arm: str
    authority: str
    scope: str
    known: bool = True

    @property
    def host(self) -> str:
        """Host and port of ARM, the only ones that a token is ever sent to."""
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
    """The cloud of that name, with AZURE_AUTHORITY_HOST applied. Raises InputError, naming the nearest."""
    found = CLOUDS.get(name.lower())
    if found is None:
        near = nearest(name, CLOUDS, 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise InputError(f'no cloud is called "{name}"', at=f"--cloud {name}", do=f"{hint}known: {', '.join(CLOUDS)}")
    return with_authority(found)


def endpoint(url: str) -> str:
    """An ARM endpoint as an https origin. Raises InputError for anything else, since a token goes there."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.path.strip("/") or parts.query:
        raise InputError(
            "an ARM endpoint is https and a host, with nothing behind it",
            at=f"--arm-endpoint {url}",
            do="for example --arm-endpoint https://management.azure.com",
        )
    return f"https://{origin(url)}"


def described(arm: str, metadata: Any) -> Cloud:
    """The cloud at `arm`, from what `GET /metadata/endpoints` answered there: one object, or a list of clouds."""
    entries = metadata if isinstance(metadata, list) else [metadata]
    described_there = [entry for entry in entries if isinstance(entry, Mapping)]
    own = [entry for entry in described_there if origin(str(entry.get("resourceManager", ""))) == origin(arm)]
    for entry in own or described_there:
        login = entry.get("authentication")
        if isinstance(login, Mapping) and urlsplit(str(login.get("loginEndpoint"))).scheme == "https":
            audiences = [str(each) for each in login.get("audiences") or ()] or [arm]
            scope = f"{audiences[0].rstrip('/')}/.default"
            authority = str(login["loginEndpoint"]).rstrip("/").removesuffix("/adfs")
            return with_authority(Cloud(origin(arm), arm, authority, scope, known=False))
    raise InputError(
        "this endpoint does not say who signs in for it",
        at=f"{arm}/metadata/endpoints",
        do="check --arm-endpoint, or set AZURE_AUTHORITY_HOST",
    )


def with_authority(known: Cloud) -> Cloud:
    """The cloud with the authority of AZURE_AUTHORITY_HOST, which wins where it is set."""
    host = os.environ.get("AZURE_AUTHORITY_HOST", "").strip().rstrip("/")
    if not host:
        return known
    return replace(known, authority=host if "://" in host else f"https://{host}", known=False)


def origin(url: str) -> str:
    """Host and port of a URL in lower case; the port is left out where it is https's own. "" where there is no host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    return host if port in (None, 443) else f"{host}:{port}"
