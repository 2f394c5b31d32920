"""The server of the sandbox on loopback: TLS, tokens, faults, limits, and a record of every request."""

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import msgspec
from aiohttp import web

from scanner.sandbox import certificates, errors, logins
from scanner.sandbox.arm import SandboxArm
from scanner.sandbox.effective_rules import SandboxEffectiveRules
from scanner.sandbox.entra import IssuedToken, SandboxEntra
from scanner.sandbox.errors import HttpAnswer, VersionRefusal
from scanner.sandbox.estate import Estate
from scanner.sandbox.exchanges import RecordedAnswers
from scanner.sandbox.faults import Fault, FaultPlan, changed, instead
from scanner.sandbox.graph import PATH as GRAPH_PATH
from scanner.sandbox.graph import PAYLOAD, SandboxGraph
from scanner.sandbox.paths import parse_path
from scanner.sandbox.served_estate import TENANT, Json, ServedEstate
from scanner.sandbox.throttle import Throttle, ThrottleLimits
from scanner.store.temporary import temporary_folder

GZIP_FROM = 1024
BODY_LIMIT = 4 * 1024 * 1024


class RecordedRequest(msgspec.Struct, frozen=True):
    """A request that was answered."""

    method: str
    url: str
    """Path and query as sent."""
    status: int
    """0 where the connection was cut."""
    ms: float
    """Milliseconds, with the latency."""
    body: str = ""
    """Kept of Resource Graph queries only."""
    tenant: str = ""
    """That of its token, "" without one."""

    @property
    def path(self) -> str:
        return self.url.partition("?")[0]


class Sandbox:
    """A local substitute for Microsoft Entra ID, ARM and Resource Graph. Use: `async with Sandbox(resources) as box`.

    Options: `page_size`, `api_versions`, `version_refusal` (see `SandboxArm`); `faults` and `seed` (see `Fault`);
    `latency` in seconds a call; `limits` (`ThrottleLimits()` are Azure's; None: no throttling); `payload` (bytes of a
    Resource Graph page); `token_lifetime` in seconds; `apps` (see `SandboxEntra`); `port` (0: any), or a bound socket
    (`listener`); `recorded` and `whole` (see `from_exchanges`). The others go to `ServedEstate`: refusals, grants,
    overrides, management_groups, unregistered, tenant, principal.
    """

    def __init__(
        self,
        resources: Iterable[Json] = (),
        subscriptions: Iterable[Json | str] = (),
        *,
        faults: Iterable[Fault] = (),
        seed: int = 1,
        latency: float = 0.0,
        limits: ThrottleLimits | None = None,
        page_size: int | Mapping[str, int] = 100,
        api_versions: Mapping[str, Iterable[str]] | None = None,
        version_refusal: VersionRefusal = "NoRegisteredProviderFound",
        payload: int = PAYLOAD,
        token_lifetime: float = 3600.0,
        port: int = 0,
        listener: socket.socket | None = None,
        recorded: RecordedAnswers | None = None,
        whole: bool = False,
        disagrees: Iterable[str] = (),
        apps: Mapping[str, tuple[str, str]] | None = None,
        **estate: Any,
    ) -> None:
        self.estate = ServedEstate(resources, subscriptions, **estate)
        self.arm = SandboxArm(self.estate, page_size, api_versions, version_refusal)
        self.graph = SandboxGraph(self.estate, payload)
        self.entra = SandboxEntra(self.estate, token_lifetime, apps=apps)
        self.faults = FaultPlan(faults, seed)
        self.throttle = Throttle(limits)
        self.latency = latency
        self.port = port
        self._listener = listener
        self.recorded = recorded
        self.whole = whole
        self.effective = SandboxEffectiveRules(self.estate, disagrees, page_size if isinstance(page_size, int) else 100)
        self.requests: list[RecordedRequest] = []
        self._folder = ExitStack()
        self._certificates: Path | None = None
        self._runner: web.ServerRunner | None = None

    @classmethod
    def from_estate(cls, estate: Estate, **options: Any) -> Self:
        """Return a sandbox over an estate. Options replace what the estate says."""
        given: dict[str, Any] = {name: getattr(estate, name) for name in ("refusals", "grants", "overrides")}
        if estate.tenant:
            given["tenant"] = estate.tenant
        return cls(estate.resources, estate.subscriptions, **{**given, **options})

    @classmethod
    def from_exchanges(cls, exchanges: Iterable[Mapping[str, Any]], *, whole: bool = False, **options: Any) -> Self:
        """Return a sandbox that answers recorded requests as they were answered, and others with 404.

        `whole`: answer what was not recorded, Resource Graph, and the lists of subscriptions and groups from the
        resources in the recordings, so that they can be scanned.
        """
        recorded = RecordedAnswers(exchanges)
        resources = recorded.resources.values() if whole else ()
        return cls(resources, recorded.subscriptions, recorded=recorded, whole=whole, **options)

    @property
    def url(self) -> str:
        """Return the ARM endpoint, `https://127.0.0.1:port`."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> str:
        """Return the authority for azure-identity. Its clients need `disable_instance_discovery=True`."""
        return self.url

    @property
    def ca_file(self) -> str:
        """Return the path of the certificate (PEM) to trust."""
        assert self._certificates is not None, "the sandbox is not running"
        return str(self._certificates / "ca.pem")

    @property
    def tenant(self) -> str:
        return self.estate.tenant

    def environment(self, auth: str = "environment") -> dict[str, str]:
        """Return environment variables with which azure-identity's credentials and Twolocks use this sandbox.

        `auth`: the kind of login that they set up: `environment`, `workload-identity`, `github`, `azure-pipelines`,
        `managed-identity` (as in App Service), `cli` (a program `az` that comes first in PATH), or another that needs
        no variables.
        """
        return {
            **logins.variables(auth, self.url, Path(self.ca_file).parent, self.entra),
            "AZURE_AUTHORITY_HOST": self.authority,
            "SSL_CERT_FILE": self.ca_file,
            "REQUESTS_CA_BUNDLE": self.ca_file,
            "TWOLOCKS_SCAN_ARM_ENDPOINT": self.url,
            "TWOLOCKS_SCAN_AUTH": auth,
            "TWOLOCKS_REACH_ARM_ENDPOINT": self.url,
            "TWOLOCKS_REACH_AUTH": auth,
            "TWOLOCKS_ACCESS_ARM_ENDPOINT": self.url,
            "TWOLOCKS_ACCESS_AUTH": auth,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def token(self, tenant: str | None = None) -> str:
        """Return a valid bearer token, for tests that do not request one."""
        return self.entra.token(tenant or self.estate.tenant, self.url)

    async def start(self) -> None:
        self._certificates = self._folder.enter_context(temporary_folder())
        certificates.make(self._certificates)
        context = certificates.server_context(self._certificates)
        self._server = web.Server(self._handle, access_log=None, keepalive_timeout=75)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=1.0)
        await self._runner.setup()
        self._listener = self._listener or socket.create_server(("127.0.0.1", self.port))
        await web.SockSite(self._runner, self._listener, ssl_context=context).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            if self._listener is not None:
                await accept_no_more(self._listener.fileno())
            transports = [c.transport for c in self._server.connections if c.transport is not None]
            await self._runner.cleanup()
            for transport in transports:
                transport.abort()
            await asyncio.sleep(0.01)
            self._runner, self._listener = None, None
        self._folder.close()
        self._certificates = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        began = time.perf_counter()
        url, body = request.raw_path, b""
        if request.can_read_body:
            body = await request.content.read(BODY_LIMIT) if request.content_length is None else await request.read()
        path, _, query = url.partition("?")
        fault = self.faults.hit(request.method, path, query)
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault:
            await asyncio.sleep(fault.seconds)
        http_answer = instead(fault, path, self.estate.principal) if fault else None
        headers: dict[str, str] = {}
        if http_answer is None:
            http_answer, headers = self._answer(request, path, query, body, fault)
        kept = body.decode("utf-8", "replace") if path.lower() == GRAPH_PATH else ""
        gone = fault is not None and fault.kind in ("reset", "cut")
        status = 0 if gone else http_answer.status
        token = self.entra.check(request.headers.get("Authorization"))
        tenant = token.tenant if isinstance(token, IssuedToken) else ""
        took = (time.perf_counter() - began) * 1000
        self.requests.append(RecordedRequest(request.method, url, status, took, kept, tenant))
        return await _send(request, http_answer, headers, fault)

    def _answer(
        self, request: web.BaseRequest, path: str, query: str, body: bytes, fault: Fault | None
    ) -> tuple[HttpAnswer, dict[str, str]]:
        base = f"https://{request.host}"
        if self.entra.serves(path):
            secret = request.headers.get("X-IDENTITY-HEADER") or request.headers.get("Authorization") or ""
            return self.entra.answer(request.method, f"{path}?{query}", body, base, secret), {}
        if path == "/metadata/endpoints":
            return errors.answer(endpoints(base)), {}
        token = self.entra.check(request.headers.get("Authorization"))
        if isinstance(token, str):
            return errors.unauthenticated(self.estate.tenant, base, *UNAUTHENTICATED[token]), {}
        if self.recorded is not None:
            played = self._played(self.recorded, request.method, path, query, base)
            if played is not None:
                return played, {}
        if path.lower() == GRAPH_PATH:
            return self._graph(request.method, query, body, token)
        if request.method == "POST" and self.effective.serves(path):
            return self.effective.answer(path, base, body), {}
        if request.method not in ("GET", "HEAD"):
            return self._refused(request.method, path), {}
        if self.effective.is_result(path):
            return self.effective.result(path), {}
        return self._read(path, query, base, token, fault)

    def _played(self, recorded: RecordedAnswers, method: str, path: str, query: str, base: str) -> HttpAnswer | None:
        at = parse_path(path)
        if self.whole and (path.lower() == GRAPH_PATH or (at and at.kind.startswith("Microsoft.Resources/"))):
            return None
        http_answer = recorded.answer(method, path, query, base)
        if http_answer is None and not self.whole:
            return errors.arm_error(404, "ResourceNotFound", f"{method} {path} was not recorded.")
        return http_answer

    def _read(
        self, path: str, query: str, base: str, token: IssuedToken, fault: Fault | None
    ) -> tuple[HttpAnswer, dict[str, str]]:
        at = parse_path(path)
        over, headers = self.throttle.read(at, self.estate.region(at) if at else "")
        if over:
            return over, headers
        http_answer = self.arm.read(path, query, base, token.tenant)
        return (changed(fault, http_answer, f"{path}?{query}", base) if fault else http_answer), headers

    def _graph(self, method: str, query: str, body: bytes, token: IssuedToken) -> tuple[HttpAnswer, dict[str, str]]:
        if method != "POST":
            return errors.read_only(method), {}
        if "api-version=" not in query:
            return errors.missing_api_version(), {}
        action, scope = "Microsoft.ResourceGraph/resources/read", "/"
        if self.estate.refused(action, scope, GRAPH_PATH):
            return errors.forbidden(self.estate.principal, action, scope), {}
        over, headers = self.throttle.query()
        return over or self.graph.query(body, token.tenant), headers

    def _refused(self, method: str, path: str) -> HttpAnswer:
        if method != "POST":
            return errors.read_only(method)
        at = parse_path(path.rsplit("/", 1)[0])
        action = f"{at.kind if at else 'Microsoft.Resources'}/{path.rsplit('/', 1)[-1]}/action"
        return errors.forbidden(self.estate.principal, action, at.scope if at else path)


UNAUTHENTICATED = {
    "missing": ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
    "invalid": ("InvalidAuthenticationToken", "The access token is invalid."),
    "expired": ("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."),
}


async def _send(
    request: web.BaseRequest, http_answer: HttpAnswer, headers: Mapping[str, str], fault: Fault | None
) -> web.StreamResponse:
    kind = fault.kind if fault else ""
    if kind == "reset":
        return _abort(request, web.Response())
    body = http_answer.body
    sent = {"Content-Type": http_answer.content_type, "Cache-Control": "no-cache", **http_answer.headers, **headers}
    if kind == "truncate":
        body = body[: len(body) // 2]
    elif kind != "cut" and len(body) > GZIP_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
        if http_answer.packed is None:
            http_answer.packed = gzip.compress(body, 1)
        body, sent["Content-Encoding"] = http_answer.packed, "gzip"
    if request.method == "HEAD":
        return web.Response(status=204 if http_answer.status == 200 else http_answer.status)
    if kind == "cut":
        response = web.StreamResponse(status=http_answer.status, headers={**sent, "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        return _abort(request, response)
    return web.Response(status=http_answer.status, body=body, headers=sent)


def _abort(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    response.force_close()
    return response


def endpoints(base: str) -> Json:
    """Return `GET /metadata/endpoints` in the form of api-version 2015-01-01, with the newer names too."""
    return {
        "portal": "https://portal.azure.com/",
        "resourceManager": f"{base}/",
        "portalEndpoint": "https://portal.azure.com/",
        "authentication": {
            "loginEndpoint": f"{base}/",
            "audiences": [f"{base}/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "name": "Sandbox",
        "suffixes": {"storage": "core.windows.net", "keyVaultDns": "vault.azure.net"},
    }


def sandbox(estate: Estate | Iterable[Json], **options: Any) -> Sandbox:
    """Return a sandbox over an estate or over bare resources. It is not started."""
    if isinstance(estate, Estate):
        return Sandbox.from_estate(estate, **options)
    return Sandbox(estate, **options)


@contextmanager
def serve(estate: Estate | Iterable[Json], **options: Any) -> Iterator[Sandbox]:
    """Run a sandbox in a thread: `with serve(estate, latency=0.06) as box: ... box.url`."""
    with running(sandbox(estate, **options)) as box:
        yield box


async def accept_no_more(listener: int) -> None:
    """Take no more connections from a socket that listens (its file descriptor), and begin those that were taken.

    asyncio leaks their sockets where the server is closed before.
    """
    with suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().remove_reader(listener)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def _stop(box: Sandbox) -> None:
    """Stop a sandbox, and end what its clients left: one that was killed, or gave up a connection that it had just
    begun, leaves a task, and with it a socket.
    """
    try:
        await box.stop()
    finally:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        transports = getattr(asyncio.get_running_loop(), "_transports", {})
        for each in list(transports.values()):
            each.abort()
        await asyncio.sleep(0.01)


@contextmanager
def running(box: Sandbox) -> Iterator[Sandbox]:
    """Run an existing sandbox in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(box.start(), loop).result(30)
        yield box
    finally:
        asyncio.run_coroutine_threadsafe(_stop(box), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def exports(box: Sandbox) -> str:
    """Return lines for a POSIX shell that make clients use the sandbox."""
    return "\n".join(f"export {name}={value}" for name, value in box.environment().items())


def run_forever(
    estate: Estate | Iterable[Json], write: Callable[[str], None], *, port: int = 0, **options: Any
) -> None:
    """Serve until interrupted. `write` is called with the address and the exports. Raises KeyboardInterrupt."""

    async def main() -> None:
        async with sandbox(estate, port=port, **options) as box:
            write(f"# The sandbox answers at {box.url} (Ctrl-C ends it)")
            write(exports(box))
            await asyncio.Event().wait()

    asyncio.run(main())


@asynccontextmanager
async def serving(estate: Estate | Iterable[Json], **options: Any) -> AsyncIterator[Sandbox]:
    """Run a sandbox in the running event loop, for asynchronous tests."""
    async with sandbox(estate, **options) as box:
        yield box


__all__ = [
    "TENANT",
    "Estate",
    "Fault",
    "RecordedRequest",
    "Sandbox",
    "ThrottleLimits",
    "accept_no_more",
    "run_forever",
    "running",
    "serve",
    "serving",
]
