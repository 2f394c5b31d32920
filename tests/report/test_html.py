"""The file: its bytes, its policy, its markup."""

import importlib
import io
import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scanner.content import content
from scanner.report.html.rendering import policy, render, write_html
from scanner.report.language.words import Words
from tests.report import sample

FOLDER = content("templates") / "report"


@pytest.fixture(scope="module")
def page(document: dict[str, Any]) -> str:
    return render(sample.typed(document), Words())


def static(page: str) -> str:
    """The page without its styles, scripts and data."""
    return re.sub(r"<(style|script)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)


def test_the_same_findings_give_the_same_bytes(document: dict[str, Any], tmp_path: Path) -> None:
    out = io.BytesIO()
    write_html(sample.typed(document), out)
    write_html(sample.typed(sample.document()), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == out.getvalue()


def test_the_order_of_answers_changes_nothing(document: dict[str, Any]) -> None:
    mixed = dict(document)
    for name in ("exposures", "findings", "gaps"):
        mixed[name] = random.Random(1).sample(document[name], len(document[name]))
    for name in ("resources", "passed", "not_applicable", "rules"):
        mixed[name] = dict(random.Random(2).sample(list(document[name].items()), len(document[name])))
    assert static(render(sample.typed(mixed), Words())) == static(render(sample.typed(document), Words()))


def test_nothing_is_written_when_rendering_fails(tmp_path: Path) -> None:
    document = sample.typed(sample.document(5))
    document.findings = [msgspec.structs.replace(document.findings[0], status="strange"), *document.findings[1:]]
    with pytest.raises(KeyError):
        write_html(document, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_the_policy_admits_these_texts_alone(page: str) -> None:
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(style) == 1
    assert len(scripts) == 2
    expected = policy(style[0], *scripts).replace("'", "&#39;")
    assert f'http-equiv="Content-Security-Policy" content="{expected}"' in page


def test_no_inline_style_no_handler_no_address_outside(page: str) -> None:
    text = static(page)
    tags = re.findall(r"<[a-zA-Z][^>]*>", text)
    assert not [tag for tag in tags if re.search(r"\s(style|on\w+)=", re.sub(r'"[^"]*"', '""', tag))]
    assert set(re.findall(r'\s(?:href|src|action)="(.)', "".join(tags))) == {"#"}


def test_sources_use_text_nodes_and_autoescape() -> None:
    scripts = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.js"))
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage", "fetch("):
        assert word not in scripts
    assert not re.search(r"\|\s*safe", (FOLDER / "report.html.j2").read_text("utf-8"))


def test_the_markup_is_well_formed(page: str) -> None:
    parser = importlib.import_module("html5lib").HTMLParser(strict=True)
    parser.parse(page)


def test_ids_are_unique_and_references_resolve(page: str) -> None:
    text = static(page)
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    uses = re.findall(r'(?:href="#|aria-labelledby=")([\w-]+)"', text)
    assert set(uses) - set(ids) == set()


@pytest.mark.parametrize("name", sample.HOSTILE)
def test_hostile_names_are_text(page: str, name: str) -> None:
    assert name not in static(page) or not re.search(r"[<>\x00-\x1f\u200b\u202e]", name)


def test_no_command_is_offered_for_a_name_with_invisible_characters(document: dict[str, Any]) -> None:
    id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a\u202eb"
    worst = dict(document["exposures"][0]) | {
        "resource": id,
        "severity": "critical",
        "state": "open",
        "fix": {"commands": [f"az storage --ids '{id}'"]},
    }
    text = static(render(sample.typed(document | {"exposures": [worst]}), Words()))
    assert "No command is shown because the name contains invisible characters." in text
    assert "az storage --ids" not in text


def test_a_hundred_static_cards_weigh_at_most_a_hundred_kilobytes(document: dict[str, Any]) -> None:
    cards = re.findall(
        r'<details class="finding">.*?</details>',
        static(render(sample.typed(sample.document(1000, hostile=False)), Words())),
        re.DOTALL,
    )
    assert len(cards) == 100
    assert sum(map(len, cards)) <= 100_000


@pytest.mark.parametrize(
    ("size", "line"), [(0, "all 0 findings"), (30, "This is the whole summary and all"), (300, "100 most severe of 3")]
)
def test_what_a_reader_without_scripts_sees(size: int, line: str) -> None:
    assert line in render(sample.typed(sample.document(size)), Words())


def test_what_no_rule_evaluated_is_said(page: str) -> None:
    assert "160 resources of 6 types are not covered by any rule</a>" in page
    assert "felles-plattform: partial visibility." in page


def test_a_broken_pair_of_surrogates_does_not_stop_the_report(tmp_path: Path) -> None:
    document = sample.document(5)
    document["findings"][0]["message"] = "half a pair: \ud800"
    write_html(sample.typed(document), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes().decode("utf-8")


def test_not_read_says_who_accepted_what_and_until_when() -> None:
    document = sample.accepted()
    document["gaps"][0]["waiver"]["reason"] = "<b>A preview</b>"
    text = static(render(sample.typed(document), Words()))
    view = text[text.index('id="not-assessed"') :]
    assert "<b><bdi>accepted by kari until 2026-12-31: &lt;b&gt;A preview&lt;/b&gt;</bdi></b>" in view
    assert view.count("accepted by kari until 2026-12-31") >= 2


def test_beyond_a_hundred_groups_of_failed_reads_one_permission_is_one_line_with_every_subscription() -> None:
    def gap(number: int, action: str) -> dict[str, Any]:
        url = f"/subscriptions/s{number}/providers/{action.removesuffix('/read')}"
        return {"url": url, "status": 403, "code": "AuthorizationFailed", "action": action, "rules": ["storage-x"]}

    actions = [f"Microsoft.Storage/{name}/read" for name in ("a", "b")]
    document = sample.empty() | {"gaps": [gap(number, action) for number in range(150) for action in actions]}
    text = static(render(sample.typed(document), Words()))
    view = text[text.index('id="not-assessed"') :]
    rest = view[view.index('<details class="gaps-rest">') : view.index("</details>")]
    assert "100 of 300 groups are shown above" in rest
    assert rest.count("<li>") <= 2
    shown = re.findall(r"<bdi>(s\d+)</bdi>", view)
    assert sorted(each for each in set(shown)) == sorted(f"s{number}" for number in range(150))
    assert len(re.findall(r"<bdi>s\d+</bdi> · ", view)) == 300
