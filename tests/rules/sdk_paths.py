"""`make paths`: writes which paths that rules read are in the models of the installed SDKs, to `sdk_paths.toml`.

Paths that `paths.toml` or a service's [paths."TYPE"] lists are left out. A path that is in no model is not written,
so that `test_paths.py` fails until it is corrected, or listed there with a source.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version

from tests.azure.models import has, returned
from tests.azure.operations import Operation, operations, table
from tests.rules import pinned

HEAD = """\
# Written by `make paths`: the paths that rules read and the models of the SDKs have. `api` is the api-version that is
# read. The one of the SDK is in `source`, and may be newer (`tests/azure/test_drift.py`).
"""


def written() -> str:
    """Return the text of the file."""
    return HEAD + "".join(f"\n{each}" for each in _entries())


def _entries() -> Iterator[str]:
    reads = _returning()
    apis = {pin.name: pin.api for pin in pinned.pins()}
    for read, seen in sorted(pinned.read_paths().items()):
        unlisted = sorted(path for path in seen if not pinned.listed(read, path))
        for operation in reads.get(read.lower(), ()):
            model = returned(operation)
            paths = [path for path in unlisted if model is not None and has(model, path)]
            unlisted = [path for path in unlisted if path not in paths]
            if model is not None and paths:
                yield _entry(read, apis[read], f"{_sdk(model)} {model.__name__}, {operation.version}", paths)
                break


def _entry(read: str, api: str, source: str, paths: list[str]) -> str:
    lines = [f"    {json.dumps(path)},\n" for path in paths]
    return f'["{read}"]\napi = "{api}"\nsource = "{source}"\npaths = [\n{"".join(lines)}]\n'


def _sdk(model: type) -> str:
    name = "-".join(model.__module__.split(".models")[0].split("."))
    return f"{name} {version(name)}"


def _returning() -> dict[str, list[Operation]]:
    """Return the operations that read each type or read (lower case): those of one resource first."""
    found: dict[str, list[Operation]] = defaultdict(list)
    gets: dict[int, list[Operation]] = defaultdict(list)
    for each in operations():
        if each.method == "GET":
            gets[len(each.path)].append(each)
    for read in table():
        found[read.name.lower()] += [each for each in gets[len(read.path)] if read.fits(each)]
    return {read: sorted(each, key=lambda one: "_list" in one.name) for read, each in found.items()}


if __name__ == "__main__":
    pinned.SDK_PATHS.write_text(written(), "utf-8")
