"""Where data may be: the places of a document, counted by region, for the terminal and for the report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from scanner.document.schema import DataPlaceRow, Document
from scanner.model.ids import root_of

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


@dataclass(slots=True)
class PlaceGroup:
    """The rows of one place. `counts`: by verdict; a row that an exception accepts is in `accepted` alone."""

    region: str
    place: str
    geography: str
    area: str
    rows: list[DataPlaceRow] = field(default_factory=list)
    roots: set[str] = field(default_factory=set)
    """The top-level resources that name the place."""
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


def groups(rows: Iterable[DataPlaceRow]) -> list[PlaceGroup]:
    """Return the places, those from which data may leave first, then by the number of resources."""
    found: dict[tuple[str, str], PlaceGroup] = {}
    for row in rows:
        key = (row.region, row.area)
        group = found.setdefault(key, PlaceGroup(row.region, row.place, row.geography, row.area))
        group.rows.append(row)
        group.roots.add(root_of(row.resource) or row.resource.lower())
        if row.waiver is not None:
            group.accepted += 1
        else:
            group.counts[row.verdict] += 1
    return sorted(found.values(), key=lambda each: (VERDICTS.index(each.verdict), -each.resources, each.region))


def sentence(document: Document) -> str:
    """Return how many places stay by configuration, may leave, and are unknown."""
    rows = list(document.places)
    if not rows:
        return "No rule on residency evaluated a resource."
    counts = {each: sum(row.verdict == each and row.waiver is None for row in rows) for each in VERDICTS}
    accepted = sum(row.waiver is not None for row in rows)
    said = [f"{counts['stays']:,} stay by configuration", f"{counts['may-leave']:,} may leave"]
    said += [f"{counts['unknown']:,} are unknown"]
    said += [f"{accepted:,} are accepted"] if accepted else []
    return f"{len(rows):,} places: {', '.join(said[:-1])} and {said[-1]}."


def where(row: DataPlaceRow) -> str:
    """Return a place in words: `westeurope (Netherlands, EEA)`."""
    if row.geography:
        return f"{row.region} ({', '.join(dict.fromkeys((row.place or row.geography, AREA_NAMES[row.area])))})"
    return {"global": "any region", "data zone": "Microsoft's data zone", "": "not known"}.get(row.region, row.region)


def ordered(rows: Sequence[DataPlaceRow]) -> list[DataPlaceRow]:
    """Return rows by place, in the order of `groups`."""
    return [row for group in groups(rows) for row in sorted(group.rows, key=lambda each: VERDICTS.index(each.verdict))]
