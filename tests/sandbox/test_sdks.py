"""The real SDKs against the sandbox: tokens, typed operations, paging, errors, and the public `send_request`."""

import asyncio
import base64
import json
from collections.abc import Iterator

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.identity import ClientSecretCredential, DeviceCodeCredential, EnvironmentCredential
from azure.identity.aio import ClientAssertionCredential as AioAssertionCredential
from azure.identity.aio import EnvironmentCredential as AioEnvironmentCredential
from azure.mgmt.managementgroups import ManagementGroupsMgmtClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient
from azure.mgmt.storage import StorageManagementClient
from azure.mgmt.storage.aio import StorageManagementClient as AioStorageManagementClient

from scanner.sandbox.entra import jwt
from scanner.sandbox.served_estate import TENANT
from scanner.sandbox.server import Sandbox, serve
from tests.sandbox.sample import RESOURCES, S1, S2

SCOPE = "https://management.azure.com/.default"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    groups = [{"name": "root", "displayName": "Agency", "subscriptions": [S1, S2]}]
    with serve(RESOURCES, page_size=4, management_groups=groups) as running:
        yield running


@pytest.fixture
def credential(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[EnvironmentCredential]:
    for name, value in box.environment().items():
        monkeypatch.setenv(name, value)
    with EnvironmentCredential(disable_instance_discovery=True) as made:
        yield made


def test_environment_credential_gets_a_token_that_says_who(box: Sandbox, credential: EnvironmentCredential) -> None:
    token = credential.get_token(SCOPE)
    payload = token.token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["tid"], claims["oid"]) == (TENANT, box.estate.principal)


def test_the_asynchronous_one_too(box: Sandbox, credential: EnvironmentCredential) -> None:
    async def tokens() -> list[AccessToken]:
        async with AioEnvironmentCredential(connection_verify=box.ca_file) as one:
            secret = await one.get_token(SCOPE)
        async with AioAssertionCredential(
            TENANT,
            box.entra.client,
            lambda: jwt({"iss": "https://token.actions.githubusercontent.com"}),
            authority=box.authority,
            connection_verify=box.ca_file,
        ) as two:
            return [secret, await two.get_token(SCOPE)]

    assert all(token.token in box.entra.tokens for token in asyncio.run(tokens()))


def test_device_code(box: Sandbox) -> None:
    reported: list[str] = []
    with DeviceCodeCredential(
        box.entra.client,
        tenant_id=TENANT,
        authority=box.authority,
        disable_instance_discovery=True,
        connection_verify=box.ca_file,
        prompt_callback=lambda uri, code, expires: reported.append(f"{uri} {code}"),
    ) as credential:
        token = credential.get_token(SCOPE)
    assert token.token in box.entra.tokens
    assert reported == [f"{box.url}/device SANDBOX42"]


@pytest.mark.parametrize(
    ("tenant", "client", "secret", "code"),
    [
        (TENANT, None, "wrong", "AADSTS7000215"),
        (TENANT, "44444444-4444-4444-4444-444444444444", "x", "AADSTS700016"),
        ("88888888-8888-8888-8888-888888888888", None, "x", None),
    ],
)
def test_a_wrong_login_is_reported(
    box: Sandbox, tenant: str, client: str | None, secret: str, code: str | None
) -> None:
    with (
        ClientSecretCredential(
            tenant,
            client or box.entra.client,
            secret,
            authority=box.authority,
            disable_instance_discovery=True,
            connection_verify=box.ca_file,
        ) as credential,
        pytest.raises((ClientAuthenticationError, ValueError)) as reported,
    ):
        credential.get_token(SCOPE)
    assert code is None or code in str(reported.value)


def test_typed_clients_list_page_and_read(box: Sandbox, credential: EnvironmentCredential) -> None:
    subscriptions = SubscriptionClient(credential, base_url=box.url, credential_scopes=[SCOPE])
    storage = StorageManagementClient(credential, S1, base_url=box.url, credential_scopes=[SCOPE])
    network = NetworkManagementClient(credential, S1, base_url=box.url, credential_scopes=[SCOPE])
    resources = ResourceManagementClient(credential, S1, base_url=box.url, credential_scopes=[SCOPE])
    groups = ManagementGroupsMgmtClient(credential, base_url=box.url, credential_scopes=[SCOPE])
    with subscriptions, storage, network, resources, groups:
        assert [s.subscription_id for s in subscriptions.subscriptions.list()] == [S1, S2]
        assert "norwayeast" in [one.name for one in subscriptions.subscriptions.list_locations(S1)]
        assert [t.tenant_id for t in subscriptions.tenants.list()] == [TENANT]
        assert len(list(storage.storage_accounts.list())) == 25
        assert [c.name for c in storage.blob_containers.list("rg-a", "st000")] == [f"c{n}" for n in range(7)]
        assert storage.blob_services.get_service_properties("rg-a", "st000").name == "default"
        assert [n.name for n in network.network_security_groups.list_all()] == ["nsg"]
        assert [n.name for n in network.network_security_perimeters.list_by_subscription()] == ["nsp"]
        associations = network.network_security_perimeter_associations.list("rg-b", "nsp")
        assert [a.name for a in associations] == ["one"]
        assert len(list(resources.resources.list())) == 28
        assert [g.name for g in resources.resource_groups.list()] == ["rg-a", "rg-b"]
        assert [d.name for d in groups.management_groups.get_descendants("root")] == [S1, S2]


def test_typed_errors(box: Sandbox, credential: EnvironmentCredential) -> None:
    with StorageManagementClient(credential, S1, base_url=box.url, credential_scopes=[SCOPE]) as storage:
        with pytest.raises(ResourceNotFoundError) as missing:
            storage.storage_accounts.get_properties("rg-a", "nope")
        assert missing.value.error is not None
        assert missing.value.error.code == "ResourceNotFound"
        with pytest.raises(HttpResponseError) as refused:
            storage.storage_accounts.list_keys("rg-a", "st000")
        assert refused.value.status_code == 403


def test_send_request(box: Sandbox, credential: EnvironmentCredential) -> None:
    path = f"/subscriptions/{S1}/providers/Microsoft.Storage/storageAccounts"
    query = {"api-version": "2025-06-01"}
    with ResourceManagementClient(credential, S1, base_url=box.url, credential_scopes=[SCOPE]) as client:
        answer = client.send_request(HttpRequest("GET", path, params=query))
        assert len(answer.json()["value"]) == 4
        graph = HttpRequest(
            "POST",
            "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01",
            json={"query": "resources | project id | order by id asc", "options": {"$top": 7}},
        )
        assert client.send_request(graph).json()["totalRecords"] == 29


def test_asynchronous_typed_client(box: Sandbox, credential: EnvironmentCredential) -> None:
    async def names() -> list[str | None]:
        one = AioEnvironmentCredential(connection_verify=box.ca_file)
        client = AioStorageManagementClient(
            one, S1, base_url=box.url, credential_scopes=[SCOPE], connection_verify=box.ca_file
        )
        async with one, client:
            return [account.name async for account in client.storage_accounts.list()]

    assert len(asyncio.run(names())) == 25
