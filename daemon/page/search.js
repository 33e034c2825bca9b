// Finds text in what is shown. Hits are painted by the browser (CSS highlights), so the text itself stays as it is.

const MAX_HITS = 1000;

/** root: where to look. box: scrolls. field, count: input and output. onJump: the reader is sent to a hit. */
export class Search {
  #hits = [];
  #at = -1;
  #frame = 0;

  constructor({ root, field, count, onJump }) {
    Object.assign(this, { root, field, count, onJump });
    field.addEventListener("input", () => { this.#at = -1; this.refresh(); if (this.#hits.length) this.#go(this.#hits.length - 1); });
    field.addEventListener("keydown", (e) => this.#key(e));
  }

  /** The text has changed: look again, once a frame at most. */
  changed() {
    cancelAnimationFrame(this.#frame);
    if (this.field.value.trim()) this.#frame = requestAnimationFrame(() => this.refresh());
  }

  /** Look again. */
  refresh() {
    const wanted = this.field.value.trim();
    if (!wanted && !this.#hits.length) return;
    this.#hits = wanted ? [...this.#find(wanted)] : [];
    this.#paint();
  }

  #key(e) {
    if (e.key === "Escape") { this.field.value = ""; this.refresh(); }
    if (e.key !== "Enter" || !this.#hits.length) return;
    const n = this.#hits.length;
    this.#go((this.#at + (e.shiftKey ? n - 1 : 1)) % n);
  }

  #go(i) {
    this.#at = i;
    this.onJump();
    this.#paint();
    this.#hits[i].startContainer.parentElement.scrollIntoView({ block: "center" });
  }

  #paint() {
    const wanted = this.field.value.trim();
    if (this.#at >= this.#hits.length) this.#at = this.#hits.length - 1;
    this.count.textContent = wanted ? (this.#hits.length ? `${this.#at + 1} of ${this.#hits.length}` : "not found") : "";
    if (!globalThis.CSS?.highlights) return;
    CSS.highlights.set("hit", new Highlight(...this.#hits));
    CSS.highlights.set("current", new Highlight(...this.#hits.slice(this.#at, this.#at + 1)));
  }

  * #find(wanted) {
    const words = wanted.split(/\s+/u).map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&"));
    const pattern = new RegExp(words.join("\\s+"), "giu");
    let n = 0;
    for (const p of this.root.querySelectorAll("p")) {
      const nodes = [...p.querySelectorAll(".said")].map((said) => said.firstChild).filter(Boolean);
      const text = nodes.map((node) => node.data).join("");
      for (const match of text.matchAll(pattern)) {
        if (n++ === MAX_HITS) return;
        yield rangeOf(nodes, match.index, match.index + match[0].length);
      }
    }
  }
}

function rangeOf(nodes, from, to) {
  const range = document.createRange();
  let at = 0;
  for (const node of nodes) {
    const end = at + node.length;
    if (from >= at && from < end) range.setStart(node, from - at);
    if (to > at && to <= end) range.setEnd(node, to - at);
    at = end;
  }
  return range;
}
