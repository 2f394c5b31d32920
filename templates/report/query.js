// The filter language: terms joined by AND, "-" negates, key:a,b means a or b, severity>=high compares.
const ALIASES = { sev: "severity" };
const COMPARED = new Set(["severity", "since", "expires"]);

/** Splits at white space outside quotes. */
function tokens(query) {
  return query.match(/(?:"[^"]*"?|[^\s"])+/g) || [];
}

function splitValues(value) {
  return (value.match(/(?:"[^"]*"?|[^,"])+/g) || []).map((each) => each.replaceAll('"', "")).filter(Boolean);
}

/** One term: {negated, key, compare, values}; key is "" for words. */
function readTerm(token, keys) {
  const negated = token.startsWith("-") && token.length > 1;
  const rest = negated ? token.slice(1) : token;
  const parts = /^([a-z]+)(:|>=|<=)(.+)$/i.exec(rest);
  const named = parts ? parts[1].toLowerCase() : "";
  const key = ALIASES[named] || named;
  const compares = parts && parts[2] !== ":";
  if (parts && keys.has(key) && (!compares || COMPARED.has(key))) {
    return { token, negated, key, compare: compares ? parts[2] : "", values: splitValues(parts[3].toLowerCase()) };
  }
  const word = rest.replaceAll('"', "").toLowerCase();
  return { token, negated, key: "", compare: "", values: word ? [word] : [], noKey: parts && /^[a-z]+$/i.test(named) && !rest.startsWith('"') ? named : "" };
}

const readQuery = (query, keys) => tokens(query).map((token) => readTerm(token, keys)).filter((term) => term.values.length);

const whole = (values) => (value) => values.includes(value.toLowerCase());
/** Whether a value contains one of these, or is one of those that begin with "=". */
const part = (values) => (value) => { const lower = value.toLowerCase(); return values.some((each) => (each.length > 1 && each[0] === "=" ? lower === each.slice(1) : lower.includes(each))); };
const contains = (word) => (value) => value.toLowerCase().includes(word);

/** since:2026-11 is a beginning, since>=2026-11-01 a bound; what has no day never matches. */
function dayTest({ compare, values }) {
  const limit = values[0].slice(0, 10);
  const bounded = (day) => (compare === ">=" ? day >= limit : day.slice(0, limit.length) <= limit);
  const test = compare ? bounded : (day) => values.some((each) => day.startsWith(each));
  return (day) => day !== "" && test(day.toLowerCase());
}

function sinceTest(term) {
  const test = dayTest(term);
  return (index) => test(data.strings[index]);
}

/** is:new, known, first (seen, without being new), reopened, worse, better: of a table of endpoints or findings. */
function historyTest(values, columns) {
  const lists = new Set(values.flatMap((value) => (Object.hasOwn(data.changed || {}, value) ? data.changed[value] : [])));
  const print = (at) => columns.fingerprint.slice(at * 16, at * 16 + 16);
  return (at) => (values.includes("new") && columns.new[at] === 1) || (values.includes("known") && columns.new[at] === 0)
    || (values.includes("first") && columns.new[at] === 0 && columns.since[at] !== 0 && data.strings[columns.since[at]] === data.taken)
    || (lists.size > 0 && lists.has(print(at)));
}

const LOCK_CATEGORIES = ["anonymous-access", "authentication", "network"];
/** Whether a finding is counted itself; those of the locks that name endpoints are counted as these. */
const isOther = (row) => !(LOCK_CATEGORIES.includes(ruleOf(row).category) && data.findings.endpoints[row]);

/** The numbers below `length` for which `test` is true, as a lookup table. */
function table(length, test) {
  const hits = new Uint8Array(length);
  for (let at = 0; at < length; at++) if (test(at)) hits[at] = 1;
  return hits;
}

/** `test(index, resource)` remembered by index, where the text does not depend on the resource. */
function remembered(test) {
  const UNSEEN = 0, FALSE = 1, TRUE = 2, ANEW = 3, memory = new Uint8Array(data.strings.length);
  return (index, resource) => {
    if (memory[index] === UNSEEN) memory[index] = data.strings[index].includes("\u0001") ? ANEW : test(index, resource) ? TRUE : FALSE;
    return memory[index] === ANEW ? test(index, resource) : memory[index] === TRUE;
  };
}

function severityTest({ compare, values }) {
  const order = data.severities;
  if (!compare) return (name) => values.includes(name);
  const limit = order.indexOf(values[0]);
  if (limit < 0) return () => false;
  return (name) => { const at = order.indexOf(name); return at >= 0 && (compare === ">=" ? at <= limit : at >= limit); };
}

const byResource = (test) => table(data.resources.last.length, test);
/** The resources whose value in a column of indexes into `values` passes a test. */
function byColumn(name, values, test) {
  const hits = values.map((value) => test(value)), column = data.resources[name];
  return byResource((at) => hits[column[at]]);
}

const loweredTexts = new Map();
/** A column of texts in lower case; kept, because each word that is typed needs it. */
function lowered(name) {
  if (!loweredTexts.has(name)) loweredTexts.set(name, data.resources[name].map((each) => each.toLowerCase()));
  return loweredTexts.get(name);
}

/** The resources whose id contains a word. An id is a prefix, which ends with "/", and its last segment, which has none. */
function resourcesWith(word) {
  const cut = word.lastIndexOf("/") + 1, above = word.slice(0, cut), below = word.slice(cut), { prefix } = data.resources, last = lowered("last");
  const within = lowered("prefixes").map((each) => each.includes(word)), meets = cut ? lowered("prefixes").map((each) => each.endsWith(above)) : [];
  return byResource((at) => within[prefix[at]] || last[at].includes(word) || (meets[prefix[at]] && last[at].startsWith(below)));
}

const byRule = (test) => table(data.rules.length, (at) => test(data.rules[at]));
const controlsOf = (rule) => Object.entries(rule.controls || {}).flatMap(([name, ids]) => ids.map((id) => `${name} ${id}`));

/** What the keys about resources mean, for findings and endpoints alike: values -> lookup table. */
const RESOURCE_KEYS = {
  type: (values) => { const test = part(values); return byColumn("type", data.resources.types, test); },
  sub: (values) => { const test = part(values); return byColumn("sub", data.resources.subs, (each) => each.slice(0, 3).some(test)); },
  tenant: (values) => { const test = part(values); return byColumn("sub", data.resources.subs, (each) => test(each[3] || "")); },
  rg: (values) => { const test = part(values); return byColumn("group", data.resources.groups, test); },
  name: (values) => { const test = part(values); return byResource((at) => test(nameOf(at))); },
  region: (values) => { const test = whole(values); return byColumn("region", data.resources.regions, test); },
};

const RULE_KEYS = {
  rule: (values) => { const test = part(values); return byRule((rule) => test(rule.id)); },
  category: (values) => { const test = whole(values); return byRule((rule) => test(rule.category || "")); },
  control: (values) => { const test = part(values); return byRule((rule) => controlsOf(rule).some(test)); },
};

const tierFixes = new Map();
/** Responsibility for a finding: `another-tier` where the tier of the resource has no such setting. */
function responsibilityOf(row) {
  const fix = field(row, "fix");
  if (!tierFixes.has(fix)) tierFixes.set(fix, fix !== 0 && data.strings[fix].includes('"tier":true'));
  return tierFixes.get(fix) ? "another-tier" : ruleOf(row).responsibility || "";
}

function gapTest(values) {
  const test = part(values);
  const hits = data.gapSets.map((set) => set.some((at) => { const gap = data.gaps[at]; return test(`${gap.action || ""}\n${gap.code || ""}\n${gap.url}`); }));
  const none = values.includes("none");
  return (row) => (row < rows.own ? hits[data.findings.gaps[row]] || (none && rows.status[row] === UNKNOWN && data.findings.gaps[row] === 0) : false);
}

function findingWord(word) {
  const has = contains(word);
  const rules = byRule((rule) => has(rule.id) || has(rule.title || ""));
  const passed = byRule((rule) => has(rule.id) || has(rule.pass_title || rule.title || ""));
  const resources = resourcesWith(word);
  const inText = remembered((index, resource) => has(expand(index, resource)));
  const hex = /^[0-9a-f]{4,16}$/.test(word);
  return (row) => {
    if (resources[rows.resource[row]]) return true;
    if (row >= rows.own) return (rows.status[row] === PASS ? passed : rules)[rows.rule[row]] === 1;
    const title = data.findings.title[row], endpoints = data.findings.endpoints[row], resource = rows.resource[row];
    if (title ? inText(title, resource) || has(ruleOf(row).id) : rules[rows.rule[row]]) return true;
    return (endpoints !== 0 && inText(endpoints, resource)) || (hex && fingerprint(row).includes(word));
  };
}

/** kind, auth, reach: of the endpoints that a finding names. */
function exposureTest(column, values) {
  const hits = table(data.exposures.length, (at) => values.includes(exposure(at, column)));
  const memory = new Map();
  return (row) => {
    if (row >= rows.own || !data.findings.endpoints[row]) return false;
    const key = rows.resource[row] + ":" + data.findings.endpoints[row];
    if (!memory.has(key)) memory.set(key, exposuresOf(row).some((at) => hits[at]));
    return memory.get(key);
  };
}

const FINDING_KEYS = {
  status: (term) => { const hits = data.statuses.map((name) => term.values.includes(name)); return (row) => hits[rows.status[row]]; },
  severity: (term) => { const test = severityTest(term), hits = data.severities.map(test); return (row) => rows.severity[row] >= 0 && hits[rows.severity[row]]; },
  endpoint: (term) => { const test = remembered((index, resource) => parsed(index, resource, []).some(part(term.values))); return (row) => { const index = field(row, "endpoints"); return index !== 0 && test(index, rows.resource[row]); }; },
  kind: (term) => exposureTest("kind", term.values),
  auth: (term) => exposureTest("auth", term.values),
  reach: (term) => exposureTest("reach", term.values),
  gap: (term) => gapTest(term.values),
  responsibility: (term) => (row) => term.values.includes(responsibilityOf(row)),
  is: ({ values }) => { const test = historyTest(values, data.findings); return (row) => row < rows.own && (test(row) || (values.includes("expiring") && isExpiring(row)) || (values.includes("other") && isOther(row))); },
  since: (term) => { const test = sinceTest(term); return (row) => row < rows.own && test(data.findings.since[row]); },
  expires: (term) => { const test = dayTest(term); return (row) => test(json(row, "waiver", {}).expires || ""); },
  "": (term) => findingWord(term.values[0]),
};
for (const [key, make] of Object.entries(RESOURCE_KEYS)) FINDING_KEYS[key] = (term) => { const hits = make(term.values); return (row) => hits[rows.resource[row]] === 1; };
for (const [key, make] of Object.entries(RULE_KEYS)) FINDING_KEYS[key] = (term) => { const hits = make(term.values); return (row) => hits[rows.rule[row]] === 1; };

function exposureWord(word) {
  const has = contains(word);
  const resources = resourcesWith(word);
  const hex = /^[0-9a-f]{1,16}$/.test(word), print = (at) => hex && has(data.exposures.fingerprint.slice(at * 16, at * 16 + 16));
  const inText = remembered((index, resource) => has(expand(index, resource))), { resource, endpoint, title, address, hosts } = data.exposures;
  return (at) => resources[resource[at]] === 1 || inText(endpoint[at], resource[at]) || inText(title[at], resource[at]) || inText(address[at], resource[at]) || (hosts[at] > 0 && inText(hosts[at], resource[at])) || print(at);
}

const onColumn = (column, test) => { const hits = remembered((index) => test(data.strings[index])), values = data.exposures[column]; return (at) => hits(values[at]); };
const exposureColumn = (column) => (term) => onColumn(column, whole(term.values));
const EXPOSURE_KEYS = {
  status: exposureColumn("state"), kind: exposureColumn("kind"), auth: exposureColumn("auth"), reach: exposureColumn("reach"),
  severity: (term) => onColumn("severity", severityTest(term)),
  endpoint: (term) => onColumn("endpoint", part(term.values)),
  is: ({ values }) => historyTest(values, data.exposures),
  since: (term) => { const test = sinceTest(term); return (at) => test(data.exposures.since[at]); },
  "": (term) => exposureWord(term.values[0]),
};
for (const [key, make] of Object.entries(RESOURCE_KEYS)) EXPOSURE_KEYS[key] = (term) => { const hits = make(term.values); return (at) => hits[data.exposures.resource[at]] === 1; };

const keysOf = (meanings) => new Set(Object.keys(meanings).filter(Boolean));
const FINDING_NAMES = keysOf(FINDING_KEYS);
const EXPOSURE_NAMES = keysOf(EXPOSURE_KEYS);

const everything = new Map();
const ROWS = 1 << 11;
/**
 * The numbers from 0 to length for which every term matches, found in slices. The result is never changed: without a term
 * it is kept.
 */
function* selecting(length, terms, meanings) {
  if (!terms.length) {
    if (!everything.has(length)) {
      const all = new Array(length);
      for (let at = 0; at < length; at++) all[at] = at;
      everything.set(length, all);
    }
    return everything.get(length);
  }
  const tests = [], hits = [];
  for (const term of terms) {
    const test = meanings[term.key](term);
    tests.push(term.negated ? (at) => !test(at) : test);
    yield;
  }
  for (let start = 0; start < length; start += ROWS) {
    const end = Math.min(start + ROWS, length);
    next: for (let at = start; at < end; at++) {
      for (const test of tests) if (!test(at)) continue next;
      hits.push(at);
    }
    yield;
  }
  return hits;
}
