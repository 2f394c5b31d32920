"""Where results go, and where they are read from: a file beside its place, or a blob, `az://container/path`.

A blob is made as a file first and put in one go when it is whole, so that an interrupted upload changes nothing.
"""

import os
import re
import tempfile
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scanner.config.settings import Settings, masked
from scanner.document.writer import AtomicFile
from scanner.errors import InputError, UserError

if TYPE_CHECKING:
    from scanner.azure.blobs import Blob, BlobAccountOptions

AZ = "az://"
ACCOUNT, CONNECTION, ENDPOINT = (
    "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SERVICE_ENDPOINT",
)  # fmt: skip
"""Variables, named as the Azure CLI and adlfs name them."""

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".sarif": "application/sarif+json",
    ".xml": "application/xml",
    ".jsonl": "application/x-ndjson",
    ".gz": "application/gzip",
    ".zst": "application/zstd",
}
_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_URL = re.compile(r"(?i)[a-z][a-z0-9+.-]*://")
_NAME_A_BLOB = f"write az://CONTAINER/PATH, and set {ACCOUNT}"


def is_blob(name: object) -> bool:
    """Whether a name is one of a blob."""
    return str(name).lower().startswith(AZ)


def no_other_url(name: str, at: str) -> None:
    """Raises InputError, and keeps what may be a signature to itself, where a name is a URL, but not one of a blob."""
    if _URL.match(name) and not is_blob(name):
        raise InputError("a file or a blob can be named here, no other URL", at=masked(at), do=_NAME_A_BLOB)


def beside(name: str, folder: Path) -> str:
    """A name of a settings file, which starts from its folder; `-` and blobs stay as they are."""
    return name if name == "-" or is_blob(name) else str(folder / name)


@dataclass(frozen=True, slots=True)
class Place:
    """What a blob's name says. `account` is a name or a host, "" where the environment says it."""

    container: str
    path: str
    account: str = ""


def place(name: str, at: str) -> Place:
    """`az://container/path` or `az://container@account/path`. Raises InputError for anything else."""
    known = _NAME_A_BLOB
    head, _, path = name[len(AZ) :].partition("/")
    container, _, account = head.partition("@")
    if "?" in name or "#" in name:
        raise InputError(
            "a blob's name holds no ? and no #: keys and signatures are never on the command line", do=known
        )
    if not _CONTAINER.fullmatch(container):
        raise InputError(f'no container can be called "{container}"', at=at, do=known)
    if not path or path.endswith(("/", ".")) or len(path) > 1024 or not path.isprintable():
        raise InputError("this names a container and no blob in it", at=at, do=known)
    return Place(container, path, account.lower())


class Unstored(OSError):
    """A blob that could not be put; `told` says what was done with what it should hold."""

    def __init__(self, told: UserError) -> None:
        super().__init__(told.what)
        self.told = told


@dataclass(slots=True)
class Storage:
    """Files and blobs of one command. `settings` say who signs in, `run` runs a coroutine to its end.

    `parts` are files that go away if the command ends at once.
    """

    settings: Settings
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    tell: Callable[[str], None] = lambda text: None
    busy: Callable[[str, str], AbstractContextManager[None]] = lambda verb, says: nullcontext()
    parts: list[Path] = field(default_factory=list)
    _doors: dict[str, "BlobAccountOptions"] = field(default_factory=dict)

    def check(self, names: Iterable[tuple[str, str]]) -> None:
        """That each blob of (name, how it was given) can be put. Raises a UserError before anything is read."""
        for name, at in names:
            if is_blob(name):
                door, blob = self._at(name, at)
                with self.busy("Storing", f"checks that {name} can be written"):
                    self.run(_check(door, blob))

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file that becomes `name` when it is whole. Raises OSError; where a blob cannot be put, Unstored."""
        if not is_blob(name):
            with AtomicFile(Path(name)) as file:
                yield file
            return
        folder = Path(tempfile.mkdtemp(prefix="twolocks-"))
        local = folder / (Path(name).name or "result")
        self.parts.append(local)
        kept = False
        try:
            with local.open("w+b") as file:
                yield file
                file.flush()
                size = file.tell()
                file.seek(0)
                door, blob = self._at(name, name)
                try:
                    with self.busy("Storing", f"{name}, {size / 1e6:,.1f} MB"):
                        self.run(_put(door, blob, file, size, kind(name)))
                except UserError as error:
                    kept = True
                    raise Unstored(_unstored(name, error, local)) from error
        finally:
            self.parts.remove(local)
            if not kept:
                local.unlink(missing_ok=True)
                folder.rmdir()

    @contextmanager
    def reading(self, name: str, at: str) -> Iterator[Path]:
        """A path to read `name` from, while it lasts. Errors that are raised meanwhile name the blob, not the copy."""
        if not is_blob(name):
            no_other_url(name, at)
            yield Path(name)
            return
        door, blob = self._at(name, at)
        with tempfile.TemporaryDirectory(prefix="twolocks-") as folder:
            local = Path(folder) / Path(name).name
            with local.open("wb") as file, self.busy("Fetching", name):
                self.run(_get(door, blob, file))
            try:
                yield local
            except UserError as error:
                error.what = error.what.replace(str(local), name)
                error.at, error.do = error.at.replace(str(local), name), error.do.replace(str(local), name)
                raise

    def _at(self, name: str, at: str) -> tuple["BlobAccountOptions", "Blob"]:
        from scanner.azure.blobs import Blob

        found = place(name, at)
        if found.account not in self._doors:
            self._doors[found.account] = self._door(found, at)
        return self._doors[found.account], Blob(found.container, found.path, at)

    def _door(self, found: Place, at: str) -> "BlobAccountOptions":
        from scanner.azure.blobs import BlobAccountOptions

        def option(name: str, default: str = "") -> str:
            value = self.settings.options.get(name)
            return str(value.value) if value is not None and value.value else default

        connection = "" if found.account else self.environ.get(CONNECTION, "")
        cloud, arm = option("cloud", "public"), option("arm-endpoint")
        return BlobAccountOptions(
            endpoint="" if connection else endpoint(found.account, self.environ, cloud, arm, at),
            connection=connection,
            auth=option("auth", "default"),
            tenant=option("tenant"),
            cloud=cloud,
            arm_endpoint=arm,
            prompt=self.tell,
        )


def endpoint(account: str, environ: Mapping[str, str], cloud: str, arm_endpoint: str, at: str) -> str:
    """The https origin of the account that a name or the environment says. Raises InputError for none, and for others.

    A token goes there, so a host must be one of Azure's; any other is named by AZURE_STORAGE_SERVICE_ENDPOINT alone.
    """
    from scanner.azure.blobs import OTHERS, SUFFIXES
    from scanner.azure.clouds import CLOUDS, origin

    own = environ.get(ENDPOINT, "").rstrip("/")
    name = account or environ.get(ACCOUNT, "").lower()
    if own and not account:
        if not own.lower().startswith("https://") or not origin(own):
            raise InputError(f"{ENDPOINT} is no https address", at=ENDPOINT, do=f"https://NAME.{SUFFIXES['public']}")
        return own
    if not name:
        raise InputError("nothing says in which storage account", at=at, do=f"export {ACCOUNT}=NAME")
    if "." in name:
        if not name.endswith(tuple(f".{suffix}" for suffix in (*SUFFIXES.values(), *OTHERS))):
            raise InputError(
                f"{name} is no host of a storage account",
                at=at,
                do=f"write the account's name, or set {ENDPOINT} where it is yours",
            )
        return f"https://{name}"
    if not _ACCOUNT.fullmatch(name):
        where = at if account else ACCOUNT
        raise InputError(f'no storage account can be called "{name}"', at=where, do="3 to 24 small letters and digits")
    known = next((each.name for each in CLOUDS.values() if arm_endpoint and each.host == origin(arm_endpoint)), cloud)
    if arm_endpoint and known == cloud and CLOUDS[known].host != origin(arm_endpoint):
        raise InputError(f"where accounts of {arm_endpoint} answer is not known", at=at, do=f"set {ENDPOINT}")
    return f"https://{name}.{SUFFIXES[known]}"


def kind(name: str) -> str:
    """The content type of a result, by its suffix."""
    return KINDS.get(Path(name).suffix.lower(), "application/octet-stream")


def _unstored(name: str, error: UserError, local: Path) -> UserError:
    return InputError(
        f"{name} was not stored: {error.what}; what stood there is as before",
        at=error.at,
        do=f"{error.do + ', then' if error.do else 'mend it, then'} upload {local}, where it was kept",
    )


async def _check(door: "BlobAccountOptions", blob: "Blob") -> None:
    from scanner.azure.blobs import open_account

    async with open_account(door) as blobs:
        await blobs.check(blob)


async def _put(door: "BlobAccountOptions", blob: "Blob", file: IO[bytes], size: int, kind: str) -> None:
    from scanner.azure.blobs import open_account

    async with open_account(door) as blobs:
        await blobs.put(blob, file, size, kind)


async def _get(door: "BlobAccountOptions", blob: "Blob", file: IO[bytes]) -> None:
    from scanner.azure.blobs import open_account

    async with open_account(door) as blobs:
        await blobs.get(blob, file)
