"""The settings of a command, each with its source: options, variables, `twolocks.toml` and defaults, in this order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import Struct

from scanner.config import notifications, settings_location, toml
from scanner.config.command import Command
from scanner.config.commands import COMMANDS, SCAN
from scanner.config.durations import longest_ages, seconds_of
from scanner.config.keys import TABLES, option_key
from scanner.config.options import CONFIG, OUT_FORMAT, Option
from scanner.config.secrets import SecretFile, secret_files
from scanner.config.settings_file import Tables, read_tables, table_of
from scanner.config.settings_location import FILE, SettingsLocation
from scanner.config.tenants import chosen
from scanner.config.toml import TomlFile
from scanner.config.used_settings import secrets_of_notifications, shows_scan, used_part
from scanner.errors import InputError, nearest
from scanner.text.urls import has_password, masked_url

DEFAULT = "default"
HISTORIES = ("sqlite", "postgresql+psycopg")
_SECRET_KEY = re.compile(r"(?i)(secret|password|token|key|url|webhook)$")


class Value(Struct, frozen=True):
    """A value and its source: an option, a variable, `file:line`, or `default`."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Settings(Tables):
    """The settings of a command: its options by name, and the tables of `twolocks.toml`."""

    options: Mapping[str, Value]

    def __getitem__(self, option: str) -> Any:
        return self.options[option].value

    def at(self, option: str, value: object) -> str:
        """Return the source of a value, for errors: `--out a.htm`, or the variable or line that sets it."""
        source = self.options[option].source
        return f"--{option} {masked_url(str(value))}" if source.startswith("--") or source == DEFAULT else source

    def at_key(self, *key: str | int) -> str:
        """Return `file:line` of a key of the settings file, such as `at_key("notify", "ops")`; "" without a file."""
        return self.read.at(*key) if self.read is not None else ""

    def secret_files(self) -> dict[str, SecretFile]:
        """Return the files of `--secret-file`, by variable. Raise InputError for a secret that no table names."""
        tenants = {each for tenant in self.tenants for each in tenant.variables}
        known = notifications.variables(self.notify) | tenants | self.notify_secrets
        given = self["secret-file"] if "secret-file" in self.options else ()
        return secret_files(given, known, lambda text: self.at("secret-file", text))

    @property
    def kept_tags(self) -> tuple[str, ...]:
        """Return the tags of findings: those to show, the owner tag, and the one that reports are split by."""
        split = str(self.options["split"].value) if "split" in self.options else ""
        by = split[4:].strip() if split[:4].lower() == "tag:" else ""
        return tuple(dict.fromkeys([*self.tags, *(each for each in (self.owner_tag, by) if each)]))

    @property
    def report_language(self) -> str:
        """Return the language of reports and notices: of the option or variable, else of the settings file."""
        option = self.options.get("language")
        return str(option.value) if option is not None and option.value else self.language

    def rows(self) -> list[tuple[str, str, str]]:
        """Return name, value and source of every setting."""
        known = (option for option in SCAN if option.name in self.options and option is not OUT_FORMAT)
        options = [(option.name, self.options[option.name]) for option in known]
        rows = [(f"scan.{name}", shown(each.value), each.source) for name, each in options]
        more: list[tuple[str, Any]] = [(f"networks.{name}", ranges) for name, ranges in self.networks.items()]
        more += self._values("network")
        more += [
            (f"intended.{position}", f"{each.resource} {each.endpoint}: {each.reason}")
            for position, each in enumerate(self.intended, 1)
        ]
        more += [
            (f"tenant.{position}", f"{each.name} {each.id}, {each.auth or self['auth']}")
            for position, each in enumerate(self.tenants, 1)
        ]
        more += self._residency()
        more += [(f"severity.{rule}", f"{to.name}: {self.reasons[rule]}") for rule, to in self.severities.items()]
        more += [*self._values("report"), *self._values("waivers"), *self._values("limits")]
        more += [
            (f"notify.{name}.{key}", "***" if _SECRET_KEY.search(key) or isinstance(value, dict) else value)
            for name, table in self.notify.items()
            for key, value in table.items()
        ]
        return [*rows, *((name, shown(value), self.sources.get(name, DEFAULT)) for name, value in more)]

    def _residency(self) -> list[tuple[str, Any]]:
        """Return the settings of [residency]."""
        policy = self.residency
        if policy is None:
            return [("residency.allowed", "")]
        rows: list[tuple[str, Any]] = [("residency.allowed", policy.allowed)]
        rows += [(each.source.removeprefix("the setting "), each.allowed) for each in policy.scopes]
        rows += [
            (
                f"residency.exception.{position}",
                f"{each.resource} {', '.join(each.allowed)}: {each.reason} ({each.owner})",
            )
            for position, each in enumerate(policy.exceptions, 1)
        ]
        return rows

    def _values(self, table: str) -> list[tuple[str, Any]]:
        return [(f"{table}.{key.name}", getattr(self, key.key)) for key in TABLES[table] or ()]


def shown(value: Any) -> str:
    """Return a value as `config show` prints it, without passwords; `-` for no value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(masked_url(str(each)) for each in value) or "-"
    return masked_url(str(value)) or "-"


def resolve(
    command: str,
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    folder: Path | None = None,
    use_file: bool = True,
) -> Settings:
    """Return the settings of a command: its options as given (None or empty: not), the environment, the settings file.

    `config` is the file of `--config`. Without it, the user's own `twolocks.toml` is used, else that of `folder` (the
    working folder), which may hold harmless settings only. `use_file`: use a settings file at all. Raise InputError for
    invalid settings; for the file with all faults at once.
    """
    row = COMMANDS[command]
    _variables(row, environ)
    location = _settings_location(row, config, environ, folder or Path()) if use_file else None
    file = toml.read(location.path, location.by) if location is not None else None
    tables: dict[str, Any] = {}
    if file is not None:
        tables["notify_secrets"] = secrets_of_notifications(file)
        file = used_part(file, row)
        file.refuse_nul()
    options = _options(row, given, environ, file)
    if file is not None and location is not None:
        tables |= read_tables(file, location, SCAN)
    settings = Settings(options, **tables)
    _known(settings, row)
    _history(settings)
    _notifications(settings)
    _contradictions(settings)
    return _tenants(settings)


def _variables(row: Command, environ: Mapping[str, str]) -> None:
    """Raise InputError for a misspelt variable."""
    if not shows_scan(row):
        return
    known = [f"TWOLOCKS_SCAN_{option.key}".upper() for option in (*SCAN, CONFIG)]
    for name in sorted(environ):
        if name.startswith("TWOLOCKS_SCAN_") and environ[name] and name not in known:
            near = nearest(name.lower(), [each.lower() for each in known], 1)
            hint = f"nearest: {near[0].upper()}; " if near else ""
            raise InputError(f"unknown setting {name}", at="the environment", do=f"{hint}all: twolocks scan --help")


def _settings_location(
    row: Command, config: Path | None, environ: Mapping[str, str], folder: Path
) -> SettingsLocation | None:
    """Return the settings file of a command; None if there is none or the command does not use it."""
    if CONFIG not in row.rows and not any(option.shared for option in row.options):
        return None
    if config is not None:
        return settings_location.named(config, "--config")
    for name in (f"TWOLOCKS_{row.word}_CONFIG".upper(), "TWOLOCKS_SCAN_CONFIG"):
        if text := environ.get(name):
            return settings_location.named(Path(text), name)
    return settings_location.usual(folder, environ)


# One option


def _options(
    row: Command, given: Mapping[str, Any], environ: Mapping[str, str], file: TomlFile | None
) -> dict[str, Value]:
    if shows_scan(row):
        given_here = {option.name: _option(row.word, option, given, environ, None) for option in row.options}
        scan = (option for option in SCAN if row.word == "scan" or option.name not in given_here)
        return {**given_here, **{option.name: _option("scan", option, given, environ, file) for option in scan}}
    return {option.name: _option(row.word, option, given, environ, file) for option in row.options}


def _option(
    word: str, option: Option, given: Mapping[str, Any], environ: Mapping[str, str], file: TomlFile | None
) -> Value:
    value = given.get(option.key)
    if value not in (None, False, [], ()):
        return Value(tuple(value) if option.many else value, f"--{option.name}")
    is_shared = word == "scan" or option.shared
    for each in dict.fromkeys((word, "scan") if is_shared else (word,)):
        variable = f"TWOLOCKS_{each}_{option.key}".upper()
        if text := environ.get(variable):
            return Value(_of_text(option, text, variable), variable)
    if file is not None and is_shared and option.in_file and option.name in (table := table_of(file, "scan")):
        return Value(_of_toml(option, table[option.name], file), file.at("scan", option.name))
    return Value(option.unset, DEFAULT)


def _of_text(option: Option, text: str, variable: str) -> Any:
    """Return a variable's value. Commas separate several values, or line breaks if a value contains a comma."""
    if option.flag:
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
        raise InputError(f'"{text}" is not true or false', at=variable, do=f"{variable}=1, or unset it")
    if option.many:
        segments = text.split("\n" if "\n" in text else ",")
        return tuple(segment.strip() for segment in segments if segment.strip())
    return text


def _of_toml(option: Option, value: Any, file: TomlFile) -> Any:
    """Return the value of a key of [scan]. Paths are relative to the folder of the file."""
    key = option_key(option)
    if not key.fits(value):
        file.fault(f"scan.{option.name} must be {key.takes}", "scan", option.name)
        return option.unset
    if option.flag:
        return value
    if option.most:
        return str(value)
    texts = [value] if isinstance(value, str) else value
    if option.path:
        texts = [_path(option, each, file.path.parent) for each in texts]
    return tuple(texts) if option.many else texts[0]


def _path(option: Option, text: str, folder: Path) -> str:
    scheme, is_url, rest = text.partition(":///")
    if option.url and is_url and scheme == "sqlite" and rest:
        return f"sqlite:///{folder / rest}"
    elsewhere = text.lower().startswith(("az://", "loganalytics://")) or (option.url and "://" in text)
    return text if text in ("", "-") or elsewhere else str(folder / text)


# Invalid values


def _known(settings: Settings, row: Command) -> None:
    """Raise InputError for an unknown value of an option."""
    known = {option.name for option in row.options}
    for option in (*row.options, *(each for each in SCAN if shows_scan(row) and each.name not in known)):
        given = settings.options[option.name]
        if option.most and given.value and not _is_number(str(given.value), option.most):
            text = f'"{given.value}" is not a number from 1 to {option.most}'
            raise InputError(text, at=settings.at(option.name, given.value))
        if not option.known or given.value in (*option.known, option.unset) or given.source == DEFAULT:
            continue
        near = nearest(str(given.value), option.known, 1)
        listed = [each for each in option.known if not each.startswith("new:")]
        listed += ["new:SEVERITY"] if len(listed) < len(option.known) else []
        what = "severity" if option.name in ("fail-on", "until") else option.name
        raise InputError(
            f'unknown {what} "{given.value}"',
            at=settings.at(option.name, given.value),
            do=(f"nearest: {near[0]}; " if near else "") + f"known: {', '.join(listed)}",
        )


def _is_number(text: str, most: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most


def _history(settings: Settings) -> None:
    """Raise InputError for a history that is neither SQLite nor PostgreSQL, and for a URL with a password unless a
    variable sets it.
    """
    given = settings.options.get("history")
    if given is None:
        return
    failing = settings.options.get("fail-on")
    if not given.value and failing is not None and str(failing.value).startswith("new:"):
        raise InputError(
            f'"{failing.value}" requires a history',
            at=settings.at("fail-on", failing.value),
            do="add --history FILE",
        )
    scheme, is_url, _ = str(given.value).partition("://")
    if is_url and scheme not in HISTORIES:
        near = nearest(scheme, HISTORIES, 1)
        raise InputError(
            f'unsupported history "{scheme}"',
            at=settings.at("history", given.value),
            do=(f"nearest: {near[0]}://; " if near else "") + "known: a file, sqlite:///FILE, postgresql+psycopg://",
        )
    if has_password(str(given.value)) and not given.source.startswith("TWOLOCKS_"):
        raise InputError(
            "the URL of the history contains a password",
            at=settings.at("history", given.value),
            do="remove it; use PGPASSWORD, pgpass or TWOLOCKS_SCAN_HISTORY",
        )


def _notifications(settings: Settings) -> None:
    """Raise InputError for a notification that is not in the settings file."""
    given = settings.options.get("notify")
    for name in given.value if given is not None else ():
        if name not in settings.notify:
            near = nearest(name, settings.notify, 1)
            known = ", ".join(settings.notify)
            raise InputError(
                f'unknown notification "{name}"',
                at=settings.at("notify", name),
                do=(f"nearest: {near[0]}; " if near else "")
                + (f"known: {known}" if known else f"add [notify.{name}] with its kind to {FILE}"),
            )


def _tenants(settings: Settings) -> Settings:
    """Return the settings with the tenants that `--tenant` chooses. Raise InputError for options that they exclude."""
    given = settings.options.get("tenant")
    if given is None or not settings.tenants:
        return settings
    if given.source.startswith(settings.file):
        do = "remove it; to scan one of the tenants: --tenant NAME"
        raise InputError("scan.tenant and [[tenant]] exclude each other", at=given.source, do=do)
    tenant_settings = chosen(settings.tenants, given.value, settings.at("tenant", given.value))
    for name in ("subscription", "management-group"):
        option = settings.options.get(name)
        scoped = [each for each in tenant_settings if each.subscriptions or each.management_groups]
        if option is not None and option.value and option.source.startswith(settings.file) and scoped:
            do = f"write {name}s into the entries [[tenant]]"
            raise InputError(f"scan.{name} and {name}s of [[tenant]] exclude each other", at=option.source, do=do)
        if name == "management-group" and option is not None and option.value and len(tenant_settings) > 1:
            do = "choose one tenant by --tenant, or write management-groups into the entries [[tenant]]"
            raise InputError("a management group belongs to one tenant", at=settings.at(name, option.value[0]), do=do)
    id = tenant_settings[0].id if given.value else ""
    return replace(settings, tenants=tenant_settings, options={**settings.options, "tenant": Value(id, given.source)})


def _contradictions(settings: Settings) -> None:
    """Raise InputError for options that contradict each other."""
    options = settings.options
    if "arm-endpoint" not in options:
        return
    cloud, endpoint, audience = options["cloud"], options["arm-endpoint"], options["arm-audience"]
    if audience.value and not endpoint.value:
        raise InputError(
            "--arm-audience has no effect without --arm-endpoint", at=audience.source, do="add --arm-endpoint URL"
        )
    if cloud.source != DEFAULT and endpoint.value:
        raise InputError("--cloud and --arm-endpoint exclude each other", at=endpoint.source, do="use only one of them")
    if "deadline" in options and options["deadline"].value:
        seconds_of(str(options["deadline"].value), settings.at("deadline", options["deadline"].value))
    if "max-age" in options and options["max-age"].value:
        longest_ages(str(options["max-age"].value), settings.at("max-age", options["max-age"].value))
    if "from" not in options or not options["from"].value:
        return
    for name in ("management-group", "record", "snapshot", "effective", "resume", "deadline", "max-age"):
        if name in options and options[name].source == f"--{name}":
            raise InputError(f"--from reads a file, so --{name} has no effect", do=f"remove --from or --{name}")
