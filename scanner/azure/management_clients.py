"""Sends the reads of one login through the management clients of Azure's SDKs, by their public `send_request`."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from itertools import count
from types import ModuleType
from typing import Any
from uuid import uuid4

from azure.core.rest import AsyncHttpResponse, HttpRequest

from scanner.azure.clouds import Cloud
from scanner.azure.credentials import TokenCache
from scanner.azure.limits import LimitKey
from scanner.azure.pipeline import ArmRead, GuardPolicy, Guards
from scanner.azure.transport import HttpSession
from scanner.cycle_collector import long_lived_objects

LOGIN = "azure.identity.aio"
"""The module of logins, which takes a fifth of the time of all imports."""
_CLIENTS = {
    "microsoft.storage": ("azure.mgmt.storage.aio", "StorageManagementClient"),
    "microsoft.network": ("azure.mgmt.network.aio", "NetworkManagementClient"),
    "": ("azure.mgmt.resource.resources.aio", "ResourceManagementClient"),
}
"""The module and the class of the client by the provider (lower case) whose resources it reads; "": all others."""
_NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
"""The subscription of each client. None uses it, because every path names one."""


class Imports:
    """Imports of the SDKs in a thread, one after the other and each once: azure-mgmt-network takes 0.4 s and 66 MB.

    Requests that do not need them go on meanwhile.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="imports")
        self._begun: dict[str, Future[ModuleType]] = {}

    def begin(self, *modules: str) -> None:
        """Import modules after those that were begun before."""
        for name in modules:
            if name not in self._begun:
                self._begun[name] = self._thread.submit(_import, name)

    def begin_clients(self, providers: Iterable[str]) -> None:
        """Import the clients of these providers (lower case), and the one of all others."""
        first = sorted({*providers, ""} & _CLIENTS.keys())
        self.begin(*(_CLIENTS[each][0] for each in first))

    async def module(self, name: str) -> ModuleType:
        """Return a module when it is imported."""
        self.begin(name)
        # A caller that is cancelled does not end the import that others wait for.
        return await asyncio.shield(asyncio.wrap_future(self._begun[name]))

    def close(self) -> None:
        """Begin no more imports, and wait for the one that was begun: no process is forked beside a thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def _import(name: str) -> ModuleType:
    with long_lived_objects():
        return import_module(name)


class ManagementClients:
    """The management clients of one login, each made when a read needs it. They share session and guards."""

    def __init__(
        self, cloud: Cloud, tokens: TokenCache, http: HttpSession, guards: Guards, agent: str, imports: Imports
    ) -> None:
        self.guards = guards
        self.made: dict[str, Any] = {}
        """The clients by provider, as in `_CLIENTS`."""
        self._imports = imports
        self._tokens = tokens
        self._options = {
            "base_url": cloud.arm,
            "credential_scopes": [cloud.scope],
            "transport": http.bodies,
            # Azure's own policies would register providers, follow redirects, try again and log.
            "policies": [GuardPolicy(guards)],
        }
        self._headers = {"Accept": "application/json", "User-Agent": agent}
        self._id, self._numbers = str(uuid4())[:24], count()

    async def send(self, request: ArmRead, key: LimitKey) -> AsyncHttpResponse:
        """Return the answer to a read, also one that is an error. Raises what `Guards.send` raises."""
        provider = key.provider if key.provider in _CLIENTS else ""
        client = self.made.get(provider) or await self._client(provider)
        headers = {**self._headers, "x-ms-client-request-id": f"{self._id}{next(self._numbers):012x}"}
        if request.content:
            headers["Content-Type"] = "application/json"
        # The clients fill fields of a URL (`{endpoint}`): a brace in a link of Azure's is none.
        url = request.url.replace("{", "%7B").replace("}", "%7D")
        sent = HttpRequest(request.method, url, headers=headers, content=request.content or None)
        answer: AsyncHttpResponse = await client.send_request(sent, limit_key=key)
        return answer

    async def _client(self, provider: str) -> Any:
        module, name = _CLIENTS[provider]
        make = getattr(await self._imports.module(module), name)
        if provider not in self.made:
            self.made[provider] = make(self._tokens, _NO_SUBSCRIPTION, **self._options)
        return self.made[provider]

    async def close(self) -> None:
        """Close the clients."""
        for client in self.made.values():
            await client.close()
