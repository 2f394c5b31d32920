"""Facts in another language: every text that the evaluation makes of an example has one; names and values stay."""

import re
from collections.abc import Iterator

import pytest

from docs.facts import in_code
from scanner.document.schema import EvidenceRow, FindingRow, FixRow, HopRow
from scanner.report.facts import facts
from scanner.report.localized import Texts, title
from scanner.report.words import Words
from tests.rules import examples

NORWEGIAN = Words("nb")
ENGLISH = re.compile(
    r"(?<!\S)(the|is|are|not|which|allows|accepts|requires|could|from|every|was|were|that|none|no|has)(?!\S)"
)


def texts_of(fix: FixRow | None) -> Iterator[str]:
    if fix is not None:
        yield from (*fix.steps, *(each.what for each in fix.fields))


def test_every_text_of_the_examples_is_said() -> None:
    known, texts = facts("nb"), Texts(NORWEGIAN)
    unknown: set[str] = set()
    said: set[str] = set()
    messages: dict[str, FindingRow] = {}
    titles: set[str] = set()
    every = [*examples.cases(), *(case for rule in examples.all_rules() for case in examples.of_rule(rule))]
    for case in every:
        found = examples.evaluation(case).evaluate(examples.bundle(case))
        said |= {text for reasons in found.not_applicable.values() for text in reasons.values()}
        said |= {text for place in found.places for text in (place.what, place.why, place.source)}
        for row in found.exposures:
            said |= {row.reason, *row.admits, *texts_of(row.fix), *(hop.detail for hop in row.hops)}
            titles.add(row.title)
        for finding in found.findings:
            said.update(texts_of(finding.fix))
            messages[finding.message] = finding
    unknown |= {text for text in titles if title(text, NORWEGIAN) == text}
    unknown |= {text for text, finding in messages.items() if not is_said(finding, texts)}
    unknown |= {text for text in said if not known.knows(text) or ENGLISH.search(known.said(text))}
    assert unknown == set()


def is_said(row: FindingRow, texts: Texts) -> bool:
    return not row.message or texts.message(row.message) != row.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no rule: every address is allowed", "ingen regel: alle adresser er tillatt"),
        ("nett (110) allows every address", "nett (110) tillater alle adresser"),
        (
            "Approved; open to vnet-a, 3 peers (1 not visible) and traffic through its gateway: 65,536 addresses",
            "Godkjent; åpent for vnet-a, 3 peerede nettverk (1 ikke synlige) og trafikk gjennom nettverkets gateway: "
            "65\xa0536 adresser",
        ),
        (
            "properties: Azure returned no properties; properties.x: Azure did not return it",
            "properties: Azure returnerte ingen egenskaper; properties.x: Azure returnerte ingen verdi",
        ),
        (
            "'the office' is not an address, a network or a range",
            "'the office' er verken en adresse, et nettverk eller et adresseområde",
        ),
        (
            "none: HTTPS: the application's own login, if it has one, is not...",
            "ingen: HTTPS: applikasjonens egen pålogging, hvis den har en, er...",
        ),
        ("shared key or password: allow = absent", "delt nøkkel eller passord: allow = mangler"),
        ("FTP: passwords are sent in clear text", "FTP: passord sendes i klartekst"),
    ],
)
def test_a_fact_is_said_from_its_parts(text: str, said: str) -> None:
    assert facts("nb").said(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a sentence of nobody",
        "Azure did not return it; and something else happened",
        "no rule: every address is allowed; a new reason of ours",
        " is a private endpoint " * 60,
        "{names} is a {what} in an unknown place " * 20,
        "x" * 2000,
    ],
)
def test_a_fact_with_an_unknown_part_stays_in_english(text: str) -> None:
    assert facts("nb").said(text) == text


def test_the_name_of_a_resource_stays_even_where_it_is_a_word_of_ours() -> None:
    texts = Texts(NORWEGIAN)
    assert texts.hop(HopRow("public-ip", "none", "", "/subscriptions/s/x", True)).name == "none"
    assert texts.hop(HopRow("endpoint", "traffic", "none", "", None)).detail == "none"
    assert texts.hop(HopRow("source", "Internet", "every address", "", None)).name == "Internett"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (EvidenceRow("properties.x", "allows no one else"), ("properties.x", "allows no one else")),
        (EvidenceRow("the port", "no rule"), ("porten", "ingen regel")),
        (
            EvidenceRow("nsg ssh", "priority 100 allows every address"),
            ("nsg ssh", "prioritet 100 tillater alle adresser"),
        ),
    ],
)
def test_the_value_of_a_property_stays(row: EvidenceRow, said: tuple[str, str]) -> None:
    found = Texts(NORWEGIAN).evidence(row)
    assert (found.path, found.value) == said


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ('x = f"the route {best.prefix} leads to {hop or name}"', ["the route {prefix} leads to {hop}"]),
        ("x = f\"{n} {'peers are' if n > 1 else 'peer is'} gone\"", ["{n} peers are gone", "{n} peer is gone"]),
        ('x = f"{a.name} and {b.name}"', ["{name} and {name2}"]),
        ('def f() -> "a b | None":\n    """Return a thing."""\n    raise ValueError("not a thing")', []),
        ('x = Rule(source="a page of Learn", az="do a thing")', []),
        ('x = "properties.networkAcls.defaultAction"', []),
        ('x = (f" ({len(y)} not visible)")', ["{y} not visible"]),
    ],
)
def test_texts_are_found_in_code(code: str, texts: list[str]) -> None:
    assert in_code(code) == texts
