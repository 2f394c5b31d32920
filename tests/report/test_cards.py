"""Cards in a real browser: links to outside, tabs, commands, the drawing of the network path; the markup of it all."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from scanner.document.schema import Coverage, TypeRow
from scanner.model.type_names import type_name
from scanner.report.html.rendering import write_html
from scanner.report.language.naming import PORTALS, product_names
from scanner.rulebook.loader import load
from tests.report import sample
from tests.report.conftest import ALLOWED, VIEWPORT, Reader, accessible, outside_links, show, show_finding
from tests.sampled import only_all

Make = Callable[[dict[str, Any]], Path]
NODE = Path(__file__).parents[1] / "output" / "node_modules"
VNU = NODE / "vnu-jar" / "build" / "dist" / "vnu.jar"
SUBSCRIPTION = next(iter(sample.SUBSCRIPTIONS))


def of_resource(id: str, cloud: str = "public", tenant: str = "t") -> dict[str, Any]:
    """A document with one failed finding, on this resource."""
    document = sample.document(30, hostile=False)
    finding = next(row for row in document["findings"] if row["status"] == "fail")
    document["findings"] = [finding | {"resource": id}]
    document["resources"][id] = document["resources"][finding["resource"]] | {"name": id.rpartition("/")[2]}
    document["scan"]["cloud"] = cloud
    for scope in document["coverage"]["scopes"]:
        scope["tenant"] = tenant
    return document


def opened(reader: Reader, path: Path) -> Page:
    page = reader.open(path, "#findings?q=status:fail")
    page.locator("button.open-row").first.click()
    return page


TOP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-(1)/providers/Microsoft.Web/sites"


ENCODED: dict[str, str | None] = {
    "app": "app",
    "a b": "a%20b",
    "æ": "%C3%A6",
    "..": None,
    "a?b": None,
    "a#b": None,
    "a%2e": None,
    "a\u202eb": None,
    "a'b": None,
    "a\\b": None,
    "": None,
    "a.": None,
    "@evil.example": None,
}
"""Names of resources, and how they stand in a link to the portal, if there is one."""


def test_a_resource_links_to_the_portal_only_by_an_id_that_arm_allows(reader: Reader, make: Make) -> None:
    document = of_resource(f"{TOP}/app")
    [finding] = document["findings"]
    document["findings"] = []
    for at, name in enumerate(ENCODED):
        document["resources"][f"{TOP}/{name}"] = document["resources"][f"{TOP}/app"] | {"name": name}
        document["findings"].append(finding | {"resource": f"{TOP}/{name}", "fingerprint": f"{at:016x}"})
    page = reader.open(make(document))
    group = f"subscriptions/{SUBSCRIPTION}/resourceGroups/rg-%281%29/providers/Microsoft.Web/sites"
    for at, (name, encoded) in enumerate(ENCODED.items()):
        show_finding(page, f"{at:016x}")
        expected = {f"https://portal.azure.com/#resource/{group}/{encoded}"} if encoded else set()
        assert outside_links(page) - ALLOWED == expected, name


@pytest.mark.parametrize("cloud", [*PORTALS, "127.0.0.1:443", "evil.example", ""])
def test_the_host_is_that_of_the_cloud(reader: Reader, make: Make, cloud: str) -> None:
    tenant = "8f2c1a64-3b7d-4e59-a1c0-6d5e4f3b2a19"
    page = opened(reader, make(of_resource(f"{TOP}/app", cloud, tenant)))
    links = outside_links(page) - ALLOWED
    assert {re.sub("resource/.*", "", link) for link in links} == (
        {f"{PORTALS[cloud]}/#@{tenant}/"} if cloud in PORTALS else set()
    )
    names = page.get_by_role("link", name=re.compile("^Open app in the Azure portal .opens in a new tab.$"))
    assert names.count() == len(links)


def test_a_child_links_to_its_parent(reader: Reader, make: Make) -> None:
    document = of_resource(f"{TOP}/app")
    child = f"{TOP}/app/slots/test"
    document["resources"][child] = document["resources"][f"{TOP}/app"] | {"name": "test", "parent": f"{TOP}/app"}
    document["findings"][0]["resource"] = child
    page = opened(reader, make(document))
    assert any(link.endswith("/sites/app") for link in outside_links(page))
    assert "app/test" in page.locator(".body-title").inner_text()


BAD = [
    "http://example.com/", "javascript:alert(1)", "https://user@example.com/", "//example.com", "https://example.com:8/",
    "https://exa mple.com/", "data:text/html,x", "https://\u0435xample.com/", "https:example.com", "see the docs",
]  # fmt: skip


def test_references_are_links_only_where_they_are_plain_https(reader: Reader, make: Make) -> None:
    document = of_resource(f"{TOP}/app", cloud="")
    rule = document["rules"][document["findings"][0]["rule"]]
    rule["references"] = [*BAD, "https://learn.microsoft.com/azure/x?view=a#b"]
    page = opened(reader, make(document))
    assert outside_links(page) == {"https://learn.microsoft.com/azure/x?view=a#b"}
    page.get_by_text("References").click()
    for text in BAD:
        assert page.locator(".about li").get_by_text(text, exact=True).count() == 1


def test_tabs_move_by_arrow_keys_and_the_form_is_remembered(reader: Reader, make: Make) -> None:
    document = sample.document(40, hostile=False)
    page = opened(reader, make(document))
    first = page.get_by_role("tab", name="Azure CLI").first
    expect(first).to_have_attribute("aria-selected", "true")
    first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Bicep").first).to_be_focused()
    assert "publicNetworkAccess" in page.get_by_role("tabpanel", name="Bicep").inner_text()
    page.keyboard.press("End")
    expect(page.get_by_role("tabpanel", name="Portal")).to_contain_text("Networking")
    page.keyboard.press("ArrowRight")
    expect(first).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.locator("button.open-row").nth(1).click()
    expect(page.get_by_role("tab", name="Portal").nth(1)).to_have_attribute("aria-selected", "true")


def test_hcl_keeps_its_line_breaks(reader: Reader, make: Make) -> None:
    document = sample.document(30, hostile=False)
    finding = next(f for f in document["findings"] if f["status"] == "fail")
    page = reader.open(make(document), f"#findings?f={finding['fingerprint']}")
    page.get_by_role("tab", name="Terraform").click()
    shown = page.get_by_role("region", name="Terraform").inner_text()
    assert shown == document["rules"][finding["rule"]]["remediation"]["terraform"]


def test_a_fix_of_its_own_has_its_own_impact_and_not_the_terraform_of_the_rule(reader: Reader, make: Make) -> None:
    document = sample.document(30, hostile=False)
    finding = next(f for f in document["findings"] if f["status"] == "fail")
    finding["fix"] |= {"of_rule": False, "impact": "Callers that only the removed rule allows lose access."}
    page = reader.open(make(document), f"#findings?f={finding['fingerprint']}")
    card = page.get_by_role("region", name="Details").or_(page.locator("main"))
    expect(card.first).to_contain_text("Callers that only the removed rule allows lose access.")
    expect(page.get_by_role("tab", name="Portal").first).to_be_visible()
    for form in ("Terraform", "Bicep"):
        expect(page.get_by_role("tab", name=form)).to_have_count(0)
    assert document["rules"][finding["rule"]]["remediation"]["breaks"] not in page.locator("main").inner_text()


def test_the_bicep_of_a_finding_is_that_of_its_fix(reader: Reader, make: Make) -> None:
    document = sample.document(40, hostile=False)
    bicep = "resource target 'a/b@2026-01-01' = {\n  name: 'x'\n  properties: {\n    on: false\n  }\n}\n"
    for row in document["findings"]:
        if row["status"] == "fail":
            row["fix"] = {"commands": ["az x --ids a"], "bicep": bicep}
    page = reader.open(make(document), "#findings?q=status:fail")
    page.locator(".open-row").first.click()
    page.get_by_role("tab", name="Bicep").first.click()
    expect(page.get_by_role("tabpanel", name="Bicep").first.locator("pre code")).to_have_text(
        bicep, use_inner_text=True
    )


def test_the_undo_of_a_fix_is_below_it(reader: Reader, make: Make) -> None:
    document = sample.document(40, hostile=False)
    undo = {"save": ["az rest --method get --url a > a.json"], "commands": ["az x --ids b"], "steps": ["Set <b> back."]}
    final = {"cannot": "Purge protection cannot be disabled again.", "source": "https://learn.microsoft.com/azure/x"}
    failed = [row for row in document["findings"] if row["status"] == "fail"]
    for at, row in enumerate(failed):
        row["fix"] = {"commands": ["az x --ids a"], "undo": final if at % 2 else undo}
    page = reader.open(make(document), "#findings?q=status:fail")
    seen = set()
    for at in range(6):
        page.locator(".open-row").nth(at).click()
    for each in page.locator("summary", has_text="Undo").all():
        each.click()
        text = each.locator("..").inner_text()
        seen.add("final" if "cannot be disabled again" in text else "commands")
        if "cannot be" in text:
            assert "https://learn.microsoft.com/azure/x" in text
        else:
            order = ["save what is there", "> a.json", "To undo the fix", "Set <b> back.", "az x --ids b"]
            positions = [text.index(word) for word in order]
            assert positions == sorted(positions)
    assert seen == {"final", "commands"}


def test_commands_break_at_spaces_only(reader: Reader, report: Path) -> None:
    page = reader.page()
    for state in ("#endpoints", "#findings?q=status:fail"):
        show(page, report, state)
        if "findings" in state:
            page.locator("button.open-row").first.click()
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 844})
            broken = page.evaluate("""() => [...document.querySelectorAll('.cmd .word')]
                .filter((word) => word.checkVisibility() && word.getClientRects().length !== 1)
                .map((word) => word.textContent)""")
            assert broken == [], width
            assert page.locator(".cmd .word:visible").count() > 0, width
        page.set_viewport_size(VIEWPORT)


def test_the_drawing_never_cuts_a_value(reader: Reader, make: Make) -> None:
    document = sample.document(40, hostile=False)
    worst = next(row for row in document["exposures"] if row["severity"] == "critical")
    deciding = "networkAcls.ipRules = " + ", ".join(f"20.{at}.0.0/16" for at in range(24)) + " and 0.0.0.0/0"
    worst["hops"][-3] |= {"detail": deciding, "name": "A firewall with a name that needs more than one line of the box"}
    document["exposures"] = [worst]
    page = reader.open(make(document))
    page.locator("#endpoint-list button.fold").first.click()
    hop = page.locator("svg.path-drawing .hop").nth(-3)
    text = "".join(hop.locator(".hop-detail").all_text_contents())
    assert text.replace(" ", "") == deciding.replace(" ", "")
    assert "…" not in (page.locator("svg.path-drawing").text_content() or "")
    inside = hop.evaluate("""(hop) => { const box = hop.querySelector('rect').getBoundingClientRect();
        return [...hop.querySelectorAll('text')].every((text) => { const own = text.getBoundingClientRect();
            return own.bottom <= box.bottom + 1 && own.right <= box.right + 1; }); }""")
    assert inside


@pytest.mark.parametrize(
    ("type", "name"),
    [
        ("Microsoft.Storage/storageAccounts/blobServices/containers", "Blob container"),
        ("Microsoft.Storage/storageAccounts", "Storage account"),
        ("Microsoft.Network/publicIPAddresses", "Public IP address"),
        ("Microsoft.Network/networkSecurityGroups/securityRules", "Security rule"),
        ("Microsoft.Foo/policies", "Policy"),
        ("Microsoft.Foo/status", "Status"),
        ("Microsoft.Foo/<b>", "B"),
        ("", ""),
    ],
)
def test_types_in_words(type: str, name: str) -> None:
    kinds = load(packages=False).kinds
    names = {each: product for kind in kinds for each, product in kind.product_names().items()}
    row = TypeRow(type="Microsoft.Storage/storageAccounts", resources=1, judged=True, names=names)
    products = product_names(Coverage(scopes=[], types=[row], rules_off=[]))
    assert type_name(type, products) == name


def test_axe_finds_nothing_in_dialogs_and_open_facets(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    page.get_by_role("button", name="Legend").click()
    accessible(page)
    show(page, report, "#findings?q=status:fail")
    page.locator("tr.finding input").first.check()
    page.get_by_role("button", name="Waiver text").click()
    accessible(page)
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_text("Narrow the result").click()
    accessible(page)


RULES = {
    # A name on any element that may have one; the title says what was found; a region that scrolls is no section.
    "aria-label-misuse": ["error", {"allowAnyNamable": True}],
    "long-title": "off",
    "prefer-native-element": ["error", {"exclude": ["region"]}],
    # How the browser writes attributes of elements that the page made.
    "attribute-empty-style": "off",
    "attribute-boolean-style": "off",
}


@pytest.fixture(scope="module")
def written(browser: Browser, make: Make, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of HTML: the report with a history as it is written, in Norwegian, and as the browser made its views."""
    folder = tmp_path_factory.mktemp("html")
    made = sample.with_places(sample.with_history(100))
    path = make(made)
    shutil.copy(path, folder / "file.html")
    write_html(sample.typed(made), folder / "norwegian.html", "nb")
    page = Reader(browser).page()
    states = ("#endpoints", "#findings?q=status:fail", "#findings?group=rule", "#changes", "#map", "#places")
    for at, state in enumerate(states):
        show(page, path, state)
        card = page.locator(".view.current button.open-row, .view.current button.fold").first
        if card.count():
            card.click()
        (folder / f"view{at}.html").write_text(page.content(), "utf-8")
    page.context.close()
    return sorted(folder.iterdir())


@pytest.mark.skipif(
    not (NODE / "html-validate").is_dir() or not shutil.which("node"), reason="npm packages are missing"
)
@only_all("vnu, which knows more of HTML, reads the same pages")
def test_html_validate_finds_nothing(written: list[Path]) -> None:
    config = {"root": True, "extends": ["html-validate:recommended"], "rules": RULES}
    folder = written[0].parent
    (folder / ".htmlvalidate.json").write_text(json.dumps(config), "utf-8")
    program = str(NODE / "html-validate" / "bin" / "html-validate.mjs")
    command = ["node", program, "-f", "json", *map(str, written)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    matches = [
        (each["filePath"], message["ruleId"], message["message"])
        for each in json.loads(ended.stdout)
        for message in each["messages"]
    ]
    assert matches == []


@pytest.mark.skipif(not VNU.is_file() or not shutil.which("java"), reason="vnu-jar or Java is missing")
def test_vnu_finds_nothing(written: list[Path]) -> None:
    """vnu hashes an inline script up to its first line only, so what it says of the policy is left out."""
    quick = ("-Xss4m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
    command = ["java", *quick, "-jar", str(VNU), "--format", "json", "--filterpattern", ".*Content Security Policy.*"]

    def stated() -> list[tuple[str, str]]:
        ended = subprocess.run([*command, *map(str, written)], capture_output=True, text=True, check=False)
        return [(each["url"], each["message"]) for each in json.loads(ended.stderr)["messages"]]

    matches = stated()
    # It guesses languages with random numbers, and called a Norwegian page English once.
    assert matches == [] or [each for each in matches if each in stated()] == []
