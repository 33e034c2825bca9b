// The microphone: the device that was picked, at its own rate, as 16-bit blocks; it may be changed, pulled out and put back.

const FLOOR_DB = -60; // the meter shows from here to full scale
const PROCESSING = { echoCancellation: false, noiseSuppression: false, autoGainControl: true }; // what people want to hear is worse to read

export const isAvailable = Boolean(globalThis.navigator?.mediaDevices?.getUserMedia && globalThis.AudioWorkletNode);

/** Devices `[{id, label}]`; labels are "" until the user has allowed one. */
export async function listDevices() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((each) => each.kind === "audioinput").map(({ deviceId, label }) => ({ id: deviceId, label }));
}

/** on: `sound(bytes)` s16le, `lost(samples)`, `level(0..1)`, `state(text)`: "" when all is well, else what is wrong. */
export class Microphone {
  #context = null;
  #tap = null;
  #source = null;
  #stream = null;
  #wanted = "";
  #turn = 0; // of opening a device: the newest counts
  #waiting = () => { if (!this.#stream) this.#reopen(); };

  constructor(on) {
    this.on = on;
  }

  /** Open a device ("": the default); returns the rate of the sound, Hz. Throws what the browser says. */
  async open(id) {
    this.#wanted = id;
    const stream = await ask(id);
    try {
      const rate = stream.getAudioTracks()[0].getSettings().sampleRate;
      this.#context = new AudioContext(rate >= 8000 && rate <= 96_000 ? { sampleRate: rate } : {});
      await this.#context.audioWorklet.addModule(new URL("./microphone_worklet.js", import.meta.url));
      this.#tap = new AudioWorkletNode(this.#context, "tap", { numberOfOutputs: 0 });
      this.#connect(stream);
    } catch (error) {
      stop(stream);
      await this.#context?.close();
      throw error;
    }
    await this.#context.resume();
    navigator.mediaDevices.addEventListener("devicechange", this.#waiting);
    return this.#context.sampleRate;
  }

  /** Send what is heard from now on. */
  begin() {
    this.#tap.port.onmessage = ({ data: message }) => {
      if (message.data) this.#hear(message.data);
      if (message.lost) this.on.lost(message.lost);
      if (message.done) this.#context.close();
    };
  }

  /** Go on with another device; the sound keeps its rate. */
  async change(id) {
    this.#wanted = id;
    this.#disconnect();
    await this.#reopen();
  }

  /** Stop; resolves when the last block was given out. */
  async close() {
    navigator.mediaDevices.removeEventListener("devicechange", this.#waiting);
    this.#turn += 1; // a device that is still being opened is not wanted any more
    this.#disconnect();
    const closed = new Promise((done) => this.#context.addEventListener("statechange", () => {
      if (this.#context.state === "closed") done();
    }));
    this.#tap.port.postMessage("flush");
    await closed;
    this.on.level(0);
  }

  #hear(samples) {
    let sum = 0;
    for (const x of samples) sum += x * x;
    const db = 10 * Math.log10(sum / samples.length / 32767 ** 2 + 1e-12);
    this.on.level(Math.max(0, Math.min(1, 1 - db / FLOOR_DB)));
    this.on.sound(new Uint8Array(samples.buffer));
  }

  #connect(stream) {
    this.#stream = stream;
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#tap);
    const [track] = stream.getAudioTracks();
    track.onended = () => { this.#disconnect(); this.#reopen(); };
    this.on.state("");
    if (track.readyState === "ended") track.onended(); // while it was being connected
  }

  // The source goes too: without it the worklet counts what is lost, where the source would play silence.
  #disconnect() {
    this.#source?.disconnect();
    if (this.#stream) stop(this.#stream);
    this.#source = this.#stream = null;
    this.#tap.port.postMessage("gone");
  }

  async #reopen() {
    const turn = ++this.#turn;
    for (const id of new Set([this.#wanted, ""])) {
      const stream = await ask(id).catch(() => null);
      if (turn !== this.#turn) return stream && stop(stream);
      if (stream) return this.#connect(stream);
    }
    return this.on.state("no microphone: waiting until one is there");
  }
}

function ask(id) {
  return navigator.mediaDevices.getUserMedia({ audio: { ...PROCESSING, ...(id && { deviceId: { exact: id } }) } });
}

function stop(stream) {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}
