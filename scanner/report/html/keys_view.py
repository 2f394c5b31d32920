"""The view of keys: a drawing of resources, keys and vaults, a table of the keys, and what a key does not protect."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from scanner.document.key_rows import KeyRiskRow, KeyRow
from scanner.document.schema import Document
from scanner.model.responsibility import ANOTHER_TIER
from scanner.model.type_names import type_name
from scanner.report.language.messages import exactly
from scanner.report.language.naming import product_names
from scanner.report.language.words import Words
from scanner.report.views.cards import ResourceNames
from scanner.report.views.keys import HOLDERS, MICROSOFTS, name, resources, sort_key, tier_reason, types, worst
from scanner.report.views.summary import Ordered
from scanner.text.invisible import plain

SHOWN: Final = 200
"""The most keys in the table; the document has all."""
MOST_KEYS: Final = 24
"""The most keys in the drawing."""
MOST_NAMES: Final = 60
"""The most names of resources below a key."""
MOST_LETTERS: Final = 46
"""The most letters of types in the drawing: whole types, and then dots."""
WIDTH, NODE_HEIGHT, STEP = 1100, 46, 58
COLUMNS: Final = ((10, 330), (430, 270), (810, 280))
"""Left edge and width of the columns: resources, keys, vaults."""
LEARN: Final = "https://learn.microsoft.com/azure"
LINKS: Final = (
    ("models", f"{LEARN}/security/fundamentals/encryption-models"),
    ("access", f"{LEARN}/security/fundamentals/protection-customer-data"),
    ("confidential", f"{LEARN}/confidential-computing/overview"),
)


def keys_view(document: Document, words: Words, names: ResourceNames) -> dict[str, Any]:
    """Return the variable `encryption_keys` of the report: None in a document without keys."""
    if not len(document.keys):
        return {"encryption_keys": None}
    result = _Keys(document.keys)
    customer = result.customer
    return {
        "encryption_keys": {
            "lead": _lead(result, words),
            "drawing": _drawing(result, words, product_names(document.coverage)),
            "rows": [_line(row, words, names) for row in customer[:SHOWN]],
            "more": max(0, len(customer) - SHOWN),
            "platform": [
                {"type": plain(each.type), "set": each.chosen, "tier": each.by_tier, "why": plain(each.why)}
                for each in result.microsofts
            ],
            "links": [{"url": url, "word": words(f"encryption_keys.link.{each}")} for each, url in LINKS],
        }
    }


class _OfType(Struct):
    """How many resources of a type have a key of Microsoft: by their settings, and because their tier has no others."""

    type: str
    chosen: int = 0
    by_tier: int = 0
    why: str = ""

    def add(self, row: KeyRow, count: int) -> None:
        """Add a row of the document with as many resources."""
        if row.holder == ANOTHER_TIER:
            self.by_tier += count
            self.why = tier_reason(row)
        else:
            self.chosen += count


class _Keys:
    """The keys of a document in the order of `ordered`, which are decoded when they are used."""

    def __init__(self, rows: Sequence[KeyRow]) -> None:
        behind: dict[str, set[int]] = {each: set() for each in HOLDERS}
        ranked, others, customers = [], dict[str, _OfType](), set[int]()
        for number, row in enumerate(rows):
            ids = resources(row)
            behind.get(row.holder, set()).update(hash(id.lower()) for id in ids)
            if row.holder in MICROSOFTS:
                others.setdefault(row.type, _OfType(row.type)).add(row, len(ids))
                continue
            ranked.append((sort_key(row), number))
            if row.holder == "customer":
                customers.add(number)
        order = array("i", (number for _, number in sorted(ranked)))
        self.microsofts = sorted(others.values(), key=lambda each: (-each.chosen - each.by_tier, each.type))
        """The types of resources with keys of Microsoft, those of most resources first."""
        self.customer = Ordered(rows, order)
        self.customers = Ordered(rows, array("i", filter(customers.__contains__, order)))
        self.counts = {each: len(hashes) for each, hashes in behind.items()}
        """The resources by the holder of their keys."""


def _lead(result: _Keys, words: Words) -> str:
    counts = result.counts
    keys = words("encryption_keys.count.keys", len(result.customers))
    texts = [words("encryption_keys.count.customer", counts["customer"], keys=keys)]
    others = (each for each in HOLDERS if each != "customer" and counts[each])
    texts += [words(f"encryption_keys.count.{each.replace('-', '_')}", counts[each]) for each in others]
    return f"{', '.join(texts)}."


def _line(row: KeyRow, words: Words, names: ResourceNames) -> dict[str, Any]:
    ids = sorted(resources(row), key=str.lower)
    return {
        "look": worst(row) or "info",
        "name": plain(name(row)),
        "vault": _vault(row, words),
        "lives": words(f"encryption_keys.lives.{row.lives.replace('-', '_')}"),
        "kind": plain(row.kind),
        "state": words(f"encryption_keys.state.{row.state}"),
        "expires": row.expires,
        "why": plain(row.why or next((each.why for each in row.stores if each.why), "")),
        "risks": [_risk(each, words) for each in row.risks],
        "needed": words("encryption_keys.needed", len(ids)),
        "resources": [{"name": names.of(id)["path"], "at": names.group_path(id)} for id in ids[:MOST_NAMES]],
        "more": max(0, len(ids) - MOST_NAMES),
    }


def _vault(row: KeyRow, words: Words) -> str:
    """Return the name of a vault with its region; that it is not in the scan where that is so."""
    if not row.vault:
        return plain(row.host) or words("encryption_keys.no_vault")
    return plain(", ".join(filter(None, (row.vault.rpartition("/")[2], row.region))))


def _risk(risk: KeyRiskRow, words: Words) -> dict[str, str]:
    return {
        "look": risk.severity,
        "word": words(f"encryption_keys.risk.{risk.id.replace('-', '_')}"),
        "what": plain(risk.what),
        "query": f"rule:{risk.rule}" if risk.rule else "",
    }


# The drawing


def _drawing(result: _Keys, words: Words, products: Mapping[str, str]) -> dict[str, Any]:
    """Return nodes and edges: resources, their keys, and the vaults of these; the keys of Microsoft are one node."""
    drawn = result.customers[:MOST_KEYS]
    first: dict[str, int] = {}
    for at, row in enumerate(drawn):
        first.setdefault(row.host, at)
    drawn.sort(key=lambda row: first[row.host])
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    positions: dict[str, list[float]] = {}
    for at, row in enumerate(drawn):
        y = 34.0 + at * STEP
        nodes += [_resources_node(row, y, words, products), _key_node(row, y, words)]
        edges.append(_edge(0, y, 1, y, len(resources(row)), worst(row) or "info"))
        positions.setdefault(row.host, []).append(y)
    for host, ys in positions.items():
        row = next(each for each in drawn if each.host == host)
        y = sum(ys) / len(ys)
        look = "info" if row.vault else "unknown"
        vault = _vault(row, words)
        where = words(f"encryption_keys.lives.{row.lives.replace('-', '_')}") if row.vault else ""
        nodes.append(_node(2, y, look, vault, where or words("encryption_keys.no_vault"), f"{vault}: {len(ys)}"))
        edges += [_edge(1, each, 2, y, 1, "info") for each in ys]
    height = 34.0 + len(drawn) * STEP
    others = sum(each.chosen + each.by_tier for each in result.microsofts)
    if others:
        count, microsoft = words("count.resources", others), words("encryption_keys.lives.microsoft")
        platform = words("encryption_keys.platform_keys")
        nodes += [
            _node(0, height, "info", count, words("encryption_keys.many_types"), count),
            _node(1, height, "info", platform, words("encryption_keys.no_withdrawal"), platform),
            _node(2, height, "info", microsoft, "", microsoft),
        ]
        edges += [_edge(0, height, 1, height, others, "info"), _edge(1, height, 2, height, 1, "info")]
        height += STEP
    heads = ("resources", "key", "vault")
    return {
        "width": WIDTH,
        "height": round(height) + 6,
        "nodes": nodes,
        "edges": edges,
        "heads": [
            {"x": x, "word": words(f"encryption_keys.{each}")} for (x, _), each in zip(COLUMNS, heads, strict=True)
        ],
        "more": max(0, len(result.customers) - len(drawn)),
    }


def _resources_node(row: KeyRow, y: float, words: Words, products: Mapping[str, str]) -> dict[str, Any]:
    count = words("count.resources", len(resources(row)))
    texts = [f"{plain(exactly(type_name(type, products), words))} {n:,}" for type, n in types(row)]
    shown = list(texts)
    while len(", ".join(shown)) > MOST_LETTERS and len(shown) > 1:
        shown = [*shown[: -2 if shown[-1] == "…" else -1], "…"]
    return _node(0, y, "info", count, ", ".join(shown), f"{count}: {', '.join(texts)}")


def _key_node(row: KeyRow, y: float, words: Words) -> dict[str, Any]:
    proven = [each for each in row.risks if each.severity not in ("unknown", "info")]
    text = words(f"encryption_keys.risk.{proven[0].id.replace('-', '_')}") if proven else ""
    state = text or words(f"encryption_keys.state.{row.state}")
    key = plain(row.key.rpartition("/")[2])
    needed = words("encryption_keys.needed", len(resources(row)))
    return _node(1, y, worst(row) or "info", key, state, f"{key}: {state}. {needed}")


def _node(column: int, y: float, look: str, title: str, text: str, message: str) -> dict[str, Any]:
    x, width = COLUMNS[column]
    most = width // 8 - 4
    title = title if len(title) <= most else f"{title[: most - 1]}…"
    return {"x": x, "y": round(y), "width": width, "look": look, "name": title, "text": text, "says": message}


def _edge(first: int, y: float, second: int, other: float, count: int, look: str) -> dict[str, Any]:
    start = COLUMNS[first][0] + COLUMNS[first][1]
    end, bend = COLUMNS[second][0], (start + COLUMNS[second][0]) / 2
    top, bottom = y + NODE_HEIGHT / 2, other + NODE_HEIGHT / 2
    path = f"M{start} {top:.0f}C{bend:.0f} {top:.0f} {bend:.0f} {bottom:.0f} {end} {bottom:.0f}"
    return {"path": path, "width": 1.5 if count < 5 else 3 if count < 20 else 5, "look": look}
