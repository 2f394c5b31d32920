"""The generic commands of fixes against the writes that Azure's API has: `az resource patch`, `update`, `az rest`."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scanner.model.ids import type_of
from tests.rules import examples, operations
from tests.rules.simulate import everything, fix_of

TOGETHER = examples.TOGETHER

BY_HAND: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "operations.toml").read_text("utf-8"))


class Written(NamedTuple):
    """A write of a command: the rule, the type (lower case), the method, the paths in the body (lower case)."""

    rule: str
    type: str
    method: str
    paths: tuple[str, ...]


@cache
def writes() -> tuple[Written, ...]:
    """Return the generic writes of all fixes of all examples."""
    commands = {(each.finding.rule, text) for each in everything() for text in fix_of(each).commands}
    return tuple(dict.fromkeys(written for rule, text in sorted(commands) for written in _writes(rule, text)))


def _writes(rule: str, command: str) -> Iterator[Written]:
    words = shlex.split(command)
    if words[1:3] == ["resource", "update"]:
        yield Written(rule, type_of(_after(words, "--ids")).lower(), "put", ())
    elif words[1:3] == ["resource", "patch"]:
        body = {"properties": json.loads(_after(words, "--properties"))}
        yield Written(rule, type_of(_after(words, "--ids")).lower(), "patch", tuple(_paths(body)))
    elif words[1] == "rest" and _after(words, "--method").lower() in ("put", "patch"):
        url = _after(words, "--url", "--uri").partition("?")[0]
        type = type_of(url[url.index("/subscriptions/") :]).lower()
        yield Written(rule, type, _after(words, "--method").lower(), tuple(_paths(json.loads(_after(words, "--body")))))


def _after(words: list[str], *names: str) -> str:
    return words[next(position for position, word in enumerate(words) if word in names) + 1]


def _paths(value: Any, above: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield f"{above}{key.lower()}"
            yield from _paths(each, f"{above}{key.lower()}.")
    elif isinstance(value, list):
        for each in value:
            yield from _paths(each, above)


def types() -> dict[str, set[str]]:
    """Return the paths that are patched, by the types that are written."""
    result: dict[str, set[str]] = {}
    for each in writes():
        result.setdefault(each.type, set()).update(each.paths if each.method == "patch" else ())
    return result


@cache
def deployed() -> dict[str, dict[str, list[str]]]:
    """Return the types that have a PUT, because bicep-types-az has them: by the [paths] beside their examples."""
    listed = examples.by_type("paths").items()
    return {type.lower(): {"put": []} for type, entry in listed if "bicep-types-az" in str(entry.get("source"))}


def wrong(every: tuple[Written, ...], known: dict[str, dict[str, Any]]) -> list[str]:
    """Return what is written that no operation of the API takes."""
    result = []
    for each in every:
        own, hand = known.get(each.type, {}), BY_HAND.get(each.type, deployed().get(each.type, {}))
        if each.method not in own and each.method not in hand:
            result.append(f"{each.rule}: {each.type} has no {each.method.upper()}")
        elif each.method == "patch":
            taken = {*own.get("patch", ()), *hand.get("patch", ())}
            missing = [path for path in each.paths if path not in taken]
            result += [f"{each.rule}: the PATCH of {each.type} has no {path}" for path in missing]
    return result


KNOWN: dict[str, dict[str, Any]] = json.loads(operations.FILE.read_text("utf-8"))


def test_each_write_of_a_fix_is_one_that_the_api_has() -> None:
    hint = "correct the fix, or list the write in tests/rules/operations.toml with its source"
    assert wrong(writes(), KNOWN) == [], hint
    assert {each.method for each in writes()} == {"put", "patch"}


def test_a_write_that_the_api_lacks_is_found() -> None:
    cluster, group = "microsoft.dbforpostgresql/servergroupsv2", "microsoft.network/networksecuritygroups"
    assert wrong((Written("a", cluster, "patch", ("properties", "properties.authconfig")),), KNOWN)
    assert wrong((Written("b", "microsoft.devices/provisioningservices", "patch", ("properties",)),), KNOWN)
    assert wrong((Written("c", group, "patch", ("properties",)),), KNOWN)


def test_a_type_whose_paths_are_those_of_bicep_has_a_put_and_no_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new type was a line of operations.toml besides its two files."""
    paths = {
        "Microsoft.Agency/labs": {"source": "bicep-types-az 2026-01-01"},
        "Microsoft.Agency/b": {"source": "a page"},
    }
    monkeypatch.setattr(examples, "by_type", lambda name: paths)
    deployed.cache_clear()
    writes = [
        Written(f"{type} {method}", f"microsoft.agency/{type}", method, ("properties",))
        for type in ("labs", "b")
        for method in ("put", "patch")
    ]
    try:
        faults = wrong(tuple(writes), {})
    finally:
        deployed.cache_clear()
    assert [each.partition(":")[0] for each in faults] == ["labs patch", "b put", "b patch"]


def test_what_is_listed_by_hand_is_used_and_has_a_source() -> None:
    assert all(entry["source"] for entry in BY_HAND.values())
    for type, entry in BY_HAND.items():
        assert type in types(), type
        own = KNOWN.get(type, {})
        methods = entry.keys() - {"source"}
        assert any(each not in own or set(entry[each]) - set(own[each]) for each in methods), type
