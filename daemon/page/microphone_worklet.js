// In the audio thread: blocks of 40 ms, mixed to one channel, as 16-bit samples; and how much was lost while no device was there.

const BLOCK_S = 0.04;

class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate * BLOCK_S));
    this.n = 0;
    this.next = currentFrame; // that follows the newest frame heard
    this.isGone = false; // the device
    this.port.onmessage = ({ data }) => (data === "gone" ? (this.isGone = true) : this.flush());
  }

  process([channels]) {
    if (channels.length === 0) return true; // no sound yet, or no device: how long is seen when one is back
    if (this.isGone) this.tellLost(currentFrame - this.next);
    this.isGone = false;
    this.next = currentFrame + channels[0].length;
    for (let i = 0; i < channels[0].length; i++) this.put(mean(channels, i));
    return true;
  }

  put(x) {
    this.block[this.n++] = Math.max(-1, Math.min(1, x)) * 32767;
    if (this.n === this.block.length) this.send();
  }

  send() {
    const data = this.block.slice(0, this.n);
    this.n = 0;
    this.port.postMessage({ data }, [data.buffer]);
  }

  tellLost(lost) {
    if (this.n) this.send();
    this.port.postMessage({ lost });
  }

  flush() {
    if (this.n) this.send();
    this.port.postMessage({ done: true });
  }
}

function mean(channels, i) {
  let sum = 0;
  for (const channel of channels) sum += channel[i];
  return sum / channels.length;
}

registerProcessor("tap", Tap);
