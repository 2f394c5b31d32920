"""The ledger of rule ids, `docs/rule-ids.txt`: every id that a rule has or had. It only grows.

Waivers, settings and histories name rules by these ids, so each of them means a rule for good: a rule that gets another
id keeps the old one in `was`. `python -m docs.rule_ids` adds the ids that are new.
"""

from pathlib import Path

from scanner.rulebook.loader import RuleSet, load

LEDGER = Path(__file__).with_name("rule-ids.txt")


def ids(rules: RuleSet) -> set[str]:
    """Return every id that means a rule: the present ones and the old ones."""
    return {id for rule in rules.rules.values() for id in (rule.id, *rule.old_ids)}


def known() -> set[str]:
    """Return the ids of the ledger."""
    return set(LEDGER.read_text("utf-8").split()) if LEDGER.exists() else set()


if __name__ == "__main__":
    LEDGER.write_text("".join(f"{id}\n" for id in sorted(known() | ids(load(packages=False)))), "utf-8")
