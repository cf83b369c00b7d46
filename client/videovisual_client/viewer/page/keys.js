// Keys of the whole page; a report and the gallery have more of their own.
import { element } from "./api.js";

// `act` has step(by), beside(), close() and gallery().
export function onKeys(act) {
  const keys = {
    o: () => element("file").click(),
    "/": () => element("text").focus(),
    g: () => act.gallery(),
    n: () => act.step(1),
    p: () => act.step(-1),
    b: () => act.beside(),
    "?": () => element("keys").showModal(),
    escape: () => act.close(),
  };
  element("help").addEventListener("click", keys["?"]);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || element("keys").open) return;
    const typing = event.target.closest("select, textarea, input:not([type=range], [type=checkbox])");
    if (typing && typing.type !== "file") return;
    const does = keys[event.key.toLowerCase()];
    if (!does) return;
    event.preventDefault();
    does();
  });
}
