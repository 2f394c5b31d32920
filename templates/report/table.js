// The table of findings: sortable columns, rows that open, groups of rows.
// What gives the commands of a card, which are read when they are copied.
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
  commands.set(line, () => commandOf(row));
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

/** The places of texts in their order, as numbers to compare. Sorted in slices: runs, then these merged. */
async function ranksOf(texts) {
  let order = Int32Array.from(texts.keys()), merged = new Int32Array(order.length);
  const compare = (a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : a - b);
  for (let start = 0; start < order.length; start += RUN) {
    order.subarray(start, start + RUN).sort(compare);
    await pause();
  }
  for (let width = RUN; width < order.length; width *= 2) {
    for (let start = 0; start < order.length; start += 2 * width) await mergeRuns(order, merged, start, width, compare);
    [order, merged] = [merged, order];
  }
  const ranks = new Int32Array(order.length);
  for (let at = 0, rank = 0; at < order.length; at++) {
    if (at && texts[order[at]] !== texts[order[at - 1]]) rank++;
    ranks[order[at]] = rank;
  }
  return ranks;
}

/** Merges two sorted runs that begin at `start` into `merged`. */
async function mergeRuns(order, merged, start, width, compare) {
  const middle = Math.min(start + width, order.length), end = Math.min(start + 2 * width, order.length);
  for (let left = start, right = middle, to = start; to < end; to++) {
    merged[to] = left < middle && (right === end || compare(order[left], order[right]) <= 0) ? order[left++] : order[right++];
    if (to % RUN === 0) await pause();
  }
}

const RUN = 1 << 10;

/** `make(at)` for each number below `length`, made in slices. */
async function inSlices(length, make) {
  const made = new Array(length);
  for (let at = 0; at < length; at++) {
    made[at] = make(at);
    if (at % TEXTS === 0) await pause();
  }
  return made;
}

const resourceRanks = async (textOf) => { const ranks = await ranksOf(await inSlices(data.resources.last.length, (at) => textOf(at).toLowerCase())); return (row) => ranks[rows.resource[row]]; };
/** How the rows are sorted: promises of the key of a row, a small whole number. */
const SORT_KEYS = {
  title: async () => { const { texts, index } = await rowTitles(), ranks = await ranksOf(texts); return (row) => ranks[index[row]]; },
  resource: () => resourceRanks((at) => pathOf(at) + "\n" + idOf(at)),
  place: () => resourceRanks((at) => tenantOf(at) + "\n" + subOf(at)[1] + "\n" + groupOf(at) + "\n" + idOf(at)),
  owner: () => resourceRanks((at) => ownerOf(at) || "\uffff"),
  age: ageKey,
};

async function ageKey() {
  const days = [...new Set(data.findings.since)], ranks = await ranksOf(days.map((each) => data.strings[each])), last = days.length;
  const order = new Map(days.map((each, at) => [each, ranks[at]]));
  return (row) => { const since = row < rows.own ? data.findings.since[row] : 0; return since ? (isNew(row) ? 0 : 1 + last - order.get(since)) : 2 * last + 1; };
}

/** The titles of rows: each text once, by rule and status, or by the finding's own title; and the place of each row's. */
async function rowTitles() {
  const places = new Map(), texts = [], size = sizeOf("rule") * 8, ofRow = size * data.strings.length;
  const index = await inSlices(rows.length, (row) => {
    const own = field(row, "title"), key = own && data.strings[own].includes("\u0001") ? ofRow + row : own * size + rows.rule[row] * 8 + rows.status[row];
    if (!places.has(key)) places.set(key, texts.push(titleOf(row).toLowerCase()) - 1);
    return places.get(key);
  });
  return { texts, index };
}

const sortKeys = new Map([["severity", null]]);
const sortName = (sort) => sort.replace("-", "");
/** Whether rows can be sorted at once. */
const isSortable = (sort) => sortKeys.has(sortName(sort));

async function makeSortable(sort) {
  const name = sortName(sort);
  paused = performance.now();
  if (!sortKeys.has(name)) sortKeys.set(name, await SORT_KEYS[name]());
}

function sorted(hits, sort) {
  if (sort === "severity") return hits;
  const name = sortName(sort), way = sort[0] === "-" ? -1 : 1;
  if (name === "severity") return byKey(hits, (row) => rows.status[row] * 16 - rows.severity[row] + 8, 1);
  return byKey(hits, sortKeys.get(name), way);
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
