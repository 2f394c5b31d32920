"""A digest of what decides verdicts besides snapshot and settings: the code of Twolocks, and the files of rules."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

from scanner.content import PACKAGE, content
from scanner.rulebook.frameworks import FOLDER
from scanner.rulebook.loader import TABLES, installed

_SUFFIXES: Final = (".py", ".toml")


def digest_of_code(folders: Sequence[Path] = (), *, packages: bool = True) -> str:
    """Return a digest that two processes share where they give the same verdicts on the same input.

    `folders`: those of `--rules` and `--rules-code`. `packages`: installed rule packages count too. The version of
    Python counts, because its tables of characters decide what lower case is.
    """
    result = blake2b(sys.version.split()[0].encode(), digest_size=16)
    sources = [(PACKAGE, PACKAGE.rglob("*.py")), (content("rules"), _files(content("rules")))]
    if packages:
        extensions = [Path(str(each.entry.load().__file__)).parent for each in installed()]
        sources += [(folder, _files(folder)) for folder in extensions]
    sources += [(folder, _files(folder)) for folder in folders]
    for folder, files in sources:
        result.update(b"\0\0")
        for file in sorted(files):
            text = file.read_bytes()
            result.update(b"%s\0%d\0%s" % (file.relative_to(folder).as_posix().encode(), len(text), text))
    return result.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a rules folder that decide what its rules are."""
    paths: Iterable[Path] = (folder, folder / TABLES, folder / FOLDER)
    for directory in paths:
        if directory.is_dir():
            yield from (each for each in directory.iterdir() if each.suffix in _SUFFIXES and each.is_file())
