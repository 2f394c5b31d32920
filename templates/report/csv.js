// CSV of findings, made in the page: the rows of scanner/report/sheets/csv.py without their tags, which are not in the page. No spreadsheet reads a cell as a formula.
const CSV_COLUMNS = ["record", "status", "severity", "worst", "new", "since", "rule", "category", "title", "subscription", "subscription_name", "resource_group", "type", "name", "location", "endpoint", "kind", "address", "reach", "authentication", "message", "fix", "waiver_reason", "waiver_owner", "waiver_expires", "waiver_ticket", "fingerprint", "resource", "waiver_lapsed", "taken", "evaluated", "responsibility", "controls", "owner"];
const csvColumns = () => (hasTenants() ? [...CSV_COLUMNS, "tenant", "tenant_name"] : CSV_COLUMNS);
const SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212";
const LEAD = new RegExp(`(^|[;,])(?=[\\s\\x1c-\\x1f\\x85"'\`\u2018\u2019\u201c\u201d]*[${SIGNS}])`, "g");
const LONGEST_CELL = 32000;

/** A value as text that no spreadsheet reads as a formula; as `cell` in csv.py. */
function csvCell(value) {
  if (value === null || value === undefined) return "";
  let text = plain(String(value));
  const characters = [...text];
  if (characters.length > LONGEST_CELL) text = characters.slice(0, LONGEST_CELL - 6).join("") + " [cut]";
  return text.replace(LEAD, "$1'");
}

/** A sentence as plain text; as without_ticks in text.py. */
const withoutTicks = (text) => (text.split("`").length % 2 ? text.replaceAll("`", "") : text);

function csvRow(row) {
  const resource = rows.resource[row], rule = ruleOf(row), status = statusOf(row), severity = severityOf(row);
  const fix = row < rows.own ? fixOf(text(row, "fix")) : null, waiver = json(row, "waiver", {}), [sub, subName, tenant] = subOf(resource);
  const since = row < rows.own ? data.strings[data.findings.since[row]] : "";
  return {
    record: "finding", status, severity: ["fail", "waived"].includes(status) ? severity : "", worst: severity, since,
    new: data.history && row < rows.own && data.findings.new[row] >= 0 ? (isNew(row) ? "yes" : "no") : "",
    rule: rule.id, category: rule.category, title: titleOf(row), subscription: sub, subscription_name: subName === sub ? "" : subName, resource_group: groupOf(resource),
    type: typeOf(resource), name: nameOf(resource), location: regionOf(resource), endpoint: endpointsOf(row).join(", "),
    message: status === "not-applicable" ? whyNot(row) : text(row, "message"), fix: fix ? (fix.commands || (fix.steps || []).map(withoutTicks)).join("\n") : "",
    waiver_reason: waiver.reason, waiver_owner: waiver.owner, waiver_expires: waiver.expires, waiver_ticket: waiver.ticket, waiver_lapsed: waiver.lapsed,
    taken: data.scanned[0], evaluated: data.scanned[1], responsibility: responsibilityOf(row),
    controls: Object.entries(rule.controls || {}).flatMap(([framework, ids]) => ids.map((id) => `${framework} ${id}`)).join("; "),
    owner: ownerOf(resource), fingerprint: fingerprint(row), resource: idOf(resource), tenant, tenant_name: tenantOf(resource),
  };
}

/** The text of a file: a byte order mark, every cell in quotes, CR LF. */
function csvText(list) {
  const line = (cells) => cells.map((each) => `"${each.replaceAll('"', '""')}"`).join(",") + "\r\n";
  return "\ufeff" + line(csvColumns()) + list.map((row) => { const cells = csvRow(row); return line(csvColumns().map((name) => csvCell(cells[name]))); }).join("");
}

/** Saves a text as a file: the page gives it to the browser, nothing is sent. */
function saveText(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
