"""`twolocks show keys`: whose keys encrypt the resources of a scan, and what may happen to the keys."""

from pathlib import Path

from scanner.cli.show import show
from scanner.config.settings import Settings
from scanner.config.waiver_proposal import read_findings
from scanner.document.key_rows import KeyRow
from scanner.model.responsibility import ANOTHER_TIER
from scanner.report.views.keys import LIVES, name, names, ordered, resources, risks, sentence, tier_reason, worst

_STATES = {"platform": "Microsoft's", ANOTHER_TIER: "needs another tier"}
HEADS = ("state", "key", "resources", "lives in", "expires", "risks", "encrypts")


def run(settings: Settings, file: str) -> int:
    """Print the keys of a findings file, and return the exit code. Raises InputError."""
    document = read_findings(Path(file), file)
    rows = [row for row in ordered(document.keys) if not settings["at-risk"] or worst(row)]
    return show(document, rows, _cells, HEADS, sentence(document), settings, name=2)


def _cells(row: KeyRow) -> tuple[str, ...]:
    state = row.state if row.holder == "customer" else _STATES.get(row.holder, "unknown")
    count = f"{len(resources(row)):,}"
    why = risks(row) or row.why or (tier_reason(row) if row.holder == ANOTHER_TIER else "")
    return state, name(row), count, LIVES[row.lives], row.expires, why, names(row)
