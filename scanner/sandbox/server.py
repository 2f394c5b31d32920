"""The server on loopback: TLS, tokens, faults, limits, and a record of every request."""

from __future__ import annotations

import asyncio
import gzip
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import msgspec
from aiohttp import web

from scanner.sandbox import certificates, errors, logins
from scanner.sandbox.arm import Arm
from scanner.sandbox.effective_rules import Effective
from scanner.sandbox.entra import ISSUER_SECRET, Entra, Token
from scanner.sandbox.errors import Answer
from scanner.sandbox.exchanges import Tape
from scanner.sandbox.faults import Fault, Faults, changed, instead
from scanner.sandbox.graph import PATH as GRAPH_PATH
from scanner.sandbox.graph import PAYLOAD, Graph
from scanner.sandbox.throttle import Limits, Throttle
from scanner.sandbox.world import TENANT, Json, Quirks, Refusal, RoleGrant, World, target

GZIP_FROM = 1024
BODY_LIMIT = 4 * 1024 * 1024


class Request(msgspec.Struct, frozen=True):
    """A request that was answered. `url` is path and query as sent; `status` 0 means that the connection was cut;
    `ms` counts the latency too; `body` is kept of Resource Graph queries only."""

    method: str
    url: str
    status: int
    ms: float
    body: str = ""

    @property
    def path(self) -> str:
        return self.url.partition("?")[0]


@runtime_checkable
class Estate(Protocol):
    """What `serve` takes: an estate, with the formats of `scanner.sandbox.world`."""

    @property
    def subscriptions(self) -> Iterable[Json | str]: ...
    @property
    def resources(self) -> Iterable[Json]: ...
    @property
    def refusals(self) -> Iterable[Refusal | Json | str]: ...
    @property
    def grants(self) -> Iterable[RoleGrant | Json]: ...
    @property
    def quirks(self) -> Quirks | Json | None: ...


class Sandbox:
    """A stand-in for Entra ID, ARM and Resource Graph. Use as `async with Sandbox(resources) as box`.

    Options: `page_size`, `api_versions` (see `Arm`); `faults` and `seed` (see `Fault`); `latency` in seconds a call;
    `limits` (`Limits()` are ARM's; None: no throttling); `payload` (bytes of a Resource Graph page); `token_lifetime`
    in seconds; `port` (0: any). The rest goes to `World`: refusals, grants, quirks, management_groups, unregistered,
    tenant, principal.
    """

    def __init__(
        self,
        resources: Iterable[Json] = (),
        subscriptions: Iterable[Json | str] = (),
        *,
        faults: Iterable[Fault] = (),
        seed: int = 1,
        latency: float = 0.0,
        limits: Limits | None = None,
        page_size: int | Mapping[str, int] = 100,
        api_versions: Mapping[str, Iterable[str]] | None = None,
        payload: int = PAYLOAD,
        token_lifetime: float = 3600.0,
        port: int = 0,
        tape: Tape | None = None,
        whole: bool = False,
        disagrees: Iterable[str] = (),
        **world: Any,
    ) -> None:
        self.world = World(resources, subscriptions, **world)
        self.arm = Arm(self.world, page_size, api_versions)
        self.graph = Graph(self.world, payload)
        self.entra = Entra(self.world, token_lifetime)
        self.faults = Faults(faults, seed)
        self.throttle = Throttle(limits)
        self.latency = latency
        self.port = port
        self.tape = tape
        self.whole = whole
        self.effective = Effective(self.world, disagrees, page_size if isinstance(page_size, int) else 100)
        self.requests: list[Request] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._runner: web.ServerRunner | None = None

    @classmethod
    def from_estate(cls, estate: Estate, **options: Any) -> Self:
        """A sandbox over an estate; options win over what the estate says."""
        given: dict[str, Any] = {name: getattr(estate, name) for name in ("refusals", "grants", "quirks")}
        for name in ("management_groups", "unregistered", "tenant"):
            if getattr(estate, name, None):
                given[name] = getattr(estate, name)
        return cls(estate.resources, estate.subscriptions, **{**given, **options})

    @classmethod
    def from_exchanges(cls, exchanges: Iterable[Mapping[str, Any]], *, whole: bool = False, **options: Any) -> Self:
        """A sandbox that answers recorded requests as they were answered, and others with 404.

        With `whole`, it answers what was not recorded, Resource Graph, and the lists of subscriptions and groups, from
        the resources that the recordings hold: then all of it can be scanned.
        """
        tape = Tape(exchanges)
        resources = tape.resources.values() if whole else ()
        return cls(resources, tape.subscriptions, tape=tape, whole=whole, **options)

    # Where it is, and how to use it

    @property
    def url(self) -> str:
        """The ARM endpoint, `https://127.0.0.1:port`."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> str:
        """The authority for azure-identity; its clients need `disable_instance_discovery=True`."""
        return self.url

    @property
    def ca_file(self) -> str:
        """The certificate (PEM) to trust."""
        assert self._folder is not None, "the sandbox is not running"
        return str(Path(self._folder.name) / "ca.pem")

    @property
    def tenant(self) -> str:
        return self.world.tenant

    def environment(self, auth: str = "environment") -> dict[str, str]:
        """Environment variables with which azure-identity's credentials and Twolocks use this sandbox.

        `auth` is the kind of login that they set up: `environment`, `workload-identity`, `github`, `azure-pipelines`,
        `managed-identity` (as in App Service), `cli` (a program `az` that comes first in PATH), or another that needs
        no variables.
        """
        return {
            **self._login(auth),
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

    def _login(self, auth: str) -> dict[str, str]:
        ids = {"AZURE_TENANT_ID": self.world.tenant, "AZURE_CLIENT_ID": self.entra.client}
        folder = Path(self.ca_file).parent
        match auth:
            case "environment":
                return {**ids, "AZURE_CLIENT_SECRET": self.entra.secret}
            case "workload-identity":
                return {**ids, "AZURE_FEDERATED_TOKEN_FILE": str(logins.token_file(folder))}
            case "github":
                return {**ids, **logins.github(self.url)}
            case "azure-pipelines":
                return logins.pipelines(self.url, self.world.tenant, self.entra.client)
            case "managed-identity":
                return {"IDENTITY_ENDPOINT": f"{self.url}/identity", "IDENTITY_HEADER": ISSUER_SECRET}
            case "cli":
                return logins.azure_cli(folder, self.token(), self.world.tenant)
        return {}

    def token(self, tenant: str | None = None) -> str:
        """A valid bearer token, for tests that do not ask Entra ID for one."""
        return self.entra.token(tenant or self.world.tenant, self.url)

    # Life

    async def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="twolocks-sandbox-")
        certificates.make(Path(self._folder.name))
        context = certificates.server_context(Path(self._folder.name))
        self._server = web.Server(self._handle, access_log=None, keepalive_timeout=75)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            transports = [c.transport for c in self._server.connections if c.transport is not None]
            await self._runner.cleanup()
            for transport in transports:
                transport.abort()
            await asyncio.sleep(0.01)
            self._runner = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # Requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        began = time.perf_counter()
        url, body = request.raw_path, b""
        if request.can_read_body:
            body = await request.content.read(BODY_LIMIT) if request.content_length is None else await request.read()
        path, _, query = url.partition("?")
        fault = self.faults.hit(request.method, path, query)
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        found = instead(fault, path, self.world.principal) if fault else None
        headers: dict[str, str] = {}
        if found is None:
            found, headers = self._answer(request, path, query, body, fault)
        kept = body.decode("utf-8", "replace") if path.lower() == GRAPH_PATH else ""
        gone = fault is not None and fault.kind in ("reset", "cut")
        status = 0 if gone else found.status
        self.requests.append(Request(request.method, url, status, (time.perf_counter() - began) * 1000, kept))
        return await self._send(request, found, headers, fault)

    def _answer(
        self, request: web.BaseRequest, path: str, query: str, body: bytes, fault: Fault | None
    ) -> tuple[Answer, dict[str, str]]:
        base = f"https://{request.host}"
        if self.entra.serves(path):
            secret = request.headers.get("X-IDENTITY-HEADER") or request.headers.get("Authorization") or ""
            return self.entra.answer(request.method, f"{path}?{query}", body, base, secret), {}
        if path == "/metadata/endpoints":
            return errors.answer(endpoints(base)), {}
        token = self.entra.check(request.headers.get("Authorization"))
        if isinstance(token, str):
            return errors.unauthenticated(self.world.tenant, base, *UNAUTHENTICATED[token]), {}
        if self.tape is not None:
            played = self._played(self.tape, request.method, path, query, base)
            if played is not None:
                return played, {}
        if path.lower() == GRAPH_PATH:
            return self._graph(request.method, query, body, token)
        if request.method == "POST" and self.effective.asks(path):
            return self.effective.answer(path, base, body), {}
        if request.method not in ("GET", "HEAD"):
            return self._refused(request.method, path), {}
        if self.effective.waits(path):
            return self.effective.result(path), {}
        return self._read(path, query, base, token, fault)

    def _played(self, tape: Tape, method: str, path: str, query: str, base: str) -> Answer | None:
        at = target(path)
        if self.whole and (path.lower() == GRAPH_PATH or (at and at.kind.startswith("Microsoft.Resources/"))):
            return None
        found = tape.answer(method, path, query, base)
        if found is None and not self.whole:
            return errors.arm_error(404, "ResourceNotFound", f"{method} {path} was not recorded.")
        return found

    def _read(
        self, path: str, query: str, base: str, token: Token, fault: Fault | None
    ) -> tuple[Answer, dict[str, str]]:
        at = target(path)
        over, headers = self.throttle.read(at, self.world.region(at) if at else "")
        if over:
            return over, headers
        found = self.arm.read(path, query, base, token.tenant)
        return (changed(fault, found, f"{path}?{query}", base) if fault else found), headers

    def _graph(self, method: str, query: str, body: bytes, token: Token) -> tuple[Answer, dict[str, str]]:
        if method != "POST":
            return errors.read_only(method), {}
        if "api-version=" not in query:
            return errors.missing_api_version(), {}
        action, scope = "Microsoft.ResourceGraph/resources/read", "/"
        if self.world.refused(action, scope, GRAPH_PATH):
            return errors.forbidden(self.world.principal, action, scope), {}
        over, headers = self.throttle.query()
        return over or self.graph.query(body, token.tenant), headers

    def _refused(self, method: str, path: str) -> Answer:
        if method != "POST":
            return errors.read_only(method)
        at = target(path.rsplit("/", 1)[0])
        action = f"{at.kind if at else 'Microsoft.Resources'}/{path.rsplit('/', 1)[-1]}/action"
        return errors.forbidden(self.world.principal, action, at.scope if at else path)

    async def _send(
        self, request: web.BaseRequest, found: Answer, headers: Mapping[str, str], fault: Fault | None
    ) -> web.StreamResponse:
        kind = fault.kind if fault else ""
        if kind == "reset":
            return _abort(request, web.Response())
        body = found.body
        sent = {"Content-Type": found.content_type, "Cache-Control": "no-cache", **found.headers, **headers}
        if kind == "truncate":
            body = body[: len(body) // 2]
        elif kind != "cut" and len(body) > GZIP_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
            if found.packed is None:
                found.packed = gzip.compress(body, 1)
            body, sent["Content-Encoding"] = found.packed, "gzip"
        if request.method == "HEAD":
            return web.Response(status=204 if found.status == 200 else found.status)
        if kind == "cut":
            response = web.StreamResponse(status=found.status, headers={**sent, "Content-Length": str(len(body))})
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            return _abort(request, response)
        return web.Response(status=found.status, body=body, headers=sent)


UNAUTHENTICATED = {
    "missing": ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
    "invalid": ("InvalidAuthenticationToken", "The access token is invalid."),
    "expired": ("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."),
}


def _abort(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    response.force_close()
    return response


def endpoints(base: str) -> Json:
    """`GET /metadata/endpoints`, in the form of api-version 2015-01-01 with the newer names beside it."""
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
    """A sandbox, not yet started, over an estate or over bare resources."""
    if isinstance(estate, Estate):
        return Sandbox.from_estate(estate, **options)
    return Sandbox(estate, **options)


@contextmanager
def serve(estate: Estate | Iterable[Json], **options: Any) -> Iterator[Sandbox]:
    """Run a sandbox in a thread of its own: `with serve(estate, latency=0.06) as box: ... box.url`."""
    with running(sandbox(estate, **options)) as box:
        yield box


@contextmanager
def running(box: Sandbox) -> Iterator[Sandbox]:
    """Run a sandbox that was made already in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(box.start(), loop).result(30)
        yield box
    finally:
        asyncio.run_coroutine_threadsafe(box.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def exports(box: Sandbox) -> str:
    """Lines for a POSIX shell that point clients at the sandbox."""
    return "\n".join(f"export {name}={value}" for name, value in box.environment().items())


def run_forever(estate: Estate | Iterable[Json], say: Callable[[str], None], *, port: int = 0, **options: Any) -> None:
    """Serve until interrupted. `say` gets the address and the exports, ready to paste. Raises KeyboardInterrupt."""

    async def main() -> None:
        async with sandbox(estate, port=port, **options) as box:
            say(f"# The sandbox answers at {box.url} (Ctrl-C ends it)")
            say(exports(box))
            await asyncio.Event().wait()

    asyncio.run(main())


@asynccontextmanager
async def serving(estate: Estate | Iterable[Json], **options: Any) -> AsyncIterator[Sandbox]:
    """The same in the running event loop, for tests that are asynchronous themselves."""
    async with sandbox(estate, **options) as box:
        yield box


__all__ = ["TENANT", "Estate", "Fault", "Limits", "Request", "Sandbox", "run_forever", "running", "serve", "serving"]
