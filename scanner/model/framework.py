"""A framework as plain values: its catalogue of controls, and what tests each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
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
