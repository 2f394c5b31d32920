"""How many resources of each type a scan knows of, and the types of which some were not read."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import msgspec

from scanner.document.schema import TypeRow
from scanner.evaluate.missing import unread_top
from scanner.model.ids import resource_type_of, type_of
from scanner.model.resource import Bundle, Gap
from scanner.model.resource_type import ResourceType
from scanner.snapshot.stored import StoredBundle


class TypesFragment(msgspec.Struct, array_like=True):
    """The resources of a part of an evaluation by type, and the types of which some were not read.

    `older`: the types and api-versions that were read at an older one than the pinned one. `below`: see `TypeCounts`.
    """

    counts: dict[str, int]
    incomplete: list[str]
    older: list[tuple[str, str]] = []
    below: dict[str, int] = {}


class TypeCounts:
    """Counts resources by type, under the spelling that comes first. `kinds`: the types that rules cover."""

    def __init__(self, kinds: Mapping[str, Collection[ResourceType]]) -> None:
        self._kinds = kinds
        self._counts: Counter[str] = Counter()
        self._incomplete: set[str] = set()
        self._spellings: dict[str, str] = {}
        self._older: set[tuple[str, str]] = set()
        self._below: Counter[str] = Counter()
        """The resources below those that are listed, by type in lower case."""

    def add(self, bundle: Bundle) -> None:
        """Count a resource, also one that is known and was not read."""
        for each in bundle.stored if isinstance(bundle, StoredBundle) else bundle.resources.values():
            if each.by == "older":
                self.add_older(each.type, each.api)
            self._below[each.type.lower()] += 1
        if bundle.top is not None:
            self._counts[self._spelling(bundle.top.type)] += 1
            self._below[bundle.top.type.lower()] -= 1
        elif unread_top(bundle) is not None:
            type = resource_type_of(bundle.id)
            self._counts[self._spelling(type)] += 1
            self.add_incomplete(type)

    def fork(self) -> "TypeCounts":
        """Return counts for a part of the evaluation."""
        return TypeCounts(self._kinds)

    def fragment(self) -> TypesFragment:
        """Return what was counted in a part."""
        return TypesFragment(self._counts, list(self._incomplete), sorted(self._older), self._below)

    def join(self, fragment: TypesFragment) -> None:
        """Add what was counted in the part that comes next in the document."""
        for type, count in fragment.counts.items():
            self._counts[self._spelling(type)] += count
        self._incomplete.update(map(self._spelling, fragment.incomplete))
        self._older.update(fragment.older)
        for type, count in fragment.below.items():
            self._below[type] += count

    def add_older(self, type: str, api: str | None) -> None:
        """Note that a type was read at an older api-version than the pinned one."""
        self._older.add((self._spelling(type), api or "?"))

    def older_notes(self) -> list[str]:
        """Return a note for each type that was read at an older api-version."""
        result: dict[str, list[str]] = {}
        for type, api in sorted(self._older):
            result.setdefault(type, []).append(api)
        return [
            f"{type} was read at api-version {' and '.join(versions)}, because Azure does not serve the one of the"
            " rules here; what is absent there is not taken as a default"
            for type, versions in result.items()
        ]

    def add_gaps(self, gaps: Iterable[Gap]) -> None:
        """Count the resources behind lists that failed."""
        for gap in gaps:
            type = type_of(gap.url)
            if type.lower() in self._kinds or gap.resources:
                self._counts[self._spelling(type)] += gap.resources
                self.add_incomplete(type)

    def add_incomplete(self, type: str) -> None:
        """Record that resources of a type were not read, where rules cover it or some of it are known."""
        if type.lower() in self._kinds or self._spellings.get(type.lower()) in self._counts:
            self._incomplete.add(self._spelling(type))

    def rows(self, more: Mapping[str, int], evaluated: Collection[str]) -> list[TypeRow]:
        """Return a row for each type. `more`: other resources by type. `evaluated`: types (lower case) with a check."""
        for type, count in more.items():
            self._counts[self._spelling(type)] += count
        return [
            TypeRow(
                type=type,
                resources=self._counts[type],
                judged=type.lower() in evaluated,
                complete=type not in self._incomplete,
                names=self._names(type) or msgspec.UNSET,
            )
            for type in sorted({*self._counts, *self._incomplete})
        ]

    def by_type(self) -> Counter[str]:
        """Return the resources of each type, in lower case: those that are listed, and those below them."""
        result = Counter(self._below)
        for type, count in self._counts.items():
            result[type.lower()] += count
        return result

    def _names(self, type: str) -> dict[str, str]:
        kinds = self._kinds.get(type.lower(), ())
        named = (pair for kind in kinds for pair in kind.product_names().items())
        return {name: product for name, product in named if f"{name}/".startswith(f"{type}/")}

    def _spelling(self, type: str) -> str:
        lower = type.lower()
        if lower not in self._spellings:
            spellings = (each for kind in self._kinds.get(lower, ()) for each in kind.types if each.lower() == lower)
            self._spellings[lower] = next(spellings, type)
        return self._spellings[lower]
