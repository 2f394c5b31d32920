// The doors: cards of endpoints, worst first, filtered by the matrix.
const DOORS_A_STEP = 20;
const commands = new WeakMap();

/** The hops of a door, the endpoint last. */
function hopsOf(at) {
  const hops = doorJson(at, "hops", []);
  if (!hops.length || hops[hops.length - 1].kind === "endpoint") return hops;
  return [...hops, { kind: "endpoint", name: nameOf(data.doors.resource[at]), detail: door(at, "endpoint"), lets: true }];
}

/** The way in to a door, drawn. */
function wayTo(at) {
  const blind = [["reach", "network"], ["auth", "authentication"]].filter(([column]) => door(at, column) === "unknown").map(([, lock]) => lock);
  return wayIn(hopsOf(at), blind);
}

function because(hops) {
  const facts = [...hops.filter((hop) => isLock(hop) && hop.kind !== "network-interface").slice(-2), ...hops.filter((hop) => hop.kind === "authentication").slice(-1)];
  if (!facts.length) return null;
  return h("p", { class: "because" }, t("doors.because"), " ", separated(facts.map((hop) => mono(hop.detail || hop.name || ""))));
}

function doorNote(at) {
  const reach = door(at, "mayReach"), auth = door(at, "mayAuth"), worst = door(at, "worst");
  if (!reach && !auth) return null;
  const says = (kind, value) => t(kind + "." + value);
  const auths = { anonymous: says("row", "anonymous"), shared: says("row", "shared"), identity: says("row", "identity"), unknown: says("row", "unknown") };
  return h("p", { class: "said violet" }, t("doors.may", null, {
    reach: says("column", reach || door(at, "reach")), auth: auths[auth || door(at, "auth")], severity: lookWord(worst || "closed").toLowerCase(),
  }));
}

/** The findings that name a door: on its resource or on a child of it. */
function findingsOf(at) {
  const resource = data.doors.resource[at], name = door(at, "endpoint");
  const found = [];
  for (let row = 0; row < rows.own; row++) {
    const own = rows.resource[row];
    if ((own === resource || parentOf(own) === resource) && data.findings.endpoints[row] && endpointsOf(row).includes(name)) found.push(row);
  }
  return found;
}

function doorDetails(at) {
  const hops = hopsOf(at), admits = doorJson(at, "admits", []), rowsHere = findingsOf(at);
  const isPublished = (text) => /^(published through|named by|the peered network) /.test(text);
  const told = (title, texts) => texts.length > 0 && h("div", null, h("h4", null, t(title)), h("ul", { class: "plain" }, texts.map((each) => h("li", null, shown(each)))));
  const address = doorText(at, "address"), breaks = doorText(at, "breaks");
  return [
    hops.length > 0 && wayTo(at),
    address && h("p", { class: "where" }, t("doors.address"), ": ", mono(address)),
    data.doors.since[at] > 0 && h("p", { class: "where" }, firstSeen(data.doors.since[at])),
    breaks && h("p", null, t("doors.cuts", null, { text: "" }), shown(breaks)),
    told("doors.published", admits.filter(isPublished)),
    told("doors.admits", admits.filter((each) => !isPublished(each))),
    h("h4", null, t("doors.checks")),
    rowsHere.length ? h("ul", { class: "plain" }, rowsHere.map(checkLine)) : h("p", null, t("doors.no_checks")),
    h("p", { class: "id" }, mono(idOf(data.doors.resource[at]))),
  ];
}

const checkLine = (row) => h("li", null, rowBadge(row), " ", h("a", { href: hashOf({ view: "findings", f: fingerprint(row) }) }, shown(titleOf(row))));

/** A `details` that is filled when it is first opened; a button-free summary. */
function lazyDetails(summary, make, attributes) {
  const fillOnce = () => { if (details.childElementCount === 1) fill(details, null, [make()].flat()); };
  const details = h("details", { ...attributes, toggle: fillOnce }, h("summary", { click: fillOnce }, summary));
  return details;
}

/** What stands in place of a command. */
function otherwise(look) {
  if (look === "unknown") return h("a", { href: "#not-read" }, t("doors.not_read"));
  return t(look === "closed" ? "doors.nothing_to_close" : "doors.no_fix");
}

function doorCard(at) {
  const look = door(at, "standing"), resource = data.doors.resource[at];
  const fix = doorText(at, "fix"), reason = doorText(at, "reason");
  const where = [subOf(resource)[1], groupOf(resource)].filter(Boolean).join(" / ");
  const age = firstSeen(data.doors.since[at], true);
  const rest = h("div", { class: "door-rest", hidden: true });
  const toggle = h("button", { type: "button", class: "fold", "aria-expanded": "false", click: () => toggleDoor(at, toggle, rest) }, t("doors.way"));
  const card = h("article", { class: "door " + look, tabindex: "-1", "data-card": "" },
    h("div", { class: "door-what" },
      h("h3", null, badge(look, lookWord(look)), " ", h("span", null, shown(doorText(at, "title") || door(at, "endpoint")))),
      h("p", { class: "where" }, data.doors.new[at] === 1 && [newBadge(), " "], h("b", null, shown(nameOf(resource))), " · ", shown(door(at, "endpoint")), " · ", shown(where), age && [" · ", age]),
      because(doorJson(at, "hops", [])),
      reason && h("p", { class: "because" }, shown(reason))),
    h("div", { class: "door-do" }, remedy(fix, otherwise(look)), doorNote(at), toggle),
    rest);
  commands.set(card, usable(splitFix(fix)[1]));
  return card;
}

function toggleDoor(at, button, rest) {
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(open));
  if (open && !rest.childElementCount) fill(rest, null, [doorDetails(at)].flat());
  rest.hidden = !open;
}

/** Marks the cell whose filter is shown, and tells how it is called. */
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

function renderDoors(state) {
  const label = markCell(state.q);
  const terms = readQuery(state.q, DOOR_NAMES);
  const hits = select(data.doors.length, terms, DOOR_KEYS);
  const count = Math.min(hits.length, DOORS_A_STEP * state.p);
  const heading = byId("h-doors");
  const small = state.q ? t("doors.filtered", hits.length, { filter: plain(label) }) : t("doors.shown", hits.length, { shown: number(count) });
  heading.replaceChildren(t("doors.heading"), " ", h("small", null, small));
  heading.parentElement.querySelector("a")?.remove();
  if (state.q) heading.after(h("a", { href: "#doors" }, t("doors.all", data.doors.length)));
  const list = byId("door-list");
  list.replaceChildren(...hits.slice(0, count).map(doorCard));
  if (!hits.length) list.append(h("p", { class: "nothing" }, t(state.q ? "doors.no_match" : "doors.none")));
  if (count < hits.length) list.append(moreDoors(hits, state, count));
}

function moreDoors(hits, state, count) {
  const next = Math.min(DOORS_A_STEP, hits.length - count);
  return h("button", { type: "button", class: "more", click: () => {
    go({ p: state.p + 1 }, true);
    byId("door-list").children[count].focus();
  } }, t("doors.more", null, { n: number(next), all: number(hits.length - count) }));
}
