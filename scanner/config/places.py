"""Which settings file a command uses: the named one, else the user's own, else the one of the current folder."""

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from msgspec import Struct

from scanner.errors import InputError

FILE = "twolocks.toml"


class SettingsPlace(Struct, frozen=True):
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
    own = own_folder(environ, sys.platform)
    mine = Path(own / FILE) if own is not None else None
    if mine is not None and _is_file(mine):
        _check_owner(mine)
        unused = found if found is not None and found.resolve() != mine.resolve() else None
        return SettingsPlace(mine, "settings", "the user's own", unused=unused)
    return SettingsPlace(found, "settings", "found in this folder", trusted=False) if found is not None else None


def own_folder(environ: Mapping[str, str], platform: str) -> PurePath | None:
    """Return the user's configuration folder on a platform of `sys.platform`; None without an absolute one.

    Windows: %APPDATA%, else AppData\\Roaming of the profile. Others, macOS too: XDG_CONFIG_HOME, else ~/.config.
    """
    if platform == "win32":
        return _folder(environ, PureWindowsPath, "APPDATA", "USERPROFILE", "AppData/Roaming")
    return _folder(environ, PurePosixPath, "XDG_CONFIG_HOME", "HOME", ".config")


def cache_folder(environ: Mapping[str, str], platform: str) -> PurePath | None:
    """Return the user's cache folder on a platform of `sys.platform`; None without an absolute one.

    Windows: %LOCALAPPDATA%, else AppData\\Local of the profile. Others: XDG_CACHE_HOME, else ~/Library/Caches (macOS)
    or ~/.cache.
    """
    if platform == "win32":
        return _folder(environ, PureWindowsPath, "LOCALAPPDATA", "USERPROFILE", "AppData/Local")
    own = "Library/Caches" if platform == "darwin" else ".cache"
    return _folder(environ, PurePosixPath, "XDG_CACHE_HOME", "HOME", own)


def _folder(environ: Mapping[str, str], path: type[PurePath], named: str, home: str, below: str) -> PurePath | None:
    """Return the folder of Twolocks in the one that a variable names, else in a folder below the home."""
    bases = (path(environ.get(named, "")), path(environ.get(home, "")) / below)
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
