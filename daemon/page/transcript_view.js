// Shows what a session model tells: a paragraph for each turn, names in colours, the partial text grey behind the rest.

import { turnsOf } from "./session_model.js";

const COLOURS = 8; // of .s0 to .s7 in captions.css

/** root: the element to fill. maxItems: older ones leave the page (not the model). */
export class TranscriptView {
  #shown = new Map(); // element of each item, oldest first
  #colours = new Map(); // class by speaker
  #partial = document.createElement("span");
  #pending = make("p", ""); // holds the partial of an utterance without committed words

  constructor(root, { maxItems = 2000 } = {}) {
    this.root = root;
    this.maxItems = maxItems;
    this.#partial.id = this.#partial.className = "partial";
    this.#partial.setAttribute("aria-hidden", "true"); // it changes all the time: only what is committed is read out
  }

  /** Show changes of a model; returns how many words are new. */
  apply(changes) {
    let words = 0;
    for (const change of changes) {
      switch (change.what) {
        case "words": words += change.item.words.length - change.since; this.#words(change.item, change.since); break;
        case "speakers": this.#again(change.item); break;
        case "note": this.#note(change.item); break;
        case "partial": this.#showPartial(change.utt, change.text); break;
        case "dropped": change.items.forEach((item) => this.#remove(item)); break;
        case "cleared": this.clear(); break;
      }
    }
    while (this.#shown.size > this.maxItems) this.#remove(this.#shown.keys().next().value);
    return words;
  }

  clear() {
    this.#hidePartial();
    this.root.replaceChildren();
    this.#shown.clear();
  }

  #words(item, since) {
    const element = this.#shown.get(item);
    if (element) return this.#fill(element, item.words.slice(since), element.previousElementSibling);
    const added = make("div", "utterance");
    this.#fill(added, item.words, [...this.#shown.values()].at(-1));
    return this.#append(item, added); // whole: so each word is read out once
  }

  // Add words behind those of an element; `before` stands before it.
  #fill(element, words, before) {
    for (const turn of turnsOf(words)) {
      const last = element.lastElementChild;
      if (last && last.dataset.spk === (turn[0].spk ?? "")) put(last, turn);
      else element.append(this.#turn(turn, last ?? before?.lastElementChild));
    }
  }

  #again(item) {
    const element = this.#shown.get(item);
    if (!element) return;
    this.#hidePartial();
    element.replaceChildren();
    this.#fill(element, item.words, element.previousElementSibling);
    this.#nameFirst(element.nextElementSibling, element);
  }

  #note(item) {
    const element = make("p", "note");
    element.textContent = item.text;
    this.#append(item, element);
  }

  #append(item, element) {
    this.#shown.set(item, element);
    this.root.append(element);
    if (this.#pending.isConnected) this.root.append(this.#pending);
  }

  #remove(item) {
    const element = this.#shown.get(item);
    if (!element) return;
    if (element.contains(this.#partial)) this.#hidePartial();
    element.remove();
    this.#shown.delete(item);
  }

  #turn(words, before) {
    const p = make("p", "");
    const spk = words[0].spk ?? "";
    p.dataset.spk = spk;
    if (spk) p.append(this.#name(spk), " ");
    p.classList.toggle("same", Boolean(before) && before.dataset.spk === spk);
    put(p, words);
    return p;
  }

  #name(spk) {
    if (!this.#colours.has(spk)) this.#colours.set(spk, `s${this.#colours.size % COLOURS}`);
    const isAlone = this.#colours.size === 1 && /^[A-Z]{1,2}$/u.test(spk); // a letter says something only beside another
    this.root.classList.toggle("alone", isAlone);
    const name = document.createElement("bdi");
    name.className = `speaker ${this.#colours.get(spk)}`;
    name.textContent = `${spk}:`;
    return name;
  }

  #nameFirst(element, before) {
    const first = element?.firstElementChild;
    if (first) first.classList.toggle("same", before.lastElementChild?.dataset.spk === first.dataset.spk);
  }

  #showPartial(utt, text) {
    this.#hidePartial();
    if (!text.trim()) return;
    const [item, element] = [...this.#shown].at(-1) ?? [];
    const p = item?.utt === utt && utt >= 0 ? element.lastElementChild : this.#pending;
    this.#partial.textContent = p === this.#pending ? text.trimStart() : text;
    p.append(this.#partial);
    if (p === this.#pending) this.root.append(p);
  }

  #hidePartial() {
    this.#partial.remove();
    this.#pending.remove();
  }
}

function make(tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  element.dir = "auto";
  return element;
}

function put(p, words) {
  const isFirst = !p.querySelector(".said");
  const said = document.createElement("span"); // new elements, and not longer text, are what screen readers read out
  said.className = "said";
  const text = words.map((word) => word.text).join("");
  said.textContent = isFirst ? text.trimStart() : text;
  const partial = p.querySelector(".partial");
  p.insertBefore(said, partial);
}
