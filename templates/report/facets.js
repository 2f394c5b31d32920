// Facets: the values of the result with their counts, as boxes to tick. They write into the filter and are read from it.
const FACET_SHOWN = 7;
const CATEGORIES = ["anonymous-access", "authentication", "network", "transport", "encryption", "recovery", "residency", "governance", "logging"];

const categoryName = (value) => (CATEGORIES.includes(value) ? t("category." + value) : value);
let facets = [];

const quotedValue = (value) => (/[\s,"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value);

/**
 * A facet: `values` are {value, label, title}. What a row has follows from one of its columns (`by`: severity, status, rule,
 * type, subscription or responsibility): `places` has the number of the value for each number of the column, or a list of these; null: the same.
 */
function facet(key, values, by, places = null) {
  const made = { key, values, by, places, all: false, boxes: values.map(() => null), chosen: new Set(), counts: new Int32Array(values.length) };
  made.more = h("button", { type: "button", class: "link", hidden: true, click: () => { made.all = !made.all; showFacet(made); } }, t("facet.more"));
  made.list = h("ul");
  made.field = h("fieldset", { class: "facet" }, h("legend", null, t("facet." + key)), made.list, made.more);
  return made;
}

function facetBox(key, { value, label, title }) {
  const box = h("input", { type: "checkbox", change: () => toggleValue(key, value, box.checked) }), count = h("b", null, "0");
  return { box, count, line: h("li", null, h("label", { title }, box, h("span", null, visible(label)), " ", count)) };
}

const isFacetTerm = (term) => !term.negated && !term.compare && facets.some((each) => each.key === term.key);

function toggleValue(key, value, on) {
  const terms = readQuery(readState().q, FINDING_NAMES), own = (term) => term.key === key && !term.negated && !term.compare;
  const chosen = new Set(terms.filter(own).flatMap((term) => term.values));
  if (on) chosen.add(value);
  else chosen.delete(value);
  const rest = terms.filter((term) => !own(term)).map((term) => term.token);
  go({ q: [...rest, ...(chosen.size ? [`${key}:${[...chosen].map(quotedValue).join(",")}`] : [])].join(" "), p: 1, f: "" });
}

/** The distinct values of a list, without case: the values, and for each entry of the list its place among them. */
function distinct(list) {
  const places = new Map(), values = [];
  const at = list.map((each) => {
    const key = each.toLowerCase();
    if (!places.has(key)) places.set(key, values.push(each) - 1);
    return places.get(key);
  });
  return { values, at };
}

function typeFacet() {
  const names = new Map();
  const { values, at } = distinct(data.resources.types);
  const labels = values.map((type) => typeName(data.resources.types.indexOf(type)));
  for (const label of labels) names.set(label, (names.get(label) || 0) + 1);
  const label = (type, place) => (names.get(labels[place]) > 1 ? `${labels[place]} (${type.split("/")[0].replace(/^microsoft\./i, "")})` : labels[place]);
  return facet("type", values.map((type, place) => ({ value: "=" + type.toLowerCase(), label: label(type, place), title: plain(type) })), "type", at);
}

function subscriptionFacet() {
  const names = data.resources.subs.map((each) => each[1].toLowerCase());
  const isUnique = (name) => name && names.indexOf(name) === names.lastIndexOf(name) && !name.includes('"');
  return facet("sub", data.resources.subs.map(([id, name]) => ({ value: "=" + (isUnique(name.toLowerCase()) ? name.toLowerCase() : id), label: name || id, title: id })), "sub");
}

function tenantFacet() {
  const { values, at } = distinct(data.resources.subs.map((each) => each[3] || ""));
  return facet("tenant", values.map((name) => ({ value: "=" + name.toLowerCase(), label: name })), "sub", at);
}

function controlFacet() {
  const { values, at } = distinct(data.rules.flatMap(controlsOf));
  let from = 0;
  const places = data.rules.map((rule) => { const count = controlsOf(rule).length; from += count; return at.slice(from - count, from); });
  return facet("control", values.map((name) => ({ value: "=" + name.toLowerCase(), label: name })), "rule", places);
}

const WHOSE = ["customer", "shared", "microsoft", "another-tier"];

function responsibilityFacet() {
  return facet("responsibility", WHOSE.map((value) => ({ value, label: t("responsibility." + value.replace("-", "_")) })), "whose");
}

function makeFacets() {
  const category = data.rules.map((rule) => CATEGORIES.indexOf(rule.category));
  facets = [
    facet("severity", data.severities.map((value) => ({ value, label: t("severity." + value) })), "severity"),
    facet("status", data.statuses.map((value) => ({ value, label: t("status." + value) })), "status"),
    facet("category", CATEGORIES.map((value) => ({ value, label: categoryName(value) })), "rule", category),
    typeFacet(), ...(hasTenants() ? [tenantFacet()] : []), subscriptionFacet(), controlFacet(), responsibilityFacet(),
  ];
  const all = talliesOfAll(), total = facets.map((each) => countsOf(each, all[each.by]));
  facets.forEach((each, at) => {
    if (!["type", "tenant", "sub", "control"].includes(each.key)) return;
    each.order = each.values.map((_, place) => place).sort((a, b) => total[at][b] - total[at][a] || a - b);
  });
  return facets.map((each) => each.field);
}

/** Responsibility for each row. */
function whoseRows() {
  if (!rows.whose) {
    const ofRule = data.rules.map((rule) => WHOSE.indexOf(rule.responsibility));
    rows.whose = new Int8Array(rows.length);
    for (let row = 0; row < rows.own; row++) rows.whose[row] = WHOSE.indexOf(responsibilityOf(row));
    for (let row = rows.own; row < rows.length; row++) rows.whose[row] = ofRule[rows.rule[row]];
  }
  return rows.whose;
}

/** How many of some rows have each number of a column; the first count is that of -1. */
function tally(list, by) {
  if (by === "type" || by === "sub") return folded(tally(list, "resource"), by);
  const column = by === "whose" ? whoseRows() : rows[by], counts = new Int32Array(sizeOf(by) + 1);
  for (let at = 0; at < list.length; at++) counts[column[list[at]] + 1]++;
  return counts;
}

/** The counts of resources by their type or subscription. */
function folded(resources, by) {
  const column = data.resources[by], counts = new Int32Array(sizeOf(by) + 1);
  for (let at = 0; at < column.length; at++) counts[column[at] + 1] += resources[at + 1];
  return counts;
}

const sizeOf = (by) => ({ severity: data.severities.length, status: data.statuses.length, rule: data.rules.length, resource: data.resources.last.length, whose: WHOSE.length, type: data.resources.types.length, sub: data.resources.subs.length })[by];

function* tallies(list) {
  const resources = tally(list, "resource"), all = { type: folded(resources, "type"), sub: folded(resources, "sub") };
  for (const by of ["severity", "status", "rule", "whose"]) {
    yield;
    all[by] = tally(list, by);
  }
  return all;
}

let everyTally = null;
/** The counts of all rows; the first block brings them where it has not all rows. */
function talliesOfAll() {
  if (isPart()) everyTally = data.counts.tallies;
  return everyTally ||= atOnce(tallies(atOnce(selecting(rows.length, [], FINDING_KEYS))));
}

/** The counts of the values of a facet, from those of its column. */
function countsOf(each, tallied) {
  const counts = new Int32Array(each.values.length);
  for (let at = 1; at < tallied.length; at++) {
    if (!tallied[at]) continue;
    const place = each.places ? each.places[at - 1] : at - 1;
    if (typeof place === "number") { if (place >= 0) counts[place] += tallied[at]; } else for (const one of place) counts[one] += tallied[at];
  }
  return counts;
}

/**
 * The rows that match all terms (`hits`), in one pass with the counts of the facets (`counts`), in slices. A facet is
 * counted without its own terms, so that the number beside a value says what ticking it shows.
 */
function* selectingWithFacets(terms) {
  const base = yield* selecting(rows.length, terms.filter((term) => !isFacetTerm(term)), FINDING_KEYS);
  const tests = facets.map((each) => terms.filter((term) => isFacetTerm(term) && term.key === each.key).map((term) => FINDING_KEYS[term.key](term)));
  const active = tests.flatMap((list, at) => (list.length ? [at] : [])), misses = facets.map(() => []), hits = active.length ? [] : base;
  if (active.length) {
    const passes = tests.map((list) => (list.length === 1 ? list[0] : (row) => list.every((test) => test(row))));
    for (let place = 0; place < base.length; place++) {
      if (place % ROWS === 0) yield;
      const row = base[place];
      let failed = -1, many = 0;
      for (const at of active) if (!passes[at](row)) { failed = at; many++; }
      if (many === 0) hits.push(row);
      else if (many === 1) misses[failed].push(row);
    }
  }
  const all = terms.length ? yield* tallies(hits) : talliesOfAll(), counts = [];
  for (let at = 0; at < facets.length; at++) {
    const each = facets[at], own = countsOf(each, all[each.by]);
    if (misses[at].length) countsOf(each, tally(misses[at], each.by)).forEach((count, place) => { own[place] += count; });
    counts.push(own);
    yield;
  }
  return { hits, counts };
}

function showChosen(terms, counts) {
  facets.forEach((each, at) => {
    each.chosen = new Set(terms.filter((term) => isFacetTerm(term) && term.key === each.key).flatMap((term) => term.values));
    each.counts = counts[at];
    showFacet(each);
  });
}

/** Shows the values that are used or chosen. A box is made when it is first shown. */
function showFacet(each) {
  let shown = 0, more = 0, before = null;
  for (const place of each.order || each.values.keys()) {
    const isChosen = each.chosen.has(each.values[place].value), isUsed = each.counts[place] > 0 || isChosen;
    const isShown = isUsed && (isChosen || each.all || !each.order || shown < FACET_SHOWN);
    if (isShown) shown++;
    else if (isUsed) more++;
    if (isShown && !each.boxes[place]) {
      const made = each.boxes[place] = facetBox(each.key, each.values[place]);
      if (before) before.after(made.line);
      else each.list.prepend(made.line);
    }
    if (!each.boxes[place]) continue;
    const { box, count, line } = each.boxes[place];
    box.checked = isChosen;
    line.hidden = !isShown;
    count.textContent = number(each.counts[place]);
    before = line;
  }
  each.field.hidden = shown === 0;
  each.more.hidden = !(more || (each.all && shown > FACET_SHOWN));
  each.more.textContent = each.all ? t("facet.fewer") : t("facet.more", more);
  each.more.setAttribute("aria-expanded", String(each.all));
}
