"""Scans whose evaluation is spread over workers: equal to a plain scan, whatever happens to workers and to the scan."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scanner.sandbox.server import Sandbox, running
from tests.fleet.broker import Worker, wait_until
from tests.fleet.lab import FOUR, PROGRAM, RANGE, RESOURCES, RULES, Lab, meanwhile
from tests.output.azurite import azurite
from tests.processes import start
from tests.terminals import twolocks


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers evaluate also where that is not worth it."""
    monkeypatch.setattr("scanner.fleet.spreading.LEAST_BYTES", 1)
    monkeypatch.setattr("scanner.fleet.spreading.RANGE_BYTES", RANGE)


class Evaluated(Lab):
    """A lab that knows the files of the evaluation."""

    def done(self, kind: str = "zst") -> list[Path]:
        return sorted(self.location.glob(f"*/evaluation/*/done/*.{kind}"))


@pytest.fixture
def lab(box: Sandbox, url: str, tmp_path: Path) -> Evaluated:
    return Evaluated(box, url, tmp_path)


def test_workers_evaluate_as_one_process_does(lab: Evaluated) -> None:
    """With a history, to which the scan is added in one transaction."""
    lab.scan("--history", lab.folder / "one.db")
    shutil.copyfile(lab.folder / "one.db", lab.folder / "two.db")
    whole = lab.scan("--history", lab.folder / "one.db", out="whole.json")
    with lab.worker() as worker:
        ended = lab.spread("--history", lab.folder / "two.db")
        shown = twolocks("fleet", "status", "--parts", lab.location, "--format", "json", env=lab.env)
        assert worker.stop() == 0
    assert ended.code == whole.code, ended.err
    document, expected = lab.found(), lab.found("whole.json")
    for each in (document, expected):
        assert [one["unknown"] for one in each["changes"].pop("trend")]
    assert document == expected
    assert any("since" in each for each in document["findings"])
    count = len(lab.done())
    assert worker.log.count(": evaluated") == count > 3, worker.log
    assert f"workers evaluated {count} of {count} ranges" in ended.err
    state = json.loads(shown.out)
    assert (state["evaluated"], state["ranges"], state["over"]) == (count, count, True)


def test_apparent_changes_are_verified_and_evaluated_again(lab: Evaluated) -> None:
    """Each of the two evaluations is spread."""
    lab.scan("--history", lab.folder / "one.db")
    shutil.copyfile(lab.folder / "one.db", lab.folder / "two.db")
    with running(Sandbox([each for each in RESOURCES if "/st0" not in each["id"]], FOUR)) as box:
        after = Evaluated(box, lab.url, lab.folder)
        after.scan("--history", lab.folder / "one.db", out="whole.json")
        with after.worker():
            ended = after.spread("--history", lab.folder / "two.db")
    document, expected = after.found(), after.found("whole.json")
    for each in (document, expected):
        del each["changes"]["trend"]
    assert document == expected, ended.err
    assert document["changes"]["counts"]["fixed"] > 0
    assert len(list(after.run.glob("evaluation/*/over"))) == 2


def test_a_worker_that_is_killed_while_it_evaluates(lab: Evaluated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.fleet.spreading.PATIENCE", 1.0)
    lab.scan(out="whole.json")

    def interfere() -> None:
        wait_until(lambda: lab.done("????????"))
        worker.kill()

    with lab.worker() as worker, meanwhile(interfere):
        ended = lab.spread()
    assert lab.found() == lab.found("whole.json"), ended.err
    assert worker.log.count(": evaluated") < len(list(lab.location.glob("*/evaluation/*/ranges/*")))


def test_a_scan_that_is_killed_between_reading_and_evaluation_goes_on(lab: Evaluated) -> None:
    """No subscription is read again, and no range is evaluated again that has a part."""
    lab.scan(out="whole.json")
    fleet = ("--broker", lab.url, "--parts", lab.location, "--redeliver-after", "1s")
    words = ("scan", "--no-journal", *RULES, "--out", lab.folder / "f.json", *fleet)
    given = {"PATH": os.environ["PATH"], "HOME": str(lab.folder), **lab.env}
    with lab.worker() as worker:
        scan = start(*words, code=PROGRAM, env=given, stderr=subprocess.DEVNULL)
        wait_until(lambda: list(lab.location.glob("*/evaluation/*/input.zst")))
        scan.kill()
        scan.wait()
        assert not (lab.run / "over").exists()
        ended = lab.spread("--resume", lab.run.name)
        assert lab.found() == lab.found("whole.json"), ended.err
        assert lab.read == set()
        for each in lab.run.glob("**/over"):
            each.unlink()
        first, second, *rest = lab.done()
        first.unlink()
        second.write_bytes(b"half of a part")
        kept = [each.read_bytes() for each in rest]
        ended = lab.spread("--resume", lab.run.name)
        assert worker.stop() == 0
    assert lab.found() == lab.found("whole.json"), ended.err
    assert f"workers evaluated {len(kept) + 1} of {len(kept) + 2} ranges" in ended.err
    assert [each.read_bytes() for each in rest] == kept
    assert len(list(lab.run.glob("evaluation/*"))) == 1


def test_parts_of_an_evaluation_may_be_blobs(lab: Evaluated) -> None:
    lab.scan(out="whole.json")
    with azurite(lab.folder) as store:
        store.make("parts")
        env, location = {**lab.env, **store.env}, "az://parts/nightly"
        fleet = ("--broker", lab.url, "--parts", location, "--redeliver-after", "1s")
        worker = Worker(lab.folder, env, *fleet)
        try:
            ended = twolocks("scan", *RULES, "--out", lab.folder / "f.json", *fleet, env=env)
        finally:
            worker.stop()
        done = [name for name in store.blobs("parts") if "/done/" in name and name.endswith(".zst")]
    assert lab.found() == lab.found("whole.json"), ended.err
    assert f"workers evaluated {len(done)} of {len(done)} ranges" in ended.err
    assert len(done) > 3


@pytest.mark.parametrize("words", [("--jobs", "1"), ("--deadline", "1s")], ids=" ".join)
def test_the_scan_evaluates_alone(lab: Evaluated, words: tuple[str, ...]) -> None:
    """Where `--jobs` says so, and where the deadline is over: evaluation is never a gap."""
    lab.scan(out="whole.json")
    lab.parted()
    (lab.run / "over").unlink()
    ended = lab.spread("--resume", lab.run.name, *words)
    document, whole = lab.found(), lab.found("whole.json")
    assert document["findings"] == whole["findings"], ended.err
    assert "--jobs" not in words or not list(lab.run.glob("evaluation/*"))


def test_a_broker_that_is_lost_is_no_gap(lab: Evaluated, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scan says it, and evaluates what no worker has done."""
    from scanner.errors import InputError
    from scanner.fleet.queue import Queue

    def refused(*_: object) -> None:
        raise InputError("the broker does not answer")

    lab.scan(out="whole.json")
    monkeypatch.setattr(Queue, "send_range", refused)
    with lab.worker():
        ended = lab.spread()
    assert lab.found() == lab.found("whole.json"), ended.err
    assert "this scan evaluates without workers: the broker does not answer" in ended.err
