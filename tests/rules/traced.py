"""Bodies that note what is looked up in them."""

from collections.abc import Iterator
from typing import Any

Log = set[tuple[str, bool]]
"""Paths below a body and whether they were there; `[]` is an element of a list, `*` all members of an object."""


class TracedObject(dict[str, Any]):
    """A JSON object that notes which members are asked for; names of missing ones are noted as they were asked for."""

    def __init__(self, body: dict[str, Any], at: str, log: Log) -> None:
        super().__init__({key: traced(value, log, f"{at}.{key}".lstrip(".")) for key, value in body.items()})
        self.at = at
        self.log = log

    def _note(self, name: object) -> None:
        there = super().get(name, None) is not None  # type: ignore[call-overload]
        # A lookup without case asks twice, the second time with the key as it is spelled: the first is no absence.
        twin = not there and any(key.lower() == str(name).lower() for key in super().__iter__())
        if not twin:
            self.log.add((f"{self.at}.{name}".lstrip("."), there))

    def __contains__(self, name: object) -> bool:
        self._note(name)
        return super().__contains__(name)

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)

    def note_whole(self) -> None:
        """Note that everything below is used, as by evidence that shows it."""
        self.log.add((f"{self.at}.**".lstrip("."), True))

    def __str__(self) -> str:
        self.note_whole()
        return super().__str__()

    def items(self) -> Any:
        self.log.add((f"{self.at}.*".lstrip("."), True))
        return super().items()

    def values(self) -> Any:
        self.log.add((f"{self.at}.*".lstrip("."), True))
        return super().values()


class TracedList(list[Any]):
    """A JSON list that notes that it was read."""

    def __init__(self, items: list[Any], at: str, log: Log) -> None:
        super().__init__(traced(each, log, f"{at}[]") for each in items)
        self.at = at
        self.log = log

    def note_whole(self) -> None:
        """Note that everything below is used, as by evidence that shows it."""
        whole = any(isinstance(each, dict | list) for each in super().__iter__())
        self.log.add((f"{self.at}.**" if whole else self.at, True))

    def __str__(self) -> str:
        self.note_whole()
        return super().__str__()

    def __iter__(self) -> Iterator[Any]:
        self.log.add((f"{self.at}[]", True))
        return super().__iter__()


def traced(value: Any, log: Log, at: str = "") -> Any:
    """The same value, whose lookups are noted in the log."""
    if isinstance(value, dict):
        return TracedObject(value, at, log)
    return TracedList(value, at, log) if isinstance(value, list) else value


def plain(log: Log) -> set[str]:
    """The paths that were looked up, without those that only lead to others."""
    paths = {path for path, _ in log}
    return {
        path
        for path in paths
        if not any(other != path and other.startswith((f"{path}.", f"{path}[]")) for other in paths)
    }
