// Frameworks: the controls of the one that is open, with their states and links to their findings.
const CONTROL_STATES = ["failed", "passed", "not-assessed", "not-testable", "not-covered"];
const CONTROL_LOOKS = { failed: "fail", passed: "pass", "not-assessed": "unknown", "not-testable": "waived", "not-covered": "not-applicable" };

const wordKey = (word) => word.replaceAll("-", "_");

/** What was found on a control, each number a link to its findings; else why there is none. */
function controlFound(framework, [id, , , state, why, , ...counts]) {
  if (state === "not-testable") return t("frameworks.reason." + why);
  if (state === "not-covered") return t("frameworks.no_rule");
  const statuses = ["fail", "waived", "unknown,error", "pass"], words = ["failed", "waived", "inconclusive", "passed"];
  const links = counts.map((count, at) => count > 0 && h("a", { href: linkTo("findings", `control:"=${`${framework.name} ${id}`.toLowerCase()}" status:${statuses[at]}`) }, t("frameworks." + words[at], count)));
  return separated([why && t("frameworks.why." + why), ...links]);
}

function controlRow(framework, control) {
  const [id, , title, state, , inPart] = control;
  return h("tr", null, h("th", { scope: "row" }, visible(id)), h("td", null, visible(title)),
    h("td", null, badge(CONTROL_LOOKS[state], t("frameworks.state." + wordKey(state))), inPart === 1 && state !== "not-assessed" && [" ", h("small", null, t("frameworks.in_part"))]),
    h("td", null, controlFound(framework, control)));
}

function controlsTable(framework, only) {
  const rows = framework.controls.filter((each) => !only || each[3] === only), sections = [...new Set(rows.map((each) => each[1]))];
  const bodies = sections.map((section) => h("tbody", null,
    h("tr", { class: "section" }, h("th", { scope: "rowgroup", colspan: "4" }, visible(section), " ", visible(framework.sections[section] || ""))),
    rows.filter((each) => each[1] === section).map((each) => controlRow(framework, each))));
  const heads = ["control", "title", "state_of", "found"].map((name) => h("th", { scope: "col" }, t("frameworks." + name)));
  return h("div", { class: "wide", role: "region", tabindex: "0", "aria-label": framework.name }, h("table", { class: "plain-table controls" }, h("thead", null, h("tr", null, heads)), bodies));
}

/** Draws the framework of the state `f`, its controls of the state `q` alone; closes the others. */
function renderFrameworks(state) {
  const only = CONTROL_STATES.includes(state.q) ? state.q : "";
  for (const button of document.querySelectorAll("button[data-framework]")) {
    const framework = data.frameworks.find((each) => each.id === button.dataset.framework), isOpen = framework.id === state.f;
    const target = byId("controls-" + framework.id);
    button.setAttribute("aria-expanded", String(isOpen));
    target.hidden = !isOpen;
    target.replaceChildren(...(isOpen ? [only && h("p", { class: "where" }, h("a", { href: hashOf({ view: "frameworks", f: framework.id }) }, t("frameworks.all"))), controlsTable(framework, only)].filter(Boolean) : []));
    for (const link of byId("framework-" + framework.id).querySelectorAll(".framework-states a")) {
      if (isOpen && link.hash === location.hash) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
}

function makeFrameworks() {
  for (const button of document.querySelectorAll("button[data-framework]")) {
    button.addEventListener("click", () => go({ view: "frameworks", q: "", f: button.getAttribute("aria-expanded") === "true" ? "" : button.dataset.framework }));
  }
}
