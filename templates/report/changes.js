// The view of changes is written into the page. This registers its commands for the keys, and follows links to its lists.
function makeChanges() {
  for (const card of document.querySelectorAll("#changes [data-card]")) commands.set(card, () => [...card.querySelectorAll(".cmd code")].map((code) => code.textContent).join("\n"));
}

function renderChanges(state) {
  const target = /^[a-z]+$/.test(state.f) && byId("h-change-" + state.f);
  if (target) target.focus();
}
