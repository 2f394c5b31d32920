"""A real blob service on loopback (Azurite), for tests that store results. Its accounts and keys are made up here."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobServiceClient

FOLDER = Path(__file__).parent
PROGRAM = FOLDER / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "twolockstest"
KEY = base64.b64encode(b"a key that opens nothing but this test's own server, 64 bytes..!").decode()


@dataclass(frozen=True)
class Azurite:
    """The service: `url` of its one account, `cert` where it speaks TLS, `connection` as a person would paste it."""

    url: str
    cert: str = ""

    @property
    def connection(self) -> str:
        scheme = self.url.partition(":")[0]
        return f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.url};"

    @property
    def env(self) -> dict[str, str]:
        """The environment with which `az://container/path` leads here."""
        return {"AZURE_STORAGE_CONNECTION_STRING": self.connection}

    def service(self) -> BlobServiceClient:
        """A client with the account's key; where it says nothing else, the test closes it."""
        more: dict[str, Any] = {"connection_verify": self.cert} if self.cert else {}
        return BlobServiceClient.from_connection_string(self.connection, **more)

    def make(self, container: str) -> None:
        with self.service() as service:
            service.create_container(container)

    def put(self, container: str, path: str, data: bytes) -> None:
        with self.service() as service:
            service.get_blob_client(container, path).upload_blob(data, overwrite=True)

    def read(self, container: str, path: str) -> bytes:
        with self.service() as service:
            return service.get_blob_client(container, path).download_blob().readall()

    def blobs(self, container: str) -> list[str]:
        """What lies in a container for all to see."""
        with self.service() as service:
            return sorted(blob.name for blob in service.get_container_client(container).list_blobs())


@contextmanager
def azurite(folder: Path, cert: Path | None = None, key: Path | None = None) -> Iterator[Azurite]:
    """Serves while it lasts. With a certificate: over TLS, and for bearer tokens too."""
    node = shutil.which("node")
    assert node, "Node is missing: tests/machine says which package has it"
    assert PROGRAM.is_file(), "Azurite is missing: npm ci --prefix tests/output"
    port = _free()
    words = [node, str(PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"]
    words += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    words += ["--cert", str(cert), "--key", str(key), "--oauth", "basic"] if cert else []
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    log = (folder / "azurite.log").open("wb")
    served = subprocess.Popen(words, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(port, served, folder / "azurite.log")
        scheme = "https" if cert else "http"
        yield Azurite(f"{scheme}://127.0.0.1:{port}/{ACCOUNT}", str(cert or ""))
    finally:
        log.close()
        os.killpg(served.pid, signal.SIGTERM)
        served.wait(10)


def _free() -> int:
    with socket.socket() as result:
        result.bind(("127.0.0.1", 0))
        return int(result.getsockname()[1])


def _wait(port: int, served: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert served.poll() is None, log.read_text("utf-8", "replace")
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("Azurite did not begin to listen")
