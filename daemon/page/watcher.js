// Follows a session that somebody else speaks in: one by its name, or always the newest; comes back where it was cut.

import { BACK_SOON, Backoff, CODE, leave, open } from "./link.js";

/**
 * model: gets the events. wanted: name of a session, or null for the newest. credentials: fields for a hello.
 * on: `changes(list)`, `event(event)`, `state(text, kind)`, `denied()`, and `catchingUp(bool)`: what comes was said before.
 */
export class Watcher {
  #socket = null;
  #backoff = new Backoff();
  #over = false; // the session of the model has ended

  constructor(model, { wanted, credentials, fromStart, on }) {
    Object.assign(this, { model, wanted, credentials, fromStart, on });
  }

  start() {
    const known = this.#over ? null : this.model.session;
    const name = this.wanted ?? known ?? "latest";
    // From the first event, if the server still has it: then utterances, gaps and speakers are known, not only words.
    const after = known ? { after_seq: this.model.seq } : this.fromStart ? { after_seq: 0 } : {};
    const hello = { role: "watch", want: ["partial", "words", "stats"], ...after, ...this.credentials() };
    this.#socket = open(`/v1/watch/${encodeURIComponent(name)}`, hello, {
      onEvent: (event) => this.#take(event),
      onClose: (code) => this.#closed(code),
    });
  }

  stop() {
    this.#backoff.stop();
    leave(this.#socket);
  }

  #take(event) {
    if (event.type === "ready") {
      this.#over = false;
      this.#backoff.reset();
      if (event.session !== this.model.session) this.#catchUp();
      this.on.changes(this.model.begin(event.session));
      this.on.state("live", "live");
    }
    try {
      this.on.changes(this.model.take(event));
    } catch {
      this.#socket.close(BACK_SOON); // events are missing: the next connection asks for them
    }
    if (event.type === "pong") this.on.catchingUp(false);
    if (event.type === "bye") this.#over = event.resume_until === undefined;
    this.on.event(event);
  }

  // The answer to a ping comes behind everything that the server had to tell.
  #catchUp() {
    this.on.catchingUp(true);
    this.#socket.send('{"type":"ping"}');
  }

  #closed(code) {
    this.on.catchingUp(false);
    if (code === CODE.DENIED) return this.on.denied();
    const isFixed = this.wanted !== null;
    if (code === CODE.NO_SESSION) {
      this.#over = true;
      if (isFixed) return this.on.state(`there is no session ${this.wanted}: it never was, or ended too long ago`, "lost");
      if (!this.model.session) this.on.state("waiting for a session", "");
    } else if (this.#over) {
      if (isFixed) return undefined;
    } else {
      this.on.state("connection lost, trying again", "lost");
    }
    this.on.changes(this.model.take({ type: "partial", utt: this.model.partial.utt, text: "" }));
    return this.#backoff.again(() => this.start());
  }
}
