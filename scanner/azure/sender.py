"""Sends the reads of one login: GETs over the session of the scan, POSTs through management clients."""

from itertools import count
from typing import Any
from uuid import uuid4

from azure.core.rest import HttpRequest

from scanner.azure.clouds import Cloud
from scanner.azure.credentials import TokenCache
from scanner.azure.limits import LimitKey
from scanner.azure.pipeline import Answer, ArmRead, RequestGuards, policies
from scanner.azure.transport import HttpSession, ReceivedAnswer, proxy_of


class ArmSender:
    """Send reads through the guards. A GET without a management client costs half the CPU (`docs/decisions/0055`)."""

    def __init__(self, cloud: Cloud, tokens: TokenCache, http: HttpSession, guards: RequestGuards, agent: str) -> None:
        self.guards = guards
        self.clients: dict[str, Any] = {}
        """The management clients by name. One that costs much to import is made where it is needed."""
        self._cloud = cloud
        self._tokens = tokens
        self._http = http
        self._agent = agent
        self._proxy = proxy_of(cloud.arm)
        self._id, self._numbers = str(uuid4())[:24], count()

    async def send(self, request: ArmRead, key: LimitKey) -> Answer:
        """Return the answer to a read, also one that is an error. Raises what `RequestGuards.send` raises."""
        return await (self._get if request.method == "GET" else self._ask)(request, key)

    async def _get(self, request: ArmRead, key: LimitKey) -> Answer:
        headers = {
            "Accept": "application/json",
            "User-Agent": self._agent,
            "x-ms-client-request-id": f"{self._id}{next(self._numbers):012x}",
        }

        async def once(authorization: str) -> ReceivedAnswer:
            headers["Authorization"] = authorization
            return await self._http.get(request.url, headers, self._proxy)

        return await self.guards.send(request.method, request.url, key, once)

    async def _ask(self, request: ArmRead, key: LimitKey) -> Answer:
        headers = {"Content-Type": "application/json"}
        sent = HttpRequest(request.method, request.url, content=request.content, headers=headers)
        answer: Answer = await self.client(key.provider).send_request(sent, limit_key=key)
        return answer

    def client(self, provider: str) -> Any:
        """Return the management client of a POST below a provider."""
        name = "network" if provider == "microsoft.network" else "resources"
        if name not in self.clients:
            options = {
                "base_url": self._cloud.arm,
                "credential_scopes": [self._cloud.scope],
                "transport": self._http.transport,
                "policies": policies(self.guards, self._agent),
            }
            self.clients[name] = _make_client(name, self._tokens, options)
        return self.clients[name]

    async def close(self) -> None:
        """Close the management clients."""
        for client in self.clients.values():
            await client.close()


def import_query_client() -> None:
    """Import the management client of queries, which takes a while."""
    import azure.mgmt.resource.resources.aio  # noqa: F401


def _make_client(name: str, credential: TokenCache, options: dict[str, Any]) -> Any:
    """Return a management client. Its subscription is not used, because every path names one."""
    none = "00000000-0000-0000-0000-000000000000"
    if name == "network":
        from azure.mgmt.network.aio import NetworkManagementClient

        return NetworkManagementClient(credential, none, **options)
    from azure.mgmt.resource.resources.aio import ResourceManagementClient

    return ResourceManagementClient(credential, none, **options)
