"use strict";
// The viewer's page: asks, follows, shows. All drawing of results is report.js.
(() => {
  const { make, mount } = globalThis.VideoVisual;
  const at = (id) => document.getElementById(id);
  const state = { about: null, clip: null, clipName: "", task: null, results: [], left: null, right: null };

  async function call(path, options) {
    const response = await fetch(path, options);
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  async function problemOf(response) {
    try {
      return new Error((await response.json()).error.message);
    } catch {
      return new Error(`The viewer answered ${response.status}.`);
    }
  }

  function complain(error) {
    at("problem").textContent = error ? error.message : "";
    at("problem").hidden = !error;
  }

  async function begin() {
    state.about = await (await call("/api/about")).json();
    at("place").textContent = `${state.about.version}, answered by ${state.about.place}`;
    at("models").append(...state.about.models.map((value) => make("option", { value })));
    at("model").value = state.about.models[0];
    for (const method of state.about.methods) {
      at("method").append(make("option", { value: method.name, textContent: method.name }));
    }
    at("method").value = state.about.default_method;
    showMethod();
  }

  // One field a parameter, as its schema says.
  function showMethod() {
    const method = state.about.methods.find((entry) => entry.name === at("method").value);
    at("about").textContent = `${method.title} (${method.paper})`;
    const fields = Object.entries(method.schema.properties ?? {});
    at("parameters").replaceChildren(
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
    const usual = schema.default === null || schema.default === undefined ? "" : [schema.default].flat().join(", ");
    let input;
    if (choices.length) {
      input = make("select", {}, ...choices.map((value) => make("option", { value, textContent: value, selected: value === schema.default })));
    } else {
      const kind = kinds.find((one) => one.type === "integer" || one.type === "number");
      input = make("input", { type: kind ? "number" : "text", placeholder: usual || "the model's own" });
      if (kind) {
        input.step = kind.type === "integer" ? 1 : "any";
        if (kind.minimum !== undefined) input.min = kind.minimum;
        if (kind.maximum !== undefined) input.max = kind.maximum;
      }
    }
    input.dataset.parameter = name;
    input.dataset.usual = usual;
    return input;
  }

  function parameters() {
    const given = {};
    for (const input of at("parameters").querySelectorAll("[data-parameter]")) {
      if (input.value !== "" && input.value !== input.dataset.usual) given[input.dataset.parameter] = input.value;
    }
    if (at("evaluate").checked) given.evaluate = true;
    return given;
  }

  async function take(file) {
    if (!file) return;
    complain(null);
    state.clip = null;
    at("clipname").textContent = file.name;
    // A clip may come before the page knows what it may take.
    await begun;
    if (file.size > state.about.max_bytes) {
      complain(new Error(`The file has more than ${Math.floor(state.about.max_bytes / 2 ** 20)} MiB, the most that is taken.`));
      return;
    }
    at("clipnote").textContent = "is being taken in …";
    try {
      const path = `/api/clips?name=${encodeURIComponent(file.name)}`;
      const taken = await (await call(path, { method: "POST", body: file })).json();
      state.clip = taken.clip;
      state.clipName = taken.name;
      at("clipnote").textContent = `${(taken.bytes / 2 ** 20).toFixed(2)} MiB. Drop another to change it.`;
    } catch (error) {
      at("clipnote").textContent = "was not taken";
      complain(error);
    }
  }

  async function ask() {
    complain(null);
    if (!state.clip) {
      complain(new Error("Choose a clip first."));
      at("file").focus();
      return;
    }
    const asked = {
      clip: state.clip,
      model: at("model").value.trim(),
      method: at("method").value,
      target: at("target").value.trim() || "top1",
      options: parameters(),
    };
    busy(true);
    try {
      const body = JSON.stringify(asked);
      const { task } = await (await call("/api/tasks", { method: "POST", body })).json();
      state.task = task;
      await follow(task);
      await add(task, asked);
    } catch (error) {
      complain(error);
    } finally {
      state.task = null;
      busy(false);
    }
  }

  // Reads the task's lines to their end, which must be a good one.
  async function follow(task) {
    const response = await call(`/api/tasks/${task}/events`);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    let end = { event: "error", error: { message: "The viewer has gone away." } };
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const news = JSON.parse(line);
        if (news.event === "done" || news.event === "error") end = news;
        else tell(news);
      }
    }
    if (end.event === "error") throw new Error(end.error.message);
  }

  function tell(news) {
    const bar = at("bar");
    if (news.event === "accepted") {
      at("told").textContent = news.queue > 0 ? `waiting, ${news.queue} before it` : "begun";
    } else if (news.event === "progress") {
      bar.max = Math.max(news.of, 1);
      bar.value = news.step;
      const parts = [`step ${news.step} of ${news.of}`];
      if (news.probability !== null) parts.push(`the class has ${(100 * news.probability).toFixed(0)}%`);
      if (news.eta_s !== null) parts.push(`about ${Math.ceil(news.eta_s)} s left`);
      at("told").textContent = parts.join(", ");
    }
  }

  function busy(on) {
    at("go").disabled = on;
    at("cancel").hidden = !on;
    at("progress").hidden = !on;
    if (on) {
      at("bar").removeAttribute("value");
      at("told").textContent = "sending the clip …";
    }
  }

  async function add(task, asked) {
    at("told").textContent = "drawing …";
    const data = await (await call(`/api/tasks/${task}/report`)).json();
    const told = Object.entries(asked.options).map(([name, value]) => `${name} ${value}`);
    state.results.unshift({ task, data, clip: state.clipName, asked, told });
    state.results.length = Math.min(state.results.length, 24);
    show("left", state.results[0]);
    list();
    at("left").scrollIntoView({ block: "start" });
  }

  function show(side, result) {
    const pane = at(side);
    state[side]?.report.destroy();
    state[side] = null;
    pane.hidden = !result;
    if (side === "right" && !result && state.left) state.left.report.onseek = null;
    at("panes").classList.toggle("two", !at("right").hidden);
    if (result) state[side] = { result, report: mount(pane, result.data) };
    if (state.left && state.right) link(state.left.report, state.right.report);
  }

  // Two results of as many frames are at the same one.
  function link(left, right) {
    const alike = left.film.shots.length === right.film.shots.length;
    for (const [one, other] of [[left, right], [right, left]]) {
      one.compare(-2);
      one.onseek = alike ? (time) => other.seek(time) : null;
    }
    if (alike) right.seek(left.time);
  }

  function list() {
    at("results").hidden = state.results.length === 0;
    at("list").replaceChildren(
      ...state.results.map((result) => {
        const { data, asked } = result;
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
        const saves = state.about.formats.map((format) =>
          make("a", { href: `/api/tasks/${result.task}/files/${format}`, textContent: format, download: "" }),
        );
        const doubt = map.doubts.length ? `, ${map.doubts.map((text) => text.split(":")[0].toLowerCase()).join(", ")}` : "";
        const what = make("div", { className: "what" }, make("b", { textContent: `${map.method} for ${map.target.label}` }));
        what.append([result.clip, asked.model, ...result.told].join(" · ") + doubt);
        return make("li", {}, what, pick("left", "Show"), pick("right", "Beside"), make("span", {}, ...saves.flatMap((link) => [link, " "])));
      }),
    );
  }

  at("method").addEventListener("change", showMethod);
  at("file").addEventListener("change", () => take(at("file").files[0]));
  at("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  at("cancel").addEventListener("click", () => {
    if (state.task) call(`/api/tasks/${state.task}`, { method: "DELETE" }).catch(complain);
  });
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      at("drop").classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      at("drop").classList.remove("over");
    });
  }
  document.addEventListener("drop", (event) => take(event.dataTransfer?.files[0]));
  const begun = begin();
  begun.catch(complain);
})();
