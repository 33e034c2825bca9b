// Plays the sound of a track from a moment of the meeting on, file by file; each holds at most 10 s.
const FOLLOW_MS = 200;

export class Player {
  sounds = {}; // first samples of the files, by session
  tracks = [];
  #headers;
  #tell;
  #context = null;
  #source = null;
  #run = 0;

  // `headers` gives what a request must show; `tell(session, atMs)` hears where it is, (null) when it stops.
  constructor(headers, tell) {
    this.#headers = headers;
    this.#tell = tell;
  }

  async play(session, atMs) {
    this.stop();
    const run = this.#run;
    const track = this.tracks.find((one) => one.session === session);
    const firsts = this.sounds[session] ?? [];
    if (!firsts.length) return;
    this.#context ??= new AudioContext();
    await this.#context.resume();
    let sample = ((atMs - track.offset_ms) * track.rate) / 1000;
    let index = Math.max(0, firsts.findLastIndex((first) => first <= sample));
    let coming = this.#fetch(session, firsts[index]);
    for (; index < firsts.length; index += 1) {
      const buffer = await coming;
      if (run !== this.#run || buffer === null) break;
      coming = index + 1 < firsts.length ? this.#fetch(session, firsts[index + 1]) : null; // while this one is heard
      const startS = Math.max(0, (sample - firsts[index]) / track.rate);
      const fileMs = track.offset_ms + (1000 * firsts[index]) / track.rate;
      const follow = (atS) => run === this.#run && this.#tell(session, fileMs + 1000 * atS);
      if (startS < buffer.duration) await this.#sound(buffer, startS, follow);
      if (run !== this.#run) break;
      sample = firsts[index] + buffer.duration * track.rate;
    }
    if (run === this.#run) this.stop();
  }

  stop() {
    this.#run += 1;
    this.#source?.stop();
    this.#source = null;
    this.#tell(null, 0);
  }

  async #fetch(session, first) {
    const answer = await fetch(`/v1/meetings/${session}/${first}.flac`, { headers: this.#headers() }).catch(() => null);
    return answer?.ok ? this.#context.decodeAudioData(await answer.arrayBuffer()) : null;
  }

  // Plays a file from a second of it on; `follow(second)` hears where it is.
  #sound(buffer, startS, follow) {
    return new Promise((done) => {
      const source = new AudioBufferSourceNode(this.#context, { buffer });
      const begunS = this.#context.currentTime;
      const timer = setInterval(() => follow(startS + this.#context.currentTime - begunS), FOLLOW_MS);
      this.#source = source;
      source.connect(this.#context.destination);
      source.onended = () => {
        clearInterval(timer);
        done();
      };
      source.start(0, startS);
      follow(startS);
    });
  }
}
