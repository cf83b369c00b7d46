"use strict";
// Draws one report into an element. Untrusted strings are inserted as text, never as HTML.
globalThis.VideoVisual = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
  const SMALL_SIDE = 480;
  const SOURCES = {
    parts: "pictures",
    folder: "a folder of pictures",
    zip: "a zip of pictures",
    frames: "an array of frames",
    npz: "an array of frames",
  };

  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (key in element && key !== "list") element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  function draw(name, attributes = {}, ...children) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  function number(value) {
    if (!Number.isFinite(value)) return String(value);
    if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
    return String(Number(value.toPrecision(3)));
  }

  function percent(share) {
    const value = 100 * share;
    return `${value >= 10 || value === 0 ? value.toFixed(0) : value.toPrecision(2)}%`;
  }

  function score(item) {
    return item.probability === null ? number(item.logit) : `${(100 * item.probability).toFixed(1)}%`;
  }

  function words(name) {
    return name.replaceAll("_", " ");
  }

  function picture(url) {
    const image = new Image();
    image.src = url;
    return image.decode().then(() => image);
  }

  // A fact of any shape, as text or as a table of its own.
  function fact(name, value, terms) {
    if (value === null || value === undefined) return "–";
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value === "number") return number(value);
    if (Array.isArray(value) && value.length > 8 && value.every(Number.isFinite)) {
      if (name === "course") return spark(value);
      return `${value.length} values, ${number(value[0])} to ${number(value.at(-1))}`;
    }
    if (Array.isArray(value)) {
      if (value.some((item) => item !== null && typeof item === "object")) {
        const parts = value.map((item, index) => [String(index + 1), item]);
        return parts.length === 1 ? fact(name, parts[0][1], terms) : table(parts, terms);
      }
      return value.map((item) => fact(name, item, terms)).join(", ");
    }
    if (typeof value === "object") return table(Object.entries(value), terms);
    return String(value);
  }

  // Rows of names and values; `terms` says what names stand for.
  function table(rows, terms = {}) {
    const body = make("tbody");
    for (const [name, value] of rows) {
      const head = make("th", { scope: "row" }, words(name));
      if (Object.hasOwn(terms, name)) head.append(make("small", { textContent: terms[name] }));
      const cell = make("td", {}, fact(name, value, terms));
      if (cell.firstElementChild?.matches("table")) {
        head.colSpan = cell.colSpan = 2;
        cell.className = "nested";
        body.append(make("tr", {}, head), make("tr", {}, cell));
      } else {
        body.append(make("tr", {}, head, cell));
      }
    }
    return make("table", {}, body);
  }

  function spark(values) {
    const low = Math.min(...values);
    const span = Math.max(...values) - low || 1;
    const points = values.map(
      (value, index) => `${(100 * index) / (values.length - 1)},${29 - (28 * (value - low)) / span}`,
    );
    const shape = draw("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", class: "spark", role: "img" });
    shape.setAttribute("aria-label", `from ${number(values[0])} to ${number(values.at(-1))}`);
    shape.append(draw("polyline", { points: points.join(" ") }));
    return shape;
  }

  // One saliency map: its levels, and their colours.
  class Heat {
    constructor(facts, ramps) {
      this.facts = facts;
      this.ramp = bytes(facts.signed ? ramps.diverging : ramps.sequential);
      this.levels = null;
      [this.width, this.height] = facts.tile;
      this.brush = make("canvas", { width: this.width, height: this.height });
    }

    get title() {
      return `${this.facts.method} for ${this.facts.target.label}`;
    }

    async load() {
      if (this.levels) return;
      const image = await picture(this.facts.atlas);
      const board = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
      const pen = board.getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, 0, 0);
      const pixels = pen.getImageData(0, 0, board.width, board.height).data;
      this.stride = board.width;
      this.levels = Uint8Array.from({ length: pixels.length / 4 }, (_, place) => pixels[4 * place]);
    }

    // One frame of the map as a canvas of its own size.
    frame(held, strength, threshold) {
      const { signed, columns } = this.facts;
      const left = (held % columns) * this.width;
      const top = Math.floor(held / columns) * this.height;
      const pen = this.brush.getContext("2d");
      const drawn = pen.createImageData(this.width, this.height);
      for (let row = 0, at = 0; row < this.height; row += 1) {
        let from = (top + row) * this.stride + left;
        for (let column = 0; column < this.width; column += 1, at += 4, from += 1) {
          const value = this.levels[from];
          const size = signed ? Math.abs(value - 128) / 127 : value / 255;
          if (size <= 0 || size < threshold) continue;
          drawn.data[at] = this.ramp[3 * value];
          drawn.data[at + 1] = this.ramp[3 * value + 1];
          drawn.data[at + 2] = this.ramp[3 * value + 2];
          drawn.data[at + 3] = Math.round(255 * Math.min(1, strength * size));
        }
      }
      pen.putImageData(drawn, 0, 0);
      return this.brush;
    }
  }

  class Report {
    constructor(root, data) {
      this.root = root;
      this.data = data;
      this.film = data.film;
      this.heats = data.maps.map((facts) => new Heat(facts, data.ramps));
      this.pictures = this.film.shots.map(() => null);
      this.playing = false;
      this.speed = 1;
      this.shown = 0;
      this.beside = -2;
      this.build();
      this.choose(0);
      const peak = data.maps[0].curve.indexOf(Math.max(...data.maps[0].curve));
      const first = this.film.shots.findIndex((shot) => shot.held === peak && shot.seen);
      this.seek(this.film.shots[Math.max(first, 0)].start);
    }

    build() {
      const { data, film } = this;
      const source = data.clip.source ?? {};
      const about = [
        data.name,
        data.model,
        source.format && `${SOURCES[source.format] ?? source.format}, ${film.source_width} × ${film.source_height}`,
        film.origin === null ? "frames without time" : `${film.length.toFixed(2)} s of the clip`,
        `${new Set(film.shots.map((shot) => shot.frame)).size} frames, ${new Set(data.clip.frame_indices).size} seen by the model`,
        data.made && `made ${data.made}`,
      ];
      this.heading = make("h1");
      this.summary = make("p", { className: "summary" });
      this.doubts = make("section", { className: "doubts", hidden: true });
      this.doubts.setAttribute("role", "status");
      this.root.replaceChildren(
        make(
          "header",
          {},
          this.heading,
          make("p", { className: "sub", textContent: about.filter(Boolean).join(" · ") }),
          this.summary,
          this.doubts,
        ),
        make("div", { className: "columns" }, this.stage(), this.sidebar()),
      );
      this.onkey = (event) => this.key(event);
      document.addEventListener("keydown", this.onkey);
    }

    stage() {
      const figure = () => {
        const caption = make("figcaption");
        const screen = make("canvas", { className: "screen" });
        screen.setAttribute("role", "img");
        return { figure: make("figure", {}, caption, screen), caption, screen };
      };
      this.left = figure();
      this.right = figure();
      this.screens = make("div", { className: "screens" }, this.left.figure, this.right.figure);
      this.play = make("button", { className: "main", type: "button", textContent: "Play", onclick: () => this.toggle() });
      this.scrub = make("input", {
        type: "range",
        min: 0,
        max: this.film.shots.length - 1,
        step: 1,
        oninput: () => this.pauseAt(Number(this.scrub.value)),
      });
      this.scrub.setAttribute("aria-label", "Frame");
      const speed = make("select", { onchange: () => { this.speed = Number(speed.value); } });
      speed.setAttribute("aria-label", "Speed");
      for (const value of SPEEDS) {
        speed.append(make("option", { value, textContent: `${value}×`, selected: value === 1 }));
      }
      const step = (by, sign, label) => {
        const button = make("button", { type: "button", textContent: sign, onclick: () => this.step(by) });
        button.setAttribute("aria-label", label);
        return button;
      };
      this.clock = make("div", { className: "clock" });
      const transport = make(
        "div",
        { className: "transport" },
        this.play,
        step(-1, "◂", "Previous frame"),
        step(1, "▸", "Next frame"),
        this.scrub,
        speed,
        this.clock,
      );
      const picks = make("div", { className: "picks" }, this.field("Map", this.choosing()), this.field("Beside it", this.besides()));
      return make("section", { className: "stage" }, picks, this.screens, transport, this.timeline(), this.legend());
    }

    field(label, input) {
      input.setAttribute("aria-label", label);
      return make("label", { className: "field" }, make("span", {}, label), input);
    }

    choosing() {
      this.chooser = make("select", { onchange: () => this.choose(Number(this.chooser.value)) });
      this.heats.forEach((heat, value) => this.chooser.append(make("option", { value, textContent: heat.title })));
      return this.chooser;
    }

    besides() {
      this.other = make("select", { onchange: () => this.compare(Number(this.other.value)) });
      this.other.append(make("option", { value: -2, textContent: "nothing" }), make("option", { value: -1, textContent: "the source" }));
      this.heats.forEach((heat, value) => this.other.append(make("option", { value, textContent: heat.title })));
      if (this.root.clientWidth > 640) this.other.value = -1;
      this.beside = Number(this.other.value);
      return this.other;
    }

    timeline() {
      this.curve = draw("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", class: "curve", role: "img" });
      const seek = (event) => {
        const box = this.curve.getBoundingClientRect();
        const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
        this.pauseAt(this.shotAt(share * this.film.length));
      };
      this.curve.addEventListener("pointerdown", (event) => {
        this.curve.setPointerCapture(event.pointerId);
        seek(event);
      });
      this.curve.addEventListener("pointermove", (event) => {
        if (event.buttons) seek(event);
      });
      this.axis = make("div", { className: "axis" });
      this.most = make("p", { className: "note" });
      return make("section", { className: "card" }, make("h2", { textContent: "When the evidence is" }), this.curve, this.axis, this.most);
    }

    legend() {
      this.ramp = make("canvas", { className: "ramp", width: 256, height: 1 });
      this.ramp.setAttribute("aria-hidden", "true");
      this.ends = make("div", { className: "ends" });
      this.scale = make("p", { className: "note" });
      return make("section", { className: "card" }, make("h2", { textContent: "What the colours stand for" }), this.ramp, this.ends, this.scale);
    }

    sidebar() {
      const range = (label, value, change) => {
        const shown = make("b", { textContent: percent(value) });
        const input = make("input", {
          type: "range",
          min: 0,
          max: 100,
          value: Math.round(100 * value),
          oninput: () => {
            shown.textContent = `${input.value}%`;
            change(Number(input.value) / 100);
            this.paint();
          },
        });
        input.setAttribute("aria-label", label);
        return make("label", { className: "field" }, make("span", {}, label, shown), input);
      };
      this.strength = this.data.strength;
      this.threshold = 0;
      this.classes = make("ol", { className: "classes" });
      this.others = make("p", { className: "note" });
      this.checks = make("div");
      this.faithful = make("section", { className: "card" });
      this.origin = make("div");
      return make(
        "aside",
        {},
        make(
          "section",
          { className: "card" },
          make("h2", { textContent: "How it is drawn" }),
          range("Strength", this.strength, (value) => { this.strength = value; }),
          range("Hide what is weaker than", 0, (value) => { this.threshold = value; }),
          make("div", { className: "row" }, make("button", { type: "button", textContent: "Save this picture", onclick: () => this.save() })),
          make("p", { className: "note", textContent: "Space plays, ← → step, Home and End jump, M takes the next map." }),
        ),
        make("section", { className: "card" }, make("h2", { textContent: "What the model sees" }), this.classes, this.others),
        make("section", { className: "card" }, make("h2", { textContent: "What the method says of its run" }), this.checks),
        this.faithful,
        make("section", { className: "card" }, make("details", {}, make("summary", { textContent: "Provenance" }), this.origin)),
      );
    }

    // The selected map.
    choose(index) {
      this.shown = index;
      this.chooser.value = index;
      const { facts } = this.heats[index];
      this.heading.textContent = `${facts.target.label}, ${score(facts.target)}`;
      this.summary.textContent = facts.summary;
      this.doubts.hidden = facts.doubts.length === 0;
      this.doubts.replaceChildren(
        make("strong", { textContent: `Take this map with care (${this.heats[index].title})` }),
        make("ul", {}, ...facts.doubts.map((text) => make("li", { textContent: text }))),
      );
      this.drawCurve(facts);
      this.drawLegend(facts);
      this.listClasses(facts);
      const told = Object.entries(facts.diagnostics);
      this.checks.replaceChildren(told.length ? table(told, this.data.terms.diagnostics) : make("p", { className: "note", textContent: "Nothing: this method has no diagnostics." }));
      const scores = Object.entries(facts.faithfulness).filter(([, value]) => value !== null);
      this.faithful.hidden = scores.length === 0;
      this.faithful.replaceChildren(
        make("h2", { textContent: "How faithful it is" }),
        table(scores, this.data.terms.measures),
      );
      this.origin.replaceChildren(table(Object.entries(facts.provenance)));
      return this.heats[index].load().then(() => this.arrange());
    }

    // The picture beside it: the index of a map, -1 for the source, -2 for none.
    compare(index) {
      this.beside = index;
      this.other.value = index;
      const loaded = index >= 0 ? this.heats[index].load() : Promise.resolve();
      return loaded.then(() => this.arrange());
    }

    arrange() {
      this.screens.classList.toggle("two", this.beside !== -2);
      this.left.figure.hidden = this.beside === -2;
      const grow = Math.max(1, Math.ceil(SMALL_SIDE / Math.max(this.film.width, this.film.height)));
      for (const { screen } of [this.left, this.right]) {
        screen.width = this.film.width * grow;
        screen.height = this.film.height * grow;
      }
      this.name(this.left, this.heats[this.beside]);
      this.name(this.right, this.heats[this.shown]);
      this.paint();
    }

    // The caption of a picture, and its text for who doesn't see it.
    name({ caption, screen }, heat) {
      if (!heat) {
        caption.textContent = "the source";
        screen.setAttribute("aria-label", "A frame of the source");
        return;
      }
      const { summary, target, doubts } = heat.facts;
      const against = doubts.length ? `; take it with care: ${doubts.map((text) => text.split(":")[0]).join(", ")}` : "";
      caption.textContent = `${heat.title}; ${this.data.model} gives it ${score(target)}${against}`;
      screen.setAttribute("aria-label", `A frame with ${heat.title} over it. ${summary}`);
    }

    drawCurve(facts) {
      const { film } = this;
      const most = Math.max(...facts.curve);
      this.curve.replaceChildren();
      this.bars = [];
      film.shots.forEach((shot, index) => {
        const share = facts.curve[shot.held];
        const end = film.shots[index + 1]?.start ?? film.length;
        const height = Math.max(0.5, (100 * share) / (most || 1));
        const bar = draw("rect", {
          class: "bar",
          x: (1000 * shot.start) / film.length,
          width: Math.max(0.4, (1000 * (end - shot.start)) / film.length - 0.6),
          y: 100 - height,
          height,
        });
        this.bars.push(bar);
        this.curve.append(bar);
      });
      const even = 100 - 100 / facts.curve.length / (most || 1);
      this.curve.append(draw("line", { class: "even", x1: 0, x2: 1000, y1: even, y2: even }));
      this.head = draw("line", { class: "head", y1: 0, y2: 100 });
      this.curve.append(this.head);
      const says = `The strongest frame has ${percent(most)} of the evidence; the dotted line is an even share.`;
      this.curve.setAttribute("aria-label", `Share of the evidence in each frame: ${says}`);
      this.most.textContent = `${says} Click the curve to go to a frame.`;
      const start = film.origin ?? 0;
      const unit = (share) => (film.origin === null ? "" : `${(start + share * film.length).toFixed(2)} s`);
      const labels = film.origin === null ? [`frame ${film.shots[0].frame}`, "", `frame ${film.shots.at(-1).frame}`] : [unit(0), unit(0.5), unit(1)];
      this.axis.replaceChildren(...labels.map((textContent) => make("span", { textContent })));
    }

    drawLegend(facts) {
      const ramp = bytes(facts.signed ? this.data.ramps.diverging : this.data.ramps.sequential);
      const pen = this.ramp.getContext("2d");
      const row = pen.createImageData(256, 1);
      for (let place = 0; place < 256; place += 1) {
        row.data.set([ramp[3 * place], ramp[3 * place + 1], ramp[3 * place + 2], 255], 4 * place);
      }
      pen.putImageData(row, 0, 0);
      const low = facts.signed ? -facts.full : facts.low;
      const end = (text, value) => make("span", {}, make("b", { textContent: number(value) }), text ? ` ${text}` : "");
      this.ends.replaceChildren(
        end(facts.signed ? "against" : "", low),
        make("span", { textContent: facts.unit || "no unit, only relative" }),
        end(facts.signed ? "for" : "", facts.full),
      );
      const unseen = " Over frames that the model did not see lies the map of the nearest one that it saw.";
      this.scale.textContent =
        `Full colour stands for ${number(facts.full)}${facts.unit ? ` ${facts.unit}` : ""}` +
        `${facts.signed ? ", on both sides" : ""}: all but 0.5% of the map lie below. ` +
        `What is weak is see-through.${this.film.shots.every((shot) => shot.seen) ? "" : unseen}`;
    }

    listClasses(facts) {
      const maps = new Map();
      this.heats.forEach(({ facts: { method, target } }, place) => {
        if (method === facts.method) maps.set(target.index, place);
      });
      const known = [...this.data.predictions];
      for (const { facts: { target } } of this.heats) {
        if (!known.some((item) => item.index === target.index)) known.push(target);
      }
      const several = maps.size > 1;
      const ask = known.some((item) => !maps.has(item.index)) ? "For a map of another class, explain the clip with it as target." : "";
      this.others.textContent = `${several ? "Choose an underlined class to see its map. " : ""}${ask}`;
      this.others.hidden = this.others.textContent === "";
      this.classes.replaceChildren(
        ...known.map((item) => {
          const fill = make("div", { className: "fill" });
          fill.style.width = `${100 * item.probability}%`;
          const rail = item.probability === null ? [] : [make("div", { className: "rail" }, fill)];
          const name = several && maps.has(item.index)
            ? make("button", { type: "button", className: "link", textContent: item.label, ariaPressed: String(item.index === facts.target.index), onclick: () => this.pick(maps.get(item.index)) })
            : make("span", { textContent: item.label });
          return make(
            "li",
            { className: item.index === facts.target.index ? "shown" : "" },
            make("div", { className: "name" }, name, make("span", { textContent: score(item) })),
            ...rail,
          );
        }),
      );
    }

    // The map of another class; the list is drawn anew, and its button keeps the focus.
    pick(index) {
      this.choose(index);
      this.classes.querySelector(".shown button").focus();
    }

    instant(shot) {
      const frame = `frame ${shot.frame}`;
      return this.film.origin === null ? frame : `${(this.film.origin + shot.start).toFixed(2)} s, ${frame}`;
    }

    shotAt(time) {
      const { shots } = this.film;
      let low = 0;
      for (let high = shots.length - 1; low < high; ) {
        const middle = Math.ceil((low + high) / 2);
        if (shots[middle].start <= time + 1e-9) low = middle;
        else high = middle - 1;
      }
      return low;
    }

    seek(time) {
      this.time = time;
      const at = this.shotAt(time);
      if (at === this.at) return;
      this.at = at;
      const shot = this.film.shots[at];
      this.scrub.value = at;
      const held = shot.seen ? "" : ", map of the nearest frame";
      const text = `${this.instant(shot)}${held}`;
      this.clock.textContent = `${text}, ${percent(this.heats[this.shown].facts.curve[shot.held])} of the evidence`;
      this.scrub.setAttribute("aria-valuetext", text);
      this.paint();
      this.onseek?.(time);
    }

    pauseAt(at) {
      this.stop();
      this.seek(this.film.shots[at].start);
    }

    step(by) {
      const count = this.film.shots.length;
      this.pauseAt((this.at + by + count) % count);
    }

    toggle() {
      if (this.playing) this.stop();
      else this.start();
    }

    start() {
      this.playing = true;
      this.play.textContent = "Pause";
      let last = performance.now();
      const tick = (now) => {
        if (!this.playing) return;
        const { length } = this.film;
        // After the page was suspended, continue from the same time.
        const passed = Math.min(0.25, (now - last) / 1000);
        last = now;
        this.seek((this.time + passed * this.speed) % length);
        requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
    }

    stop() {
      this.playing = false;
      this.play.textContent = "Play";
    }

    key(event) {
      // Of two reports in one page, one acts.
      if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
      if (!this.root.isConnected || this.root.hidden) return;
      const { target } = event;
      const within = this.root.contains(target);
      if (!within && target !== document.body) return;
      const acts = {
        " ": () => this.toggle(),
        ArrowLeft: () => this.step(-1),
        ArrowRight: () => this.step(1),
        Home: () => this.pauseAt(0),
        End: () => this.pauseAt(this.film.shots.length - 1),
        m: () => this.choose((this.shown + 1) % this.heats.length),
      };
      const act = acts[event.key] ?? acts[event.key.toLowerCase()];
      if (!act || this.taken(target, event.key)) return;
      event.preventDefault();
      act();
    }

    // Whether the focused element handles a key itself.
    taken(target, key) {
      if (target.closest("button, summary, a")) return key === " ";
      if (target.matches("input[type=range]")) return key.startsWith("Arrow") || key === "Home" || key === "End";
      return target.closest("select, input, textarea") !== null;
    }

    async frame(at) {
      this.pictures[at] ??= picture(this.film.shots[at].picture);
      return this.pictures[at];
    }

    async paint() {
      const { at } = this;
      if (at === undefined || !this.heats[this.shown].levels) return;
      const image = await this.frame(at);
      if (at !== this.at) return;
      const shot = this.film.shots[at];
      const middle = (shot.start + (this.film.shots[at + 1]?.start ?? this.film.length)) / 2;
      for (const bar of this.bars) bar.classList.remove("now");
      this.bars[at].classList.add("now");
      this.head.setAttribute("x1", (1000 * middle) / this.film.length);
      this.head.setAttribute("x2", (1000 * middle) / this.film.length);
      this.cover(this.right.screen, image, this.heats[this.shown], shot);
      if (this.beside !== -2) this.cover(this.left.screen, image, this.heats[this.beside], shot);
      const ahead = (at + 1) % this.film.shots.length;
      this.frame(ahead);
    }

    cover(screen, image, heat, shot) {
      const pen = screen.getContext("2d");
      const { width, height } = screen;
      pen.imageSmoothingEnabled = width < 3 * this.film.width;
      pen.drawImage(image, 0, 0, width, height);
      if (!heat?.levels) return;
      const [left, top, right, bottom] = heat.facts.crop;
      const box = [left * width, top * height, (right - left) * width, (bottom - top) * height];
      pen.imageSmoothingEnabled = true;
      pen.drawImage(heat.frame(shot.held, this.strength, this.threshold), ...box);
      if (box[2] < width || box[3] < height) {
        pen.beginPath();
        pen.rect(0, 0, width, height);
        pen.rect(...box);
        pen.fillStyle = "rgb(0 0 0 / 55%)";
        pen.fill("evenodd");
        pen.strokeStyle = "#ebebeb";
        pen.strokeRect(...box);
      }
    }

    save() {
      this.right.screen.toBlob((blob) => {
        const link = make("a", { href: URL.createObjectURL(blob), download: `${this.data.model}-frame-${this.film.shots[this.at].frame}.png` });
        link.click();
        URL.revokeObjectURL(link.href);
      });
    }

    destroy() {
      this.stop();
      document.removeEventListener("keydown", this.onkey);
      this.root.replaceChildren();
    }
  }

  return { bytes, draw, make, table, mount: (root, data) => new Report(root, data) };
})();

{
  const data = document.getElementById("data");
  if (data) globalThis.report = VideoVisual.mount(document.getElementById("report"), JSON.parse(data.textContent));
}
