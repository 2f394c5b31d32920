"""Scheduled runs over a changing estate, reported to real receivers: who receives what, and what follows later."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.history.queries import upgrade
from scanner.sandbox import certificates
from tests.history.changing_estate import EVERYWHERE, SKIPPED, Json, Refusal, RunResult, scheduled_run, served
from tests.history.server import serving
from tests.history.test_changing_estate import ENDPOINTS, EXPORT, GAP, REFUSED, SECOND, estate
from tests.notify.receivers import Answer, Received, Web, mail, until, web
from tests.processes import start
from tests.terminals import GROUP, Ended, twolocks

SECRET = "0123456789abcdef0123456789abcdef"
HOOK = "kind = 'webhook'\nurl-env = 'TWOLOCKS_SECRET_HOOK'\nsecret-env = 'TWOLOCKS_SECRET_KEY'"
CONTAINERS = Refusal(path="*/blobservices/default/containers")

FIRST_NIGHTS: dict[str, bytes] = {}
"""Histories by what their only scan saw and by what reported it."""


@dataclass(slots=True)
class Watch:
    """A receiver, and a folder with a history and settings that name it."""

    server: Web
    folder: Path
    words: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """The variables that name the files with secrets."""
        names = ("hook", "key", "broken")
        return {f"TWOLOCKS_SECRET_{name.upper()}_FILE": str(self.folder / name) for name in names}

    def settings(self, text: str = "", **tables: str) -> None:
        """The notification `ops`, a web hook, and whatever else."""
        (self.folder / "hook").write_text(f"{self.server.url}/hook?sig=c2VjcmV0")
        (self.folder / "key").write_text(SECRET)
        more = "\n".join(f"[notify.{name}]\n{table}" for name, table in tables.items())
        (self.folder / "twolocks.toml").write_text(f"{text}\n[notify.ops]\n{HOOK}\n{more}\n")

    def scheduled_run(
        self, resources: list[Json], *words: str, notify: Sequence[str] = ("ops",), **options: Any
    ) -> RunResult:
        history, config = str(self.folder / "history.db"), str(self.folder / "twolocks.toml")
        asked = [word for name in notify for word in ("--notify", name)]
        given = (*asked, "--config", config, "--fail-on", "new:high", *self.words, *words)
        reported = scheduled_run(resources, history, self.folder, *given, env=self.env, **options)
        everything = f"{reported.ended.out}{reported.ended.err}{json.dumps(reported.document)}"
        assert "c2VjcmV0" not in everything
        assert SECRET not in everything
        return reported

    def first_night(self, resources: list[Json], notify: Sequence[str] = ("ops",)) -> None:
        """Make a history in which one scan saw these resources and reported them. It is made once, and copied."""
        history, settings = self.folder / "history.db", (self.folder / "twolocks.toml").read_text()
        told = json.dumps([resources, notify, self.words, settings])
        if told in FIRST_NIGHTS:
            history.write_bytes(FIRST_NIGHTS[told])
            return
        self.scheduled_run(resources, notify=notify)
        assert self.heard()
        FIRST_NIGHTS[told] = history.read_bytes()

    def heard(self) -> list[Received]:
        """What came since the last time."""
        receiveds = list(self.server.received)
        self.server.received.clear()
        return receiveds

    def one(self) -> Json:
        receiveds = self.heard()
        assert len(receiveds) == 1
        return receiveds[0].json


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    with web() as server:
        result = Watch(server, tmp_path)
        result.settings()
        yield result


def endpoints(notice: Json) -> set[str]:
    return {f"{each['news']} {each['resource'].rsplit('/', 1)[-1]}: {each['endpoint']}" for each in notice["items"]}


def test_a_week(watch: Watch) -> None:
    """A baseline, a quiet night, news, a quiet night, what is closed, what is open again, and what got worse."""
    assert watch.scheduled_run(estate()).ended.code == 0
    first = watch.one()
    assert (first["kind"], first["items"]) == ("baseline", [])
    assert first["title"].startswith("First scan, the baseline: ")

    quiet = watch.scheduled_run(estate())
    assert watch.heard() == []
    assert "notice" not in quiet.ended.err

    reported = watch.scheduled_run(estate(EXPORT, ssh="Internet"))
    assert reported.ended.code == 1
    assert "notice to ops: 2 new; highest severity: critical" in reported.ended.err
    news = watch.one()
    assert endpoints(news) == {"new stjournal: blob/eksport", "new vm-hopp: tcp/22"}
    assert news["scan"]["id"] == reported.document["scan"]["id"]
    assert news["counts"] == reported.document["changes"]["counts"]

    watch.scheduled_run(estate(EXPORT, ssh="Internet"))
    watch.scheduled_run(estate())
    assert watch.heard() == []

    watch.scheduled_run(estate(EXPORT, addresses=EVERYWHERE))
    assert endpoints(watch.one()) == {"reopened stjournal: blob/eksport", "worse sqlfag: tds"}


def test_what_is_below_the_least_severity_is_not_reported(watch: Watch) -> None:
    watch.settings(low=f"{HOOK}\nmin-severity = 'critical'")
    both = ("ops", "low")
    watch.first_night(estate(), notify=both)
    watch.scheduled_run(estate(ssh="Internet"), notify=both)
    assert [each.json["notification"] for each in watch.heard()] == ["ops"]


def test_owners_are_distinguished_by_their_tag(watch: Watch) -> None:
    hook = "kind = 'webhook'\nurl-env = 'TWOLOCKS_SECRET_HOOK'\nsecret-env = 'TWOLOCKS_SECRET_KEY'\nowner = '{}'"
    watch.settings("[report]\nowner-tag = 'owner'", kari=hook.format("kari"), ola=hook.format("ola"))
    tagged = [
        {**each, "tags": {"owner": "kari"}} if each["id"].endswith("/stjournal") else each for each in estate(EXPORT)
    ]
    watch.first_night(estate(), notify=("kari", "ola"))
    watch.scheduled_run(tagged, notify=("ops", "kari", "ola"))
    result = {each.json["notification"]: each.json for each in watch.heard()}
    assert {name for name, each in result.items() if each["kind"] == "news"} == {"ops", "kari"}
    assert [each["owner"] for each in result["kari"]["items"]] == ["kari"]


# What could not be read


def test_a_gap_that_is_new_is_reported_once(watch: Watch) -> None:
    watch.first_night(estate())
    reported = watch.scheduled_run(estate(), refusals=[CONTAINERS])
    assert reported.ended.code == 3
    notice = watch.one()
    assert notice["title"] == "The scan is incomplete, the previous one was complete"
    assert notice["items"] == []
    assert notice["remarks"][0].startswith(
        "The scan is incomplete: 2 endpoints were not fully assessed, 2 reads failed"
    )
    assert not notice["scan"]["complete"]
    assert {each["status"] for each in notice["gaps"]} == {403}
    assert notice["counts"]["fixed"] == 0
    watch.scheduled_run(estate(), refusals=[CONTAINERS])
    assert watch.heard() == []
    watch.scheduled_run(estate())
    assert watch.heard() == []


def test_a_gap_that_is_accepted_is_quiet_and_a_new_one_beside_it_is_not(watch: Watch) -> None:
    waivers = watch.folder / "waivers.toml"
    waivers.write_text(GAP.format(expires=(datetime.now(UTC) + timedelta(days=90)).date()))
    watch.words = ["--waivers", str(waivers)]
    watch.scheduled_run(estate(), refusals=[REFUSED])
    watch.heard()
    watch.scheduled_run(estate(), refusals=[REFUSED])
    assert watch.heard() == []
    watch.scheduled_run(estate(), refusals=[CONTAINERS])
    assert [each["url"].split("/")[8] for each in watch.one()["gaps"]] == ["stjournal"]


def test_a_notice_of_an_incomplete_scan_says_so_first(watch: Watch) -> None:
    watch.scheduled_run(estate(), refusals=[REFUSED])
    watch.heard()
    watch.scheduled_run(estate(ssh="Internet"), refusals=[REFUSED])
    notice = watch.one()
    assert endpoints(notice) == {"new vm-hopp: tcp/22"}
    assert notice["remarks"][0].startswith("The scan is incomplete: 1 endpoint was not fully assessed, 1 read failed")


# Waivers


def expires(watch: Watch, days: int) -> date:
    """Write a waiver that expires so many days from now. Return that day: the tests may run across midnight."""
    day = (datetime.now(UTC) + timedelta(days=days)).date()
    (watch.folder / "waivers.toml").write_text(
        f'[[waiver]]\nrule = "storage-*"\nresource = "{GROUP}/providers/Microsoft.Storage/storageAccounts/stjournal"\n'
        f'reason = "open data"\nowner = "kari"\nexpires = {day}\n'
    )
    watch.words = ["--waivers", str(watch.folder / "waivers.toml")]
    return day


def finished_on(watch: Watch, day: date) -> None:
    """Every scan so far ended at noon of this day."""
    with closing(sqlite3.connect(watch.folder / "history.db")) as raw:
        raw.execute("UPDATE scans SET finished = ?", (f"{day}T12:00:00Z",))
        raw.commit()


def test_a_waiver_that_is_about_to_expire_is_reported_once(watch: Watch) -> None:
    expiry = expires(watch, 14)
    watch.scheduled_run(estate())
    assert "1 waiver expires within 14 days" in watch.one()["remarks"]
    watch.scheduled_run(estate())
    assert watch.heard() == []
    finished_on(watch, expiry - timedelta(days=15))
    assert watch.scheduled_run(estate()).ended.code == 0
    notice = watch.one()
    assert notice["title"] == "1 waiver is about to expire"
    assert (notice["waivers"][0]["what"], notice["waivers"][0]["owner"]) == ("storage-* on stjournal", "kari")
    watch.scheduled_run(estate())
    assert watch.heard() == []


def test_what_a_waiver_covered_is_reported_when_it_expired(watch: Watch) -> None:
    watch.settings(all=f"{HOOK}\nmin-severity = 'medium'")
    expires(watch, 30)
    watch.first_night(estate(), notify=("all",))
    expires(watch, -1)
    watch.scheduled_run(estate(), notify=("all",))
    notice = watch.one()
    assert "reopened stjournal: blob" in endpoints(notice)
    assert {each["why"] for each in notice["items"]} == {"it is no longer accepted"}


# What did not arrive


def test_what_was_not_delivered_is_reported_by_the_next_scan_and_only_then(watch: Watch) -> None:
    watch.first_night(estate())
    watch.server.answers = (Answer(404),)
    reported = watch.scheduled_run(estate(EXPORT))
    assert reported.ended.code == 1
    assert [line for line in reported.ended.err.splitlines() if line.startswith(("error:", "-->", "hint:"))] == [
        'error: notification "ops" was not delivered: 127.0.0.1 responded 404',
        f"--> {watch.folder}/twolocks.toml:2",
        "hint: twolocks notify test ops; what was not reported now is reported after the next scan",
    ]
    assert "exit 1: 1 endpoint new at high" in reported.ended.err
    watch.heard()
    watch.server.answers = (Answer(202),)
    assert watch.scheduled_run(estate(EXPORT)).ended.code == 0
    notice = watch.one()
    assert [(each["endpoint"], each["late"]) for each in notice["items"]] == [("blob/eksport", True)]
    watch.scheduled_run(estate(EXPORT))
    assert watch.heard() == []


def test_one_that_does_not_arrive_leaves_the_others_reported(watch: Watch) -> None:
    with web(Answer(500), Answer(404)) as broken:
        (watch.folder / "broken").write_text(f"{broken.url}/x")
        watch.settings(down="kind = 'slack'\nurl-env = 'TWOLOCKS_SECRET_BROKEN'")
        watch.first_night(estate(), notify=("ops", "down"))
        watch.scheduled_run(estate(EXPORT), notify=("ops", "down"))
        assert endpoints(watch.one()) == {"new stjournal: blob/eksport"}
        broken.answers, before = (Answer(200),), len(broken.received)
        watch.scheduled_run(estate(EXPORT), notify=("ops", "down"))
        assert watch.heard() == []
        late = broken.received[before:]
        assert len(late) == 1
        assert "found by an earlier scan, not reported then" in late[0].body.decode()


def test_quiet_is_not_silent_when_a_notice_is_lost(watch: Watch) -> None:
    watch.server.answers = (Answer(404),)
    reported = watch.scheduled_run(estate(), "--quiet")
    assert reported.ended.code == 0
    assert reported.ended.err.startswith('error: notification "ops" was not delivered')
    watch.server.answers = (Answer(200),)
    assert watch.scheduled_run(estate(), "--quiet").ended.err == ""


def test_a_scan_that_is_killed_while_it_sends_is_reported_by_the_next_scan(watch: Watch) -> None:
    watch.first_night(estate())
    watch.server.answers = (Answer(hang=True),)
    folder = watch.folder
    with served(estate(EXPORT)) as box:
        given = ("scan", "--arm-endpoint", box.url, "--auth", "environment", "--history", folder / "history.db",
                 "--config", folder / "twolocks.toml", "--notify", "ops", *SKIPPED)  # fmt: skip
        environ = {**os.environ, "CI": "1", **box.environment(), **watch.env}
        child = start(*given, env=environ, stderr=subprocess.PIPE)
        until(lambda: bool(watch.server.received))
        child.send_signal(signal.SIGKILL)
        child.communicate()
    watch.heard()
    watch.server.answers = (Answer(202),)
    assert watch.scheduled_run(estate(EXPORT)).ended.code == 0
    assert endpoints(watch.one()) == {"new stjournal: blob/eksport"}


def test_ctrl_c_while_it_sends_ends_at_once_and_says_what_is_there(watch: Watch) -> None:
    watch.server.answers = (Answer(hang=True),)
    folder = watch.folder
    with served(estate()) as box:
        given = ("scan", "--arm-endpoint", box.url, "--auth", "environment", "--history", folder / "history.db",
                 "--config", folder / "twolocks.toml", "--notify", "ops", "--out", folder / "report.html",
                 *SKIPPED)  # fmt: skip
        environ = {**os.environ, "CI": "1", **box.environment(), **watch.env}
        child = start(*given, env=environ, stderr=subprocess.PIPE, text=True)
        until(lambda: bool(watch.server.received))
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=8)
    assert child.returncode == 130
    assert "stopped while sending notices; everything was written; kept: " in err
    assert (folder / "report.html").exists()


# The history


def test_a_history_that_cannot_be_read_is_reported_and_never_as_all_clear(watch: Watch) -> None:
    (watch.folder / "history.db").write_bytes(b"no database" * 100)
    reported = watch.scheduled_run(estate())
    assert reported.ended.code == 2
    notice = watch.one()
    assert (notice["kind"], notice["items"]) == ("unknown", [])
    assert notice["title"].startswith("Changes are unknown because the read of the history failed: ")
    assert notice["remarks"][0].startswith("The history was not written: ")


def test_a_history_that_cannot_be_written_is_reported_with_the_changes(watch: Watch) -> None:
    watch.first_night(estate())
    with closing(sqlite3.connect(watch.folder / "history.db")) as raw:
        raw.executescript("CREATE TRIGGER no BEFORE INSERT ON scans BEGIN SELECT RAISE(ABORT, 'no'); END;")
    assert watch.scheduled_run(estate(EXPORT)).ended.code == 2
    notice = watch.one()
    assert endpoints(notice) == {"new stjournal: blob/eksport"}
    assert notice["remarks"][0].startswith("The history was not written: ")


def test_what_a_manual_scan_found_is_reported_with_the_next_scan(watch: Watch) -> None:
    watch.first_night(estate())
    watch.scheduled_run(estate(EXPORT), "--resource-group", "rg-journal", notify=())
    assert watch.heard() == []
    watch.scheduled_run(estate(EXPORT))
    assert endpoints(watch.one()) == {"new stjournal: blob/eksport"}


# Other kinds, and the command


def test_log_commands_stand_on_standard_output_alone(watch: Watch) -> None:
    watch.settings(gh="kind = 'github'", ado="kind = 'azure-devops'")
    watch.scheduled_run(estate(), notify=("gh", "ado"))
    quiet = watch.scheduled_run(estate(), notify=("gh", "ado"))
    assert quiet.ended.out == ""
    reported = watch.scheduled_run(estate(EXPORT), notify=("gh", "ado"))
    assert reported.ended.out.splitlines() == [
        "::error title=Twolocks%2C critical::stjournal: new: blob/eksport. "
        "Container eksport is reachable from the internet and allows anyone to list and read its blobs",
        "##vso[task.logissue type=error]Twolocks, critical: stjournal: new: blob/eksport. "
        "Container eksport is reachable from the internet and allows anyone to list and read its blobs",
    ]
    assert "::error" not in reported.ended.err
    assert "##" not in reported.ended.err


def test_mail_has_the_report_of_the_scan(watch: Watch) -> None:
    ca = certificates.make(watch.folder)
    with mail(watch.folder) as post:
        watch.settings(
            post=f"kind = 'mail'\nhost = '127.0.0.1'\nport = {post.port}\nfrom = 'two@agency.example'\n"
            "to = 'ops@agency.example'"
        )
        report = watch.folder / "report.html"
        with served(estate()) as box:
            env = {"CI": "1", **box.environment(), "REQUESTS_CA_BUNDLE": str(ca)}
            ended: Ended = twolocks(
                "scan", "--arm-endpoint", box.url, "--auth", "environment", "--history", watch.folder / "history.db",
                "--notify", "post", "--config", watch.folder / "twolocks.toml", "--out", report, *SKIPPED, env=env,
            )  # fmt: skip
        assert "error:" not in ended.err
        made = post.mails[0]
        assert made["Subject"].startswith("[Twolocks] First scan, the baseline: ")
        assert next(iter(made.iter_attachments())).get_content().encode() == report.read_bytes()


def test_nothing_is_read_when_a_secret_is_missing(watch: Watch) -> None:
    (watch.folder / "hook").unlink()
    reported = watch.scheduled_run(estate())
    assert reported.ended.code == 2
    assert reported.ended.err.splitlines()[-4].startswith(
        f'error: notification "ops" requires the file {watch.folder}/hook, which cannot be '
    )
    assert not (watch.folder / "history.db").exists()


def test_notify_test(watch: Watch) -> None:
    config = watch.folder / "twolocks.toml"
    ended = twolocks("notify", "test", "ops", "--config", config, env=watch.env)
    assert (ended.code, ended.out) == (0, "")
    assert "ops: 127.0.0.1 accepted the test message" in ended.err
    notice = watch.one()
    assert (notice["kind"], notice["items"], notice["scan"]) == ("test", [], None)
    watch.server.answers = (Answer(401),)
    ended = twolocks("notify", "test", "ops", "--config", config, env=watch.env)
    assert ended.code == 2
    assert ended.err.splitlines() == [
        'error: notification "ops" was not delivered: 127.0.0.1 responded 401',
        f"--> {config}:2",
        "hint: fix it, then test again",
        "exit 2",
    ]
    ended = twolocks("notify", "test", "opps", "--config", config)
    assert ended.code == 2
    assert ended.err.splitlines()[:2] == ['error: there is no notification "opps"', "hint: nearest: ops; known: ops"]


def test_notify_test_of_a_log_command(watch: Watch) -> None:
    watch.settings(gh="kind = 'github'")
    ended = twolocks("notify", "test", "gh", "--config", watch.folder / "twolocks.toml")
    assert ended.out.splitlines()[0] == (
        "::warning title=Twolocks::This is a test of the notification gh; nothing was scanned"
    )
    assert (ended.code, ended.err) == (0, "")


def test_a_log_of_every_request_holds_no_secret(watch: Watch) -> None:
    watch.server.answers = (Answer(302, {"Location": "https://evil.example/?sig=c2VjcmV0"}),)
    assert "error: notification" in watch.scheduled_run(estate(), "--verbose").ended.err


def test_a_history_on_postgresql_remembers_what_was_reported(watch: Watch) -> None:
    with serving() as database:
        url = database.url(database.database())
        upgrade(url)
        watch.words = ["--history", url]
        assert watch.scheduled_run(estate()).ended.code == 0
        assert watch.one()["kind"] == "baseline"
        watch.server.answers = (Answer(404),)
        assert watch.scheduled_run(estate(EXPORT)).ended.code == 1
        watch.heard()
        watch.server.answers = (Answer(202),)
        assert watch.scheduled_run(estate(EXPORT)).ended.code == 0
        assert endpoints(watch.one()) == {"new stjournal: blob/eksport"}
        watch.scheduled_run(estate(EXPORT))
        assert watch.heard() == []


def test_the_record_of_requests_holds_no_notice(watch: Watch) -> None:
    watch.scheduled_run(estate(), "--record", str(watch.folder / "record.jsonl"))
    assert len(watch.heard()) == 1
    assert "hook" not in (watch.folder / "record.jsonl").read_text()


def test_many_endpoints_of_a_new_account_are_one_place(watch: Watch) -> None:
    watch.settings(chat="kind = 'slack'\nurl-env = 'TWOLOCKS_SECRET_HOOK'\nmin-severity = 'info'")
    watch.first_night(estate(), notify=("chat",))
    watch.scheduled_run([*estate(), *SECOND], notify=("chat",))
    text = watch.one()["blocks"][1]["text"]["text"]
    assert text.startswith("*stny*  Microsoft.Storage/storageAccounts in rg-journal\n")
    assert sum(f": {endpoint.partition(': ')[2]}. " in text for endpoint in ENDPOINTS) == len(ENDPOINTS)
