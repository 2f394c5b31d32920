// Judges Kusto queries by Microsoft's language service. Input on stdin: {table, columns, queries: {name: text}}; output: {name: [fault]}.
const { dirname, join } = require("node:path");
const modules = process.argv[2];
require(join(modules, "@kusto/language-service-next/bridge.js"));
require(join(modules, "@kusto/language-service-next/Kusto.Language.Bridge.js"));
const K = globalThis.Kusto.Language;
const input = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const columns = input.columns.map(({ name, type }) => `${name}: ${type === "boolean" ? "bool" : type}`).join(", ");
const table = new K.Symbols.TableSymbol.$ctor7(input.table, `(${columns})`, null);
const database = new K.Symbols.DatabaseSymbol.$ctor1("workspace", null, false).AddMembers([table]);
const globals = K.GlobalState.Default.WithDatabase(database);
const found = {};
for (const [name, text] of Object.entries(input.queries)) {
  const code = K.KustoCode.ParseAndAnalyze(text, globals);
  const faults = code.GetDiagnostics();
  found[name] = [];
  for (let at = 0; at < faults.Count; at++) found[name].push(faults.getItem(at).Message);
}
process.stdout.write(JSON.stringify(found));
