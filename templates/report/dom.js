// Elements are made here, and text only ever becomes a text node.
const SVG = "http://www.w3.org/2000/svg";
// The same list as scanner/report/text.py.
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

/** Foreign text where there is no markup: labels, tooltips, drawings. */
const plain = (text) => text.replace(HIDDEN_ALL, (char) => `[${code(char)}]`);

const mono = (text) => h("code", null, visible(text));
const icon = (name) => s("svg", { class: "i", "aria-hidden": "true" }, s("use", { href: "#i-" + name }));
const badge = (look, word) => h("span", { class: "badge " + look }, icon(look), word);
const newBadge = () => badge("new", t("new"));
const separated = (parts, by = " · ") => parts.filter(Boolean).flatMap((part, at) => (at ? [by, part] : [part]));
const severities = new Set(["critical", "high", "medium", "low", "info"]);
const ratingWord = (look) => t(severities.has(look) ? "severity." + look : "standing." + look);

/** A command with its Copy button. */
function command(text) {
  return h("div", { class: "cmd" }, mono(text), h("button", { type: "button", class: "copy" }, t("copy")));
}

/** A text of several lines with its Copy button. */
function block(text, label) {
  const lines = text.split("\n").flatMap((line, at) => (at ? ["\n", visible(line)] : [visible(line)]));
  return h("div", { class: "cmd tall" }, h("pre", { role: "region", tabindex: "0", "aria-label": label }, h("code", null, lines)), h("button", { type: "button", class: "copy" }, t("copy")));
}

/** A fix as [sentence, command]; as split_fix in text.py. */
function splitFix(fix) {
  if (!fix) return ["", ""];
  if (fix.startsWith("az ")) return ["", fix];
  const at = fix.indexOf(": az ");
  return at < 0 ? [fix, ""] : [fix.slice(0, at) + ".", fix.slice(at + 2)];
}

const usable = (text) => (text && !HIDDEN.test(text) ? text : "");

/** What closes something: sentence, command, or why no command is offered. */
function remedy(fix, otherwise) {
  const [sentence, text] = splitFix(fix);
  return [
    sentence && h("p", { class: "said" }, visible(sentence)),
    text && (usable(text) ? command(text) : h("p", { class: "said" }, t("no_command"))),
    !fix && otherwise && h("p", { class: "said" }, otherwise),
  ];
}
