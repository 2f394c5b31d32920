"""Every fix of the sample estate, applied to its bodies and evaluated again: each closes exactly what it claims."""

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from io import BytesIO

import msgspec
import pytest

from scanner.document.schema import ExposureRow, FindingRow, decode_document
from scanner.document.writer import Writer
from scanner.evaluate.fixes import NOT_ALONE
from scanner.evaluate.results import BundleResult
from scanner.evaluate.run import Evaluation
from scanner.model.fix import Change, Deletion, Edit, Fix
from scanner.model.ids import is_subscription, root_of
from scanner.model.resource import Bundle, Resource
from scanner.snapshot.bundles import grouped, locations_of
from scanner.snapshot.format import ReadLine, SnapshotLine, encoder, sort_key, url_of
from tests.estate.parts import one_of_each_type
from tests.estate.test_expected import Scanned
from tests.rules.simulate import FIELD_VALUES, NEW_FLOW_LOG, overlaid_body, problems
from tests.sampled import some

LEFT = {
    "machine-management-port-exposed vm-seks": "it is open over IPv6, and the range that is filled in is one of IPv4",
}
"""Failures that stay once their fix has run, by rule and name, and why."""


@dataclass(slots=True)
class Evaluated:
    """The rows of a whole evaluation, by what names them."""

    findings: dict[str, FindingRow] = field(default_factory=dict)
    exposures: dict[tuple[str, str, str], ExposureRow] = field(default_factory=dict)
    fixes: dict[str, Fix] = field(default_factory=dict)
    passed: set[tuple[str, str]] = field(default_factory=set)
    roots: set[str] = field(default_factory=set)


class _Recorded(Evaluation):
    """Keeps the rows that it makes: of all resources, or of these roots and subscriptions, beside all others."""

    def keep(self, into: Evaluated, roots: Container[str] | None) -> Evaluated:
        self.into, self.roots = into, roots
        writer, out = Writer(), BytesIO()
        self.run(writer)
        writer.finish(out, self.scan_row(started="", finished="", tool=""), {}, [], self.coverage())
        writer.close()
        document = decode_document(out.getvalue())
        into.findings = {each.fingerprint: each for each in document.findings}
        return into

    def _result(self, bundle: Bundle) -> BundleResult | None:
        root = root_of(bundle.id)
        if root and self.roots is not None and root not in self.roots:
            return None
        self.into.roots.add(root)
        return super()._result(bundle)

    def _write(self, bundle_result: BundleResult, writer: Writer) -> None:
        self.into.exposures |= {(each.resource, each.endpoint, each.address): each for each in bundle_result.exposures}
        self.into.fixes |= bundle_result.fixes
        super()._write(bundle_result, writer)


class Estate(Scanned):
    """An estate as the lines of its snapshot."""

    def __init__(self) -> None:
        super().__init__(estate=one_of_each_type("ag-drift", "waf-innsyn", "log-sikkerhet", "vm-seks"))
        self.header = self.store.header
        self.lines = [encoder.encode(line) for line in self.store.decoded()]
        self.store.close()

    def decoded(self) -> list[SnapshotLine]:
        return [msgspec.json.decode(each, type=SnapshotLine) for each in self.lines]

    def evaluate(self, steps: Iterable[Change] = (), roots: Container[str] | None = None) -> Evaluated:
        lines = overlaid(self.decoded(), tuple(steps))
        snapshot = grouped(self.header, lines)
        snapshot.raw = lambda: map(encoder.encode, lines)
        snapshot.locate = partial(locations_of, snapshot.raw)
        return _Recorded(snapshot, self.rules).keep(Evaluated(), roots)


def overlaid(lines: list[SnapshotLine], steps: tuple[Change, ...]) -> list[SnapshotLine]:
    """Return the lines of a snapshot with changes of its resources."""
    gone = {each.resource.lower() for each in steps if isinstance(each, Deletion)}
    edits: dict[str, list[Edit]] = defaultdict(list)
    for each in steps:
        if isinstance(each, Edit):
            edits[each.resource.lower()].append(_of_made_log(each, lines))
    snapshot_lines: list[SnapshotLine] = []
    for line in lines:
        id = url_of(line).lower()
        if (line.resource is not None and id in gone) or any(id.startswith(f"{each}/") for each in gone):
            continue
        if line.resource is not None and id in edits:
            body = overlaid_body(line.resource, id, edits.pop(id))
            snapshot_lines.append(SnapshotLine(resource=body, api=line.api, by=line.by))
        elif line.read is not None:
            less = sum(each.startswith(f"{id}/") and "/" not in each[len(id) + 1 :] for each in gone)
            snapshot_lines.append(SnapshotLine(read=ReadLine(line.read.url, line.read.count - less, line.read.by)))
        else:
            snapshot_lines.append(line)
    for id, rest in edits.items():
        name = rest[0].resource.rsplit("/", 1)[-1]
        body = overlaid_body({"id": rest[0].resource, "name": name, "properties": {}}, id, rest)
        snapshot_lines = [each for each in snapshot_lines if each.read is None or url_of(each).lower() != id]
        snapshot_lines += [
            SnapshotLine(resource=body, by="get"),
            SnapshotLine(read=ReadLine(rest[0].resource, 1, "get")),
        ]
    return sorted(snapshot_lines, key=sort_key) if edits else snapshot_lines


def _of_made_log(edit: Edit, lines: list[SnapshotLine]) -> Edit:
    """Return an edit that names a flow log that its command makes with the id of one that is there and records."""
    if not NEW_FLOW_LOG.search(str(edit.value)):
        return edit
    logs = (line.resource for line in lines if line.resource is not None and "/flowLogs/" in line.resource["id"])
    return edit._replace(value={"id": next(each["id"] for each in logs if each["properties"]["enabled"] is True)})


@lru_cache
def estate() -> Estate:
    return Estate()


@lru_cache
def before() -> Evaluated:
    return estate().evaluate()


def rounds() -> list[list[str]]:
    """The failures in rounds: those of a round touch different resources, so that none changes another's answer."""
    matches: list[tuple[set[str], list[str]]] = []
    for mark, row in before().findings.items():
        if row.status != "fail" or not before().fixes[mark].changes:
            continue
        touched = {root_of(each.resource) for each in before().fixes[mark].changes} | {root_of(row.resource)}
        touched = {each for each in touched if not is_subscription(each)} or {
            row.resource.lower()
        }  # a lock on it alone
        alone = touched not in ({root_of(row.resource)}, {row.resource.lower()})
        chosen = next((each for each in matches if not alone and not each[0] & touched and "*" not in each[0]), None)
        if chosen is None:
            matches.append(({*touched, *(["*"] if alone else [])}, [mark]))
        else:
            chosen[0].update(touched)
            chosen[1].append(mark)
    return [marks for _, marks in matches]


def test_every_fix_of_the_estate_closes_exactly_what_it_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    (tenant,) = {line.scope.tenant for line in estate().decoded() if line.scope is not None and line.scope.tenant}
    monkeypatch.setitem(FIELD_VALUES, "TENANT_ID", tenant)
    ids = [line.resource["id"] for line in estate().decoded() if line.resource is not None]
    named = {"ACTION_GROUP_ID": "/ag-drift", "WAF_POLICY_ID": "/waf-innsyn"}
    named["WORKSPACE_ID"] = "/workspaces/log-sikkerhet"
    named["DISK_ENCRYPTION_SET_ID"] = "/des-maskiner"
    for name, ending in named.items():
        monkeypatch.setitem(FIELD_VALUES, name, next(id for id in ids if id.endswith(ending)))
    monkeypatch.setitem(FIELD_VALUES, "WORKSPACE_GUID", "5d0c1e2f-3a4b-4c5d-8e6f-708192a3b4c5")
    wrong: dict[str, list[str]] = {}
    count = 0
    alone = [marks for marks in rounds() if len(marks) == 1]
    tried = [*some(alone, 6), *(marks for marks in alone if _name(marks[0]) in LEFT)]
    for marks in (*(marks for marks in rounds() if len(marks) > 1), *tried):
        steps = [step for mark in marks for step in before().fixes[mark].changes]
        # A round with several fixes tells only of the resource of each; a fix that is alone tells of every resource.
        roots = {root_of(before().findings[mark].resource) for mark in marks} if len(marks) > 1 else None
        after = estate().evaluate(steps, roots)
        gone = {each.resource.lower() for each in steps if isinstance(each, Deletion)}
        assert roots is None or roots <= after.roots | gone, "what is not evaluated is not closed"
        for mark in marks:
            row, count = before().findings[mark], count + 1
            if matches := _wrong(row, after, alone=len(marks) == 1):
                wrong[_name(mark)] = matches
    assert {key: matches for key, matches in wrong.items() if key not in LEFT} == {}
    assert set(LEFT) <= set(wrong)
    assert count > 150


def test_no_fix_of_the_estate_claims_what_was_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on its resource, nor on others that share what it removes."""
    assert sum(row.fix.others for row in before().findings.values() if row.fix is not None) > 5
    monkeypatch.setattr("scanner.evaluate.fixes.can_try", lambda *_: False)
    fixes = [row.fix for row in estate().evaluate().findings.values() if row.fix is not None]
    assert [each.commands for each in fixes if each.closes or each.others] == []


def _name(mark: str) -> str:
    """Return the rule and the name of the resource of a finding."""
    row = before().findings[mark]
    return f"{row.rule} {Resource({'id': row.resource}).name}"


def _wrong(row: FindingRow, after: Evaluated, *, alone: bool) -> list[str]:
    """Return what a fix claims and does not do, and what it does and does not claim."""
    assert row.fix is not None
    now = after.findings.get(row.fingerprint)
    result = [f"is {now.status}"] if now is not None and now.status != "waived" else []
    if NOT_ALONE in row.fix.steps and not result:
        result.append("suffices, and says that it does not")
    root = root_of(row.resource)
    # A round with several fixes tells only of the resource itself; a fix that is alone tells of every resource.
    closed = set()
    for each in before().exposures.values():
        then = after.exposures.get((each.resource, each.endpoint, each.address))
        if each.severity and (alone or root_of(each.resource) == root) and (then is None or then.severity is None):
            closed.add((root_of(each.resource), each.endpoint))
    claimed = {(root, name) for name in row.fix.closes}
    claimed |= {(root_of(each.resource), each.endpoint) for each in row.fix.also_closes}
    rule = estate().rules.named(row.rule)
    is_lock = rule is not None and rule.lock
    if claimed != closed and (is_lock or not claimed <= closed):
        result.append(f"claims {sorted(claimed)}, closes {sorted(closed)}")
    return result


def test_every_command_of_the_estate_runs_as_it_is() -> None:
    fixes = [row.fix for row in before().findings.values() if row.fix is not None]
    wrong = {command: problems(command) for fix in fixes for command in fix.commands if problems(command)}
    assert wrong == {}
    assert not any(not fix.commands and not fix.steps for fix in fixes)
