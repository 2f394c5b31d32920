// The view of findings: filter, facets, groups, the table, its pages.
const tools = {};

function choice(id, values, label, change) {
  const select = h("select", { id, change: () => change(select.value) }, values.map(([value, word]) => h("option", { value }, word)));
  return { select, field: h("div", { class: "field" }, h("label", { for: id }, label), select) };
}

function makeTools() {
  tools.filter = h("input", { id: "filter", type: "search", autocomplete: "off", spellcheck: "false", "aria-describedby": "filter-help", input: () => go({ q: tools.filter.value, p: 1, f: "" }, true) });
  const group = choice("group", GROUPS.map((name) => [name, t("group." + name)]), t("findings.group"), (value) => go({ group: value, p: 1, f: "" }));
  const size = choice("size", SIZES.map((each) => [String(each), number(each)]), t("findings.size"), (value) => go({ n: Number(value), p: 1 }));
  tools.group = group.select;
  tools.size = size.select;
  tools.status = h("p", { class: "status", role: "status" });
  tools.facetList = h("div", { class: "facet-list" });
  const wide = matchMedia("(min-width: 901px)");
  tools.facets = h("details", { class: "facets", open: wide.matches }, h("summary", null, t("facet.heading")), tools.facetList);
  wide.addEventListener("change", () => { tools.facets.open = wide.matches; });
  byId("finding-tools").replaceChildren(
    h("div", { class: "filter-line" }, h("div", { class: "field grow" }, h("label", { for: "filter" }, t("findings.filter")), tools.filter), group.field, size.field),
    h("p", { class: "filter-help", id: "filter-help" }, data.history ? t("findings.help_history", null, { day: data.taken.slice(0, 10) }) : t("findings.help")));
  byId("finding-facets").replaceChildren(tools.facets);
  byId("finding-head").replaceChildren(tools.status, makeSelection());
}

function showCounts(hits, terms) {
  const counts = (hits.length === rows.length ? talliesOfAll().status : tally(hits, "status")).slice(1);
  const named = { fail: FAIL, unknown: UNKNOWN, waived: WAIVED, pass: PASS };
  const values = Object.fromEntries(Object.entries(named).map(([name, at]) => [name, number(counts[at])]));
  const status = t("findings.status", hits.length, { all: t("count.findings", rows.length), ...values });
  const more = [counts[ERROR] && t("findings.errors", counts[ERROR]), counts[NOT_APPLICABLE] && t("findings.not_applicable", counts[NOT_APPLICABLE])].filter(Boolean);
  const noKeys = terms.filter((term) => term.noKey).map((term) => t("findings.no_key", null, { key: plain(term.noKey) }));
  tools.status.textContent = [[status, ...more].join(", ") + ".", ...noKeys].join(" ");
}

function renderFindings(state) {
  if (document.activeElement !== tools.filter) tools.filter.value = state.q;
  tools.group.value = state.group;
  tools.size.value = String(state.n);
  const target = byId("finding-list"), sort = document.activeElement?.dataset.sort;
  shownRows = [];
  byId("findings").classList.toggle("single", state.f !== "");
  if (state.f) renderOne(target, state);
  else renderList(target, state);
  if (sort) target.querySelector(`button[data-sort="${sort}"]`)?.focus();
  showSelection();
}

function showFacets() {
  if (!facets.length) tools.facetList.append(...makeFacets());
}

function renderList(target, state) {
  showFacets();
  const terms = readQuery(state.q, FINDING_NAMES);
  const { hits, counts } = selections.get("findings");
  found = hits;
  showChosen(terms, counts);
  showCounts(found, terms);
  if (!found.length) return renderNothing(target, state);
  if (state.group === "none") return renderPage(target, sorted(found, state.sort), state);
  const { page, pages, list } = pageOf(selections.get("findings").groups, state);
  drawGroups(target, list, state.group, state);
  return pages > 1 && target.append(pager(page, pages, state));
}

function pageOf(entries, state) {
  const pages = Math.ceil(entries.length / state.n), page = Math.min(state.p, pages);
  return { page, pages, list: entries.slice((page - 1) * state.n, page * state.n) };
}

/** The lines of the list. Of the first block only the first page is there; rows in one line are as many times the first of them. */
function linesOf(hits, state) {
  if (isPart()) return Object.assign(new Array(data.counts.entries), data.counts.lines.map(([row, count]) => (isInfo(row) ? new Array(count).fill(row) : row)));
  return state.q || state.sort !== "severity" ? hits : entriesOf(hits);
}

function renderPage(target, hits, state) {
  const { page, pages, list } = pageOf(linesOf(hits, state), state);
  target.replaceChildren(findingsTable(bodiesOf(list.map((entry) => (Array.isArray(entry) ? infoSection(entry, state) : entry))), state.sort));
  if (pages > 1) target.append(pager(page, pages, state));
}

/** The numbers of pages that are shown: the first, the last, and those around the current one; 0 for a gap. */
function pageNumbers(page, pages) {
  const wanted = [...new Set([1, 2, page - 1, page, page + 1, pages - 1, pages])].filter((each) => each >= 1 && each <= pages).sort((a, b) => a - b);
  return wanted.flatMap((each, at) => (at && each - wanted[at - 1] === 2 ? [each - 1, each] : at && each - wanted[at - 1] > 2 ? [0, each] : [each]));
}

function pager(page, pages, state) {
  const turn = (to) => (event) => { event.preventDefault(); go({ p: to }); byId("finding-list").focus({ preventScroll: true }); byId("finding-head").scrollIntoView(); };
  const link = (to, word, label, current) => h("li", null, h("a", { href: hashOf({ ...state, p: to }), "aria-label": label, "aria-current": current ? "page" : null, click: turn(to) }, word));
  const end = (to, word) => (to < 1 || to > pages ? h("li", null, h("span", { class: "off" }, t(word))) : link(to, t(word)));
  return h("nav", { class: "pager", "aria-label": t("findings.pages") }, h("ul", null, end(page - 1, "findings.previous"),
    pageNumbers(page, pages).map((each) => (each ? link(each, number(each), t("findings.page", null, { n: number(each) }), each === page) : h("li", null, "…"))), end(page + 1, "findings.next")));
}

function renderNothing(target, state) {
  if (!state.q) return target.replaceChildren(h("p", { class: "nothing" }, t("count.findings", 0)));
  return target.replaceChildren(h("div", { class: "nothing" }, h("p", null, h("b", null, t("findings.none"))),
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
  const all = h("p", { class: "act" }, t("findings.one"), " ", h("a", { href: hashOf({ ...state, f: "" }) }, t("findings.all")));
  if (row < 0) return target.replaceChildren(h("p", { class: "nothing" }, t("findings.none")), all);
  return target.replaceChildren(all, findingsTable([h("tbody", null, findingRow(row, true))], state.sort));
}
