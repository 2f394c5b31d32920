"""Which settings file a command uses: the named one, else the user's own, else the one of the current folder."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scanner.errors import InputError

FILE = "twolocks.toml"


@dataclass(frozen=True, slots=True)
class SettingsPlace:
    """A settings file. `by`: the option or variable that names it, else "settings"; `how`: the same, for people.

    `trusted`: all of its settings count. `unused`: the file of the current folder, where another one is used.
    """

    path: Path
    by: str
    how: str
    trusted: bool = True
    unused: Path | None = None

    def __str__(self) -> str:
        more = f"; not used: {self.unused} in this folder" if self.unused is not None else ""
        return f"{self.path} ({self.how}){more}"


def named(path: Path, by: str) -> SettingsPlace:
    """Return the place of a file that an option or a variable names."""
    return SettingsPlace(path, by, f"named by {by}")


def usual(folder: Path, environ: Mapping[str, str]) -> SettingsPlace | None:
    """Return the user's own settings file, else that of `folder`, None without one.

    Raise InputError for a file of the user's own folder that others can write.
    """
    there = folder / FILE if str(folder) != "." else Path(FILE)
    found = there if _is_file(there) else None
    own = own_folder(environ)
    if own is not None and _is_file(own / FILE):
        _check_owner(own / FILE)
        unused = found if found is not None and found.resolve() != (own / FILE).resolve() else None
        return SettingsPlace(own / FILE, "settings", "the user's own", unused=unused)
    return SettingsPlace(found, "settings", "found in this folder", trusted=False) if found is not None else None


def own_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the user's configuration folder: %APPDATA%, XDG_CONFIG_HOME (if absolute), ~/.config; None without one."""
    if os.name == "nt":
        bases = [Path(environ.get("APPDATA", ""))]
    else:
        bases = [Path(environ.get("XDG_CONFIG_HOME", "")), Path(environ.get("HOME", ""), ".config")]
    return next((base / "twolocks" for base in bases if base.is_absolute()), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _check_owner(path: Path) -> None:
    """Raise InputError unless only the user (or root) can write to the file and to its folder.

    Windows is not checked, because %APPDATA% is private by its access control list.
    """
    if os.name == "nt":
        return
    file = path.resolve()
    for each in dict.fromkeys((path.parent, file.parent, file)):
        found = each.stat()
        if found.st_uid not in (os.geteuid(), 0):
            do = f"chown it, or name a settings file: --config {path}"
            raise InputError(f"{each} belongs to another user, so it is not used", at=str(path), do=do)
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise InputError(f"others can write to {each}, so it is not used", at=str(path), do=f"chmod go-w {each}")
