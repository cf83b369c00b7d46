// The gallery: only the cards that are in sight are in the page, however many results there are.
import { element, make, score } from "./api.js";
import { kind } from "./filters.js";

const ROW = 190;
const NARROWEST = 230;
const BEYOND = 2;

export class Gallery {
  // `act` has open(result), beside(result) and remove(result).
  constructor(act) {
    this.act = act;
    this.scroller = element("cards");
    this.list = element("list");
    this.results = [];
    this.places = new Map();
    this.cards = new Map();
    this.active = null;
    this.scroller.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(this.scroller);
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("focusin", (event) => this.activate(event.target.closest("li")?.dataset.id));
  }

  show(results, view, least) {
    this.results = results;
    this.places = new Map(results.map((result, place) => [result.id, place]));
    this.view = view;
    this.least = least;
    if (!this.places.has(this.active)) this.active = view.show && this.places.has(view.show) ? view.show : results[0]?.id;
    for (const card of this.cards.values()) this.mark(card);
    this.draw();
  }

  later() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.draw();
    });
  }

  draw() {
    const { scrollTop, clientHeight, clientWidth } = this.scroller;
    this.columns = Math.max(1, Math.floor(clientWidth / NARROWEST));
    const rows = Math.ceil(this.results.length / this.columns);
    this.list.style.height = `${rows * ROW}px`;
    const first = this.columns * Math.max(0, Math.floor(scrollTop / ROW) - BEYOND);
    const last = this.columns * (Math.ceil((scrollTop + clientHeight) / ROW) + BEYOND);
    const wanted = new Set(this.results.slice(first, last).map((result) => result.id));
    // The card with the focus stays, or the focus would be lost.
    if (this.places.has(this.active)) wanted.add(this.active);
    for (const [id, card] of this.cards) {
      if (!wanted.has(id)) {
        card.remove();
        this.cards.delete(id);
      }
    }
    for (const id of wanted) {
      const place = this.places.get(id);
      let card = this.cards.get(id);
      if (!card) {
        card = this.card(this.results[place]);
        this.cards.set(id, card);
        this.list.append(card);
      }
      card.style.width = `${100 / this.columns}%`;
      card.style.left = `${(100 / this.columns) * (place % this.columns)}%`;
      card.style.top = `${ROW * Math.floor(place / this.columns)}px`;
      card.ariaSetSize = this.results.length;
      card.ariaPosInSet = place + 1;
    }
  }

  card(result) {
    const title = `${result.method} for ${result.target.label}`;
    const other = result.best.index === result.target.index ? "" : `, says ${result.best.label} ${score(result.best)}`;
    const line = (className, textContent) => make("span", { className, textContent });
    const open = make(
      "button",
      { type: "button", className: "open", onclick: () => this.act.open(result) },
      make("img", { src: `/api/results/${result.id}/picture`, alt: "", loading: "lazy", decoding: "async" }),
      line("what", `${result.target.label}, ${score(result.target)}${other}`),
      line("how", [result.method, result.model, ...Object.entries(result.options).map(([name, value]) => `${name} ${value}`)].join(" · ")),
      line("how", result.name),
      line("warn", [...new Set(result.doubts.map(kind))].join(", ")),
      line("how agreed", ""),
    );
    const beside = make("button", { type: "button", className: "beside", textContent: "Beside", onclick: () => this.act.beside(result) });
    beside.ariaLabel = `Beside: ${title}, ${result.model}, ${result.name}`;
    const card = make("li", {}, open, beside);
    card.dataset.id = result.id;
    this.mark(card);
    return card;
  }

  // What changes of a card: whether it is shown, and whether Tab reaches it.
  mark(card) {
    const { id } = card.dataset;
    const [open, beside] = card.children;
    open.ariaCurrent = String(id === this.view.show);
    beside.ariaPressed = String(id === this.view.beside);
    open.tabIndex = beside.tabIndex = id === this.active ? 0 : -1;
    const agreed = this.least.get(id);
    card.querySelector(".agreed").textContent = agreed === undefined ? "" : `agreement of methods ${agreed.toFixed(2)}`;
  }

  activate(id) {
    if (!id || id === this.active) return;
    this.active = id;
    for (const card of this.cards.values()) this.mark(card);
  }

  focus(place = this.places.get(this.active) ?? 0) {
    const at = Math.min(Math.max(place, 0), this.results.length - 1);
    if (at < 0) return;
    const top = ROW * Math.floor(at / this.columns);
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.scroller.scrollTop = top + ROW - clientHeight;
    this.activate(this.results[at].id);
    this.draw();
    this.cards.get(this.active).querySelector(".open").focus({ preventScroll: true });
  }

  // The result after or before one, in the order shown.
  near(id, by) {
    return this.results[(this.places.get(id) ?? (by > 0 ? -1 : this.results.length)) + by];
  }

  key(event) {
    const here = this.places.get(this.active);
    const page = this.columns * Math.max(1, Math.floor(this.scroller.clientHeight / ROW));
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in moves) this.focus(here + moves[event.key]);
    else if (event.key === "Delete") this.act.remove(this.results[here]);
    else return;
    event.preventDefault();
  }
}
