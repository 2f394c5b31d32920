// The card of a finding, made when its row is opened.
const lookOf = (row) => (rows.status[row] === FAIL ? severityOf(row) || "info" : statusOf(row));
const wordOf = (row) => (rows.status[row] === FAIL && severityOf(row) ? t("severity." + severityOf(row)) : t("status." + statusOf(row)));
const rowBadge = (row) => badge(lookOf(row), wordOf(row));

/** How long something has been known, "" where that is not kept; as first_seen in cards.py. */
function firstSeen(index, short) {
  const since = data.strings[index];
  if (!since) return "";
  if (since === data.taken) return t("age.first");
  const day = (iso) => Math.floor(Date.parse(iso) / 86400000);
  const days = day(data.taken) - day(since);
  if (days > 0 && short) return t("age.days_short", days);
  return days > 0 ? t("age.days", days, { date: plain(date(since)) }) : t("age.day", null, { date: plain(date(since)) });
}

const isNew = (row) => row < rows.own && data.findings.new[row] === 1;

/** The card below an opened row: a title that stands alone, what is wrong, how to fix it, the network paths. */
function findingBody(row) {
  return h("div", { class: "body" },
    h("h2", { class: "body-title" }, visible(titleOf(row)), " - ", visible(pathOf(rows.resource[row]))),
    h("div", null, whySection(row)), h("div", null, mainSection(row)),
    h("div", { class: "evidence-part" }, evidenceSection(row)), h("div", { class: "about" }, aboutSection(row)), later(() => pathsOf(row)));
}

const quoted = (value) => (/^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'"'"'`)}'`);

/** A command of a rule with the names of a resource filled in, quoted for POSIX shells; as `filled` in evaluate/rows.py. */
function filled(template, resource) {
  let top = resource;
  while (parentOf(top) >= 0) top = parentOf(top);
  const names = {
    name: nameOf(resource), id: idOf(resource), group: groupOf(resource), subscription: subOf(resource)[0],
    top: nameOf(top), top_id: idOf(top), location: regionOf(resource),
  };
  return template.replace(/\{(\w+)\}/g, (whole, name) => (name in names ? quoted(names[name]) : whole));
}

/** Whether a command only reads. `scanner/report/language/text.py` has the same pattern. */
const READS_ONLY = /^az( [a-z][a-z0-9-]*)* (show|list|get|list-versions)(\s|$)/;

const commandOf = (row) => (rows.status[row] === FAIL ? commandsOf(fixOf(text(row, "fix"))) : "");
const heading = (...content) => h("h3", { class: "sub" }, content);
const titled = (key, ...content) => [heading(t(key)), content];

function whySection(row) {
  const rule = ruleOf(row), message = text(row, "message") === `${titleOf(row)}.` ? "" : text(row, "message");
  return [
    rows.status[row] === PASS && h("p", null, t("card.passed")),
    titled("card.why", rule.why && h("p", null, prose(rule.why)), message && ![UNKNOWN, ERROR].includes(rows.status[row]) && h("p", null, prose(message))),
    rows.status[row] === NOT_APPLICABLE && titled("card.not_applicable", h("p", null, visible(whyNot(row)))),
  ];
}

function evidenceSection(row) {
  const evidence = json(row, "evidence", []);
  return rows.status[row] < PASS && titled("card.evidence", evidence.length ? evidenceTable(evidence, rows.status[row] === FAIL) : h("p", null, t("card.no_evidence")));
}

/** A path that may break after its dots and slashes. */
const pathText = (path) => h("code", null, path.split(/(?<=[./])/).map((part) => [h("span", { class: "word" }, visible(part)), h("wbr")]));

function written(value) {
  if (value === undefined || value === "absent") return h("i", null, t("card.absent"));
  if (value === "not read") return h("i", { class: "violet" }, t("card.not_assessed"));
  return mono(typeof value === "string" ? value : JSON.stringify(value));
}

function evidenceTable(evidence, failed) {
  const line = ({ path, value, expected }) => {
    const compared = expected !== undefined && expected !== null;
    return h("tr", null, h("td", null, pathText(path)), h("td", { class: compared && failed && JSON.stringify(value) !== JSON.stringify(expected) ? "bad" : "" }, written(value)),
      h("td", { class: compared ? "good" : "" }, compared ? written(expected) : h("i", null, t("card.context"))));
  };
  return h("table", { class: "evidence" },
    h("thead", null, h("tr", null, ["path", "value", "expected"].map((key) => h("th", { scope: "col" }, t("card." + key))))),
    h("tbody", null, evidence.map(line)));
}

function mainSection(row) {
  const make = { [FAIL]: fixSection, [UNKNOWN]: gapSection, [ERROR]: crashed, [WAIVED]: waived }[rows.status[row]];
  return make && make(row);
}

/** The resource, the controls and references of the rule, the waiver to paste, age and fingerprint. */
function aboutSection(row) {
  const resource = rows.resource[row], portal = portalLink(resource);
  return [
    titled("card.resource", h("p", { class: "id" }, pathText(idOf(resource))), portal && h("p", null, portal)),
    controls(row), references(row), rows.status[row] === FAIL && waiverToPaste(row), row < rows.own && footer(row),
  ];
}

function fixSection(row) {
  const { breaks: ruleBreaks = "", first_step: firstStep = "", ...ofRule } = ruleOf(row).remediation || {};
  const fix = fixOf(text(row, "fix")), effect = effectOf(fix), breaks = (fix && fix.impact) || ruleBreaks;
  const first = (fix && fix.check_first) || (firstStep && filled(firstStep, rows.resource[row]));
  const same = !fix || fix.of_rule ? ofRule : {}, forms = { bicep: (fix && fix.bicep) || same.bicep, terraform: same.terraform };
  const tabs = [
    { name: "cli", label: t("card.cli"), make: () => remedy(fix, t("card.no_fix")) },
    ...["bicep", "terraform"].filter((form) => forms[form]).map((form) => ({ name: form, label: t("card." + form), make: () => block(forms[form], t("card." + form)) })),
    ofRule.portal && { name: "portal", label: t("card.portal"), make: () => h("p", { class: "said" }, prose(ofRule.portal)) },
  ].filter(Boolean);
  return [
    titled("card.close", tabList(t("card.close"), tabs)),
    effect && h("p", { class: "said" }, effect),
    breaks && h("p", { class: "said" }, prose(t("endpoints.cuts", null, { text: breaks }))),
    first && h("details", null, h("summary", null, t(READS_ONLY.test(first) ? "card.check_first" : "card.try_first")), remedy({ commands: [first] })),
    fix && fix.undo && lazyDetails(t("card.undo"), () => undoOf(fix.undo)),
  ];
}

/** What puts the resource back as it was before the fix, or why nothing does. */
function undoOf({ save = [], commands = [], steps = [], cannot = "", source = "" }) {
  return [
    cannot && h("p", { class: "said" }, prose(cannot)),
    save.length > 0 && [h("p", { class: "said" }, t("card.save_first")), remedy({ commands: save }), h("p", { class: "said" }, t("card.then_undo"))],
    remedy({ commands, steps }),
    source && h("p", { class: "where" }, reference(source)),
  ];
}

function gapSection(row) {
  const gaps = data.gapSets[data.findings.gaps[row]].map((at) => data.gaps[at]);
  const message = text(row, "message");
  const line = (gap) => h("li", null, gap.action ? [t("card.missing"), " ", mono(gap.action)] : mono(String(gap.code || gap.status || "")), h("br"), h("small", null, visible(gap.url), gap.code && [" · ", visible(`${gap.status || ""} ${gap.code}`.trim())]));
  return [
    titled("card.undecided_why", message && h("p", null, visible(message))),
    gaps.length ? h("ul", { class: "plain gaps" }, gaps.map(line)) : h("p", null, t("card.no_gap")),
    gaps.length > 0 && h("p", null, h("a", { class: "act", href: "#not-assessed" }, t("card.how_to_close"))),
    json(row, "waiver", {}).owner && waived(row),
  ];
}

function crashed(row) {
  return titled("status.error", h("p", null, t("card.crashed", null, { rule: ruleOf(row).id })), h("p", null, mono(text(row, "message").trim().split("\n").pop())));
}

function waived(row) {
  const waiver = json(row, "waiver", {});
  const line = (key) => waiver[key] && [h("dt", null, t("card." + key)), h("dd", null, visible(String(waiver[key])))];
  return titled("card.waived", h("dl", null, ["reason", "owner", "expires", "ticket"].map(line)));
}

function controls(row) {
  const list = controlsOf(ruleOf(row));
  return list.length > 0 && titled("card.controls", h("p", null, separated(list.map((name) => h("a", { href: linkTo("findings", `control:"${name}"`) }, name)))));
}

/** Where to read more. */
function references(row) {
  const list = (ruleOf(row).references || []).filter((each) => typeof each === "string");
  return list.length > 0 && h("details", null, h("summary", null, t("card.references")), h("ul", { class: "plain" }, list.map((each) => h("li", null, reference(each)))));
}

const escaped = (char) => (char > "\uffff" || char.length > 1 ? "\\U" + char.codePointAt(0).toString(16).padStart(8, "0") : "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"));
const tomlString = (value) => JSON.stringify(value).replace(/[^\x00-\x7e]/gu, escaped);

const waiverToPaste = (row) => lazyDetails(t("card.accept"), () => block(waiverText(row), t("card.accept")));

function footer(row) {
  const seen = firstSeen(data.findings.since[row]);
  const link = (mark) => mark && [t("card.id") + " ", h("a", { href: hashOf({ view: "findings", f: mark }), title: t("card.permalink") }, h("code", null, mark))];
  return later(() => h("p", { class: "where" }, separated([seen, link(fingerprint(row).trim())])));
}

/** The network paths to a finding's endpoints; all but the first are folded. */
function pathsOf(row) {
  const drawn = exposuresOf(row).filter((at) => data.exposures.hops[at]);
  if (!drawn.length) return null;
  const [first, ...others] = drawn;
  return h("div", { class: "paths" }, heading(t("card.network_path"), drawn.length > 1 && [": ", visible(exposure(first, "endpoint"))]), pathTo(first),
    others.map((at) => lazyDetails([t("card.network_path"), ": ", visible(exposure(at, "endpoint"))], () => pathTo(at))));
}
