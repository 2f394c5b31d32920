"""`make paths`: adds the actions that rules need, and that nobody listed, to `registered_actions.toml`.

Its source is `actions.tsv.zst` of FACTS: an action and where it was seen, a line each. An action that it has from a
built-in role or from Microsoft's pages gets a line in the list of that source. Any other is listed by hand.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scanner.rulebook import loader, registered_actions
from scanner.rulebook.permissions import actions
from scanner.rulebook.registered_actions import unverified

FILE = Path(registered_actions.__file__).with_name("registered_actions.toml")
SOURCES = {"built-in role": "built-in-roles", "MicrosoftDocs/azure-management-docs": "permission-pages"}
"""The tables of the list by what the facts call a source."""


def needed() -> tuple[str, ...]:
    """Return what a scan of all rules asks for, with `--effective`."""
    rules = loader.load(packages=False)
    rules.enabled = dict(rules.rules)
    return tuple(actions(rules, effective=True))


def facts() -> dict[str, str]:
    """Return where each action was seen, by the action in lower case; nothing without the facts."""
    path = Path(os.environ.get("TWOLOCKS_FACTS", "")) / "actions.tsv.zst"
    if not path.is_file():
        return {}
    text = subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    rows = (line.split("\t") for line in text.splitlines())
    return {action.lower(): seen for action, seen in rows}


def with_actions(text: str, wanted: Mapping[str, str]) -> str:
    """Return the text of the list with actions in the tables of their sources, in order."""
    for action, table in wanted.items():
        head, begin, rest = text.partition(f"[registered.{table}]\n")
        source, actions_key, below = rest.partition("actions = [\n")
        listed, end, tail = below.partition("]\n")
        lines = sorted({*listed.splitlines(), f'    "{action}",'}, key=str.lower)
        text = "".join((head, begin, source, actions_key, *(f"{line}\n" for line in lines), end, tail))
    return text


def main() -> None:
    """Write the list."""
    seen = facts()
    wanted = {}
    for action in unverified(needed()):
        sources = seen.get(action.lower(), "").split("; ")
        table = next((SOURCES[each] for each in sources if each in SOURCES), "")
        if table:
            wanted[action] = table
        else:
            print(f"{FILE.name}: no source of FACTS names {action}: list it by hand", file=sys.stderr)
    if wanted:
        FILE.write_text(with_actions(FILE.read_text("utf-8"), wanted), "utf-8")


if __name__ == "__main__":
    main()
