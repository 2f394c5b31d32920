"""Reads and writes files and blobs; the name of a blob is `az://container/path`.

A blob is written to a local file first and uploaded when it is complete, so an interrupted upload changes nothing.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.config.settings import Settings
from scanner.errors import InputError, UserError
from scanner.output.formats import media_type
from scanner.output.log_analytics import is_log_stream, parse_log_stream
from scanner.store.temporary import AtomicFile, temporary_folder
from scanner.text.urls import masked_url

if TYPE_CHECKING:
    from scanner.azure.blobs import Blob, BlobAccountOptions
    from scanner.azure.credentials import ScanLogin

AZ = "az://"
ACCOUNT, CONNECTION, ENDPOINT = (
    "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SERVICE_ENDPOINT",
)  # fmt: skip
"""Variables, named as the Azure CLI and adlfs name them."""

_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_HOST = re.compile(r"[a-z0-9]{3,24}(?:-secondary)?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")
"""The host of an account. Any other text could name another host, a port or a login, or be no URL at all."""
_URL = re.compile(r"(?i)[a-z][a-z0-9+.-]*://")
_NAME_A_BLOB = f"write az://CONTAINER/PATH, and set {ACCOUNT}"


def is_blob(name: object) -> bool:
    """Return whether a name is the name of a blob."""
    return str(name).lower().startswith(AZ)


def is_remote(name: object) -> bool:
    """Return whether a name is that of a blob or of a stream of Log Analytics."""
    return is_blob(name) or is_log_stream(name)


def refuse_other_urls(name: str, at: str) -> None:
    """Raise InputError where a name is a URL but no name of a blob. The error masks what may be a signature."""
    if _URL.match(name) and not is_blob(name):
        raise InputError("only a file or a blob is supported here, no other URL", at=masked_url(at), do=_NAME_A_BLOB)


class BlobName(Struct, frozen=True):
    """The parts of a blob's name. `account` is an account's name or host, "" where the environment names it."""

    container: str
    path: str
    account: str = ""


def parse_blob_name(name: str, at: str) -> BlobName:
    """Return the parts of `az://container/path` or `az://container@account/path`. Raise InputError for other names."""
    known = _NAME_A_BLOB
    head, _, path = name[len(AZ) :].partition("/")
    container, _, account = head.partition("@")
    if "?" in name or "#" in name:
        raise InputError(
            "the name of a blob must not contain ? or #, because keys and signatures must not be on the command line",
            do=known,
        )
    if not _CONTAINER.fullmatch(container):
        raise InputError(f'invalid container name "{container}"', at=at, do=known)
    if not account.isascii():
        raise InputError("the account of a blob is written in ASCII", at=at, do=known)
    if not path or path.endswith(("/", ".")) or len(path) > 1024 or not path.isprintable():
        raise InputError("the name has a container but no blob", at=at, do=known)
    return BlobName(container, path, account.lower())


class UploadError(OSError):
    """A blob that could not be uploaded, or rows that could not be sent.

    `error` contains the reason and the path of the local copy.
    """

    def __init__(self, error: UserError) -> None:
        super().__init__(error.what)
        self.error = error


class Storage(Struct):
    """The files, blobs and streams of one command.

    `settings` name the login, `run` runs a coroutine to its end, `prompt` shows how to sign in, and `busy` shows
    progress.
    """

    settings: Settings
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    prompt: Callable[[str], None] = lambda text: None
    busy: Callable[[str, str], AbstractContextManager[None]] = lambda verb, text: nullcontext()
    _accounts: dict[str, "BlobAccountOptions"] = field(default_factory=dict)
    _signed_in: "ScanLogin | None" = None

    def check(self, names: Iterable[tuple[str, str]]) -> None:
        """Check that each blob can be written, from pairs (name, source). Raise UserError for one that cannot.

        For a stream only the login is checked, because nothing but rows shows whether they are accepted.
        """
        for name, at in names:
            if is_log_stream(name):
                self._check_stream(name, at)
            elif is_blob(name):
                account, blob = self._blob(name, at)
                with self.busy("Storing", f"checking write access to {name}"):
                    self.run(_check(account, blob))

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file that becomes `name` when it is complete.

        Raises OSError where the file cannot be written, and UploadError where the blob cannot be put, or the rows of a
        stream cannot be sent.
        """
        if is_log_stream(name):
            return self._writing_stream(name)
        return self._writing_blob(name) if is_blob(name) else AtomicFile(Path(name))

    @contextmanager
    def _writing_blob(self, name: str) -> Iterator[IO[bytes]]:
        with temporary_folder() as folder:
            local = folder / (Path(name).name or "result")
            with local.open("w+b") as file:
                yield file
                file.flush()
                account, blob = self._blob(name, name)
                try:
                    self._put(account, blob, name, file)
                except UserError as error:
                    raise UploadError(_not_stored(name, error, _kept(local))) from error

    def _check_stream(self, name: str, at: str) -> None:
        from scanner.azure.log_ingestion import check

        with self.busy("Storing", f"signing in for {name}"):
            self.run(check(parse_log_stream(name, at), self._login()))

    @contextmanager
    def _writing_stream(self, name: str) -> Iterator[IO[bytes]]:
        from scanner.azure.log_ingestion import send

        with temporary_folder() as folder:
            local = folder / "rows.jsonl"
            with local.open("w+b") as file:
                yield file
                file.seek(0)
                rows = sum(1 for _ in file)
                file.seek(0)
                try:
                    with self.busy("Sending", f"{rows:,} rows to {name}"):
                        self.run(send(parse_log_stream(name, name), self._login(), file))
                except UserError as error:
                    raise UploadError(_not_sent(name, error, rows, _kept(local))) from error

    def _put(self, account: "BlobAccountOptions", blob: "Blob", name: str, file: IO[bytes]) -> None:
        size = file.tell()
        file.seek(0)
        with self.busy("Storing", f"{name}, {size / 1e6:,.1f} MB"):
            self.run(_put(account, blob, file, size, media_type(name)))

    @contextmanager
    def reading(self, name: str, at: str) -> Iterator[Path]:
        """Give a local path to read `name` from. Errors raised inside name the blob, not its local copy."""
        if not is_blob(name):
            refuse_other_urls(name, at)
            yield Path(name)
            return
        account, blob = self._blob(name, at)
        with temporary_folder() as folder:
            local = folder / Path(name).name
            with local.open("wb") as file, self.busy("Fetching", name):
                self.run(_get(account, blob, file))
            try:
                yield local
            except UserError as error:
                error.what = error.what.replace(str(local), name)
                error.at, error.do = error.at.replace(str(local), name), error.do.replace(str(local), name)
                raise

    def names(self, folder: str, prefix: str = "") -> list[str]:
        """Return the names in a folder, or directly below `az://container/path`, that begin with `prefix`.

        A folder that does not exist has none, and a file that is being written is none.
        """
        if is_blob(folder):
            account, blob = self._blob(folder, folder)
            start = f"{blob.path}/"
            value = self.run(_names(account, replace(blob, path=start + prefix)))
            return [name.removeprefix(start) for name in value]
        try:
            with os.scandir(folder) as entries:
                return [each.name for each in entries if each.name.startswith(prefix) and not each.name.startswith(".")]
        except FileNotFoundError:
            return []

    def _blob(self, name: str, at: str) -> tuple["BlobAccountOptions", "Blob"]:
        from scanner.azure.blobs import Blob

        blob_name = parse_blob_name(name, at)
        if blob_name.account not in self._accounts:
            self._accounts[blob_name.account] = self._account(blob_name, at)
        return self._accounts[blob_name.account], Blob(blob_name.container, blob_name.path, at)

    def _account(self, blob_name: BlobName, at: str) -> "BlobAccountOptions":
        from scanner.azure.blobs import BlobAccountOptions

        connection = "" if blob_name.account else self.environ.get(CONNECTION, "")
        login = self._login()
        own = "" if connection else endpoint(blob_name.account, self.environ, login.cloud, login.arm_endpoint, at)
        return BlobAccountOptions(own, connection, login)

    def _login(self) -> "ScanLogin":
        """Return the login of the scan: one for all accounts and streams, so that one sign-in is enough."""
        from scanner.azure.credentials import ScanLogin

        if self._signed_in is None:
            self._signed_in = ScanLogin(
                auth=self._option("auth", "default"),
                tenant=self._option("tenant"),
                cloud=self._option("cloud", "public"),
                arm_endpoint=self._option("arm-endpoint"),
                arm_audience=self._option("arm-audience"),
                prompt=self.prompt,
            )
        return self._signed_in

    def _option(self, name: str, default: str = "") -> str:
        value = self.settings.options.get(name)
        return str(value.value) if value is not None and value.value else default


def endpoint(account: str, environ: Mapping[str, str], cloud: str, arm_endpoint: str, at: str) -> str:
    """Return the https origin of the storage account that a name or the environment names.

    Raises InputError where none is named, and for a host that is not Azure's, because a token is sent there. Only
    AZURE_STORAGE_SERVICE_ENDPOINT may name another host.
    """
    from scanner.azure.blobs import OTHERS, SUFFIXES
    from scanner.azure.clouds import origin

    own = environ.get(ENDPOINT, "").rstrip("/")
    name = account or environ.get(ACCOUNT, "").lower()
    if own and not account:
        if not own.lower().startswith("https://") or not origin(own):
            raise InputError(
                f"{ENDPOINT} is not an https address", at=ENDPOINT, do=f"https://NAME.{SUFFIXES['public']}"
            )
        return own
    if not name:
        raise InputError("no storage account is set", at=at, do=f"export {ACCOUNT}=NAME")
    if "." in name:
        if not _HOST.fullmatch(name) or not name.endswith(
            tuple(f".{suffix}" for suffix in (*SUFFIXES.values(), *OTHERS))
        ):
            raise InputError(
                f"{name} is not the host of a storage account",
                at=at,
                do=f"write the name of the account, or set {ENDPOINT} for your own host",
            )
        return f"https://{name}"
    if not _ACCOUNT.fullmatch(name):
        where = at if account else ACCOUNT
        raise InputError(
            f'invalid storage account name "{name}"', at=where, do="use 3 to 24 lowercase letters and digits"
        )
    return f"https://{name}.{SUFFIXES[_storage_cloud(cloud, arm_endpoint, at)]}"


def _storage_cloud(cloud: str, arm_endpoint: str, at: str) -> str:
    """Return the cloud whose storage hosts belong to an ARM endpoint. Raise InputError where it is not known."""
    from scanner.azure.clouds import CLOUDS, origin

    known = next((each.name for each in CLOUDS.values() if arm_endpoint and each.host == origin(arm_endpoint)), cloud)
    if arm_endpoint and known == cloud and CLOUDS[known].host != origin(arm_endpoint):
        raise InputError(f"the storage endpoint for {arm_endpoint} is unknown", at=at, do=f"set {ENDPOINT}")
    return known


def _kept(local: Path) -> Path:
    """Return the path of a result that was not uploaded, moved to a folder that no later run removes."""
    kept = Path(tempfile.mkdtemp(prefix="twolocks-unsent-")) / local.name
    try:
        return local.rename(kept)
    except PermissionError:  # Windows does not rename an open file
        return Path(shutil.copyfile(local, kept))


def _not_stored(name: str, error: UserError, local: Path) -> UserError:
    return InputError(
        f"{name} was not stored: {error.what}; an existing blob is unchanged",
        at=error.at,
        do=f"{error.do + ', then' if error.do else 'fix it, then'} upload the local copy {local}",
    )


def _not_sent(name: str, error: UserError, rows: int, local: Path) -> UserError:
    sent = getattr(error, "sent", 0)
    return InputError(
        f"{sent:,} of {rows:,} rows were sent to {name}: {error.what}; the rows are kept in {local}",
        at=error.at,
        do=f"{error.do + ', then' if error.do else 'fix it, then'} send all again: queries count a row once",
    )


async def _check(account: "BlobAccountOptions", blob: "Blob") -> None:
    from scanner.azure.blobs import open_account

    async with open_account(account) as blobs:
        await blobs.check(blob)


async def _put(account: "BlobAccountOptions", blob: "Blob", file: IO[bytes], size: int, media_type: str) -> None:
    from scanner.azure.blobs import open_account

    async with open_account(account) as blobs:
        await blobs.put(blob, file, size, media_type)


async def _names(account: "BlobAccountOptions", blob: "Blob") -> list[str]:
    from scanner.azure.blobs import open_account

    async with open_account(account) as blobs:
        return await blobs.names(blob)


async def _get(account: "BlobAccountOptions", blob: "Blob", file: IO[bytes]) -> None:
    from scanner.azure.blobs import open_account

    async with open_account(account) as blobs:
        await blobs.get(blob, file)
