"""Sends rows to a table of Log Analytics, by the Logs Ingestion API. Besides blobs, nothing else is written to Azure.

Sources: "Logs Ingestion API in Azure Monitor" (one call takes 1 MB, compressed or not) and azure-monitor-ingestion.
Its own splitting is not used: it does not count the commas between rows, so that a call may exceed 1 MB.
"""

import gzip
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import IO, Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.monitor.ingestion.aio import LogsIngestionClient
from msgspec import Struct

from scanner.azure import clouds, credentials
from scanner.azure.arm import resolve_cloud
from scanner.azure.credentials import ScanLogin
from scanner.azure.transport import HttpSession, Transport, explain_failure, tls_context
from scanner.errors import InputError, UserError

SUFFIXES = {
    "public": "ingest.monitor.azure.com",
    "us-government": "ingest.monitor.azure.us",
    "china": "ingest.monitor.azure.cn",
}
"""The domains of data collection endpoints and rules, by cloud."""

SCOPES = {
    "public": "https://monitor.azure.com/.default",
    "us-government": "https://monitor.azure.us/.default",
    "china": "https://monitor.azure.cn/.default",
}
"""The scopes of tokens, by cloud, as azure-monitor-ingestion names them."""

MOST = 900_000
"""Bytes of the rows of one call, before compression. Azure refuses more than 1 MB."""

RETRIES: dict[str, Any] = {"retry_total": 3, "retry_backoff_factor": 1, "retry_backoff_max": 60}
"""The arguments of the retry policy, in seconds. It waits as long as `Retry-After` says."""

ROLE = "Monitoring Metrics Publisher"


class LogStream(Struct, frozen=True):
    """A stream of a data collection rule. `at` is the option and value that named it, for errors."""

    endpoint: str
    rule: str
    stream: str
    at: str


class NotALogRequest(Exception):
    """A defect of Twolocks: something other than rows for the one stream was about to be sent. Nothing was sent."""


class RowsNotSent(InputError):
    """Rows that were not accepted. `sent`: how many were before; the others were not."""

    sent = 0


class _StreamTransport(Transport):
    """Send to one stream only."""

    def __init__(self, stream: LogStream, **more: Any) -> None:
        super().__init__(**more)
        self.host = clouds.origin(stream.endpoint)
        self.path = f"/dataCollectionRules/{stream.rule}/streams/{stream.stream}"

    async def send(self, request: Any, **config: Any) -> Any:
        """Return the answer to a request. Raises NotALogRequest."""
        to = (request.method, clouds.origin(request.url), urlsplit(request.url).path)
        if to != ("POST", self.host, self.path):
            raise NotALogRequest(" ".join(map(str, to)))
        return await super().send(request, **config)


async def check(stream: LogStream, login: ScanLogin) -> None:
    """Check that the login gives a token for the stream. Only Azure knows its rights; rows tell.

    Raises an AccessError without a login.
    """
    async with _tokens(login) as (tokens, scope, _):
        await tokens.get_token_info(scope)


async def send(stream: LogStream, login: ScanLogin, file: IO[bytes]) -> int:
    """Send the rows of a file of JSON lines, in calls of at most `MOST` bytes. Return their number.

    Raises RowsNotSent where a call is refused or not answered, and an AccessError without a login.
    """
    sent = 0
    async with _tokens(login) as (tokens, scope, http):
        transport = _StreamTransport(
            stream, session=http.session, session_owner=False, connection_timeout=10, read_timeout=60
        )
        client = LogsIngestionClient(
            stream.endpoint,
            tokens,
            credential_scopes=[scope],
            transport=transport,
            user_agent="twolocks",
            **RETRIES,
        )
        async with client:
            for body, count in _calls(file):
                try:
                    await client.upload(stream.rule, stream.stream, BytesIO(body))
                except (AzureError, OSError, TimeoutError) as error:
                    failed = await _explained(error, stream)
                    failed.sent = sent
                    raise failed from error
                sent += count
    return sent


def _calls(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the body of each call, a compressed JSON array, and the number of its rows."""
    rows: list[bytes] = []
    size = 0
    for line in file:
        row = line.rstrip(b"\n")
        if rows and size + len(row) + 1 > MOST:
            yield _body(rows), len(rows)
            rows, size = [], 0
        rows.append(row)
        size += len(row) + 1
    if rows:
        yield _body(rows), len(rows)


def _body(rows: list[bytes]) -> bytes:
    return gzip.compress(b"[" + b",".join(rows) + b"]", mtime=0)


@asynccontextmanager
async def _tokens(login: ScanLogin) -> AsyncIterator[tuple[credentials.TokenCache, str, HttpSession]]:
    context = tls_context()
    http = HttpSession(context)
    try:
        cloud = await resolve_cloud(login.cloud, login.arm_endpoint, login.arm_audience, http)
        tokens = credentials.tokens(login.auth, cloud, login.tenant, http, context, login.prompt)
        tokens.share(login.token_cache)
        async with tokens:
            yield tokens, SCOPES.get(cloud.name, SCOPES["public"]), http
    finally:
        await http.close()


async def _explained(error: Exception, stream: LogStream) -> RowsNotSent:
    if not isinstance(error, HttpResponseError) or error.status_code is None:
        user_error: UserError | None = await explain_failure(error, stream.endpoint)
        host = clouds.origin(stream.endpoint)
        text = user_error.what if user_error else f"{host} did not respond"
        return RowsNotSent(text, at=stream.at, do=user_error.do if user_error else f"check {host}")
    code = str(getattr(error.error, "code", "") or error.reason or "")
    status = f"{error.status_code} {code}".strip()
    if error.status_code in (401, 403):
        do = f'give this login the role "{ROLE}" on the data collection rule; it takes up to 30 minutes to work'
        return RowsNotSent(f"this login is not allowed to send to {stream.rule} ({status})", at=stream.at, do=do)
    if error.status_code == 404:
        do = "check the immutable id of the rule (dcr-...), its region and its stream"
        return RowsNotSent(f"the data collection rule or stream does not exist ({status})", at=stream.at, do=do)
    if error.status_code in (400, 413):
        do = "deploy the table and the rule of deploy/sentinel of this version"
        return RowsNotSent(f"the stream {stream.stream} refused the rows ({status})", at=stream.at, do=do)
    return RowsNotSent(f"{stream.rule} did not accept the rows ({status})", at=stream.at, do="try again later")
