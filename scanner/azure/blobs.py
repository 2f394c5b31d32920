"""Blobs of a storage account, where results go and come from. Apart from ARM: only here is anything written.

`az://container/path` means what it means to fsspec and adlfs. Neither is used for it: adlfs takes keys and anonymous
access from the environment by itself, opens connections of its own (without the trust and the proxy of a scan), and
commits what an error interrupted (docs/decisions/0030). A test reads with adlfs what is written here.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobBlock, ContentSettings
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ExponentialRetry

from scanner.azure import clouds, credentials
from scanner.azure.arm import metadata
from scanner.azure.transport import Transport, Web, explain, trust
from scanner.errors import InputError, UserError

WHOLE, BLOCK = 1 << 20, 8 << 20
"""Bytes. A blob up to `WHOLE` is put in one request; a larger one is staged in blocks, and there once committed."""

SUFFIXES = {
    "public": "blob.core.windows.net",
    "us-government": "blob.core.usgovcloudapi.net",
    "china": "blob.core.chinacloudapi.cn",
}
"""Where accounts answer, by cloud."""

OTHERS = ("blob.storage.azure.net",)
"""Hosts of accounts in a DNS zone of their own; of which cloud does not show in them."""

_WRITER, _READER = "Storage Blob Data Contributor", "Storage Blob Data Reader"
_METHODS = frozenset({"GET", "HEAD", "PUT"})


@dataclass(frozen=True, slots=True)
class Door:
    """How an account is reached. `connection` (from the environment) wins; else `endpoint` with the scan's login.

    `kept` holds tokens from one opening to the next, so that nobody signs in twice.
    """

    endpoint: str = ""
    connection: str = ""
    auth: str = "default"
    tenant: str = ""
    cloud: str = "public"
    arm_endpoint: str = ""
    tell: Callable[[str], None] = lambda text: None
    kept: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blob:
    """One blob, and how it was named: `at` for errors."""

    container: str
    path: str
    at: str


class NotAStore(Exception):
    """A defect of ours: something else than reading or putting a blob was about to be sent. Nothing left."""


class _Guarded(Transport):
    """Sends to one host, and nothing that deletes."""

    def __init__(self, host: str, **more: Any) -> None:
        super().__init__(**more)
        self.host = host

    async def send(self, request: Any, **config: Any) -> Any:
        """The answer to a request."""
        if request.method not in _METHODS or clouds.origin(request.url) != self.host:
            raise NotAStore(f"{request.method} {clouds.origin(request.url)}")
        return await super().send(request, **config)


TRIES = 5
"""How often a blob is put from its beginning while other scans commit to the same name."""


class Blobs:
    """An account that is open. Each method raises InputError, or an AccessError where nobody is signed in."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service
        self.account = str(service.account_name or clouds.origin(service.url))

    async def check(self, blob: Blob) -> None:
        """That a blob could be put: one byte is staged and never committed, which changes nothing that is seen."""
        async with self._told(blob, "write"), self._client(blob) as client:
            await client.stage_block(_id(secrets.token_hex(8), 0), b"?", length=1, retry_total=1)

    async def exists(self, blob: Blob) -> None:
        """That a blob is there and may be read."""
        async with self._told(blob, "read"), self._client(blob) as client:
            await client.get_blob_properties()

    async def put(self, blob: Blob, file: IO[bytes], size: int, kind: str) -> None:
        """Make a file a blob. Until all of it is there, what stood under the name stands there."""
        settings = ContentSettings(content_type=kind)
        async with self._told(blob, "write"), self._client(blob) as client:
            if size <= WHOLE:
                await client.upload_blob(BytesIO(file.read()), length=size, overwrite=True, content_settings=settings)
                return
            for left in reversed(range(TRIES)):
                file.seek(0)
                try:
                    await _staged(client, file, settings)
                    return
                except HttpResponseError as error:
                    # Another scan has committed to the same name meanwhile, which discards what was staged for it.
                    if _code(error) != "InvalidBlockList" or not left:
                        raise

    async def get(self, blob: Blob, file: IO[bytes]) -> None:
        """Write a blob into a file."""
        async with self._told(blob, "read"), self._client(blob) as client:
            stream = await client.download_blob()
            await stream.readinto(file)

    def _client(self, blob: Blob) -> BlobClient:
        return self._service.get_blob_client(blob.container, blob.path)

    @asynccontextmanager
    async def _told(self, blob: Blob, what: str) -> AsyncIterator[None]:
        try:
            yield
        except AzureError as error:
            raise await self._sentence(error, blob, what) from error
        except (OSError, TimeoutError) as error:
            found = await explain(error, self._service.url)
            raise found or InputError(f"{self.account}: {error}", at=blob.at) from error

    async def _sentence(self, error: AzureError, blob: Blob, what: str) -> UserError:
        if not isinstance(error, HttpResponseError) or error.status_code is None:
            found = await explain(error, self._service.url)
            host = urlsplit(self._service.url).hostname
            said = f"the storage account {self.account} gave no answer"
            # A UserError of 2: it is where results go, and no sign that Azure cannot be read.
            return InputError(found.what if found else said, at=blob.at, do=found.do if found else f"check {host}")
        return _refused(_code(error), error.status_code, blob, what, self.account)


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or error.reason or error.status_code)


def _id(mark: str, number: int) -> str:
    """All ids of a blob's blocks must be of one length."""
    return f"{mark}{number:08d}"


async def _staged(client: BlobClient, file: IO[bytes], settings: ContentSettings) -> None:
    mark = secrets.token_hex(8)
    blocks: list[BlobBlock] = []
    while data := file.read(BLOCK):
        blocks.append(BlobBlock(_id(mark, len(blocks))))
        await client.stage_block(blocks[-1].id, BytesIO(data), length=len(data))
    await client.commit_block_list(blocks, content_settings=settings)


def _refused(code: str, status: int, blob: Blob, what: str, account: str) -> InputError:
    """The sentence for an answer of Azure Storage."""
    where = f"container {blob.container} of the storage account {account}"
    if code == "ContainerNotFound":
        make = f"az storage container create --account-name {account} --name {blob.container} --auth-mode login"
        return InputError(
            f"there is no container {blob.container} in the storage account {account}", at=blob.at, do=make
        )
    if code in ("BlobNotFound", "ResourceNotFound") or (status == 404 and what == "read"):
        return InputError(f"there is no blob {blob.path} in {where}", at=blob.at, do="check the name")
    if code == "KeyBasedAuthenticationNotPermitted":
        return InputError(
            f"the storage account {account} takes no keys ({code})",
            at=blob.at,
            do="unset AZURE_STORAGE_CONNECTION_STRING and set AZURE_STORAGE_ACCOUNT_NAME: then your own login counts",
        )
    if code in ("AuthorizationPermissionMismatch", "InsufficientAccountPermissions", "AuthorizationFailure"):
        role = _READER if what == "read" else _WRITER
        firewall = ", and let its firewall admit this machine" if code == "AuthorizationFailure" else ""
        verb = "read" if what == "read" else "write to"
        return InputError(
            f"this login may not {verb} {where} ({status} {code})",
            at=blob.at,
            do=f'give it the role "{role}" there{firewall}',
        )
    if code in ("AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation"):
        return InputError(
            f"the storage account {account} does not accept this login or key ({status} {code})",
            at=blob.at,
            do="check the key, or the account's tenant: --tenant",
        )
    return InputError(
        f"{where} refused to {what} {blob.path}: {status} {code}", at=blob.at, do="mend it, then run again"
    )


@asynccontextmanager
async def opened(door: Door) -> AsyncIterator[Blobs]:
    """The account behind a door. Raises InputError for a connection string that is none."""
    context = trust()
    web = Web(context)
    try:
        async with _service(door, web, context) as service:
            yield Blobs(service)
    finally:
        await web.close()


@asynccontextmanager
async def _service(door: Door, web: Web, context: Any) -> AsyncIterator[BlobServiceClient]:
    retry = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=3, random_jitter_range=1)
    more: dict[str, Any] = {"retry_policy": retry, "user_agent": "twolocks"}
    if door.connection:
        yield _connected(door.connection, web, more)
        return
    tokens = credentials.tokens(door.auth, await _cloud(door, web), door.tenant, web, context, door.tell)
    tokens.share(door.kept)
    async with tokens:
        transport = _guarded(door.endpoint, web)
        yield BlobServiceClient(door.endpoint, credential=tokens, transport=transport, **more)


def _connected(connection: str, web: Web, more: dict[str, Any]) -> BlobServiceClient:
    wrong: UserError = InputError(
        "AZURE_STORAGE_CONNECTION_STRING is no connection string of a storage account",
        do="unset it and set AZURE_STORAGE_ACCOUNT_NAME, or copy it again",
    )
    with suppress(ValueError):
        url = BlobServiceClient.from_connection_string(connection).url
        return BlobServiceClient.from_connection_string(connection, transport=_guarded(url, web), **more)
    raise wrong


def _guarded(url: str, web: Web) -> _Guarded:
    return _Guarded(
        clouds.origin(url), session=web.session, session_owner=False, connection_timeout=10, read_timeout=60
    )


async def _cloud(door: Door, web: Web) -> clouds.Cloud:
    if not door.arm_endpoint:
        return clouds.cloud(door.cloud)
    arm = clouds.endpoint(door.arm_endpoint)
    return clouds.described(arm, await metadata(arm, web, lambda method, path, status, milliseconds: None))


__all__ = ["Blob", "Blobs", "Door", "opened"]
