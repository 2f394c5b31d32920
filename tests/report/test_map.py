"""The exposure map in a real browser: its numbers, its filters, its keys, and the list with the same nodes."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from scanner.report.views.summary import matrix_column
from tests.report import sample
from tests.report.conftest import Reader, accessible, scrolls_sideways, show

Make = Callable[[dict[str, Any]], Path]
REACHED = ("internet", "azure", "wide", "unknown")
WORDS = {"internet": "Internet", "azure": "Any Azure tenant", "wide": "Broad ranges", "unknown": "Not assessed"}
SUB = "/subscriptions/5f1c0f9a-1111-4c1e-9a52-0d2f4b7c1a01/resourceGroups/rg-nett/providers"


def hop(kind: str, name: str, detail: str = "", resource: str = "") -> dict[str, Any]:
    return {"kind": kind, "name": name, "detail": detail, "resource": resource, "lets": True}


def public_ip(group: str) -> dict[str, Any]:
    id = f"{SUB}/Microsoft.Network/publicIPAddresses/pip".replace("rg-nett", group)
    return hop("public-ip", "pip", "192.0.2.1", id)


def with_entries() -> dict[str, Any]:
    """The sample, in which some endpoints are behind public addresses, balancers, a firewall and gateways."""
    made = sample.document(300)
    balancer = hop("load-balancer", "lb", "to port 22", f"{SUB}/Microsoft.Network/loadBalancers/lb")
    firewall = hop("firewall", "fw", "DNAT rule", f"{SUB}/Microsoft.Network/azureFirewalls/fw")
    nic = hop("network-interface", "nic", "10.0.0.4 in vnet-a/snet-b", f"{SUB}/Microsoft.Network/networkInterfaces/n")
    subnet = hop("subnet", 'vnet "b", c/snet', "inside a virtual network")
    chains = [
        [public_ip("rg-nett"), nic],
        [public_ip("rg-annet"), nic],
        [public_ip("rg-nett"), balancer, subnet],
        [firewall, nic],
        [subnet],
    ]
    published = [
        ["published through the Front Door afd-text, by private link"],
        ["published through the application gateway agw-text (named by Traffic Manager profile tm)"],
        ["published through API Management apim; its API a requires no key", "named by Traffic Manager profile tm"],
        ["trusted Microsoft services are still allowed"],
    ]
    doors = [
        hop("front-door", "afd", "published", f"{SUB}/Microsoft.Cdn/profiles/afd".replace("rg-nett", group))
        for group in ("rg-nett", "rg-annet")
    ]
    gateway = hop("application-gateway", "agw", "published", f"{SUB}/Microsoft.Network/applicationGateways/agw")
    manager = hop("traffic-manager", "tm", "named", f"{SUB}/Microsoft.Network/trafficManagerProfiles/tm")
    known = [[[doors[0]]], [[doors[1]], [manager]], [[manager, gateway], [doors[0], gateway]], [[manager]]]
    inside = hop("private-endpoint", "pe", "Approved", f"{SUB}/Microsoft.Network/privateEndpoints/pe")
    for at, row in enumerate(made["exposures"]):
        row["reach"] = "unknown" if at % 29 == 0 else row["reach"]
        source, *_, asks, end = row["hops"]
        if at % 3 == 0:
            row["hops"] = [source, *chains[at // 3 % len(chains)], asks, end]
        if at % 7 == 0:
            row["admits"] = published[at // 7 % len(published)]
        if at % 11 == 0:
            row["publishers"] = known[at // 11 % len(known)]
        if at % 13 == 0:
            row["hops"] = [source, inside, asks, end]
    return made


def nodes(page: Page) -> list[tuple[str, str]]:
    """Return label and link of each node, the folded ones unfolded first."""
    script = """() => {
        let folded;
        while ((folded = document.querySelector('#map-picture [aria-expanded="false"]')))
            folded.dispatchEvent(new MouseEvent("click", {bubbles: true}));
        return [...document.querySelectorAll('#map-picture .map-row')].map((row) =>
            [row.querySelector('[data-node]').getAttribute('aria-label'), row.querySelector('a').getAttribute('href')]);
    }"""
    result: list[tuple[str, str]] = page.evaluate(script)
    return result


def count_of(label: str) -> int:
    [text] = re.findall(r": ([\d,]+) endpoints?: [^:]*$", label)
    return int(text.replace(",", ""))


def test_the_numbers_add_up_to_the_matrix(reader: Reader, make: Make) -> None:
    made = with_entries()
    rows = sample.typed(made).exposures
    columns = Counter(map(matrix_column, rows))
    page = reader.open(make(made), "#map")
    labels = [label for label, _ in nodes(page)]
    sources = {label.split(":")[0]: count_of(label) for label in labels[:6]}
    assert {WORDS[name]: columns[name] for name in REACHED} == {name: sources[name] for name in WORDS.values()}
    assert sources["Via a gateway only"] > 0
    assert sources["Private networks"] > 0
    drawn = sum(sources.values())
    lead = page.locator("#map-lead").inner_text()
    assert lead.startswith(f"{drawn} of {len(rows)} endpoints")
    left = [int(each) for each in re.findall(r"(\d+) (?:allow-listed|private network|no access)", lead)]
    assert drawn + sum(left) == len(rows)
    subscriptions = [label for label in labels if label.split(":")[0] in sample.SUBSCRIPTIONS.values()]
    assert sum(map(count_of, subscriptions)) == drawn


def test_each_node_leads_to_the_endpoints_that_it_counts(reader: Reader, make: Make) -> None:
    page = reader.open(make(with_entries()), "#map")
    matches = nodes(page)
    assert len(matches) > 60
    script = """(links) => links.map((link) => {
        history.replaceState(null, "", link);
        dispatchEvent(new HashChangeEvent("hashchange"));
        return document.querySelector("#h-endpoints small").textContent;
    })"""
    shown = page.evaluate(script, [link for _, link in matches])
    for (label, link), text in zip(matches, shown, strict=True):
        assert text.split(" ")[0] == str(count_of(label)), link


def test_the_number_on_an_edge_is_that_of_its_endpoints(reader: Reader, make: Make) -> None:
    page = reader.open(make(with_entries()), "#map")
    nodes(page)
    script = """() => {
        const at = (row) => document.querySelector(`.map-row[data-at="${row}"]`);
        const filter = (row) => decodeURIComponent(row.querySelector('a').getAttribute('href').split('?q=')[1]);
        const edges = [...document.querySelectorAll('.map-rest .map-number')].map((each) => [each.textContent,
            ...each.dataset.edge.split(' ').map(at)]);
        return edges.filter(([, from]) => filter(from).includes('entry:')).map(([said, from, to]) => {
            history.replaceState(null, '', '#endpoints?q=' + encodeURIComponent(`${filter(from)} ${filter(to)}`
                .replaceAll('+', ' ')));
            dispatchEvent(new HashChangeEvent('hashchange'));
            return [said, document.querySelector('#h-endpoints small').textContent];
        });
    }"""
    document = page.evaluate(script)
    assert len(document) > 60
    for stated, shown in document:
        assert shown.split(" ")[0] == str(count_of(stated.rpartition(":")[0] + ": x")), stated


def test_what_is_pointed_at_has_its_own_edges(reader: Reader, make: Make) -> None:
    page = reader.open(make(with_entries()), "#map")
    kind = page.locator(".map-row", has=page.get_by_label(re.compile("^Traffic Manager")))
    kind.locator("[data-node]").first.hover()
    titles = page.locator(".map-own title").all_text_contents()
    assert titles
    assert all("Traffic Manager (DNS)" in each or " → tm: " in each for each in titles)
    assert page.locator(".map-pair title").all_text_contents() != []


def test_axe_finds_nothing_and_nothing_scrolls_sideways(reader: Reader, make: Make) -> None:
    page = reader.open(make(with_entries()), "#map")
    page.locator("#map-list > summary").click()
    page.locator("#map-list ul summary").first.click()
    accessible(page)
    assert scrolls_sideways(page) == []
    show(page, make(sample.clean()), "#map")
    expect(page.locator("#map-picture")).to_have_text(re.compile("^No endpoint is reachable from the internet"))
    accessible(page)


def test_the_keyboard_moves_folds_and_opens(reader: Reader, make: Make) -> None:
    page = reader.open(make(with_entries()), "#map")
    page.locator('#map-picture [tabindex="0"]').focus()
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("Internet: ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    group = page.evaluate(focused)
    was = page.evaluate("document.activeElement.getAttribute('aria-expanded')")
    page.keyboard.press("Enter")
    assert page.evaluate(focused) == group
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") != was
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#endpoints")).to_be_visible()
    assert page.locator("#h-endpoints small").inner_text().startswith(f"{count_of(group)} endpoint")


def test_a_narrow_page_has_the_list_in_place_of_the_picture(reader: Reader, make: Make) -> None:
    page = reader.open(make(with_entries()), "#map", viewport={"width": 390, "height": 844})
    assert not page.locator("#map-picture").is_visible()
    page.locator("#map-list summary", has_text="prod-innbygger").click()
    expect(page.get_by_role("link", name=re.compile("^Show the .* endpoints of prod-innbygger"))).to_be_visible()
