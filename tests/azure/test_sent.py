"""What a GET looks like on the wire, beside the same GET of a management client; and claims challenges of ARM."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from azure.core.rest import HttpRequest
from azure.mgmt.resource.resources.aio import ResourceManagementClient

from scanner.azure.clients import AzureReader
from scanner.azure.errors import ReadError
from scanner.azure.limits import LimitKey
from scanner.azure.pipeline import GRAPH, ArmRead, challenged_claims
from scanner.sandbox.server import Sandbox
from tests.azure.requests import ESTATE, S1, SUBSCRIPTIONS, Json, reading

LIST = f"/subscriptions/{S1}/providers/Microsoft.KeyVault/vaults"
CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1764320000"}}}'
ENCODED = base64.urlsafe_b64encode(CLAIMS.encode()).decode().rstrip("=")
CHALLENGE = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    f'error="insufficient_claims", claims="{ENCODED}"'
)


class HeardSandbox(Sandbox):
    """A sandbox that keeps the headers of requests to ARM, and refuses tokens without the claims it asks for.

    `asked`: the claims of each request for a token. `challenge`: the header of its refusals; "" for none. `lasting`:
    no token is enough.
    """

    challenge = ""
    lasting = False

    def __init__(self) -> None:
        super().__init__(ESTATE, SUBSCRIPTIONS)
        self.heard: list[tuple[str, str, dict[str, str]]] = []
        self.asked: list[str] = []
        self.enough: set[str] = set()
        issue = self.entra._issue

        def issued(tenant: str, form: Mapping[str, str]) -> dict[str, Any]:
            made = issue(tenant, form)
            self.asked.append(form.get("claims", ""))
            if "nbf" in self.asked[-1] and not self.lasting:
                self.enough.add(made["access_token"])
            return made

        self.entra._issue = issued  # type: ignore[method-assign]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if "/oauth2/" in request.path:
            return await super()._handle(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.heard.append((request.method, request.raw_path, headers))
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self.challenge and token and token not in self.enough:
            body = {"error": {"code": "InvalidAuthenticationTokenClaims", "message": "m"}}
            return web.json_response(body, status=401, headers={"WWW-Authenticate": self.challenge})
        return await super()._handle(request)


@pytest.mark.parametrize(
    "target",
    [
        f"{LIST}?api-version=2024-11-01",
        f"{LIST}?api-version=2024-11-01&$skiptoken=a%20b%2Fc%3d&x='1'",
        f"/subscriptions/{S1}/resourceGroups/r%C3%B8d%20(1)/providers/Microsoft.KeyVault/vaults/a%7eb?api-version=1",
        f"{LIST}?api-version=2024-11-01&$filter=a eq 'b|c'#part",
        f"{LIST}?x=1&&y=&api-version=2024-11-01",
        f"{LIST}/%7Bendpoint%7D/a%2525b?api-version=1",
    ],
)
@pytest.mark.parametrize("provider", ["", "microsoft.storage", "microsoft.network"])
def test_a_get_is_what_azures_own_pipeline_sends(target: str, provider: str) -> None:
    """The transport and the headers are ours: method, path, query and headers are those of azure-core."""

    async def read(reader: AzureReader) -> None:
        arm = reader._arm
        url, key = f"{arm.cloud.arm}{target}", LimitKey(S1, provider)
        default = ResourceManagementClient(
            arm.tokens,
            S1,
            base_url=arm.cloud.arm,
            credential_scopes=[arm.cloud.scope],
            transport=arm.http.transport,
        )
        await default.send_request(HttpRequest("GET", url, headers={"Accept": "application/json"}))
        await arm._send(ArmRead("GET", url), key, LIST)

    running = HeardSandbox()
    reading(running, read, agent="twolocks/1.2.3")
    (method, path, theirs), ours = running.heard[-2:]
    assert ours[:2] == (method, path)
    assert ours[2].keys() == theirs.keys()
    changed = {name for name in theirs if theirs[name] != ours[2][name]}
    assert changed == {"user-agent", "x-ms-client-request-id"}
    assert ours[2]["accept"] == "application/json", "as the typed operations send it"
    assert (ours[2]["user-agent"], ours[2]["accept-encoding"]) == ("twolocks/1.2.3", "gzip, deflate")


@pytest.mark.parametrize("braces", ["{a}", "{endpoint}", "{", "}{0}", '{"page":2}'])
def test_braces_of_a_link_are_sent_as_they_are(braces: str) -> None:
    """The clients of the SDKs fill fields in braces, and leave out parts of a URL whose fields they do not know."""

    async def read(reader: AzureReader) -> None:
        url = f"{reader._arm.cloud.arm}{LIST}?api-version=2024-11-01&$skiptoken={braces}"
        await reader._arm._send(ArmRead("GET", url), LimitKey(S1, "microsoft.keyvault"), LIST)

    running = HeardSandbox()
    reading(running, read)
    assert unquote(running.heard[-1][1]) == f"{LIST}?api-version=2024-11-01&$skiptoken={braces}"


def test_each_request_has_an_id_of_its_own() -> None:
    async def read(reader: AzureReader) -> None:
        for _ in range(3):
            await reader.rows(LIST, "2024-11-01")

    running = HeardSandbox()
    reading(running, read)
    ids = {headers["x-ms-client-request-id"] for _, path, headers in running.heard if path.startswith(LIST)}
    assert len(ids) == 3
    assert {len(each) for each in ids} == {36}


def sent(running: HeardSandbox, *, graph: bool) -> list[Any]:
    async def read(reader: AzureReader) -> list[Json]:
        if graph:
            return list(await reader.query("resources | where type =~ 'microsoft.web/sites' | order by id asc", [S1]))
        return list(await reader.rows(LIST.replace("KeyVault/vaults", "Web/sites"), "2024-11-01"))

    return reading(running, read)


@pytest.mark.parametrize("graph", [False, True])
def test_a_claims_challenge_is_answered_with_a_token_for_the_claims(graph: bool) -> None:
    running = HeardSandbox()
    running.challenge = CHALLENGE
    assert [row["name"] for row in sent(running, graph=graph)] == ["app"]
    assert [json.loads(each) for each in running.asked if each] == [json.loads(CLAIMS)], "asked for once"
    path = GRAPH if graph else "/Microsoft.Web/sites"
    tokens = [headers["authorization"] for _, raw, headers in running.heard if path in raw]
    assert len(set(tokens)) == len(tokens) == 2


def test_a_challenge_that_no_token_meets_is_a_gap() -> None:
    running = HeardSandbox()
    running.challenge, running.lasting = CHALLENGE, True
    with pytest.raises(ReadError) as raised:
        sent(running, graph=False)
    assert (raised.value.status, raised.value.code) == (401, "InvalidAuthenticationTokenClaims")
    assert len([path for _, path, _ in running.heard if "Web/sites" in path]) == 2


def test_a_401_without_claims_is_not_sent_again() -> None:
    running = HeardSandbox()
    running.challenge = 'Bearer error="invalid_token", claims="e30"'
    with pytest.raises(ReadError):
        sent(running, graph=False)
    assert len([path for _, path, _ in running.heard if "Web/sites" in path]) == 1
    assert not any(running.asked)


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        (CHALLENGE, CLAIMS),
        (CHALLENGE.replace('"', ""), CLAIMS),
        (CHALLENGE.replace("insufficient_claims", "invalid_token"), ""),
        (CHALLENGE.replace(ENCODED, "_w"), ""),
        (CHALLENGE.replace(ENCODED, "A"), ""),
        (CHALLENGE.replace(ENCODED, ""), ""),
        ('Bearer error="insufficient_claims"', ""),
        ("", ""),
    ],
)
def test_the_claims_of_a_challenge(header: str, claims: str) -> None:
    assert challenged_claims(header) == claims
