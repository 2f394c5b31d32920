"""Azure's clouds: the address of ARM, the authority that signs in, and the audience of tokens."""

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from scanner.errors import InputError, nearest

METADATA = "/metadata/endpoints?api-version=2022-09-01"
"""The path where an ARM endpoint names its authority. It needs no token."""


class Cloud(Struct, frozen=True):
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
DOMAINS = {
    "public": (".azure.com", ".azure.net", ".windows.net", ".microsoft.com", ".microsoftonline.com", ".office.com"),
    "us-government": (".usgovcloudapi.net", ".azure.us", ".microsoft.us", ".microsoftonline.us"),
    "china": (".chinacloudapi.cn", ".azure.cn", ".microsoftonline.cn"),
}
"""The domains of each cloud. A token for a host in one of them is for Azure, and is sent to no host of others."""
POSTGRES = {
    "public": (".postgres.database.azure.com", ".postgres.cosmos.azure.com"),
    "us-government": (".postgres.database.usgovcloudapi.net",),
    "china": (".postgres.database.chinacloudapi.cn",),
}
"""The domains of each cloud's PostgreSQL servers, as the Azure CLI's clouds name them. Private names end alike."""
AUTHORITIES = frozenset(urlsplit(each.authority).hostname for each in CLOUDS.values())
AUTHORITY_VARIABLE = "AZURE_AUTHORITY_HOST"
_PLAIN = re.compile(r"https://[A-Za-z0-9./:_-]{1,200}")
_ORIGIN = re.compile(r"https://([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(:[0-9]+)?(?=$|/)", re.IGNORECASE)
"""The origin of an https URL. Hosts are ASCII, without a dot at the end, so that two spellings never mean one host."""


def cloud(name: str) -> Cloud:
    """Return the cloud of a name, with AZURE_AUTHORITY_HOST applied. Raises InputError that names the nearest."""
    result = CLOUDS.get(name.lower())
    if result is None:
        near = nearest(name, CLOUDS, 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise InputError(f'unknown cloud "{name}"', at=f"--cloud {name}", do=f"{hint}known: {', '.join(CLOUDS)}")
    return with_authority(result)


def endpoint(url: str) -> str:
    """Return an ARM endpoint as an https origin. Raises InputError for anything else, because a token is sent there."""
    split = _split(url if "://" in url else f"https://{url}")
    result = f"https://{origin(split.geturl())}"
    if (
        not _ORIGIN.fullmatch(result)
        or split.scheme != "https"
        or split.username
        or split.path.strip("/")
        or split.query
    ):
        raise InputError(
            "an ARM endpoint is https:// and a host, without a path",
            at=f"--arm-endpoint {url}",
            do="for example --arm-endpoint https://management.azure.com",
        )
    return result


def known_at(arm: str) -> Cloud | None:
    """Return the cloud that an ARM endpoint belongs to by its host, None for an endpoint of another one."""
    host = origin(arm)
    result = next((each for each in CLOUDS.values() if host == each.host or host.endswith(f".{each.host}")), None)
    return with_authority(replace(result, arm=arm)) if result is not None else None


def described(arm: str, metadata: Any, named: str = "") -> Cloud:
    """Return the cloud at `arm` from the answer of `GET /metadata/endpoints`: one object, or a list of clouds.

    An endpoint chooses neither who gets the secret of the login nor for whom a token is: the authority is that of a
    known cloud or of AZURE_AUTHORITY_HOST; the audience is the endpoint itself or `named`. Raises InputError.
    """
    login = _login(arm, metadata)
    authority, audience = _authority(arm, login), _audience(arm, login, named)
    return with_authority(Cloud(origin(arm), arm, authority, f"{audience}/.default", known=False))


def _authority(arm: str, login: Mapping[str, Any]) -> str:
    """Return the authority that an endpoint names. Raises InputError for one that only this endpoint names."""
    authority = str(login["loginEndpoint"]).rstrip("/").removesuffix("/adfs")
    if os.environ.get(AUTHORITY_VARIABLE, "").strip() or origin(authority) in AUTHORITIES:
        return authority
    raise InputError(
        f"{urlsplit(arm).hostname} names a login authority of its own, which would get the secret of the login",
        at=f"{arm}/metadata/endpoints",
        do=f"if it is yours: {AUTHORITY_VARIABLE}={_shown(authority)}",
    )


def _login(arm: str, metadata: Any) -> Mapping[str, Any]:
    """Return how to sign in at `arm`, as it describes it. Raises InputError where it does not."""
    entries = metadata if isinstance(metadata, list) else [metadata]
    described_there = [entry for entry in entries if isinstance(entry, Mapping)]
    matching = [entry for entry in described_there if origin(str(entry.get("resourceManager", ""))) == origin(arm)]
    for entry in matching or described_there:
        login = entry.get("authentication")
        if isinstance(login, Mapping) and is_https(url := str(login.get("loginEndpoint", ""))) and _ORIGIN.match(url):
            return login
    raise InputError(
        "this endpoint does not name its login authority",
        at=f"{arm}/metadata/endpoints",
        do="check --arm-endpoint, or set AZURE_AUTHORITY_HOST",
    )


def _audience(arm: str, login: Mapping[str, Any], named: str) -> str:
    """Return the audience of tokens for `arm`: the named one, else the endpoint itself.

    Raises InputError for an audience of Azure, and for an endpoint that wants tokens of others.
    """
    if named:
        return _named_audience(arm, named)
    listed = login.get("audiences")
    wanted = [str(each) for each in listed] if isinstance(listed, list) else []
    if not wanted or any(origin(each) == origin(arm) for each in wanted):
        return arm
    asked = _shown(wanted[0])
    raise InputError(
        f"{urlsplit(arm).hostname} asks for tokens of another host: {asked}",
        at=f"{arm}/metadata/endpoints",
        do="check --arm-endpoint" if azure_cloud(asked) else f"if it is yours: --arm-audience {asked}",
    )


def _shown(url: str) -> str:
    """Return a URL of an endpoint's answer for a hint, which people copy; "URL" for one with unusual characters."""
    return url if _PLAIN.fullmatch(url) else "URL"


def _named_audience(arm: str, named: str) -> str:
    at, result = f"--arm-audience {named}", named.rstrip("/")
    if not _ORIGIN.match(result):
        raise InputError("an audience is https:// and a host", at=at, do=f"for example --arm-audience {arm}")
    if azure_cloud(result) and origin(result) != origin(arm):
        what = f"{result} is an audience of Azure, and {urlsplit(arm).hostname} is no host of it"
        raise InputError(what, at=at, do="leave it out: then tokens are for the endpoint itself")
    return result


def azure_cloud(url: str) -> str:
    """Return the name of the cloud that Microsoft (or 21Vianet) runs at the host of a URL, "" for another host."""
    host = f".{origin(url).partition(':')[0].rstrip('.')}"
    return next((name for name, ends in DOMAINS.items() if host.endswith(ends)), "")


def with_authority(known: Cloud) -> Cloud:
    """Return the cloud with the authority of AZURE_AUTHORITY_HOST where that is set."""
    host = os.environ.get(AUTHORITY_VARIABLE, "").strip().rstrip("/")
    if not host:
        return known
    return replace(known, authority=host if "://" in host else f"https://{host}", known=False)


def _split(url: str) -> SplitResult:
    """Return the parts of a URL, empty ones where it is broken."""
    try:
        split = urlsplit(url)
        return split if split.port is None or split.port else SplitResult("", "", "", "", "")
    except ValueError:
        return SplitResult("", "", "", "", "")


def is_https(url: str) -> bool:
    """Return whether a URL is https with a host and a valid port."""
    split = _split(url)
    return split.scheme == "https" and bool(split.hostname) and url.isprintable()


def origin(url: str) -> str:
    """Return host and port of a URL in lower case, without port 443; "" where there is no host."""
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        return ""
    host = (split.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    return host if port in (None, 443) else f"{host}:{port}"
