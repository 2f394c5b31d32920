"""Proxies on loopback as companies have them: one that tunnels, and one that opens TLS with a CA of its own."""

import asyncio
import base64
import ipaddress
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scanner.sandbox.server import accept_no_more

CA_NAME = "Agency TLS Inspection CA"


class Proxy:
    """A CONNECT proxy. `login` is the `user:password` that it wants; `inspects` a folder with the CA that re-signs.

    `tunnels` holds the host and port of each CONNECT, `requests` counts the requests that an inspecting one saw.
    """

    def __init__(self, *, login: str = "", inspects: Path | None = None, upstream_ca: str = "") -> None:
        self.login = login
        self.inspects = inspects
        self.upstream_ca = upstream_ca
        self.tunnels: list[str] = []
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self._server.sockets:
            await accept_no_more(each.fileno())
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.02)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            wanted = base64.b64encode(self.login.encode()).decode()
            if method != "CONNECT" or (self.login and f"Basic {wanted}" not in head):
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
            else:
                self.tunnels.append(target)
                await self._tunnel(target, reader, writer)
        writer.close()

    async def _tunnel(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.rpartition(":")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        upstream = None
        if self.inspects:
            await writer.start_tls(_server_context(self.inspects))
            upstream = ssl.create_default_context(cafile=self.upstream_ca)
        back, forth = await asyncio.open_connection(host, int(port), ssl=upstream)
        self._writers.append(forth)
        await asyncio.gather(self._copy(reader, forth, counts=True), self._copy(back, writer))

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, counts: bool = False) -> None:
        with suppress(OSError, ssl.SSLError):
            while block := await source.read(65536):
                self.requests += counts and block.startswith((b"GET ", b"POST "))
                sink.write(block)
                await sink.drain()
        with suppress(OSError, RuntimeError):
            sink.close()


def _server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def inspection_ca(folder: Path) -> Path:
    """Write `ca.pem` and `server.pem` (for 127.0.0.1) of a CA called CA_NAME; the path of `ca.pem`."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer, subject = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (CA_NAME, "127.0.0.1"))
    now = datetime.now(UTC)

    def builder(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(public)
        made = made.serial_number(x509.random_serial_number())
        return made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))

    ca = builder(issuer, ca_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = builder(subject, key.public_key()).add_extension(names, critical=False)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(secret + leaf.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    (folder / "ca.pem").write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    return folder / "ca.pem"
