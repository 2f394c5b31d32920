"""Who reads: every kind of `--auth`, in order, one token for all; and one sentence for each thing that goes wrong."""

import asyncio
import json
import os
import ssl
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from scanner.azure import login_errors, logins
from scanner.azure.clients import AzureReader, ConnectionOptions, connect
from scanner.azure.credentials import SignedInAccount
from scanner.azure.errors import ExpiredLogin, LoginRefused, NoCredential, Unreachable, WrongTenant
from scanner.errors import InputError, UserError
from scanner.sandbox.entra import jwt
from scanner.sandbox.logins import CONNECTION
from scanner.sandbox.server import Sandbox
from scanner.sandbox.server import running as serving
from tests.azure.requests import S1, box, environment, scan

SUBJECT = jwt({"sub": "job", "iss": "https://token.example", "aud": "api://AzureADTokenExchange"})
SECRETS = ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID", "AZURE_TENANT_ID")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No login of this machine, and a metadata service that refuses at once."""
    for name in list(os.environ):
        if name.startswith(("AZURE", "ACTIONS_", "SYSTEM_", "IDENTITY_", "MSI_")):
            monkeypatch.delenv(name)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")


def az(tmp_path: Path, script: str) -> Path:
    """A stand-in for the Azure CLI; it notes each time it runs."""
    path = tmp_path / "bin" / "az"
    path.write_text(f"#!/bin/sh\necho run >> {tmp_path}/az.log\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def runs(tmp_path: Path) -> int:
    log = tmp_path / "az.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def token_script(token: str) -> str:
    return f"""echo '{{"accessToken": "{token}", "expires_on": 4000000000, "tokenType": "Bearer"}}'"""


def account(running: Sandbox, auth: str, tenant: str = "", **more: str) -> SignedInAccount:
    """The account that a kind of login gives; `more`: environment variables, "" to take one away."""

    async def main() -> SignedInAccount:
        async with running:
            with environment(running, **{"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:9", **more}):
                for name in [name for name, value in os.environ.items() if value == ""]:
                    del os.environ[name]
                async with connect(ConnectionOptions(arm_endpoint=running.url, auth=auth, tenant=tenant)) as reader:
                    await reader.subscriptions()
                    return reader.account

    return asyncio.run(main())


def without(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "")


def test_the_environment() -> None:
    running = box()
    signed_in_account = account(running, "environment")
    assert (signed_in_account.name, signed_in_account.kind, signed_in_account.tenant) == (
        "Twolocks sandbox",
        "environment",
        running.tenant,
    )


def test_workload_identity(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SUBJECT)
    signed_in_account = account(
        box(), "workload-identity", AZURE_FEDERATED_TOKEN_FILE=str(tmp_path / "token"), AZURE_CLIENT_SECRET=""
    )
    assert signed_in_account.kind == "workload-identity"


def test_the_azure_cli_runs_once(tmp_path: Path) -> None:
    running = box()
    az(tmp_path, token_script(running.token()))

    async def main() -> None:
        async with running:
            with environment(running, PATH=os.environ["PATH"]):
                async with connect(ConnectionOptions(arm_endpoint=running.url, auth="cli")) as reader:
                    await asyncio.gather(*(reader.get(f"/subscriptions/{S1}", "2022-12-01") for _ in range(20)))

    asyncio.run(main())
    assert runs(tmp_path) == 1


def test_a_whole_scan_runs_the_azure_cli_once(tmp_path: Path) -> None:
    running = box()
    az(tmp_path, token_script(running.token()))

    async def main() -> int:
        async with running:
            result = await scan(running, way=ConnectionOptions(auth="cli"), variables={"PATH": os.environ["PATH"]})
            return len(result.resources)

    assert asyncio.run(main()) > 10
    assert runs(tmp_path) == 1


@pytest.fixture
def metadata_service() -> Iterator[tuple[str, list[str]]]:
    """App Service's endpoint for managed identities, on loopback, over plain HTTP as there."""
    asked: list[str] = []
    answer = {"access_token": "", "expires_on": "4000000000", "resource": "r", "token_type": "Bearer"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({**answer, "access_token": Handler.token}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

        token = "managed"

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/msi", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_managed_identity_is_never_asked_through_a_proxy(metadata_service: tuple[str, list[str]]) -> None:
    url, asked = metadata_service
    running = box()
    running.entra.tokens["managed"] = running.entra.tokens[running.token()]
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    signed_in_account = account(running, "managed-identity", IDENTITY_ENDPOINT=url, IDENTITY_HEADER="h", **proxy)
    assert signed_in_account.kind == "managed-identity"
    assert len(asked) == 1


def test_managed_identity_comes_last(metadata_service: tuple[str, list[str]], tmp_path: Path) -> None:
    url, asked = metadata_service
    running = box()
    assert account(running, "default", IDENTITY_ENDPOINT=url, IDENTITY_HEADER="h").kind == "environment"
    running = box()
    az(tmp_path, token_script(running.token()))
    more = {**without(*SECRETS), "PATH": os.environ["PATH"]}
    assert account(running, "default", IDENTITY_ENDPOINT=url, IDENTITY_HEADER="h", **more).kind == "cli"
    assert asked == []
    (tmp_path / "bin" / "az").unlink()
    running = box()
    running.entra.tokens["managed"] = running.entra.tokens[running.token()]
    assert account(running, "default", IDENTITY_ENDPOINT=url, IDENTITY_HEADER="h", **more).kind == "managed-identity"


def test_workload_identity_comes_before_the_cli(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SUBJECT)
    az(tmp_path, "exit 1")
    more = {
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
        "AZURE_CLIENT_SECRET": "",
        "PATH": os.environ["PATH"],
    }
    assert account(box(), "default", **more).kind == "workload-identity"
    assert runs(tmp_path) == 0


def test_github_fetches_its_assertion_anew_for_each_use() -> None:
    """It lives five minutes: one that is fetched once dies in the middle of a scan."""
    made = box()
    handle, asked = made._handle, list[str]()

    async def with_github(request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/oidc":
            return await handle(request)
        asked.append(f"{request.raw_path} {request.headers['Authorization']}")
        return web.json_response({"value": SUBJECT})

    made._handle = with_github  # type: ignore[method-assign]

    async def main(running: Sandbox) -> str:
        more = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{running.url}/oidc?x=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job"}
        with environment(running, **more):
            async with connect(ConnectionOptions(arm_endpoint=running.url, auth="github")) as reader:
                tokens = reader._arm.tokens
                first = await tokens.get_token_info(reader._arm.cloud.scope)
                tokens.forget(f"Bearer {first.token}")
                await reader.subscriptions()
                return reader.account.kind

    with serving(made) as running:
        assert asyncio.run(main(running)) == "github"
    assert asked == ["/oidc?x=1&audience=api%3A%2F%2FAzureADTokenExchange Bearer job"] * 2


def test_the_assertion_of_github_is_asked_over_tls_only() -> None:
    with pytest.raises(ValueError, match="not https"):
        logins.github_assertion("http://x?y=1", "t", ssl.create_default_context())


def test_azure_pipelines_signs_in_with_its_service_connection() -> None:
    """azure-identity's asynchronous credential never sent its request: a synchronous pipeline had our transport."""
    with serving(box()) as running, environment(running, **running.environment("azure-pipelines")):

        async def main() -> SignedInAccount:
            async with connect(ConnectionOptions(arm_endpoint=running.url, auth="azure-pipelines")) as reader:
                await reader.subscriptions()
                return reader.account

        signed_in_account = asyncio.run(main())
        asked = [each for each in running.requests if each.url.startswith("/oidc/pipelines")]
    assert (signed_in_account.kind, signed_in_account.tenant) == ("azure-pipelines", running.tenant)
    assert [(each.method, each.status) for each in asked] == [("POST", 200)]
    assert asked[0].url.endswith(f"?api-version=7.1&serviceConnectionId={CONNECTION}")


def test_the_assertion_of_azure_pipelines_is_asked_over_tls_only() -> None:
    with pytest.raises(ValueError, match="not https"):
        logins.pipelines_assertion("http://x", "c", "t", ssl.create_default_context())


def test_azure_pipelines_lacks_its_variables() -> None:
    with pytest.raises(NoCredential) as raised:
        account(box(), "azure-pipelines")
    assert "Azure Pipelines: not set" in raised.value.at


def test_the_device_code_is_reported() -> None:
    reported: list[str] = []

    async def main() -> SignedInAccount:
        async with box() as running:
            with environment(running):
                way = ConnectionOptions(arm_endpoint=running.url, auth="device-code", tenant=running.tenant)
                async with connect(way, prompt=reported.append) as reader:
                    return reader.account

    assert asyncio.run(main()).kind == "device-code"
    assert len(reported) == 1
    assert reported[0].endswith("enter the code SANDBOX42")


def test_all_kinds_are_made() -> None:
    running = box()
    assert len(logins.KINDS) == 9
    assert set(login_errors.NAMES) == set(logins.KINDS) - {"default"}
    with pytest.raises(InputError) as raised:
        account(running, "device-kode")
    assert raised.value.do.startswith("nearest: device-code; known: default, environment, cli,")


# What goes wrong, in one sentence


def test_no_login_was_found() -> None:
    with pytest.raises(NoCredential) as raised:
        account(box(), "default", **without(*SECRETS))
    error = raised.value
    assert error.what == "no login was found"
    assert error.at == (
        "environment: not set; workload identity: not set; Azure CLI: not installed; managed identity: none here"
    )
    assert error.do == "az login"
    assert error.code == 4


def test_not_signed_in(tmp_path: Path) -> None:
    az(tmp_path, "echo 'Please run az login to setup account.' >&2; exit 1")
    with pytest.raises(NoCredential) as raised:
        account(box(), "default", PATH=os.environ["PATH"], **without(*SECRETS))
    assert "Azure CLI: not signed in" in raised.value.at


def test_an_incomplete_environment_names_what_is_missing() -> None:
    with pytest.raises(NoCredential) as raised:
        account(box(), "environment", AZURE_CLIENT_SECRET="")
    assert raised.value.at == "environment: AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH not set"


def test_an_expired_login_names_its_user_and_the_command(tmp_path: Path) -> None:
    user = {"name": "kari.nordmann@agency.example", "type": "user"}
    rows = [{"id": S1, "name": "prod", "tenantId": "t", "isDefault": True, "user": user}]
    (tmp_path / "azureProfile.json").write_text("\ufeff" + json.dumps({"subscriptions": rows}))
    az(tmp_path, "echo 'AADSTS700082: The refresh token has expired due to inactivity.' >&2; exit 1")
    with pytest.raises(ExpiredLogin) as raised:
        account(box(), "cli", PATH=os.environ["PATH"], AZURE_CONFIG_DIR=str(tmp_path))
    assert raised.value.what == "the Azure CLI login of kari.nordmann@agency.example has expired (AADSTS700082)"
    assert raised.value.do == "az login --tenant agency.example"


def test_a_wrong_secret() -> None:
    with pytest.raises(LoginRefused) as raised:
        account(box(), "environment", AZURE_CLIENT_SECRET="wrong")
    assert raised.value.what == "Entra ID refused the environment login (AADSTS7000215)"
    assert "wrong" not in f"{raised.value.what} {raised.value.at} {raised.value.do}"


def test_a_tenant_that_does_not_exist() -> None:
    with pytest.raises(WrongTenant) as raised:
        account(box(), "environment", AZURE_TENANT_ID="99999999-9999-9999-9999-999999999999")
    assert "AADSTS90002" in raised.value.what


def test_a_subscription_of_another_tenant() -> None:
    other = "bbbbbbbb-0000-0000-0000-000000000001"
    home = "33333333-3333-3333-3333-333333333333"
    subscriptions = [{"subscriptionId": S1, "displayName": "prod"}, {"subscriptionId": other, "tenantId": home}]

    async def main() -> None:
        async with box(subscriptions=subscriptions) as running:
            with environment(running):
                async with connect(ConnectionOptions(arm_endpoint=running.url, auth="environment")) as reader:
                    await reader.named([other])

    with pytest.raises(WrongTenant) as raised:
        asyncio.run(main())
    assert raised.value.do == f"az login --tenant {home}, then scan with --tenant {home}"


def test_a_name_that_the_azure_cli_knows_in_another_tenant(tmp_path: Path) -> None:
    home = "33333333-3333-3333-3333-333333333333"
    (tmp_path / "azureProfile.json").write_text(
        json.dumps({"subscriptions": [{"id": "x", "name": "elsewhere", "tenantId": home}]})
    )

    async def main() -> None:
        async with box() as running:
            az(tmp_path, token_script(running.token()))
            with environment(running, PATH=os.environ["PATH"], AZURE_CONFIG_DIR=str(tmp_path)):
                async with connect(ConnectionOptions(arm_endpoint=running.url, auth="cli")) as reader:
                    await reader.named(["elsewhere"])

    with pytest.raises(WrongTenant, match="subscription elsewhere belongs to another tenant"):
        asyncio.run(main())


def test_a_login_host_that_cannot_be_reached() -> None:
    with pytest.raises(Unreachable) as raised:
        account(box(), "environment", AZURE_AUTHORITY_HOST="https://127.0.0.1:9")
    assert raised.value.what.startswith("127.0.0.1 cannot be reached:")


def test_a_login_that_ends_in_a_scan_leaves_gaps_and_is_not_asked_for_at_each_read(tmp_path: Path) -> None:
    running = box()
    token = running.token()
    az(
        tmp_path,
        f"[ $(wc -l < {tmp_path}/az.log) -gt 1 ] && {{ echo AADSTS700082 >&2; exit 1; }}\n{token_script(token)}",
    )
    handle = running._handle

    async def ending(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.endswith("/storageAccounts"):
            running.entra.tokens.clear()
        return await handle(request)

    running._handle = ending  # type: ignore[method-assign]

    async def main() -> dict[str, Any]:
        async with running:
            return (await scan(running, way=ConnectionOptions(auth="cli"), variables={"PATH": os.environ["PATH"]})).gaps

    gaps = asyncio.run(main())
    assert {(gap["status"], gap["code"]) for gap in gaps.values()} <= {
        (401, "ExpiredLogin"),
        (401, "InvalidAuthenticationToken"),
    }
    assert any(gap["code"] == "ExpiredLogin" for gap in gaps.values())
    assert runs(tmp_path) == 2


def test_every_login_error_ends_with_4_and_says_what_to_do() -> None:
    for kind in (NoCredential, ExpiredLogin, LoginRefused, WrongTenant, Unreachable):
        assert issubclass(kind, UserError)
        assert kind("x", do="y").code == 4


def test_a_token_that_soon_ends_is_renewed_once_and_not_for_each_request() -> None:
    running = box(token_lifetime=120.0)

    async def read(reader: AzureReader) -> None:
        for number in range(10):
            await reader.get(f"/subscriptions/{S1}", f"2022-12-{number + 1:02}")

    async def main() -> None:
        async with running:
            with environment(running):
                async with connect(ConnectionOptions(arm_endpoint=running.url, auth="environment")) as reader:
                    await read(reader)

    asyncio.run(main())
    assert sum("/oauth2/" in request.path for request in running.requests) == 1
