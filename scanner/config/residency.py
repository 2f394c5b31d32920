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
PARTS = ("allowed", "scope", "exception")
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
        if name not in PARTS:
            file.unknown(f"unknown setting residency.{name}", name, PARTS, TABLE, name)
    if "allowed" in table:
        sources["residency.allowed"] = file.at(TABLE, "allowed")
    allowed = _allowed(file, table, TABLE) if "allowed" in table else ()
    scopes = [_scope(file, place, each) for place, each in _entries(file, table, "scope")]
    day_now = today or utc_today()
    exceptions = [
        _exception(file, place, each, day_now, max_days) for place, each in _entries(file, table, "exception")
    ]
    for place, scope in enumerate(scopes):
        sources[scope.source.removeprefix("the setting ")] = file.at(TABLE, "scope", place)
    for place in range(len(exceptions)):
        sources[f"residency.exception.{place + 1}"] = file.at(TABLE, "exception", place)
    return ResidencyPolicy(allowed, tuple(scopes), tuple(each for each in exceptions if each is not None))


def _entries(file: TomlFile, table: Mapping[str, Any], name: str) -> list[tuple[int, dict[str, Any]]]:
    found = table.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        file.fault(f"residency.{name} must be a list of tables", TABLE, name, do=f"write [[residency.{name}]]")
        return []
    return list(enumerate(found))


def _allowed(file: TomlFile, entry: Mapping[str, Any], *at: str | int) -> tuple[str, ...]:
    """Return the allowed places as lower-case words; regions without spaces."""
    value = entry.get("allowed")
    words = [value] if isinstance(value, str) else value
    key: Key = PLACES
    if not key.fits(words) or not isinstance(words, list):
        file.fault(f"allowed must be {key.takes}", *at, "allowed", do=key.do)
        return ()
    found = []
    for word in words:
        spelt = word.strip().lower()
        known = next((each for each in (spelt, spelt.replace(" ", "")) if each in WORDS), None)
        if known is None:
            file.unknown(
                f'unknown place "{word}"', spelt, sorted(WORDS), *at, "allowed", more="a region, geography or eea"
            )
            continue
        found.append(known)
    return tuple(dict.fromkeys(found))


def _scope(file: TomlFile, place: int, entry: Mapping[str, Any]) -> ResidencyScope:
    at = (TABLE, "scope", place)
    said = texts(file, "residency.scope", entry, PLACE_SCOPE, *at, but=("allowed",))
    name, equals, value = said["tag"].partition("=")
    if said["tag"] and not (name.strip() and equals and value.strip()):
        file.fault(f'"{said["tag"]}" is not a tag', *at, "tag", do='write tag = "NAME=VALUE"')
    if not said["subscription"] and not said["tag"]:
        file.fault("a residency.scope requires subscription or tag", *at, do='add subscription = "..."')
    tag = (name.strip(), value.strip()) if said["tag"] else None
    allowed = _allowed(file, entry, *at)
    named = said["subscription"] or said["tag"]
    return ResidencyScope(
        allowed, Message("the setting residency.scope of {name}", name=named), said["subscription"], tag
    )


def _exception(
    file: TomlFile, place: int, entry: Mapping[str, Any], today: date, max_days: int
) -> PlaceException | None:
    at = (TABLE, "exception", place)
    said = texts(file, "residency.exception", entry, PLACE_EXCEPTION, *at, but=("allowed", "expires"))
    allowed = _allowed(file, entry, *at)
    if said["resource"] and all(fits(probe, said["resource"]) for probe in _PROBES):
        do = 'select resources, such as resource = "*/resourceGroups/NAME/*", or use residency.scope'
        file.fault("this exception is too broad: it accepts places of every resource", *at, "resource", do=do)
    try:
        expires = day(entry.get("expires"), today, max_days)
    except InputError as error:
        what = "a residency.exception requires expires" if entry.get("expires") is None else error.what
        file.fault(what, *at, "expires", do=error.do)
        return None
    return PlaceException(said["resource"], allowed, said["reason"], said["owner"], str(expires), expires < today)
