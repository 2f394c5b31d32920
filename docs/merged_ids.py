"""The page of the rules that became one: the id of each type before, and the id of all types now.

`python -m docs.merged_ids` writes it. It stays until the first release, and `tests/same` follows the same ids.
"""

from pathlib import Path

from scanner.rulebook.loader import RuleSet, load

HEAD = """# Rules that became one

Before the first release, rules that asked one question of different types became one rule on many types. An id in the
first column goes on meaning the new id for its type alone: in waivers, settings, options and histories.

| id before | id now | type |
| --- | --- | --- |
"""


def page(rules: RuleSet) -> str:
    """Return the page."""
    rows = [
        f"| `{old}` | `{rule.id}` | {', '.join(f'`{type}`' for type in rule.resource_type.types)} |\n"
        for rule in rules.rules.values()
        if rule.of_many is not None
        for old in rule.of_many.was
    ]
    return HEAD + "".join(sorted(rows))


if __name__ == "__main__":
    Path("docs/merged-ids.md").write_text(page(load(packages=False)), "utf-8")
