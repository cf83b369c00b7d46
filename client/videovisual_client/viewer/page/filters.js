// Which results the gallery shows.
import { element, make } from "./api.js";

const AGREES = 0.5;
const SURE = { "": "any", "0.9": "at least 90%", "0.5": "at least 50%", "-0.5": "below 50%" };
const AGREE = { "": "any", yes: "agree (0.5 or more)", no: "disagree (below 0.5)", one: "only one method" };
export const NAMES = ["text", "class", "doubt", "sure", "agree"];

// A doubt's short name, without its numbers, so that equal doubts are one.
export const kind = (doubt) => doubt.split(":")[0].replace(/\d[\d.]*/g, "…");

// The least agreement of each result's map with those of other methods, by the result's id.
export function agreements(results) {
  const kept = new Set(results.map((result) => result.id));
  const least = new Map();
  const note = (id, value) => least.set(id, Math.min(value, least.get(id) ?? 1));
  for (const result of results) {
    for (const [other, value] of Object.entries(result.agreement)) {
      if (!kept.has(other)) continue;
      note(result.id, value);
      note(other, value);
    }
  }
  return least;
}

export function filtered(results, wanted) {
  const least = agreements(results);
  const words = (wanted.text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return results.filter((result) => {
    const text = `${result.name} ${result.model} ${result.method} ${result.best.label}`.toLowerCase();
    const agreed = least.get(result.id);
    const sure = Number(wanted.sure ?? 0);
    return (
      words.every((word) => text.includes(word)) &&
      (!wanted.class || result.best.label === wanted.class) &&
      (!wanted.doubt || (wanted.doubt === "none" ? !result.doubts.length : result.doubts.some((doubt) => kind(doubt) === wanted.doubt))) &&
      (!sure || (result.best.probability !== null && (sure > 0 ? result.best.probability >= sure : result.best.probability < -sure))) &&
      (!wanted.agree || { yes: agreed >= AGREES, no: agreed < AGREES, one: agreed === undefined }[wanted.agree])
    );
  });
}

// Fills the fields, and calls `changed(wanted)` where one changes.
export class Filters {
  constructor(changed) {
    for (const name of NAMES) element(name).addEventListener("input", () => changed(this.wanted()));
  }

  wanted() {
    return Object.fromEntries(NAMES.map((name) => [name, element(name).value]).filter(([, value]) => value));
  }

  show(results, wanted) {
    options("class", { "": "any", ...counted(results.map((result) => result.best.label)) }, wanted.class);
    const doubts = counted(results.flatMap((result) => [...new Set(result.doubts.map(kind))]));
    options("doubt", { "": "any", none: "none", ...doubts }, wanted.doubt);
    options("sure", SURE, wanted.sure);
    options("agree", AGREE, wanted.agree);
    if (element("text").value !== (wanted.text ?? "")) element("text").value = wanted.text ?? "";
    if (NAMES.slice(1).some((name) => wanted[name])) element("filters").open = true;
  }
}

function counted(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([one], [other]) => one.localeCompare(other)).map(([name, count]) => [name, `${name} (${count})`]));
}

function options(id, choices, value = "") {
  // What the address names may have been deleted.
  const all = value in choices ? choices : { ...choices, [value]: value };
  element(id).replaceChildren(...Object.entries(all).map(([key, textContent]) => make("option", { value: key, textContent, selected: key === value })));
}
