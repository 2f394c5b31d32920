"""Reads [residency] of a settings file: which places are allowed, for which resources, and the exceptions."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from scanner.config.keys import (
    PLACE_EXCEPTION,
    PLACE_SCOPE,
    PLACES,
    Key,
    texts,
)
from scanner.config.toml import TomlFile
from scanner.config.waiver_reader import day
from scanner.config.waivers import fits, utc_today
from scanner.errors import InputError
from scanner.model.message import Message
from scanner.model.residency import WORDS, PlaceException, ResidencyPolicy, ResidencyScope

TABLE = "residency"
TABLES = ("allowed", "scope", "exception")
_PROBES = (
    "/subscriptions/1/resourcegroups/a/providers/microsoft.sql/servers/b",
    "/subscriptions/2/resourcegroups/c/providers/microsoft.keyvault/vaults/d",
)
"""Two unrelated resources: a pattern that matches both is too wide."""


def read_residency(
    file: TomlFile, sources: dict[str, str], max_days: int, today: date | None = None
) -> ResidencyPolicy:
    """Return the policy of [residency]; collect its faults. `max_days`: how far ahead an exception may expire."""
    table = file.data.get(TABLE, {})
    if not isinstance(table, dict):
        file.fault("residency must be a table", TABLE, do="write [residency]")
        return ResidencyPolicy()
    for name in table:
        if name not in TABLES:
            file.unknown(f"unknown setting residency.{name}", name, TABLES, TABLE, name)
    if "allowed" in table:
        sources["residency.allowed"] = file.at(TABLE, "allowed")
    allowed = _allowed(file, table, TABLE) if "allowed" in table else ()
    scopes = [_scope(file, position, each) for position, each in _entries(file, table, "scope")]
    day_now = today or utc_today()
    exceptions = [
        _exception(file, position, each, day_now, max_days) for position, each in _entries(file, table, "exception")
    ]
    for position, scope in enumerate(scopes):
        sources[scope.source.removeprefix("the setting ")] = file.at(TABLE, "scope", position)
    for position in range(len(exceptions)):
        sources[f"residency.exception.{position + 1}"] = file.at(TABLE, "exception", position)
    return ResidencyPolicy(allowed, tuple(scopes), tuple(each for each in exceptions if each is not None))


def _entries(file: TomlFile, table: Mapping[str, Any], name: str) -> list[tuple[int, dict[str, Any]]]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        file.fault(f"residency.{name} must be a list of tables", TABLE, name, do=f"write [[residency.{name}]]")
        return []
    return list(enumerate(value))


def _allowed(file: TomlFile, entry: Mapping[str, Any], *at: str | int) -> tuple[str, ...]:
    """Return the allowed places as lower-case words; regions without spaces."""
    value = entry.get("allowed")
    words = [value] if isinstance(value, str) else value
    key: Key = PLACES
    if not key.fits(words) or not isinstance(words, list):
        file.fault(f"allowed must be {key.takes}", *at, "allowed", do=key.do)
        return ()
    matches = []
    for word in words:
        spelt = word.strip().lower()
        known = next((each for each in (spelt, spelt.replace(" ", "")) if each in WORDS), None)
        if known is None:
            file.unknown(
                f'unknown place "{word}"', spelt, sorted(WORDS), *at, "allowed", more="a region, geography or eea"
            )
            continue
        matches.append(known)
    return tuple(dict.fromkeys(matches))


def _scope(file: TomlFile, position: int, entry: Mapping[str, Any]) -> ResidencyScope:
    at = (TABLE, "scope", position)
    stated = texts(file, "residency.scope", entry, PLACE_SCOPE, *at, but=("allowed",))
    name, equals, value = stated["tag"].partition("=")
    if stated["tag"] and not (name.strip() and equals and value.strip()):
        file.fault(f'"{stated["tag"]}" is not a tag', *at, "tag", do='write tag = "NAME=VALUE"')
    if not stated["subscription"] and not stated["tag"]:
        file.fault("a residency.scope requires subscription or tag", *at, do='add subscription = "..."')
    tag = (name.strip(), value.strip()) if stated["tag"] else None
    allowed = _allowed(file, entry, *at)
    named = stated["subscription"] or stated["tag"]
    return ResidencyScope(
        allowed, Message("the setting residency.scope of {name}", name=named), stated["subscription"], tag
    )


def _exception(
    file: TomlFile, position: int, entry: Mapping[str, Any], today: date, max_days: int
) -> PlaceException | None:
    at = (TABLE, "exception", position)
    stated = texts(file, "residency.exception", entry, PLACE_EXCEPTION, *at, but=("allowed", "expires"))
    allowed = _allowed(file, entry, *at)
    if stated["resource"] and all(fits(probe, stated["resource"]) for probe in _PROBES):
        do = 'select resources, such as resource = "*/resourceGroups/NAME/*", or use residency.scope'
        file.fault("this exception is too broad: it accepts places of every resource", *at, "resource", do=do)
    try:
        expires = day(entry.get("expires"), today, max_days)
    except InputError as error:
        what = "a residency.exception requires expires" if entry.get("expires") is None else error.what
        file.fault(what, *at, "expires", do=error.do)
        return None
    return PlaceException(stated["resource"], allowed, stated["reason"], stated["owner"], str(expires), expires < today)
