// The table of findings: sortable columns, rows that open, groups of rows.
const commands = new WeakMap();
const sortNames = { severity: "severity", title: "title", resource: "resource", place: "place", age: "age", owner: "owner" };
const firstWay = (name) => (name === "severity" ? "descending" : "ascending");

const columnsOf = () => ["select", ...sortsOf()];

function headCell(name, sort) {
  if (name === "select") return h("th", { scope: "col", class: "c-select" }, pageBox());
  const backwards = sort === "-" + name, isSorted = backwards || sort === name;
  const way = (firstWay(name) === "descending") !== backwards ? "descending" : "ascending";
  const button = h("button", { type: "button", class: "sort", "data-sort": name, click: () => sortBy(sort === name ? "-" + name : name) }, t("table." + sortNames[name]),
    h("span", { class: "way", "aria-hidden": "true" }, isSorted ? (way === "descending" ? "▼" : "▲") : ""));
  return h("th", { scope: "col", class: "c-" + name, "aria-sort": isSorted ? way : null }, button);
}

function sortBy(sort) {
  go({ sort, p: 1, f: "" });
  document.querySelector(`button[data-sort="${sort.replace("-", "")}"]`)?.focus();
}

/** The age of a finding: new, or the days since it was first seen. */
function ageOf(row) {
  if (isNew(row)) return newBadge();
  const since = row < rows.own ? data.strings[data.findings.since[row]] : "";
  if (!since) return "";
  const day = (iso) => Math.floor(Date.parse(iso) / 86400000), days = Math.max(0, day(data.taken) - day(since));
  return Number.isNaN(days) ? "" : h("span", { title: plain(date(since)) }, t("age.only_days", days));
}

function rowCells(row, open) {
  const resource = rows.resource[row], [, subscription] = subOf(resource), endpoints = endpointsOf(row).join(", ");
  const cells = {
    select: () => h("td", { class: "c-select" }, rowBox(row)),
    severity: () => h("td", { class: "c-severity" }, rowBadge(row)),
    title: () => h("th", { scope: "row", class: "c-title" }, open, h("small", null, mono(ruleOf(row).id), isExpiring(row) && [" ", badge("waived", t("expiring"))])),
    resource: () => h("td", { class: "c-resource" }, h("span", { class: "strong" }, visible(pathOf(resource))), h("small", null, separated([h("span", { title: plain(typeOf(resource)) }, typeNameOf(resource)), endpoints && visible(endpoints)]))),
    place: () => h("td", { class: "c-place" }, visible(subscription), h("small", null, visible([tenantOf(resource), groupOf(resource)].filter(Boolean).join(" / ")))),
    age: () => h("td", { class: "c-age" }, ageOf(row)),
    owner: () => h("td", { class: "c-owner" }, visible(ownerOf(resource))),
  };
  return columnsOf().map((name) => cells[name]());
}

/** A row, and below it, once it is opened, its card. */
function findingRow(row, isOpen) {
  const button = h("button", { type: "button", class: "open-row", "aria-expanded": "false", click: () => toggleRow(line, row) }, visible(titleOf(row)));
  const line = h("tr", { class: "finding " + lookOf(row), "data-card": "", click: (event) => { if (!event.target.closest("button, input, a, label") && !String(getSelection())) toggleRow(line, row); } }, rowCells(row, button));
  commands.set(line, commandOf(row));
  if (!isOpen) return [line];
  return [line, openRow(line, row)];
}

function openRow(line, row) {
  line.querySelector(".open-row").setAttribute("aria-expanded", "true");
  line.classList.add("opened");
  return h("tr", { class: "detail" }, h("td", { colspan: columnsOf().length }, findingBody(row)));
}

function toggleRow(line, row) {
  const next = line.nextElementSibling;
  if (next && next.classList.contains("detail")) {
    next.hidden = !next.hidden;
    line.classList.toggle("opened", !next.hidden);
    line.querySelector(".open-row").setAttribute("aria-expanded", String(!next.hidden));
  } else line.after(openRow(line, row));
}

/** A table of entries: rows, and groups, which bring their own `tbody`. */
function findingsTable(bodies, sort) {
  return h("table", { class: "findings" + (data.ownerTag ? " owned" : ""), id: "finding-table" }, h("caption", { class: "vh" }, t("table.caption")),
    h("thead", null, h("tr", null, columnsOf().map((name) => headCell(name, sort)))), bodies);
}

/** Rows and groups (a `tbody` each) as the bodies of a table. */
function bodiesOf(entries) {
  const bodies = [];
  let body = null;
  for (const entry of entries) {
    if (typeof entry === "number") {
      if (!body) bodies.push(body = h("tbody"));
      body.append(...findingRow(entry));
    } else {
      bodies.push(entry);
      body = null;
    }
  }
  return bodies;
}

// Order: the rows arrive by status, severity, rule, resource; the other orders are made from that one.

/** The places of texts in their order, as numbers to compare. */
function ranksOf(texts) {
  const order = texts.map((_, at) => at).sort((a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : 0)), ranks = new Int32Array(order.length);
  for (let at = 0, rank = 0; at < order.length; at++) {
    if (at && texts[order[at]] !== texts[order[at - 1]]) rank++;
    ranks[order[at]] = rank;
  }
  return ranks;
}

const kept = new Map();
function ranks(name, texts) {
  if (!kept.has(name)) kept.set(name, ranksOf(texts().map((each) => each.toLowerCase())));
  return kept.get(name);
}

const byResourceTexts = (name, textOf) => { const found = ranks(name, () => data.resources.last.map((_, at) => textOf(at))); return (row) => found[rows.resource[row]]; };
const SORT_KEYS = {
  title: () => { const memory = ranksOf(rowTitles().texts); return (row) => memory[rowTitles().of(row)]; },
  resource: () => byResourceTexts("resource", (at) => pathOf(at) + "\n" + idOf(at)),
  place: () => byResourceTexts("place", (at) => tenantOf(at) + "\n" + subOf(at)[1] + "\n" + groupOf(at) + "\n" + idOf(at)),
  owner: () => byResourceTexts("owner", (at) => ownerOf(at) || "\uffff"),
  age: () => { const order = ranks("age", () => data.strings), last = order.length; return (row) => { const since = row < rows.own ? data.findings.since[row] : 0; return since ? (isNew(row) ? 0 : 1 + last - order[since]) : 2 * last + 1; }; },
};

let titles = null;
/** The titles of rows: each text once, by rule and status, or by the finding's own title. */
function rowTitles() {
  if (!titles) {
    const places = new Map(), texts = [], index = new Int32Array(rows.length), size = sizeOf("rule") * 8, ofRow = size * data.strings.length;
    for (let row = 0; row < rows.length; row++) {
      const own = field(row, "title"), key = own && data.strings[own].includes("\u0001") ? ofRow + row : own * size + rows.rule[row] * 8 + rows.status[row];
      if (!places.has(key)) places.set(key, texts.push(titleOf(row).toLowerCase()) - 1);
      index[row] = places.get(key);
    }
    titles = { texts, of: (row) => index[row] };
  }
  return titles;
}

function sorted(hits, sort) {
  if (sort === "severity") return hits;
  const name = sort.replace("-", ""), way = sort[0] === "-" ? -1 : 1;
  if (name === "severity") return byKey(hits, (row) => rows.status[row] * 16 - rows.severity[row] + 8, 1);
  return byKey(hits, SORT_KEYS[name](), way);
}

/** Rows in the order of a key, a small whole number, from 0; equal ones as they were. Counting is faster than comparing. */
function byKey(hits, key, way) {
  const keys = new Int32Array(hits.length);
  let most = 0;
  for (let at = 0; at < keys.length; at++) most = Math.max(most, keys[at] = key(hits[at]));
  const starts = new Int32Array(most + 2);
  const place = (at) => (way > 0 ? keys[at] : most - keys[at]);
  for (let at = 0; at < keys.length; at++) starts[place(at) + 1]++;
  for (let at = 1; at < starts.length; at++) starts[at] += starts[at - 1];
  const list = new Array(hits.length);
  for (let at = 0; at < keys.length; at++) list[starts[place(at)]++] = hits[at];
  return list;
}
