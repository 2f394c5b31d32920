"""A framework as plain values: its catalogue of controls, and what tests each of them."""

import re
from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from msgspec import Struct, field

NOT_TESTABLE = {
    "process": "a process or a document of the organization",
    "people": "what people know, sign or do",
    "physical": "buildings, hardware or media",
    "tenant": "settings of Microsoft Entra ID or Microsoft 365, which are in no subscription",
    "inside": "inside machines, applications or data, which a scan does not read",
    "intent": "what the organization needs or intends, which no setting says",
    "elsewhere": "another system: pipelines, repositories, client devices or mail",
    "provider": "Microsoft's part; its audit reports show it",
}
"""Why a control cannot be tested from configuration, by the word that framework files use."""

FIRST = ("nsm", "cis-azure", "mcsb")
"""The frameworks that are listed first, by the beginning of their ids: first what a Norwegian agency answers to."""


class HasId(Protocol):
    """A framework, or its row in a document."""

    @property
    def id(self) -> str:
        """Return the id of the framework."""


_Framework = TypeVar("_Framework", bound=HasId)


def in_order(frameworks: Iterable[_Framework]) -> list[_Framework]:
    """Return frameworks in the order in which every list has them: FIRST, the newest of each first; then by id."""
    return sorted(frameworks, key=_sort_key)


def _sort_key(framework: HasId) -> tuple[int, list[int], str]:
    id = framework.id
    family = next((at for at, name in enumerate(FIRST) if id.startswith(f"{name}-")), len(FIRST))
    is_first = family < len(FIRST)
    version = [-int(digits) for digits in re.findall(r"\d+", id)] if is_first else []
    return family, version, id


class Control(Struct, frozen=True, kw_only=True):
    """A control of a framework."""

    id: str
    section: str
    title: str
    """In our words."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """In other languages, by language."""
    tests: tuple[str, ...] = ()
    """Topics of `controls.toml` and ids of rules."""
    rest: str = ""
    """What the control asks beyond them; "" where they test it wholly."""
    not_testable: str = ""
    """A word of NOT_TESTABLE. Without both it is not covered."""


class Framework(Struct, frozen=True, kw_only=True):
    """A framework."""

    id: str
    """The name of its file."""
    name: str
    """Its short name, as columns show it."""
    title: str
    version: str
    publisher: str
    url: str
    source: str
    """Where numbers and texts were read."""
    published: int
    """The controls that its publisher counts, 0 where it names no number."""
    listed: str
    """Which of them the file lists, "" for all."""
    sections: Mapping[str, str]
    """Their titles by number."""
    controls: Mapping[str, Control]
    sections_in: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The same in other languages, by language."""
