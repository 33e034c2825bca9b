// What a page knows of one session: its events in, utterances of words and notes out. Pure: no page, no socket, no clock.
// The server's half of the same contract is docs/protocol.md; daemon/durable_view.py is this for Python clients.

export const MAX_WORDS = 100_000; // ten hours of speech, as the server keeps; older ones are forgotten

/**
 * An utterance `{kind: "utterance", utt, first, words: [{text, from, to, conf, spk?}], session}`, `first` being the index
 * of its first word that is known (others were never told), or a note
 * `{kind: "note", text, session}`. `take` returns what changed, as a list of
 *   {what: "words", item, since}   words of the utterance from this index on are new; 0: the utterance is new, too
 *   {what: "speakers", item}       words of the utterance have other speakers
 *   {what: "note", item}           a new note
 *   {what: "partial", utt, text}   what is heard but not committed; "": nothing
 *   {what: "dropped", items}       the oldest are forgotten
 *   {what: "cleared"}              everything was
 */
export class SessionModel {
  constructor() {
    this.session = null;
    this.clear();
  }

  clear() {
    this.items = [];
    this.seq = 0; // of the newest durable event
    this.committed = 0; // words, those that were never told included
    this.forgotten = 0; // words that were told and are not kept
    this.partial = { utt: -1, text: "" };
    this.#words = 0;
    this.#open = new Map();
    this.#known = new Map();
    this.#turn = null;
    return [{ what: "cleared" }];
  }

  #words;
  #open; // utterances that get more words, by number
  #known; // utterances of this session, by number
  #turn; // the newest turn

  /** Begin with a session; `keep`: what was said in the one before stays in sight. */
  begin(session, { keep = false } = {}) {
    if (session === this.session) return [];
    const before = this.items;
    const changes = this.clear();
    const isFirst = this.session === null;
    this.session = session;
    if (!keep || isFirst) return changes;
    this.items = before;
    this.#words = before.reduce((n, item) => n + (item.words?.length ?? 0), 0);
    return this.#note("the session before this one is over; a new one has begun");
  }

  /** Take any event; throws when durable events are missing before it. */
  take(event) {
    if (event.type === "snapshot") return this.#join(event);
    if (event.seq !== undefined) {
      if (event.seq <= this.seq) return [];
      if (event.seq > this.seq + 1) throw new Error(`event ${event.seq} came after event ${this.seq}`);
      this.seq = event.seq;
    }
    switch (event.type) {
      case "partial": return this.#showPartial(event.utt, event.text);
      case "commit": return [...this.#endPartial(event.utt), ...this.#commit(event.utt, event.words)];
      case "final": this.#open.delete(event.utt); return this.#endPartial(event.utt);
      case "turn": this.#turn = event; return [];
      case "speaker_revised": return this.#revise(event.words);
      case "gap": return this.#note(`${lengthOf(event.to - event.from)} were not transcribed: ${event.why}`);
      case "warning":
        if (event.code === "speakers_stopped") this.#turn = null;
        return this.#note(event.message);
      default: return [];
    }
  }

  /** The committed words that are kept, by utterance, also those of a session before. */
  said() {
    return this.items.filter((item) => item.words).map((item) => item.words);
  }

  /** Those of this session. */
  utterances() {
    return this.items.filter((item) => item.words && item.session === this.session).map((item) => item.words);
  }

  #showPartial(utt, text) {
    this.partial = { utt, text };
    return [{ what: "partial", utt, text }];
  }

  #endPartial(utt) {
    return this.partial.text && this.partial.utt <= utt ? this.#showPartial(utt, "") : [];
  }

  #commit(utt, words) {
    let item = this.#open.get(utt);
    if (!item) {
      item = this.#newUtterance(utt);
      this.#open.set(utt, item);
    }
    const since = item.words.length;
    item.words.push(...words.map((word) => this.#named(utt, word)));
    this.#count(words.length);
    return [{ what: "words", item, since }, ...this.#forget()];
  }

  #named(utt, word) {
    const turn = this.#turn;
    const spk = word.spk ?? (turn && turn.utt === utt && word.from >= turn.at ? turn.spk : undefined);
    return spk === undefined ? { ...word } : { ...word, spk };
  }

  #newUtterance(utt, first = 0) {
    const item = { kind: "utterance", utt, first, words: [], session: this.session };
    this.items.push(item);
    this.#known.set(utt, item);
    return item;
  }

  #count(n) {
    this.committed += n;
    this.#words += n;
  }

  #note(text) {
    const item = { kind: "note", text, session: this.session };
    this.items.push(item);
    return [{ what: "note", item }];
  }

  #revise(words) {
    const touched = new Set();
    for (const { utt, i, spk } of words) {
      const item = this.#known.get(utt);
      const word = item?.words[i - item.first];
      if (!word || word.spk === spk) continue;
      word.spk = spk;
      touched.add(item);
    }
    return [...touched].map((item) => ({ what: "speakers", item }));
  }

  #join(snapshot) {
    const first = snapshot.first ?? 0;
    // The server lost its newest events with the power: what it knows replaces what was told.
    const changes = snapshot.seq < this.seq ? this.clear() : [];
    this.seq = snapshot.seq;
    const places = snapshot.places.flatMap(({ utt, i, n }) => Array.from({ length: n }, (_, k) => ({ utt, i: i + k })));
    const nKnown = Math.max(0, this.committed - first);
    const named = places.map((place, k) => ({ ...place, spk: snapshot.words[k].spk })).filter((word) => word.spk);
    changes.push(...this.#revise(named.slice(0, nKnown)));
    const untold = first - this.committed;
    if (untold > 0) changes.push(...this.#note(`${untold} earlier words are not shown here; downloads have them`));
    this.#open.clear();
    for (let k = nKnown; k < places.length; k++) {
      const { utt, i } = places[k];
      let item = this.#known.get(utt);
      if (!item || item.first + item.words.length !== i) item = this.#newUtterance(utt, i);
      if (changes.at(-1)?.item !== item) changes.push({ what: "words", item, since: item.words.length });
      item.words.push({ ...snapshot.words[k] });
    }
    // The newest utterance may go on.
    const newest = places.length ? this.#known.get(places.at(-1).utt) : undefined;
    if (newest) this.#open.set(newest.utt, newest);
    this.#count(Math.max(0, places.length - nKnown));
    this.committed = first + snapshot.words.length;
    return [...changes, ...this.#forget()];
  }

  #forget() {
    let n = 0;
    while (this.#words > MAX_WORDS && n < this.items.length - 1) {
      const item = this.items[n++];
      const words = item.words?.length ?? 0;
      this.#words -= words;
      this.forgotten += item.session === this.session ? words : 0;
      if (this.#known.get(item.utt) === item) this.#known.delete(item.utt);
    }
    return n ? [{ what: "dropped", items: this.items.splice(0, n) }] : [];
  }
}

function lengthOf(ms) {
  return ms >= 100 ? `${(ms / 1000).toFixed(1)} s` : `${Math.ceil(ms)} ms`;
}

/** Cut words into turns, each of one speaker. */
export function turnsOf(words) {
  const turns = [];
  for (const word of words) {
    if (turns.length && turns.at(-1)[0].spk === word.spk) turns.at(-1).push(word);
    else turns.push([word]);
  }
  return turns;
}

/** The text of words, on one line. */
export function textOf(words) {
  return words.map((word) => word.text).join("").replace(/\s+/gu, " ").trim();
}
