"""An evaluation in parts gives the same document as in one piece, however it is split, and in processes."""

import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.config.waiver_reader import load
from scanner.config.waivers import GapEntry, WaiverFile
from scanner.document.schema import decode_document
from scanner.evaluate import checks, run
from scanner.evaluate.fix_groups import GROUPS
from scanner.evaluate.ledgers import DocumentFragment, decoder, encoder
from scanner.evaluate.policy import Intended, Policy
from scanner.evaluate.run import Evaluation
from scanner.history.baseline import Baseline, HistoryWriter
from scanner.history.first_ids import first_ids
from scanner.model.resource import Resource
from scanner.model.rule import Rule
from scanner.output.writers import write
from scanner.rulebook import loader
from scanner.snapshot import format as lines
from scanner.snapshot.batches import Batch, Batches
from scanner.snapshot.bundles import Snapshot, of_store
from scanner.snapshot.store import Store
from tests.terminals import twolocks

WHO = 'reason = "r"\nowner = "o@example.com"\nexpires = 2099-01-01\n'
WAIVERS = f"""
[[waiver]]
rule = "storage-*"
resource = "*/st*"
{WHO}
[[waiver]]
rule = "sql-*"
resource = "*/none"
{WHO}
[[gap]]
url = "*/Microsoft.Storage/*"
{WHO}
"""
CRASHES = "storage-plain-http"


class Whole(NamedTuple):
    """What must not depend on how an evaluation is split."""

    json: bytes
    csv: bytes
    counts: Any
    result: Any
    waivers: Any
    groups: dict[str, str]
    selected: Any
    seen: Any
    tags: dict[str, dict[str, str]]


class Sample:
    """A resource of each type and group, where some apps have a tag, with waivers and intended endpoints."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.rules = loader.load(packages=False)
        file = folder / "waivers.toml"
        file.write_text(WAIVERS)
        waivers = load(file, self.rules, max_days=100_000)
        self.policy = Policy(waivers=waivers, intended=(Intended("*a*", "*", "meant"),), tags=("team",))
        self.store = self._store()
        self.baseline = Baseline()
        evaluation, writer = self.evaluation()
        whole(evaluation, writer)
        known = dict(list(writer.observation.items.items())[::2])
        self.baseline = Baseline(known, lambda resource, rule_or_type: "a" in rule_or_type)

    def _store(self) -> Store:
        head, *rest = map(lines.decoder.decode, self.path.read_bytes().splitlines())
        assert head.snapshot is not None
        store = Store(msgspec.structs.replace(head.snapshot, kept_tags=["team"]))
        for line in rest:
            if line.resource is not None and "/sites/" in line.resource["id"]:
                line.resource["tags"] = {"team": "ab"[len(line.resource["name"]) % 2]}
            if line.end is None:
                store.add(line)
        return store

    def snapshot(self, *tags: str) -> Snapshot:
        self.store.header.tags = list(tags)
        return of_store(self.store)

    def evaluation(self, snapshot: Snapshot | None = None) -> tuple[Evaluation, HistoryWriter]:
        taken = snapshot or self.snapshot()
        writer = HistoryWriter(self.baseline, taken.header.taken, first_ids(self.rules))
        return Evaluation(taken, self.rules, self.policy), writer

    def fragments(self, *tags: str) -> list[bytes]:
        """Return the part of each resource, as another process returns it."""
        taken = self.snapshot(*tags)
        evaluation, writer = self.evaluation(taken)
        with closing(writer):
            batches = Batches(taken, evaluation.sort_keys(), first=1, most=1)
            return [encoder.encode(evaluation.fragment(each, writer)) for each in batches]


def whole(evaluation: Evaluation, writer: HistoryWriter) -> Whole:
    """Run an evaluation to its end."""
    result = evaluation.run(writer)
    counts, out, csv = result.counts, BytesIO(), BytesIO()
    scan = evaluation.scan_row(started="", finished="", tool="t")
    coverage, frameworks = evaluation.coverage(), evaluation.frameworks()
    writer.finish(
        out, scan, evaluation.rule_rows(), result.gaps, coverage, numbers=counts.numbers(), frameworks=frameworks
    )
    writer.close()
    evaluation.close()
    write(".csv", decode_document(out.getvalue()), csv)
    return Whole(
        out.getvalue(),
        csv.getvalue(),
        (counts.fix_groups()[:GROUPS], counts.info_groups(), counts.inconclusive_by_gap, counts.worst_by_gap),
        (result.complete, result.accepted_by_rule, result.crashes),
        waivers_used(evaluation),
        evaluation.snapshot.groups,
        (evaluation.selection.selected, evaluation.selection.tagged),
        {name: each for name, each in vars(writer.observation).items() if name != "first_id"},
        writer.tags,
    )


def waivers_used(evaluation: Evaluation) -> Any:
    """Return how often each waiver is used, of a gap whether it is, and which entries met something."""
    waivers = evaluation.policy.waivers
    assert isinstance(waivers, WaiverFile)
    return {each: isinstance(each, GapEntry) or count for each, count in waivers.used.items()}, set(waivers.met)


def of_fragments(sample: Sample, fragments: Iterable[DocumentFragment], *tags: str) -> Whole:
    """Return what parts give that were made elsewhere."""
    evaluation, writer = sample.evaluation(sample.snapshot(*tags))
    evaluation.use(fragments)
    return whole(evaluation, writer)


@pytest.fixture(scope="module")
def sample(each_type_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    verdict = checks.verdict_of

    def crash(rule: Rule, subject: Resource, index: Any) -> Any:
        assert rule.id != CRASHES or "a" not in subject.name
        return verdict(rule, subject, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "verdict_of", crash)
        # Temporary files, whose places processes share, hold most of it.
        patch.setattr("scanner.snapshot.store._RUN_BYTES", 200_000)
        patch.setattr("scanner.snapshot.store._READ_BYTES", 2_000)
        for module in ("bundles", "stored", "located"):
            patch.setattr(f"scanner.snapshot.{module}.IN_MEMORY", 20)
        made = Sample(each_type_folder / "snapshot.jsonl", tmp_path_factory.mktemp("parts"))
        yield made
        made.store.close()


@pytest.fixture(scope="module")
def expected(sample: Sample) -> Whole:
    return whole(*sample.evaluation())


@pytest.fixture(scope="module")
def fragments(sample: Sample) -> list[bytes]:
    return sample.fragments()


def test_the_sample_has_what_is_joined(expected: Whole) -> None:
    document = decode_document(expected.json)
    assert expected.result[2]
    assert document.gaps
    assert document.keys
    assert document.capacity
    assert any(each.fix is not None and each.fix.also_closes for each in document.findings)
    assert {"waived", "unknown", "error", "fail"} <= {each.status for each in document.findings}
    assert len(expected.waivers[0]) == 2
    assert expected.tags
    assert expected.seen["_present"]
    assert {each.new for each in document.findings} == {True, False, msgspec.UNSET}


@settings(max_examples=6)
@given(st.data())
def test_parts_can_be_joined_in_any_grouping(
    sample: Sample, expected: Whole, fragments: list[bytes], data: st.DataObject
) -> None:
    places = st.integers(0, len(fragments))
    cuts = sorted(data.draw(st.sets(places, max_size=12) | st.sets(places, min_size=60, max_size=200)))
    document_fragments = [decoder.decode(each) for each in fragments]
    evaluation, writer = sample.evaluation()
    groups = [
        document_fragments[start:end] for start, end in zip([0, *cuts], [*cuts, len(document_fragments)], strict=True)
    ]
    with closing(writer):
        joined = [decoder.decode(encoder.encode(evaluation.joined(each, writer))) for each in groups]
    assert of_fragments(sample, joined) == expected


def test_a_slot_is_selected_by_the_tags_of_its_app_in_parts_too(sample: Sample) -> None:
    expected = whole(*sample.evaluation(sample.snapshot("team=a")))
    assert any("/slots/" in each for each in decode_document(expected.json).resources)
    assert of_fragments(sample, map(decoder.decode, sample.fragments("team=a")), "team=a") == expected


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_processes_give_the_same_document(
    sample: Sample, expected: Whole, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one of them is killed, and another one fails, in the middle of their work."""
    monkeypatch.setattr(run, "can_fork", lambda: True)
    original, here, lost = Evaluation.fragment, os.getpid(), jobs - 1

    def ending(self: Evaluation, batch: Batch, writer: HistoryWriter) -> DocumentFragment:
        made = original(self, batch, writer)
        if os.getpid() != here and batch.start == 0 and jobs > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if os.getpid() != here and batch.start < batch.stop == len(self.sort_keys()) and jobs > 2:
            raise ValueError
        return made

    monkeypatch.setattr(Evaluation, "fragment", ending)
    evaluation, writer = sample.evaluation()
    assert evaluation.start(writer, jobs) == (jobs if jobs > 1 else 0)
    assert whole(evaluation, writer) == expected
    assert evaluation.lost == lost
    assert not [each for each in multiprocessing.active_children() if each.name == "evaluation"]


def test_a_scan_with_jobs_says_where_it_cannot_fork(
    each_type_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.scan.pipeline.can_fork", lambda: False)
    scan = ("scan", "--from", each_type_folder / "snapshot.jsonl", "--jobs", "2", "--only", CRASHES)
    ended = twolocks(*scan, "--out", tmp_path / "findings.json")
    assert "--jobs 2 has no effect here: one process evaluates, because it cannot be forked" in ended.err
