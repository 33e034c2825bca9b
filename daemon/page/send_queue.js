// What a microphone has heard and the server has not acknowledged, numbered as docs/protocol.md wants it. Pure.

export const MAX_BYTES = 32 * 2 ** 20; // near six minutes at 48 kHz; what comes on top is lost, and told as a gap
const MAX_JUMP_S = 60; // that `at` may go forward in one chunk
const NOTHING = new Uint8Array(0);
const SAMPLE_BYTES = 2;

/** Chunks `{n, at, data}`: number, samples before it, s16le bytes of one channel. */
export class SendQueue {
  #chunks = [];
  #next = 0; // number of the next new chunk
  #at = 0; // samples before it
  #sent = 0; // chunks of lower number were sent on this connection
  #lost = 0; // samples since the newest chunk

  constructor(rate) {
    this.rate = rate;
    this.bytes = 0;
  }

  /** Take bytes of sound; when there is no room they are lost. */
  push(data) {
    const samples = data.byteLength / SAMPLE_BYTES;
    if (this.bytes + data.byteLength > MAX_BYTES) return this.lose(samples);
    this.#declare();
    this.#add(data, this.#lost);
    this.#lost = 0;
    this.#at += samples;
  }

  /** Take note that the source lost so many samples. */
  lose(samples) {
    this.#lost += samples;
  }

  /** No more comes: what was lost since the newest chunk is told, too. */
  finish() {
    this.#declare();
    if (this.#lost) this.#add(NOTHING, this.#lost);
    this.#lost = 0;
  }

  // Holes longer than one chunk may declare get chunks of their own without sound.
  #declare() {
    while (this.#lost > MAX_JUMP_S * this.rate) {
      this.#add(NOTHING, MAX_JUMP_S * this.rate);
      this.#lost -= MAX_JUMP_S * this.rate;
    }
  }

  #add(data, lost) {
    this.#at += lost;
    this.#chunks.push({ n: this.#next++, at: this.#at, data });
    this.bytes += data.byteLength;
  }

  /** The next chunk for this connection, or undefined. */
  take() {
    const first = this.#chunks[0]?.n ?? this.#next;
    const chunk = this.#chunks[Math.max(this.#sent, first) - first];
    if (chunk) this.#sent = chunk.n + 1;
    return chunk;
  }

  /** Whether everything was sent on this connection. */
  get isSent() {
    return Math.max(this.#sent, this.#chunks[0]?.n ?? this.#next) >= this.#next;
  }

  /** Chunks up to this number are kept by the server. */
  acked(n) {
    let count = 0;
    while (count < this.#chunks.length && this.#chunks[count].n <= n) this.bytes -= this.#chunks[count++].data.byteLength;
    this.#chunks.splice(0, count);
  }

  /** A new connection to the same session, which wants this chunk next. */
  resumeAt(next) {
    this.acked(next - 1);
    this.#sent = next;
  }

  /** A new session: what is left is its beginning. */
  restart() {
    const base = this.#chunks[0] ?? { n: this.#next, at: this.#at };
    const { n, at } = base;
    for (const chunk of this.#chunks) {
      chunk.n -= n;
      chunk.at -= at;
    }
    this.#next -= n;
    this.#at -= at;
    this.#sent = 0;
  }
}

/** A chunk as the msgpack map `{t: "a", n, at, d}`. */
export function frameOf({ n, at, data }) {
  const head = new DataView(new ArrayBuffer(33));
  let i = 0;
  const byte = (value) => head.setUint8(i++, value);
  const key = (name) => { byte(0xa0 | name.length); for (const c of name) byte(c.charCodeAt(0)); };
  const whole = (value) => { byte(0xcf); head.setBigUint64(i, BigInt(value)); i += 8; };
  byte(0x84); // a map of four
  key("t"); key("a");
  key("n"); whole(n);
  key("at"); whole(at);
  key("d"); byte(0xc5); head.setUint16(i, data.byteLength); i += 2; // bin 16: a chunk is far below 64 KiB
  const frame = new Uint8Array(i + data.byteLength);
  frame.set(new Uint8Array(head.buffer, 0, i));
  frame.set(data, i);
  return frame;
}
