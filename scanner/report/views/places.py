"""Where data may be: the places of a document, counted by region, for the terminal and for the report."""

import heapq
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field

from scanner.document.schema import DataPlaceRow, Document
from scanner.model.ids import root_of
from scanner.report.language.words import Words

VERDICTS = ("may-leave", "unknown", "stays")
"""The verdicts, in the order in which they are shown."""

VERDICT_NAMES = {
    "may-leave": "may leave",
    "unknown": "unknown",
    "stays": "stays by configuration",
}
AREA_NAMES = {
    "eea": "EEA",
    "adequacy": "third country with an adequacy decision, outside the EEA",
    "third": "third country, outside the EEA",
    "worldwide": "any region",
    "unknown": "not known",
}


class PlaceGroup(Struct):
    """The rows of one place. `counts`: by verdict; a row that an exception accepts is in `accepted` alone."""

    region: str
    place: str
    geography: str
    area: str
    rows: defaultdict[tuple[bool, str], "array[int]"] = field(default_factory=lambda: defaultdict(lambda: array("q")))
    """The numbers of the rows in the document, by whether an exception accepts them, and by verdict."""
    roots: set[int] = field(default_factory=set)
    """The hashes of the top-level resources that name the place."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    accepted: int = 0

    @property
    def resources(self) -> int:
        """Return the number of top-level resources that name the place."""
        return len(self.roots)

    @property
    def verdict(self) -> str:
        """Return the first verdict that a row of it has."""
        return next((each for each in VERDICTS if self.counts[each]), "may-leave" if self.accepted else "stays")

    def rows_of(self, verdict: str) -> Iterator[int]:
        """Return the numbers of the rows of a verdict, in the order of the document."""
        return heapq.merge(*(self.rows[is_accepted, verdict] for is_accepted in (False, True)))


def groups(rows: Iterable[DataPlaceRow]) -> list[PlaceGroup]:
    """Return the places, those from which data may leave first, then by the number of resources."""
    result: dict[tuple[str, str], PlaceGroup] = {}
    for number, row in enumerate(rows):
        group = result.get((row.region, row.area))
        if group is None:
            group = result[row.region, row.area] = PlaceGroup(row.region, row.place, row.geography, row.area)
        group.rows[row.waiver is not None, row.verdict].append(number)
        group.roots.add(hash(root_of(row.resource) or row.resource.lower()))
        if row.waiver is not None:
            group.accepted += 1
        else:
            group.counts[row.verdict] += 1
    return sorted(result.values(), key=lambda each: (VERDICTS.index(each.verdict), -each.resources, each.region))


OUTSIDE = ("adequacy", "third")
"""The areas that are known to lie outside the EEA."""


class OutsideEea(Struct, frozen=True):
    """What is where, each resource and each copy of its data counted once: `inside` and `outside` the EEA, in `any`
    region, and `unknown`; their sum is the number of rows. `resources`: top-level resources that have one outside.
    """

    inside: int
    outside: int
    any: int
    unknown: int
    resources: int


def outside_eea(matches: Iterable[PlaceGroup]) -> OutsideEea:
    """Return how many resources and copies lie outside the EEA, whatever is allowed or accepted."""
    counts: dict[str, int] = defaultdict(int)
    roots: set[int] = set()
    for group in matches:
        counts[group.area] += sum(map(len, group.rows.values()))
        if group.area in OUTSIDE:
            roots |= group.roots
    outside = sum(counts[each] for each in OUTSIDE)
    return OutsideEea(counts["eea"], outside, counts["worldwide"], counts["unknown"], len(roots))


def eea_sentence(matches: Iterable[PlaceGroup], words: Words) -> str:
    """Return what lies outside the EEA, as one sentence without a full stop."""
    result = outside_eea(matches)
    resources = words("count.resources", result.resources)
    texts = [
        words("places.eea.outside", result.outside, resources=resources) if result.outside else words("places.eea.none")
    ]
    texts += [words("places.eea.any", result.any)] if result.any else []
    texts += [words("places.eea.unknown", result.unknown)] if result.unknown else []
    return "; ".join(texts)


def sentence(document: Document) -> str:
    """Return how many places stay by configuration, may leave, and are unknown."""
    if not len(document.places):
        return "No rule on residency evaluated a resource."
    matches = groups(document.places)
    counts = {each: sum(group.counts[each] for group in matches) for each in VERDICTS}
    accepted = sum(group.accepted for group in matches)
    texts = [f"{counts['stays']:,} stay by configuration", f"{counts['may-leave']:,} may leave"]
    texts += [f"{counts['unknown']:,} are unknown"]
    texts += [f"{accepted:,} are accepted"] if accepted else []
    stated = f"{len(document.places):,} resources and copies: {', '.join(texts[:-1])} and {texts[-1]}"
    return f"{eea_sentence(matches, Words())}. {stated}."


def where(row: DataPlaceRow) -> str:
    """Return a place in words: `westeurope (Netherlands, EEA)`."""
    if row.geography:
        return f"{row.region} ({', '.join(dict.fromkeys((row.place or row.geography, AREA_NAMES[row.area])))})"
    return {"global": "any region", "data zone": "Microsoft's data zone", "": "not known"}.get(row.region, row.region)


def ordered(rows: Sequence[DataPlaceRow]) -> Iterator[DataPlaceRow]:
    """Yield rows by place, in the order of `groups`."""
    for group in groups(rows):
        for verdict in VERDICTS:
            yield from (rows[number] for number in group.rows_of(verdict))
