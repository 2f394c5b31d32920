// The catalogue that came with the data: words, plurals, numbers.
let catalogue = {};
let plurals = null;
let numbers = null;
let dates = null;
let language = "";

function useWords(block) {
  catalogue = block.words;
  plurals = new Intl.PluralRules(block.lang);
  numbers = new Intl.NumberFormat(block.lang);
  language = block.lang;
}

const number = (value) => numbers.format(value);

/** `25 November 2026` for an ISO moment; what is no moment stays as it is. */
function date(iso) {
  if (Number.isNaN(Date.parse(iso))) return iso;
  dates = dates || new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  return dates.format(new Date(iso));
}

/** The text of a key; `count` picks the plural and fills {n}, `values` fill the other braces. */
function t(key, count, values) {
  let entry = catalogue;
  for (const part of key.split(".")) entry = entry[part];
  if (typeof entry === "object") entry = entry[plurals.select(count) === "one" ? "one" : "other"];
  const all = count === undefined || count === null ? { ...values } : { n: number(count), ...values };
  return entry.replace(/\{(\w+)\}/g, (whole, name) => (name in all ? String(all[name]) : whole));
}
