"""Settings: options, environment, `twolocks.toml` and defaults, in this order, with where each value comes from."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scanner.config import notifications as notification
from scanner.config import toml
from scanner.config.toml import TomlFile
from scanner.errors import InputError, nearest
from scanner.evaluate.policy import Intended
from scanner.model.addresses import AddressSet, breadth, parse, union
from scanner.model.verdict import Severity

FILE = "twolocks.toml"
MAX_DAYS = 365
FAIL_ON = (*(each.name for each in reversed(Severity)), "never")
FAIL_ON_NEW = tuple(f"new:{each.name}" for each in reversed(Severity))
"""For scans with a history: only what it has not seen, was reopened, or got worse."""
DEFAULT = "default"
HISTORIES = ("sqlite", "postgresql+psycopg")
_LOGIN = re.compile(r"(?<=://)[^:/]*:[^@]*@")
_SECRETS = re.compile(r"(?i)([?&](?:ssl)?password=|[?&](?:sig|token|secret|key|code)=)[^&\s,]*")
_SECRET_KEY = re.compile(r"(?i)(secret|password|token|key|url|webhook)$")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command. `many`: may be repeated; `path`: names a file or folder; `flag`: yes or no.

    `url`: a path only where it is no URL. `shared`: on a command that is not `scan`, the variable and the setting of
    `scan` count too (`TWOLOCKS_SCAN_WAIVERS`, `waivers` in [scan]).
    """

    name: str
    default: Any = ""
    many: bool = False
    path: bool = False
    flag: bool = False
    url: bool = False
    shared: bool = False

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")


_JUDGING = (Option("only", (), many=True), Option("skip", (), many=True), Option("rules", (), many=True, path=True))
_SIGNING_IN = (
    Option("auth", "default", shared=True),
    Option("tenant", shared=True),
    Option("cloud", "public", shared=True),
    Option("arm-endpoint", shared=True),
)
"""How commands that ask Azure beside `scan` sign in: as the scan does, unless they are told otherwise."""
HISTORY = Option("history", path=True, url=True, shared=True)
SCAN = (
    Option("subscription", (), many=True),
    Option("management-group", (), many=True),
    Option("resource", (), many=True),
    Option("resource-group", (), many=True),
    Option("tag", (), many=True),
    Option("from", path=True),
    *_JUDGING,
    Option("waivers", path=True),
    Option("fail-on", "high"),
    Option("out", (), many=True, path=True),
    Option("snapshot", path=True),
    HISTORY,
    Option("notify", (), many=True),
    Option("auth", "default"),
    Option("tenant"),
    Option("cloud", "public"),
    Option("arm-endpoint"),
    Option("no-graph", False, flag=True),
    Option("effective", False, flag=True),
    Option("record", path=True),
    Option("quiet", False, flag=True),
    Option("verbose", False, flag=True),
)
COMMANDS: dict[str, tuple[Option, ...]] = {
    "scan": SCAN,
    "demo": (
        Option("dir", "twolocks-demo", path=True),
        Option("open", False, flag=True),
        Option("fail-on", "never"),
        Option("quiet", False, flag=True),
        Option("verbose", False, flag=True),
    ),
    "reach": (
        Option("source", "internet"),
        Option("port"),
        Option("from", path=True),
        Option("subscription", (), many=True),
        *_SIGNING_IN,
    ),
    "rules": (*_JUDGING, Option("format", "text")),
    "report": (
        Option("out", (), many=True, path=True),
        Option("auth", "default"),
        Option("tenant"),
        Option("cloud", "public"),
    ),
    "diff": (
        *_JUDGING,
        Option("out", (), many=True, path=True),
        Option("format", "text"),
        Option("auth", "default"),
        Option("tenant"),
        Option("cloud", "public"),
    ),
    "waive": (
        Option("in", path=True),
        Option("reason"),
        Option("owner"),
        Option("expires"),
        Option("ticket"),
        Option("waivers", path=True, shared=True),
        Option("rules", (), many=True, path=True, shared=True),
    ),
    "access": (
        *(replace(option, shared=True) for option in _JUDGING),
        Option("scope", (), many=True),
        Option("subscription", (), many=True),
        Option("management-group", (), many=True),
        *_SIGNING_IN,
        Option("format"),
        Option("effective", False, flag=True),
    ),
    "history": (HISTORY, Option("format", "text"), Option("older-than"), Option("out", path=True)),
    "sandbox": (Option("port", "0"), Option("latency", "0")),
    "notify": (),
    "config": (),
}
"""The options of each command; `TWOLOCKS_<COMMAND>_<OPTION>` sets one. Those of `scan` stand in `[scan]` too."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value and where it comes from: an option, a variable, `file:line`, or `default`."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command works with. `options` by name; the rest is of `twolocks.toml` alone."""

    options: Mapping[str, Value]
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own: AddressSet = field(default_factory=AddressSet)
    wide_ipv4: int = 65536
    wide_ipv6: int = 48
    intended: tuple[Intended, ...] = ()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    owner_tag: str = ""
    max_days: int = MAX_DAYS
    allow_tag: bool = False
    notify: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The tables [notify.<name>] as they stand in the file; `kind` is text."""
    file: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    read: TomlFile | None = field(default=None, compare=False, repr=False)

    def __getitem__(self, option: str) -> Any:
        return self.options[option].value

    def at(self, option: str, value: object) -> str:
        """How a value was given, for errors: `--out a.htm`, or the variable or line that says so."""
        source = self.options[option].source
        return f"--{option} {masked(str(value))}" if source.startswith("--") or source == DEFAULT else source

    def at_key(self, *key: str | int) -> str:
        """`file:line` of a key of the settings file, such as `at_key("notify", "ops", "kind")`; "" without a file."""
        return self.read.at(*key) if self.read is not None else ""

    @property
    def kept_tags(self) -> tuple[str, ...]:
        """The tags that findings keep: those to show, and the one that names the owner."""
        return tuple(dict.fromkeys([*self.tags, *([self.owner_tag] if self.owner_tag else [])]))

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, value and source of every setting."""
        rows = [(f"scan.{name}", shown(each.value), each.source) for name, each in self.options.items()]
        more: list[tuple[str, Any]] = [(f"networks.{name}", ranges) for name, ranges in self.networks.items()]
        more += [("network.wide-ipv4", self.wide_ipv4), ("network.wide-ipv6", self.wide_ipv6)]
        more += [
            (f"intended.{place}", f"{each.resource} {each.endpoint}: {each.reason}")
            for place, each in enumerate(self.intended, 1)
        ]
        more += [(f"severity.{rule}", f"{to.name}: {self.reasons[rule]}") for rule, to in self.severities.items()]
        more += [("report.tags", self.tags), ("report.owner-tag", self.owner_tag)]
        more += [("waivers.max-days", self.max_days), ("waivers.allow-tag", self.allow_tag)]
        more += [
            (f"notify.{name}.{key}", "***" if _SECRET_KEY.search(key) or isinstance(value, dict) else value)
            for name, table in self.notify.items()
            for key, value in table.items()
        ]
        return [*rows, *((name, shown(value), self.sources.get(name, DEFAULT)) for name, value in more)]


def shown(value: Any) -> str:
    """A value as `config show` prints it, without passwords; `-` where there is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(masked(str(each)) for each in value) or "-"
    return masked(str(value)) or "-"


def masked(text: str) -> str:
    """A text with `***` for the logins and secrets of the URLs in it."""
    return _SECRETS.sub(r"\1***", _LOGIN.sub("***@", text))


def has_password(url: str) -> bool:
    """Whether a URL holds a password, as SQLAlchemy and libpq read it."""
    return bool(_LOGIN.search(url) or re.search(r"(?i)[?&](?:ssl)?password=", url))


def resolve(
    command: str,
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings of a command: its options as given (None or empty: not), the environment, and the settings file.

    `config` is the file that was named; without it `twolocks.toml` in `folder` (the working folder) counts where it is
    there. Raises InputError for what is wrong in any of them, all faults of the file at once.
    """
    _variables(command, environ)
    file = _file(command, config, environ, folder or Path())
    filed = command in ("scan", "config", "notify") or any(option.shared for option in COMMANDS[command])
    if file is None or not filed:
        found = Settings(_options(command, given, environ, None))
    else:
        found = _Reader(file).settings(_options(command, given, environ, file))
    _choice(found, "fail-on", (*FAIL_ON, *FAIL_ON_NEW) if "history" in found.options else FAIL_ON)
    _history(found)
    _named(found)
    _both(found)
    return found


def _variables(command: str, environ: Mapping[str, str]) -> None:
    """Raises InputError for a variable that sets nothing: what is misspelt must not be left out in silence."""
    if command not in ("scan", "config"):
        return
    known = [f"TWOLOCKS_SCAN_{name}".upper() for name in (*(option.key for option in COMMANDS["scan"]), "config")]
    for name in sorted(environ):
        if name.startswith("TWOLOCKS_SCAN_") and environ[name] and name not in known:
            near = nearest(name.lower(), [each.lower() for each in known], 1)
            hint = f"nearest: {near[0].upper()}; " if near else ""
            raise InputError(f"there is no setting {name}", at="the environment", do=f"{hint}all: twolocks scan --help")


def _file(command: str, config: Path | None, environ: Mapping[str, str], folder: Path) -> TomlFile | None:
    names = (f"TWOLOCKS_{command}_CONFIG".upper(), "TWOLOCKS_SCAN_CONFIG")
    given = next((text for name in names if (text := environ.get(name))), "")
    named = config or (Path(given) if given else None)
    if named is not None:
        return toml.read(named, "--config")
    usual = folder / FILE
    return toml.read(usual if str(folder) != "." else Path(FILE), "settings") if usual.is_file() else None


def _options(
    command: str, given: Mapping[str, Any], environ: Mapping[str, str], file: TomlFile | None
) -> dict[str, Value]:
    options = COMMANDS["scan" if command == "config" else command]
    where = "scan" if command == "config" else command
    return {option.name: _option(where, option, given, environ, file) for option in options}


def _option(
    command: str, option: Option, given: Mapping[str, Any], environ: Mapping[str, str], file: TomlFile | None
) -> Value:
    value = given.get(option.key)
    if value is not None and value is not False and value != []:
        return Value(tuple(value) if option.many else value, f"--{option.name}")
    shared = command == "scan" or option.shared
    for word in dict.fromkeys((command, "scan") if shared else (command,)):
        variable = f"TWOLOCKS_{word}_{option.key}".upper()
        if text := environ.get(variable):
            return Value(_of_text(option, text, variable), variable)
    if file is not None and shared and option.name in (table := _table(file, "scan")):
        return Value(_of_toml(option, table[option.name], file), file.at("scan", option.name))
    return Value(option.default, DEFAULT)


def _of_text(option: Option, text: str, variable: str) -> Any:
    """A variable's value. Several stand between commas, or on lines of their own where one holds a comma."""
    if option.flag:
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
        raise InputError(f'"{text}" is neither yes nor no', at=variable, do=f"{variable}=1, or unset it")
    if option.many:
        parts = text.split("\n" if "\n" in text else ",")
        return tuple(part.strip() for part in parts if part.strip())
    return text


def _of_toml(option: Option, value: Any, file: TomlFile) -> Any:
    key = ("scan", option.name)
    kind = "yes or no (true, false)" if option.flag else "text or a list of texts" if option.many else "text"
    if option.flag:
        if not isinstance(value, bool):
            file.fault(f"scan.{option.name} is {kind}", *key)
        return value is True
    if option.many and isinstance(value, str):
        value = [value]
    fits = isinstance(value, list) and all(isinstance(each, str) for each in value) if option.many else value
    if not fits or (not option.many and not isinstance(value, str)):
        file.fault(f"scan.{option.name} is {kind}", *key)
        return option.default
    return _beside(option, value, file)


def _beside(option: Option, value: Any, file: TomlFile) -> Any:
    """Paths in a settings file start from its folder."""
    if not option.path:
        return tuple(value) if option.many else value
    paths = [_path(option, each, file.path.parent) for each in ([value] if isinstance(value, str) else value)]
    return tuple(paths) if option.many else paths[0]


def _path(option: Option, text: str, folder: Path) -> str:
    scheme, is_url, rest = text.partition(":///")
    if option.url and is_url and scheme == "sqlite" and rest:
        return f"sqlite:///{folder / rest}"
    elsewhere = text.lower().startswith("az://") or (option.url and "://" in text)
    return text if text in ("", "-") or elsewhere else str(folder / text)


def _table(file: TomlFile, name: str) -> dict[str, Any]:
    found = file.data.get(name, {})
    return found if isinstance(found, dict) else {}


def _choice(settings: Settings, name: str, known: Sequence[str]) -> None:
    given = settings.options.get(name)
    if given is None or given.value in known:
        return
    near = nearest(str(given.value), known, 1)
    told = [each for each in known if not each.startswith("new:")]
    told += ["new:SEVERITY"] if len(told) < len(known) else []
    raise InputError(
        f'no severity is called "{given.value}"' if name == "fail-on" else f'--{name} "{given.value}" is not known',
        at=f"--{name} {given.value}" if given.source.startswith("--") else given.source,
        do=(f"nearest: {near[0]}; " if near else "") + f"known: {', '.join(told)}",
    )


def _history(settings: Settings) -> None:
    """The history's URL: SQLite in a file, or PostgreSQL whose password only the environment knows."""
    given = settings.options.get("history")
    if given is None:
        return
    failing = settings.options.get("fail-on")
    if not given.value and failing is not None and str(failing.value).startswith("new:"):
        raise InputError(
            f'"{failing.value}" needs a history to know what is new',
            at=settings.at("fail-on", failing.value),
            do="add --history FILE",
        )
    scheme, is_url, _ = str(given.value).partition("://")
    if is_url and scheme not in HISTORIES:
        near = nearest(scheme, HISTORIES, 1)
        raise InputError(
            f'no history is kept in "{scheme}"',
            at=settings.at("history", given.value),
            do=(f"nearest: {near[0]}://; " if near else "") + "known: a file, sqlite:///FILE, postgresql+psycopg://",
        )
    if has_password(str(given.value)) and not given.source.startswith("TWOLOCKS_"):
        raise InputError(
            "the URL of the history holds a password",
            at=settings.at("history", given.value),
            do="leave it out: PGPASSWORD, pgpass or TWOLOCKS_SCAN_HISTORY may hold it",
        )


def _named(settings: Settings) -> None:
    """The notifications that were asked for stand in the settings file."""
    given = settings.options.get("notify")
    for name in given.value if given is not None else ():
        if name not in settings.notify:
            near = nearest(name, settings.notify, 1)
            known = ", ".join(settings.notify)
            raise InputError(
                f'there is no notification "{name}"',
                at=settings.at("notify", name),
                do=(f"nearest: {near[0]}; " if near else "")
                + (f"known: {known}" if known else f"write [notify.{name}] with its kind into {FILE}"),
            )


def _both(settings: Settings) -> None:
    """Options that contradict each other."""
    options = settings.options
    if "arm-endpoint" not in options:
        return
    cloud, endpoint = options["cloud"], options["arm-endpoint"]
    if cloud.source != DEFAULT and endpoint.value:
        raise InputError("--cloud and --arm-endpoint name two clouds", at=endpoint.source, do="give one of them")
    if "from" not in options or not options["from"].value:
        return
    where = ("subscription", "management-group", "resource", "resource-group", "tag")
    reading = (*where, "record", "snapshot", "effective")
    for name in reading:
        if name in options and options[name].source == f"--{name}":
            raise InputError(
                f"--from reads a file, so --{name} has nothing to work on", do=f"leave out --from, or --{name}"
            )


TABLES: dict[str, tuple[str, ...] | None] = {
    "scan": (),
    "network": ("wide-ipv4", "wide-ipv6"),
    "report": ("tags", "owner-tag"),
    "waivers": ("max-days", "allow-tag"),
    "networks": None,
    "severity": None,
    "intended": None,
    "notify": None,
}
"""The tables of a settings file and their keys; None where the keys are names that people choose."""


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


class _Reader:
    """Reads everything but `[scan]` out of a settings file."""

    def __init__(self, file: TomlFile) -> None:
        self.file = file
        self.sources: dict[str, str] = {}

    def settings(self, options: dict[str, Value]) -> Settings:
        self._names()
        networks, own = self._networks()
        severities, reasons = self._severities()
        found = Settings(
            options=options,
            networks=networks,
            own=own,
            wide_ipv4=self._number("network", "wide-ipv4", 65536, 1, 2**32),
            wide_ipv6=self._number("network", "wide-ipv6", 48, 0, 128),
            intended=self._intended(),
            severities=severities,
            reasons=reasons,
            tags=self._tags(),
            owner_tag=self._value("report", "owner-tag", "", "the name of a tag", _is_name),
            max_days=self._number("waivers", "max-days", MAX_DAYS, 1, 3660),
            allow_tag=self._value("waivers", "allow-tag", False, "yes or no (true, false)", _is_flag),
            notify=self._notify(),
            file=str(self.file.path),
            sources=self.sources,
            read=self.file,
        )
        self.file.check()
        return found

    def _names(self) -> None:
        """Faults for tables and keys that there are not."""
        known = TABLES | {"scan": tuple(option.name for option in SCAN)}
        every = [f"{table}.{name}" for table, names in known.items() for name in names or ()]
        for table, value in self.file.data.items():
            if table not in known:
                self._unknown(table, table, [*known, *every])
            elif known[table] is not None and not isinstance(value, dict):
                self.file.fault(f"{table} is a table", table, do=f"write [{table}]")
            else:
                for name in value if known[table] is not None else ():
                    if name not in (known[table] or ()):
                        self._unknown(f"{table}.{name}", f"{table}.{name}", every, table, name)

    def _unknown(self, what: str, word: str, known: Sequence[str], *key: str | int) -> None:
        self.file.unknown(
            f"there is no setting {what}", word, known, *(key or (word,)), more="all: twolocks config show"
        )

    def _tables(self, name: str) -> dict[str, Any]:
        found = self.file.data.get(name, {})
        if isinstance(found, dict):
            return found
        self.file.fault(f"{name} is a table", name, do=f"write [{name}]")
        return {}

    def _networks(self) -> tuple[dict[str, tuple[str, ...]], AddressSet]:
        networks: dict[str, tuple[str, ...]] = {}
        sets: list[AddressSet] = []
        for name, value in self._tables("networks").items():
            ranges = [value] if isinstance(value, str) else value
            if not isinstance(ranges, list) or not all(isinstance(each, str) for each in ranges):
                self.file.fault(f"networks.{name} is a list of ranges", "networks", name, do='["198.51.100.0/24"]')
                continue
            for text in ranges:
                try:
                    sets.append(parse(text))
                except ValueError as error:
                    self.file.fault(str(error), "networks", name, do='write ranges as "198.51.100.0/24"')
            networks[name] = tuple(ranges)
            self.sources[f"networks.{name}"] = self.file.at("networks", name)
        own = union(sets)
        if breadth(own) == "internet":
            self.file.fault(
                "these networks are the internet, so that no endpoint would count as open",
                "networks",
                do="name the ranges of your own organisation",
            )
        return networks, own

    def _number(self, table: str, name: str, default: int, least: int, most: int) -> int:
        def fits(value: Any) -> bool:
            return not isinstance(value, bool) and isinstance(value, int) and least <= value <= most

        return int(self._value(table, name, default, f"a number from {least} to {most}", fits))

    def _value(self, table: str, name: str, default: Any, kind: str, fits: Callable[[Any], bool]) -> Any:
        if name not in (given := _table(self.file, table)):
            return default
        if not fits(given[name]):
            self.file.fault(f"{table}.{name} is {kind}", table, name)
            return default
        self.sources[f"{table}.{name}"] = self.file.at(table, name)
        return given[name]

    def _intended(self) -> tuple[Intended, ...]:
        entries = self.file.data.get("intended", [])
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            self.file.fault("intended is no list of tables", "intended", do="write [[intended]]")
            return ()
        found = []
        known = ("resource", "endpoint", "reason")
        for place, entry in enumerate(entries):
            texts = self._entry(entry, known, known, "intended", place)
            found.append(Intended(texts["resource"], texts["endpoint"], texts["reason"]))
            self.sources[f"intended.{place + 1}"] = self.file.at("intended", place)
        return tuple(found)

    def _entry(
        self, entry: dict[str, Any], known: Sequence[str], needed: Sequence[str], *key: str | int
    ) -> dict[str, str]:
        """The texts of one entry; faults for keys that there are not, and for those that are missing."""
        what = ".".join(str(each) for each in key if isinstance(each, str))
        for name in entry:
            if name not in known:
                self.file.unknown(f'{what} has no key "{name}"', name, known, *key, name)
        texts = {}
        for name in known:
            value = entry.get(name, "")
            if not isinstance(value, str) or (name in needed and not value.strip()):
                self.file.fault(f"{what} needs {name}", *key, name, do=f'add {name} = "..."')
                value = ""
            texts[name] = value
        return texts

    def _severities(self) -> tuple[dict[str, Severity], dict[str, str]]:
        severities: dict[str, Severity] = {}
        reasons: dict[str, str] = {}
        names = list(Severity.__members__)
        for rule, entry in self._tables("severity").items():
            if not isinstance(entry, dict):
                self.file.fault(
                    f"severity.{rule} is a table with to and reason", "severity", rule, do=f"write [severity.{rule}]"
                )
                continue
            texts = self._entry(entry, ("to", "reason"), ("to", "reason"), "severity", rule)
            if texts["to"] and texts["to"] not in names:
                self.file.unknown(
                    f'no severity is called "{texts["to"]}"',
                    texts["to"],
                    names,
                    "severity",
                    rule,
                    "to",
                    more=f"known: {', '.join(names)}",
                )
            elif texts["to"]:
                severities[rule], reasons[rule] = Severity[texts["to"]], texts["reason"]
                self.sources[f"severity.{rule}"] = self.file.at("severity", rule)
        return severities, reasons

    def _notify(self) -> dict[str, dict[str, Any]]:
        """The tables [notify.<name>], each as its kind wants it."""
        found: dict[str, dict[str, Any]] = {}
        for name, table in self._tables("notify").items():
            if not isinstance(table, dict):
                self.file.fault(f"notify.{name} is a table", "notify", name, do=f"write [notify.{name}]")
                continue
            if not _is_name(table.get("kind")):
                self.file.fault(f"notify.{name} needs kind", "notify", name, "kind", do='add kind = "..."')
            else:
                notification.check(self.file, name, table)
            found[name] = table
            self.sources |= {f"notify.{name}.{key}": self.file.at("notify", name, key) for key in table}
        return found

    def _tags(self) -> tuple[str, ...]:
        tags = _table(self.file, "report").get("tags", [])
        if not isinstance(tags, list) or not all(isinstance(each, str) for each in tags):
            self.file.fault("report.tags is a list of names", "report", "tags", do='tags = ["owner"]')
            return ()
        if tags:
            self.sources["report.tags"] = self.file.at("report", "tags")
        return tuple(tags)
