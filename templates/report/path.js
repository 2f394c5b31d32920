// The drawing of a network path: source, hops, authentication, endpoint; six in a row. Narrow pages show a list instead.
const BOX = { width: 166, height: 84, gap: 28, top: 34, between: 54, perRow: 6 };
const MOST_HOPS = 12;
const isLock = (hop) => !["source", "endpoint", "authentication"].includes(hop.kind);

/** At most twelve hops: runs of allowing hops in the middle are folded; a blocking hop never is. */
function foldHops(hops) {
  if (hops.length <= MOST_HOPS) return hops;
  const runs = [];
  hops.forEach((hop, at) => {
    if (!isLock(hop) || hop.lets !== true) return;
    const last = runs[runs.length - 1];
    if (last && last.end === at) last.end++;
    else runs.push({ start: at, end: at + 1 });
  });
  let excess = hops.length - MOST_HOPS;
  const folds = [];
  for (const run of runs.sort((a, b) => b.end - b.start - (a.end - a.start))) {
    const size = Math.min(run.end - run.start, excess + 1);
    if (excess <= 0 || size < 2) continue;
    const start = run.start + Math.floor((run.end - run.start - size) / 2);
    folds.push({ start, size });
    excess -= size - 1;
  }
  const folded = [...hops];
  for (const { start, size } of folds.sort((a, b) => b.start - a.start)) {
    folded.splice(start, size, { kind: "folded", name: t("path.folded", size), detail: "", lets: true });
  }
  return folded;
}

const lockState = (hops) => (hops.some((hop) => hop.lets === false) ? "blocks" : hops.some((hop) => hop.lets !== true) ? "unknown" : "open");
const lockWord = (name, state, words) => (state === "unknown" ? t("path.unknown") : state === "blocks" && name === "network" ? t("path.restricted") : words[name]);
const hopClass = (hop) => (hop.kind === "source" || hop.kind === "endpoint" ? hop.kind : hop.lets === true ? "open" : hop.lets === false ? "blocks" : "unknown");
const hopState = (hop) => ({ open: t("path.allows"), blocks: t("path.blocks"), unknown: t("path.not_assessed") })[hopClass(hop)] || "";
const pen = document.createElement("canvas").getContext("2d");
const fonts = { name: "12.5px", detail: "11.5px" };
function widthOf(text, font) {
  pen.font = `${fonts[font]} ${getComputedStyle(document.documentElement).getPropertyValue("--sans")}`;
  return pen.measureText(text).width;
}

/** The longest start of a text that fits, at least one character. */
function startThatFits(text, room, font) {
  let length = text.length;
  while (length > 1 && widthOf(text.slice(0, length), font) > room) length--;
  return text.slice(0, length);
}

const MOST_LINES = 40;
/** A text in lines of so many units. Nothing is cut, because the end of a value may decide; a text without end stops at forty lines. */
function lines(text, room, font) {
  const words = plain(text).split(" "), made = [];
  while (words.length && made.length < MOST_LINES) {
    let line = words.shift();
    while (words.length && widthOf(line + " " + words[0], font) <= room) line += " " + words.shift();
    const start = startThatFits(line, room, font);
    if (start.length < line.length) words.unshift(line.slice(start.length));
    made.push(start);
  }
  return words.length ? [...made.slice(0, -1), "…"] : made;
}

/** A hop with the lines of its texts and the height that they take. */
function measured(hop) {
  const look = hopClass(hop), inset = look === "source" ? 24 : 11, room = BOX.width - inset - (look === "source" ? 20 : 7);
  const name = lines(hop.name, room, "name"), detail = hop.detail ? lines(hop.detail, room, "detail") : [];
  return { ...hop, look, inset, nameLines: name, detailLines: detail, height: Math.max(BOX.height, 12 + (name.length + detail.length) * 15 + (hopState(hop) ? 22 : 8)) };
}

/** The place of each hop: rows of six, each as high as its highest hop. */
function placed(hops) {
  let y = BOX.top;
  const found = [];
  for (let start = 0; start < hops.length; start += BOX.perRow) {
    const row = hops.slice(start, start + BOX.perRow), height = Math.max(...row.map((hop) => hop.height));
    row.forEach((_, at) => found.push({ x: 2 + at * (BOX.width + BOX.gap), y, height }));
    y += height + BOX.between;
  }
  return found;
}

function drawHop(hop, { x, y, height }) {
  const nameEnd = y + 5 + hop.nameLines.length * 15;
  return s("g", { class: "hop " + hop.look },
    s("title", null, plain([hop.name, hop.detail, hopState(hop)].filter(Boolean).join(": "))),
    s("rect", { x, y, width: BOX.width, height, rx: hop.look === "source" ? 42 : 7 }),
    hop.nameLines.map((line, row) => s("text", { x: x + hop.inset, y: y + 20 + row * 15, class: "hop-name" }, line)),
    hop.detailLines.map((line, row) => s("text", { x: x + hop.inset, y: nameEnd + 17 + row * 15, class: "hop-detail" }, line)),
    hopState(hop) && s("text", { x: x + hop.inset, y: y + height - 11, class: "hop-says" }, hopState(hop)));
}

/** An arrow to hop `at`; one that turns to the next row ends above the bracket there, where there is one. */
function drawArrow(at, places, bracketed) {
  const { x, y, height } = places[at];
  const middle = y + height / 2;
  const head = `M${x - 12} ${middle - 5}l10 5-10 5z`;
  if (at % BOX.perRow) return s("g", { class: "arrow" }, s("path", { d: `M${x - BOX.gap + 2} ${middle}H${x - 10}` }), s("path", { class: "head", d: head }));
  const from = places[at - 1];
  const turn = from.y + from.height + 10;
  const end = y - (bracketed ? 31 : 2);
  return s("g", { class: "arrow" }, s("path", { d: `M${from.x + BOX.width / 2} ${from.y + from.height + 2}V${turn}H${x + BOX.width / 2}V${end - 6}` }),
    s("path", { class: "head", d: `M${x + BOX.width / 2 - 5} ${end - 10}l5 10 5-10z` }));
}

/** A bracket over hops `first` to `last`, once for each row that they are in; the first one has the label. */
function drawBracket({ first, last, state, label }, places) {
  const parts = [];
  for (let start = first; start <= last; start = (Math.floor(start / BOX.perRow) + 1) * BOX.perRow) {
    const end = Math.min(last, (Math.floor(start / BOX.perRow) + 1) * BOX.perRow - 1);
    const from = places[start], to = places[end];
    const top = from.y - 8;
    parts.push(s("path", { d: `M${from.x} ${top + 5}V${top}H${to.x + BOX.width}V${top + 5}` }));
    if (start === first) {
      parts.push(s("use", { href: state === "open" ? "#i-open-lock" : state === "blocks" ? "#i-closed-lock" : "#i-unknown", x: from.x + 3, y: top - 20, width: 14, height: 15 }),
        s("text", { x: from.x + 22, y: top - 8 }, label));
    }
  }
  return s("g", { class: "bracket " + state }, parts);
}

/**
 * The drawing and, for narrow pages, the same as an ordered list. `unknownLocks` names the locks of which nothing is known:
 * such a lock is not open where the hops that were read allow the connection. `words` has the words of an open network and of authentication.
 */
function pathFigure(hops, unknownLocks, words) {
  const folded = foldHops(hops).map(measured), places = placed(folded);
  const network = folded.map((hop, at) => ({ hop, at })).filter(({ hop }) => isLock(hop));
  const asks = folded.map((hop, at) => ({ hop, at })).filter(({ hop }) => hop.kind === "authentication");
  const brackets = [["network", network], ["authentication", asks]].filter(([, list]) => list.length).map(([name, list]) => {
    const proven = lockState(list.map(({ hop }) => hop));
    const state = proven === "open" && unknownLocks.includes(name) ? "unknown" : proven;
    return { first: list[0].at, last: list[list.length - 1].at, state, label: t("path." + name, null, { state: lockWord(name, state, words) }) };
  });
  const count = folded.length;
  const width = Math.min(count, BOX.perRow) * (BOX.width + BOX.gap) - BOX.gap + 4;
  const height = places[count - 1].y + places[count - 1].height + 4;
  const path = folded.map((hop) => [hop.name, hop.detail, hopState(hop)].filter(Boolean).join(", ")).join("; then ");
  const label = plain([t("path.label"), ...brackets.map((bracket) => bracket.label), path].join(". "));
  const drawing = s("svg", { class: "path-drawing", role: "img", "aria-label": label, viewBox: `0 0 ${width} ${height}`, width, height },
    brackets.map((each) => drawBracket(each, places)),
    folded.map((hop, at) => (at ? drawArrow(at, places, brackets.some((each) => each.first <= at && at <= each.last)) : null)), folded.map((hop, at) => drawHop(hop, places[at])));
  const list = h("ol", { class: "path-list" }, folded.map((hop) => h("li", null, h("b", null, visible(hop.name)), " ", hop.detail && visible(hop.detail), " ", h("span", { class: "hop-state " + hopClass(hop) }, hopState(hop)))));
  const locks = h("p", { class: "path-locks" }, separated(brackets.map((each) => each.label)));
  return h("div", { class: "path" }, drawing, locks, list);
}
