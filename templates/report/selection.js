// Rows that are ticked, and what is done with them, or with the whole result where none is: commands, CSV, waivers.
const MOST_WAIVERS = 500;
const chosenRows = new Set();
let found = [];
let shownRows = [];
const boxes = new Map();
const bar = {};

function pageBox() {
  bar.page = h("input", { type: "checkbox", "aria-label": t("select.page"), change: () => {
    for (const row of shownRows) { if (bar.page.checked) chosenRows.add(row); else chosenRows.delete(row); }
    showSelection();
  } });
  return bar.page;
}

function rowBox(row) {
  const box = h("input", { type: "checkbox", "aria-label": t("select.row", null, { title: plain(standingTitle(row)) }), change: () => {
    if (box.checked) chosenRows.add(row);
    else chosenRows.delete(row);
    showSelection();
  } });
  box.checked = chosenRows.has(row);
  boxes.set(box, row);
  shownRows.push(row);
  return box;
}

/** The rows that a button acts on, in the order of the data. */
const actedOn = () => (chosenRows.size ? [...chosenRows].sort((a, b) => a - b) : found);

function makeSelection() {
  const button = (word, act) => h("button", { type: "button", click: act }, t("select." + word));
  bar.count = h("span", { class: "selected" });
  bar.all = button("all", () => { for (const row of found) chosenRows.add(row); showSelection(); });
  bar.none = button("none", () => { chosenRows.clear(); showSelection(); bar.page?.focus(); });
  bar.element = h("div", { class: "actions", role: "group", "aria-label": t("select.label") }, bar.count, button("commands", () => whenWhole(() => copyScript(actedOn()))),
    button("csv", () => whenWhole(() => { saveText("twolocks-findings.csv", csvText(actedOn()), "text/csv;charset=utf-8"); showMessage(t("select.saved", actedOn().length)); })),
    button("waivers", () => whenWhole(showWaivers)), bar.all, bar.none);
  return bar.element;
}

function showSelection() {
  const many = chosenRows.size;
  for (const [box, row] of boxes) {
    if (!box.isConnected) boxes.delete(box);
    else {
      box.checked = chosenRows.has(row);
      box.closest("tr").classList.toggle("chosen", box.checked);
    }
  }
  const here = shownRows.filter((row) => chosenRows.has(row)).length;
  if (bar.page) {
    bar.page.checked = here > 0 && here === shownRows.length;
    bar.page.indeterminate = here > 0 && here < shownRows.length;
  }
  bar.count.textContent = many ? t("select.count", many) : t("select.for_all", found.length);
  bar.all.hidden = !many || many >= found.length;
  bar.all.textContent = t("select.all", found.length);
  bar.none.hidden = !many;
  bar.element.classList.toggle("some", many > 0);
  bar.element.hidden = !found.length;
}

const OF_LOCKS = new Set(["anonymous-access", "authentication", "network"]), UNTRUSTED = new Set(["internet", "azure", "wide"]);

/** The open endpoints that a finding on a lock is about, on its resource and on its parent; as `_names` in waiver_proposal.py. */
function coveredBy(row) {
  const category = ruleOf(row).category, own = rows.resource[row], parent = parentOf(own);
  if (row >= rows.own || !OF_LOCKS.has(category) || !data.findings.endpoints[row]) return [];
  const names = new Set(endpointsOf(row));
  return [own, parent].filter((each) => each >= 0).flatMap(exposuresAt).filter((at) => names.has(exposure(at, "endpoint")) && exposure(at, "severity")
    && (category !== "network" || UNTRUSTED.has(exposure(at, "reach"))) && (category !== "anonymous-access" || exposure(at, "auth") === "anonymous"));
}

const IP_ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|(?=.*:.*:)[0-9a-f:.]+)$/i;

/** An endpoint as a waiver lists it: with its address, because a port may be open on several addresses. */
function listedEndpoint(at) {
  const address = exposureText(at, "address");
  return exposure(at, "endpoint") + (IP_ADDRESS.test(address) ? "@" + address : "");
}

/** What accepts a failed finding, as `twolocks waive` writes it: an entry for each cell and severity of its endpoints, so that none may rise to the level of another. */
function waiverText(row) {
  const entries = new Map();
  for (const at of coveredBy(row)) {
    const cell = ["kind", "auth", "reach"].map((name) => exposure(at, name)).join("/"), severity = exposure(at, "severity"), key = cell + " " + severity;
    if (!entries.has(key)) entries.set(key, { cell, severity, endpoints: new Set() });
    entries.get(key).endpoints.add(listedEndpoint(at));
  }
  const sorted = [...entries.keys()].sort().map((key) => entries.get(key));
  return (sorted.length ? sorted : [{ cell: "", severity: data.severities[rows.severity[row]], endpoints: endpointsOf(row) }]).map((entry) => entryText(row, entry)).join("\n\n");
}

function entryText(row, { cell, severity, endpoints }) {
  const literal = (text) => tomlString(text.replaceAll("*", "[*]")), names = [...endpoints].sort();
  return ["[[waiver]]", `rule = ${tomlString(ruleOf(row).id)}`, `resource = ${literal(idOf(rows.resource[row]))}`,
    names.length > 0 && `endpoints = [${names.map(literal).join(", ")}]`, cell && `cell = ${tomlString(cell)}`, severity && `severity = ${tomlString(severity)}`,
    'reason = ""', 'owner = ""', `expires = ${data.waiverExpires}`, 'ticket = ""'].filter(Boolean).join("\n");
}

function showWaivers() {
  const failed = actedOn().filter((row) => rows.status[row] === FAIL), listed = failed.slice(0, MOST_WAIVERS);
  const dialog = byId("text");
  const left = actedOn().length - listed.length;
  dialog.replaceChildren(h("div", { class: "dialog-head" }, h("h2", { id: "h-text" }, t("select.waivers_of", listed.length)), h("button", { type: "button", click: () => dialog.close() }, t("close"))), h("p", null, t("select.waivers_lead")),
    left > 0 ? h("p", null, t("select.waivers_left", left)) : "", listed.length ? block(listed.map(waiverText).join("\n\n") + "\n", t("card.accept")) : "");
  dialog.showModal();
}
