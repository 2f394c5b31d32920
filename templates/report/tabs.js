// Tabs: one panel is shown; arrow keys, Home and End move between the tabs. The form chosen last is shown on other cards too.
let tabs = 0;
let chosenForm = "cli";

/** Tabs of `forms`: {name, label, make}; a panel is made when it is first shown. */
function tabList(label, forms) {
  const own = ++tabs, start = Math.max(0, forms.findIndex((form) => form.name === chosenForm));
  const panels = forms.map((_, at) => h("div", { role: "tabpanel", id: `panel-${own}-${at}`, "aria-labelledby": `tab-${own}-${at}`, class: "tab-panel" }));
  const buttons = forms.map((form, at) => h("button", { type: "button", role: "tab", id: `tab-${own}-${at}`, "aria-controls": `panel-${own}-${at}`, click: () => { chosenForm = form.name; show(at); } }, form.label));
  const show = (at) => {
    if (!panels[at].childElementCount) fill(panels[at], null, [forms[at].make()]);
    panels.forEach((panel, each) => { panel.hidden = each !== at; });
    buttons.forEach((button, each) => { button.setAttribute("aria-selected", String(each === at)); button.tabIndex = each === at ? 0 : -1; });
  };
  const move = (event) => {
    const at = buttons.indexOf(document.activeElement), last = buttons.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    buttons[to].click();
    buttons[to].focus();
  };
  show(start);
  return h("div", { class: "tabs" }, h("div", { role: "tablist", "aria-label": label, keydown: move }, buttons), panels);
}

/** Links and buttons of a group as one stop of the Tab key: arrow keys, Home and End move within it. */
function makeRoving(group) {
  const links = [...group.querySelectorAll("a, button")];
  const stop = (link) => links.forEach((each) => { each.tabIndex = each === link ? 0 : -1; });
  if (links.length) stop(links.find((link) => link.tabIndex === 0 && link.hasAttribute("aria-current")) || links[0]);
  group.addEventListener("focusin", (event) => { const link = event.target.closest("a, button"); if (links.includes(link)) stop(link); });
  group.addEventListener("keydown", (event) => {
    const at = links.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: links.length - 1, ArrowDown: below(links, at, 1), ArrowUp: below(links, at, -1) }[event.key];
    if (to === undefined || !links[to]) return;
    event.preventDefault();
    links[to].focus();
  });
}

/** The next link in the row of a table below or above, the one whose middle is nearest; in a list the next one. */
function below(links, at, by) {
  const row = links[at].closest("tr");
  if (!row) return at + by;
  const middle = (link) => { const box = link.getBoundingClientRect(); return box.left + box.width / 2; };
  const others = links.map((link, index) => ({ index, row: link.closest("tr"), away: Math.abs(middle(link) - middle(links[at])) })).filter((each) => (by > 0 ? each.index > at : each.index < at) && each.row !== row);
  const next = by > 0 ? others[0] : others[others.length - 1];
  return next && others.filter((each) => each.row === next.row).sort((a, b) => a.away - b.away)[0].index;
}

const makeAllRoving = () => document.querySelectorAll("[data-roving]").forEach(makeRoving);
