// Start, and the one place that draws what the address says.
let lastView = "";

function showView(name) {
  for (const section of document.querySelectorAll(".view")) section.classList.toggle("current", (section.dataset.view || section.id) === name);
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.hash.split("?")[0] === "#" + name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

const pageTitle = document.title;
/** Names the view, and the one finding that is shown, before the name of the report. */
function nameView(state) {
  const row = state.view === "findings" && state.f ? rowWith(state.f) : -1;
  const name = row < 0 ? t("view." + state.view.replace("-", "_")) : plain(standingTitle(row));
  document.title = `${name}${state.q ? ` (${plain(state.q)})` : ""} · ${pageTitle}`;
}

/** Whether a state shows or searches fingerprints. */
function needsFingerprints({ view, q, f }) {
  if (view === "findings" && f) return true;
  const names = { findings: FINDING_NAMES, endpoints: EXPOSURE_NAMES }[view];
  return names !== undefined && readQuery(q, names).some(({ key, values }) => key === "is" || (key === "" && /^[0-9a-f]{1,16}$/.test(values[0])));
}

/** Whether a state is the first page of its view, which the first block has. */
function isFirstPage(state) {
  if (state.view === "findings") return data.counts.page && hashOf(state) === "#findings";
  return state.view !== "map" && (state.view !== "endpoints" || hashOf(state) === "#endpoints");
}

/** Whether the rows are there that a state shows. */
const hasRows = (state) => isWhole() || !(needsFingerprints(state) || (isPart() && !isFirstPage(state)));

/** What the last state of each view selected: {q, hits, ...}, and of findings in groups {group, groups}. */
const selections = new Map();
const SELECTING = { findings: selectingFindings, endpoints: selectingExposures };
const AT_ONCE = 20000;

/** Fills `selections` for a state in slices. */
function* selectingFindings(state) {
  const { q, group } = state, before = selections.get("findings");
  showFacets();
  const found = before?.q === q ? before : { q, ...(yield* selectingWithFacets(readQuery(q, FINDING_NAMES))) };
  if (group !== "none" && found.group !== group) Object.assign(found, { group, groups: yield* grouping(found.hits, group) });
  if (group !== "none") yield* counting(pageOf(found.groups, state).list, group);
  selections.set("findings", found);
}

function* selectingExposures({ q }) {
  selections.set("endpoints", { q, ...(yield* selectingEndpoints(q)) });
}

function isSelected(state) {
  const { view, q, f, group } = state, made = selections.get(view);
  if (!(view in SELECTING) || (view === "findings" && f)) return true;
  const isGrouped = view === "findings" && group !== "none";
  if (made?.q === q && (!isGrouped || (made.group === group && pageOf(made.groups, state).list.every((each) => groupsCounted.has(each))))) return true;
  if ((q || isGrouped) && rows.length + data.exposures.length > AT_ONCE) return false;
  atOnce(SELECTING[view](state));
  return true;
}

/** Whether all that a state shows is there. */
const isReady = (state) => hasRows(state) && (state.view !== "findings" || isSortable(state.sort)) && isSelected(state);

let turn = 0;
/** Makes what a state needs beside the rows, in slices. Returns false where a later state took its turn, and is drawn. */
async function prepare(state) {
  const own = ++turn, { view } = state;
  paused = performance.now();
  if (!hasRows(state)) return false;
  if (view === "findings") await makeSortable(state.sort);
  if (own !== turn) return false;
  if (isSelected(state)) return true;
  return inTurns(SELECTING[view](state), () => own === turn);
}

let isWaiting = false;
/** Says that a state is not drawn yet, where that takes longer than a moment; draws it when it can be. */
function wait(state) {
  if (!isWaiting) setTimeout(showWaiting, WAIT_SHOWN);
  isWaiting = true;
  if (hasRows(state)) prepare(state).then((isPrepared) => isPrepared && drawWaiting(), showFailure);
}

const WAIT_SHOWN = 80;

function showWaiting() {
  byId("main").setAttribute("aria-busy", String(isWaiting));
  if (isWaiting) byId("toast").textContent = t("waiting");
  else if (byId("toast").textContent === t("waiting")) byId("toast").textContent = "";
}

function drawWaiting() {
  if (isWaiting) render();
}

function render() {
  const state = readState();
  showView(state.view);
  if (!data) return;
  if (!isReady(state)) {
    wait(state);
    return;
  }
  turn++;
  if (isWaiting) {
    isWaiting = false;
    showWaiting();
  }
  nameView(state);
  if (state.view === "endpoints") renderExposures(state);
  if (state.view === "findings") renderFindings(state);
  if (state.view === "changes") renderChanges(state);
  if (state.view === "map") renderMap();
  if (state.view === "frameworks") renderFrameworks(state);
  if (lastView && lastView !== state.view) {
    byId("main").focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  if (state.view === "not-assessed" && state.f === "uncovered") byId("uncovered").focus();
  lastView = state.view;
}

/** The lists as they are written into the page, until everything is unpacked. */
let writtenLists = ["endpoint-list", "finding-list"].map((id) => [byId(id), [...byId(id).childNodes]]);

function showFailure(error) {
  const line = byId("noscript");
  line.textContent = line.dataset.failed.replace("{reason}", error.message === "old" ? line.dataset.old : line.dataset.damaged);
  for (const [list, nodes] of writtenLists) list.replaceChildren(...nodes);
  for (const id of ["finding-tools", "finding-facets", "finding-head"]) byId(id).replaceChildren();
  document.documentElement.className = "";
}

async function start() {
  try {
    const blockRead = await unpack("island");
    useWords(blockRead);
    useData(blockRead);
    await pause();
    makeTools();
    makeKeys();
    makeFields();
    makeChanges();
    makeAllRoving();
    makeLegend();
    makeFrameworks();
    nameTheme();
    byId("theme").addEventListener("click", switchTheme);
    byId("help").addEventListener("click", showKeys);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
    await pause();
    showFacets();
    await pause();
    render();
    await unpackMore();
    whoseRows();
    await prepare(readState());
    drawWaiting();
    writtenLists = [];
    document.documentElement.dataset.ready = "true";
  } catch (error) {
    showFailure(error);
  }
}

window.addEventListener("hashchange", render);
showView(readState().view);
start();
