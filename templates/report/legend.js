// Dialogs that explain: each button with `data-dialog` opens the dialog of that id.
function makeLegend() {
  for (const button of document.querySelectorAll("button[data-dialog]")) button.addEventListener("click", () => byId(button.dataset.dialog).showModal());
  for (const button of document.querySelectorAll("dialog button[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
}
