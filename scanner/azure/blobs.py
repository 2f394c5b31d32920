"""Reads and writes blobs of a storage account, which hold results. Nothing else in Twolocks writes to Azure.

`az://container/path` means what it means to fsspec and adlfs. Neither is used, because adlfs takes keys and anonymous
access from the environment by itself, opens its own connections (without the certificates and the proxy of a scan), and
commits what an error interrupted (`docs/decisions/0030`). A test reads with adlfs what is written here.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from typing import IO, Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobBlock, ContentSettings
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ExponentialRetry
from msgspec import Struct, field

from scanner.azure import clouds, credentials
from scanner.azure.arm import resolve_cloud
from scanner.azure.credentials import ScanLogin
from scanner.azure.transport import HttpSession, Transport, explain_failure, tls_context
from scanner.errors import InputError, UserError

WHOLE, BLOCK = 1 << 20, 8 << 20
"""Bytes. A blob up to `WHOLE` is put in one request. A larger one is staged in blocks and then committed."""

SUFFIXES = {
    "public": "blob.core.windows.net",
    "us-government": "blob.core.usgovcloudapi.net",
    "china": "blob.core.chinacloudapi.cn",
}
"""The domains of storage accounts, by cloud."""

RETRIES: dict[str, Any] = {"initial_backoff": 1, "increment_base": 2, "retry_total": 3, "random_jitter_range": 1}
"""The arguments of `ExponentialRetry`; waits are in seconds."""

OTHERS = ("blob.storage.azure.net",)
"""The domains of accounts in a DNS zone of their own. They do not show the cloud."""

EVERY_ACCOUNT = "https://storage.azure.com"
"""The audience of tokens for every storage account."""

_WRITER, _READER = "Storage Blob Data Contributor", "Storage Blob Data Reader"
_METHODS = frozenset({"GET", "HEAD", "PUT"})


class BlobAccountOptions(Struct, frozen=True):
    """How an account is reached: with `connection` (from the environment), else at `endpoint` with the scan's login."""

    endpoint: str = ""
    connection: str = ""
    login: ScanLogin = field(default_factory=ScanLogin)


class Blob(Struct, frozen=True):
    """One blob. `at` is the option and value that named it, for errors."""

    container: str
    path: str
    at: str


class NotABlobRequest(Exception):
    """A defect of Twolocks: something other than reading or putting a blob was about to be sent. Nothing was sent."""


class _GuardedTransport(Transport):
    """Send to one host, and never a request that deletes."""

    def __init__(self, host: str, **more: Any) -> None:
        super().__init__(**more)
        self.host = host

    async def send(self, request: Any, **config: Any) -> Any:
        """Return the answer to a request. Raises NotABlobRequest."""
        if request.method not in _METHODS or clouds.origin(request.url) != self.host:
            raise NotABlobRequest(f"{request.method} {clouds.origin(request.url)}")
        return await super().send(request, **config)


TRIES = 5
"""The times that a blob is put from its beginning while other scans commit to the same name."""


class BlobAccount:
    """A storage account that is connected. Each method raises InputError, or an AccessError without a login."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service
        self.account = str(service.account_name or clouds.origin(service.url))

    async def check(self, blob: Blob) -> None:
        """Check that a blob could be put. One byte is staged and never committed, which changes nothing visible."""
        async with self._errors_explained(blob, "write"), self._client(blob) as client:
            await client.stage_block(_id(secrets.token_hex(8), 0), b"?", length=1, retry_total=1)

    async def exists(self, blob: Blob) -> None:
        """Check that a blob exists and may be read."""
        async with self._errors_explained(blob, "read"), self._client(blob) as client:
            await client.get_blob_properties()

    async def put(self, blob: Blob, file: IO[bytes], size: int, kind: str) -> None:
        """Write a file to a blob. Until all of it is written, the earlier blob of that name stays."""
        settings = ContentSettings(content_type=kind)
        async with self._errors_explained(blob, "write"), self._client(blob) as client:
            if size <= WHOLE:
                await client.upload_blob(BytesIO(file.read()), length=size, overwrite=True, content_settings=settings)
                return
            for left in reversed(range(TRIES)):
                file.seek(0)
                try:
                    await _stage(client, file, settings)
                    return
                except HttpResponseError as error:
                    # Another scan has committed to the same name meanwhile, which discards the staged blocks.
                    if _code(error) != "InvalidBlockList" or not left:
                        raise

    async def get(self, blob: Blob, file: IO[bytes]) -> None:
        """Write a blob into a file."""
        async with self._errors_explained(blob, "read"), self._client(blob) as client:
            stream = await client.download_blob()
            await stream.readinto(file)

    async def names(self, blob: Blob) -> list[str]:
        """Return the paths of the blobs that begin with the path of `blob`, as far as the next `/`."""
        async with self._errors_explained(blob, "read"):
            container = self._service.get_container_client(blob.container)
            result = container.walk_blobs(name_starts_with=blob.path, delimiter="/")
            return [str(each.name).rstrip("/") async for each in result]

    def _client(self, blob: Blob) -> BlobClient:
        return self._service.get_blob_client(blob.container, blob.path)

    @asynccontextmanager
    async def _errors_explained(self, blob: Blob, what: str) -> AsyncIterator[None]:
        try:
            yield
        except AzureError as error:
            raise await self._explained(error, blob, what) from error
        except (OSError, TimeoutError) as error:
            result = await explain_failure(error, self._service.url)
            raise result or InputError(f"{self.account}: {error}", at=blob.at) from error

    async def _explained(self, error: AzureError, blob: Blob, what: str) -> UserError:
        if not isinstance(error, HttpResponseError) or error.status_code is None:
            result = await explain_failure(error, self._service.url)
            host = urlsplit(self._service.url).hostname
            text = f"the storage account {self.account} did not respond"
            # An InputError (exit 2), because it concerns the results and does not mean that Azure cannot be read.
            return InputError(result.what if result else text, at=blob.at, do=result.do if result else f"check {host}")
        return _refused(_code(error), error.status_code, blob, what, self.account)


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or error.reason or error.status_code)


def _id(mark: str, number: int) -> str:
    """Return the id of a block. All ids of the blocks of a blob must have the same length."""
    return f"{mark}{number:08d}"


async def _stage(client: BlobClient, file: IO[bytes], settings: ContentSettings) -> None:
    """Stage a file in blocks, and commit them."""
    mark = secrets.token_hex(8)
    blocks: list[BlobBlock] = []
    while data := file.read(BLOCK):
        blocks.append(BlobBlock(_id(mark, len(blocks))))
        await client.stage_block(blocks[-1].id, BytesIO(data), length=len(data))
    await client.commit_block_list(blocks, content_settings=settings)


def _refused(code: str, status: int, blob: Blob, what: str, account: str) -> InputError:
    """Return the error for an answer of Azure Storage."""
    where = f"container {blob.container} of the storage account {account}"
    if code == "ContainerNotFound":
        make = f"az storage container create --account-name {account} --name {blob.container} --auth-mode login"
        return InputError(
            f"container {blob.container} does not exist in the storage account {account}", at=blob.at, do=make
        )
    if code in ("BlobNotFound", "ResourceNotFound") or (status == 404 and what == "read"):
        return InputError(f"blob {blob.path} does not exist in {where}", at=blob.at, do="check the name")
    if code == "KeyBasedAuthenticationNotPermitted":
        return InputError(
            f"the storage account {account} does not accept keys ({code})",
            at=blob.at,
            do="unset AZURE_STORAGE_CONNECTION_STRING and set AZURE_STORAGE_ACCOUNT_NAME: then your own login is used",
        )
    if code in ("AuthorizationPermissionMismatch", "InsufficientAccountPermissions", "AuthorizationFailure"):
        role = _READER if what == "read" else _WRITER
        firewall = ", and allow this machine in its firewall" if code == "AuthorizationFailure" else ""
        verb = "read" if what == "read" else "write to"
        return InputError(
            f"this login is not allowed to {verb} {where} ({status} {code})",
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
        f"{where} refused to {what} {blob.path}: {status} {code}", at=blob.at, do="fix it, then run again"
    )


@asynccontextmanager
async def open_account(options: BlobAccountOptions) -> AsyncIterator[BlobAccount]:
    """Yield a storage account. Raises InputError for a connection string that is none."""
    context = tls_context()
    http = HttpSession(context)
    try:
        async with _service(options, http, context) as service:
            yield BlobAccount(service)
    finally:
        await http.close()


@asynccontextmanager
async def _service(options: BlobAccountOptions, http: HttpSession, context: Any) -> AsyncIterator[BlobServiceClient]:
    more: dict[str, Any] = {"retry_policy": ExponentialRetry(**RETRIES), "user_agent": "twolocks"}
    if options.connection:
        yield _connected(options.connection, http, more)
        return
    cloud = await resolve_cloud(options.login.cloud, options.login.arm_endpoint, options.login.arm_audience, http)
    tokens = credentials.tokens(options.login.auth, cloud, options.login.tenant, http, context, options.login.prompt)
    tokens.share(options.login.token_cache)
    async with tokens:
        transport = _guarded_transport(options.endpoint, http)
        scope = audience(options.endpoint, cloud.name)
        yield BlobServiceClient(options.endpoint, credential=tokens, transport=transport, audience=scope, **more)


def audience(endpoint: str, cloud: str) -> str:
    """Return the audience of tokens for a storage account: the account alone, where Azure documents that it works.

    https://storage.azure.com is for every account, so it is sent to Azure's own hosts of the cloud of the login only.
    `endpoint`: the account's. `cloud`: the name of the cloud of the login. Source: "Authorize access to blobs using
    Microsoft Entra ID", which has the form of one account for the public cloud.
    """
    host = clouds.origin(endpoint)
    shared = [suffix for name, suffix in SUFFIXES.items() if name == cloud != "public"]
    shared += OTHERS if cloud == "public" else ()
    return EVERY_ACCOUNT if any(host.endswith(f".{each}") for each in shared) else f"https://{host}"


def _connected(connection: str, http: HttpSession, more: dict[str, Any]) -> BlobServiceClient:
    wrong: UserError = InputError(
        "AZURE_STORAGE_CONNECTION_STRING is not a connection string of a storage account",
        do="unset it and set AZURE_STORAGE_ACCOUNT_NAME, or copy it again",
    )
    with suppress(ValueError):
        url = BlobServiceClient.from_connection_string(connection).url
        return BlobServiceClient.from_connection_string(connection, transport=_guarded_transport(url, http), **more)
    raise wrong


def _guarded_transport(url: str, http: HttpSession) -> _GuardedTransport:
    return _GuardedTransport(
        clouds.origin(url), session=http.session, session_owner=False, connection_timeout=10, read_timeout=60
    )


__all__ = ["Blob", "BlobAccount", "BlobAccountOptions", "open_account"]
