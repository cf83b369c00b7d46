// What is shown: a result, or two side by side, or a report.
import { element, json, make, mount, score } from "./api.js";

const CACHED = 4;

export class View {
  // `act` has moved(time), again(result), remove(result) and close(); `formats` are those of files.
  constructor(act, formats) {
    this.act = act;
    this.formats = formats;
    this.left = null;
    this.right = null;
    this.data = new Map();
  }

  // Shows what is named; `items` are results and reports by their ids. Later calls win.
  async show(view, items) {
    const wanted = [items.get(view.show), items.get(view.beside)];
    this.wanted = wanted;
    this.page(items.get(view.report));
    const data = await Promise.all(wanted.map((result) => result && this.load(result.id)));
    if (this.wanted !== wanted) return;
    const fresh = [this.put("left", wanted[0], data[0]), this.put("right", wanted[1], data[1])];
    element("panes").classList.toggle("two", Boolean(this.left && this.right));
    if (!view.report) this.tools();
    if (this.left && this.right && fresh.includes(true)) this.link();
    else if (this.left && !this.right) this.left.report.onseek = () => this.moved();
    if (fresh[0] && view.time) this.left?.report.seek(Number(view.time));
    element("empty").hidden = Boolean(this.left || view.report);
  }

  async load(id) {
    // The last ones are kept, as promises, so that none is asked for twice.
    const data = this.data.get(id) ?? json(`/api/results/${id}/data`);
    this.data.delete(id);
    this.data.set(id, data);
    for (const old of [...this.data.keys()].slice(0, -CACHED)) this.data.delete(old);
    data.catch(() => this.data.delete(id));
    return data;
  }

  // Returns whether the pane has changed.
  put(side, result, data) {
    const pane = element(side);
    if (this[side]?.result.id === result?.id) return false;
    this[side]?.report.destroy();
    this[side] = null;
    pane.hidden = !result;
    if (!result) return true;
    pane.ariaLabel = `${side === "left" ? "Result" : "Second result"}: ${result.method} for ${result.target.label}, ${result.model}`;
    this[side] = { result, report: mount(pane, data) };
    return true;
  }

  // Both show the same moment: of one clip by its time, of two by the share of each.
  link() {
    const { left, right } = this;
    const same = left.result.clip === right.result.clip && left.report.film.origin !== null && right.report.film.origin !== null;
    let moving = false;
    const lead = (one, other) => {
      const { film } = other;
      const time = same ? one.time + one.film.origin - film.origin : (one.time / one.film.length) * film.length;
      moving = true;
      other.seek(Math.min(Math.max(time, 0), film.shots.at(-1).start));
      moving = false;
    };
    const follow = (one, other) => () => {
      // What follows doesn't lead.
      if (moving) return;
      lead(one, other);
      this.moved();
    };
    left.report.onseek = follow(left.report, right.report);
    right.report.onseek = follow(right.report, left.report);
    for (const { report } of [left, right]) report.compare(-2);
    lead(left.report, right.report);
  }

  moved() {
    // While it plays, the address stays.
    if (!this.left.report.playing && !this.right?.report.playing) this.act.moved(this.left.report.time);
  }

  tools() {
    const bar = element("toolbar");
    bar.hidden = !this.left;
    if (!this.left) return;
    const { result } = this.left;
    const links = this.formats.map((format) =>
      make("a", { href: `/api/results/${result.id}/files/${format}`, textContent: format, download: "" }),
    );
    bar.replaceChildren(
      make("p", { className: "grow", textContent: `${result.name} · ${result.model} · ${result.method} for ${result.target.label}, ${score(result.target)}` }),
      make("span", { className: "files" }, "Save as ", ...links.flatMap((link) => [link, " "])),
      button("Use this clip", () => this.act.again(result)),
      button("Delete", () => this.act.remove(result)),
      ...(this.right ? [button("Close second", () => this.act.close())] : []),
    );
  }

  // A report instead of the results.
  page(report) {
    const frame = element("document");
    element("panes").hidden = Boolean(report);
    frame.hidden = !report;
    if (!report) {
      frame.removeAttribute("src");
      return;
    }
    const address = `/api/reports/${report.id}`;
    if (frame.getAttribute("src") !== address) frame.setAttribute("src", address);
    frame.title = `Report ${report.name}`;
    element("toolbar").hidden = false;
    element("toolbar").replaceChildren(
      make("p", { className: "grow", textContent: report.name }),
      make("a", { href: address, target: "_blank", rel: "noopener", textContent: "Open in its own tab" }),
      // Only what was dropped in is the viewer's to delete.
      ...(report.time ? [button("Delete", () => this.act.remove(report))] : []),
      button("Close", () => this.act.close()),
    );
  }
}

function button(textContent, onclick) {
  return make("button", { type: "button", textContent, onclick });
}
