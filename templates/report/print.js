// Paper: the current view, with more of it drawn; put back afterwards.
const PRINTED = 500, OPENED = 10;
let afterPrint = null;

window.addEventListener("beforeprint", () => {
  const state = readState();
  if (!data || afterPrint || !isReady(state)) return;
  openLists();
  if (state.view === "endpoints") openExposures();
  if (state.view === "findings" && !isPart() && !state.f && found.length) printFindings(state);
});
window.addEventListener("afterprint", () => {
  if (afterPrint) afterPrint();
  afterPrint = null;
  closeLists();
});

function openExposures() {
  const buttons = [...document.querySelectorAll("#endpoint-list .exposure button.fold")].slice(0, OPENED).filter((button) => button.getAttribute("aria-expanded") !== "true");
  for (const button of buttons) button.click();
  afterPrint = () => buttons.forEach((button) => button.click());
}

/** What is folded in the view of changes and in cards; the numbers of the trend only where the view of changes is printed alone. */
let opened = [];
function openLists() {
  opened = [...document.querySelectorAll("#changes.current details:not([open]), .change-list details:not([open]), .view.current .body details:not([open])")];
  opened.forEach((each) => { each.open = true; });
}

function closeLists() {
  opened.forEach((each) => { each.open = false; });
  opened = [];
}

function printFindings(state) {
  const target = byId("finding-list"), before = [...target.childNodes];
  const list = sorted(found, state.sort).slice(0, PRINTED);
  const shown = shownRows;
  target.replaceChildren(h("p", { class: "part" }, t("print.part", null, { from: number(1), to: number(list.length), all: number(found.length) })), findingsTable(bodiesOf(list), state.sort));
  afterPrint = () => { target.replaceChildren(...before); shownRows = shown; };
}
