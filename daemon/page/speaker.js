// Speaks into a session of its own; when the connection is lost, takes the session up again and sends what is missing.

import { BACK_SOON, Backoff, CODE, leave, open } from "./link.js";
import { SendQueue, frameOf } from "./send_queue.js";

const MAX_BUFFERED_BYTES = 2 ** 18; // in the browser; the rest waits in the queue, where it is bounded
const REST_MS = 50; // between looks whether there is room, once the microphone is off

/**
 * model: gets the events. rate: of the sound, Hz. options, credentials: fields for a hello.
 * on: `changes(list)`, `event(event)`, `state(text, kind)`, `denied()`, `over()`.
 */
export class Speaker {
  #socket = null;
  #backoff = new Backoff();
  #isReady = false;
  #isEnding = false;
  #endSent = false;
  #resume = null; // {session, resume_token}
  #retryMs = 0; // that the server asked for
  #timer = 0;

  constructor(model, { rate, options, credentials, on }) {
    Object.assign(this, { model, options, credentials, on });
    this.queue = new SendQueue(rate);
  }

  start() {
    const audio = { enc: "s16le", rate: this.queue.rate, ch: 1 };
    const again = this.#resume ? { ...this.#resume, after_seq: this.model.seq } : {};
    const path = this.#resume ? `/v1/session?resume=${this.#resume.session}` : "/v1/session";
    this.#isReady = this.#endSent = false;
    this.#retryMs = 0;
    this.#socket = open(path, { role: "speak", audio, ...this.options, ...again, ...this.credentials() }, {
      onEvent: (event) => this.#take(event),
      onClose: (code) => this.#closed(code),
    });
  }

  /** Take s16le bytes of the microphone. */
  hear(data) {
    this.queue.push(data);
    this.#send();
  }

  /** Take note that so many samples were lost. */
  lose(samples) {
    this.queue.lose(samples);
  }

  /** No more comes: the rest is sent, `over` follows when everything is final. */
  end() {
    this.#isEnding = true;
    this.queue.finish();
    this.#timer = setInterval(() => this.#send(), REST_MS);
    this.#send();
  }

  /** Leave at once. */
  abandon() {
    this.#stop();
    leave(this.#socket);
    this.on.over();
  }

  #stop() {
    this.#backoff.stop();
    clearInterval(this.#timer);
    this.#isReady = false;
  }

  #take(event) {
    switch (event.type) {
      case "ready": this.#begin(event); break;
      case "ack": this.queue.acked(event.n); break;
      case "error": this.#retryMs = 1000 * (event.retry_after ?? 0); break;
    }
    try {
      this.on.changes(this.model.take(event));
    } catch {
      this.#socket.close(BACK_SOON); // the next connection asks for what is missing
    }
    this.on.event(event);
    if (event.type === "ready") this.#send();
  }

  #begin(ready) {
    this.on.changes(this.model.begin(ready.session, { keep: true }));
    if (this.#resume) this.queue.resumeAt(ready.next);
    this.#resume = { session: ready.session, resume_token: ready.resume_token };
    this.#endSent = (ready.controls ?? 0) > 0; // `end` is the only one that this page sends
    this.#isReady = true;
    this.#backoff.reset();
    this.on.state("live", "live");
  }

  #send() {
    if (!this.#isReady || this.#socket.readyState !== WebSocket.OPEN) return;
    while (this.#socket.bufferedAmount < MAX_BUFFERED_BYTES) {
      const chunk = this.queue.take();
      if (!chunk) break;
      this.#socket.send(frameOf(chunk));
    }
    if (this.#isEnding && !this.#endSent && this.queue.isSent) {
      this.#socket.send('{"type":"end"}');
      this.#endSent = true;
    }
  }

  #closed(code) {
    this.#isReady = false;
    this.on.changes(this.model.take({ type: "partial", utt: this.model.partial.utt, text: "" }));
    if (code === CODE.NORMAL || code === CODE.TAKEN_OVER || code === CODE.BAD_HELLO) {
      this.#stop();
      if (code === CODE.TAKEN_OVER) this.on.state("another page has taken this session over", "lost");
      return this.on.over();
    }
    if (code === CODE.DENIED && !this.#resume) {
      this.#stop();
      this.on.over();
      return this.on.denied();
    }
    if ([CODE.DENIED, CODE.NO_SESSION, CODE.IDLE].includes(code)) {
      this.#resume = null; // the session is gone; what was not acknowledged opens another
      this.queue.restart();
    }
    this.on.state("connection lost or no room; the microphone is kept, trying again", "lost");
    return this.#backoff.again(() => this.start(), this.#retryMs);
  }
}
