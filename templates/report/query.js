// The filter language: terms joined by AND, "-" negates, key:a,b means a or b, severity>=high compares.
const ALIASES = { sev: "severity" };
const COMPARED = new Set(["severity", "since"]);

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

/** since:2026-11 is a beginning, since>=2026-11-01 a bound; what has no first day never matches. */
function sinceTest({ compare, values }) {
  const limit = values[0].slice(0, 10);
  const bounded = (day) => (compare === ">=" ? day >= limit : day.slice(0, limit.length) <= limit);
  const test = compare ? bounded : (day) => values.some((each) => day.startsWith(each));
  return (index) => index !== 0 && test(data.strings[index].toLowerCase());
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
  const memory = new Map();
  return (index, resource) => {
    if (data.strings[index].includes("\u0001")) return test(index, resource);
    if (!memory.has(index)) memory.set(index, test(index, resource));
    return memory.get(index);
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
const byRule = (test) => table(data.rules.length, (at) => test(data.rules[at]));
const controlsOf = (rule) => Object.entries(rule.controls || {}).flatMap(([name, ids]) => ids.map((id) => `${name} ${id}`));

/** What the keys about resources mean, for findings and endpoints alike: values -> lookup table. */
const RESOURCE_KEYS = {
  type: (values) => { const test = part(values); return byResource((at) => test(typeOf(at))); },
  sub: (values) => { const test = part(values); return byResource((at) => subOf(at).some(test)); },
  rg: (values) => { const test = part(values); return byResource((at) => test(groupOf(at))); },
  name: (values) => { const test = part(values); return byResource((at) => test(nameOf(at))); },
  region: (values) => { const test = whole(values); return byResource((at) => test(regionOf(at))); },
};

const RULE_KEYS = {
  rule: (values) => { const test = part(values); return byRule((rule) => test(rule.id)); },
  category: (values) => { const test = whole(values); return byRule((rule) => test(rule.category || "")); },
  control: (values) => { const test = part(values); return byRule((rule) => controlsOf(rule).some(test)); },
};

const tierFixes = new Map();
/** Whose job a finding is: Microsoft's where the tier of the resource has no such setting. */
function responsibilityOf(row) {
  const fix = field(row, "fix");
  if (!tierFixes.has(fix)) tierFixes.set(fix, fix !== 0 && data.strings[fix].includes('"tier":true'));
  return tierFixes.get(fix) ? "microsoft" : ruleOf(row).responsibility || "";
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
  const resources = byResource((at) => has(idOf(at)));
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
  "": (term) => findingWord(term.values[0]),
};
for (const [key, make] of Object.entries(RESOURCE_KEYS)) FINDING_KEYS[key] = (term) => { const hits = make(term.values); return (row) => hits[rows.resource[row]] === 1; };
for (const [key, make] of Object.entries(RULE_KEYS)) FINDING_KEYS[key] = (term) => { const hits = make(term.values); return (row) => hits[rows.rule[row]] === 1; };

function exposureWord(word) {
  const has = contains(word);
  const resources = byResource((at) => has(idOf(at)));
  const print = (at) => data.exposures.fingerprint.slice(at * 16, at * 16 + 16);
  return (at) => resources[data.exposures.resource[at]] === 1 || has(exposure(at, "endpoint")) || has(exposureText(at, "title")) || has(exposureText(at, "address")) || has(print(at));
}

const exposureColumn = (column) => (term) => { const test = whole(term.values); return (at) => test(exposure(at, column)); };
const EXPOSURE_KEYS = {
  status: exposureColumn("state"), kind: exposureColumn("kind"), auth: exposureColumn("auth"), reach: exposureColumn("reach"),
  severity: (term) => { const test = severityTest(term); return (at) => test(exposure(at, "severity")); },
  endpoint: (term) => { const test = part(term.values); return (at) => test(exposure(at, "endpoint")); },
  is: ({ values }) => historyTest(values, data.exposures),
  since: (term) => { const test = sinceTest(term); return (at) => test(data.exposures.since[at]); },
  "": (term) => exposureWord(term.values[0]),
};
for (const [key, make] of Object.entries(RESOURCE_KEYS)) EXPOSURE_KEYS[key] = (term) => { const hits = make(term.values); return (at) => hits[data.exposures.resource[at]] === 1; };

const keysOf = (meanings) => new Set(Object.keys(meanings).filter(Boolean));
const FINDING_NAMES = keysOf(FINDING_KEYS);
const EXPOSURE_NAMES = keysOf(EXPOSURE_KEYS);

/** The numbers from 0 to length for which every term matches. */
function select(length, terms, meanings) {
  const tests = terms.map((term) => { const test = meanings[term.key](term); return term.negated ? (at) => !test(at) : test; });
  const hits = [];
  next: for (let at = 0; at < length; at++) {
    for (const test of tests) if (!test(at)) continue next;
    hits.push(at);
  }
  return hits;
}
