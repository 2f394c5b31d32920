"""Sign-in by managed identity where other logins are tried first, with a stand-in of the metadata service."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scanner.azure import logins
from scanner.azure.clouds import cloud
from scanner.azure.credentials import SignedInAccount, tokens
from scanner.azure.errors import NoCredential
from scanner.azure.transport import HttpSession
from scanner.errors import InputError

MOSTLY_WAITS = True
TENANT = "7e7a7700-0000-4000-8000-000000000001"
CLAIMS = "eyJ0aWQiOiI3ZTdhNzcwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDEiLCJhcHBfZGlzcGxheW5hbWUiOiJ0d29sb2NrcyJ9"
"""The tenant and the name `twolocks`."""


@contextmanager
def metadata_service(seconds: float, status: int = 200) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A service that refuses a request without its header at once, and answers one with it after some seconds.

    Yields its address and the headers of each request.
    """
    heard: list[dict[str, str]] = []
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(dict(self.headers))
            if self.headers.get("Metadata") != "true":
                self.answer(400, {"error": "invalid_request", "error_description": "Required metadata header missing"})
                return
            stop.wait(seconds)
            body: dict[str, Any] = {"access_token": f"e30.{CLAIMS}.x", "expires_in": "3600", "token_type": "Bearer"}
            body["resource"] = "https://management.azure.com"
            self.answer(status, body if status == 200 else {"error": "invalid_request"})

        def answer(self, status: int, body: dict[str, Any]) -> None:
            encoded = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *words: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        stop.set()
        server.shutdown()
        server.server_close()


@contextmanager
def silent_service() -> Iterator[str]:
    """A socket that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _no_other_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AZURE_TOKEN_CREDENTIALS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")


def signed_in(kind: str = "default") -> SignedInAccount:
    async def main() -> SignedInAccount:
        context = ssl.create_default_context()
        http = HttpSession(context)
        try:
            async with tokens(kind, cloud("public"), "", http, context, print) as token_cache:
                return await token_cache.account()
        finally:
            await http.close()

    async def in_time() -> SignedInAccount:
        async with asyncio.timeout(60):
            return await main()

    return asyncio.run(in_time())


@pytest.mark.parametrize("kind", ["default", "managed-identity"])
def test_a_token_that_takes_five_seconds_is_waited_for(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with metadata_service(5.0) as (url, heard):
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
        assert signed_in(kind) == SignedInAccount("twolocks", "managed-identity", TENANT)
    assert [each.get("Metadata") for each in heard] == ([None, "true"] if kind == "default" else ["true"])


def test_where_nothing_answers_the_chain_ends_after_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of a token is far longer than `signed_in` waits."""
    monkeypatch.setattr(logins, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(logins, "TOKEN_SECONDS", 600.0)
    with silent_service() as url:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
        with pytest.raises(NoCredential) as error:
            signed_in()
    assert "managed identity: none here" in str(error.value.at)


@pytest.mark.parametrize("choice", ["ManagedIdentityCredential", "managedidentitycredential"])
def test_the_variable_of_the_sdks_leaves_one_login(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No probe: it is the only one."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", choice)
    with metadata_service(0.0) as (url, heard):
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
        assert signed_in().kind == "managed-identity"
    assert [each.get("Metadata") for each in heard] == ["true"]


@pytest.mark.parametrize(("choice", "tried"), [("dev", "Azure CLI"), ("prod", "managed identity")])
def test_the_variable_of_the_sdks_leaves_a_part_of_the_chain(
    choice: str, tried: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "PROBE_SECONDS", 0.3)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", choice)
    with silent_service() as url:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
        with pytest.raises(NoCredential) as error:
            signed_in()
    matches = [each for each in ("Azure CLI", "managed identity") if each in str(error.value.at)]
    assert matches == [tried]


def test_a_login_of_the_sdks_that_is_not_known_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "VisualStudioCodeCredential")
    with pytest.raises(InputError, match="which is no login of Twolocks") as error:
        signed_in()
    assert "known: dev, prod, EnvironmentCredential" in str(error.value.do)


def test_where_nothing_listens_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_service() as url:
        pass
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
    with pytest.raises(NoCredential):
        signed_in()


def test_a_service_that_answers_and_gives_no_token_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "TOKEN_SECONDS", 0.5)
    with metadata_service(60.0) as (url, _):
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
        with pytest.raises(NoCredential):
            signed_in()


def test_a_machine_without_an_identity_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with metadata_service(0.0, status=400) as (url, heard):
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
        with pytest.raises(NoCredential):
            signed_in()
    assert len(heard) == 2
