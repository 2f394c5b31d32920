// The edges of the map: a lane for each source and for each kind of entry, and a line to each row that it leads to. The
// number where they meet is that of the endpoints. Lines leave a row above its middle and reach one below it, so that none is
// taken for another. What leads to the row that is pointed at is drawn before the rest.
const LANE = { most: 24, start: 12, end: 22, least: 12, repeat: 18, out: -8, in: 6, rise: 17 };

/** How many endpoints lead from one row to another, with the worst of their ratings. */
class EdgeCount {
  constructor() { this.found = new Map(); }

  add(from, to, rating, path) {
    if (!from || !to) return;
    const key = `${from.at} ${to.at}`, edge = this.found.get(key);
    if (!edge) this.found.set(key, { from, to, rating, count: 1, path });
    // Two entries of one folded kind are one edge of an endpoint.
    else if (edge.path !== path) { edge.count++; edge.rating = Math.min(edge.rating, rating); edge.path = path; }
  }

  get list() { return [...this.found.values()]; }
}

/** The edges between rows that are seen, and the same with each entry counted at its kind. */
function edgesOf(places) {
  const sources = modelOfMap().sources.kids, left = new EdgeCount(), right = new EdgeCount(), lanes = new EdgeCount(), pairs = new EdgeCount();
  const seen = (nodes) => { for (let at = nodes.length - 1; at >= 0; at--) if (places.has(nodes[at])) return places.get(nodes[at]); return null; };
  for (const path of pathsOfMap().drawn) {
    const own = places.get(path.from), to = seen(path.places);
    const starts = { own, outside: path.source === "published" ? own : places.get(sources.get("internet")) || own, private: places.get(sources.get("private")) };
    for (const { from, nodes } of path.through.values()) {
      left.add(starts[from], seen(nodes), path.rating, path);
      right.add(seen(nodes), to, path.rating, path);
      lanes.add(places.get(nodes[0]), to, path.rating, path);
    }
    for (const [outer, inner] of path.pairs) {
      const [one, other] = [outer, inner].map((entry) => seen(path.through.get(entryKey(entry)).nodes));
      if (one !== other) pairs.add(one, other, path.rating, path);
    }
  }
  return { left: left.list, right: right.list, lanes: lanes.list, pairs: pairs.list };
}

const shortNumber = (count) => (count < 1000 ? String(count) : `${Math.floor(count / 1000)}k`);
const numberWidth = (count) => 5 + 6 * shortNumber(count).length;

/**
 * The x of the lane of each row of the first level of a column; the topmost is next to what it leads to. Lanes are as far
 * apart as the numbers on them are wide; where there is no room for that, the numbers of every second lane are higher (`high`).
 */
function lanesOf(places, side, edges) {
  const rows = [...places.values()].filter((row) => row.side === side && !row.level).reverse(), column = MAP.columns[side];
  const widths = rows.map((row) => Math.max(0, ...edges.filter(({ from }) => from.node.key === row.node.key).map(({ count }) => numberWidth(count))));
  const apart = rows.slice(1).map((_, at) => (widths[at] + widths[at + 1]) / 2), needed = apart.reduce((sum, each) => sum + each, 0);
  const start = column.x + column.width, wide = MAP.columns[side + 1].x - start - LANE.start, room = Math.min(wide - LANE.least, Math.max(wide - LANE.end, needed)), spare = (room - needed) / Math.max(apart.length, 1);
  const lanes = new Map(), high = new Set();
  let x = start + LANE.start;
  rows.forEach((row, at) => {
    if (at) x += spare < 0 ? apart[at - 1] * room / needed : Math.min(apart[at - 1] + spare, Math.max(LANE.most, apart[at - 1] + 1));
    lanes.set(row.node.key, x);
    if (spare < 0 && at % 2) high.add(x);
  });
  return Object.assign(lanes, { high });
}

const laneOf = (lanes, row) => lanes.get(row.node.key) ?? lanes.get(row.node.key.split("\n").slice(0, 2).join("\n"));
/** The middle of the number of a lane at a row. */
const numberAt = (lanes, x, to) => to.y + LANE.in - (lanes.high.has(x) ? LANE.rise : 0);

/** Lines of edges: from a row to its lane, along the lane, and from there to the other row. */
function drawLines(edges, lanes) {
  const spans = new Map(), targets = new Map(), own = new Map();
  for (const { from, to, rating } of edges) {
    const x = laneOf(lanes, from), span = spans.get(x), ends = [from.y + LANE.out, to.y + LANE.in, numberAt(lanes, x, to)];
    if (!span) spans.set(x, { top: Math.min(...ends), bottom: Math.max(...ends), rating });
    else Object.assign(span, { top: Math.min(span.top, ...ends), bottom: Math.max(span.bottom, ...ends), rating: Math.min(span.rating, rating) });
    const first = targets.get(to);
    if (!first || x < first.x) targets.set(to, { x, rating: Math.min(rating, first ? first.rating : rating) });
    own.set(from, Math.min(rating, own.get(from) ?? rating));
  }
  const line = (rating, d) => s("path", { class: "map-edge " + RATINGS[rating], d });
  return [
    [...own].map(([from, rating]) => line(rating, `M${from.end} ${from.y + LANE.out}H${laneOf(lanes, from)}`)),
    [...spans].map(([x, { top, bottom, rating }]) => line(rating, `M${x} ${top}V${bottom}`)),
    [...targets].map(([to, { x, rating }]) => line(rating, `M${x} ${to.y + LANE.in}H${to.start}`)),
  ];
}

function drawNumber({ from, to, rating, count }, lanes) {
  const text = shortNumber(count), x = laneOf(lanes, from), y = numberAt(lanes, x, to), width = numberWidth(count);
  return s("g", { class: "map-number " + RATINGS[rating], "data-edge": `${from.at} ${to.at}` }, s("title", null, `${edgeName(from.node)} → ${edgeName(to.node)}: ${t("count.endpoints", count)}: ${mapWord(RATINGS[rating])}`),
    s("rect", { x: x - width / 2, y: y - 8, width, height: 16, rx: 5 }), s("text", { x, y: y + 4, "text-anchor": "middle" }, text));
}

/** An entry that leads to another one: an arrow beside the column. */
function drawPair({ from, to, rating }) {
  const start = Math.min(from.start, to.start);
  return s("g", { class: "map-pair " + RATINGS[rating] }, s("title", null, `${edgeName(from.node)} → ${edgeName(to.node)}`),
    s("path", { class: "map-edge", d: `M${from.start} ${from.y - 8}H${start - 8}V${to.y - 8}H${to.start}` }), s("path", { class: "map-tip", d: `M${to.start} ${to.y - 8}l-7 -4v8z` }));
}

/** The names of the lanes once more, below the entries, where the rows on the right go on. */
function drawLaneNames(places, lanes, edges, height) {
  const rows = [...places.values()].filter((row) => row.side === 1), { x, width } = MAP.columns[1], pitch = MAP.row + MAP.gap, parts = [];
  const first = Math.max(...rows.map((row) => row.y)) + 4 * pitch;
  for (let top = first; top < height; top += LANE.repeat * pitch) {
    const kinds = rows.filter((row) => !row.level && edges.some(({ from, to }) => from === row && to.y > top + 6 * pitch));
    kinds.forEach((row, at) => {
      // Two names between two rows, so that no line is taken for one that leads to a row.
      const y = top + Math.floor(at / 2) * pitch + (at % 2 ? 30 : 17);
      parts.push(s("path", { class: "map-leader", d: `M${x + width} ${y}H${laneOf(lanes, row)}` }), s("text", { class: "map-lane", x: x + width - 6, y: y + 4, "text-anchor": "end" }, plain(row.node.label)));
    });
  }
  return parts;
}

let mapEdges = null;
function drawEdges(places, height) {
  const counted = edgesOf(places), { left, lanes: kinds, right, pairs } = counted;
  const lanes = [lanesOf(places, 0, left), lanesOf(places, 1, kinds)];
  mapEdges = { ...counted, places: [...places.values()], laneX: lanes };
  const inner = right.filter((edge) => edge.from.level).map(({ from, rating }) => s("path", { class: "map-edge " + RATINGS[rating], d: `M${from.end} ${from.y + LANE.out}H${laneOf(lanes[1], from)}V${Math.min(from.y, ...kinds.filter((each) => laneOf(lanes[1], each.from) === laneOf(lanes[1], from)).map((each) => each.from.y)) + LANE.out}` }));
  return s("g", { class: "map-edges", "aria-hidden": "true" },
    s("g", { class: "map-rest" }, drawLaneNames(places, lanes[1], kinds, height), drawLines(left, lanes[0]), drawLines(kinds, lanes[1]), inner, pairs.map(drawPair), left.map((edge) => drawNumber(edge, lanes[0])), kinds.map((edge) => drawNumber(edge, lanes[1]))),
    s("g", { class: "map-own" }));
}

/** The rows below a row that is unfolded, and itself. */
function rowsBelow(at) {
  const { places } = mapEdges, row = places[at], found = new Set([row]);
  for (let next = at + 1; next < places.length && places[next].side === row.side && places[next].level > row.level; next++) found.add(places[next]);
  return found;
}

/** Draws the edges of what is pointed at or focused before the others: of a row, or the one of a number. */
function lightEdges(event) {
  const number = event.target.closest(".map-number"), row = event.target.closest(".map-row[data-at]"), picture = event.currentTarget;
  if (event.target.closest(".map-own")) return;
  const mark = number ? number.dataset.edge : row ? row.dataset.at : "";
  if (picture.dataset.lit === mark) return;
  picture.dataset.lit = mark;
  picture.classList.toggle("lit", Boolean(mark));
  const { left, lanes, right, places, laneX } = mapEdges;
  let test = () => false, outer = lanes;
  if (number) test = (edge) => `${edge.from.at} ${edge.to.at}` === mark;
  else if (row) {
    const rows = rowsBelow(Number(mark)), own = places[mark];
    if (own.side === 1 && own.level) outer = right;
    test = (edge) => rows.has(edge.from) || rows.has(edge.to);
  }
  const shown = [left.filter(test), outer.filter(test)];
  picture.querySelector(".map-own").replaceChildren(...shown.map((edges, side) => drawLines(edges, laneX[side])).flat(3), ...shown.flatMap((edges, side) => edges.map((edge) => drawNumber(edge, laneX[side]))));
}
