// Facets: the values of the result with their counts, as boxes to tick. They write into the filter and are read from it.
const FACET_SHOWN = 7;
const CATEGORIES = ["anonymous-access", "authentication", "network", "transport", "encryption", "recovery", "residency", "governance", "logging"];
let facets = [];

const quotedValue = (value) => (/[\s,"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value);

/** A facet: `values` are {value, label, title}, `of(row)` the numbers of the values of a row. */
function facet(key, values, of) {
  const made = { key, values, of, all: false, boxes: [], counts: new Int32Array(values.length) };
  made.more = h("button", { type: "button", class: "link", hidden: true, click: () => { made.all = !made.all; showFacet(made); } }, t("facet.more"));
  made.boxes = values.map(({ value, label, title }) => {
    const box = h("input", { type: "checkbox", change: () => toggleValue(key, value, box.checked) }), count = h("b", null, "0");
    return { box, count, line: h("li", { hidden: true }, h("label", { title }, box, h("span", null, visible(label)), " ", count)) };
  });
  made.field = h("fieldset", { class: "facet" }, h("legend", null, t("facet." + key)), h("ul", null, made.boxes.map((each) => each.line)), made.more);
  return made;
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
  return facet("type", values.map((type, place) => ({ value: "=" + type.toLowerCase(), label: label(type, place), title: plain(type) })), (row) => at[data.resources.type[rows.resource[row]]]);
}

function subscriptionFacet() {
  const names = data.resources.subs.map((each) => each[1].toLowerCase());
  const isUnique = (name) => name && names.indexOf(name) === names.lastIndexOf(name) && !name.includes('"');
  return facet("sub", data.resources.subs.map(([id, name]) => ({ value: "=" + (isUnique(name.toLowerCase()) ? name.toLowerCase() : id), label: name || id, title: id })), (row) => data.resources.sub[rows.resource[row]]);
}

function controlFacet() {
  const { values, at } = distinct(data.rules.flatMap(controlsOf));
  let from = 0;
  const places = data.rules.map((rule) => { const count = controlsOf(rule).length; from += count; return at.slice(from - count, from); });
  return facet("control", values.map((name) => ({ value: "=" + name.toLowerCase(), label: name })), (row) => places[rows.rule[row]]);
}

function responsibilityFacet() {
  const whose = ["customer", "shared", "microsoft"];
  return facet("responsibility", whose.map((value) => ({ value, label: t("responsibility." + value) })), (row) => whose.indexOf(responsibilityOf(row)));
}

function makeFacets() {
  const category = data.rules.map((rule) => CATEGORIES.indexOf(rule.category));
  facets = [
    facet("severity", data.severities.map((value) => ({ value, label: t("severity." + value) })), (row) => rows.severity[row]),
    facet("status", data.statuses.map((value) => ({ value, label: t("status." + value) })), (row) => rows.status[row]),
    facet("category", CATEGORIES.map((value) => ({ value, label: value })), (row) => category[rows.rule[row]]),
    typeFacet(), subscriptionFacet(), controlFacet(), responsibilityFacet(),
  ];
  const total = facets.map((each) => { const counts = new Int32Array(each.values.length); for (let row = 0; row < rows.length; row++) countRow(each, counts, row); return counts; });
  facets.forEach((each, at) => {
    if (!["type", "sub", "control"].includes(each.key)) return;
    const order = each.boxes.map((_, place) => place).sort((a, b) => total[at][b] - total[at][a] || a - b);
    each.order = order;
    each.field.querySelector("ul").append(...order.map((place) => each.boxes[place].line));
  });
  return facets.map((each) => each.field);
}

function countRow(each, counts, row) {
  const of = each.of(row);
  if (typeof of === "number") { if (of >= 0) counts[of]++; } else for (const place of of) counts[place]++;
}

/**
 * The rows that match all terms, in one pass with the counts of the facets. A facet is counted without its own terms, so
 * that the number beside a value says what ticking it shows.
 */
function selectWithFacets(terms) {
  const base = select(rows.length, terms.filter((term) => !isFacetTerm(term)), FINDING_KEYS);
  const tests = facets.map((each) => terms.filter((term) => isFacetTerm(term) && term.key === each.key).map((term) => FINDING_KEYS[term.key](term)));
  const active = tests.flatMap((list, at) => (list.length ? [at] : []));
  const counts = facets.map((each) => new Int32Array(each.values.length)), hits = [];
  for (const row of base) {
    let failed = -1, misses = 0;
    for (const at of active) if (!tests[at].every((test) => test(row))) { failed = at; misses++; }
    if (misses === 0) hits.push(row);
    else if (misses === 1) countRow(facets[failed], counts[failed], row);
  }
  facets.forEach((each, at) => { for (const row of hits) countRow(each, counts[at], row); });
  facets.forEach((each, at) => {
    const chosen = new Set(terms.filter((term) => isFacetTerm(term) && term.key === each.key).flatMap((term) => term.values));
    each.counts = counts[at];
    each.boxes.forEach(({ box }, place) => { box.checked = chosen.has(each.values[place].value); });
    showFacet(each);
  });
  return hits;
}

function showFacet(each) {
  let shown = 0, more = 0;
  for (const place of each.order || each.boxes.keys()) {
    const { box, count, line } = each.boxes[place], isUsed = each.counts[place] > 0 || box.checked;
    const fits = box.checked || each.all || !each.order || shown < FACET_SHOWN;
    line.hidden = !(isUsed && fits);
    if (isUsed && fits) shown++;
    else if (isUsed) more++;
    count.textContent = number(each.counts[place]);
  }
  each.field.hidden = shown === 0;
  each.more.hidden = !(more || (each.all && shown > FACET_SHOWN));
  each.more.textContent = each.all ? t("facet.fewer") : t("facet.more", more);
  each.more.setAttribute("aria-expanded", String(each.all));
}
