"""What an evaluation by workers depends on, as one message: rules, snapshot, settings, waivers, history."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from scanner.config.waivers import Entry, GapEntry, Waiver, WaiverFile
from scanner.document.writer import Writer
from scanner.evaluate.policy import Intended, NoWaivers, Policy
from scanner.history.baseline import Baseline, HistoryWriter
from scanner.history.evaluated import EvaluatedScopes
from scanner.history.first_ids import first_ids
from scanner.history.items import Item, ItemKind
from scanner.model.addresses import AddressSet, Intervals
from scanner.model.message import Message
from scanner.model.residency import ResidencyPolicy
from scanner.model.severity import Severity
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.format import Header
from scanner.snapshot.needed import of_needed_lines

VERSION = 1


class KnownItem(NamedTuple):
    """What rows need of an item of the history."""

    kind: ItemKind
    fingerprint: str
    resource: str
    since: str


class HistoryInput(msgspec.Struct):
    """What the history says of the rows of a scan: its items, and what earlier scans evaluated (`EvaluatedScopes`)."""

    known: list[KnownItem]
    evaluated: dict[str, list[str]]
    own: list[str]


class WaiverInput(msgspec.Struct):
    """The entries of a waiver file."""

    waivers: list[Waiver]
    gaps: list[GapEntry]
    lapsed: list[tuple[Waiver | None, GapEntry | None]]
    """Each is of one kind."""


class PolicyInput(msgspec.Struct, kw_only=True):
    """The settings."""

    networks: tuple[list[tuple[str, str]], list[tuple[str, str]]]
    """The intervals of IPv4 and IPv6 as decimals, because JSON has no such numbers."""
    wide_ipv4: int
    wide_ipv6: int
    intended: list[Intended]
    severities: dict[str, Severity]
    waivers: WaiverInput | None
    tags: list[str]
    part: bool
    residency: ResidencyPolicy


class EvaluationInput(msgspec.Struct, kw_only=True):
    """An evaluation."""

    version: int = VERSION
    run: str
    code: str
    """See `digest_of_code`."""
    header: Header
    why: str
    """Why a property that was not kept is unread."""
    lines: str
    """The digest of the needed lines of the snapshot."""
    policy: PolicyInput
    history: HistoryInput | None


def input_of(taken: Snapshot, policy: Policy, writer: Writer, *, run: str, code: str, lines: str) -> EvaluationInput:
    """Return what an evaluation depends on. Raises TypeError for what cannot be written down."""
    return EvaluationInput(
        run=run,
        code=code,
        header=taken.header,
        why=taken.why,
        lines=lines,
        policy=_policy(policy),
        history=_history(writer),
    )


def _policy(policy: Policy) -> PolicyInput:
    return PolicyInput(
        networks=(_decimals(policy.networks.v4), _decimals(policy.networks.v6)),
        wide_ipv4=policy.wide_ipv4,
        wide_ipv6=policy.wide_ipv6,
        intended=list(policy.intended),
        severities=dict(policy.severities),
        waivers=_waivers(policy),
        tags=list(policy.tags),
        part=policy.part,
        residency=policy.residency,
    )


def _waivers(policy: Policy) -> WaiverInput | None:
    given = policy.waivers
    if isinstance(given, NoWaivers):
        return None
    if not isinstance(given, WaiverFile):
        raise TypeError("unknown kind of waivers")
    return WaiverInput(list(given.waivers), list(given.gaps), [_pair(each) for each in given.lapsed])


def _pair(entry: Entry) -> tuple[Waiver | None, GapEntry | None]:
    return (entry, None) if isinstance(entry, Waiver) else (None, entry)


def _history(writer: Writer) -> HistoryInput | None:
    if not isinstance(writer, HistoryWriter):
        return None
    before = writer.baseline.evaluated_before
    if not isinstance(before, EvaluatedScopes):
        raise TypeError("unknown kind of history")
    known = [KnownItem(each.kind, each.fingerprint, each.resource, each.since) for each in _items(writer.baseline)]
    return HistoryInput(known, {scope: sorted(words) for scope, words in before.scopes.items()}, list(before.selected))


def _items(baseline: Baseline) -> Iterable[Item]:
    return (baseline.known[key] for key in sorted(baseline.known))


def policy_of(policy_input: PolicyInput) -> Policy:
    """Return the settings of an evaluation."""
    v4, v6 = map(_intervals, policy_input.networks)
    waivers = policy_input.waivers
    return Policy(
        networks=AddressSet(v4, v6),
        wide_ipv4=policy_input.wide_ipv4,
        wide_ipv6=policy_input.wide_ipv6,
        intended=tuple(policy_input.intended),
        severities=policy_input.severities,
        waivers=NoWaivers() if waivers is None else _waiver_file(waivers),
        tags=tuple(policy_input.tags),
        part=policy_input.part,
        residency=policy_input.residency,
    )


def _waiver_file(waiver_input: WaiverInput) -> WaiverFile:
    lapsed = (each for pair in waiver_input.lapsed for each in pair if each is not None)
    return WaiverFile(tuple(waiver_input.waivers), tuple(waiver_input.gaps), tuple(lapsed))


def snapshot_of(evaluation_input: EvaluationInput, lines: Callable[[], Iterable[bytes]]) -> Snapshot:
    """Return the snapshot of an evaluation, without the bundles after the index. `lines`: see `of_needed_lines`."""
    return of_needed_lines(evaluation_input.header, lines, Message(evaluation_input.why))


def writer_of(evaluation_input: EvaluationInput, rules: RuleSet) -> Writer:
    """Return a writer for the rows of an evaluation."""
    if evaluation_input.history is None:
        return Writer()
    items = [Item(**each._asdict()) for each in evaluation_input.history.known]
    before = EvaluatedScopes(
        {scope: set(words) for scope, words in evaluation_input.history.evaluated.items()}, evaluation_input.history.own
    )
    return HistoryWriter(
        Baseline({each.key: each for each in items}, before), evaluation_input.header.taken, first_ids(rules)
    )


def _decimals(intervals: Intervals) -> list[tuple[str, str]]:
    return [(str(first), str(last)) for first, last in intervals]


def _intervals(texts: list[tuple[str, str]]) -> Intervals:
    return tuple((int(first), int(last)) for first, last in texts)
