// The address holds what is shown, so that a link or a bookmark opens the same view.
import { NAMES } from "./filters.js";

const KEYS = ["show", "beside", "report", "time", ...NAMES];

export function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(KEYS.filter((key) => given.get(key)).map((key) => [key, given.get(key)]));
}

// `step`: whether Back returns to the view before.
export function write(view, step) {
  const named = KEYS.filter((key) => view[key]).map((key) => [key, view[key]]);
  const hash = `#${new URLSearchParams(named)}`;
  if (hash === (location.hash || "#")) return;
  if (step) history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
}
