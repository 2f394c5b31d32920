"""`scan --resume`: after a kill, a stop or a deadline a scan goes on, and a scan that ended well leaves no journal."""

import json
import os
import random
import shlex
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.config.settings_location import cache_folder
from scanner.sandbox.faults import Fault, FaultPlan
from scanner.sandbox.server import Sandbox, running
from scanner.scan.resuming import MOST, may_pass
from scanner.snapshot.answer_shape import AnswerShape
from scanner.snapshot.journal import Journal
from scanner.snapshot.journal_lines import JournalHeader, parsed
from scanner.store import locks
from tests import processes
from tests.azure.requests import ESTATE, SITE, SUBSCRIPTIONS
from tests.scan.kills import Killing, reads
from tests.scan.tenants import estate
from tests.terminals import Ended, twolocks

STORAGE = "*/providers/Microsoft.Storage/storageAccounts"
LATER = Fault("throttle", STORAGE, retry_after=301)
"""A wait that is too long to wait for."""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with running(Sandbox(ESTATE, SUBSCRIPTIONS)) as served:
        yield served


class Lab:
    """Scans of a sandbox with a cache folder of their own."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box = box
        self.folder = folder

    def scan(self, *words: object, **env: str) -> Ended:
        given = {**self.box.environment(), "XDG_CACHE_HOME": str(self.folder / "cache"), **env}
        out = self.folder / "f.json"
        return twolocks("scan", "--arm-endpoint", self.box.url, "--out", out, *words, env=given)

    @property
    def journals(self) -> list[Path]:
        return sorted((self.folder / "cache" / "twolocks" / "journals").glob("*"))

    @property
    def findings(self) -> dict[str, Any]:
        document = json.loads((self.folder / "f.json").read_bytes())
        del document["scan"]
        return dict(document)

    def interrupted(self) -> Path:
        """The journal of a scan whose storage lists failed in a way that may pass."""
        self.box.requests.clear()
        self.box.faults = FaultPlan([LATER])
        ended = self.scan()
        self.box.faults = FaultPlan()
        assert ended.code in (1, 3), ended.err
        return self.journals[0]


@pytest.fixture
def lab(box: Sandbox, tmp_path: Path) -> Lab:
    return Lab(box, tmp_path)


def test_a_few_kills(tmp_path: Path) -> None:
    """The tool `python -m tests.scan.kills` makes a hundred of them over the sample estate."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with running(Sandbox(ESTATE, SUBSCRIPTIONS, latency=0.05)) as served:
        killing = Killing(served, tmp_path, ("--only", "category:authentication"))
        took = killing.whole()
        for _ in range(2):
            killing.kill(chance.uniform(0, took / 2))
    assert killing.figures["repeated"] == killing.figures["differences"] == 0


def test_a_scan_that_ends_well_leaves_nothing(lab: Lab) -> None:
    lab.scan()
    assert lab.journals == []
    folder = lab.folder / "cache" / "twolocks" / "journals"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_scan_that_ends_well_deletes_the_journals_of_its_scope(lab: Lab) -> None:
    lab.interrupted()
    lab.box.faults = FaultPlan([LATER])
    lab.scan("-s", "prod")
    lab.box.faults = FaultPlan()
    assert len(lab.journals) == 2
    lab.scan()
    assert len(lab.journals) == 1, "another scope keeps its own"


def test_processes_evaluate_beside_a_journal(lab: Lab) -> None:
    env = {**os.environ, **lab.box.environment(), "XDG_CACHE_HOME": str(lab.folder / "cache")}
    words = ("scan", "--arm-endpoint", lab.box.url, "--out", lab.folder / "f.json", "--jobs", "2")
    ended = processes.run(*words, env=env)
    assert ended.returncode == 1, ended.stderr
    assert "--jobs" not in ended.stderr, "a thread that is left over keeps it from being forked"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_does_not_hold_the_journal(tmp_path: Path) -> None:
    made = Journal.create(tmp_path / "j", JournalHeader(taken="2026-11-25T02:00:00Z", tool=""), AnswerShape(None))
    child = os.fork()
    if not child:
        signal.pause()
    try:
        made.close(delete=False)
        for _ in range(100):
            if (number := locks.hold(made.path)) is not None:
                break
            time.sleep(0.05)
        assert number is not None
        os.close(number)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_no_journal_is_kept_where_none_is_wanted(lab: Lab) -> None:
    lab.box.faults = FaultPlan([LATER])
    lab.scan("--no-journal")
    assert not (lab.folder / "cache").exists()


def test_a_read_that_failed_for_now_is_made_again_and_nothing_else(lab: Lab) -> None:
    lab.scan()
    whole = lab.findings
    journal = lab.interrupted()
    assert lab.findings != whole
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    before = set(reads(lab.box.requests, succeeded=True))
    lab.box.requests.clear()
    ended = lab.scan("--resume", journal)
    assert lab.findings == whole, ended.err
    assert [each for each in reads(lab.box.requests) if each in before] == []
    assert lab.journals == []


def test_the_scan_says_how_it_goes_on_and_so_does_the_next_one(lab: Lab) -> None:
    lab.box.faults = FaultPlan([LATER])
    first = lab.scan("-s", "prod")
    assert "to read what was not read: twolocks scan --subscription prod" in first.err
    second = lab.scan("-s", "prod")
    offered = next(line for line in second.err.splitlines() if "can go on" in line)
    words = shlex.split(offered.partition("go on: ")[2])
    assert words[:2] == ["twolocks", "scan"]
    assert words[words.index("--subscription") + 1] == "prod"
    assert Path(words[-1]).exists()
    assert "can go on" not in lab.scan("-s", "test").err, "another scope"
    lab.box.faults = FaultPlan()
    ended = twolocks(*words[1:], env={**lab.box.environment(), "XDG_CACHE_HOME": str(lab.folder / "cache")})
    assert "resumed: " in ended.err


def test_a_changed_resource_is_said_to_be_read_again(lab: Lab) -> None:
    journal = lab.interrupted()
    lab.box.estate.changes.append((SITE["id"], "2099-01-01T00:00:00Z"))
    ended = lab.scan("--resume", journal)
    assert "1 resource changed since" in ended.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("-s", "prod"), "other settings: subscription"),
        (("--no-graph",), "other settings: no-graph"),
        (("--keep-all",), "other settings: keep-all"),
    ],
)
def test_other_settings_are_refused(lab: Lab, words: tuple[str, ...], text: str) -> None:
    ended = lab.scan("--resume", lab.interrupted(), *words)
    assert ended.code == 2
    assert text in ended.err
    assert lab.journals, "the journal stays"


def test_other_rules_go_on_with_what_they_need(lab: Lab) -> None:
    ended = lab.scan("--resume", lab.interrupted(), "--only", "category:network")
    assert ended.code in (0, 1, 3), ended.err


def test_a_damaged_journal_ends_with_2(lab: Lab) -> None:
    journal = lab.interrupted()
    text = journal.read_bytes()
    journal.write_bytes(text.replace(b'"path":"/', b'"path":"!', 1))
    ended = lab.scan("--resume", journal)
    assert ended.code == 2
    assert "the journal is damaged" in ended.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--resume", "nothing.journal"), "cannot be opened"),
        (("--resume", "a", "--from", "b"), "--from reads a file, so --resume has no effect"),
        (("--deadline", "soon"), '"soon" is not a duration'),
        (("--deadline", "0m"), "is not a duration"),
        (("--deadline", "1h", "--from", "b"), "--from reads a file, so --deadline has no effect"),
    ],
)
def test_wrong_words_end_with_2(lab: Lab, words: tuple[str, ...], text: str) -> None:
    ended = lab.scan(*words)
    assert ended.code == 2
    assert text in ended.err


def test_a_journal_that_others_can_write_is_refused(lab: Lab) -> None:
    journal = lab.interrupted()
    journal.chmod(0o666)
    ended = lab.scan("--resume", journal)
    assert ended.code == 2
    assert "others can write" in ended.err


def test_a_journal_of_yesterday_is_refused_and_an_old_one_deleted(lab: Lab) -> None:
    journal = lab.interrupted()
    for number in range(MOST + 5):
        copy = journal.with_name(f"{number}.journal")
        copy.write_bytes(journal.read_bytes())
        os.utime(copy, (time.time() - number, time.time() - number))
    os.utime(journal, (time.time() - 8 * 86400,) * 2)
    lab.scan()
    assert len(lab.journals) <= MOST
    assert journal not in lab.journals


def test_a_deadline_leaves_gaps_and_resume_closes_them(lab: Lab) -> None:
    lab.scan()
    whole = lab.findings
    lab.box.faults = FaultPlan([Fault("slow", STORAGE, seconds=8)])
    ended = lab.scan("--deadline", "2s")
    assert ended.code in (1, 3)
    codes = {gap["code"] for gap in lab.findings["gaps"]}
    assert "Deadline" in codes, codes
    assert "--deadline" not in ended.err.partition("to read what was not read")[2]
    lab.box.faults = FaultPlan()
    lab.scan("--resume", lab.journals[0])
    assert lab.findings == whole


def test_a_deadline_before_anything_was_read_is_an_error(lab: Lab) -> None:
    lab.box.faults = FaultPlan([Fault("slow", "/subscriptions", seconds=8)])
    ended = lab.scan("--deadline", "1s")
    assert ended.code == 4
    assert "Deadline" in ended.err


def test_several_tenants_go_on_each_with_its_own_answers(tmp_path: Path) -> None:
    words = ("--only", "category:network")
    with estate(tmp_path) as served:
        cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        served.scan(*words, env=cache)
        whole = [{**each, "chain": ""} for each in served.lines[1:-1]]
        served.box.faults = FaultPlan([LATER])
        served.box.requests.clear()
        served.scan(*words, env=cache)
        journal = next((tmp_path / "cache").rglob("*.journal"))
        before = {(each.url, each.body, each.tenant) for each in served.box.requests if each.status == 200}
        served.box.faults = FaultPlan()
        served.box.requests.clear()
        ended = served.scan(*words, "--resume", journal, env=cache)
        assert "resumed: " in ended.err, ended.err
        after = [(each.url, each.body, each.tenant) for each in served.box.requests if each.tenant]
        assert [each for each in after if each in before] == []
        assert [{**each, "chain": ""} for each in served.lines[1:-1]] == whole


def test_without_a_cache_folder_a_scan_keeps_no_journal(lab: Lab) -> None:
    ended = lab.scan(XDG_CACHE_HOME="", HOME="")
    assert ended.code in (0, 1, 3), ended.err


def test_a_cache_folder_that_cannot_be_written_is_a_note(lab: Lab) -> None:
    (lab.folder / "file").write_text("")
    ended = lab.scan(XDG_CACHE_HOME=str(lab.folder / "file"))
    assert ended.code in (0, 1, 3)
    assert "no journal is kept" in ended.err


def test_the_journal_holds_no_secret_and_no_header(lab: Lab) -> None:
    text = lab.interrupted().read_text("utf-8")
    assert "Bearer" not in text
    assert "127.0.0.1" not in text.replace(f'"arm-endpoint":"{lab.box.url}"', "")
    assert all(parsed(line) for line in text.encode().splitlines(keepends=True))


@pytest.mark.parametrize(
    ("status", "code", "passes"),
    [
        (429, "TooManyRequests", True),
        (503, "ServiceUnavailable", True),
        (401, "ExpiredLogin", True),
        (401, "Unauthorized", False),
        (0, "Deadline", True),
        (0, "Timeout", True),
        (0, "BadJson", False),
        (403, "AuthorizationFailed", False),
        (404, "NotFound", False),
    ],
)
def test_what_a_second_try_may_close(status: int, code: str, passes: bool) -> None:
    assert may_pass(status, code) is passes


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {"HOME": "/home/kari"}, "/home/kari/.cache/twolocks"),
        ("linux", {"HOME": "/home/kari", "XDG_CACHE_HOME": "/var/kari"}, "/var/kari/twolocks"),
        ("linux", {"HOME": "", "XDG_CACHE_HOME": "here"}, None),
        ("darwin", {"HOME": "/Users/kari"}, "/Users/kari/Library/Caches/twolocks"),
        ("win32", {"LOCALAPPDATA": r"C:\Users\kari\AppData\Local"}, r"C:\Users\kari\AppData\Local\twolocks"),
        ("win32", {"USERPROFILE": r"C:\Users\kari"}, r"C:\Users\kari\AppData\Local\twolocks"),
        ("win32", {}, None),
    ],
)
def test_the_cache_folder_of_each_platform(platform: str, environ: dict[str, str], folder: str | None) -> None:
    pure_path = cache_folder(environ, platform)
    assert (str(pure_path) if pure_path is not None else None) == folder
