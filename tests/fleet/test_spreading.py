"""An evaluation by workers gives the document of one process, whatever is with the files that they exchange."""

import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import date
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from msgspec.structs import replace

from scanner.config.settings import resolve
from scanner.config.waivers import Waiver, WaiverFile
from scanner.errors import InputError
from scanner.evaluate import checks
from scanner.evaluate.policy import Intended, Policy
from scanner.fleet import inputs
from scanner.fleet.evaluation_store import EvaluationStore
from scanner.fleet.messages import RunPlan
from scanner.fleet.queue import Queue, open_broker
from scanner.fleet.range_runner import MOST_STARTS, RangeRunner
from scanner.fleet.shard_store import ShardStore, new_run
from scanner.fleet.spreading import FleetRun, SpreadEvaluation, spread
from scanner.history.baseline import Baseline, HistoryWriter
from scanner.history.evaluated import EvaluatedScopes
from scanner.history.items import WITHOUT
from scanner.model.addresses import address_range, parse, union
from scanner.model.index import Index
from scanner.model.levels import Auth, Reach
from scanner.model.residency import PlaceException, ResidencyPolicy, ResidencyScope
from scanner.model.resource import Resource
from scanner.model.rule import Rule
from scanner.model.severity import Severity
from scanner.output.storage import Storage
from scanner.rulebook.digest import digest_of_code
from scanner.snapshot.bundles import naming_keys
from scanner.snapshot.needed import needed_lines, of_needed_lines
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop
from tests.evaluate.test_parts import CRASHES, Sample, Whole, whole
from tests.terminals import SUB

ENDED = Waiver("storage-*", "*", "r", "o@example.com", date(2020, 1, 1), cell=("data", None, Reach.wide), line=90)
RESIDENCY = ResidencyPolicy(
    allowed=("eea",),
    scopes=(ResidencyScope(("norway",), "the setting", tag=("team", "a")),),
    exceptions=(PlaceException("*stj*", ("westus",), "r", "o@example.com", "2099-01-01"),),
)


class Spread(Sample):
    """The sample with a history, and with settings of every kind."""

    def __init__(self, path: Path, folder: Path) -> None:
        super().__init__(path, folder)
        known = dict(self.baseline.known)
        scopes = {f"/subscriptions/{each.subscription.lower()}" for each in self.snapshot().scopes}
        words = {each.rule for each in known.values()} | {"microsoft.storage/storageaccounts"}
        self.baseline = Baseline(known, EvaluatedScopes(dict.fromkeys(scopes, words), ("?",)))
        assert isinstance(self.policy.waivers, WaiverFile)
        gap = replace(self.policy.waivers.gaps[0], expires=date(2020, 1, 1))
        self.policy = replace(
            self.policy,
            networks=union([parse("10.0.0.0/8"), parse("2001:db8::/32"), address_range("1.2.3.4", "1.2.3.9")]),
            wide_ipv4=300,
            severities={"storage-shared-key": Severity.info},
            waivers=WaiverFile(self.policy.waivers.waivers, self.policy.waivers.gaps, (gap, ENDED)),
            residency=RESIDENCY,
        )


class Estate:
    """An evaluation that is handed out, with a worker in this process."""

    def __init__(self, sample: Spread, queue: Queue, folder: Path) -> None:
        self.sample, self.folder = sample, folder
        settings = resolve("fleet worker", {}, {}, use_file=False)
        self.stop = Stop(lambda code: None)
        run = new_run()
        self.shards = ShardStore(Storage(settings, self.stop.run), str(folder), run)
        header = sample.snapshot().header
        self.shards.write_plan(RunPlan(run=run, header=header, account="a", tenant="t", rules=""))
        self.run = FleetRun(self.shards, queue, "code")
        self.runner = RangeRunner(lambda plan: sample.rules, "code")
        self.writers: list[HistoryWriter] = []

    def begin(self) -> SpreadEvaluation:
        self.taken = self.sample.snapshot()
        evaluation, writer = self.sample.evaluation(self.taken)
        spread_evaluation = spread(self.run, evaluation, writer, Screen(quiet=True), self.stop, None)
        assert spread_evaluation is not None
        self.writers.append(writer)
        evaluation.use(spread_evaluation.fragments())
        return spread_evaluation

    def close(self) -> None:
        self.runner.close()
        for each in self.writers:
            each.close()

    def work(self, spread_evaluation: SpreadEvaluation) -> list[str]:
        """Evaluate every range as a worker does."""
        names = sorted(each.stem for each in self.files(spread_evaluation, "ranges"))
        return [self.runner.run(self.shards, spread_evaluation.stored.key, name) for name in names]

    def files(self, spread_evaluation: SpreadEvaluation, kind: str) -> list[Path]:
        return sorted(
            (self.folder / self.shards.run / "evaluation" / spread_evaluation.stored.key / kind).glob("*.zst")
        )

    def end(self, spread_evaluation: SpreadEvaluation) -> Whole:
        assert isinstance(spread_evaluation.writer, HistoryWriter)
        return whole(spread_evaluation.evaluation, spread_evaluation.writer)


@pytest.fixture(scope="module")
def sample(each_type_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spread]:
    verdict = checks.verdict_of

    def crash(rule: Rule, subject: Resource, index: Index) -> object:
        if rule.id == CRASHES and subject.name.startswith("stj"):
            raise ValueError
        return verdict(rule, subject, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "verdict_of", crash)
        for module in ("bundles", "stored", "located"):
            patch.setattr(f"scanner.snapshot.{module}.IN_MEMORY", 20)
        patch.setattr("scanner.fleet.spreading.LEAST_BYTES", 1)
        patch.setattr("scanner.fleet.spreading.RANGE_BYTES", 20_000)
        for name in ("ALONE_SECONDS", "PATIENCE"):
            patch.setattr(f"scanner.fleet.spreading.{name}", 0.0)
        made = Spread(each_type_folder / "snapshot.jsonl", tmp_path_factory.mktemp("spread"))
        yield made
        made.store.close()


@pytest.fixture(scope="module")
def expected(sample: Spread) -> Whole:
    return whole(*sample.evaluation())


@pytest.fixture(scope="module")
def queue(url: str) -> Queue:
    return Queue(open_broker(resolve("fleet worker", {"broker": url}, {}, use_file=False)))


@pytest.fixture
def estate(sample: Spread, queue: Queue, tmp_path: Path) -> Iterator[Estate]:
    with closing(Estate(sample, queue, tmp_path)) as made:
        yield made


def test_a_worker_gives_the_same_document(estate: Estate, expected: Whole) -> None:
    """Also where a rule crashes: what that says may name files of the machine."""
    spread_evaluation = estate.begin()
    texts = estate.work(spread_evaluation)
    crashed = sum("crashed" in each for each in texts)
    assert 0 < crashed < len(texts)
    assert texts.count("evaluated") == len(texts) - crashed > 5
    assert estate.end(spread_evaluation) == expected
    assert spread_evaluation.local_ranges == crashed
    assert set(estate.work(spread_evaluation)) == {"the evaluation is over"}


def test_an_interrupted_evaluation_goes_on_with_the_parts_that_are_there(estate: Estate, expected: Whole) -> None:
    first = estate.begin()
    estate.work(first)
    second = estate.begin()
    assert second.stored.key == first.stored.key
    assert estate.end(second) == expected
    known = estate.sample.baseline
    estate.sample.baseline = replace(known, known={})
    try:
        assert estate.begin().stored.key != first.stored.key
    finally:
        estate.sample.baseline = known


def test_without_workers_the_scan_waits_once(estate: Estate, expected: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own parts are no sign of a worker. The next scan of the same goes on with them."""
    now = 1000.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("scanner.fleet.spreading.ALONE_SECONDS", 20.0)
    monkeypatch.setattr("scanner.fleet.spreading.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("scanner.fleet.spreading.asyncio", SimpleNamespace(sleep=sleep))
    spread_evaluation = estate.begin()
    ranges = len(estate.files(spread_evaluation, "ranges"))
    assert estate.end(spread_evaluation) == expected
    assert 20 <= now - 1000 < 22
    assert spread_evaluation.local_ranges == ranges > 20
    again = estate.begin()
    assert estate.end(again) == expected
    assert again.local_ranges == 1, "a rule crashes in one"


def harm(files: list[Path]) -> None:
    """Shorten a file, change one, exchange one for another, empty one and delete one."""
    files[0].write_bytes(files[0].read_bytes()[:-9])
    text = bytearray(files[1].read_bytes())
    text[-9] ^= 1
    files[1].write_bytes(text)
    shutil.copyfile(files[2], files[3])
    files[4].write_bytes(b"")
    files[5].unlink()


@pytest.mark.parametrize("kind", ["ranges", "done"])
def test_what_is_damaged_is_evaluated_here(estate: Estate, expected: Whole, kind: str) -> None:
    spread_evaluation = estate.begin()
    if kind == "done":
        estate.work(spread_evaluation)
        harm(estate.files(spread_evaluation, kind))
    else:
        files = estate.files(spread_evaluation, kind)
        harm(files)
        for each in files:
            with suppress(InputError):
                estate.runner.run(estate.shards, spread_evaluation.stored.key, each.stem)
    assert estate.end(spread_evaluation) == expected
    assert spread_evaluation.local_ranges >= 5


def test_a_worker_refuses_another_evaluation_than_its_key_says(estate: Estate, expected: Whole) -> None:
    spread_evaluation = estate.begin()
    folder = Path(spread_evaluation.stored.shards.name("evaluation", spread_evaluation.stored.key))
    (name, *_) = (each.stem for each in estate.files(spread_evaluation, "ranges"))
    estate.runner.code = "other"
    with pytest.raises(InputError, match="other rules than the scan"):
        estate.runner.run(estate.shards, spread_evaluation.stored.key, name)
    estate.runner.code = "code"
    (folder / "lines.jsonl.zst").write_bytes((folder / "lines.jsonl.zst").read_bytes()[:-20])
    with pytest.raises(InputError, match="its digest differs"):
        estate.runner.run(estate.shards, spread_evaluation.stored.key, name)
    other = "0" * 32
    shutil.copytree(folder, folder.with_name(other))
    with pytest.raises(InputError, match="its digest differs"):
        estate.runner.run(estate.shards, other, name)
    for key, range in (("../x", name), (spread_evaluation.stored.key, f"../{name}")):
        with pytest.raises(InputError, match="is not the"):
            estate.runner.run(estate.shards, key, range)
    (folder / "done").joinpath(f"{name}.00000000").touch()
    assert estate.runner.run(estate.shards, spread_evaluation.stored.key, name) == "given up"
    assert len(list((folder / "done").glob(f"{name}.????????"))) == MOST_STARTS + 1
    assert estate.end(spread_evaluation) == expected


def test_settings_are_equal_after_they_were_written(sample: Spread) -> None:
    waivers = sample.policy.waivers
    assert isinstance(waivers, WaiverFile)
    text = msgspec.json.encode(inputs._policy(sample.policy))
    again = inputs.policy_of(msgspec.json.decode(text, type=inputs.PolicyInput))
    assert isinstance(again.waivers, WaiverFile)
    assert again.waivers._entries == waivers._entries
    assert replace(again, waivers=waivers) == sample.policy
    assert again.waivers.lapsed[1].cell == ("data", None, Reach.wide)  # type: ignore[union-attr]
    other = replace(ENDED, cell=("app", Auth.shared, Reach.none), tag=("a", "b"), severity=Severity.low)
    assert msgspec.json.decode(msgspec.json.encode(other), type=Waiver) == other
    plain = msgspec.json.encode(inputs._policy(Policy(intended=(Intended("a", "b", "c"),))))
    assert inputs.policy_of(msgspec.json.decode(plain, type=inputs.PolicyInput)).waivers.notes((), (), whole=True) == []


def test_every_setting_of_an_evaluation_is_written() -> None:
    """A setting that is forgotten would be its default in workers."""
    assert set(inputs.PolicyInput.__struct_fields__) == set(Policy.__struct_fields__)
    own = {name for name in WaiverFile.__dataclass_fields__ if not name.startswith("_")} - {"used", "met"}
    assert set(inputs.WaiverInput.__struct_fields__) == own
    assert [*signature(HistoryWriter).parameters] == ["baseline", "taken", "first_id", "observation"]


def test_later_passes_find_the_same_in_fewer_lines(sample: Spread) -> None:
    taken = sample.snapshot()
    assert taken.raw is not None
    lines = list(needed_lines(taken.raw()))
    snapshot = of_needed_lines(taken.header, lambda: lines, taken.why)
    assert dict(snapshot.locate()) == dict(taken.locate())
    assert snapshot.names() == taken.names() != {}
    assert [each.body for each in naming_keys(snapshot)] == [each.body for each in naming_keys(taken)] != []
    assert sum(map(len, lines)) < sum(map(len, taken.raw()))


def test_the_digest_of_code_depends_on_rules_of_ones_own(tmp_path: Path) -> None:
    one, folder = digest_of_code(), tmp_path / "own"
    assert one == digest_of_code()
    (folder / "tables").mkdir(parents=True)
    two = digest_of_code([folder])
    (folder / "tables" / "a.toml").write_text("")
    assert len({one, two, digest_of_code([folder])}) == 3


def test_scopes_that_leave_groups_out_are_evaluated_before() -> None:
    scope = f"/subscriptions/{SUB}"
    evaluated_scopes = EvaluatedScopes({f"{scope}{WITHOUT}rg-out": {"r"}})
    assert evaluated_scopes(f"{scope}/resourcegroups/rg/providers/a/b/c", "r")
    assert not evaluated_scopes(f"{scope}/resourcegroups/rg-out/providers/a/b/c", "r")


def test_a_key_is_that_of_an_evaluation(estate: Estate) -> None:
    with pytest.raises(InputError, match="is not the key"):
        EvaluationStore(estate.shards, "..")
