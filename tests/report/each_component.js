// Leaves one of each component in a page while `work` runs: repeated cards and rows, and what is not shown, are taken out.
//
// Two elements are the same component where their tags, classes, styles, roles and states are equal, down to the last
// child. Names, texts and addresses may differ, but not whether there are any: a card without a name stays. What another
// element refers to by id stays too.
async (work) => {
  const FREE = /^(aria-label|aria-labelledby|aria-describedby|aria-controls|data-.*|for|height|href|id|name|points|title|transform|value|width|[dxy])$/;
  const REFERENCES = ["aria-controls", "aria-describedby", "aria-labelledby", "for"];

  const shapes = new Map();
  const shape = (node) => {
    if (!shapes.has(node)) shapes.set(node, described(node));
    return shapes.get(node);
  };
  const described = (node) => {
    const names = node.getAttributeNames().sort();
    const own = names.map((name) => `${name}=${FREE.test(name) ? node.getAttribute(name) !== "" : node.getAttribute(name)}`);
    const text = [...node.childNodes].some((each) => each.nodeType === Node.TEXT_NODE && each.data.trim() !== "");
    return `<${node.tagName} ${own.join(" ")} ${text}>${[...new Set([...node.children].map(shape))].join("")}</>`;
  };
  const references = REFERENCES.flatMap((name) =>
    [...document.querySelectorAll(`[${name}]`)].flatMap((from) =>
      from.getAttribute(name).split(/\s+/).map((id) => [from, document.getElementById(id)]),
    ),
  ).filter(([, to]) => to !== null);
  const isNeeded = (node) =>
    references.some(([from, to]) => node.contains(to) && !node.contains(from) && from.isConnected);

  // An element without a box of its own shows its children.
  const isShown = (node) => node.checkVisibility() || (getComputedStyle(node).display === "contents" && node.parentElement.checkVisibility());

  const removed = [];
  const thin = (parent) => {
    const seen = new Set();
    for (const child of [...parent.children]) {
      // A drawing is one component: its parts cover each other.
      if (["STYLE", "SCRIPT", "svg"].includes(child.tagName)) continue;
      const found = isShown(child) ? shape(child) : "";
      // Words stay in their line: a link within a text may be small.
      const isWord = found !== "" && getComputedStyle(child).display === "inline";
      if ((found === "" || seen.has(found)) && !isWord && !isNeeded(child)) {
        const mark = document.createComment("");
        child.replaceWith(mark);
        removed.push([mark, child]);
      } else {
        seen.add(found);
        thin(child);
      }
    }
  };
  thin(document.body);
  try {
    return await work();
  } finally {
    for (const [mark, node] of removed.reverse()) mark.replaceWith(node);
  }
};
