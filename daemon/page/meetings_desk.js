// Requests to /v1/admin and their answers, one connection; each answer is that of the request with its id.
export class Desk {
  #socket = null;
  #waiting = new Map();
  #next = 1;
  #token = null;
  #say;

  constructor(say) {
    this.#say = say;
  }

  // Connects; `token` null where the place is enough. Rejects with {code} when the server refuses.
  open(token) {
    this.#token = token;
    this.#socket?.close();
    return new Promise((done, fail) => {
      const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/v1/admin`, ["amanuensis.v1"]);
      this.#socket = socket;
      socket.onopen = () => socket.send(JSON.stringify({ type: "hello", ...(token ? { auth: token } : {}) }));
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "ready") done();
        else if (message.fatal) fail(failure(message));
        else this.#settle(message);
      };
      socket.onclose = () => {
        fail(failure({ code: "lost", message: "the daemon cannot be reached" }));
        for (const [id] of this.#waiting) this.#settle({ type: "error", id, code: "lost", message: "connection lost" });
        if (this.#socket === socket) this.#say("connection lost; it is made anew when it is needed");
      };
    });
  }

  // Asks; a connection that was lost is made anew.
  async ask(type, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) await this.open(this.#token);
    const id = this.#next++;
    return new Promise((done, fail) => {
      this.#waiting.set(id, { done, fail });
      this.#socket.send(JSON.stringify({ type, id, ...fields }));
    });
  }

  #settle(message) {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === "error") waiting?.fail(failure(message));
    else waiting?.done(message);
  }
}

function failure({ code, message }) {
  return Object.assign(new Error(message), { code });
}
