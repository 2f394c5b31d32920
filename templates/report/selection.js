// Rows that are ticked, and what is done with them, or with the whole result where none is: commands, CSV, waivers.
const MOST_WAIVERS = 500;
const chosenRows = new Set();
let found = [];
let shownRows = [];
const boxes = new Map();
const bar = {};

function pageBox() {
  bar.page = h("input", { type: "checkbox", "aria-label": t("select.page"), change: () => {
    for (const row of shownRows) { if (bar.page.checked) chosenRows.add(row); else chosenRows.delete(row); }
    showSelection();
  } });
  return bar.page;
}

function rowBox(row) {
  const box = h("input", { type: "checkbox", "aria-label": t("select.row", null, { title: plain(standingTitle(row)) }), change: () => {
    if (box.checked) chosenRows.add(row);
    else chosenRows.delete(row);
    showSelection();
  } });
  box.checked = chosenRows.has(row);
  boxes.set(box, row);
  shownRows.push(row);
  return box;
}

/** The rows that a button acts on, in the order of the data. */
const actedOn = () => (chosenRows.size ? [...chosenRows].sort((a, b) => a - b) : found);

function makeSelection() {
  const button = (word, act) => h("button", { type: "button", click: act }, t("select." + word));
  bar.count = h("span", { class: "selected" });
  bar.all = button("all", () => { for (const row of found) chosenRows.add(row); showSelection(); });
  bar.none = button("none", () => { chosenRows.clear(); showSelection(); bar.page?.focus(); });
  bar.element = h("div", { class: "actions", role: "group", "aria-label": t("select.label") }, bar.count, button("commands", () => whenWhole(() => copyScript(actedOn()))),
    button("csv", () => whenWhole(() => { saveText("twolocks-findings.csv", csvText(actedOn()), "text/csv;charset=utf-8"); showMessage(t("select.saved", actedOn().length)); })),
    button("waivers", () => whenWhole(showWaivers)), bar.all, bar.none);
  return bar.element;
}

function showSelection() {
  const many = chosenRows.size;
  for (const [box, row] of boxes) {
    if (!box.isConnected) boxes.delete(box);
    else {
      box.checked = chosenRows.has(row);
      box.closest("tr").classList.toggle("chosen", box.checked);
    }
  }
  const here = shownRows.filter((row) => chosenRows.has(row)).length;
  if (bar.page) {
    bar.page.checked = here > 0 && here === shownRows.length;
    bar.page.indeterminate = here > 0 && here < shownRows.length;
  }
  bar.count.textContent = many ? t("select.count", many) : t("select.for_all", found.length);
  bar.all.hidden = !many || many >= found.length;
  bar.all.textContent = t("select.all", found.length);
  bar.none.hidden = !many;
  bar.element.classList.toggle("some", many > 0);
  bar.element.hidden = !found.length;
}

function waiverText(row) {
  return ["[[waiver]]", `rule = ${tomlString(ruleOf(row).id)}`, `resource = ${tomlString(idOf(rows.resource[row]))}`, 'reason = ""', 'owner = ""', 'ticket = ""', `expires = ${data.waiverExpires}`].join("\n");
}

function showWaivers() {
  const failed = actedOn().filter((row) => rows.status[row] === FAIL), listed = failed.slice(0, MOST_WAIVERS);
  const dialog = byId("text");
  const left = actedOn().length - listed.length;
  dialog.replaceChildren(h("div", { class: "dialog-head" }, h("h2", { id: "h-text" }, t("select.waivers_of", listed.length)), h("button", { type: "button", click: () => dialog.close() }, t("close"))), h("p", null, t("select.waivers_lead")), left > 0 && h("p", null, t("select.waivers_left", left)),
    listed.length ? block(listed.map(waiverText).join("\n\n") + "\n", t("card.accept")) : "");
  dialog.showModal();
}
