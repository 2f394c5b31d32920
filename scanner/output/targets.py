"""The targets of `--out`: files, blobs, streams of Log Analytics and standard output.

Their checks, and the error where one cannot be written.
"""

import errno
import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path

from msgspec import Struct

from scanner.errors import InputError, nearest
from scanner.output.formats import FORMATS, LOG_ROWS, Format, format_of
from scanner.output.log_analytics import is_log_stream, parse_log_stream
from scanner.output.storage import UploadError, is_blob, is_remote, parse_blob_name, refuse_other_urls

STDOUT = "-"


class OutputTarget(Struct, frozen=True):
    """The value of one `--out`: a name and the suffix of its format; both are `-` for standard output."""

    name: str
    format: str


def parse_targets(
    names: Iterable[str], at: Callable[[str, object], str], formats: Sequence[Format] = FORMATS, format: str = ""
) -> tuple[OutputTarget, ...]:
    """Return the target of each name, once each. `at` returns the source of an option, for errors.

    `format`: the suffix of a format without its dot, which then counts in place of those of the names; without a name
    JSON goes to standard output. Raises InputError for a suffix of no format, and for a folder that does not exist.
    """
    names = list(dict.fromkeys(names))
    if format and format != "json" and (not names or STDOUT in names):
        what = f"{format} is not written to standard output; nothing was read"
        raise InputError(what, at=at("format", format), do=f"add --out FILE.{format}")
    if format and not names:
        names = [STDOUT]
    return tuple(_parse_target(name, at("out", name), formats, format) for name in names)


def _parse_target(name: str, at: str, formats: Sequence[Format], format: str) -> OutputTarget:
    if name == STDOUT:
        return OutputTarget(name, STDOUT)
    if is_log_stream(name) and formats is FORMATS:
        check_package(LOG_ROWS, at)
        parse_log_stream(name, at)
        return OutputTarget(name, LOG_ROWS.suffix)
    refuse_other_urls(name, at)
    result = format_of(f".{format}" if format else name, formats)
    if result is None:
        if is_blob(name) and "?" in name:
            parse_blob_name(name, at)
        raise _unknown_suffix(Path(name).suffix, at, [each.suffix for each in formats])
    check_target(name, at)
    check_package(result, at)
    return OutputTarget(name, result.suffix)


def check_package(format: Format, at: str) -> None:
    """Raise InputError where the writer of a format needs a package that is not installed, or does not load."""
    try:
        if format.package:
            import_module(format.package)
    except ImportError:
        raise InputError(
            f"{format.suffix.rstrip(':')} needs {format.package}, which is not installed; nothing was read",
            at=at,
            do=f"pip install 'twolocks[{format.extra}]'",
        ) from None


def _unknown_suffix(suffix: str, at: str, known: Sequence[str]) -> InputError:
    near = nearest(suffix, known, 1)
    return InputError(
        f"unknown suffix {suffix}; nothing was read" if suffix else "the name has no suffix; nothing was read",
        at=at,
        do=(f"nearest: {near[0]}; " if near else "") + f"known: {' '.join(known)}, or - for JSON",
    )


def check_target(name: str, at: str) -> None:
    """Raise InputError if `name` is not a valid blob name, or a file cannot be written there."""
    if is_blob(name):
        parse_blob_name(name, at)
    else:
        check_folder(Path(name), at)


def check_folder(path: Path, at: str) -> None:
    """Raise InputError if a file cannot be written at a path."""
    if not path.parent.is_dir():
        raise InputError(
            f"folder {path.parent} does not exist; nothing was read",
            at=at,
            do=f"mkdir -p {shlex.quote(str(path.parent))}",
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; nothing was read", at=at, do="give the path of a file in it")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"folder {path.parent} is not writable; nothing was read", at=at)


def refuse_inputs(outputs: Iterable[tuple[str, str]], inputs: Iterable[tuple[str, str]]) -> None:
    """Raise InputError where an output is an input too, or another output: pairs of a name and its source.

    Compares files, so that links and other spellings of a name are found; blobs by name.
    """
    known = [(name, at) for name, at in inputs if name and name != STDOUT]
    for name, at in outputs:
        if not name or name == STDOUT:
            continue
        for other, source in known:
            if _same_file(name, other):
                raise InputError(f"{name} is also {source}; nothing was read", at=at, do="give another name")
        known.append((name, at))


def _same_file(one: str, other: str) -> bool:
    if is_remote(one) or is_remote(other):
        return one.lower() == other.lower()
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return os.path.realpath(one) == os.path.realpath(other)


class WriteError(InputError):
    """An output that could not be written. `name` is its name; the file or blob of that name is unchanged."""

    name = ""


def write_error(name: str, error: OSError, wrote: Sequence[str], source: str | None = None) -> WriteError:
    """Return the error for an output that could not be written.

    `wrote` names the outputs that were written. `source` is the findings file that the output can be made of.
    """
    if isinstance(error, UploadError):
        result = WriteError(error.error.what, at=error.error.at, do=error.error.do)
    else:
        source = source or next((each for each in wrote if each.endswith(".json")), None)
        again = f"twolocks report {source} --out {name}" if source else "scan again"
        result = _file_error(Path(name), error, wrote, again)
    result.name = name
    return result


def _file_error(path: Path, error: OSError, wrote: Sequence[str], again: str) -> WriteError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    old = "; the old one is unchanged" if path.exists() else ""
    written = f", {', '.join(wrote)} {'was' if len(wrote) == 1 else 'were'} written" if wrote else ""
    what = f"no space left for {path.name}" if full else f"{path.name} cannot be written: {error.strerror}"
    return WriteError(
        f"{what}{old}{written}",
        at=f"{path.parent}{_free_space(path.parent) if full else ''}",
        do=f"{'free space' if full else 'fix it'}, then: {again}",
    )


def _free_space(folder: Path) -> str:
    try:
        return f" ({shutil.disk_usage(folder).free / 1e6:.1f} MB free)"
    except OSError:
        return ""
