"""Azure's schema, as Azure/bicep-types-az has it, and the part of it that `schema_paths.toml` keeps.

Other people derive it from Azure's specification: of each type and api-version every property, its kind, and its values
where they are listed. The whole of it is no part of the project: TWOLOCKS_FACTS names the folder of its file.
"""

import json
import os
import re
import subprocess
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "schema_paths.toml"
WRITE_ONLY = "write-only"
_KINDS = {"DiscriminatedObject": "Object", "StringLiteral": "String", "Union": "String"}

Member = dict[str, Any]
"""What the schema says of a path: `t`, its kind; `v`, its values; `wo`, whether Azure never returns it."""


def facts() -> Path | None:
    """Return the file of the schema, None where it is not there."""
    named = os.environ.get("TWOLOCKS_FACTS", "")
    path = Path(named) / "schema.jsonl.zst"
    return path if named and path.exists() else None


class Schema:
    """The schema of one type at one api-version, by path in lower case."""

    def __init__(self, paths: dict[str, Member]) -> None:
        self.paths = {path.lower(): member for path, member in paths.items()}
        self._any = [
            (re.compile(re.escape(path).replace(r"\*", r"(?:[^.]+?|/.+?)")), member)
            for path, member in self.paths.items()
            if "*" in path
        ]

    def member(self, path: str) -> Member | None:
        """Return what the schema says of a path; None where it has no such path. `*` stands for any member."""
        text = container(path).lower()
        result = self.paths.get(text)
        if result is None and "*" in text:
            wanted = re.compile(re.escape(text).replace(r"\*", "[^.]+"))
            result = next((member for each, member in self.paths.items() if wanted.fullmatch(each)), None)
        if result is None:
            result = next((member for each, member in self._any if each.fullmatch(text)), None)
        is_list = path.endswith("[]")
        return None if result is not None and is_list and not {"Array", "Any"} & set(result["t"].split("/")) else result


def container(path: str) -> str:
    """Return a path without the end that means all members of an object, or each entry of a list."""
    return re.sub(r"(\.\*\*?|\[\])+$", "", path)


@lru_cache
def whole() -> dict[tuple[str, str], dict[str, Member]]:
    """Return the paths of each type (lower case) and api-version that has a schema; {} without the file."""
    path = facts()
    if path is None:
        return {}
    done = subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True)
    rows = map(json.loads, done.stdout.splitlines())
    return {(row["type"], row["api"]): row["paths"] for row in rows if row["paths"] is not None}


def said(member: Member) -> str | list[str]:
    """Return what is written of a path: its values, or its kind."""
    if member.get("wo"):
        return WRITE_ONLY
    values: list[str] | None = member.get("v")
    if values:
        return values
    return "/".join(dict.fromkeys(_KINDS.get(kind, kind) for kind in member["t"].split("/")))


@lru_cache
def paths() -> dict[str, dict[str, Any]]:
    """Return what is written: by type or read its paths and their kind or values, without the api-version."""
    return {read: {path: text for path, text in entry.items() if path != "api"} for read, entry in entries().items()}


@lru_cache
def entries() -> dict[str, dict[str, Any]]:
    """Return the file: by type or read the api-version, and what is written of each path."""
    return tomllib.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
