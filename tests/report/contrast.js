// Returns the texts of a page whose contrast was not checked before, by what it depends on.
//
// That is colour and size of a text, and the elements around it: what they are, in which state, and what they paint.
(checked) => {
  const STATES = ["class", "style", "role", "aria-current", "aria-selected", "aria-expanded", "aria-pressed", "aria-disabled", "disabled", "open"];
  const FIELDS = "input, select, textarea";

  const before = new Set(checked);
  const around = new Map([[null, ""]]);
  const paint = (element) => {
    if (!around.has(element)) {
      const style = getComputedStyle(element);
      const painted = [style.backgroundColor, style.backgroundImage, style.opacity, style.filter, style.mixBlendMode, style.position];
      const own = [element.tagName, ...STATES.map((name) => element.getAttribute(name)), ...painted].join("|");
      around.set(element, `${paint(element.parentElement)}>${own}`);
    }
    return around.get(element);
  };
  const text = (element) => {
    const style = getComputedStyle(element);
    const own = [style.color, style.fontSize, style.fontWeight, style.textShadow, style.webkitTextFillColor, style.fill];
    return `${paint(element)}|${own.join("|")}`;
  };
  const digest = (text) => {
    let [one, two] = [0xdeadbeef, 0x41c6ce57];
    for (let at = 0; at < text.length; at++) {
      one = Math.imul(one ^ text.charCodeAt(at), 2654435761);
      two = Math.imul(two ^ text.charCodeAt(at), 1597334677);
    }
    return `${one}.${two}`;
  };
  const isText = (element) =>
    element.matches(FIELDS) || [...element.childNodes].some((each) => each.nodeType === Node.TEXT_NODE && each.data.trim() !== "");

  const found = new Map();
  for (const element of document.body.querySelectorAll("*")) {
    if (isText(element) && element.checkVisibility()) {
      const mark = digest(text(element));
      if (!before.has(mark)) found.set(mark, [...(found.get(mark) ?? []), element]);
    }
  }
  return found;
};
