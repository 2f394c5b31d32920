"""Every kind of login that the sandbox sets up, with azure-identity's own credentials."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.identity.aio import (
    AzureCliCredential,
    AzurePipelinesCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from scanner.sandbox.entra import ISSUER_SECRET
from scanner.sandbox.logins import CONNECTION
from scanner.sandbox.served_estate import TENANT
from scanner.sandbox.server import Sandbox, serve
from tests.sandbox.sample import RESOURCES
from tests.sandbox.test_server import API, ask

SCOPE = "https://management.azure.com/.default"
KINDS: list[tuple[str, Callable[[Sandbox], Any]]] = [
    ("workload-identity", lambda box: WorkloadIdentityCredential(connection_verify=box.ca_file)),
    ("managed-identity", lambda box: ManagedIdentityCredential(connection_verify=box.ca_file)),
    ("cli", lambda box: AzureCliCredential()),
    (
        "azure-pipelines",
        lambda box: AzurePipelinesCredential(
            tenant_id=TENANT,
            client_id=box.entra.client,
            service_connection_id=CONNECTION,
            system_access_token=ISSUER_SECRET,
            connection_verify=box.ca_file,
        ),
    ),
]


@pytest.mark.parametrize(("kind", "make"), KINDS, ids=[kind for kind, _ in KINDS])
def test_each_kind_gets_a_token(kind: str, make: Callable[[Sandbox], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def token(box: Sandbox) -> str:
        async with make(box) as credential:
            result: str = (await credential.get_token(SCOPE)).token
            return result

    with serve(RESOURCES) as box:
        for name, value in box.environment(kind).items():
            monkeypatch.setenv(name, value)
        result = asyncio.run(token(box))
        assert ask(box, f"/subscriptions{API}", Authorization=f"Bearer {result}").status == 200


def test_github_gives_an_id_token_to_who_shows_its_secret() -> None:
    with serve(RESOURCES) as box:
        names = box.environment("github")
        path = names["ACTIONS_ID_TOKEN_REQUEST_URL"].removeprefix(box.url)
        bearer = f"Bearer {names['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"
        assert ask(box, f"{path}&audience=x", Authorization=bearer).json["value"].count(".") == 2
        assert ask(box, path, Authorization="Bearer wrong").status == 401


def test_az_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(RESOURCES) as box:
        for name, value in box.environment("cli").items():
            monkeypatch.setenv(name, value)

        async def ask_az() -> None:
            async with AzureCliCredential() as credential:
                await credential.get_token(SCOPE)

        asyncio.run(ask_az())
        calls = (Path(box.ca_file).parent / "bin" / "az.log").read_text("utf-8").splitlines()
        assert len(calls) == 1
        assert "get-access-token" in calls[0]
