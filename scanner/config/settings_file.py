"""Reads every table of `twolocks.toml` except `[scan]`, and collects its faults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scanner.config import notifications
from scanner.config.keys import EFFECTS, INTENDED, MAX_DAYS, SEVERITY, TABLES, VALUES, Key, texts
from scanner.config.limits import Limits, size
from scanner.config.options import Effect, Option
from scanner.config.settings_location import SettingsLocation
from scanner.config.tenants import TenantSettings, read_tenants
from scanner.config.toml import TomlFile
from scanner.model.addresses import AddressSet, breadth, parse, union
from scanner.model.severity import SEVERITIES, Severity

if TYPE_CHECKING:
    from scanner.evaluate.policy import Intended
    from scanner.model.residency import ResidencyPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of a settings file."""

    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own: AddressSet = field(default_factory=AddressSet)
    wide_ipv4: int = 65536
    wide_ipv6: int = 48
    intended: "tuple[Intended, ...]" = ()
    tenants: tuple[TenantSettings, ...] = ()
    residency: "ResidencyPolicy | None" = None
    severities: Mapping[str, Severity] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    owner_tag: str = ""
    language: str = "en"
    max_days: int = MAX_DAYS
    allow_tag: bool = False
    answer_size: str = "32 MB"
    answer_values: int = 500_000
    answer_depth: int = 100
    list_pages: int = 10_000
    list_size: str = "512 MB"
    list_minutes: int = 60
    list_rows: int = 300_000
    subscriptions: int = 10_000
    notify: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The tables [notify.NAME] of the file; `kind` is text."""
    notify_secrets: frozenset[str] = frozenset()
    """The variables with secrets that [notify] names, also for a command that does not use it."""
    file: str = ""
    location: SettingsLocation | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    """`file:line` of each setting, by its name."""
    read: TomlFile | None = field(default=None, compare=False, repr=False)

    @property
    def limits(self) -> Limits:
        """Return the limits of [limits]."""
        return Limits(
            size(self.answer_size),
            self.answer_values,
            self.answer_depth,
            self.list_pages,
            size(self.list_size),
            self.list_minutes,
            self.list_rows,
            self.subscriptions,
        )


def read_tables(file: TomlFile, location: SettingsLocation, options: tuple[Option, ...]) -> dict[str, Any]:
    """Return the fields of `Tables`. Raise Faults, with all faults of the file; `options` are those of [scan]."""
    _check_names(file, options)
    if not location.trusted:
        _check_effects(file, options)
        file.check()
    sources: dict[str, str] = {}
    networks, own = _networks(file, sources)
    severities, reasons = _severities(file, sources)
    values = _values(file, sources)
    result = {
        "networks": networks,
        "own": own,
        "intended": _intended(file, sources),
        "tenants": read_tenants(file, sources),
        "residency": _residency(file, sources, values["max_days"]),
        "severities": severities,
        "reasons": reasons,
        "notify": _notify(file, sources),
        **values,
        "file": str(file.path),
        "location": location,
        "sources": sources,
        "read": file,
    }
    file.check()
    return result


def table_of(file: TomlFile, name: str) -> dict[str, Any]:
    """Return a table of the file, empty if there is none."""
    value = file.data.get(name, {})
    return value if isinstance(value, dict) else {}


def _check_names(file: TomlFile, options: tuple[Option, ...]) -> None:
    """Collect faults for unknown tables and keys, and for options that are no settings."""
    for option in options:
        if not option.in_file and option.name in table_of(file, "scan"):
            do = f"use --{option.name} or TWOLOCKS_SCAN_{option.key.upper()}"
            file.fault(f"scan.{option.name} is no setting of a file", "scan", option.name, do=do)
    keys = {table: None if known is None else [key.name for key in known] for table, known in TABLES.items()}
    keys["scan"] = [option.name for option in options]
    every = [f"{table}.{name}" for table, names in keys.items() for name in names or ()]
    for table, value in file.data.items():
        if table not in keys:
            _unknown(file, table, [*keys, *every], table)
            continue
        names = keys[table]
        if names is None:
            continue
        if not isinstance(value, dict):
            file.fault(f"{table} must be a table", table, do=f"write [{table}]")
            continue
        for name in value:
            if name not in names:
                _unknown(file, f"{table}.{name}", every, table, name)


def _unknown(file: TomlFile, word: str, known: list[str], *key: str) -> None:
    file.unknown(f"unknown setting {word}", word, known, *key, more="all: twolocks config show")


def _check_effects(file: TomlFile, options: tuple[Option, ...]) -> None:
    """Collect faults for what a file that was not named may not say: settings that can run, send, write or hide."""
    keys = {table: {key.name: key.effect for key in keys or ()} for table, keys in TABLES.items()}
    keys["scan"] = {option.name: option.effect for option in options}
    for table, value in file.data.items():
        free = EFFECTS.get(table)
        if free and not isinstance(value, dict):
            _not_allowed(file, table, free, table)
        for name in value if isinstance(value, dict) else ():
            effect = free or keys.get(table, {}).get(name, Effect.harmless)
            if effect is not Effect.harmless:
                _not_allowed(file, f"{table}.{name}", effect, table, name)


def _not_allowed(file: TomlFile, what: str, effect: Effect | None, *key: str) -> None:
    why = f"can {effect}" if effect else "is not known to be harmless"
    file.fault(
        f"{what} {why}, and this file was not named: it was found in the current folder",
        *key,
        do=f"if you trust this file: --config ./{file.path.name}",
    )


def _chosen_names(file: TomlFile, name: str) -> dict[str, Any]:
    """Return a table with free keys."""
    result = file.data.get(name, {})
    if isinstance(result, dict):
        return result
    file.fault(f"{name} must be a table", name, do=f"write [{name}]")
    return {}


def _networks(file: TomlFile, sources: dict[str, str]) -> tuple[dict[str, tuple[str, ...]], AddressSet]:
    """Return the ranges of the organisation by name, and all of them together."""
    networks: dict[str, tuple[str, ...]] = {}
    sets: list[AddressSet] = []
    for name, value in _chosen_names(file, "networks").items():
        ranges = [value] if isinstance(value, str) else value
        if not isinstance(ranges, list) or not all(isinstance(each, str) for each in ranges):
            file.fault(f"networks.{name} must be a list of ranges", "networks", name, do='["198.51.100.0/24"]')
            continue
        for text in ranges:
            try:
                sets.append(parse(text))
            except ValueError as error:
                file.fault(str(error), "networks", name, do='write ranges as "198.51.100.0/24"')
        networks[name] = tuple(ranges)
        sources[f"networks.{name}"] = file.at("networks", name)
    trusted = union(sets)
    if breadth(trusted) == "internet":
        file.fault(
            "these networks cover the internet, so no endpoint would count as exposed",
            "networks",
            do="list the address ranges of your organisation",
        )
    return networks, trusted


def _values(file: TomlFile, sources: dict[str, str]) -> dict[str, Any]:
    """Return the values of [network], [report], [waivers] and [limits], by field."""
    return {key.key: _value(file, table, key, sources) for table, keys in VALUES.items() for key in keys}


def _value(file: TomlFile, table: str, key: Key, sources: dict[str, str]) -> Any:
    given = table_of(file, table)
    if key.name not in given:
        return key.default
    value = given[key.name]
    if not key.fits(value):
        file.fault(f"{table}.{key.name} must be {key.takes}", table, key.name, do=key.do)
        return key.default
    if value != []:
        sources[f"{table}.{key.name}"] = file.at(table, key.name)
    return tuple(value) if isinstance(value, list) else value


def _intended(file: TomlFile, sources: dict[str, str]) -> "tuple[Intended, ...]":
    """Return the endpoints that are public on purpose."""
    # Imported here, because a scan prints its first line before it imports rules and evaluation.
    from scanner.evaluate.policy import Intended

    entries = file.data.get("intended", [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        file.fault("intended must be a list of tables", "intended", do="write [[intended]]")
        return ()
    intendeds = []
    for position, entry in enumerate(entries):
        stated = texts(file, "intended", entry, INTENDED, "intended", position)
        intendeds.append(Intended(stated["resource"], stated["endpoint"], stated["reason"]))
        sources[f"intended.{position + 1}"] = file.at("intended", position)
    return tuple(intendeds)


def _residency(file: TomlFile, sources: dict[str, str], max_days: int) -> "ResidencyPolicy | None":
    """Return where data may be; None without the table."""
    if "residency" not in file.data:
        return None
    # Imported here for the same reason.
    from scanner.config.residency import read_residency

    return read_residency(file, sources, max_days)


def _severities(file: TomlFile, sources: dict[str, str]) -> tuple[dict[str, Severity], dict[str, str]]:
    """Return the severities in the file, and their reasons, by rule."""
    severities: dict[str, Severity] = {}
    reasons: dict[str, str] = {}
    for rule, entry in _chosen_names(file, "severity").items():
        if not isinstance(entry, dict):
            what = f"severity.{rule} must be a table with to and reason"
            file.fault(what, "severity", rule, do=f"write [severity.{rule}]")
            continue
        stated = texts(file, f"severity.{rule}", entry, SEVERITY, "severity", rule)
        to = stated["to"]
        if to in SEVERITIES:
            severities[rule], reasons[rule] = Severity[to], stated["reason"]
            sources[f"severity.{rule}"] = file.at("severity", rule)
        elif to.strip():
            names = list(Severity.__members__)
            more = f"known: {', '.join(names)}"
            file.unknown(f'unknown severity "{to}"', to, names, "severity", rule, "to", more=more)
    return severities, reasons


def _notify(file: TomlFile, sources: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the tables [notify.NAME]."""
    result: dict[str, dict[str, Any]] = {}
    for name, table in _chosen_names(file, "notify").items():
        if not isinstance(table, dict):
            file.fault(f"notify.{name} must be a table", "notify", name, do=f"write [notify.{name}]")
            continue
        kind = table.get("kind")
        if isinstance(kind, str) and kind.strip():
            notifications.check(file, name, table)
        else:
            file.fault(f"notify.{name} requires kind", "notify", name, "kind", do='add kind = "..."')
        result[name] = table
        sources.update({f"notify.{name}.{key}": file.at("notify", name, key) for key in table})
    return result
