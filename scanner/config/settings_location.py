"""Which settings file a command uses: the named one, else the user's own, else the one of the current folder."""

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from msgspec import Struct

from scanner.errors import InputError

FILE = "twolocks.toml"


class SettingsLocation(Struct, frozen=True):
    """A settings file."""

    path: Path
    by: str
    """The option or variable that names it, else "settings"."""
    how: str
    """The same, for people."""
    trusted: bool = True
    """All of its settings count."""
    unused: Path | None = None
    """The file of the current folder, where another one is used."""

    def __str__(self) -> str:
        more = f"; not used: {self.unused} in this folder" if self.unused is not None else ""
        return f"{self.path} ({self.how}){more}"


def named(path: Path, by: str) -> SettingsLocation:
    """Return the place of a file that an option or a variable names."""
    return SettingsLocation(path, by, f"named by {by}")


def usual(folder: Path, environ: Mapping[str, str]) -> SettingsLocation | None:
    """Return the user's own settings file, else that of `folder`, None without one.

    Raise InputError for a file of the user's own folder that others can write.
    """
    there = folder / FILE if str(folder) != "." else Path(FILE)
    path = there if _is_file(there) else None
    folder_of_user = user_folder(environ, sys.platform)
    mine = Path(folder_of_user / FILE) if folder_of_user is not None else None
    if mine is not None and _is_file(mine):
        _check_owner(mine)
        unused = path if path is not None and path.resolve() != mine.resolve() else None
        return SettingsLocation(mine, "settings", "the user's own", unused=unused)
    return SettingsLocation(path, "settings", "found in this folder", trusted=False) if path is not None else None


def user_folder(environ: Mapping[str, str], platform: str) -> PurePath | None:
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
    default = "Library/Caches" if platform == "darwin" else ".cache"
    return _folder(environ, PurePosixPath, "XDG_CACHE_HOME", "HOME", default)


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
        stat_result = each.stat()
        if stat_result.st_uid not in (os.geteuid(), 0):
            do = f"chown it, or name a settings file: --config {path}"
            raise InputError(f"{each} belongs to another user, so it is not used", at=str(path), do=do)
        if stat_result.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise InputError(f"others can write to {each}, so it is not used", at=str(path), do=f"chmod go-w {each}")
