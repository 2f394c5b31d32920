"""The page of `twolocks diff --out FILE.html` in a real browser: of the report's family, and safe."""

import io
import re
from pathlib import Path
from typing import Any

import pytest

from scanner.document.schema import CellRow, ChangeRow
from scanner.document.states import State
from scanner.history.documents import LISTS, DiffDocument, DiffSide, EndpointsRow
from scanner.model.message import Message
from scanner.report.html.diff import MOST_SHOWN, write_html, write_markdown
from scanner.report.html.rendering import policy
from tests.report import sample
from tests.report.conftest import Reader, accessible, scrolls_sideways


def side(name: str, **more: Any) -> DiffSide:
    return DiffSide(file=name, scan="one", taken="2026-11-25T02:00:00Z", tool="twolocks 0.1.0", complete=True, **more)


def endpoints(reach: str, severity: str | None, count: int) -> EndpointsRow:
    state: State = "open" if severity else "closed"
    return EndpointsRow(kind="data", authentication="shared", reach=reach, severity=severity, state=state, count=count)


def row(at: int, name: str, severity: str = "high") -> ChangeRow:
    return ChangeRow(
        since="2026-11-24T02:00:00Z",
        last_seen="2026-11-24T02:00:00Z",
        kind="exposure",
        fingerprint=f"{at:016x}",
        resource=f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/{name}",
        endpoint=f"blob/{name}",
        address="",
        rule="",
        title=f"{name} is reachable from the internet; an account key opens it",
        severity=severity,
        reach="internet",
        authentication="shared",
        was=CellRow(severity="medium", reach="selected", authentication="shared"),
        why=Message("its resource is not in the new file"),
    )


def found(count: int = 6) -> DiffDocument:
    old = side(
        sample.HOSTILE[2],
        severities={"high": 1204, "low": 2},
        endpoints=[endpoints("internet", "high", 1204), endpoints("private", "low", 2), endpoints("none", None, 7)],
    )
    newer = side("new.json", severities={"high": 1198}, endpoints=[endpoints("internet", "high", 1198)])
    made = DiffDocument(old=old, newer=newer, same=34)
    names = (*sample.HOSTILE, *sample.WORDS)
    for at, name in enumerate(LISTS):
        rows = [row(each, names[(each + at) % len(names)], sample.RANKS[each % 5]) for each in range(count)]
        setattr(made, name, rows)
    made.appeared_resources = [f"/subscriptions/s/{name}" for name in sample.HOSTILE]
    incomplete = Message("The new scan is incomplete: what it could not read does not count as fixed")
    made.notes = [incomplete, sample.HOSTILE[3]]
    return made


def page(made: DiffDocument) -> str:
    out = io.BytesIO()
    write_html(made, out)
    return out.getvalue().decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "diff.html"
    path.write_text(page(found()), "utf-8")
    return path


def test_axe_finds_nothing_and_nothing_scrolls_sideways(reader: Reader, file: Path) -> None:
    opened = reader.page(bypass_csp=True)
    opened.goto(file.as_uri())
    accessible(opened)
    assert scrolls_sideways(opened) == []


def test_every_list_is_reported_and_a_tile_leads_to_it(reader: Reader, file: Path) -> None:
    opened = reader.page(java_script_enabled=False)
    opened.goto(file.as_uri())
    assert opened.locator("h1").inner_text().startswith("6 new, 6 first evaluated, 6 fixed, ")
    assert opened.locator(".lead").inner_text() == "34 unchanged; 10 resources added, 0 removed."
    assert opened.locator(".exposure").count() == 6 * len(LISTS)
    changed = opened.locator("section[aria-labelledby=h-changed]")
    was = "Medium, authentication: shared key or password, network: allow-listed"
    now = "Critical, authentication: shared key or password, network: Internet"
    assert f"{was} → {now}" in changed.inner_text()
    assert (
        opened.locator("section[aria-labelledby=h-fixed] h3")
        .first.inner_text()
        .replace("\n", " ")
        .startswith("Fixed Was: ")
    )
    opened.locator("a.tile.vanished").click()
    top = opened.locator("#h-vanished").bounding_box()
    assert top is not None
    assert 48 <= top["y"] < 800


def test_hostile_names_are_text_and_no_style_but_ours_counts(reader: Reader, file: Path) -> None:
    text = file.read_text("utf-8")
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert f'content="{policy(style).replace(chr(39), "&#39;")}"' in text
    assert "script" not in policy(style)
    opened = reader.page()
    opened.goto(file.as_uri())
    assert opened.locator("img, script, iframe, [onload], [style]").count() == 0
    assert opened.locator(".hid").count() > 0
    links = [each.get_attribute("href") or "" for each in opened.locator("a").all()]
    assert {link[0] for link in links} == {"#"}


def test_no_difference_says_so() -> None:
    assert "<h1>Nothing changed</h1>" in page(DiffDocument(old=side("a"), newer=side("b"), same=3))


def test_a_long_list_is_cut_and_says_where_the_rest_is() -> None:
    made = DiffDocument(old=side("a"), newer=side("b"), new=[row(at, f"st{at}") for at in range(MOST_SHOWN + 204)])
    text = page(made)
    assert text.count('<article class="exposure') == MOST_SHOWN
    assert "204 more: <code>--out diff.json</code> lists all." in text


def test_on_paper(reader: Reader, file: Path) -> None:
    opened = reader.page()
    opened.goto(file.as_uri())
    opened.emulate_media(media="print", color_scheme="dark")
    assert not opened.locator(".bar").is_visible()
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_numbers_of_both_files_stand_side_by_side(reader: Reader, file: Path) -> None:
    opened = reader.page(java_script_enabled=False)
    opened.goto(file.as_uri())
    rows = [re.split(r"\s+", text.strip()) for text in opened.locator(".severities tbody tr").all_inner_texts()]
    assert rows == [["High", "1,204", "1,198", "\u22126"], ["Low", "2", "0", "\u22122"]]
    cells = opened.locator(".matrix .cell:not(.empty)").all_inner_texts()
    texts = [re.sub(r"\s+", " ", text).strip() for text in cells]
    assert texts == ["1,204 Before → 1,198 High", "2 Before → 0 none left", "7 Before → 0 none left"]
    assert "1,206 before, 1,198 after" in opened.locator("#h-severities").inner_text()
    assert "Two locks" not in page(DiffDocument(old=side("a"), newer=side("b"), same=3))


def test_a_difference_in_norwegian() -> None:
    html, markdown = io.BytesIO(), io.BytesIO()
    write_html(found(), html, language="nb")
    write_markdown(found(), markdown, language="nb")
    text = html.getvalue().decode()
    assert '<html lang="nb">' in text
    assert "6 nye, 6 evaluert første gang, 6 rettet" in text
    for each in (text, markdown.getvalue().decode()):
        assert "ressursen er ikke i den nye filen" in each
        assert "Den nye skanningen er ufullstendig" in each
        assert "not in the new file" not in each
