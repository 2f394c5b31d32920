// Findings in groups: a line with counts each; a group's rows are drawn when it is opened.
const FOLDED_FROM = 30;
const CARDS = 100;

const GROUP_KEYS = {
  type: { of: (row) => data.resources.type[rows.resource[row]], name: (row) => typeOf(rows.resource[row]), term: (row) => `status:fail severity:info type:"${typeOf(rows.resource[row])}"` },
  rule: { of: (row) => rows.rule[row], name: (row) => ruleOf(row).title || ruleOf(row).id, term: (row) => `rule:${ruleOf(row).id}` },
  resource: { of: (row) => rows.resource[row], name: (row) => pathOf(rows.resource[row]), term: (row) => `"${idOf(rows.resource[row]).replaceAll('"', "")}"` },
  subscription: { of: (row) => data.resources.sub[rows.resource[row]], name: (row) => subOf(rows.resource[row])[1], term: (row) => `sub:${subOf(rows.resource[row])[0]}` },
  category: { of: (row) => ruleOf(row).category, name: (row) => categoryName(ruleOf(row).category || ""), term: (row) => `category:${ruleOf(row).category}` },
};

/** Groups in the order of their worst finding, in slices; `hits` are in the default order. */
function* grouping(hits, key) {
  const groups = new Map();
  for (let at = 0; at < hits.length; at++) {
    if (at % ROWS === 0) yield;
    const row = hits[at], value = GROUP_KEYS[key].of(row);
    const group = groups.get(value);
    if (group) group.push(row);
    else groups.set(value, [row]);
  }
  return [...groups.values()];
}

const groupsCounted = new WeakMap();
/** Counts groups, one a slice. */
function* counting(lists, key) {
  for (const list of lists) {
    groupCounts(list, key);
    yield;
  }
}

function groupCounts(list, key) {
  if (!groupsCounted.has(list)) groupsCounted.set(list, countsOfGroup(list, key));
  return groupsCounted.get(list);
}

function countsOfGroup(list, key) {
  const failed = list.filter((row) => rows.status[row] === FAIL);
  const worst = failed.reduce((best, row) => (rows.severity[row] >= 0 && (best < 0 || rows.severity[row] < best) ? rows.severity[row] : best), -1);
  return { failed: failed.length, worst: data.severities[worst], commands: key === "rule" ? [...new Set(failed.slice(0, 1000).map(commandOf).filter(Boolean))] : [] };
}

/** The body of a group of rows (`list`); `from` is the group in the default order. */
function groupBody(list, key, draw, from = list) {
  const first = list[0], { failed, worst, commands: fixes } = groupCounts(from, key);
  const button = h("button", { type: "button", class: "fold", "aria-expanded": "false" }, visible(GROUP_KEYS[key].name(first) || t("findings.none_group")));
  const head = h("tr", { class: "group-head" }, h("td", { colspan: columnsOf().length }, h("div", { class: "group-line" },
    h("span", { class: "group-name" }, button, key === "rule" && h("small", null, mono(ruleOf(first).id))),
    worst && badge(worst, t("severity." + worst)), h("span", null, separated([t("count.findings", list.length), t("count.failed", failed)])),
    key === "rule" && fixes.length > 0 && h("button", { type: "button", class: "copy-all", click: () => whenWhole(() => copyScript(from)) }, t("findings.copy_commands", fixes.length)))));
  const group = { body: h("tbody", { class: "group" }, head), head, button, list, open: false };
  button.addEventListener("click", () => draw(group, !group.open));
  return group;
}

/** Draws the rows of a group, or takes them away. */
function drawGroup(group, key, state, open) {
  group.open = open;
  group.button.setAttribute("aria-expanded", String(open));
  shownRows = shownRows.filter((row) => !group.list.includes(row));
  group.body.replaceChildren(group.head);
  if (open) {
    const kept = group.list.slice(0, CARDS), rest = group.list.length - kept.length;
    group.body.append(...kept.flatMap((row) => findingRow(row)));
    const q = [state.q, GROUP_KEYS[key].term(group.list[0])].filter(Boolean).join(" ");
    if (rest) group.body.append(h("tr", null, h("td", { colspan: columnsOf().length }, h("a", { href: hashOf({ ...state, q, group: "none", p: 1 }) }, t("findings.group_more", rest)))));
  }
  showSelection();
}

const isInfo = (row) => rows.status[row] === FAIL && data.severities[rows.severity[row]] === "info";

/** The entries of a list: rows, and the failures of severity info as one list a type, where the first of them stood. */
function entriesOf(hits) {
  const entries = [], types = new Map();
  for (let at = 0; at < hits.length; at++) {
    const row = hits[at];
    // Only own rows can have failed; they come first.
    if (row >= rows.own) return entries.concat(hits.slice(at));
    const type = GROUP_KEYS.type.of(row);
    if (!isInfo(row)) entries.push(row);
    else if (types.has(type)) types.get(type).push(row);
    else entries.push(types.set(type, [row]).get(type));
  }
  return entries;
}

/** One closed line for the failures of severity info on a type. */
function infoSection(list, state) {
  const draw = (group, open) => whenWhole(() => {
    if (group.list.length > 1 && group.list[1] === group.list[0]) group.list = infoFrom(group.list[0]);
    drawGroup(group, "type", state, open);
  });
  return groupBody(list, "type", draw).body;
}

/** The failures of severity info on the type of a row, which is the first of them. */
function infoFrom(first) {
  const type = GROUP_KEYS.type.of(first), list = [];
  for (let row = first; row < rows.own && rows.status[row] === FAIL; row++) if (isInfo(row) && GROUP_KEYS.type.of(row) === type) list.push(row);
  return list;
}

/** Draws groups, each sorted; at most a hundred rows are open at a time, the group that was opened first folds first. */
function drawGroups(target, groups, key, state) {
  const opened = [];
  const size = (group) => Math.min(group.list.length, CARDS);
  const draw = (group, open) => {
    if (!open) opened.splice(opened.indexOf(group), 1);
    else {
      while (opened.length && opened.reduce((sum, each) => sum + size(each), size(group)) > CARDS) draw(opened[0], false);
      opened.push(group);
    }
    drawGroup(group, key, state, open);
  };
  const made = groups.map((list) => groupBody(sorted(list, state.sort), key, draw, list));
  target.replaceChildren(findingsTable(made.map((group) => group.body), state.sort));
  if (groups.length > FOLDED_FROM) return;
  let room = CARDS;
  for (const group of made) {
    if (room < size(group)) break;
    room -= size(group);
    draw(group, true);
  }
  if (!opened.length && made.length) draw(made[0], true);
}
