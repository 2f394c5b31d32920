// The script of the fixes of some findings, for Bash; its pieces, header and end are those of scanner/fix/script.py.

/** The pieces of rows by when they run; rows with the same commands are one group. Rows are in the order of the data. */
function piecesOf(list) {
  const own = list.filter((row) => row < rows.own && rows.status[row] === FAIL && data.findings.order[row] >= 0);
  const groups = new Map();
  for (const row of own.sort((a, b) => data.findings.order[a] - data.findings.order[b] || a - b)) {
    const [label, heading, start, end] = json(row, "piece", []), key = start + "\0" + end;
    const said = heading.replaceAll("@FINDING@", () => fingerprint(row).trim());
    const group = groups.get(key);
    if (group) group.heading += said;
    else groups.set(key, { label, heading: said, start, end, deletes: data.findings.order[row] === data.script.deletion });
  }
  return [...groups.values()];
}

/** The start of a piece with what the reader typed for its variables. A variable holds one value. */
const withTyped = (start) => start.replace(/^([A-Z][A-Z0-9_]*)=''/gm, (whole, name) => {
  const values = valuesOf(fieldValues.get(name) || "");
  return values.length === 1 ? `${name}='${values[0]}'` : whole;
});

/** The script of pieces, as `joined` writes it, with what the reader typed. */
function scriptOf(pieces) {
  const deletions = pieces.filter((piece) => piece.deletes).length;
  const head = data.script.head.replaceAll("@CHANGES@", String(pieces.length)).replaceAll("@DELETIONS@", String(deletions));
  return head + pieces.map(({ label, heading, start, end }, at) => `\n# ---- ${at + 1} of ${pieces.length} ----\n${heading}${withTyped(start)}${label}${end}`).join("") + data.script.end;
}

/** Copies the script of rows. */
function copyScript(list) {
  const pieces = piecesOf(list);
  if (!pieces.length) return showMessage(t("select.no_commands"));
  return copyAsIs(scriptOf(pieces), t("select.copied", pieces.length));
}
