"""Reads secrets of notifications and tenants: from variables, or from files that the user names."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from scanner.config.channels import FILE_SUFFIX, SECRET
from scanner.errors import InputError, nearest

MOST_BYTES = 64 << 10
"""The number of bytes to read of a file with a secret."""
VARIABLE = re.compile(rf"{SECRET}[A-Z0-9_]*[A-Z0-9](?<!{FILE_SUFFIX})")
"""The name of a variable with a secret."""


class SecretFile(Struct, frozen=True):
    """A file with a secret that the user named, and the option that names it."""

    path: str
    at: str


class Secret(Struct, frozen=True):
    """A secret that a settings file asks for."""

    owner: str
    """What needs it, for errors (`notification "ops"`)."""
    word: str
    """What it is."""
    variable: str
    at: str
    """`file:line` of its owner."""


def new_name(name: str) -> str:
    """Return the variable of a secret, from the name of an old variable or of what needs it."""
    plain = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_").removesuffix(FILE_SUFFIX)
    return plain if plain.startswith(SECRET) else f"{SECRET}{plain or 'NAME'}"


def secret_files(given: Iterable[str], known: Collection[str], at: Callable[[str], str]) -> dict[str, SecretFile]:
    """Return the files of `--secret-file NAME=PATH` by the variables that they stand for.

    `known`: the variables that the settings name. `at` says how a value was given. Raise InputError for what none of
    them can mean.
    """
    result: dict[str, SecretFile] = {}
    for text in given:
        name, _, path = text.partition("=")
        variable = name if name.startswith(SECRET) else f"{SECRET}{name}"
        if not path.strip() or not VARIABLE.fullmatch(variable):
            what, do = f'"{text}" is not NAME=PATH', "write --secret-file OPS=PATH, for TWOLOCKS_SECRET_OPS"
        elif variable in result:
            what, do = f"{variable} has two files", "name one of them"
        elif variable not in known:
            near = nearest(variable.lower(), [each.lower() for each in known], 1)
            what = f"no notification or tenant has the secret {variable}"
            do = f"nearest: {near[0].upper()}" if near else f"name it in a table: url-env = {variable}"
        else:
            result[variable] = SecretFile(path, at(text))
            continue
        raise InputError(f"{what}; nothing was read", at=at(text), do=do)
    return result


def read_secret(secret: Secret, environ: Mapping[str, str], files: Mapping[str, SecretFile]) -> str:
    """Return a secret, "" where there is no variable. Raise InputError where it is not given.

    `files`: those that the command line names, by variable. They override the environment.
    """
    variable = secret.variable
    if not variable:
        return ""
    if named := files.get(variable):
        return _of_file(secret, named.path, named.at)
    given, file = environ.get(variable, "").strip(), environ.get(variable + FILE_SUFFIX, "").strip()
    if given and file:
        what = f"{variable} and {variable}{FILE_SUFFIX} exclude each other; nothing was read"
        raise InputError(what, at="the environment", do="unset one of them")
    if given:
        return given
    if not file:
        what = f"{secret.owner} requires the variable {variable}, which is not set; nothing was read"
        do = f"set {variable} from your secret store, or {variable}{FILE_SUFFIX} to the path of a file"
        do += f", or --secret-file {variable.removeprefix(SECRET)}=PATH"
        raise InputError(what, at=secret.at, do=do)
    return _of_file(secret, file, f"{variable}{FILE_SUFFIX}")


def _of_file(secret: Secret, file: str, at: str) -> str:
    """Return the secret in a file that the user names."""
    try:
        with Path(file).open("rb") as opened:
            text: str = opened.read(MOST_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        what = f"{secret.owner} requires the file {file}, which cannot be read: {why}; nothing was read"
        raise InputError(what, at=at, do=f"write the {secret.word} to this file") from None
    if not text:
        raise InputError(f"the file {file} of {secret.owner} is empty; nothing was read", at=at)
    return text
