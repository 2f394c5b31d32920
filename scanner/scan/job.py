"""A scan before it starts: its settings, rules and outputs, checked before anything is read."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from scanner import version
from scanner.config import waiver_reader
from scanner.config.notifications import Target
from scanner.config.settings import Settings
from scanner.config.waivers import WaiverFile
from scanner.document.schema import now
from scanner.document.writer import Writer
from scanner.errors import InputError
from scanner.evaluate.policy import NoWaivers, Policy, Waivers
from scanner.evaluate.run import Evaluation
from scanner.model.residency import ResidencyPolicy
from scanner.model.rule import Rule
from scanner.model.severity import Severity
from scanner.output.owner_documents import SplitBy, parse_split
from scanner.output.owner_files import certain_names, need_files
from scanner.output.redact import key_for
from scanner.output.storage import Storage, is_blob, is_remote, refuse_other_urls
from scanner.output.targets import OutputTarget, check_folder, check_target, parse_targets, refuse_inputs
from scanner.rulebook.digest import digest_of_code
from scanner.rulebook.kept import kept_paths
from scanner.rulebook.loader import RuleSet, load, match_whole
from scanner.rulebook.until import ask_until
from scanner.scan import sources
from scanner.scan.answer_lines import NOT_RESUMED, again
from scanner.scan.explain import ReadLog
from scanner.scan.resuming import ScanJournal
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.format import Header
from scanner.snapshot.selection import Exclusion
from scanner.snapshot.signature import SUFFIX, Signer, Verifier, signer, verifier
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

KEPT_ALL = (
    "--keep-all: resources are stored whole; only values that look like secrets are masked, so others may be in it"
)
SNAPSHOTS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".gz", ".zst", ".ndjson")


class Job(Struct, frozen=True):
    """A scan whose input is checked and that has not read anything yet."""

    settings: Settings
    rules: RuleSet
    policy: Policy
    outs: tuple[OutputTarget, ...]
    tool: str = field(default_factory=lambda: f"twolocks {version()}")
    redaction_key: bytes | None = None
    """The key of the pseudonyms, where the outputs are redacted."""
    by: SplitBy | None = None
    """What reports are split by."""
    whom: tuple[Target, ...] = ()
    """The notifications that `--notify` names."""
    signer: Signer | None = None
    """The key of `--sign`."""
    verifier: Verifier | None = None
    """The key of `--verify`."""
    exclusions: tuple[Exclusion, ...] = ()
    """What `--exclude` names."""
    read_log: ReadLog | None = None
    """The requests of the scan, for `--explain-reads`."""
    journal: "ScanJournal | PartedScan | None" = None
    """How a scan of Azure goes on after an interruption."""

    @property
    def parted(self) -> "PartedScan | None":
        """What spreads the scan, None where one process does all."""
        return None if isinstance(self.journal, ScanJournal) else self.journal

    def blobs(self) -> list[tuple[str, str]]:
        """Return the blobs and streams to write, each with the option or setting that names it."""
        at = self.settings.at
        names = [(out.name, at("out", out.name)) for out in self.outs]
        names_by_owner = certain_names(self.outs, self.by, is_redacted=self.redaction_key is not None)
        names += [(name, at("out", out)) for name, out in names_by_owner.items()]
        names += [(name, at("snapshot", self.settings["snapshot"])) for name in snapshot_names(self.settings)]
        return [(name, given) for name, given in names if is_remote(name)]

    def header(self) -> Header:
        """Return the header of the snapshot that the scan makes. It says what is kept of each resource."""
        head = Header(taken=now(), cloud=self.settings["cloud"], tool=self.tool)
        if self.settings["keep-all"]:
            head.note(KEPT_ALL)
            return head
        filtered = [tag.partition("=")[0].strip() for tag in self.settings["tag"]]
        waived = self.policy.waivers.tags if isinstance(self.policy.waivers, WaiverFile) else ()
        kept = kept_paths(self.rules, (*self.policy.tags, *filtered, *waived, *self.policy.residency.tags))
        head.kept, head.kept_tags = kept.listed(), sorted(kept.tags)
        return head


class PartedScan(Protocol):
    """A scan of Azure whose collection and evaluation are spread: what the steps of a scan ask of it."""

    def collect(
        self,
        job: Job,
        storage: Storage,
        screen: Screen,
        stop: Stop,
        signed_in: "Callable[[AzureReader, Store], None]",
        *,
        ends: float | None,
        limits: bool,
    ) -> Store:
        """Read Azure. `signed_in`: called once with the reader and the store. `ends`: the deadline, by the monotonic
        clock. Raises UserError, Stopped.
        """

    def spread(self, evaluation: Evaluation, writer: Writer, screen: Screen, stop: Stop, ends: float | None) -> bool:
        """Let others evaluate, and return whether they do."""

    def end(self) -> None:
        """Note that the evaluation is over."""

    def kept(self) -> str:
        """Return the command with which a scan that was stopped goes on, "" where it does not."""

    def ended(self, gaps: Iterable[tuple[int, str]], *, is_written: bool) -> str:
        """Return the command with which a scan that ended goes on, "" where nothing is left. See `ScanJournal`."""

    def close(self) -> None:
        """Free what the scan holds."""


def prepare(settings: Settings, screen: Screen, parted: PartedScan | None = None) -> Job:
    """Check everything that can be checked without reading. `parted`: what spreads the scan. Raises InputError."""
    outs = parse_targets(settings["out"], settings.at, format=settings["format"])
    by = parse_split(settings["split"], settings.at("split", settings["split"]))
    need_files(outs, by, settings.at("split", settings["split"]))
    key, note = key_for(settings, os.environ)
    if note:
        screen.write([Line(note, "Note")], "settings", note)
    if settings["snapshot"]:
        name = settings["snapshot"]
        refuse_other_urls(name, settings.at("snapshot", name))
        if not name.endswith(SNAPSHOTS):
            raise InputError(
                f"unknown suffix of a snapshot: {Path(name).suffix or 'none'}; nothing was read",
                at=settings.at("snapshot", name),
                do="known: .jsonl, .jsonl.gz, .jsonl.zst",
            )
        check_target(name, settings.at("snapshot", name))
    if settings["record"]:
        _record(settings["record"], settings.at("record", settings["record"]))
    _refuse_inputs(settings)
    _keys_need_a_snapshot(settings)
    _tags(settings)
    exclusions(settings)
    rules = chosen(settings, screen, always=True)
    severities = _severities(settings, rules)
    ask_until(rules, settings["until"], severities)
    policy = Policy(
        networks=settings.own,
        wide_ipv4=settings.wide_ipv4,
        wide_ipv6=settings.wide_ipv6,
        intended=settings.intended,
        severities=severities,
        waivers=_waivers(settings, rules),
        tags=settings.kept_tags,
        part=any(settings[each] for each in ("resource", "resource-group", "tag", "exclude")),
        residency=settings.residency or ResidencyPolicy(),
    )
    whom, signer = _whom(settings), _signer(settings)
    return Job(
        settings,
        rules,
        policy,
        outs,
        redaction_key=key,
        by=by,
        whom=whom,
        signer=signer,
        verifier=redaction_key_of(settings),
        exclusions=exclusions(settings),
        read_log=_read_log(settings, rules),
        journal=parted or _journal(settings, screen),
    )


def _journal(settings: Settings, screen: Screen) -> ScanJournal | None:
    if settings["from"]:
        return None
    return ScanJournal(settings, screen, again(settings, NOT_RESUMED))


def _read_log(settings: Settings, rules: RuleSet) -> ReadLog | None:
    """Return the log of `--explain-reads`. Raises InputError where the scan sends no requests."""
    if not settings["explain-reads"]:
        return None
    if settings["from"]:
        raise InputError("--explain-reads is about requests, and --from sends none", do="remove one of them")
    return ReadLog(rules)


def exclusions(settings: Settings) -> tuple[Exclusion, ...]:
    """Return what `--exclude` names. Raises InputError for what is not in its grammar.

    A snapshot may be of another estate than a settings file is for, so that it need not have what the file names.
    """
    is_required = not settings["from"] or settings.options["exclude"].source == "--exclude"
    given = settings["exclude"]
    return tuple(Exclusion.parse(each, settings.at("exclude", each), is_required=is_required) for each in given)


def snapshot_names(settings: Settings) -> list[str]:
    """Return the names of the snapshot and, where it is signed, of its signature; [] where none is written."""
    name = settings["snapshot"]
    return [name, *([f"{name}{SUFFIX}"] if settings["sign"] else [])] if name else []


def _signer(settings: Settings) -> Signer | None:
    if not settings["sign"] or not settings["snapshot"] or settings["from"]:
        return None
    return signer(settings["sign"], settings.at("sign", settings["sign"]), os.environ)


def redaction_key_of(settings: Settings) -> Verifier | None:
    """Return the public key that a snapshot to read must be signed for; None where any may be read."""
    if not settings["verify"] or not settings["from"]:
        return None
    return verifier(settings["verify"], settings.at("verify", settings["verify"]))


def _keys_need_a_snapshot(settings: Settings) -> None:
    """Raise InputError where the command line names a key that would have no effect."""
    needs = {"sign": ("snapshot", "--sign signs a snapshot that a scan of Azure writes", "--snapshot FILE")}
    needs["verify"] = ("from", "--verify is for a snapshot that is read", "--from FILE")
    for option, (other, what, do) in needs.items():
        unused = not settings[other] or (option == "sign" and settings["from"])
        if settings[option] and unused and settings.options[option].source.startswith("--"):
            raise InputError(f"{what}; nothing was read", at=settings.at(option, settings[option]), do=f"use {do}")


def require_kept_tag(job: Job, taken: Snapshot) -> None:
    """Raise InputError where reports are split by a tag that a snapshot does not hold: no part had an owner."""
    head, by = taken.header, job.by
    if by is None or not by.tag or head.kept is None or by.tag.casefold() in map(str.casefold, head.kept_tags):
        return
    raise InputError(
        f'the snapshot does not hold the tag "{by.tag}"',
        at=job.settings.at("split", by),
        do=f"take it again: twolocks scan --split {by} --snapshot FILE; or split by subscription or resource-group",
    )


def load_rules(settings: Settings, screen: Screen, *, always: bool = False) -> RuleSet:
    """Return the rules of the folders and packages that the settings name. Raises InputError for an invalid folder.

    Prints these first, because their Python runs when they are loaded. `always`: see `sources.show`.
    """
    sources.show(settings, screen, always=always)
    return load(
        [Path(each) for each in sources.folders(settings, "rules")],
        code=[Path(each) for each in sources.folders(settings, "rules-code")],
        packages=not settings["no-rule-packages"],
    )


def code_of(settings: Settings) -> str:
    """Return a digest of what decides verdicts besides input and settings: see `digest_of_code`."""
    folders = [Path(each) for option in ("rules", "rules-code") for each in sources.folders(settings, option)]
    return digest_of_code(folders, packages=not settings["no-rule-packages"])


def chosen(settings: Settings, screen: Screen, *, always: bool = False) -> RuleSet:
    """Return the rules that the settings select. Raises InputError for an invalid folder or pattern."""
    rules = load_rules(settings, screen, always=always)
    for option in ("only", "skip"):
        for pattern in settings[option]:
            try:
                rules.check(pattern, f"--{option}")
            except InputError as error:
                source = settings.options[option].source
                error.at = error.at if source.startswith("--") else source
                raise
    rules.select(settings["only"], settings["skip"])
    if not rules.enabled and rules.rules:
        raise InputError("these options select no rule", at=_patterns(settings), do=rules.hint())
    return rules


def _patterns(settings: Settings) -> str:
    given = [f"--{option} {each}" for option in ("only", "skip") for each in settings[option]]
    return " ".join(given)


def _severities(settings: Settings, rules: RuleSet) -> dict[str, Severity]:
    """Return the severities of the settings by the keys of rules. An old id for one type comes before the present one.

    Raise InputError for an unknown rule, and for one that two entries name.
    """
    names: dict[str, str] = {}
    merged: dict[str, list[str]] = {}
    many: dict[str, Severity] = {}
    for name in settings.severities:
        at = settings.sources.get(f"severity.{name}", settings.file)
        id, colon, type = name.partition(":")
        if (rule := rules.of_type(id, type) if colon else rules.named(name)) is None:
            raise InputError(f'unknown rule "{name}"', at=at, do=rules.hint(name))
        if any(name in each.ids for each in rule.merged):
            merged.setdefault(rule.id, []).append(name)
        elif rule.of_many is not None and name not in rule.of_many.was and not colon:
            many |= {each.key: settings.severities[name] for each in rules.all_named(name)}
        elif (other := names.setdefault(rule.key, name)) != name:
            what = f'severity.{name} and severity.{other} are the same rule, now "{rule.id}"'
            raise InputError(what, at=at, do="remove one of them")
    result = {id: settings.severities[name] for id, name in names.items()}
    return {**{id: _of_merged_rows(rules.rules[id], old, settings) for id, old in merged.items()}, **many, **result}


def _of_merged_rows(rule: Rule, old: Sequence[str], settings: Settings) -> Severity:
    """Return the severity of a merged rule whose parts the settings name by old ids: never less than any part's.

    Raise InputError where they name some of the parts, and endpoints rate the others.
    """
    given = max(settings.severities[name] for name in old)
    if match_whole(rule, old):
        return given
    if rule.severity is None:
        at = settings.sources.get(f"severity.{old[0]}", settings.file)
        raise InputError(f'the rule "{old[0]}" is now a part of "{rule.id}"', at=at, do=f"write [severity.{rule.id}]")
    return max(rule.severity, given)


def _waivers(settings: Settings, rules: RuleSet) -> Waivers:
    name = settings["waivers"]
    if not name:
        return NoWaivers()
    return waiver_reader.load(Path(name), rules, max_days=settings.max_days, allow_tag=settings.allow_tag)


def _whom(settings: Settings) -> tuple[Target, ...]:
    if not settings["notify"]:
        return ()
    from scanner.notify.after_scan import checked

    return checked(settings)


def _tags(settings: Settings) -> None:
    for tag in settings["tag"]:
        if not tag.partition("=")[0].strip() or "=" not in tag:
            raise InputError(f'"{tag}" is not a tag', at=settings.at("tag", tag), do="write --tag NAME=VALUE")


def _refuse_inputs(settings: Settings) -> None:
    """Raise InputError for an output that would replace an input of the scan."""
    at = settings.at
    names = [*(("out", name) for name in settings["out"]), *(("snapshot", name) for name in snapshot_names(settings))]
    given = [(option, settings[option]) for option in ("from", "verify", "waivers", "sign")]
    given.append(("resume", settings["resume"]))
    given += [("from", f"{settings['from']}{SUFFIX}")] if settings["from"] and settings["verify"] else []
    given.append(("history", history_file(settings["history"])))
    inputs = [(str(name), at(option, name)) for option, name in given if name]
    inputs += [(settings.file, "the settings file")] if settings.file else []
    inputs += [(each.partition("=")[2], at("secret-file", each)) for each in settings["secret-file"]]
    outputs = [(str(name), at(option, name)) for option, name in [*names, ("record", settings["record"])] if name]
    refuse_inputs(dict.fromkeys(outputs), inputs)


def history_file(url: str) -> str:
    """Return the file of a history, "" for a server."""
    name = url.removeprefix("sqlite:///") if url.startswith("sqlite://") else url
    return "" if "://" in name else name


def _record(name: str, at: str) -> None:
    if is_blob(name):
        raise InputError("--record writes to a file, not to a blob", at=at, do="give the path of a file")
    check_folder(Path(name), at)
