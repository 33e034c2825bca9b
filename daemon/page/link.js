// One WebSocket to the daemon that says hello, and how long to wait before the next.

export const PROTO = "amanuensis.v1";
const FIRST_MS = 200, MAX_MS = 5000;
const QUIET_MS = 10_000; // a server tells something every second, and answers a ping in any case

/** Close codes of docs/protocol.md that a page acts on. */
export const CODE = { NORMAL: 1000, DENIED: 4401, NO_SESSION: 4404, IDLE: 4408, TAKEN_OVER: 4409, BAD_HELLO: 4400 };
/** What a page closes with that wants to come back: NORMAL would be for good. */
export const BACK_SOON = 4000;

/**
 * Connect and say hello; `onEvent(event)` for each message, `onClose(code)` once. Returns the socket.
 * A connection on which nothing comes for up to twice `quietMs`, asked or not, is over: browsers notice that late.
 */
export function open(path, hello, { onEvent, onClose }, quietMs = QUIET_MS) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}${path}`, PROTO);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(JSON.stringify({ type: "hello", proto: PROTO, ...hello }));
  socket.onmessage = (message) => onEvent(JSON.parse(message.data));
  socket.onclose = (e) => onClose(e.code);
  whenQuiet(socket, quietMs, () => { leave(socket, BACK_SOON); onClose(BACK_SOON); });
  return socket;
}

function whenQuiet(socket, quietMs, then) {
  let isAlive = true;
  socket.addEventListener("message", () => { isAlive = true; });
  const timer = setInterval(() => {
    const isOver = socket.readyState > WebSocket.OPEN;
    if (isOver || !isAlive) clearInterval(timer);
    if (isOver) return undefined;
    if (!isAlive) return then();
    isAlive = false;
    return socket.readyState === WebSocket.OPEN && socket.send('{"type":"ping"}');
  }, quietMs);
}

/** End a socket so that nothing more is heard of it. */
export function leave(socket, code = CODE.NORMAL) {
  if (!socket) return;
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close(code);
}

/** Pauses between tries, from 0.2 s to 5 s, each a little off, so that many pages do not come back at once. */
export class Backoff {
  #nextMs = FIRST_MS;
  #timer = 0;

  again(then, atLeastMs = 0) {
    const waitMs = Math.max(atLeastMs, this.#nextMs * (0.8 + 0.4 * Math.random()));
    this.#nextMs = Math.min(this.#nextMs * 1.6, MAX_MS);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, waitMs);
  }

  /** It worked: begin with short pauses again. */
  reset() {
    this.#nextMs = FIRST_MS;
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
