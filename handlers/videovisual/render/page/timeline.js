"use strict";
// Draws the timeline of a film. Untrusted strings are inserted as text, never as HTML.
globalThis.FilmTimeline = (() => {
  const { bytes, draw, make } = VideoVisual;
  const HEIGHT = 36;
  const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800];
  const TICK_PX = 84;
  const SHORTEST_S = 4;
  const ROWS = 300;

  function packed(text, kind) {
    return new kind(bytes(text).buffer);
  }

  function drag(element, act) {
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      act(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (event.buttons) act(event);
    });
  }

  function clock(seconds, digits = 0) {
    const whole = Math.floor(seconds + 1e-6);
    const two = (value) => String(value).padStart(2, "0");
    const rest = digits ? (seconds - whole).toFixed(digits).slice(1) : "";
    return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}${rest}`;
  }

  class FilmTimeline {
    constructor(root, data) {
      this.root = root;
      this.data = data;
      this.view = [data.start_s, data.end_s];
      this.cursor = data.start_s;
      this.classes = packed(data.classes, Int32Array);
      this.values = packed(data.values, Float32Array);
      this.lanes = data.lanes.map((lane) => ({ ...lane, values: packed(lane.values, Float32Array) }));
      this.explained = data.moments.filter((moment) => moment.page !== null);
      this.build();
      new ResizeObserver(() => this.paint()).observe(this.tracks);
      const best = this.explained.reduce((one, two) => (one && this.strength(one) >= this.strength(two) ? one : two), null);
      if (best) this.show(best);
      else this.seek(data.start_s);
    }

    strength(moment) {
      return moment.class.probability ?? moment.class.logit;
    }

    score(value) {
      if (!Number.isFinite(value)) return "less than the listed";
      return this.data.measure === "probability" ? `${(100 * value).toFixed(value < 0.1 ? 1 : 0)}%` : value.toPrecision(4);
    }

    build() {
      const { data } = this;
      const about = [
        clock(data.end_s - data.start_s),
        data.model,
        `${data.count} windows`,
        `${data.moments.length} moments, ${this.explained.length} of them explained here`,
        data.methods.join(", "),
      ];
      this.window = make("section", { className: "explained" });
      this.window.setAttribute("aria-label", "The explained window");
      this.root.replaceChildren(
        make("header", {}, make("h1", { textContent: data.film }), make("p", { className: "sub", textContent: about.join(" · ") })),
        make("section", { className: "card film" }, make("h2", { textContent: "When each class leads" }), this.toolbar(), this.preview(), this.timeline(), this.notes()),
        make("section", { className: "card" }, make("details", { open: this.explained.length === 0 }, make("summary", { textContent: "Moments" }), this.table())),
        this.window,
      );
    }

    toolbar() {
      const button = (text, label, act) => {
        const made = make("button", { type: "button", textContent: text, onclick: act });
        made.setAttribute("aria-label", label);
        return made;
      };
      this.shown = make("output", { className: "shown" });
      return make(
        "div",
        { className: "row" },
        button("−", "Zoom out", () => this.zoom(2)),
        button("+", "Zoom in", () => this.zoom(0.5)),
        button("Whole film", "Show the whole film", () => this.whole()),
        button("◂ Explained", "Previous explained window", () => this.jump(-1)),
        button("Explained ▸", "Next explained window", () => this.jump(1)),
        this.shown,
      );
    }

    preview() {
      this.still = make("img", { alt: "" });
      this.when = make("b");
      this.best = make("ul");
      return make("div", { className: "preview" }, this.still, make("div", {}, this.when, this.best));
    }

    timeline() {
      this.tracks = make("div", { className: "tracks", tabIndex: 0 });
      const told = { role: "slider", "aria-label": "Position in the film", "aria-valuemin": this.data.start_s, "aria-valuemax": this.data.end_s };
      for (const [name, value] of Object.entries(told)) this.tracks.setAttribute(name, value);
      for (const lane of this.lanes) {
        lane.svg = draw("svg", { class: "lane", height: HEIGHT, "aria-hidden": "true" });
        const led = `${clock(lane.led_s)} in all`;
        const name = make("div", { className: "name" }, make("span", { textContent: this.data.labels[lane.class] }), make("span", { textContent: led }));
        this.tracks.append(name, lane.svg);
      }
      this.axis = draw("svg", { class: "ticks", height: 20, "aria-hidden": "true" });
      this.head = make("div", { className: "head" });
      this.tracks.append(this.axis, this.head);
      drag(this.tracks, (event) => this.seek(this.timeAt(event)));
      this.tracks.addEventListener("dblclick", (event) => this.zoom(0.5, this.timeAt(event)));
      this.tracks.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
      this.tracks.addEventListener("keydown", (event) => this.key(event));
      this.overview = draw("svg", { class: "overview", height: 22, "aria-hidden": "true" });
      drag(this.overview, (event) => {
        const box = this.overview.getBoundingClientRect();
        const share = (event.clientX - box.left) / box.width;
        this.look(this.data.start_s + share * (this.data.end_s - this.data.start_s), this.view[1] - this.view[0]);
      });
      return make("div", {}, this.tracks, this.overview);
    }

    notes() {
      const height = this.data.measure === "probability" ? "Heights are probabilities" : "Heights are the network's own scores";
      const text =
        `${height}; shaded is where the class leads or is likelier than not; a bar below marks an explained window. ` +
        "Drag to scrub; double click, Ctrl + wheel, + and − zoom; drag the strip below to pan. On the timeline, ← → go a window, " +
        "Page Up and Page Down a tenth of what is shown, Home and End to its ends, N and P to the next and previous explained window, 0 shows all.";
      return make("p", { className: "note", textContent: text });
    }

    table() {
      const ranked = [...this.data.moments].sort((one, two) => (two.page !== null) - (one.page !== null) || this.strength(two) - this.strength(one));
      const rows = ranked.slice(0, ROWS).sort((one, two) => one.start_s - two.start_s);
      const body = make("tbody");
      for (const moment of rows) {
        const span = `${clock(moment.start_s)} – ${clock(moment.end_s)}`;
        const button = make("button", { type: "button", textContent: span, onclick: () => this.show(moment) });
        const state = moment.page !== null ? "here" : moment.explained ? `in ${moment.explained}` : "";
        const cells = [moment.class.label, this.score(this.strength(moment)), state];
        body.append(make("tr", {}, make("td", {}, button), ...cells.map((textContent) => make("td", { textContent }))));
      }
      const head = make("tr", {}, ...["when", "class", "at its best", "explained"].map((text) => make("th", { scope: "col", textContent: text })));
      const left = this.data.moments.length - rows.length;
      const more = left ? [make("p", { className: "note", textContent: `${left} weaker moments are in timeline.json.` })] : [];
      return make("div", { className: "moments" }, make("table", {}, make("thead", {}, head), body), ...more);
    }

    // Times and places.
    timeAt(event) {
      const box = this.tracks.getBoundingClientRect();
      const [first, last] = this.view;
      return first + ((event.clientX - box.left) / box.width) * (last - first);
    }

    windowAt(time) {
      return Math.min(Math.max(Math.floor(time - this.data.start_s + 1e-6), 0), this.data.count - 1);
    }

    // The part of the film that is shown.
    look(middle, span) {
      const { start_s: first, end_s: last } = this.data;
      const length = Math.min(Math.max(span, SHORTEST_S), last - first);
      const start = Math.min(Math.max(middle - length / 2, first), last - length);
      this.view = [start, start + length];
      this.paint();
    }

    zoom(factor, at = this.cursor) {
      const [first, last] = this.view;
      const fixed = at >= first && at <= last ? at : (first + last) / 2;
      const span = Math.max((last - first) * factor, SHORTEST_S);
      const share = (fixed - first) / (last - first);
      this.look(fixed + (0.5 - share) * span, span);
    }

    whole() {
      this.look(this.data.start_s, Infinity);
    }

    wheel(event) {
      const along = event.shiftKey ? event.deltaY : event.deltaX;
      if (event.ctrlKey || event.metaKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.timeAt(event));
      else if (along) this.look((this.view[0] + this.view[1]) / 2 + (along / 1000) * (this.view[1] - this.view[0]), this.view[1] - this.view[0]);
      else return;
      event.preventDefault();
    }

    key(event) {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const tenth = (this.view[1] - this.view[0]) / 10;
      const acts = {
        ArrowLeft: () => this.seek(this.cursor - 1),
        ArrowRight: () => this.seek(this.cursor + 1),
        PageUp: () => this.seek(this.cursor + tenth),
        PageDown: () => this.seek(this.cursor - tenth),
        Home: () => this.seek(this.data.start_s),
        End: () => this.seek(this.data.end_s),
        "+": () => this.zoom(0.5),
        "=": () => this.zoom(0.5),
        "-": () => this.zoom(2),
        0: () => this.whole(),
        n: () => this.jump(1),
        p: () => this.jump(-1),
      };
      const act = acts[event.key] ?? acts[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act();
    }

    // The position.
    seek(time) {
      this.cursor = Math.min(Math.max(time, this.data.start_s), this.data.end_s);
      const covers = ({ best }) => best.sees_s[0] <= this.cursor && this.cursor < best.sees_s[1];
      const held = this.open && covers(this.open) ? this.open : this.explained.find(covers);
      if (held) {
        this.mount(held);
        this.follows = true;
        this.report.stop();
        this.report.seek(Math.min(Math.max(this.cursor - this.report.film.origin, 0), this.report.film.length));
        this.follows = false;
      }
      this.tell();
    }

    jump(by) {
      const later = by > 0 ? this.explained : [...this.explained].reverse();
      const from = this.open ? this.open.best.start_s : this.cursor;
      const next = later.find(({ best }) => by * (best.start_s - from) > 1e-6) ?? later[0];
      if (next) this.show(next);
    }

    show(moment) {
      if (moment.page === null) {
        this.seek((moment.best.start_s + moment.best.end_s) / 2);
        return;
      }
      this.mount(moment);
      this.cursor = this.report.film.origin + this.report.time;
      this.tell();
    }

    mount(moment) {
      if (this.open === moment) return;
      this.open = moment;
      this.report?.destroy();
      const box = make("div");
      const [first, last] = moment.best.sees_s;
      const title = `${clock(first, 2)} to ${clock(last, 2)}: ${moment.class.label}`;
      this.window.replaceChildren(make("h2", { textContent: title }), box);
      this.report = VideoVisual.mount(box, JSON.parse(document.getElementById(`window-${moment.page}`).textContent));
      this.report.onseek = (time) => {
        if (this.follows) return;
        this.cursor = this.report.film.origin + time;
        this.tell();
      };
    }

    // Everything about the position that changes with it.
    tell() {
      const [first, last] = this.view;
      if (this.cursor < first || this.cursor > last) this.look(this.cursor, last - first);
      const at = this.windowAt(this.cursor);
      const { listed, labels } = this.data;
      const best = [];
      for (let place = at * listed; place < (at + 1) * listed; place += 1) {
        if (this.classes[place] >= 0) best.push(`${labels[this.classes[place]]} ${this.score(this.values[place])}`);
      }
      this.when.textContent = clock(this.cursor, 1);
      this.best.replaceChildren(...best.map((textContent) => make("li", { textContent })));
      this.tracks.setAttribute("aria-valuenow", this.cursor.toFixed(2));
      this.tracks.setAttribute("aria-valuetext", `${clock(this.cursor, 1)}, ${best[0]}`);
      const still = this.data.stills.findLast(({ time }) => time <= this.cursor + 1e-6) ?? this.data.stills[0];
      this.still.hidden = !still;
      if (still && this.stillOf !== still) {
        this.stillOf = still;
        this.still.src = still.picture;
        this.still.alt = `The film at ${clock(still.time)}`;
      }
      this.place();
    }

    place() {
      const [first, last] = this.view;
      this.head.style.left = `${(100 * (this.cursor - first)) / (last - first)}%`;
    }

    paint() {
      const width = Math.max(this.tracks.clientWidth, 1);
      const [first, last] = this.view;
      const x = (time) => ((time - first) / (last - first)) * width;
      const within = ({ start_s, end_s }) => end_s > first && start_s < last;
      for (const lane of this.lanes) {
        const own = this.data.moments.filter((moment) => moment.class.index === lane.class && within(moment));
        const bands = own.map(({ start_s, end_s }) => draw("rect", { class: "band", x: x(start_s), width: Math.max(x(end_s) - x(start_s), 1), y: 0, height: HEIGHT }));
        const marks = own.filter(({ page }) => page !== null).map(({ best }) => draw("rect", { class: "mark", x: x(best.start_s), width: Math.max(x(best.end_s) - x(best.start_s), 4), y: HEIGHT - 5, height: 5 }));
        lane.svg.replaceChildren(...bands, draw("path", { class: "area", d: this.area(lane, width) }), ...marks);
      }
      this.drawAxis(width, x);
      const share = (time) => ((time - this.data.start_s) / (this.data.end_s - this.data.start_s)) * width;
      const marks = this.explained.map(({ best }) => draw("rect", { class: "mark", x: share(best.start_s), width: Math.max(2, share(best.end_s) - share(best.start_s)), y: 6, height: 10 }));
      const seen = draw("rect", { class: "seen", x: share(first), width: Math.max(share(last) - share(first), 4), y: 1, height: 20 });
      this.overview.replaceChildren(seen, ...marks);
      this.shown.textContent = `${clock(first)} – ${clock(last)}`;
      this.place();
    }

    // The outline of a lane: of each column of pixels the greatest value.
    area(lane, width) {
      const [first, last] = this.view;
      const [low, high] = this.data.range;
      const [from, to] = [this.windowAt(first), this.windowAt(last - 1e-6)];
      const per = Math.max(1, Math.floor((to - from + 1) / width));
      const x = (at) => ((Math.min(this.data.start_s + at, this.data.end_s) - first) / (last - first)) * width;
      let path = `M${x(from).toFixed(1)} ${HEIGHT}`;
      for (let at = from; at <= to; at += per) {
        let most = low;
        for (let each = at; each < Math.min(at + per, to + 1); each += 1) {
          if (lane.values[each] > most) most = lane.values[each];
        }
        path += `V${(HEIGHT - ((most - low) / (high - low)) * (HEIGHT - 2)).toFixed(1)}H${x(Math.min(at + per, to + 1)).toFixed(1)}`;
      }
      return `${path}V${HEIGHT}Z`;
    }

    drawAxis(width, x) {
      const [first, last] = this.view;
      const gap = TICKS.find((tick) => (tick / (last - first)) * width >= TICK_PX) ?? TICKS.at(-1);
      const ticks = [];
      for (let time = Math.ceil(first / gap) * gap; time <= last; time += gap) {
        const at = x(time);
        const anchor = at < 30 ? "start" : at > width - 30 ? "end" : "middle";
        ticks.push(draw("line", { x1: at, x2: at, y1: 0, y2: 4 }), draw("text", { x: at, y: 16, "text-anchor": anchor }, clock(time)));
      }
      this.axis.replaceChildren(...ticks);
    }
  }

  return FilmTimeline;
})();

globalThis.film = new FilmTimeline(document.getElementById("film"), JSON.parse(document.getElementById("timeline").textContent));
