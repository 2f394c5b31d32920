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
    """A control of a framework. `title`: in our words; `titles`: in other languages, by language.

    `tests`: topics of `controls.toml` and ids of rules. `rest`: what the control asks beyond them; "" where they test
    it wholly. `not_testable`: a word of NOT_TESTABLE. Without both it is not covered.
    """

    id: str
    section: str
    title: str
    titles: Mapping[str, str] = field(default_factory=dict)
    tests: tuple[str, ...] = ()
    rest: str = ""
    not_testable: str = ""


class Framework(Struct, frozen=True, kw_only=True):
    """A framework. `id`: the name of its file; `name`: its short name, as columns show it.

    `published`: the controls that its publisher counts, 0 where it names no number. `listed`: which of them the file
    lists, "" for all. `source`: where numbers and texts were read. `sections`: their titles by number; `sections_in`:
    the same in other languages, by language.
    """

    id: str
    name: str
    title: str
    version: str
    publisher: str
    url: str
    source: str
    published: int
    listed: str
    sections: Mapping[str, str]
    controls: Mapping[str, Control]
    sections_in: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
