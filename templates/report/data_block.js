// The data block: unpacked, and its columns made addressable. `data` is the block, `rows` are findings of every status.
// Of a large report the first block has the first rows of both lists and `counts` of all (first_page.py). The second one
// has every row; indexes are the same in both.
let data = null;
let rows = null;
const FAIL = 0, UNKNOWN = 1, ERROR = 2, WAIVED = 3, PASS = 4, NOT_APPLICABLE = 5;

const SLICE = 1 << 17, TEXTS = 1 << 12, PAUSE_AFTER = 12;
let paused = 0;

/** Lets input and drawing in, where the page has worked for some milliseconds since it did. */
async function pause() {
  if (performance.now() - paused < PAUSE_AFTER) return;
  await (window.scheduler && scheduler.yield ? scheduler.yield() : new Promise((done) => setTimeout(done)));
  paused = performance.now();
}

/** The result of a generator that yields between its slices: all of them at once. */
function atOnce(slices) {
  for (;;) {
    const { done, value } = slices.next();
    if (done) return value;
  }
}

/** Runs a generator with pauses between its slices. Returns false where `isWanted` says after one that it no longer is. */
async function inTurns(slices, isWanted) {
  while (!slices.next().done) {
    await pause();
    if (!isWanted()) return false;
  }
  return true;
}

const decoded = (text) => (Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));

/** The bytes of a gzip file in base64, unpacked in slices. Its last four bytes are its size. */
async function inflated(text) {
  if (!("DecompressionStream" in window)) throw new Error("old");
  const stream = new DecompressionStream("gzip"), writer = stream.writable.getWriter(), reader = stream.readable.getReader();
  const tail = decoded(text.slice(-8)), all = new Uint8Array(new DataView(tail.buffer).getUint32(tail.length - 4, true));
  const feed = async () => {
    for (let at = 0; at < text.length; at += SLICE) {
      await pause();
      await writer.write(decoded(text.slice(at, at + SLICE)));
    }
    await writer.close();
  };
  const collect = async () => {
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      all.set(value, size);
      size += value.length;
    }
    if (size !== all.length) throw new Error("damaged");
  };
  await Promise.all([feed(), collect()]);
  return all;
}

/** Unpacks an element: JSON, with its columns (packing.py) in their places. Removes it. */
async function unpack(id) {
  const element = byId(id), bytes = await inflated(element.textContent), end = bytes.indexOf(10);
  const block = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  element.remove();
  await readColumns(block, bytes.slice(end + 1).buffer);
  return block;
}

const WITHOUT_COLUMNS = new Set(["words", "rules", "frameworks", "gaps", "gapSets", "counts"]);

/** Puts the columns of a table, and of the tables and lists in it, in their places. */
async function readColumns(table, bytes) {
  for (const [name, value] of Object.entries(table)) {
    if (value === null || typeof value !== "object") continue;
    if (value.ends) table[name] = await textColumn(value, bytes);
    else if (value.bytes) table[name] = numberColumn(value, bytes);
    else if (!WITHOUT_COLUMNS.has(name)) await readColumns(value, bytes);
  }
}

function numberColumn(place, bytes) {
  const column = new { 1: Int8Array, 2: Int16Array, 4: Int32Array }[place.bytes](bytes, place.at, place.length);
  if (!place.differences) return column;
  const sums = new Int32Array(column.length);
  for (let at = 0, sum = 0; at < sums.length; at++) sums[at] = sum += column[at];
  return sums;
}

async function textColumn(place, bytes) {
  await pause();
  const all = new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes, place.at, place.length)), texts = [];
  let start = 0;
  for (const length of numberColumn(place.ends, bytes)) {
    texts.push(all.slice(start, start += length));
    if (texts.length % TEXTS === 0) await pause();
  }
  return texts;
}

// The second block stands below the script, as no first drawing needs it. What needs it waits here.
let waiting = [];
const isWhole = () => "fingerprint" in data.findings;
/** Whether only the first rows are there. */
const isPart = () => "counts" in data;

function whenWhole(act) {
  if (isWhole()) act();
  else waiting.push(act);
}

/** An element that needs the second block; until it is there, an empty one is in its place. */
function later(make) {
  if (isWhole()) return make();
  const place = h("span");
  waiting.push(() => place.replaceWith(...[make()].flat().filter(Boolean)));
  return place;
}

async function unpackMore() {
  if (document.readyState === "loading") await new Promise((done) => document.addEventListener("DOMContentLoaded", done, { once: true }));
  const { fingerprints, ...more } = await unpack("island-more");
  for (const table of ["exposures", "findings"]) if (fingerprints[table][0].length !== data[table].length * 16) throw new Error("damaged");
  await pause();
  if (isPart()) {
    const { counts, ...head } = data;
    useData({ ...head, ...more, resources: { ...head.resources, ...more.resources } });
    await pause();
  }
  for (const table of ["exposures", "findings"]) data[table].fingerprint = fingerprints[table][0];
  const acts = waiting;
  waiting = [];
  for (const act of acts) act();
}

function useData(block) {
  data = block;
  if (isPart()) spreadRows(data.findings, data.counts.lines);
  for (const table of [data.exposures, data.findings]) {
    for (const name of Object.keys(table)) {
      const column = table[name];
      if (typeof column === "number" && name !== "length") table[name] = new Int32Array(table.length).fill(column);
    }
  }
  rows = makeRows();
  selections.clear();
}

/** Puts the rows of the first page where they are in the table of all. */
function spreadRows(table, lines) {
  for (const [name, column] of Object.entries(table)) {
    if (typeof column === "number") continue;
    table[name] = new Int32Array(table.length);
    for (let at = 0; at < column.length; at++) table[name][lines[at][0]] = column[at];
  }
}

function makeRows() {
  const own = data.findings.length;
  const size = (lists) => lists.reduce((sum, list) => sum + list[1].length, 0);
  const length = isPart() ? data.counts.rows : own + size(data.passed) + size(data.notApplicable);
  const all = { length, own, rule: new Int32Array(length), resource: new Int32Array(length), status: new Uint8Array(length), severity: new Int8Array(length).fill(-1), why: new Map() };
  if (own) for (const name of ["rule", "resource", "status", "severity"]) all[name].set(data.findings[name]);
  let at = own;
  for (const [status, lists] of [[PASS, data.passed], [NOT_APPLICABLE, data.notApplicable]]) {
    for (const [rule, resources, whys] of lists) {
      all.rule.fill(rule, at, at + resources.length);
      all.status.fill(status, at, at + resources.length);
      all.resource.set(resources, at);
      if (whys) all.why.set(at, whys);
      at += resources.length;
    }
  }
  if (isPart()) data.counts.passed.forEach(([rule, resource], place) => { all.rule[own + place] = rule; all.resource[own + place] = resource; all.status[own + place] = PASS; });
  return all;
}

/** Why a row does not apply: the reasons are kept by the start of their rule's run. */
function whyNot(row) {
  for (const [start, whys] of rows.why) if (row >= start && row < start + whys.length) return expand(whys[row - start], rows.resource[row]);
  return "";
}

const idOf = (resource) => data.resources.prefixes[data.resources.prefix[resource]] + data.resources.last[resource];
const nameOf = (resource) => data.resources.name[resource] || data.resources.last[resource];
const subOf = (resource) => data.resources.subs[data.resources.sub[resource]];
/** The tenant of a resource, "" where the subscriptions are of one tenant. */
const tenantOf = (resource) => subOf(resource)[3] || "";
const hasTenants = () => data.resources.subs.some((each) => each[3]);
const groupOf = (resource) => data.resources.groups[data.resources.group[resource]];
const typeOf = (resource) => data.resources.types[data.resources.type[resource]];
const regionOf = (resource) => data.resources.regions[data.resources.region[resource]];
const parentOf = (resource) => data.resources.parent[resource];
/** The name with that of the parent, `stplankart/planer`. */
const pathOf = (resource) => data.resources.path[resource] || nameOf(resource);
const typeName = (type) => data.resources.typeNames[type];
const typeNameOf = (resource) => typeName(data.resources.type[resource]);
const ownerOf = (resource) => data.resources.owners[data.resources.owner[resource]];

/** A text of the table with what its resource gives it put back (data_block.py lists the letters). */
function expand(index, resource) {
  const text = data.strings[index];
  if (!text.includes("\u0001")) return text;
  const parent = parentOf(resource);
  return text.replace(/\u0001(.)/g, (whole, letter) => {
    switch (letter) {
      case "i": return idOf(resource);
      case "n": return data.resources.last[resource];
      case "q": return idOf(parent);
      case "p": return data.resources.last[parent];
      case "g": return groupOf(resource);
      case "s": return subOf(resource)[0];
      default: return "\u0001";
    }
  });
}

const parsed = (index, resource, otherwise) => (index ? JSON.parse(expand(index, resource)) : otherwise);
const field = (row, name) => (row < rows.own ? data.findings[name][row] : 0);
const text = (row, name) => expand(field(row, name), rows.resource[row]);
const json = (row, name, otherwise) => parsed(field(row, name), rows.resource[row], otherwise);
const fingerprint = (row) => (row < rows.own ? data.findings.fingerprint.slice(row * 16, row * 16 + 16) : "");
const endpointsOf = (row) => json(row, "endpoints", []);
const ruleOf = (row) => data.rules[rows.rule[row]];
const statusOf = (row) => data.statuses[rows.status[row]];
const severityOf = (row) => data.severities[rows.severity[row]] || "";
const ruleTitle = (row) => text(row, "title") || ruleOf(row).title || ruleOf(row).id;
/** What a finding says: the fault, or what holds where it passed. */
function titleOf(row) {
  if (rows.status[row] === PASS && ruleOf(row).pass_title) return ruleOf(row).pass_title;
  return rows.status[row] === FAIL ? ruleTitle(row) : t("title." + statusOf(row), null, { title: ruleTitle(row) });
}
const standingTitle = (row) => `${titleOf(row)} - ${pathOf(rows.resource[row])}`;
const isExpiring = (row) => [WAIVED, UNKNOWN].includes(rows.status[row]) && (json(row, "waiver", {}).expires || "9") < data.expiringBefore;

const exposure = (at, name) => data.strings[data.exposures[name][at]];
const exposureText = (at, name) => expand(data.exposures[name][at], data.exposures.resource[at]);
const exposureJson = (at, name, otherwise) => parsed(data.exposures[name][at], data.exposures.resource[at], otherwise);

let exposureIndex = null;
/** The numbers of the endpoints of a resource. The index is sorted by counting, because a Map of all takes 30 ms. */
function exposuresAt(resource) {
  exposureIndex ||= indexOfExposures();
  const { starts, places } = exposureIndex;
  return Array.from(places.subarray(starts[resource], starts[resource + 1]));
}

function indexOfExposures() {
  const of = data.exposures.resource || [], starts = new Int32Array(data.resources.last.length + 1), places = new Int32Array(of.length);
  for (let at = 0; at < of.length; at++) starts[of[at] + 1]++;
  for (let at = 1; at < starts.length; at++) starts[at] += starts[at - 1];
  const next = starts.slice();
  for (let at = 0; at < of.length; at++) places[next[of[at]]++] = at;
  return { starts, places };
}

/** The endpoints that a finding names; a finding on a child (a container) has its endpoints on the parent. */
function exposuresOf(row) {
  if (row >= rows.own || !data.findings.endpoints[row]) return [];
  const names = new Set(endpointsOf(row));
  const found = [];
  for (let resource = rows.resource[row]; resource >= 0 && !found.length; resource = parentOf(resource)) {
    found.push(...exposuresAt(resource).filter((at) => names.has(exposure(at, "endpoint"))));
  }
  return found;
}
