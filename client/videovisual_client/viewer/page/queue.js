// The chosen clips: their upload, and one explanation after the other.
import { call, element, follow, megabytes, post, showError } from "./api.js";

const TOLD = 5;

export class Queue {
  // `form` says what is asked. `done(result, side)` gets each result, and where it is shown: 0 is the
  // first place, 1 the second, null none. `ended()` is called after the last one.
  constructor(form, done, ended) {
    this.form = form;
    this.done = done;
    this.ended = ended;
    this.chosen = [];
    this.task = null;
    this.stopped = false;
    element("cancel").addEventListener("click", () => {
      this.stopped = true;
      if (this.task) call(`/api/tasks/${this.task}`, { method: "DELETE" }).catch(showError);
    });
  }

  // Files replace the chosen clips; the first is uploaded now, so that it can be seen.
  async choose(files) {
    showError(null);
    const { max_bytes: most } = this.form.about;
    const fit = files.filter((file) => file.size <= most);
    if (fit.length < files.length) {
      showError(new Error(`${files.length - fit.length} of ${files.length} files are larger than ${megabytes(most)}, the viewer's limit.`));
    }
    if (!files.length) showError(new Error("There is no clip in it."));
    this.chosen = fit.map((file) => ({ file, name: file.name, clip: null }));
    const [first] = this.chosen;
    if (!first) return;
    element("clipname").textContent = fit.length === 1 ? first.name : `${fit.length} clips, from ${first.name} to ${fit.at(-1).name}`;
    element("clipnote").textContent = "uploading …";
    element("preview").hidden = true;
    try {
      const { chosen } = this;
      await this.upload(first);
      if (chosen === this.chosen) this.show(first);
    } catch (error) {
      element("clipnote").textContent = "This is no clip that can be read. Drop another.";
      if (fit.length === 1) this.chosen = [];
      showError(error);
    }
  }

  // A clip that the viewer has already replaces the chosen ones.
  take(facts) {
    showError(null);
    this.chosen = [{ file: null, name: facts.name, clip: facts.id, facts }];
    element("clipname").textContent = facts.name;
    this.show(this.chosen[0]);
  }

  show({ clip, name, facts }) {
    const about = facts.about ? `${this.chosen.length > 1 ? "The first: " : ""}${facts.about}, ${megabytes(facts.bytes)}. ` : "";
    element("clipnote").textContent = `${about}Drop another to change it.`;
    element("preview").src = `/api/clips/${clip}/picture`;
    element("preview").alt = `Frames of ${name}`;
    element("preview").hidden = false;
  }

  async upload(item) {
    item.facts = await post(`/api/clips?name=${encodeURIComponent(item.name)}`, item.file);
    item.clip = item.facts.id;
  }

  async explain() {
    showError(null);
    const models = this.form.models();
    for (const [missing, advice, field] of [
      [!this.chosen.length, "Choose a clip first.", "file"],
      [!element("model").value.trim(), "Name a model.", "model"],
    ]) {
      if (missing) {
        showError(new Error(advice));
        element(field).focus();
        return;
      }
    }
    const items = this.chosen;
    const request = this.form.request();
    const problems = [];
    this.stopped = false;
    this.busy(true);
    for (const [at, item] of items.entries()) {
      for (const [side, model] of models.entries()) {
        if (this.stopped) continue;
        const before = items.length > 1 ? `clip ${at + 1} of ${items.length}, ${item.name}: ` : "";
        try {
          if (!item.clip) await this.upload(item);
          const { task } = await post("/api/tasks", { clip: item.clip, model, ...request });
          this.done(await this.follow(task, before), at === 0 ? side : null);
        } catch (error) {
          problems.push(items.length > 1 ? `${item.name}: ${error.message}` : error.message);
        }
      }
    }
    this.busy(false);
    const more = problems.length > TOLD ? [`and ${problems.length - TOLD} more`] : [];
    if (problems.length) showError(new Error([...problems.slice(0, TOLD), ...more].join("\n")));
  }

  // Tasks that an earlier page started.
  async resume(tasks) {
    if (!tasks.length) return;
    this.busy(true);
    for (const { id, model } of tasks) {
      try {
        this.done(await this.follow(id, `${model}: `), null);
      } catch (error) {
        showError(error);
      }
    }
    this.busy(false);
  }

  // The result of a task.
  async follow(task, before) {
    this.task = task;
    element("bar").removeAttribute("value");
    element("status").textContent = `${before}sending the clip …`;
    try {
      return (await follow(task, (event) => showProgress(event, before))).result;
    } finally {
      this.task = null;
      element("partial").hidden = true;
    }
  }

  busy(on) {
    element("go").disabled = on;
    element("cancel").hidden = !on;
    element("progress").hidden = !on;
    if (!on) this.ended().catch(showError);
  }
}

function showProgress(event, before) {
  const bar = element("bar");
  if (event.event === "accepted") {
    element("status").textContent = before + (event.queue > 0 ? `queued, ${event.queue} before it` : "started");
  } else if (event.event === "partial") {
    element("partial").firstElementChild.src = event.picture;
    element("partial").hidden = false;
  } else if (event.event === "progress") {
    bar.max = Math.max(event.of, 1);
    bar.value = event.step;
    const parts = [`step ${event.step} of ${event.of}`];
    if (event.probability !== null) parts.push(`class at ${(100 * event.probability).toFixed(0)}%`);
    if (event.eta_s !== null) parts.push(`about ${Math.ceil(event.eta_s)} s left`);
    element("status").textContent = before + parts.join(", ");
  }
}
