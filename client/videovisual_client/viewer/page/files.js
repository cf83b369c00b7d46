// Files that are dropped in or chosen, folders among them.
import { element } from "./api.js";

const CLIPS = /\.(mp4|m4v|mov|3gp|webm|mkv|avi|ts|m2t|mts|m2ts|mpg|mpeg|vob|wmv|asf|gif|webp|zip|npz)$/i;
const REPORT = /\.html?$/i;
const COMMANDS = /(^|\/)(audit|diff)\.html$/;

// Calls `chosen(clips, reports)` with lists of files.
export function onFiles(chosen) {
  const single = (files) => {
    chosen(files.filter((file) => !REPORT.test(file.name)), files.filter((file) => REPORT.test(file.name)));
  };
  // Of a folder, only what is a clip or a command's report.
  const folder = (files) => {
    const clips = files.filter((file) => CLIPS.test(file.name)).sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
    chosen(clips, files.filter((file) => COMMANDS.test(file.name)));
  };
  const taken = (input, use) => input.addEventListener("change", () => {
    const files = [...input.files];
    // The same file can be chosen again.
    input.value = "";
    if (files.length) use(files);
  });
  taken(element("file"), single);
  taken(element("folder"), folder);
  element("pick").addEventListener("click", () => element("folder").click());
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      element("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
    });
  }
  document.addEventListener("drop", async (event) => {
    const transfer = event.dataTransfer;
    const files = [...(transfer?.files ?? [])];
    // Read at once: after the event the items are gone.
    const entries = [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (entries.some((entry) => entry.isDirectory)) folder((await Promise.all(entries.map(within))).flat());
    else if (files.length) single(files);
  });
}

async function within(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A reader gives at most a hundred entries at once.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return (await Promise.all(found.map(within))).flat();
    found.push(...some);
  }
}
