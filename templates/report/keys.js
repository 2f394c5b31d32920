// Keys, copying, light and dark.
let lettersOff = false;

function showMessage(message) {
  byId("toast").textContent = message;
  clearTimeout(showMessage.timer);
  showMessage.timer = setTimeout(() => { byId("toast").textContent = ""; }, 2500);
}

const copyText = (template, said = t("copied")) => copyAsIs(withFields(template), said);

async function copyAsIs(value, said) {
  try {
    await navigator.clipboard.writeText(value);
    showMessage(said);
  } catch {
    showMessage(copyBySelection(value) ? said : t("not_copied"));
  }
}

function copyBySelection(value) {
  const area = h("textarea", { class: "vh", "aria-hidden": "true" });
  const focused = document.activeElement;
  area.value = value;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.copy");
  if (button) copyText(button.parentElement.querySelector("code").textContent);
  const cell = event.target.closest("a.cell[aria-current]");
  if (cell) {
    event.preventDefault();
    go({ q: "", p: 1 });
  }
});

const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark" || (document.documentElement.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);

function nameTheme() {
  byId("theme").textContent = t(isDark() ? "light" : "dark");
}

function switchTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
}

const cards = () => [...document.querySelectorAll(".view.current [data-card]")];
const currentCard = () => document.activeElement?.closest("[data-card]");

function step(by) {
  const list = cards();
  const at = list.indexOf(currentCard());
  const next = list[at < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(list.length - 1, Math.max(0, at + by))];
  if (next) (next.querySelector(".open-row") || next).focus();
}

function copyCurrent() {
  const card = currentCard() || cards()[0];
  const text = card && commands.get(card)?.();
  if (text) copyText(text);
}

function openCurrent(event) {
  const card = currentCard();
  if (card && card === document.activeElement) {
    event.preventDefault();
    card.querySelector("button.fold, a.to-card")?.click();
  }
}

function nextGroup() {
  const state = readState();
  go({ view: "findings", group: GROUPS[(GROUPS.indexOf(state.view === "findings" ? state.group : "none") + 1) % GROUPS.length], p: 1, f: "", q: state.view === "findings" ? state.q : "" });
}

function focusFilter() {
  if (readState().view !== "findings") go({ view: "findings", q: "", p: 1, f: "" });
  tools.filter.focus();
}

const LETTERS = {
  "/": focusFilter, j: () => step(1), k: () => step(-1), c: copyCurrent, g: nextGroup, t: switchTheme, "?": () => showKeys(),
};

document.addEventListener("keydown", (event) => {
  if (!data || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") return escape();
  if (event.target.closest("input, select, textarea")) return undefined;
  if (event.key === "Enter") return openCurrent(event);
  const act = LETTERS[event.key] || (VIEWS[Number(event.key) - 1] && (() => go({ view: VIEWS[Number(event.key) - 1], q: "", p: 1, f: "", group: "none", sort: "severity" })));
  if (lettersOff || !act) return undefined;
  event.preventDefault();
  return act();
});

function escape() {
  const state = readState();
  if (state.q || state.f) go({ q: "", f: "", p: 1 });
  tools.filter.value = "";
}

function makeKeys() {
  const line = (keys, word) => h("div", null, h("dt", null, keys.flatMap((key, at) => (at ? [" ", h("kbd", null, key)] : [h("kbd", null, key)]))), h("dd", null, t("help." + word)));
  const off = h("input", { type: "checkbox", id: "letters-off", change: () => { lettersOff = off.checked; } });
  fill(byId("keys"), null, [
    h("h2", null, t("help.heading")),
    h("dl", { class: "keys" }, line(["/"], "filter"), line(["j"], "next"), line(["k"], "previous"), line(["Enter"], "open"), line(["c"], "copy"), line(["g"], "group"), line(VIEWS.map((_, at) => String(at + 1)), "views"), line(["t"], "theme"), line(["?"], "help"), line(["Esc"], "clear")),
    h("p", null, off, " ", h("label", { for: "letters-off" }, t("help.off"))),
    h("button", { type: "button", click: () => byId("keys").close() }, t("close")),
  ]);
}

const showKeys = () => byId("keys").showModal();
