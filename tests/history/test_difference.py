"""What `difference` makes of two documents, row by row: what is listed, what is left out, and why."""

from collections.abc import Iterable

import msgspec
import pytest

from scanner.document.schema import ChangeRow, Document, ExposureRow, ScopeRow
from scanner.history.documents import DiffDocument, difference
from scanner.model.index import Index
from scanner.model.message import NOTHING
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.model.rule import FixTemplate, Rule, rule
from scanner.model.verdict import Pass, Verdict
from scanner.rulebook.loader import RuleSet
from tests.history.test_compare import MONDAY, SUB, TUESDAY, Row, account, exposure, finding
from tests.history.test_compare import document as rows_of

FIX = FixTemplate(az="az version", impact=NOTHING)
STORE = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
KEYS = Rule(
    id="keys", category="authentication", title="Keys", resource_type=STORE, endpoints=("blob",), why="w", fix=FIX
)
VAULT = ResourceType("Microsoft.KeyVault/vaults", api="2025-08-01")


@rule(VAULT, "purge", category="governance", title="No purge protection", severity="low", why="w", fix=FIX)
def purge(resource: Resource, index: Index) -> Verdict:
    return Pass()


RULES = RuleSet(kinds=[STORE, VAULT], rules={each.id: each for each in (KEYS, purge)})


BLOB = f"{account('st')}/blobServices/default"
SAFE = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"


def document(
    *rows: Row,
    taken: str = MONDAY,
    rules: Iterable[str] = ("keys", "plain-http"),
    view: str = "full",
    resources: Iterable[str] = (account("st"), SAFE),
    passed: dict[str, list[str]] | None = None,
) -> Document:
    made = rows_of(rows, passed or {}, resources)
    made.not_applicable = {}
    made.scan = msgspec.structs.replace(made.scan, taken=taken)
    made.coverage.scopes[:] = [ScopeRow(subscription=SUB.upper(), name="prod", tenant="t", view=view)]
    made.rules.clear()
    made.rules.update(dict.fromkeys(rules))  # type: ignore[arg-type]
    made.resources = {
        id: msgspec.structs.replace(row, parent=account("st") if id.startswith(BLOB) else None)
        for id, row in made.resources.items()
    }
    return made


def differ(old: Document, new: Document) -> DiffDocument:
    return difference(old, new, ("old", "new"), RULES)


def said(rows: list[ChangeRow]) -> list[tuple[str, str]]:
    return [(row.endpoint or row.rule, row.why) for row in rows]


def test_what_is_accepted_now_is_listed_and_what_came_accepted_is_not() -> None:
    old = document(exposure())
    new = document(exposure(state="waived"), exposure(endpoint="file", state="intended"))
    made = differ(old, new)
    assert said(made.accepted) == [("blob", "")]
    assert (made.same, made.new, made.fixed, made.vanished) == (0, [], [], [])
    assert said(differ(new, old).new) == [("blob", "it is no longer accepted")]


def test_the_same_counts_what_stands_open_and_is_no_lock_finding() -> None:
    rows: list[Row] = [
        exposure(),
        exposure(endpoint="file", state="waived"),
        finding(),
        finding(rule="keys", category="authentication"),
        finding(rule="plain-http", resource=SAFE, status="waived"),
    ]
    made = differ(document(*rows), document(*rows))
    assert (made.same, sum(made.counts.values())) == (2, 0)


@pytest.mark.parametrize(
    "possible",
    [
        [exposure(severity="low", worst="high"), exposure(endpoint="file", severity=None, state="closed")],
        [exposure(endpoint="file", severity=None, worst="high", state="closed")],
        [finding(rule="keys", category="authentication", status="unknown")],
    ],
)
def test_what_could_not_be_decided_before_is_new_and_says_so(possible: list[Row]) -> None:
    now: list[Row] = [row for row in possible if isinstance(row, ExposureRow) and row.severity]
    now.append(exposure(endpoint="file"))
    made = differ(document(*possible), document(*now))
    assert said(made.new) == [("file", "it was inconclusive before")]


def test_a_finding_that_could_not_be_decided_before_is_new_and_says_so() -> None:
    made = differ(document(finding(status="unknown")), document(finding()))
    assert said(made.new) == [("plain-http", "it was inconclusive before")]
    closed = document(exposure(severity=None, state="closed"), passed={account("st"): ["plain-http"]})
    assert said(differ(closed, document(exposure(), finding())).new) == [("blob", ""), ("plain-http", "")]


def test_what_is_not_accepted_any_more_says_so_also_where_a_lock_was_inconclusive() -> None:
    possible = finding(rule="keys", category="authentication", status="unknown")
    made = differ(document(exposure(state="waived"), possible), document(exposure(), possible))
    assert said(made.new) == [("blob", "it is no longer accepted")]


def test_what_is_evaluated_for_the_first_time_says_nothing_of_before() -> None:
    old = document(finding(rule="keys", category="authentication", status="unknown"), rules=["keys"])
    assert said(differ(old, document(finding())).first_judged) == [("plain-http", "")]


def test_a_rule_on_a_type_is_no_look_at_its_endpoints() -> None:
    old = document(exposure(SAFE, "vault"), rules=["purge", "keys"])
    made = differ(old, document(rules=["purge", "keys"]))
    assert said(made.vanished) == [("vault", "no rule in the new file reads it")]
    assert made.fixed == []


def test_a_type_of_which_the_document_has_endpoints_was_looked_at() -> None:
    other = SAFE.replace("/kv", "/other")
    old = document(exposure(SAFE, "vault"), exposure(other, "vault"), resources=[SAFE, other])
    new = document(exposure(other, "vault"), resources=[SAFE, other])
    assert said(differ(old, new).fixed) == [("vault", "")]
    assert said(differ(new, old).new) == [("vault", "")]


def test_what_vanished_stood_open_and_counts() -> None:
    locks = finding(rule="keys", category="authentication")
    old = document(exposure(), exposure(endpoint="file", state="waived"), finding(status="waived"), locks)
    made = differ(old, document(resources=[]))
    assert said(made.vanished) == [("blob", "its resource is not in the new file")]
    assert said(differ(document(finding()), document(rules=["keys"])).vanished) == [
        ("plain-http", "its rule is not in the new file")
    ]


def test_what_is_reported_already_did_not_vanish() -> None:
    old = document(exposure(), exposure(endpoint="file"), finding())
    new = document(exposure(endpoint="file", severity="critical", auth="anonymous"), finding(status="unknown"))
    made = differ(old, new)
    assert {name: count for name, count in made.counts.items() if count} == {"fixed": 1, "changed": 1, "unknown": 1}


def test_a_subscription_without_visibility_fixes_nothing_and_was_never_looked_at() -> None:
    open, nothing = document(exposure(), finding()), document(view="none")
    made = differ(open, nothing)
    assert made.fixed == []
    assert {why for _, why in said(made.vanished)} == {"its subscription is not in the new file"}
    made = differ(nothing, open)
    assert (made.new, len(made.first_judged)) == ([], 2)


def test_resources_appear_and_vanish_by_their_top_level() -> None:
    old, new = document(resources=[account("st"), f"{BLOB}/containers/a"]), document(resources=[account("ST"), SAFE])
    made = differ(old, new)
    assert (made.appeared_resources, made.vanished_resources) == ([SAFE], [])
    assert differ(new, old).vanished_resources == [SAFE]
    made = differ(document(resources=[SAFE]), document(resources=[f"{BLOB}/containers/a"]))
    assert (made.appeared_resources, made.vanished_resources) == ([], [SAFE])


def test_what_must_be_known_to_read_a_difference() -> None:
    old, new = document(taken=TUESDAY), document(taken=MONDAY)
    new.scan = msgspec.structs.replace(new.scan, tool="twolocks 2", complete=False)
    assert differ(old, new).notes == [
        f"The old file is the more recent one: {TUESDAY} after {MONDAY}",
        f"Evaluated by {old.scan.tool} and by twolocks 2",
        "The new scan is incomplete: what it could not read does not count as fixed",
    ]
    assert differ(old, old).notes == []
