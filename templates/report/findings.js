// The view of findings: filter, groups, order, pages.
const PAGE = 100;
const CATEGORIES = ["anonymous-access", "authentication", "network", "transport", "encryption", "recovery", "residency", "governance", "logging"];
const tools = {};

function choice(id, key, values, label) {
  const select = h("select", { id, change: () => go({ [key]: select.value, p: 1, f: "" }) }, values.map((value) => h("option", { value }, t(`${key}.${value}`))));
  return { select, field: h("div", { class: "field" }, h("label", { for: id }, label), select) };
}

function makeTools() {
  tools.filter = h("input", { id: "filter", type: "search", autocomplete: "off", spellcheck: "false", input: () => go({ q: tools.filter.value, p: 1, f: "" }, true) });
  const group = choice("group", "group", GROUPS, t("findings.group"));
  const sort = choice("sort", "sort", data.history ? SORTS : SORTS.slice(0, 3), t("findings.sort"));
  tools.group = group.select;
  tools.sort = sort.select;
  tools.categories = new Map(CATEGORIES.map((name) => [name, h("button", { type: "button", class: "toggle", "aria-pressed": "false", click: () => toggleCategory(name) }, name, " ", h("b", null, "0"))]));
  tools.status = h("p", { class: "status", role: "status" });
  byId("finding-tools").replaceChildren(
    h("div", { class: "filter-line" }, h("div", { class: "field grow" }, h("label", { for: "filter" }, data.history ? t("findings.filter_history", null, { day: data.taken.slice(0, 10) }) : t("findings.filter")), tools.filter), group.field, sort.field),
    h("div", { class: "toggles", role: "group", "aria-label": t("findings.categories") }, [...tools.categories.values()]), tools.status);
}

const categoryTerm = (term) => term.key === "category" && !term.negated && !term.compare;

function toggleCategory(name) {
  const terms = readQuery(readState().q, FINDING_NAMES);
  const chosen = new Set(terms.filter(categoryTerm).flatMap((term) => term.values));
  if (!chosen.delete(name)) chosen.add(name);
  const rest = terms.filter((term) => !categoryTerm(term)).map((term) => term.token);
  go({ q: [...rest, ...(chosen.size ? ["category:" + [...chosen].join(",")] : [])].join(" "), p: 1, f: "" });
}

/** Row order: the rows arrive by status, severity, rule, resource; the other orders are made from that one. */
function sorted(hits, sort) {
  if (sort === "severity") return hits;
  if (sort === "rule") return [...hits].sort((a, b) => (ruleOf(a).id < ruleOf(b).id ? -1 : ruleOf(a).id > ruleOf(b).id ? 1 : a - b));
  if (sort === "newest") {
    const since = (row) => (row < rows.own ? data.strings[data.findings.since[row]] : "");
    return [...hits].sort((a, b) => isNew(b) - isNew(a) || (since(a) < since(b) ? 1 : since(a) > since(b) ? -1 : a - b));
  }
  const rank = resourceRanks();
  return [...hits].sort((a, b) => rank[rows.resource[a]] - rank[rows.resource[b]] || a - b);
}

let ranks = null;
function resourceRanks() {
  if (!ranks) {
    const ids = data.resources.last.map((_, at) => idOf(at).toLowerCase());
    const order = ids.map((_, at) => at).sort((a, b) => (ids[a] < ids[b] ? -1 : ids[a] > ids[b] ? 1 : 0));
    ranks = new Int32Array(order.length);
    order.forEach((at, rank) => { ranks[at] = rank; });
  }
  return ranks;
}

function showCounts(hits, terms) {
  const counts = data.statuses.map(() => 0), byCategory = new Map(CATEGORIES.map((name) => [name, 0]));
  const categories = data.rules.map((rule) => rule.category);
  for (const row of hits) {
    counts[rows.status[row]]++;
    byCategory.set(categories[rows.rule[row]], (byCategory.get(categories[rows.rule[row]]) || 0) + 1);
  }
  const pressed = new Set(terms.filter(categoryTerm).flatMap((term) => term.values));
  for (const [name, button] of tools.categories) {
    button.lastChild.textContent = number(byCategory.get(name));
    button.setAttribute("aria-pressed", String(pressed.has(name)));
  }
  const named = { fail: FAIL, unknown: UNKNOWN, waived: WAIVED, pass: PASS };
  const values = Object.fromEntries(Object.entries(named).map(([name, at]) => [name, number(counts[at])]));
  const status = t("findings.status", hits.length, { all: t("count.findings", rows.length), ...values });
  const more = [counts[ERROR] && t("findings.errors", counts[ERROR]), counts[NOT_APPLICABLE] && t("findings.not_applicable", counts[NOT_APPLICABLE])].filter(Boolean);
  const noKeys = terms.filter((term) => term.noKey).map((term) => t("findings.no_key", null, { key: plain(term.noKey) }));
  tools.status.textContent = [[status, ...more].join(", ") + ".", ...noKeys].join(" ");
}

let found = [];
function renderFindings(state) {
  if (document.activeElement !== tools.filter) tools.filter.value = state.q;
  tools.group.value = state.group;
  tools.sort.value = state.sort;
  const target = byId("finding-list");
  if (state.f) return renderOne(target, state);
  const terms = readQuery(state.q, FINDING_NAMES);
  found = select(rows.length, terms, FINDING_KEYS);
  showCounts(found, terms);
  if (!found.length) return renderNothing(target, state);
  if (state.group === "none") return renderPage(target, sorted(found, state.sort), state);
  const groups = makeGroups(found, state.group);
  const pages = Math.ceil(groups.length / PAGE), page = Math.min(state.p, pages);
  const shownGroups = groups.slice((page - 1) * PAGE, page * PAGE).map((list) => sorted(list, state.sort));
  drawGroups(target, shownGroups, state.group, state);
  if (pages > 1) target.append(pager(page, pages));
}

function renderPage(target, hits, state) {
  const entries = state.q || state.sort !== "severity" ? hits : entriesOf(hits);
  const pages = Math.ceil(entries.length / PAGE), page = Math.min(state.p, pages);
  target.replaceChildren(...entries.slice((page - 1) * PAGE, page * PAGE).map((entry) => (Array.isArray(entry) ? infoSection(entry, state) : findingCard(entry))));
  if (pages > 1) target.append(pager(page, pages));
}

function pager(page, pages) {
  const step = (to, word) => h("button", { type: "button", disabled: to < 1 || to > pages, click: () => { go({ p: to }); byId("finding-list").scrollIntoView(); } }, t(word));
  return h("nav", { class: "pager", "aria-label": t("findings.pages") }, step(page - 1, "findings.previous"), h("span", null, t("findings.page", null, { n: number(page), all: number(pages) })), step(page + 1, "findings.next"));
}

function renderNothing(target, state) {
  if (!state.q) return target.replaceChildren(h("p", { class: "nothing" }, t("count.findings", 0)));
  target.replaceChildren(h("div", { class: "nothing" }, h("p", null, h("b", null, t("findings.none"))),
    h("p", null, t("findings.checked", null, { n: t("count.findings", rows.length) })),
    h("button", { type: "button", click: () => go({ q: "", p: 1 }) }, t("findings.clear"))));
}

function rowWith(mark) {
  if (!/^[0-9a-f]{1,16}$/.test(mark)) return -1;
  const all = data.findings.fingerprint;
  for (let row = 0; row < rows.own; row++) if (all.startsWith(mark, row * 16)) return row;
  return -1;
}

function renderOne(target, state) {
  const row = rowWith(state.f);
  found = row < 0 ? [] : [row];
  showCounts(found, []);
  const all = h("p", null, t("findings.one"), " ", h("a", { href: hashOf({ ...state, f: "" }) }, t("findings.all")));
  if (row < 0) return target.replaceChildren(h("p", { class: "nothing" }, t("findings.none")), all);
  target.replaceChildren(all, findingCard(row, { open: true }));
}
