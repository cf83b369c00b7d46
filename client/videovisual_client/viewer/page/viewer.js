"use strict";
// The viewer's page: sends requests, shows progress and lists results. report.js draws them.
(() => {
  const { make, mount } = globalThis.VideoVisual;
  const element = (id) => document.getElementById(id);
  const state = { about: null, clip: null, clipName: "", task: null, results: [], left: null, right: null };

  async function call(path, options) {
    const response = await fetch(path, options);
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  async function errorOf(response) {
    try {
      return new Error((await response.json()).error.message);
    } catch {
      return new Error(`The viewer answered ${response.status}.`);
    }
  }

  function showError(error) {
    element("problem").textContent = error ? error.message : "";
    element("problem").hidden = !error;
  }

  async function start() {
    state.about = await (await call("/api/about")).json();
    element("place").textContent = `${state.about.version}, models run on ${state.about.place}`;
    element("models").append(...state.about.models.map((value) => make("option", { value })));
    element("model").value = state.about.models[0];
    for (const method of state.about.methods) {
      element("method").append(make("option", { value: method.name, textContent: method.name }));
    }
    element("method").value = state.about.default_method;
    showMethod();
  }

  // One field per parameter, from its JSON schema.
  function showMethod() {
    const method = state.about.methods.find((entry) => entry.name === element("method").value);
    element("about").textContent = `${method.title} (${method.paper})`;
    const fields = Object.entries(method.schema.properties ?? {});
    element("parameters").replaceChildren(
      ...fields.map(([name, schema]) => {
        const input = field(name, schema);
        return make(
          "label",
          { className: "field" },
          make("span", { textContent: name.replaceAll("_", " ") }),
          input,
          make("p", { className: "note", textContent: schema.description ?? "" }),
        );
      }),
    );
  }

  function field(name, schema) {
    const kinds = schema.anyOf ?? [schema];
    const choices = kinds.flatMap((kind) => kind.enum ?? (kind.const === undefined ? [] : [kind.const]));
    const preset = schema.default === null || schema.default === undefined ? "" : [schema.default].flat().join(", ");
    let input;
    if (choices.length) {
      input = make("select", {}, ...choices.map((value) => make("option", { value, textContent: value, selected: value === schema.default })));
    } else {
      const kind = kinds.find((one) => one.type === "integer" || one.type === "number");
      input = make("input", { type: kind ? "number" : "text", placeholder: preset || "the model's own" });
      if (kind) {
        input.step = kind.type === "integer" ? 1 : "any";
        if (kind.minimum !== undefined) input.min = kind.minimum;
        if (kind.maximum !== undefined) input.max = kind.maximum;
      }
    }
    input.dataset.parameter = name;
    input.dataset.default = preset;
    return input;
  }

  function parameters() {
    const values = {};
    for (const input of element("more").querySelectorAll("[data-parameter]")) {
      if (input.value !== "" && input.value !== input.dataset.default) values[input.dataset.parameter] = input.value;
    }
    if (element("evaluate").checked) values.evaluate = true;
    if (element("stability").checked) values.stability = true;
    return values;
  }

  async function upload(file) {
    if (!file) return;
    showError(null);
    state.clip = null;
    element("clipname").textContent = file.name;
    // The limit is not known before the page has started.
    await started;
    if (file.size > state.about.max_bytes) {
      showError(new Error(`The file is larger than ${Math.floor(state.about.max_bytes / 2 ** 20)} MiB, the viewer's limit.`));
      return;
    }
    element("clipnote").textContent = "uploading …";
    try {
      const path = `/api/clips?name=${encodeURIComponent(file.name)}`;
      const stored = await (await call(path, { method: "POST", body: file })).json();
      state.clip = stored.clip;
      state.clipName = stored.name;
      element("clipnote").textContent = `${(stored.bytes / 2 ** 20).toFixed(2)} MiB. Drop another to change it.`;
    } catch (error) {
      element("clipnote").textContent = "upload failed";
      showError(error);
    }
  }

  async function explain() {
    try {
      // Before the page has started it knows no model.
      await started;
    } catch (error) {
      showError(error);
      return;
    }
    showError(null);
    for (const [missing, advice, field] of [
      [!state.clip, "Choose a clip first.", "file"],
      [!element("model").value.trim(), "Name a model.", "model"],
    ]) {
      if (missing) {
        showError(new Error(advice));
        element(field).focus();
        return;
      }
    }
    const request = {
      clip: state.clip,
      model: element("model").value.trim(),
      method: element("method").value,
      target: element("target").value.trim() || "top1",
      options: parameters(),
    };
    busy(true);
    try {
      const body = JSON.stringify(request);
      const { task } = await (await call("/api/tasks", { method: "POST", body })).json();
      state.task = task;
      await follow(task);
      await add(task, request);
    } catch (error) {
      showError(error);
    } finally {
      state.task = null;
      busy(false);
    }
  }

  // Reads the task's events to the end; throws if the task failed.
  async function follow(task) {
    const response = await call(`/api/tasks/${task}/events`);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    let end = { event: "error", error: { message: "The viewer was stopped." } };
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const event = JSON.parse(line);
        if (event.event === "done" || event.event === "error") end = event;
        else showProgress(event);
      }
    }
    if (end.event === "error") throw new Error(end.error.message);
  }

  function showProgress(event) {
    const bar = element("bar");
    if (event.event === "accepted") {
      element("status").textContent = event.queue > 0 ? `queued, ${event.queue} before it` : "started";
    } else if (event.event === "progress") {
      bar.max = Math.max(event.of, 1);
      bar.value = event.step;
      const parts = [`step ${event.step} of ${event.of}`];
      if (event.probability !== null) parts.push(`class at ${(100 * event.probability).toFixed(0)}%`);
      if (event.eta_s !== null) parts.push(`about ${Math.ceil(event.eta_s)} s left`);
      element("status").textContent = parts.join(", ");
    }
  }

  function busy(on) {
    element("go").disabled = on;
    element("cancel").hidden = !on;
    element("progress").hidden = !on;
    if (on) {
      element("bar").removeAttribute("value");
      element("status").textContent = "sending the clip …";
    }
  }

  async function add(task, request) {
    element("status").textContent = "drawing …";
    const data = await (await call(`/api/tasks/${task}/report`)).json();
    const options = Object.entries(request.options).map(([name, value]) => `${name} ${value}`);
    state.results.unshift({ task, data, clip: state.clipName, request, options });
    state.results.length = Math.min(state.results.length, 24);
    show("left", state.results[0]);
    list();
    element("left").scrollIntoView({ block: "start" });
  }

  function show(side, result) {
    const pane = element(side);
    state[side]?.report.destroy();
    state[side] = null;
    pane.hidden = !result;
    if (side === "right" && !result && state.left) state.left.report.onseek = null;
    element("panes").classList.toggle("two", !element("right").hidden);
    if (result) state[side] = { result, report: mount(pane, result.data) };
    if (state.left && state.right) link(state.left.report, state.right.report);
  }

  // Two results with equally many frames show the same frame.
  function link(left, right) {
    const linked = left.film.shots.length === right.film.shots.length;
    for (const [one, other] of [[left, right], [right, left]]) {
      one.compare(-2);
      one.onseek = linked ? (time) => other.seek(time) : null;
    }
    if (linked) right.seek(left.time);
  }

  function list() {
    element("results").hidden = state.results.length === 0;
    element("list").replaceChildren(
      ...state.results.map((result) => {
        const { data, request } = result;
        const [map] = data.maps;
        const pick = (side, textContent) => {
          const on = state[side]?.result === result;
          const button = make("button", { type: "button", textContent });
          button.setAttribute("aria-pressed", String(on));
          button.setAttribute("aria-label", `${textContent}: ${map.method} for ${map.target.label}`);
          button.addEventListener("click", () => {
            show(side, on && side === "right" ? null : result);
            list();
          });
          return button;
        };
        const downloads = state.about.formats.map((format) =>
          make("a", { href: `/api/tasks/${result.task}/files/${format}`, textContent: format, download: "" }),
        );
        const caveats = map.doubts.length ? `, ${map.doubts.map((text) => text.split(":")[0].toLowerCase()).join(", ")}` : "";
        const what = make("div", { className: "what" }, make("b", { textContent: `${map.method} for ${map.target.label}` }));
        what.append([result.clip, request.model, ...result.options].join(" · ") + caveats);
        return make("li", {}, what, pick("left", "Show"), pick("right", "Beside"), make("span", {}, ...downloads.flatMap((link) => [link, " "])));
      }),
    );
  }

  element("method").addEventListener("change", showMethod);
  element("file").addEventListener("change", () => upload(element("file").files[0]));
  element("request").addEventListener("submit", (event) => {
    event.preventDefault();
    explain();
  });
  element("cancel").addEventListener("click", () => {
    if (state.task) call(`/api/tasks/${state.task}`, { method: "DELETE" }).catch(showError);
  });
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      element("drop").classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      element("drop").classList.remove("over");
    });
  }
  document.addEventListener("drop", (event) => upload(event.dataTransfer?.files[0]));
  const started = start();
  started.catch(showError);
})();
