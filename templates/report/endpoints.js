// Cards of endpoints, the worst first, filtered by the matrix.
const EXPOSURES_A_STEP = 20, NAMED = 3;
/** What endpoints of one resource have in common that stand on one card; as `_key` in endpoint_cards.py. */
const ALIKE = ["kind", "reach", "auth", "mayReach", "mayAuth", "worst", "reason", "new", "since"];

/** The endpoints of the first cards, each a list of rows. `hits` have the endpoints of one resource and rating in a row. */
function cardsOf(hits, most) {
  const { resource, standing } = data.exposures, cards = [];
  let byKey = new Map(), last = -1;
  for (const at of hits) {
    if (at >= resource.length) break;
    if (last < 0 || resource[at] !== resource[last] || standing[at] !== standing[last]) {
      if (cards.length >= most) break;
      byKey = new Map();
    }
    last = at;
    const { commands, steps, fields = [] } = fixOf(exposureText(at, "fix")) || {};
    const key = JSON.stringify([ALIKE.map((name) => data.exposures[name][at]), commands, steps, fields.map((each) => each.name)]);
    if (byKey.has(key)) byKey.get(key).push(at);
    else {
      byKey.set(key, [at]);
      cards.push(byKey.get(key));
    }
  }
  return cards.slice(0, most);
}

/** The names of endpoints, of many the first ones and how many more there are; as `named_endpoints` in cards.py. */
function namedEndpoints(card) {
  const names = [...new Set(card.map((at) => exposure(at, "endpoint")))];
  if (names.length > NAMED + 1) names.splice(NAMED, Infinity, t("more_named", names.length - NAMED));
  return names.join(", ");
}

/** The hops of an endpoint, with the endpoint as the last one. */
function hopsOf(at) {
  const hops = exposureJson(at, "hops", []);
  if (!hops.length || hops[hops.length - 1].kind === "endpoint") return hops;
  return [...hops, { kind: "endpoint", name: nameOf(data.exposures.resource[at]), detail: exposure(at, "endpoint"), lets: true }];
}

/** The drawing of the network path to an endpoint. */
function pathTo(at) {
  const unknownLocks = [["reach", "network"], ["auth", "authentication"]].filter(([column]) => exposure(at, column) === "unknown").map(([, lock]) => lock);
  const reach = exposure(at, "reach");
  return pathFigure(hopsOf(at), unknownLocks, { network: reach === "internet" ? t("path.unrestricted") : t("column." + reach), authentication: t("row." + exposure(at, "auth")) });
}

/** The facts that decide the locks, and what the fix may break: one line, so that two cards stay on the first screen. */
function because(hops, impact) {
  const facts = [...hops.filter((hop) => isLock(hop) && hop.kind !== "network-interface").slice(-2), ...hops.filter((hop) => hop.kind === "authentication").slice(-1)];
  const breaks = impact && h("span", null, t("endpoints.cuts", null, { text: "" }), prose(impact));
  if (!facts.length) return breaks && h("p", { class: "because" }, breaks);
  return h("p", { class: "because" }, t("endpoints.because"), " ", separated([...facts.map((hop) => mono(hop.detail || hop.name || "")), breaks]));
}

function possibleGrantNote(at) {
  const reach = exposure(at, "mayReach"), auth = exposure(at, "mayAuth"), worst = exposure(at, "worst");
  if (!reach && !auth) return null;
  const says = (kind, value) => t(kind + "." + value);
  return h("p", { class: "said violet" }, t("endpoints.may", null, {
    locks: t("matrix.locks", null, { row: says("row", auth || exposure(at, "auth")), column: says("column", reach || exposure(at, "reach")) }),
    severity: ratingWord(worst || "closed").toLowerCase(),
  }));
}

/** The findings that name an endpoint: on its resource or on a child of it. */
function findingsOf(at) {
  const resource = data.exposures.resource[at], name = exposure(at, "endpoint");
  const found = [];
  for (let row = 0; row < rows.own; row++) {
    const own = rows.resource[row];
    if ((own === resource || parentOf(own) === resource) && data.findings.endpoints[row] && endpointsOf(row).includes(name)) found.push(row);
  }
  return found;
}

/** What one change closes of the endpoints of a card, each of which has its own fix with it; as `effect_on_card` in text.py. */
function effectOnCard(card) {
  const fixes = card.map((at) => fixOf(exposureText(at, "fix"))), { closes = [], leaves = [], also_closes: listed = [], also_closes_count: count = 0 } = fixes[0] || {};
  if (card.length === 1) return effectOf(fixes[0], exposure(card[0], "endpoint"));
  if (!closes.length && !leaves.length) return "";
  const here = card.filter((at, place) => fixes[place].closes?.includes(exposure(at, "endpoint"))).length;
  const more = closes.length + Math.max(count, listed.length) - here;
  return [t(here ? "fix.closes" : "fix.closes_lock", here), more > 0 && t("fix.also", more), here > 0 && here < card.length && t("fix.leaves", card.length - here)].filter(Boolean).join("; ") + ".";
}

/** The path and the checks of the first endpoint of a card, and below them those of each other one. */
function cardDetails([first, ...others]) {
  const named = (at) => [exposure(at, "endpoint"), exposureText(at, "address")].filter(Boolean).join(" · ");
  return [
    exposureDetails(first),
    others.length > 0 && h("div", null, h("h4", null, t(fixOf(exposureText(first, "fix")) ? "endpoints.others" : "endpoints.others_alike")),
      others.map((at) => lazyDetails(visible(named(at)), () => exposureDetails(at)))),
  ];
}

function exposureDetails(at) {
  const hops = hopsOf(at), admits = exposureJson(at, "admits", []);
  const isFrontEnd = (text) => /^(published through|named by|the peered network) /.test(text);
  const section = (title, texts) => texts.length > 0 && h("div", null, h("h4", null, t(title)), h("ul", { class: "plain" }, texts.map((each) => h("li", null, visible(each)))));
  const address = exposureText(at, "address"), hosts = exposureJson(at, "hosts", []);
  return [
    hops.length > 0 && pathTo(at),
    address && h("p", { class: "where" }, t("endpoints.address"), ": ", mono(address)),
    hosts.length > 0 && h("p", { class: "where" }, t("endpoints.hosts"), ": ", hosts.flatMap((each, place) => [place > 0 && ", ", mono(each)])),
    data.exposures.since[at] > 0 && h("p", { class: "where" }, firstSeen(data.exposures.since[at])),
    section("endpoints.published", admits.filter(isFrontEnd)),
    section("endpoints.admits", admits.filter((each) => !isFrontEnd(each))),
    h("h4", null, t("endpoints.checks")),
    later(() => checksOf(at)),
    h("p", { class: "id" }, pathText(idOf(data.exposures.resource[at])), h("br"), portalLink(data.exposures.resource[at])),
  ];
}

function checksOf(at) {
  const list = findingsOf(at);
  return list.length ? h("ul", { class: "plain" }, list.map(checkLine)) : h("p", null, t("endpoints.no_checks"));
}

const checkLine = (row) => h("li", null, rowBadge(row), " ", later(() => h("a", { href: hashOf({ view: "findings", f: fingerprint(row) }) }, visible(standingTitle(row)))));

/** A `details` that is filled when it is first opened; a button-free summary. */
function lazyDetails(summary, make, attributes) {
  const fillOnce = () => { if (details.childElementCount === 1) fill(details, null, [make()].flat()); };
  const details = h("details", { ...attributes, toggle: fillOnce }, h("summary", { click: fillOnce }, summary));
  return details;
}

/** The text in place of a command. */
function otherwise(look) {
  if (look === "unknown") return h("a", { href: "#not-assessed" }, t("endpoints.not_assessed"));
  return t(look === "closed" ? "endpoints.nothing_to_close" : "endpoints.no_fix");
}

function exposureCard(card) {
  const [at] = card;
  const look = exposure(at, "standing"), resource = data.exposures.resource[at];
  const fix = fixOf(exposureText(at, "fix")), reason = exposureText(at, "reason");
  const effect = effectOnCard(card), impact = commandsOf(fix) && (fix.impact || [...new Set(card.map((each) => exposureText(each, "breaks")))].join(" ").trim());
  const where = [tenantOf(resource), subOf(resource)[1], groupOf(resource)].filter(Boolean).join(" / ");
  const age = firstSeen(data.exposures.since[at], true);
  const rest = h("div", { class: "exposure-details", hidden: true });
  const toggle = h("button", { type: "button", class: "fold", "aria-expanded": "false", click: () => toggleExposure(card, toggle, rest) }, t("endpoints.path"));
  const element = h("article", { class: "exposure " + look, tabindex: "-1", "data-card": "" },
    h("div", { class: "exposure-summary" },
      h("h3", null, badge(look, ratingWord(look)), " ", h("span", null, visible(exposureText(at, "title") || exposure(at, "endpoint")), card.length > 1 && [" ", h("small", null, t("endpoints.and_more", card.length - 1))])),
      h("p", { class: "where" }, data.exposures.new[at] === 1 && [newBadge(), " "], h("b", null, visible(pathOf(resource))), " · ", visible(namedEndpoints(card)), " · ", visible(where), age && [" · ", age]),
      because(exposureJson(at, "hops", []), impact),
      reason && h("p", { class: "because" }, visible(reason))),
    h("div", { class: "exposure-fix" }, remedy(fix, otherwise(look)), effect && h("p", { class: "said effect" }, effect), possibleGrantNote(at), toggle),
    rest);
  commands.set(element, () => commandsOf(fix));
  return element;
}

function toggleExposure(card, button, rest) {
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(open));
  if (open && !rest.childElementCount) fill(rest, null, cardDetails(card).flat());
  rest.hidden = !open;
}

/** Marks the cell whose filter is shown. Returns the label of the cell. */
function markCell(q) {
  let label = q;
  for (const cell of document.querySelectorAll("a.cell")) {
    const current = q !== "" && new URLSearchParams(cell.hash.split("?")[1]).get("q") === q;
    if (current) {
      cell.setAttribute("aria-current", "true");
      label = cell.dataset.label;
    } else cell.removeAttribute("aria-current");
  }
  return label;
}

/** The query of what stands below a filter by one severity: the failed findings of it that do not concern an endpoint, which the severity bar counts too. */
function otherQuery(terms) {
  const [term] = terms.filter((each) => each.key === "severity" && !each.compare && !each.negated && each.values.length === 1);
  const severity = term && terms.length === 2 && terms.some((each) => each.token === "status:open") ? term.values[0] : "";
  return severity && `status:fail severity:${severity} is:other`;
}

function showOthers(q, others) {
  byId("endpoint-note").replaceChildren(...(others ? [t("bar.note", others), " ", h("a", { href: linkTo("findings", q) }, t("bar.show"))] : []));
}

/** The endpoints that match a query (`hits`), and the number of the findings that the note below them counts, in slices. */
function* selectingEndpoints(q) {
  const terms = readQuery(q, EXPOSURE_NAMES), noted = otherQuery(terms);
  const hits = yield* selecting(data.exposures.length, terms, EXPOSURE_KEYS);
  const others = noted ? (yield* selecting(rows.length, readQuery(noted, FINDING_NAMES), FINDING_KEYS)).length : 0;
  return { terms, hits, others };
}

function renderExposures(state) {
  const label = markCell(state.q);
  const { hits, terms, others } = selections.get("endpoints");
  const cards = cardsOf(hits, EXPOSURES_A_STEP * state.p), count = cards.reduce((sum, card) => sum + card.length, 0);
  const heading = byId("h-endpoints");
  const small = state.q ? t("endpoints.filtered", hits.length, { filter: plain(label) }) : t("endpoints.shown", hits.length, { shown: number(count) });
  heading.replaceChildren(t("endpoints.heading"), " ", h("small", null, small));
  heading.parentElement.querySelector(":scope > a")?.remove();
  if (state.q) heading.after(h("a", { href: "#endpoints" }, t("endpoints.all", data.exposures.length)));
  showOthers(otherQuery(terms), others);
  const list = byId("endpoint-list");
  list.replaceChildren(...cards.map(exposureCard));
  if (!hits.length) list.append(h("p", { class: "nothing" }, t(state.q ? "endpoints.no_match" : "endpoints.none")));
  if (count < hits.length) list.append(moreExposures(state, cards.length, hits.length - count));
}

function moreExposures(state, shown, left) {
  return h("button", { type: "button", class: "more", click: () => {
    go({ p: state.p + 1 }, true);
    byId("endpoint-list").children[shown].focus();
  } }, t("endpoints.more", null, { all: number(left) }));
}
