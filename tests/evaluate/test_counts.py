"""The numbers of a scan: the same while it runs and from its document."""

from collections import Counter
from io import BytesIO

import msgspec
import pytest

from scanner.document.schema import Document, FixRow
from scanner.document.writer import Writer
from scanner.evaluate.counts import Counts, count
from scanner.evaluate.fix_groups import GROUPS, effect_on
from scanner.evaluate.policy import Intended, Policy
from scanner.evaluate.run import Evaluation
from scanner.history.observation import observe
from scanner.model.severity import SEVERITIES
from scanner.report.markdown import write_markdown
from scanner.rulebook import loader
from scanner.snapshot.bundles import of_store
from tests.benchmarks.evaluate import bundles, estate
from tests.history.test_compare import account, exposure, finding


@pytest.fixture(scope="module")
def evaluated() -> tuple[Counts, Document]:
    """The counts of an evaluation of two examples of each kind, and its document."""
    policy = Policy(intended=(Intended("*0", "*", "meant"),))
    evaluation, writer, out = (
        Evaluation(of_store(estate(bundles(), 200)), loader.load(packages=False), policy),
        Writer(),
        BytesIO(),
    )
    result = evaluation.run(writer)
    scan = evaluation.scan_row(started="", finished="", tool="t")
    writer.finish(out, scan, evaluation.rule_rows(), result.gaps, evaluation.coverage())
    writer.close()
    return result.counts, msgspec.json.decode(out.getvalue(), type=Document)


def test_a_document_counts_as_its_scan_did(evaluated: tuple[Counts, Document]) -> None:
    streamed, document = evaluated
    assert count(document) == streamed
    assert streamed.states["intended"]
    assert streamed.inconclusive_by_gap


def test_each_number_is_what_the_document_holds(evaluated: tuple[Counts, Document]) -> None:
    counts, document = evaluated
    opened = [row for row in document.exposures if row.state == "open"]
    assert counts.endpoints == len(document.exposures)
    assert counts.open.total() == counts.states["open"] == len(opened)
    unrestricted = [row for row in opened if row.reach in ("internet", "azure", "wide") and row.kind != "app"]
    assert counts.public + counts.nearly_public == sum(row.authentication == "anonymous" for row in unrestricted) > 0
    failed = [row for row in document.findings if row.status == "fail"]
    locks = ("anonymous-access", "authentication", "network")
    of_locks = [row for row in failed if row.category in locks]
    without_endpoint = [row for row in of_locks if not row.endpoints]
    assert without_endpoint
    assert counts.other_failures.total() == len(failed) - len(of_locks) + len(without_endpoint)
    assert counts.checks == len(document.findings) + sum(
        map(len, [*document.passed.values(), *document.not_applicable.values()])
    )
    assert (counts.gaps, counts.resources, counts.reads) == (
        len(document.gaps),
        document.scan.resources,
        document.scan.reads,
    )


def test_history_and_summary_count_the_same(evaluated: tuple[Counts, Document]) -> None:
    """A subnet without a network security group was in the list of the summary only."""
    counts, document = evaluated
    items = observe(document, {}).items.values()
    standing = Counter(item.severity for item in items if item.is_counted and item.state == "open")
    assert {name: standing[name] for name in counts.by_severity} == counts.by_severity
    out = BytesIO()
    write_markdown(document, out)
    for name in SEVERITIES:
        assert f"| {name} | {counts.open[name]:,} | {counts.other_failures[name]:,} |" in out.getvalue().decode()


def test_endpoints_of_one_command_are_one_group_led_by_the_worst() -> None:
    counts = Counts()
    for endpoint, severity in (("one", "medium"), ("two", "critical"), ("three", "high")):
        counts.exposure(
            msgspec.structs.replace(
                exposure(account("st"), endpoint, severity=severity), fix=FixRow(commands=["az close"])
            )
        )
    counts.exposure(exposure(account("other"), "one", severity="high"))
    first, second = counts.fix_groups()
    assert (first.severity, first.endpoint, first.items) == ("critical", "two", 3)
    assert (second.name, second.endpoint, second.items) == ("other", "one", 1)


def test_what_a_trial_left_is_not_answered_and_a_change_of_another_resource_is_one() -> None:
    counts = Counts()
    of_group = FixRow(commands=["az network nsg rule update"], closes=["ssh"], after={"rdp": "low"}, shared=True)
    for number in range(3):
        for endpoint in ("ssh", "rdp", "web"):
            counts.exposure(
                msgspec.structs.replace(exposure(account(f"vm{number}"), endpoint, severity="high"), fix=of_group)
            )
    row = exposure(account("st"), "blob", severity="critical")
    kept = FixRow(commands=["az storage account update"], after={"blob": "critical"})
    counts.exposure(msgspec.structs.replace(row, fix=kept))
    counts.finding(msgspec.structs.replace(finding(severity="high"), fix=FixRow(steps=["Do it."])))
    first, second, left = counts.fix_groups()
    assert (first.name, first.items, first.effects) == ("vm0", 9, {"closed": 3, "lowered": 3, "untried": 3})
    assert (second.effects, second.answered) == ({"untried": 1}, {"high": 1})
    assert (left.severity, left.effects, left.severe_answered) == ("critical", {"left": 1}, 0)
    changes = counts.first_changes()
    assert changes.groups == [first, second]
    assert (changes.changes, changes.answered, changes.severe) == (2, 10, 11)


def test_a_port_on_two_addresses_is_not_closed_where_one_stays_open() -> None:
    row = exposure(account("vm"), "tcp/22", severity="high")
    fix = FixRow(commands=["az x"], closes=["tcp/22"], leaves=["tcp/22"], after={"tcp/22": "high"})
    assert effect_on(msgspec.structs.replace(row, fix=fix)) == "left"
    assert effect_on(msgspec.structs.replace(row, fix=msgspec.structs.replace(fix, after={}))) == "untried"
    assert effect_on(msgspec.structs.replace(row, fix=msgspec.structs.replace(fix, after={}, leaves=[]))) == "closed"


def test_the_worst_groups_are_kept() -> None:
    counts = Counts()
    for number in range(3 * GROUPS):
        counts.exposure(exposure(account(f"st{number}"), severity="critical" if number % 3 == 0 else "low"))
    assert counts.endpoints == 3 * GROUPS
    assert [group.severity for group in counts.fix_groups()][:GROUPS] == ["critical"] * GROUPS


def test_an_accepted_check_is_counted_apart() -> None:
    counts = Counts()
    for waiver in (None, {"reason": "r", "owner": "kari", "expires": ""}):
        row = finding(status="unknown")
        counts.finding(msgspec.convert({**msgspec.to_builtins(row), "waiver": waiver}, type(row)))
    assert (counts.statuses["unknown"], counts.unaccepted_checks, counts.accepted_inconclusive) == (2, 1, 1)
    assert counts.inconclusive_by_gap == {"": 1}
