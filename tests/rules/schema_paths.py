"""`make paths`: writes what Azure's schema says of the paths that rules read, to `schema_paths.toml`.

A path that the pinned api-version does not have is not written, so that `test_paths.py` fails until it is corrected, or
listed by hand with a source (`pinned.py`). Without the schema (`schema.facts`) the file stays as it is.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from functools import cache

from scanner.rulebook.pinned_paths import ENVELOPE
from tests.rules import pinned, schema
from tests.rules.schema import Schema

HEAD = """\
# Written by `make paths`: the paths that rules read, as Azure/bicep-types-az (August 2026) has them at the api-version
# that a scan reads: their kind, or their values. Azure never returns what is write-only.
"""


@cache
def of_read(read: str) -> Schema | None:
    """Return the whole schema of a type or read at the api-version that is read; None where it has none."""
    pin = pinned.by_name().get(read)
    paths = schema.whole().get((pin.type.lower(), pin.api)) if pin is not None else None
    return Schema(paths) if paths is not None else None


def written() -> str:
    """Return the text of `schema_paths.toml`."""
    return HEAD + "".join(f"\n{each}" for each in _entries())


def _entries() -> Iterator[str]:
    for read, seen in sorted(pinned.read_paths().items()):
        whole = of_read(read)
        result = dict(_found(whole, seen)) if whole is not None else {}
        if result:
            lines = [f"{json.dumps(path)} = {json.dumps(text)}\n" for path, text in sorted(result.items())]
            yield f'["{read}"]\napi = "{pinned.by_name()[read].api}"\n{"".join(lines)}'


def _found(whole: Schema, paths: Iterable[str]) -> Iterator[tuple[str, str | list[str]]]:
    for path in paths:
        member = whole.member(path)
        if member is not None and path not in ENVELOPE:
            yield schema.container(path), schema.said(member)


if __name__ == "__main__":
    if schema.facts() is None:
        print(f"{schema.FILE.name} stays as it is: name the folder of the schema as FACTS", file=sys.stderr)
    else:
        schema.FILE.write_text(written(), "utf-8")
