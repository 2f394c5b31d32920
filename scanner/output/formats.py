"""Where results go: the outputs by their suffixes, and what is said of one that cannot be written."""

import errno
import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scanner.errors import InputError, nearest
from scanner.output.storage import Unstored, is_blob, no_other_url, place

FORMATS = (".html", ".json", ".csv", ".md", ".sarif", ".junit.xml")
STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Out:
    """One `--out`: a path and its format, or standard output."""

    name: str
    format: str

    @property
    def path(self) -> Path:
        return Path(self.name)


def outputs(names: Iterable[str], at: Callable[[str, object], str], known: Sequence[str] = FORMATS) -> tuple[Out, ...]:
    """The outputs by their suffixes. Raises InputError for an unknown one, and for a folder that is not there."""
    return tuple(_output(name, at("out", name), known) for name in dict.fromkeys(names))


def _output(name: str, at: str, known: Sequence[str]) -> Out:
    if name == STDOUT:
        return Out(name, STDOUT)
    no_other_url(name, at)
    found = next((suffix for suffix in known if name.lower().endswith(suffix)), None)
    if found is None:
        if is_blob(name) and "?" in name:
            place(name, at)
        suffix = Path(name).suffix
        near = nearest(suffix, known, 1)
        raise InputError(
            f"no format has the suffix {suffix}; nothing was read"
            if suffix
            else "this name has no suffix; nothing was read",
            at=at,
            do=(f"nearest: {near[0]}; " if near else "") + f"known: {' '.join(known)}, or - for JSON",
        )
    ready(name, at)
    return Out(name, found)


def ready(name: str, at: str) -> None:
    """Raises InputError where `name` can be no result: a blob's name is wrong, or a file could not be written there."""
    if is_blob(name):
        place(name, at)
    else:
        folder(Path(name), at)


def folder(path: Path, at: str) -> None:
    """Raises InputError where a file could not be written there."""
    if not path.parent.is_dir():
        raise InputError(
            f"there is no folder {path.parent}; nothing was read", at=at, do=f"mkdir -p {shlex.quote(str(path.parent))}"
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; nothing was read", at=at, do="name a file in it")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"the folder {path.parent} cannot be written; nothing was read", at=at)


class Unwritable(InputError):
    """A file that could not be written; the old one is as before."""

    what_file = ""


def unwritable(name: str, error: OSError, wrote: Sequence[str], source: str | None = None) -> Unwritable:
    """The error for a file that could not be written; `source` is the findings file that it can be made of."""
    if isinstance(error, Unstored):
        found = Unwritable(error.told.what, at=error.told.at, do=error.told.do)
        found.what_file = name
        return found
    path = Path(name)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    old = "; the old one is as before" if path.exists() else ""
    written = f", {', '.join(wrote)} {'was' if len(wrote) == 1 else 'were'} written" if wrote else ""
    what = f"no space left for {path.name}" if full else f"{path.name} cannot be written: {error.strerror}"
    source = source or next((each for each in wrote if each.endswith(".json")), None)
    again = f"twolocks report {source} --out {name}" if source else "scan again"
    found = Unwritable(
        f"{what}{old}{written}",
        at=f"{path.parent}{_free(path.parent) if full else ''}",
        do=f"{'free space' if full else 'mend it'}, then: {again}",
    )
    found.what_file = name
    return found


def _free(folder: Path) -> str:
    try:
        return f" ({shutil.disk_usage(folder).free / 1e6:.1f} MB free)"
    except OSError:
        return ""
