// The viewer's page: joins the form, the queue of clips, the gallery and the view.
import { read, write } from "./address.js";
import { call, element, json, make, megabytes, post, showError } from "./api.js";
import { onFiles } from "./files.js";
import { agreements, filtered, Filters, NAMES } from "./filters.js";
import { Form } from "./form.js";
import { Gallery } from "./gallery.js";
import { onKeys } from "./keys.js";
import { Queue } from "./queue.js";
import { View } from "./view.js";

const RETRY_MS = 5000;
const SETTLE_MS = 300;

let view = read();
let results = [];
let reports = [];
let size = 0;
let queue;
let shown;

const gallery = new Gallery({ open, beside, remove });
const filters = new Filters((wanted) => {
  for (const name of NAMES) view[name] = wanted[name];
  write(view, false);
  list();
});

function open(result) {
  const beside = view.beside === result.id ? undefined : view.beside;
  change({ show: result.id, beside, report: undefined, time: undefined });
}

function beside(result) {
  if (!result || result.id === view.show) return;
  if (!view.show) open(result);
  else change({ beside: view.beside === result.id ? undefined : result.id, report: undefined });
}

function change(to) {
  view = { ...view, ...to };
  write(view, true);
  draw();
}

function draw() {
  list();
  const ids = new Map([...results, ...reports].map((item) => [item.id, item]));
  shown?.show(view, ids).catch(showError);
}

function list() {
  element("gallery").hidden = !results.length && !reports.length && !size;
  filters.show(results, view);
  const found = filtered(results, view);
  element("count").textContent = found.length === results.length ? `${results.length} results` : `${found.length} of ${results.length} results`;
  gallery.show(found, view, agreements(results));
  element("reports").replaceChildren(
    ...reports.map((report) => {
      const button = make("button", { type: "button", textContent: report.name, onclick: () => change({ report: view.report === report.id ? undefined : report.id }) });
      button.ariaPressed = String(report.id === view.report);
      return button;
    }),
  );
}

async function load() {
  const found = await json("/api/results");
  ({ results, reports, bytes: size } = found);
  element("kept").textContent = `${megabytes(size)} of ${megabytes(found.max_bytes)} kept in ${found.folder}; the oldest goes first.`;
  draw();
  return found.running;
}

// A new result; `side` is where it is shown, null where it only joins the gallery.
function done(result, side) {
  results = [result, ...results.filter((other) => other.id !== result.id)];
  if (side === null) list();
  else if (side === 0) change({ show: result.id, beside: undefined, report: undefined, time: undefined });
  else beside(result);
  if (side === 0) element("view").scrollIntoView({ block: "start" });
}

async function remove(item) {
  const next = gallery.near(item.id, 1) ?? gallery.near(item.id, -1);
  const focused = element("list").contains(document.activeElement);
  const gone = (id) => (id === item.id ? undefined : id);
  try {
    await call(`/api/results/${item.id}`, { method: "DELETE" });
    if (gallery.active === item.id) gallery.active = next?.id;
    view = { ...view, show: gone(view.show), beside: gone(view.beside), report: gone(view.report) };
    write(view, true);
    await load();
    if (focused && next) gallery.focus();
  } catch (error) {
    showError(error);
  }
}

// The first click asks, the second deletes.
function onClear() {
  const button = element("clear");
  const ask = () => { button.textContent = "Delete all"; };
  button.addEventListener("blur", ask);
  button.addEventListener("click", async () => {
    if (button.textContent === "Delete all") {
      button.textContent = "Really delete all?";
      return;
    }
    ask();
    try {
      await call("/api/results", { method: "DELETE" });
      view = {};
      write(view, true);
      await load();
    } catch (error) {
      showError(error);
    }
  });
}

// A server that can't be reached is told before anything is explained.
let retry;
async function checkServer() {
  clearTimeout(retry);
  const { problem } = await json("/api/server");
  const told = element("server").firstElementChild;
  element("server").hidden = !problem;
  if (told.textContent !== problem) told.textContent = problem;
  if (problem) retry = setTimeout(() => checkServer().catch(showError), RETRY_MS);
}

async function addFiles(clips, pages) {
  try {
    await started;
    for (const page of pages) {
      const report = await post(`/api/reports?name=${encodeURIComponent(page.name)}`, page);
      reports = [...reports, report];
      change({ report: report.id });
    }
    if (clips.length || !pages.length) await queue.choose(clips);
  } catch (error) {
    showError(error);
  }
}

async function start() {
  checkServer().catch(showError);
  const about = await json("/api/about");
  const form = new Form(about);
  queue = new Queue(form, done, load);
  let settled;
  const moved = (time) => {
    clearTimeout(settled);
    settled = setTimeout(() => {
      view.time = time ? time.toFixed(3) : undefined;
      write(view, false);
    }, SETTLE_MS);
  };
  const again = (result) => {
    queue.take({ id: result.clip, name: result.name });
    element("request").scrollIntoView({ block: "start" });
    element("model").focus();
  };
  const close = () => change(view.report ? { report: undefined } : { beside: undefined });
  shown = new View({ moved, again, remove, close }, about.formats);
  onKeys({
    close: () => (view.report || view.beside) && close(),
    gallery: () => gallery.focus(),
    step: (by) => {
      const next = gallery.near(view.show, by);
      if (next) open(next);
    },
    beside: () => {
      const focused = element("list").contains(document.activeElement);
      if (view.beside && !focused) close();
      else beside(focused ? results.find(({ id }) => id === gallery.active) : gallery.near(view.show, 1));
    },
  });
  element("sample").addEventListener("click", async () => {
    try {
      queue.take(await post("/api/sample"));
      form.suitSample();
    } catch (error) {
      showError(error);
    }
  });
  queue.resume(await load());
}

onClear();
element("request").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    // Before the page has started it knows no model.
    await started;
    await queue.explain();
  } catch (error) {
    showError(error);
  }
});
onFiles(addFiles);
element("server").querySelector("button").addEventListener("click", () => checkServer().catch(showError));
addEventListener("popstate", () => {
  view = read();
  draw();
});
const started = start();
started.catch(showError);
