"""The view of places: a drawing of the regions that resources name, a table of them, and what may leave."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any, Final

from msgspec import Struct

from scanner.document.reader import without_case
from scanner.document.schema import DataPlaceRow, Document
from scanner.model.countries import country
from scanner.model.ids import root_of
from scanner.model.regions import TABLE
from scanner.report.language.messages import in_words
from scanner.report.language.words import Words
from scanner.report.views.cards import ResourceNames
from scanner.report.views.places import VERDICTS, PlaceGroup, eea_sentence, groups
from scanner.text.invisible import plain

LOOKS: Final = {"stays": "pass", "may-leave": "high", "unknown": "unknown"}
SHOWN: Final = 200
"""The most rows of what may leave; the findings have all."""
MOST_PLACES: Final = 60

WIDTH, HEIGHT = 1100, 430
NODE_WIDTH, NODE_HEIGHT, GAP = 190, 44, 6
MAP_WIDTH, SIDE = 790, 890
AROUND = 60
"""How far a line between two places at the side goes to the left."""
SPAN = 6.0
"""The fewest degrees that the drawing spans."""


class PlaceNode(Struct):
    """A place in the drawing; `x`, `y`: its upper left corner."""

    group: PlaceGroup
    x: float
    y: float

    def overlaps(self, other: "PlaceNode") -> bool:
        """Return whether two nodes are too near."""
        return abs(self.x - other.x) < NODE_WIDTH + GAP and abs(self.y - other.y) < NODE_HEIGHT + GAP


def places_view(document: Document, words: Words, names: ResourceNames) -> dict[str, Any]:
    """Return the variable `places` of the report: None in a document without places."""
    rows = document.places
    if not len(rows):
        return {"places": None}
    matches = groups(rows)
    leaving = [
        group.rows[is_accepted, verdict]
        for is_accepted in (False, True)
        for verdict in VERDICTS
        if verdict != "stays"
        for group in matches
    ]
    first = islice(chain.from_iterable(leaving), SHOWN)
    return {
        "places": {
            "headline": eea_sentence(matches, words),
            "lead": _lead(matches, words),
            "sources": _sources(rows),
            "drawing": _drawing(document, matches, words),
            "rows": [_line(group, words) for group in matches],
            "accepted": sum(group.accepted for group in matches),
            "leaving": [_leaving(rows[number], document, words, names) for number in first],
            "more": max(0, sum(map(len, leaving)) - SHOWN),
            "count": sum(group.counts["may-leave"] for group in matches),
        }
    }


def _lead(matches: Sequence[PlaceGroup], words: Words) -> str:
    counts = {each: sum(group.counts[each] for group in matches) for each in VERDICTS}
    counts["accepted"] = sum(group.accepted for group in matches)
    texts = [words(f"places.count.{each.replace('-', '_')}", counts[each]) for each in counts if counts[each]]
    return f"{', '.join(texts)}."


def _sources(rows: Iterable[DataPlaceRow]) -> list[str]:
    """Return what is allowed and who says so, the most frequent first."""
    counts = Counter(f"{', '.join(row.allowed)} ({row.source})" for row in rows if row.allowed)
    return [plain(each) for each, _ in counts.most_common(5)]


def name_of_place(group: PlaceGroup, words: Words) -> str:
    """Return the name of a place: a region, any region, a data zone, or that it is not known."""
    special = {"global": "places.any", "data zone": "places.zone", "": "places.not_known"}
    return words(special[group.region]) if group.region in special else plain(group.region)


def _where(group: PlaceGroup, words: Words) -> str:
    """Return the place and the legal area of a region: `Netherlands, EEA`."""
    area = words(f"places.area.{group.area}")
    names = dict.fromkeys(plain(in_words(country(each), words)) for each in (group.place, group.geography) if each)
    return ", ".join([*names, area] if names else [area] if group.area != "unknown" else [])


def _counts(group: PlaceGroup, words: Words) -> str:
    counted = [(each, group.counts[each]) for each in VERDICTS] + [("accepted", group.accepted)]
    return ", ".join(words(f"places.count.{name.replace('-', '_')}", n) for name, n in counted if n)


def _line(group: PlaceGroup, words: Words) -> dict[str, Any]:
    return {
        "look": LOOKS[group.verdict],
        "name": name_of_place(group, words),
        "where": _where(group, words),
        "resources": group.resources,
        "counts": [group.counts[each] for each in VERDICTS],
        "accepted": group.accepted,
    }


def _leaving(row: DataPlaceRow, document: Document, words: Words, names: ResourceNames) -> dict[str, Any]:
    group = PlaceGroup(row.region, row.place, row.geography, row.area)
    rule = document.rules.get(row.rule)
    where = _where(group, words)
    return {
        "look": "waived" if row.waiver is not None else LOOKS[row.verdict],
        "word": words(
            "places.accepted" if row.waiver is not None else f"places.verdict.{row.verdict.replace('-', '_')}"
        ),
        "name": names.of(row.resource)["path"],
        "at": names.group_path(row.resource),
        "place": name_of_place(group, words),
        "where": where,
        "title": rule.title if rule is not None else row.rule,
        "query": f"rule:{row.rule}",
        "evidence": row.why or f"{row.path}: {row.value}",
    }


# The drawing


def _drawing(document: Document, matches: Sequence[PlaceGroup], words: Words) -> dict[str, Any]:
    """Return the nodes and edges of the drawing. Regions without coordinates, and other places, are at the side."""
    drawn = list(matches[:MOST_PLACES])
    at = {group.region: at for group in drawn if (at := _degrees(group)) is not None}
    nodes: list[PlaceNode] = []
    for group in sorted(
        (each for each in drawn if each.region in at), key=lambda each: (-at[each.region][1], each.region)
    ):
        longitude, latitude = at[group.region]
        x = 20 + _share(longitude, [each[0] for each in at.values()]) * (MAP_WIDTH - NODE_WIDTH)
        y = 20 + (1 - _share(latitude, [each[1] for each in at.values()])) * (HEIGHT - NODE_HEIGHT - 40)
        nodes.append(_free(PlaceNode(group, x, y), nodes))
    side = [group for group in drawn if group.region not in at]
    nodes += [PlaceNode(group, SIDE, 20.0 + at * (NODE_HEIGHT + GAP * 2)) for at, group in enumerate(side)]
    height = max([2 * NODE_HEIGHT, *(node.y + NODE_HEIGHT + 20 for node in nodes)])
    return {
        "width": WIDTH,
        "height": round(height),
        "nodes": [_node(node, words) for node in nodes],
        "edges": _edges(document, nodes),
        "node_width": NODE_WIDTH,
        "node_height": NODE_HEIGHT,
    }


def _degrees(group: PlaceGroup) -> tuple[float, float] | None:
    """Return longitude and latitude of a region; None where they are not known."""
    known = TABLE.get(group.region)
    if known is None or known.longitude is None or known.latitude is None:
        return None
    return known.longitude, known.latitude


def _share(value: float, every: Sequence[float]) -> float:
    """Return where a value lies between the least and the greatest, from 0 to 1."""
    least = min(every)
    return (value - least) / max(SPAN, max(every) - least)


def _free(node: PlaceNode, others: Sequence[PlaceNode]) -> PlaceNode:
    """Return the node, moved down until it is free."""
    while any(node.overlaps(each) for each in others):
        node.y += GAP
    return node


def _node(node: PlaceNode, words: Words) -> dict[str, Any]:
    group = node.group
    return {
        "look": LOOKS[group.verdict],
        "x": round(node.x),
        "y": round(node.y),
        "name": name_of_place(group, words),
        "where": _where(group, words),
        "short": plain(in_words(country(group.place or group.geography), words))[:22],
        "count": words("count.resources", group.resources),
        "says": f"{name_of_place(group, words)}: {_counts(group, words)}",
    }


def _edges(document: Document, nodes: Sequence[PlaceNode]) -> list[dict[str, Any]]:
    """Return a line from the region of resources to each other place from which their data may leave."""
    at = {(node.group.region, node.group.area): node for node in nodes}
    nodes_by_region = {node.group.region: node for node in nodes}
    find = without_case(document.resources)
    counts: Counter[tuple[str, tuple[str, str]]] = Counter()
    for node in nodes:
        for row in map(document.places.__getitem__, node.group.rows_of("may-leave")):
            matches = find(root_of(row.resource))
            source = matches[1].location if matches is not None else ""
            if source != row.region and source in nodes_by_region:
                counts[source, (row.region, row.area)] += 1
    return [_edge(nodes_by_region[source], at[target], count) for (source, target), count in sorted(counts.items())]


def _edge(source: PlaceNode, target: PlaceNode, count: int) -> dict[str, Any]:
    (x, y), (to_x, to_y) = _anchor(source), _anchor(target)
    if source.x == target.x == SIDE:  # a line between two boxes of the column goes around those between them
        path = f"M{x:.0f} {y:.0f}C{x - AROUND} {y:.0f} {x - AROUND} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
    else:
        path = f"M{x:.0f} {y:.0f}Q{(x + to_x) / 2:.0f} {(y + to_y) / 2 - 30:.0f} {to_x:.0f} {to_y:.0f}"
    return {"path": path, "width": 1.5 if count < 5 else 3, "look": LOOKS["may-leave"]}


def _anchor(node: PlaceNode) -> tuple[float, float]:
    """Return where lines of a place end: in the middle of its box, at the side at its left edge."""
    return node.x if node.x == SIDE else node.x + NODE_WIDTH / 2, node.y + NODE_HEIGHT / 2
