"""The journal of a scan: where it is kept, how an interrupted scan goes on, and what is offered."""

import os
import secrets
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from stat import S_IMODE, S_ISDIR
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from scanner.config.settings import Settings
from scanner.config.settings_location import cache_folder
from scanner.errors import InputError
from scanner.model.ids import subscription_of
from scanner.rulebook.loader import RuleSet
from scanner.snapshot import changes
from scanner.snapshot.answer_shape import AnswerShape
from scanner.snapshot.format import Header
from scanner.snapshot.journal import Journal
from scanner.snapshot.journal_lines import LONGEST, BadLine, JournalHeader, parsed
from scanner.store import locks
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.text import many, odd

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

SUFFIX = ".journal"
OLDEST = timedelta(days=7)
"""Journals that are older are deleted."""
MOST = 10
"""Of more journals the oldest ones are deleted."""
RESUMED_WITHIN = timedelta(hours=24)
"""The age up to which a scan goes on: what Azure does not report as changed may be as old."""
DECIDING = (
    *("subscription", "management-group", "resource", "resource-group", "tag", "exclude"),
    *("until", "no-graph", "keep-all", "cloud", "arm-endpoint", "arm-audience"),
)
"""The options that decide what is read."""

_LOGIN = frozenset(
    {"ExpiredLogin", "LoginRefused", "NoCredential", "ProxyRefused", "Unreachable", "UntrustedCertificate"}
    | {"ExpiredAuthenticationToken", "InvalidAuthenticationToken", "AuthenticationFailed"}
)
"""The codes of reads that failed because the login ended, or because no token could be fetched any more."""
_NO_ANSWER = frozenset({"Deadline", "Timeout", "Reset"})


class ScanJournal(Struct):
    """The journal of one scan."""

    settings: Settings
    screen: Screen
    words: Sequence[str] = ()
    """The command of the same scan."""
    journal: Journal | None = None
    """None where none is kept."""
    is_over: bool = False
    """Whether the scan ended well, so that the journal is not needed any more."""

    def open(self, header: Header, rules: RuleSet) -> Journal | None:
        """Open the journal that `--resume` names, or a new one. None where none is kept.

        Sets when a resumed scan began in `header`. Raises InputError for a journal that does not fit.
        """
        current = JournalHeader(
            taken=header.taken,
            tool=header.tool,
            settings=deciding(self.settings),
            kept=header.kept,
            kept_tags=header.kept_tags,
        )
        shape = AnswerShape(header.kept_paths(), rules.reads())
        if self.settings["resume"]:
            self.journal = self._resumed(current, shape)
            header.taken = self.journal.header.taken
        elif not self.settings["no-journal"]:
            self.journal = self._new(current, shape)
        return self.journal

    def _resumed(self, current: JournalHeader, shape: AnswerShape) -> Journal:
        name = self.settings["resume"]
        at, path = self.settings.at("resume", name), Path(name)
        try:
            _check_owner(path, at)
            journal = Journal.resume(path, current, shape)
        except OSError as error:
            raise InputError(f"{name} cannot be opened: {error.strerror}", at=at, do="give a journal") from None
        if _age(journal.header.taken) > RESUMED_WITHIN:
            journal.close(delete=False)
            raise InputError(
                f"the interrupted scan began {journal.header.taken}, more than {_hours()} hours ago",
                at=at,
                do="scan again without --resume",
            )
        return journal

    def _new(self, current: JournalHeader, shape: AnswerShape) -> Journal | None:
        """Return a new journal in the user's cache folder, and offer an interrupted scan of the same scope."""
        folder = cache_folder(os.environ, sys.platform)
        if folder is None:
            return None
        try:
            path = private_folder(Path(folder) / "journals")
            clean(path)
            self._offer(path, current)
            name = f"{current.taken.replace(':', '')}-{fingerprint(current.settings)}-{secrets.token_hex(4)}{SUFFIX}"
            return Journal.create(path / name, current, shape)
        except OSError as error:
            text = f"no journal is kept, so this scan cannot go on after an interruption: {error.strerror or error}"
            self.screen.write([Line(text, "Note")], "start", text)
            return None

    def _offer(self, folder: Path, current: JournalHeader) -> None:
        """Print how the newest interrupted scan of the same scope goes on."""
        path = next((path for path in _same_scan(folder, current) if _has_answers(path)), None)
        if path is not None:
            text = f"an interrupted scan of the same scope can go on: {self._command(path)}"
            self.screen.write([Line(text, "Resume", whole=True)], "start", text)

    def _command(self, path: Path) -> str:
        words = [*self.words, "--resume", str(path)]
        return shlex.join(words) if not any(map(odd, words)) else f"--resume {path.name}"

    async def freshen(self, reader: "AzureReader") -> None:
        """Make the reads of an interrupted scan again that changes since then concern."""
        journal = self.journal
        if journal is None or not journal.resumed or not journal.earlier:
            return
        subscriptions = sorted({subscription_of(kept.path) for _, kept in journal.kept()} - {""})
        what = "lists are read again to find what changed"
        if self.settings["no-graph"]:
            journal.relisted = True
        elif subscriptions:
            from scanner.azure.errors import ReadError

            try:
                rows = await reader.query(changes.query(journal.header.taken), subscriptions)
            except ReadError as error:
                journal.relisted = True
                what = f"changes cannot be queried ({error.status or ''} {error.code}); {what}".replace("( ", "(")
            else:
                changed = changes.forget_changed(journal, rows)
                what = f"{many(changed, 'resource')} changed since" if changed else "nothing changed since"
        began = journal.header.taken.replace("T", " ").removesuffix("Z")
        text = f"{many(journal.earlier, 'read')} of the scan of {began} UTC count; {what}"
        self.screen.write([Line(text, "Resumed")], "start", f"resumed: {text}")

    def pause(self) -> None:
        """End the thread of the journal, because no process can be forked beside it."""
        if self.journal is not None:
            self.journal.pause()

    def kept(self) -> str:
        """Return how a scan that was stopped goes on, "" where it does not."""
        if self.journal is None or not (self.journal.count or self.journal.earlier):
            return ""
        return self._command(self.journal.path)

    def ended(self, gaps: Iterable[tuple[int, str]], *, is_written: bool) -> str:
        """Note that a scan ended. Return how it goes on, "" where a second try would close none of its gaps.

        `gaps`: status and code of each. `is_written`: all of its files are written, else the journal is kept.
        """
        command = self.kept() if any(may_pass(status, code) for status, code in gaps) else ""
        self.is_over = is_written and not command
        return command

    def close(self) -> None:
        """Close the journal. Delete it where nothing is left to go on with, and after a scan that ended well those of
        interrupted scans of the same scope.
        """
        if self.journal is None:
            return
        path = self.journal.path
        is_journal = path.suffix == SUFFIX
        self.journal.close(delete=is_journal and (self.is_over or not self.kept()))
        for each in _same_scan(path.parent, self.journal.header) if is_journal and self.is_over else ():
            with suppress(OSError):
                locks.remove_if_free(each, folder=False)


def may_pass(status: int, code: str) -> bool:
    """Return whether a read that failed may succeed later, with no other permission."""
    if status in (408, 429) or status >= 500:
        return True
    return code in _LOGIN if status == 401 else status == 0 and code in _NO_ANSWER


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return the name of a scope: equal for scans that read the same."""
    return blake2b(msgspec.json.encode(settings, order="sorted"), digest_size=8).hexdigest()


def clean(folder: Path) -> None:
    """Delete journals that are old, and the oldest where there are many. One that a scan holds stays."""
    matches = sorted(_journals(folder), reverse=True)
    limit = datetime.now(UTC).timestamp() - OLDEST.total_seconds()
    for position, (at, path) in enumerate(matches):
        if position >= MOST or at < limit:
            with suppress(OSError):
                locks.remove_if_free(path, folder=False)


def _journals(folder: Path) -> Iterable[tuple[float, Path]]:
    """Yield the journals of a folder, each with the time of its last change."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                stat_result = entry.stat(follow_symlinks=False)
                if entry.name.endswith(SUFFIX) and locks.belongs_to_user(stat_result, folder=False):
                    yield stat_result.st_mtime, Path(entry.path)


def _same_scan(folder: Path, current: JournalHeader) -> Iterable[Path]:
    """Yield the journals of interrupted scans of the same scope, the newest first."""
    name = f"-{fingerprint(current.settings)}-"
    for _, path in sorted(_journals(folder), reverse=True):
        if name in path.name:
            yield path


def _has_answers(path: Path) -> bool:
    """Return whether an interrupted scan can go on with a journal: no other one uses it, and it is of today."""
    with suppress(OSError, BadLine):
        number = locks.hold(path)
        if number is None:
            return False
        with os.fdopen(number, "rb") as file:
            first = parsed(file.readline(LONGEST))
            if first is None or first.journal is None or _age(first.journal.taken) > RESUMED_WITHIN:
                return False
            return any(each.answer is not None for each in map(parsed, file.readlines(1 << 16)) if each is not None)
    return False


def private_folder(folder: Path) -> Path:
    """Make a folder for this user alone. Raises OSError for one of another user."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    stat_result = os.lstat(folder)
    if not S_ISDIR(stat_result.st_mode) or not locks.belongs_to_user(stat_result, folder=True):
        raise PermissionError(1, f"{folder} belongs to another user")
    if os.name == "posix" and S_IMODE(stat_result.st_mode) != 0o700:
        folder.chmod(0o700)
    return folder


def _check_owner(path: Path, at: str) -> None:
    """Raise InputError for a journal that another user wrote or can write. Raises OSError."""
    stat_result = os.lstat(path)
    if not locks.belongs_to_user(stat_result, folder=False) or (
        os.name == "posix" and S_IMODE(stat_result.st_mode) & 0o022
    ):
        raise InputError(f"others can write {path}, so its reads are not used", at=at, do="scan again without --resume")


def deciding(settings: Settings) -> dict[str, Any]:
    """Return the settings that decide what is read."""
    result: dict[str, Any] = {name: settings[name] for name in DECIDING}
    result = {name: sorted(each) if isinstance(each, tuple) else each for name, each in result.items()}
    tenants = [[each.id, sorted(each.subscriptions), sorted(each.management_groups)] for each in settings.tenants]
    return {name: each for name, each in {**result, "tenant": tenants}.items() if each}


def _age(taken: str) -> timedelta:
    with suppress(ValueError):
        return datetime.now(UTC) - datetime.fromisoformat(taken)
    return timedelta.max


def _hours() -> int:
    return int(RESUMED_WITHIN.total_seconds() // 3600)
