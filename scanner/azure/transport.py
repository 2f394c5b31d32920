"""The HTTP session of a scan: its trusted certificates, its connections, and the proxy of the environment."""

import asyncio
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
import certifi
from aiohttp.connector import NEEDS_CLEANUP_CLOSED
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from scanner.azure.answers import DEFAULTS, BoundedResponse, bounded_by
from scanner.azure.errors import ProxyRefused, Unanswered, Unreachable, UntrustedCertificate
from scanner.azure.second_requests import OnLate
from scanner.config.limits import Limits
from scanner.errors import InputError
from scanner.text.urls import BadUrl, check_url

CONNECT_SECONDS = 10
READ_SECONDS = 60
"""The seconds that the beginning of an answer, or more of its body, may take. Azure Resource Manager gives a resource
provider 60 seconds, and then answers 504 itself (azure-resource-manager-rpc, common-api-details, Client Request
Timeout).
"""
LATE_SECONDS = 20
"""The seconds without the beginning of an answer after which a second request may be sent."""
MAX_REQUESTS = 120
"""The most requests that may be under way at once, each over a connection of its own. App Service begins with 128
outbound ports to one address (app-service/troubleshoot-intermittent-outbound-connection-errors).
"""
FIRST_REQUESTS = 64
"""The requests that may be under way at once at first, because each connection takes 0.3 MB and a TLS handshake."""
WAIT_SECONDS = 0.5
"""The seconds that a request waits for others to end before one more may be sent."""
_CLOSING_STEPS = 20
"""The turns of the event loop in which a connection ends once its socket was shut down: it takes three."""
_PROXY_SETTINGS = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy")
TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""Variables that name certificates to trust besides the system's. The Azure CLI and OpenSSL read them too."""


def tls_context() -> ssl.SSLContext:
    """Return a context that trusts the system's certificates and those of both variables.

    Raises InputError where a variable names no certificates.
    """
    system = ssl.get_default_verify_paths()
    # With a folder it does not read the system's file as well, which takes 10 ms and is read below.
    context = ssl.create_default_context(capath=None if os.name == "nt" else system.openssl_capath)
    # Python 3.13 began to require extensions that the CAs of inspecting proxies lack. az and requests do not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    loaded: set[str] = set()
    for path in (system.openssl_cafile, system.openssl_capath):
        if Path(path).exists():
            with suppress(ssl.SSLError, OSError):
                _load(context, path)
                loaded.add(os.path.realpath(path))
    if not loaded:
        context.load_verify_locations(certifi.where())
    if folders := os.environ.get(system.openssl_capath_env):
        context.load_verify_locations(capath=folders)
    for name in TRUST:
        path = os.environ.get(name, "")
        if path and os.path.realpath(path) not in loaded:
            try:
                _load(context, path)
                loaded.add(os.path.realpath(path))
            except (OSError, ssl.SSLError) as error:
                reason = "no such file" if isinstance(error, FileNotFoundError) else "no certificates in PEM form"
                raise InputError(
                    f"{name} is set to {path}: {reason}",
                    at=f"{name}={path}",
                    do=f"unset {name}, or set it to a PEM file",
                ) from error
    return context


def _load(context: ssl.SSLContext, path: str) -> None:
    if Path(path).is_dir():
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)


class Transport(AioHttpTransport):  # type: ignore[misc] # azure-core re-exports it without a type
    """Send through the proxy of the environment, because aiohttp would look it up in a thread, twice a request."""

    async def send(self, request: Any, **config: Any) -> Any:
        """Return the answer to a request, its body read."""
        return await super().send(request, proxy=proxy_of(request.url), **config)


class ReceivedAnswer(AsyncHttpResponse):
    """An answer whose body was read and decompressed, once. azure-core's own reads it in streams and twice."""

    def __init__(self, request: HttpRequest, answer: aiohttp.ClientResponse, content: bytes) -> None:
        self._request = request
        self._answer = answer
        self._content = content

    request = property(lambda self: self._request)
    url = property(lambda self: self._request.url)
    status_code = property(lambda self: self._answer.status)
    reason = property(lambda self: self._answer.reason or "")
    headers = property(lambda self: self._answer.headers)
    content = property(lambda self: self._content)
    content_type = property(lambda self: self._answer.headers.get("Content-Type"))
    is_closed = is_stream_consumed = property(lambda self: True)
    encoding = None

    def text(self, encoding: str | None = None) -> str:
        """Return the body as text. Raises UnicodeDecodeError."""
        return self._content.decode(encoding or "utf-8-sig")

    def json(self) -> Any:
        """Return the JSON of the body. Raises ValueError."""
        return json.loads(self._content)

    def raise_for_status(self) -> None:
        """Raise HttpResponseError for the status of an error."""
        if self.status_code >= 400:
            raise HttpResponseError(response=self)

    async def read(self) -> bytes:
        """Return the body."""
        return self._content

    async def iter_raw(self, **kwargs: Any) -> AsyncIterator[bytes]:
        """Yield the body."""
        yield self._content

    iter_bytes = iter_raw

    async def close(self) -> None:
        """Do nothing: the body was read."""

    async def __aexit__(self, *_: object) -> None:
        """Do nothing: the body was read."""


class BodyTransport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """The transport of management clients: answers with their bodies, redirects not followed, nothing streamed.

    azure-core's own costs 0.5 ms of CPU more for each read.
    """

    def __init__(self, session: aiohttp.ClientSession, *, proxies: bool) -> None:
        self.session = session
        self.timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
        self._proxies = lru_cache(proxy_of) if proxies else None
        """The proxy by the beginning of URLs: looking at the environment takes longer than azure-core's pipeline."""

    async def send(self, request: HttpRequest, *, on_late: OnLate | None = None, **config: Any) -> AsyncHttpResponse:
        """Return the answer to a request. Raises aiohttp's errors, TimeoutError, Unanswered, LimitReached.

        `on_late`: called when no answer has begun after `LATE_SECONDS`.
        """
        host = request.url[: request.url.find("/", len("https://"))]
        sending = self.session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.content,
            allow_redirects=False,
            proxy=self._proxies(host) if self._proxies else None,
            timeout=self.timeout,
        )
        late = None if on_late is None else asyncio.get_running_loop().call_later(LATE_SECONDS, on_late)
        try:
            answer = await sending
        except aiohttp.SocketTimeoutError as error:
            raise Unanswered(urlsplit(request.url).path, 0, "Timeout", message=str(error)) from error
        finally:
            if late is not None:
                late.cancel()
        async with answer:
            assert isinstance(answer, BoundedResponse)
            return ReceivedAnswer(request, answer, await answer.decoded())

    async def open(self) -> None:
        """Do nothing: the session is that of the scan."""

    async def close(self) -> None:
        """Do nothing: the session is that of the scan."""

    async def __aexit__(self, *_: object) -> None:
        """Do nothing: the session is that of the scan."""


class HttpSession:
    """The session that all clients and credentials share. `transport` is its form for credentials and blobs, `bodies`
    the one for management clients.

    `limits`: those of the answers that it reads.
    """

    def __init__(self, context: ssl.SSLContext, *, proxies: bool = True, limits: Limits = DEFAULTS) -> None:
        self.limits = limits
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=context,
                socket_factory=self._socket,
                limit=MAX_REQUESTS,
                keepalive_timeout=60,
                # This Python leaves connections open whose peer does not answer the end of TLS: python/cpython 118960.
                enable_cleanup_closed=NEEDS_CLEANUP_CLOSED,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            response_class=bounded_by(limits),
        )
        self.transport = (Transport if proxies else AioHttpTransport)(
            session=self.session,
            session_owner=False,
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
        )
        self.bodies = BodyTransport(self.session, proxies=proxies)

    async def get(self, url: str) -> AsyncHttpResponse:
        """Return the answer to a GET without a login. Raises what `BodyTransport.send` raises."""
        return await self.bodies.send(HttpRequest("GET", url))

    async def close(self) -> None:
        """Close all connections, also those that were given up while TLS began: asyncio waits for their peers."""
        await self.session.close()
        await asyncio.sleep(0)
        for each in list(self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for _ in range(_CLOSING_STEPS):
            if all(each.fileno() < 0 for each in list(self._sockets)):
                break
            await asyncio.sleep(0)

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        self._sockets.add(made)
        return made


def proxy_of(url: str) -> str | None:
    """Return the proxy that HTTPS_PROXY and NO_PROXY name for a URL; None for a direct connection.

    Raises ProxyRefused where its login is not clear: what a reader takes for its host or port may be of the password.
    """
    split = urlsplit(url)
    settings = tuple(os.environ.get(name) for name in _PROXY_SETTINGS)
    return _proxy_for(split.scheme, split.hostname or "", settings)


@lru_cache(maxsize=256)
def _proxy_for(scheme: str, host: str, _settings: tuple[str | None, ...]) -> str | None:
    result = None if proxy_bypass(host) else getproxies().get(scheme)
    if result:
        try:
            check_url(result if "://" in result else f"http://{result}")
        except BadUrl as error:
            raise ProxyRefused(f"the proxy cannot be used: {error}", at="HTTPS_PROXY", do=error.do) from None
    return result


async def explain_failure(error: BaseException, url: str) -> UntrustedCertificate | ProxyRefused | Unreachable | None:
    """Return the error for a failed connection to a host, or None for a failure that a person cannot fix.

    For a certificate that is not trusted a second connection reads its issuer. No request is sent on it.
    """
    host = urlsplit(url).hostname or url
    for cause in _causes(error):
        if isinstance(cause, aiohttp.ClientHttpProxyError):
            return _proxy_refused(url, f"{cause.status} {cause.message}".strip())
        if isinstance(cause, aiohttp.ClientProxyConnectionError):
            return _proxy_refused(url, str(cause.os_error.strerror or "no connection"))
        if isinstance(cause, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
            issuer = await certificate_issuer(url)
            shown = (
                f'a certificate from "{issuer}", which this machine does not trust'
                if issuer
                else "a certificate that this machine does not trust"
            )
            return UntrustedCertificate(
                f"{host} presents {shown}",
                do="export REQUESTS_CA_BUNDLE=/path/to/that-ca.pem (az reads it too); the check cannot be disabled",
            )
        if isinstance(cause, aiohttp.ClientConnectorError | TimeoutError):
            proxy = " through the proxy" if proxy_of(url) else ""
            why = getattr(getattr(cause, "os_error", None), "strerror", None) or "no response in time"
            return Unreachable(
                f"{host} cannot be reached{proxy}: {why}", at=url, do="check the network, HTTPS_PROXY and NO_PROXY"
            )
    return None


def _proxy_refused(url: str, why: str) -> ProxyRefused:
    split = urlsplit(url)
    proxy = urlsplit(proxy_of(url) or "")
    return ProxyRefused(
        f"the proxy refused {split.hostname}:{split.port or 443}: {why}",
        at=f"HTTPS_PROXY, {proxy.hostname}:{proxy.port or 80}",
        do="put user and password into HTTPS_PROXY, or exempt the host in NO_PROXY",
    )


def _causes(error: BaseException | None) -> list[BaseException]:
    """Return an error and the errors that caused it."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        inner = getattr(error, "inner_exception", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return seen


async def certificate_issuer(url: str) -> str:
    """Return the issuer that the certificate of a host names; "" where the host shows no certificate."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            shown = await _certificate(url)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return ""
    name = x509.load_der_x509_certificate(shown).issuer if shown else None
    for attribute in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for value in name.get_attributes_for_oid(attribute) if name else ():
            return "".join(letter if letter.isprintable() else "?" for letter in str(value.value))[:100]
    return ""


async def _certificate(url: str) -> bytes | None:
    """Return the certificate of a host from a handshake that trusts any certificate and carries no request."""
    split = urlsplit(url)
    host, port = split.hostname or "", split.port or 443
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    proxy = urlsplit(proxy_of(url) or "")
    if not proxy.hostname:
        reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    else:
        reader, writer = await asyncio.open_connection(proxy.hostname, proxy.port or 80)
        user = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
        login = f"Proxy-Authorization: {aiohttp.BasicAuth(*user.split(':', 1)).encode()}\r\n" if proxy.username else ""
        writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 200" not in answer.split(b"\r\n", 1)[0]:
            writer.close()
            return None
        await writer.start_tls(context, server_hostname=host)
    try:
        secured = writer.get_extra_info("ssl_object")
        return secured.getpeercert(binary_form=True) if secured else None
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)
