// The state is the address's hash and nothing else: #view?q=..&group=..&sort=..&n=..&p=..&f=..
const VIEWS = ["endpoints", "findings", "not-assessed", ...(byId("changes") ? ["changes"] : []), "map", ...(byId("places") ? ["places"] : []), ...(byId("encryption-keys") ? ["encryption-keys"] : []), ...(byId("capacity") ? ["capacity"] : []), "frameworks"];
const GROUPS = ["none", "rule", "resource", "subscription", "category"];
const SORTS = ["severity", "title", "resource", "place", "age", "owner"];
const SIZES = [50, 100];

/** The columns that the data can sort by; "-" before a name turns the order round. */
const sortsOf = () => SORTS.filter((name) => (name !== "age" || (data && data.history)) && (name !== "owner" || (data && data.ownerTag)));

function readState() {
  const [name, query] = location.hash.slice(1).split("?", 2);
  const parameters = new URLSearchParams(query || "");
  const choice = (key, allowed) => (allowed.includes(parameters.get(key)) ? parameters.get(key) : allowed[0]);
  return {
    view: VIEWS.includes(name) ? name : "endpoints",
    q: parameters.get("q") || "",
    group: choice("group", GROUPS),
    sort: choice("sort", sortsOf().flatMap((name) => [name, "-" + name])),
    n: Number(choice("n", SIZES.map(String))),
    p: Math.max(1, parseInt(parameters.get("p"), 10) || 1),
    f: parameters.get("f") || "",
  };
}

const encoded = (value) => encodeURIComponent(value).replace(/%20/g, "+").replace(/%3A/g, ":").replace(/%2C/g, ",").replace(/%2F/g, "/");

function hashOf(state) {
  const defaults = { q: "", group: "none", sort: "severity", n: SIZES[0], p: 1, f: "" };
  const parts = Object.entries(defaults).filter(([key, value]) => state[key] !== undefined && state[key] !== value).map(([key]) => `${key}=${encoded(state[key])}`);
  return "#" + state.view + (parts.length ? "?" + parts.join("&") : "");
}

const linkTo = (view, q) => hashOf({ view, q });

/** Shows another state. Typing replaces the entry in the history, everything else adds one. */
function go(change, replace) {
  const state = { ...readState(), ...change };
  if (replace) history.replaceState(null, "", hashOf(state));
  else history.pushState(null, "", hashOf(state));
  render();
}
