"""Scans in parts over a real broker and a sandbox on a socket: equal to a plain scan, whatever happens to workers."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path

import pytest

from scanner.config.settings import resolve
from scanner.fleet.queue import QUERIES, Queue, graph_turn, open_broker
from scanner.sandbox.faults import Fault, FaultPlan
from scanner.snapshot.files import lines_of_shard
from scanner.snapshot.store import Store
from tests.azure.requests import S1, S2
from tests.fleet.broker import wait_until
from tests.fleet.lab import RULES, S3, Lab, meanwhile
from tests.output.azurite import azurite
from tests.terminals import twolocks

MOSTLY_WAITS = True


def test_workers_find_what_one_process_finds(lab: Lab) -> None:
    """Each shard is in the queue twice, as after a broker that delivered it again, with messages of a stranger.

    One part is not whole at first.
    """
    whole = lab.scan(out="whole.json")
    queue = Queue(open_broker(resolve("fleet worker", {"broker": lab.url}, {}, use_file=False)))

    def again() -> None:
        wait_until(lambda: lab.location.exists() and list(lab.location.glob("*/plan.json")))
        lab.shard(S2).parent.mkdir(exist_ok=True)
        lab.shard(S2).write_bytes(b"half of a part")
        for id in (S1, S2, S3):
            queue.send(lab.run.name, id, str(lab.location))
        queue.send(lab.run.name, S1, str(elsewhere))
        queue.send("../../x", "../../y", str(lab.location))

    elsewhere = lab.folder / "elsewhere"
    with lab.worker() as worker:
        with meanwhile(again):
            ended = lab.spread()
        assert ended.code == whole.code, ended.err
        wait_until(lambda: "another place" in worker.log and "not the id of a run" in worker.log)
        assert worker.stop() == 0
    assert lab.found() == lab.found("whole.json")
    assert worker.log.count(": read") == 3, worker.log
    assert not elsewhere.exists()
    assert lab.url not in (lab.run / "plan.json").read_text()


def test_a_killed_worker_and_a_poison_shard(lab: Lab) -> None:
    """Another worker reads what a killed one had begun. What no worker can read is a gap of its subscription."""
    lab.box.faults = FaultPlan([Fault("slow", "*/Microsoft.Insights/diagnosticSettings", seconds=10, times=1)])

    def interfere() -> None:
        wait_until(lambda: list(lab.location.glob("*/started/*")))
        (lab.run / "input" / f"{S3}.json.zst").write_bytes(b"poison")
        first.kill()
        time.sleep(1.2)  # what it took is delivered again after --redeliver-after
        with lab.worker():
            wait_until(lambda: list(lab.location.glob("*/over")))

    with lab.worker() as first, meanwhile(interfere):
        ended = lab.spread("--fail-on", "never")
    lab.box.faults = FaultPlan()
    assert ended.code == 3, ended.err
    document = lab.found()
    assert sorted(each.stem for each in (lab.run / "failed").iterdir()) == [S3]
    assert [each["view"] for each in document["coverage"]["scopes"]] == ["full", "full", "none", "none"]
    assert [each["code"] for each in document["gaps"] if each["url"] == f"/subscriptions/{S3}"] == ["ShardFailed"]
    starts = Counter(each.name[:36] for each in (lab.run / "started").iterdir())
    assert starts[S1] + starts[S2] == 3, "the shard that was killed is read again, and no other one"


def test_a_scan_goes_on_where_it_was_interrupted(lab: Lab) -> None:
    """A coordinator that was killed leaves a run that is not over, and at worst a part that is not whole."""
    lab.scan(out="whole.json")
    lab.parted()
    assert lab.found() == lab.found("whole.json")
    (lab.run / "over").unlink()
    same = lab.shard(S1).read_bytes()
    lab.shard(S2).write_bytes(lab.shard(S2).read_bytes()[:-20])
    lab.shard(S3).unlink()
    ended = lab.parted("--resume", lab.run.name)
    assert lab.found() == lab.found("whole.json"), ended.err
    assert lab.read == {S2, S3}
    assert lab.shard(S1).read_bytes() == same


def test_workers_read_only_what_is_asked_for(lab: Lab) -> None:
    until = ("--only", "storage-*", "--until", "high")
    lab.scan(*until, out="whole.json")
    with lab.worker():
        ended = lab.spread(*until)
    assert lab.found() == lab.found("whole.json"), ended.err
    assert not [each for each in lab.box.requests if each.path.endswith(("/fileServices/default", "/usages"))]
    (lab.run / "over").unlink()
    refused = lab.parted(*until[:2], "--resume", lab.run.name)
    assert refused.code == 2, refused.err


def test_a_subscription_that_changed_after_it_was_read_is_read_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Resource Graph says is asked again too, because the parts are read with it."""
    lab.parted()
    whole, old = lab.found(), lab.run
    (old / "over").unlink()
    lab.shard(S3).unlink()
    taken = json.loads((old / "plan.json").read_bytes())["header"]["taken"]
    changes = [(f"/subscriptions/{S1}/resourceGroups/rg/providers/X.Y/z/one", "2000-01-01T00:00:00Z")]
    changes += [(f"/subscriptions/{S2}/resourceGroups/rg/providers/X.Y/z/two", "2099-01-01T00:00:00Z")]
    monkeypatch.setattr(lab.box.estate, "changes", changes)
    ended = lab.parted("--resume", old.name)
    (new,) = {*lab.location.iterdir()} - {old}
    assert lab.found() == whole, ended.err
    assert lab.read == {S2, S3}
    assert f"1 subscription changed since, so this is run {new.name} with 1 part of run {old.name}" in ended.err
    assert json.loads((lab.folder / "f.json").read_bytes())["scan"]["taken"] == taken
    assert (old / "over").exists(), "its workers read nothing more"


def test_where_changes_are_not_known_a_note_says_so(lab: Lab) -> None:
    lab.parted()
    (lab.run / "over").unlink()
    lab.shard(S3).unlink()
    lab.box.faults = FaultPlan([Fault("status", "*/Microsoft.ResourceGraph/resources", status=403)])
    ended = lab.parted("--resume", lab.run.name, "--fail-on", "never")
    lab.box.faults = FaultPlan()
    assert lab.read >= {S3}
    notes = lab.found()["coverage"]["notes"]
    assert [each for each in notes if each.startswith("what changed since ") and "is not known (403" in each], ended.err


def test_what_a_deadline_cut_off_is_read_when_the_scan_goes_on(lab: Lab) -> None:
    lab.parted()
    whole = lab.found()
    (lab.run / "over").unlink()
    header, lines = lines_of_shard(lab.shard(S2))
    cut = Store(header)
    for line in lines:
        cut.add(line)
    cut.gap(f"/subscriptions/{S2}/providers/Microsoft.Sql/servers", 0, "Deadline")
    cut.write(lab.shard(S2))
    ended = lab.parted("--resume", lab.run.name)
    assert lab.found() == whole, ended.err
    assert lab.read == {S2}


def test_another_identity_than_that_of_the_plan_reads_nothing(lab: Lab) -> None:
    """It may see other resources than the one that asked Resource Graph, whose silence would count as absence."""
    lab.parted()
    (lab.run / "over").unlink()
    lab.shard(S3).unlink()
    plan = lab.run / "plan.json"
    plan.write_text(plan.read_text().replace('"account":"Twolocks sandbox"', '"account":"somebody else"'))
    ended = lab.parted("--resume", lab.run.name, "--fail-on", "never")
    assert ended.code == 3
    assert "the run was planned as somebody else" in ended.err
    assert lab.read == set()


def test_parts_may_be_blobs(lab: Lab) -> None:
    """Nothing is deleted there; a run that lacks a part reads this one alone."""
    lab.scan(out="whole.json")
    with azurite(lab.folder) as store:
        store.make("parts")
        env = {**lab.env, **store.env}
        words = ("scan", *RULES, "--out", lab.folder / "f.json", "--parts", "az://parts/nightly")
        ended = twolocks(*words, env=env)
        assert lab.found() == lab.found("whole.json"), ended.err
        (plan,) = [name for name in store.blobs("parts") if name.endswith("/plan.json")]
        run = plan.split("/")[1]
        (segment,) = [name for name in store.blobs("parts") if name.endswith(f"/parts/{S3}.jsonl.zst")]
        store.put("parts", segment, store.read("parts", segment)[:-20])
        with store.service() as service:
            service.get_blob_client("parts", f"nightly/{run}/over").delete_blob()
        lab.box.requests.clear()
        ended = twolocks(*words, "--resume", run, env=env)
        shown = twolocks("fleet", "status", "--parts", "az://parts/nightly", "--format", "json", env=env)
    assert lab.found() == lab.found("whole.json"), ended.err
    assert lab.read == {S3}
    state = json.loads(shown.out)
    assert (state["subscriptions"], state["read"], state["over"], state["started"]) == (3, 3, True, 4)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--broker", "redis://h/0"), "--broker needs a place for the parts"),
        (("--parts", "p", "--broker", "redis://:hemmelig@h/0"), "the URL of the broker contains a password"),
        (("--parts", "p", "--broker", "http://h"), "unknown kind of broker"),
        (("--parts", "p", "--redeliver-after", "soon"), '"soon" is not a duration'),
        (("--parts", "p", "--resource-group", "rg"), "it excludes --resource-group"),
        (("--parts", "p", "--exclude", "group:rg"), "--parts cannot leave out resource groups"),
        (("--parts", "p", "--resume", "../p"), '"../p" is not the id of a run'),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_a_scan_in_parts_refuses(words: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    ended = twolocks("scan", "--no-journal", "--auth", "environment", "--out", tmp_path / "f.json", *words)
    assert ended.code == 2
    assert expected in ended.err
    assert "hemmelig" not in ended.err


def test_queries_of_all_workers_share_one_limit(url: str) -> None:
    turns = [graph_turn(open_broker(resolve("fleet worker", {"broker": url}, {}, use_file=False))) for _ in range(2)]

    async def ask() -> list[float]:
        return list(await asyncio.gather(*(turn() for turn in turns * (QUERIES // 2 + 2) if turn is not None)))

    waits = asyncio.run(ask())
    assert len([each for each in waits if not each]) == QUERIES
    assert max(waits) <= 5.001
