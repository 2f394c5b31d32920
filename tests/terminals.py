"""Runs the command line in this process, as a person or a scheduler would, and keeps what it printed."""

import gc
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.cli.app import main
from scanner.model.index import INDEX_TYPES
from scanner.rulebook.loader import load
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from scanner.terminal.streams import Output

SUB = "3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4f"
GROUP = f"/subscriptions/{SUB}/resourceGroups/rg-journal"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
TAKEN = "2026-11-25T02:00:00Z"
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME")


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def last(self) -> list[str]:
        return self.err.splitlines()


class _Stream(Output):
    """Standard output or error as a process has it; `tty` makes it a terminal."""

    def __init__(self, tty: bool) -> None:
        self.raw_bytes = io.BytesIO()
        super().__init__(self.raw_bytes, "utf-8", write_through=True)
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty

    def text(self) -> str:
        return self.raw_bytes.getvalue().decode()


def twolocks(*words: object, env: Mapping[str, str] | None = None, tty: bool = False) -> Ended:
    """Run a command with a clean environment; `tty`: as on a terminal."""
    out, err = _Stream(tty), _Stream(tty)
    thresholds = gc.get_threshold()
    env = {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "90", "LINES": "24", **(env or {})} if tty else env
    code = 0
    with _environment(env or {}), redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            gc.set_threshold(*thresholds)
    return Ended(code, out.text(), err.text())


@contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    kept = {name: before[name] for name in KEPT if name in before}
    try:
        os.environ.clear()
        os.environ.update(kept | dict(env))
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def files(folder: str = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def account(name: str, **properties: Any) -> dict[str, Any]:
    return {
        "id": f"{STORAGE}/{name}",
        "name": name,
        "type": "Microsoft.Storage/storageAccounts",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "location": "norwayeast",
        "properties": {"supportsHttpsTrafficOnly": True, **properties},
    }


def closed(name: str) -> dict[str, Any]:
    """An account without public network and without keys; nothing below it is then needed for a lock."""
    return account(
        name,
        allowBlobPublicAccess=False,
        allowSharedKeyAccess=False,
        publicNetworkAccess="Disabled",
        minimumTlsVersion="TLS1_2",
        networkAcls={"defaultAction": "Deny", "bypass": "None", "ipRules": [], "virtualNetworkRules": []},
    )


def listed(store: Store) -> None:
    """The read of each list that a collection of the subscription makes."""
    types = {type for kind in load(packages=False).kinds for type in kind.types if type.count("/") == 1}
    for type in sorted(types | set(INDEX_TYPES)):
        store.read(f"/subscriptions/{SUB}/providers/{type}", 0, "list")


def snapshot(path: Path, *bodies: dict[str, Any], view: str = "full", gaps: tuple[str, ...] = ()) -> Path:
    """A snapshot file of these resources, read with nothing below them."""
    store = Store(Header(taken=TAKEN, tool="twolocks test", principal="kari", scopes=[SUB]))
    store.scope(SUB, "prod-journal", "agency.example", view)
    listed(store)
    for body in bodies:
        store.resource(body, "2025-08-01", "list")
    for url in gaps:
        store.gap(url, 403, "AuthorizationFailed", "Microsoft.Storage/storageAccounts/read")
    store.write(path)
    return path


__all__ = ["GROUP", "STORAGE", "SUB", "Ended", "account", "closed", "files", "listed", "snapshot", "twolocks"]
