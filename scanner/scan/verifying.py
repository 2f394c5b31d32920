"""Reads the snapshot that `--from` names, with its signature where `--verify` names a key."""

from pathlib import Path

from scanner.config.settings import Settings
from scanner.output.storage import Storage
from scanner.snapshot import files
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.signature import SUFFIX, Verifier, signature


def read_verified(storage: Storage | None, settings: Settings, path: Path, verifier: Verifier | None) -> Snapshot:
    """Return the snapshot in `path`, a file or the local copy of a blob. Raises InputError where it is not signed."""
    if verifier is None or storage is None:
        return files.read(path, accept_version_1=settings["accept-version-1"])
    name, at = f"{settings['from']}{SUFFIX}", settings.at("verify", settings["verify"])
    with storage.reading(name, at) as beside:
        result = signature(verifier, beside, name, at)
    return files.read(path, result, accept_version_1=settings["accept-version-1"])
