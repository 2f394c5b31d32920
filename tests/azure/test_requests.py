"""The way to Azure through a company's network: proxies that tunnel, proxies that open TLS, and who is trusted."""

import asyncio
import gc
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from scanner.azure.clients import ConnectionOptions, connect
from scanner.azure.errors import ProxyRefused, Unreachable, UntrustedCertificate
from scanner.azure.transport import CONNECT_SECONDS, READ_SECONDS, HttpSession, tls_context
from scanner.errors import InputError
from scanner.sandbox import certificates
from scanner.sandbox.faults import Fault
from tests.azure.proxies import CA_NAME, Proxy, inspection_ca
from tests.azure.requests import ESTATE, Result, account, box, environment, scan, scanned

NO = {"NO_PROXY": "", "no_proxy": ""}
MANY = [row for number in range(60) for row in account(f"p{number:02}", anonymous=False)]


def through(proxy: Proxy, login: str = "", more: dict[str, str] | None = None) -> tuple[Result, int]:
    """A scan through a proxy: what it read, and how many requests arrived."""

    async def main() -> tuple[Result, int]:
        async with box(MANY) as running:
            proxy.upstream_ca = running.ca_file
            async with proxy:
                way = {"HTTPS_PROXY": proxy.url.replace("//", f"//{login}@" if login else "//"), **NO, **(more or {})}
                return await scan(running, variables=way), len(running.requests)

    return asyncio.run(main())


def test_a_proxy_that_tunnels_and_connections_stay_alive() -> None:
    proxy = Proxy()
    result, requests = through(proxy)
    assert len(result.resources) == 120
    assert requests > 60
    assert len(proxy.tunnels) <= 40, "one connection serves many requests"
    assert {target.partition(":")[0] for target in proxy.tunnels} == {"127.0.0.1"}


def test_a_proxy_with_a_password() -> None:
    proxy = Proxy(login="kari:p@ss word")
    result, _ = through(proxy, login="kari:p%40ss%20word")
    assert len(result.resources) == 120


def test_a_proxy_that_wants_another_password() -> None:
    with pytest.raises(ProxyRefused) as raised:
        through(Proxy(login="kari:secret"), login="kari:hunter2")
    error = raised.value
    assert error.what.startswith("the proxy refused 127.0.0.1:")
    assert error.what.endswith(": 407 Proxy Authentication Required")
    assert error.at.startswith("HTTPS_PROXY, 127.0.0.1:")
    assert error.do == "put user and password into HTTPS_PROXY, or exempt the host in NO_PROXY"
    assert "hunter2" not in f"{error.what}{error.at}{error.do}"


def test_a_proxy_that_is_not_there() -> None:
    async def main() -> None:
        async with box() as running:
            await scan(running, variables={"HTTPS_PROXY": "http://127.0.0.1:9", **NO})

    with pytest.raises(ProxyRefused, match=r"the proxy refused 127\.0\.0\.1:"):
        asyncio.run(main())


def test_no_proxy_exempts_a_host() -> None:
    proxy = Proxy()
    result, _ = through(proxy, more={"NO_PROXY": "localhost,127.0.0.1", "no_proxy": "127.0.0.1"})
    assert len(result.resources) == 120
    assert proxy.tunnels == []


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_proxy_that_opens_tls(tmp_path: Path, variable: str) -> None:
    """Its CA may stand in either variable; both count beside the system's trust."""
    ca = inspection_ca(tmp_path)
    proxy = Proxy(inspects=tmp_path)
    result, requests = through(proxy, more={variable: str(ca)})
    assert len(result.resources) == 120
    assert proxy.requests == requests
    assert len(proxy.tunnels) <= 40


def test_a_proxy_that_opens_tls_and_is_not_trusted(tmp_path: Path) -> None:
    inspection_ca(tmp_path)
    with pytest.raises(UntrustedCertificate) as raised:
        through(Proxy(inspects=tmp_path))
    assert raised.value.what == f'127.0.0.1 presents a certificate from "{CA_NAME}", which this machine does not trust'
    assert raised.value.do.startswith("export REQUESTS_CA_BUNDLE=/path/to/that-ca.pem (az reads it too); the check")


def _hash_of(certificate: Path) -> str:
    """Return the name that OpenSSL looks for in a folder."""
    words = ["openssl", "x509", "-noout", "-hash", "-in", str(certificate)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_a_folder_of_certificates_that_a_variable_names_is_trusted(tmp_path: Path) -> None:
    async def main() -> int:
        async with box() as running:
            ca = Path(running.ca_file)
            shutil.copy(ca, tmp_path / f"{_hash_of(ca)}.0")
            folders = f"{tmp_path / 'absent'}:{tmp_path}"
            names = {"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": "", "SSL_CERT_DIR": folders}
            result = await scan(running, variables=names)
            return len(result.resources)

    assert asyncio.run(main()) > 0


def test_a_host_that_is_not_trusted_without_a_proxy(tmp_path: Path) -> None:
    async def main() -> None:
        async with box() as running:
            await scan(running, variables={"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": ""})

    with pytest.raises(UntrustedCertificate, match=r'127\.0\.0\.1 presents a certificate from "Twolocks sandbox CA"'):
        asyncio.run(main())


@pytest.mark.parametrize("auth", ["device-code"])
def test_a_login_that_blocks_goes_the_same_way(tmp_path: Path, auth: str) -> None:
    ca = inspection_ca(tmp_path)
    proxy = Proxy(inspects=tmp_path)

    async def main() -> str:
        async with box() as running:
            proxy.upstream_ca = running.ca_file
            async with proxy:
                more = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(ca), "REQUESTS_CA_BUNDLE": "", **NO}
                with environment(running, **more):
                    way = ConnectionOptions(arm_endpoint=running.url, auth=auth, tenant=running.tenant)
                    async with connect(way) as reader:
                        return reader.account.kind

    assert asyncio.run(main()) == auth
    assert proxy.requests >= 3


def test_both_variables_are_added_to_the_systems_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    system = len(tls_context().get_ca_certs())
    assert system > 0
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        inspection_ca(tmp_path / name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "one" / "ca.pem"))
    assert len(tls_context().get_ca_certs()) >= system + 1
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "two" / "ca.pem"))
    assert len(tls_context().get_ca_certs()) >= system + 2
    assert tls_context().verify_mode is ssl.CERT_REQUIRED
    assert tls_context().check_hostname


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_variable_that_names_no_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))
    with pytest.raises(InputError, match=f"{variable} is set to .*: no such file"):
        tls_context()
    (tmp_path / "missing.pem").write_text("nothing")
    with pytest.raises(InputError, match="no certificates in PEM form"):
        tls_context()


def test_timeouts_are_10_and_60_seconds() -> None:
    async def main() -> list[tuple[float | None, float | None]]:
        web = HttpSession(tls_context())
        config, own = web.transport.connection_config, web.bodies.timeout
        await web.close()
        return [(config.timeout, config.read_timeout), (own.sock_connect, own.sock_read)]

    assert asyncio.run(main()) == [(CONNECT_SECONDS, READ_SECONDS)] * 2 == [(10, 60)] * 2


def test_a_slow_answer_is_a_gap_called_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.azure.transport.READ_SECONDS", 0.3)
    url = f"{ESTATE[0]['id']}/blobServices/default"
    result = scanned(box(faults=[Fault("slow", url, seconds=1.0)]))
    assert (result.gaps[url]["status"], result.gaps[url]["code"]) == (0, "Timeout")


def test_an_endpoint_without_an_answer() -> None:
    async def main() -> None:
        async with box() as running:
            with environment(running):
                async with connect(ConnectionOptions(arm_endpoint="https://127.0.0.1:9", auth="environment")):
                    pass

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 cannot be reached"):
        asyncio.run(main())


@pytest.mark.usefixtures("new_objects_only")
@pytest.mark.parametrize("steps", range(4))
def test_connections_that_have_just_begun_are_closed_with_a_proxy(steps: int) -> None:
    async def main() -> list[socket.socket]:
        async with Proxy() as proxy:
            begun = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(3)]
            for _ in range(steps):
                await asyncio.sleep(0)
        return begun

    for each in asyncio.run(main()):
        each.close()
    gc.collect()  # pytest fails the test for each socket that is left


@contextmanager
def no_end_of_tls(folder: Path) -> Iterator[int]:
    """A server, by its port, that begins TLS and then says nothing: it does not answer the end of TLS either."""
    certificates.make(folder)
    context, begun = certificates.server_context(folder), list[ssl.SSLSocket]()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                begun.append(context.wrap_socket(connection, server_side=True))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in begun:
                each.close()


@pytest.mark.usefixtures("new_objects_only")
def test_a_connection_that_is_given_up_as_tls_begins_is_closed_with_the_session(tmp_path: Path) -> None:
    async def main(port: int) -> None:
        loop = asyncio.get_running_loop()

        class Begun(ssl.SSLObject):
            def do_handshake(self) -> None:
                super().do_handshake()
                loop.call_soon(read.cancel)  # before the client hears of it

        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        context.sslobject_class = Begun
        session = HttpSession(context, proxies=False)
        read = asyncio.create_task(session.get(f"https://127.0.0.1:{port}/"))
        with pytest.raises(asyncio.CancelledError):
            await read
        await session.close()

    with no_end_of_tls(tmp_path) as port:
        asyncio.run(main(port))
    gc.collect()  # pytest fails the test for each socket that is left
