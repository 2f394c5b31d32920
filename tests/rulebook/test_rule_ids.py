"""An id that a rule ever had means a rule for good."""

from docs.rule_ids import LEDGER, ids, known
from tests.rules.examples import rules


def test_no_id_of_a_rule_is_ever_lost() -> None:
    lost = [id for id in sorted(known()) if not rules().all_named(id)]
    assert lost == [], (
        "waivers and histories name them: list each in `aliases` of its row; in `was`, if of one type alone"
    )


def test_every_id_of_a_rule_is_in_the_ledger() -> None:
    missing = sorted(ids(rules()) - known())
    assert missing == [], f"`make docs` adds these ids to {LEDGER.name}"
