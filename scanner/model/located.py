"""Where the top-level resources of a snapshot are, also those that no index holds."""

from collections.abc import Iterator, Mapping

from scanner.model.ids import type_of


class Located(Mapping[str, str]):
    """The region of each top-level resource, by its id in lower case."""

    def __init__(self, regions: Mapping[str, str]) -> None:
        self._regions = regions
        self._named: set[tuple[str, str]] | None = None

    def __getitem__(self, id: str) -> str:
        return self._regions[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._regions)

    def __len__(self) -> int:
        return len(self._regions)

    def has_name(self, type: str, name: str) -> bool:
        """Return whether a resource of a type has a name (both in lower case), in whichever group."""
        if self._named is None:
            self._named = {(type_of(id), id.rsplit("/", 1)[-1]) for id in self}
        return (type, name) in self._named
