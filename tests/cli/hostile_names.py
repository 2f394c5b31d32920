"""An estate whose names try to be something else: log commands, escapes, formulas, markup, shell, paths."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as some

from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.history.test_changing_estate import EXPORT, estate
from tests.terminals import STORAGE, SUB, TAKEN, listed

Names = Mapping[str, str]
PIECES = (
    "::set-output name=x::y",
    "::error::zq",
    "\n::stop-commands::zq\n",
    "\r\n##vso[task.setvariable variable=PATH]zq",
    "##[error]zq",
    "###[group]",
    "\n",
    "\r",
    "\tzqtab",
    "\x1b]0;zq\x07",
    "\x1b[2J\x1b[31mzq",
    "\x9b31m",
    "\x9d0;zq\x9c",
    "\x00",
    "\x7f",
    "\u202ezq\u2066",
    "\u200b",
    "\u2028##[zq]\u2029",
    "\u0085zq",
    '=HYPERLINK("https://zq.example","zq")',
    "+zq|' |C zq'!A0",
    "@zq",
    "<script>zq()</script>",
    "</script><img src=x onerror=zq()>",
    "<!--",
    "]]>",
    "```\n# zq",
    "`zq`",
    "$(zq)",
    "${{ zq }}",
    "\"'",
    "'; zq; '",
    "%0A::error::zq",
    "| zq |",
    "[zq](javascript:zq)",
    "\\",
    "zq " * 60,
    "zq" * 200,
    "\U000e0001",
    "\ufeffzq",
    "ø\u0301🏴",
    "Exit 0    zq",
    " ",
    "../../etc/zq",
    "/subscriptions/zq",
    "zq?api-version=1#zq",
)
IDS = (
    "rg-journal",
    "stjournal",
    "stlukket",
    "sqlfag",
    "vm-hopp",
    "nsg",
    "nic",
    "pip",
    "vnet",
    "all",
    "scans",
    "eksport",
)
"""Names in ids, where a slash would make another id. `all` is a rule of a firewall."""
TEXTS = ("prod-journal", "agency.example", "kari", "ssh", "dba", "tag", "AuthorizationFailed")
"""A subscription, a tenant, a principal, a rule of a network security group, a login, a tag, the code of an error."""
NAME = some.lists(some.sampled_from(PIECES) | some.text(max_size=4), min_size=1, max_size=4).map("".join)
IN_ID = NAME.map(lambda text: text.replace("/", "\u2215"))
NAMES = some.fixed_dictionaries(dict.fromkeys(IDS, IN_ID) | dict.fromkeys(TEXTS, NAME)).map(
    lambda names: {slot: f"{text}{position}" for position, (slot, text) in enumerate(names.items())}
)
"""No two of an estate are the same."""


def turn(position: int) -> Names:
    """Return names that each begin with another piece; over as many turns as there are pieces, each with each."""
    every = [PIECES[(position + slot) % len(PIECES)] for slot in range(len(IDS) + len(TEXTS))]
    return {
        slot: text.replace("/", "\u2215") if slot in IDS else text
        for slot, text in zip(IDS + TEXTS, every, strict=True)
    }


def renamed(value: Any, names: Names) -> Any:
    """Return a body in which each name that has another one stands under it, in ids too."""
    match value:
        case dict():
            return {key: renamed(each, names) for key, each in value.items()}
        case list():
            return [renamed(each, names) for each in value]
        case str() if value.startswith("/subscriptions/"):
            return "/".join(names.get(segment, segment) for segment in value.split("/"))
        case str():
            return names.get(value, value)
        case _:
            return value


def bodies(names: Names, *, more: bool) -> Iterator[Any]:
    """Yield the resources; with `more` an open container that the earlier scan did not have."""
    for body in estate(*([EXPORT] if more else []), ssh="Internet" if more else "10.0.0.0/8"):
        yield renamed({**body, "tags": {"owner": "tag"}}, names)


def write_snapshot(path: Path, names: Names, *, more: bool) -> None:
    """Write the snapshot of a live scan, with a read that failed."""
    taken = TAKEN.replace("25T", "26T") if more else TAKEN
    store = Store(
        Header(taken=taken, tool="twolocks test", principal=names["kari"], scopes=[SUB], notes=[names["kari"]])
    )
    store.scope(SUB, names["prod-journal"], names["agency.example"], "full")
    listed(store)
    for body in bodies(names, more=more):
        store.resource(body, "2025-08-01", "list")
    url = renamed(f"{STORAGE}/stlukket/queueServices/default/queues", names)
    store.gap(url, 403, names["AuthorizationFailed"], f"Microsoft.Storage/{names['dba']}/read")
    store.write(path)
