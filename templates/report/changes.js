// The view of changes stands in the page; here its commands are made known to the keys, and its links lead to its lists.
function makeChanges() {
  for (const card of document.querySelectorAll("#changes [data-card]")) commands.set(card, card.querySelector(".cmd code")?.textContent || "");
}

function renderChanges(state) {
  const target = /^[a-z]+$/.test(state.f) && byId("h-change-" + state.f);
  if (target) target.focus();
}
