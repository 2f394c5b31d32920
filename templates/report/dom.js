// Elements are made here, and text only ever becomes a text node.
const SVG = "http://www.w3.org/2000/svg";
// The same list as scanner/report/language/text.py.
const HIDDEN = /[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\u{e0000}-\u{e0fff}\ud800-\udfff]/u;
const HIDDEN_ALL = new RegExp(HIDDEN.source, "gu");

const byId = (id) => document.getElementById(id);
const code = (char) => "U+" + char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

/** An HTML element; a function among the attributes listens to the event of that name. */
const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Foreign text for markup: hidden characters boxed, direction kept apart. */
function visible(text) {
  const pieces = [];
  let at = 0;
  for (const hit of text.matchAll(HIDDEN_ALL)) {
    pieces.push(text.slice(at, hit.index), h("span", { class: "hid" }, code(hit[0])));
    at = hit.index + hit[0].length;
  }
  return h("bdi", null, pieces, text.slice(at));
}

/** A sentence whose code stands between backticks; as with_code in text.py. */
function prose(text) {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, at) => part && (at % 2 ? mono(part) : visible(part))) : visible(text);
}

/** Foreign text where there is no markup: labels, tooltips, drawings. */
const plain = (text) => text.replace(HIDDEN_ALL, (char) => `[${code(char)}]`);

const mono = (text) => h("code", null, visible(text));
const icon = (name) => s("svg", { class: "i", "aria-hidden": "true" }, s("use", { href: "#i-" + name }));
const badge = (look, word) => h("span", { class: "badge " + look }, icon(look), word);
const newBadge = () => badge("new", t("new"));
const separated = (parts, by = " · ") => parts.filter(Boolean).flatMap((part, at) => (at ? [by, part] : [part]));
const severities = new Set(["critical", "high", "medium", "low", "info"]);
const ratingWord = (look) => t(severities.has(look) ? "severity." + look : "standing." + look);

/** The words of a command; lines break between them, in an id after a slash, and elsewhere only in a word that is wider than its box. */
function commandText(text) {
  const boxes = (word) => (word.includes("/subscriptions/") ? word.split(/(?<=[\p{L}\p{N}_]\/)(?=[\p{L}\p{N}_])/u).map((part) => h("i", null, part)) : /[^\w\s]/.test(word) ? h("span", { class: "word" }, word) : word);
  return h("bdi", null, text.split(/( +|\n)/).map(boxes));
}

/** A command with its Copy button; `join`: the text between several values of a field. */
function command(text, join = "") {
  const code = h("code", text.search(FIELD) >= 0 ? { "data-command": text, "data-join": join || null } : null, commandText(withFields(text, join)));
  return h("div", { class: "cmd" }, code, h("button", { type: "button", class: "copy" }, t("copy")));
}

/** A text of several lines with its Copy button. */
function block(text, label) {
  const lines = text.split("\n").flatMap((line, at) => (at ? ["\n", visible(line)] : [visible(line)]));
  return h("div", { class: "cmd tall" }, h("pre", { role: "region", tabindex: "0", "aria-label": label }, h("code", null, lines)), h("button", { type: "button", class: "copy" }, t("copy")));
}

/** A fix of the data block, null without one. */
const fixOf = (text) => (text ? JSON.parse(text) : null);

const usable = (text) => (text && !HIDDEN.test(text) ? text : "");

/** The commands of a fix as one text, "" where one has hidden characters. */
function commandsOf(fix) {
  const list = (fix && fix.commands) || [];
  return list.every(usable) ? list.join("\n") : "";
}

// What the reader typed for the fields of commands, by name. It is kept in memory only.
const fieldValues = new Map();
const FIELD = /<([A-Z][A-Z0-9_]*)>/g;
const SAFE_VALUE = /^[\w@%+=:,./-]+$/;

const RANGE = "YOUR_RANGE";
const valuesOf = (text) => text.split(/\s+/).filter(Boolean);

/** Whether a text is an address or a range in CIDR form. */
function isRange(text) {
  const [address, length, ...rest] = text.split("/");
  const isFour = /^(\d{1,3}\.){3}\d{1,3}$/.test(address), bits = isFour ? 32 : 128;
  if (rest.length || (length !== undefined && !(/^\d{1,3}$/.test(length) && Number(length) <= bits))) return false;
  return isFour ? address.split(".").every((part) => Number(part) < 256) : /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(address) && URL.canParse(`http://[${address}]/`);
}

/** Whether the values of a field can stand in a command. */
const areSafe = (name, values) => values.every((value) => SAFE_VALUE.test(value) && (name !== RANGE || isRange(value))) && (name === RANGE || values.length < 2);

/** A command with the fields that the reader filled in; a field of several values stays where the command takes one. */
function withFields(text, join) {
  return text.replace(FIELD, (whole, name) => {
    const values = valuesOf(fieldValues.get(name) || "");
    return values.length > 1 && !join ? whole : values.join(join) || whole;
  });
}

/** Fills every command of the page again. */
function refill() {
  for (const code of document.querySelectorAll("code[data-command]")) code.replaceChildren(commandText(withFields(code.dataset.command, code.dataset.join)));
}

/** The input of a field; the same field stands under several findings. */
function fieldInput(name, what, join) {
  const input = h("input", { type: "text", autocomplete: "off", spellcheck: "false", "data-input": name });
  input.value = fieldValues.get(name) || "";
  input.addEventListener("input", () => {
    const values = valuesOf(input.value), safe = areSafe(name, values);
    input.setAttribute("aria-invalid", String(!safe || (values.length > 1 && !join)));
    fieldValues.set(name, safe ? values.join(" ") : "");
    for (const other of document.querySelectorAll("input[data-input]")) if (other !== input && other.dataset.input === name) other.value = input.value;
    refill();
  });
  return h("label", { class: "said field" }, h("span", null, mono("<" + name + ">"), " ", visible(what), join && ["; ", t("fix.several")]), input);
}

/** Makes inputs of the fields that are written into the page. */
function makeFields() {
  for (const line of document.querySelectorAll("p[data-field]")) {
    const what = line.textContent.replace("<" + line.dataset.field + ">", "").trim();
    line.replaceWith(fieldInput(line.dataset.field, what, line.dataset.join));
  }
  for (const code of document.querySelectorAll(".cmd code")) if (!code.dataset.command && code.textContent.search(FIELD) >= 0) code.dataset.command = code.textContent;
}

/** What closes something: steps, commands, their fields, or why no command is offered. */
function remedy(fix, otherwise) {
  if (!fix) return otherwise && h("p", { class: "said" }, otherwise);
  const { steps = [], commands = [], fields = [] } = fix;
  const safe = commands.every(usable), join = fields.map((field) => field.join || "").join("");
  return [
    steps.map((step) => h("p", { class: "said" }, prose(step))),
    safe ? commands.map((each) => command(each, join)) : h("p", { class: "said" }, t("no_command")),
    safe && fields.map(({ name, what, join: between }) => fieldInput(name, what, between)),
  ];
}

/** What a fix closes, as one sentence; as effect in text.py. */
function effectOf(fix, endpoint) {
  const { closes = [], leaves = [], also_closes: listed = [], also_closes_count: count = 0 } = fix || {};
  if (!closes.length && !leaves.length) return "";
  const here = closes.includes(endpoint), also = Math.max(count, listed.length), parts = [];
  const more = closes.length + also - (endpoint && here ? 1 : 0), left = leaves.length - (endpoint && !here ? 1 : 0);
  const others = (number) => number > 0 && t("fix.also", number) + (also > listed.length ? " " + t("fix.listed", listed.length) : "");
  if (endpoint) parts.push(t(here ? "fix.closes_this" : "fix.closes_lock"), others(more), left > 0 && t("fix.leaves_others", left));
  else parts.push(t("fix.closes", closes.length), others(also), left > 0 && t("fix.leaves", left));
  return parts.filter(Boolean).join("; ") + ".";
}
