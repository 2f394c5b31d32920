// The exposure map: sources on the left, entries in the middle, subscriptions, networks, types and resources on the right.
// The picture is drawn again at each fold. Narrow pages show the list, which has the same nodes.
const MAP = { width: 1200, row: 30, gap: 5, top: 26, indent: 16, columns: [{ x: 0, width: 222 }, { x: 362, width: 290 }, { x: 885, width: 315 }] };
const ROWS_AT_FIRST = 40, ENTRIES_AT_FIRST = 18, KIDS_AT_ONCE = 60, LISTED_AT_ONCE = 200;
const unfolded = new Set();
let mapFocus = "";

const mapLook = (node) => RATINGS[node.worst] || "closed";
const mapWord = (rating) => ratingWord(rating).toLowerCase();
const mapCounts = (node) => [...node.ratings].map((count, at) => [count, RATINGS[at]]).filter(([count]) => count);
const mapQuery = (node) => node.terms.join(" ");
/** The name of a node, with what tells it from others of that name. */
const edgeName = (node) => plain(node.label) + (node.note ? ` (${plain(node.note)})` : "");
const mapSays = (node) => `${edgeName(node)}: ${t("count.endpoints", node.count)}: ${mapCounts(node).map(([count, rating]) => `${number(count)} ${mapWord(rating)}`).join(", ")}`;

/** Unfolds the most severe nodes of each level while there is room. */
function unfoldAtFirst(root, room, depth) {
  let shown = root.kids.size, level = root.sorted;
  for (let at = 0; at < depth; at++) {
    const next = [];
    for (const node of level) {
      if (node.kids.size < 1 || shown + Math.min(node.kids.size, KIDS_AT_ONCE) > room) continue;
      unfolded.add(node);
      shown += Math.min(node.kids.size, KIDS_AT_ONCE);
      next.push(...node.sorted);
    }
    level = next;
  }
}

/** The rows that are seen of a tree: nodes, and a row for those that are too many. `parent`: where the edges of a folded node end. */
function seenRows(root) {
  const found = [];
  const walk = (node, level) => {
    const kids = node.sorted, limit = node === root ? LISTED_AT_ONCE : KIDS_AT_ONCE;
    for (const kid of kids.slice(0, limit)) {
      found.push({ node: kid, level });
      if (unfolded.has(kid)) walk(kid, level + 1);
    }
    if (kids.length > limit) found.push({ rest: kids.length - limit, node, level });
  };
  walk(root, 0);
  return found;
}

/** The texts of a row are measured once; a name that is too long loses its middle, because its ends tell names apart. */
const mapWidths = new Map();
let mapFont = "";
function textWidth(text) {
  if (!mapFont) mapFont = `13px ${getComputedStyle(document.documentElement).getPropertyValue("--sans")}`;
  if (!mapWidths.has(text)) {
    pen.font = mapFont;
    mapWidths.set(text, pen.measureText(text).width);
  }
  return mapWidths.get(text);
}

function shortened(text, room) {
  if (textWidth(text) <= room) return text;
  let keep = Math.max(4, Math.floor(text.length * room / textWidth(text)) - 1);
  const cut = () => text.slice(0, Math.ceil(keep / 2)) + "…" + text.slice(text.length - Math.floor(keep / 2));
  while (keep > 4 && textWidth(cut()) > room) keep--;
  return cut();
}

/** Counts by severity at the right end of a row: the worst with its word, others with their shapes while the name has room. Returns where they begin. */
function drawCounts(node, end, y, room, parts) {
  const shown = mapCounts(node).slice(0, 4);
  const texts = shown.map(([count, rating], at) => (at ? number(count) : `${number(count)} ${mapWord(rating)}`));
  const size = () => texts.reduce((sum, each) => sum + textWidth(each) + 26, 0);
  while (texts.length > 1 && size() > room) texts.pop();
  if (size() > room) texts[0] = number(shown[0][0]);
  // The name comes first; the colour of the row says the worst.
  if (size() > room) texts.pop();
  let x = end;
  for (let at = texts.length - 1; at >= 0; at--) {
    const label = texts[at], [, rating] = shown[at];
    x -= textWidth(label) + 20;
    parts.push(s("g", { class: rating + " map-count" }, s("use", { href: "#i-" + rating, x, y: y + 9, width: 12, height: 12 }), s("text", { x: x + 16, y: y + 20 }, label)));
    x -= 6;
  }
  return x;
}

/** A row as two things that act: the name folds or opens, the number at the end filters the endpoints. */
const NOTE_ROOM = 64;
function drawRow(row, column, y) {
  const { node } = row, x = column.x + row.level * MAP.indent, width = column.width - row.level * MAP.indent;
  if (row.rest) return drawRest(row, x, y, width);
  const parts = [], folds = node.kids.size > 0, href = linkTo("endpoints", mapQuery(node));
  const all = number(node.count), allWidth = textWidth(all) + 34, right = x + width - allWidth;
  const bold = row.level ? 1 : 1.1, nameAt = x + (folds ? 26 : 14), label = plain(node.label), note = node.note && plain(node.note);
  // What tells equal names apart comes before the word of a count.
  const forNote = note ? Math.min(textWidth(note), NOTE_ROOM) + 8 : 0;
  const countsAt = drawCounts(node, right - 8, y, right - nameAt - textWidth(label) * bold - 14 - forNote, parts);
  const name = shortened(label, (countsAt - nameAt - 6) / bold);
  const noteRoom = countsAt - nameAt - textWidth(name) * bold - 12;
  const total = [s("text", { class: "map-name", x: x + width - 22, y: y + 20, "text-anchor": "end" }, all), s("path", { class: "map-arrow", d: `M${x + width - 15} ${y + 10}l5 5-5 5` })];
  // What acts has its label and no text, because a picture of a name, cut and with counts, is no name to read aloud.
  const inside = [
    s("rect", { class: "map-box", x, y, width: folds ? width - allWidth : width, height: MAP.row, rx: 5 }),
    s("rect", { class: "map-mark", x, y, width: 5, height: MAP.row, rx: 2 }),
    folds && s("path", { class: "map-fold", d: unfolded.has(node) ? `M${x + 11} ${y + 12}h10l-5 7z` : `M${x + 13} ${y + 10}v10l7-5z` }),
  ];
  const says = mapSays(node), own = { tabindex: "-1", "aria-label": says, "data-node": "fold " + node.key };
  const body = folds
    ? s("g", { ...own, role: "button", "aria-expanded": String(unfolded.has(node)), click: () => fold(node), keydown: (event) => foldByKey(event, node) }, inside)
    : s("a", { ...own, href }, inside);
  const link = folds && s("a", { href, tabindex: "-1", class: "map-all", "aria-label": t("map.show", node.count, { name: label }), "data-node": "show " + node.key },
    s("rect", { class: "map-box", x: right + 3, y, width: allWidth - 3, height: MAP.row, rx: 5 }));
  const texts = s("g", { class: "map-texts", "aria-hidden": "true" },
    s("text", { class: "map-name", x: nameAt, y: y + 20 }, name),
    note && noteRoom > 40 && s("text", { class: "map-note", x: nameAt + textWidth(name) * bold + 8, y: y + 20 }, shortened(note, noteRoom)),
    parts, total);
  return s("g", { class: `map-row ${mapLook(node)} level-${row.level}` }, s("title", null, says), body, link, texts);
}

function drawRest({ node, rest }, x, y, width) {
  const label = t("map.rest", rest);
  return s("g", { class: "map-row rest" }, s("a", { href: linkTo("endpoints", mapQuery(node)), tabindex: "-1", "aria-label": label, "data-node": "rest " + node.key },
    s("rect", { class: "map-box", x, y, width, height: MAP.row, rx: 5 }), s("text", { class: "map-name", x: x + 14, y: y + 20 }, label)));
}

function fold(node) {
  if (!unfolded.delete(node)) unfolded.add(node);
  mapFocus = "fold " + node.key;
  drawMap();
}

function foldByKey(event, node) {
  if (event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  event.stopPropagation();
  fold(node);
}

function drawMap() {
  const model = modelOfMap(), roots = [model.sources, model.entries, model.places], places = new Map(), rows = [];
  let height = 0, at = 0;
  roots.forEach((root, side) => {
    const column = MAP.columns[side];
    let y = MAP.top;
    for (const row of seenRows(root)) {
      const element = drawRow(row, column, y);
      rows.push(element);
      if (!row.rest) {
        element.dataset.at = at;
        places.set(row.node, { at: at++, side, node: row.node, level: row.level, start: column.x + row.level * MAP.indent, end: column.x + column.width, y: y + MAP.row / 2 });
      }
      y += MAP.row + MAP.gap;
    }
    height = Math.max(height, y);
  });
  const heads = ["from", "through", "to"].map((name, side) => s("text", { class: "map-head", x: MAP.columns[side].x, y: 14 }, t("map." + name)));
  const picture = s("svg", { viewBox: `-1 0 ${MAP.width + 2} ${height}`, width: MAP.width, height, role: "group", "aria-label": t("map.label"), keydown: moveOnMap, focusin: stopAt, pointerover: lightEdges },
    s("g", { class: "map-heads" }, heads), drawEdges(places, height), rows);
  byId("map-picture").replaceChildren(picture);
  const stops = [...picture.querySelectorAll("[data-node]")], focused = stops.find((each) => each.dataset.node === mapFocus);
  (focused || stops[0])?.setAttribute("tabindex", "0");
  if (focused) focused.focus();
}

/** The one stop of Tab in the picture is what was focused last. */
function stopAt(event) {
  const target = event.target.closest("[data-node]");
  if (!target) return;
  for (const each of event.currentTarget.querySelectorAll('[tabindex="0"]')) each.setAttribute("tabindex", "-1");
  target.setAttribute("tabindex", "0");
  mapFocus = target.dataset.node;
  lightEdges(event);
}

/** Arrow keys go to the nearest stop in their direction. */
function moveOnMap(event) {
  const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] || [0, 0];
  const here = document.activeElement.closest("[data-node]");
  if (!here || (!dx && !dy) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const middle = (element) => { const box = element.getBoundingClientRect(); return { x: dx ? box.left + box.width / 2 : box.left, y: box.top + box.height / 2 }; };
  const own = middle(here);
  let best = null, least = Infinity;
  for (const each of event.currentTarget.querySelectorAll("[data-node]")) {
    const { x, y } = middle(each), along = dx ? (x - own.x) * dx : (y - own.y) * dy, aside = Math.abs(dx ? y - own.y : x - own.x);
    if (along < 6 || (dy && aside > 120)) continue;
    const far = along + aside * (dx ? 20 : 0.5);
    if (far < least) { least = far; best = each; }
  }
  if (best) best.focus();
}

/** The same nodes as a list, filled as it is opened. */
function mapList(nodes) {
  const shown = nodes.slice(0, LISTED_AT_ONCE);
  return h("ul", { class: "map-list" }, shown.map((node) => h("li", null, node.kids.size ? lazyDetails(listLine(node), () => [showAll(node), mapList(node.sorted)]) : h("a", { href: linkTo("endpoints", mapQuery(node)) }, listLine(node)))),
    nodes.length > shown.length && h("li", null, t("map.rest", nodes.length - shown.length)));
}

const showAll = (node) => h("p", null, h("a", { href: linkTo("endpoints", mapQuery(node)) }, t("map.show", node.count, { name: plain(node.label) })));

function listLine(node) {
  const counts = mapCounts(node).map(([count, rating]) => h("span", { class: "map-badge " + rating }, icon(rating), ` ${number(count)} ${mapWord(rating)}`));
  return h("span", { class: "map-line" }, h("b", null, visible(node.label)), node.note && [" ", h("small", null, visible(node.note))], " ", h("span", { class: "map-badges" }, counts));
}

/** How many endpoints are drawn, and how many are not because only named or private networks can reach them. */
function mapLead() {
  const { drawn } = pathsOfMap(), left = new Map();
  const { of } = pathsOfMap();
  for (let at = 0; at < data.exposures.length; at++) if (!of.has(at)) { const reach = exposure(at, "reach"); left.set(reach, (left.get(reach) || 0) + 1); }
  const links = ["selected", "private", "none"].filter((reach) => left.has(reach)).map((reach) => h("a", { href: linkTo("endpoints", `reach:${reach} -on:map`) }, `${number(left.get(reach))} ${t("column." + reach)}`));
  return [t("map.drawn", data.exposures.length, { drawn: number(drawn.length) }), links.length > 0 && [" ", t("map.left"), " ", separated(links), "."]];
}

function makeMap() {
  const model = modelOfMap(), narrow = matchMedia("(max-width: 900px)");
  const some = pathsOfMap().drawn.length > 0;
  byId("map-lead").replaceChildren(...mapLead().flat(Infinity).filter(Boolean));
  byId("map-list").hidden = !some;
  if (!some) {
    byId("map-picture").replaceChildren(h("p", { class: "nothing" }, t("map.none")));
    return;
  }
  unfoldAtFirst(model.entries, ENTRIES_AT_FIRST, 1);
  unfoldAtFirst(model.places, ROWS_AT_FIRST, 2);
  byId("map-key").replaceChildren(...RATINGS.filter((_, at) => model.sources.sorted.some((node) => node.ratings[at])).map((rating) => h("li", { class: rating }, icon(rating), " ", ratingWord(rating))));
  const parts = [["from", model.sources], ["through", model.entries], ["to", model.places]];
  const list = byId("map-list");
  list.replaceChildren(h("summary", null, t("map.list")), ...parts.map(([name, root]) => h("section", null, h("h2", null, t("map." + name)), mapList(root.sorted))));
  const follow = () => { list.open = narrow.matches; };
  narrow.addEventListener("change", follow);
  follow();
}

function renderMap() {
  if (!byId("map-key").childElementCount) makeMap();
  if (pathsOfMap().drawn.length) drawMap();
}
