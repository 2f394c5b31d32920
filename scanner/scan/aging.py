"""Answers of earlier scans that count in this one (`--max-age`): where they are kept, and which of them may count."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

from scanner.collect.ages import AgedReads, may_age, time_of
from scanner.collect.roles import read_roles
from scanner.config.durations import longest_ages
from scanner.config.settings import Settings
from scanner.config.settings_location import cache_folder
from scanner.model.message import plural
from scanner.model.resource_type import Read
from scanner.model.severity import Severity
from scanner.rulebook.loader import RuleSet
from scanner.scan.job import Job, code_of
from scanner.scan.resuming import deciding, fingerprint, private_folder
from scanner.snapshot import changes
from scanner.snapshot.ages import AnswersWriter, EarlierAnswers, UnusableAnswersError, read_answers
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

SUFFIX = ".answers"


class Aging(Struct):
    """The answers of earlier scans in one scan."""

    job: Job
    screen: Screen
    folder: Path
    """Where they are kept."""
    reads: AgedReads | None = None
    path: Path = field(default_factory=Path)

    async def begin(self, reader: "AzureReader", store: Store) -> AgedReads | None:
        """Return the answers that may count, None where no file can be kept. A note says why none counts."""
        settings, head = self.job.settings, store.header
        self.path = self.folder / f"{fingerprint(deciding(settings))}{SUFFIX}"
        earlier: EarlierAnswers = EarlierAnswers()
        changed: changes.LastChanges | None = None
        try:
            earlier = read_answers(self.path)
            changed = await self._changed(reader, earlier)
        except UnusableAnswersError as error:
            with suppress(OSError):
                self.path.unlink()
            self._say(f"the answers of the last scan do not count: {error}")
        except OSError as error:
            self._say(f"the answers of the last scan cannot be read: {error.strerror or error}")
        try:
            writer = AnswersWriter(self.path) if not settings["resume"] else None
        except OSError as error:
            self._say(f"no answers are kept for the next scan: {error.strerror or error}")
            writer = None
        limits = limits_of(self.job.rules, self.job.policy.severities or {}, settings)
        account = reader.account
        same = [self.job.tool, code_of(settings), reader.cloud, settings["arm-endpoint"], account.name, account.tenant]
        digest = msgspec.json.encode([*same, sorted(reader.labels), head.kept, head.kept_tags], order="sorted")
        self.reads = AgedReads(partial(read_roles, reader), limits, digest, earlier, writer, changed)
        return self.reads

    async def _changed(self, reader: "AzureReader", earlier: EarlierAnswers) -> changes.LastChanges | None:
        """Return when resources changed last since the oldest answer; None where that cannot be asked."""
        if not earlier.found:
            return changes.LastChanges()
        if self.job.settings["no-graph"]:
            self._say("with --no-graph it is not known what changed, so that every read is made")
            return None
        from scanner.azure.errors import ReadError

        try:
            rows = await reader.query(changes.query(time_of(earlier.oldest)), sorted(earlier.subscriptions))
        except ReadError as error:
            self._say(f"changes cannot be queried ({error.status or ''} {error.code}), so that every read is made")
            return None
        return changes.LastChanges(rows)

    def end(self, store: Store) -> None:
        """Keep the answers for the next scan, and note in the snapshot how many of earlier scans counted."""
        reads = self.reads
        if reads is None:
            return
        if reads.writer is not None:
            reads.writer.take_place()
        if reads.used:
            note = plural(
                "{count} read that decides only low or info findings is of an earlier scan, of {time} UTC",
                "{count} reads that decide only low or info findings are of earlier scans, the oldest of {time} UTC",
                count=reads.used,
                time=_shown(reads.oldest),
            )
            store.header.note(note)
            self.screen.write([Line(f"{note}.", "Note")], "found", note)

    def close(self) -> None:
        """Leave the answers of the last scan as they are, where this one did not end."""
        if self.reads is not None:
            if self.reads.writer is not None:
                self.reads.writer.discard()
            self.reads.earlier.close()

    def _say(self, text: str) -> None:
        self.screen.write([Line(text, "Note")], "start", text)


def aging_of(job: Job, screen: Screen) -> Aging | None:
    """Return the answers of earlier scans, None where the scan did not ask for them or they have no place."""
    if not job.settings["max-age"]:
        return None
    folder = cache_folder(os.environ, sys.platform)
    if folder is None:
        return None
    try:
        return Aging(job, screen, private_folder(Path(folder) / "answers"))
    except OSError as error:
        text = f"no answers are kept for the next scan: {error.strerror or error}"
        screen.write([Line(text, "Note")], "start", text)
        return None


def limits_of(rules: RuleSet, severities: Mapping[str, Severity], settings: Settings) -> dict[Read, float]:
    """Return how old the answer to a read may be, for those that may be of an earlier scan at all."""
    text = settings["max-age"]
    ages = longest_ages(text, settings.at("max-age", text))
    reads = rules.reads()
    least = rules.least_reads(severities).items()
    return {read: ages[severity] for read, severity in least if severity in ages and may_age(read, reads)}


def _shown(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")
