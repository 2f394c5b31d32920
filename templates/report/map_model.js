// The exposure map as data: the endpoints that callers outside can reach, from where, through what, and where they are.
const MAP_REACH = ["internet", "azure", "wide", "unknown"];
const RATINGS = ["critical", "high", "unknown", "medium", "low", "info", "waived", "intended", "closed"];
// The texts of scanner/reach/front_ends.py and paths.py, for documents without `publishers`. A name in Azure has no comma, semicolon or parenthesis.
const PUBLISHED = /^published through (the Front Door|the application gateway|API Management) ([^,;(]+)/;
const PUBLISHER_KINDS = { "the Front Door": "front-door", "the application gateway": "application-gateway", "API Management": "api-management" };
const IN_NETWORK = / in ([^/]+)\/[^/]+$/;

/** What is in front of an endpoint: chains of gateways and DNS names, the outermost first. */
function chainsOf(at) {
  const listed = exposureJson(at, "publishers", []);
  if (listed.length || !exposure(at, "admits")) return listed;
  const found = exposureJson(at, "admits", []).map((text) => PUBLISHED.exec(text)).filter(Boolean);
  return found.map(([, what, name]) => [{ kind: PUBLISHER_KINDS[what], name: name.trim(), resource: "" }]);
}

/** An entry; `from`: which source leads to it ("own": that of the endpoint), "" where only another entry does. */
const entryAt = (hop, from) => ({ kind: hop.kind, names: [hop.name], ids: hop.resource ? [hop.resource] : [], from });
const isGateway = (hop) => hop.kind !== "traffic-manager";

/** The entries in front of an endpoint, and the pairs of which the first leads to the second. */
function gatewaysOf(chains) {
  const entries = [], pairs = [];
  for (const chain of chains) {
    const made = chain.map((hop, place) => entryAt(hop, place ? "" : "outside"));
    entries.push(...made);
    made.slice(1).forEach((entry, place) => pairs.push([made[place], entry]));
  }
  return { entries, pairs };
}

const isEntry = (hop) => ["public-ip", "load-balancer", "gateway-load-balancer", "perimeter"].includes(hop.kind) || (hop.kind === "firewall" && hop.resource);

/** The entry of the network path itself: the public IP, and what stands behind it before the network. */
function entryOf(hops) {
  const steps = hops.filter(isEntry), last = steps[steps.length - 1];
  if (!last) return { kind: "direct", names: [], ids: [], from: "own" };
  return { kind: last.kind, names: steps.map((hop) => hop.name), ids: steps.map((hop) => hop.resource), from: "own" };
}

/** The name of the virtual network on a path, "" where it names none. */
function networkOf(hops) {
  for (const hop of hops) {
    if (hop.kind === "subnet") return hop.name.split("/")[0];
    const place = hop.kind === "network-interface" && IN_NETWORK.exec(hop.detail);
    if (place) return place[1];
  }
  return "";
}

const entryName = (entry) => entry.names.join(" > ");
const entryKey = (entry) => [entry.kind, ...entry.names, ...entry.ids].join("\n").toLowerCase();

class MapNode {
  constructor(key, label, level, terms) {
    Object.assign(this, { key, label, level, terms, kids: new Map(), count: 0, ratings: new Int32Array(RATINGS.length), note: "" });
  }

  add(rating) {
    this.count++;
    this.ratings[rating]++;
  }

  get worst() { return this.ratings.findIndex((count) => count > 0); }

  kid(key, make) {
    let found = this.kids.get(key);
    if (!found) this.kids.set(key, found = make(`${this.key}\n${key}`));
    return found;
  }

  /** The nodes below, the most severe first. */
  get sorted() {
    if (!this.order) this.order = [...this.kids.values()].sort((a, b) => a.worst - b.worst || b.count - a.count || (a.label < b.label ? -1 : 1));
    return this.order;
  }
}

/** A term of the filter that takes exactly one value; quotes and control characters cannot be searched, so the longest part between them is. */
function exactly(key, value) {
  const text = value.toLowerCase();
  const [longest] = text.split(/["\x00-\x1f\u2028\u2029]/).sort((a, b) => b.length - a.length);
  const term = longest === text ? "=" + text : longest;
  return /[\s,]/.test(term) ? `${key}:"${term}"` : `${key}:${term}`;
}

let mapPaths = null;
/** For each endpoint that is drawn: its number, source, entries and network. Made when the map or its filters are first used. */
function pathsOfMap() {
  if (mapPaths) return mapPaths;
  const drawn = [], of = new Map();
  for (let at = 0; at < data.exposures.length; at++) {
    const reach = exposure(at, "reach"), isReached = MAP_REACH.includes(reach), chains = chainsOf(at), hops = exposureJson(at, "hops", []);
    const inside = hops.filter((hop) => hop.kind === "private-endpoint" && hop.lets === true).map((hop) => entryAt(hop, "private"));
    const isPublished = chains.some((chain) => chain.some(isGateway)), source = isReached ? reach : isPublished ? "published" : inside.length ? "private" : "";
    if (!source) continue;
    const { entries, pairs } = isReached || isPublished ? gatewaysOf(chains) : { entries: [], pairs: [] };
    const path = { at, source, entries: [...(isReached ? [entryOf(hops)] : []), ...entries, ...inside], pairs, network: networkOf(hops) };
    drawn.push(path);
    of.set(at, path);
  }
  mapPaths = { drawn, of };
  return mapPaths;
}

let mapModel = null;
/** The nodes of the map: sources, entries by kind, and subscription, network, type and resource. */
function modelOfMap() {
  if (mapModel) return mapModel;
  const sources = new MapNode("source", "", -1, []), entries = new MapNode("entry", "", -1, []), places = new MapNode("place", "", -1, []);
  for (const path of pathsOfMap().drawn) {
    const rating = Math.max(0, RATINGS.indexOf(exposure(path.at, "standing")));
    path.rating = rating;
    path.from = sources.kid(path.source, (key) => new MapNode(key, t("map.source." + path.source), 0, MAP_REACH.includes(path.source) ? ["reach:" + path.source] : ["from:" + path.source]));
    path.from.add(rating);
    path.through = new Map();
    for (const entry of path.entries) {
      const key = entryKey(entry), known = path.through.get(key);
      if (!known) path.through.set(key, { from: entry.from, nodes: entryNodes(entries, entry) });
      else known.from = known.from || entry.from;
    }
    const nodes = [...path.through.values()].flatMap((each) => each.nodes);
    new Set(nodes).forEach((node) => node.add(rating));
    path.places = placeNodes(places, path);
    path.places.forEach((node) => node.add(rating));
  }
  nameEntries(entries);
  mapModel = { sources, entries, places };
  return mapModel;
}

function entryNodes(root, entry) {
  const group = root.kid(entry.kind, (key) => new MapNode(key, t("map.entry." + entry.kind), 0, ["on:map", "entry:" + entry.kind]));
  if (entry.kind === "direct") return [group];
  const node = group.kid(entryKey(entry), (key) => Object.assign(new MapNode(key, entry.names[entry.names.length - 1] || entry.kind, 1, []), { entry, note: entry.names.slice(0, -1).join(", ") }));
  return [group, node];
}

/** Filters of entries: by name where it is the only one of its kind, else by the ids of its resources. */
function nameEntries(root) {
  for (const group of root.kids.values()) {
    const names = new Map();
    for (const { entry } of group.kids.values()) names.set(entryName(entry).toLowerCase(), (names.get(entryName(entry).toLowerCase()) || 0) + 1);
    for (const node of group.kids.values()) {
      const ids = node.entry.ids.filter(Boolean), isUnique = names.get(entryName(node.entry).toLowerCase()) === 1;
      node.terms = [...group.terms, exactly("via", isUnique || !ids.length ? entryName(node.entry) : ids.join(" > "))];
      if (!isUnique && ids.length) node.note = [node.note, subscriptionOfId(ids[ids.length - 1])].filter(Boolean).join(", ");
    }
  }
}

const subscriptionOfId = (id) => { const known = data.resources.subs.find(([sub]) => sub === id.split("/")[2]?.toLowerCase()); return known ? known[1] : ""; };
const subscriptionNames = () => { const names = new Map(); for (const [, name] of data.resources.subs) names.set(name.toLowerCase(), (names.get(name.toLowerCase()) || 0) + 1); return names; };

function placeNodes(root, { at, network }) {
  const resource = data.exposures.resource[at], [id, name] = subOf(resource), type = typeOf(resource);
  root.names = root.names || subscriptionNames();
  const subscription = root.kid(id, (key) => new MapNode(key, name || id, 0, ["on:map", exactly("sub", root.names.get(name.toLowerCase()) === 1 ? name : id)]));
  const place = subscription.kid(network.toLowerCase(), (key) => new MapNode(key, network || t("map.no_network"), 1, [...subscription.terms, exactly("net", network || "-")]));
  const kind = place.kid(type.toLowerCase(), (key) => new MapNode(key, typeNameOf(resource), 2, [...place.terms, exactly("type", type)]));
  const own = kind.kid(String(resource), (key) => new MapNode(key, pathOf(resource), 3, [...kind.terms, ...(groupOf(resource) ? [exactly("rg", groupOf(resource))] : []), exactly("name", nameOf(resource))]));
  return [subscription, place, kind, own];
}

const onMap = (test) => { const { of } = pathsOfMap(); return (at) => of.has(at) && test(of.get(at)); };
EXPOSURE_KEYS.on = ({ values }) => onMap(() => values.includes("map"));
EXPOSURE_KEYS.from = ({ values }) => onMap((path) => values.includes(path.source));
EXPOSURE_KEYS.entry = ({ values }) => { const test = whole(values); return onMap((path) => path.entries.some((entry) => test(entry.kind))); };
EXPOSURE_KEYS.via = ({ values }) => { const test = part(values); return onMap((path) => path.entries.some((entry) => test(entryName(entry)) || test(entry.ids.filter(Boolean).join(" > ")))); };
EXPOSURE_KEYS.net = ({ values }) => { const test = part(values); return onMap((path) => test(path.network || "-")); };
for (const key of ["on", "from", "entry", "via", "net"]) EXPOSURE_NAMES.add(key);
