// Meetings that are transcribed again: asked for, watched and cancelled; told once a second while one goes on.
const LOOK_MS = 1000;
const GOES_ON = ["waiting", "running"];

export class Jobs {
  #desk;
  #tell;
  #jobs = new Map(); // by meeting
  #timer = null;

  // `tell(meeting, job)` hears of every job at each look; `job.isNew` when it has just become what it is.
  constructor(desk, tell) {
    this.#desk = desk;
    this.#tell = tell;
  }

  of(meeting) {
    return this.#jobs.get(meeting);
  }

  async ask(meeting, model) {
    await this.#desk.ask("retranscribe", { meeting, model });
    await this.look();
  }

  async cancel(meeting) {
    await this.#desk.ask("cancel", { meeting });
    await this.look();
  }

  async look() {
    clearTimeout(this.#timer);
    const { jobs } = await this.#desk.ask("jobs");
    const before = this.#jobs;
    this.#jobs = new Map(jobs.map((job) => [job.meeting, job]));
    for (const job of jobs) this.#tell(job, before.has(job.meeting) && before.get(job.meeting).state !== job.state);
    if (jobs.some((job) => GOES_ON.includes(job.state))) {
      this.#timer = setTimeout(() => this.look().catch(() => {}), LOOK_MS);
    }
  }
}

export const goesOn = (job) => GOES_ON.includes(job?.state);

export const share = (job) => (job.total_ms ? Math.min(1, job.done_ms / job.total_ms) : 0);

export function jobLine(job) {
  if (!job || job.state === "done" || job.state === "cancelled") return "";
  const progress = job.state === "running" ? `, ${Math.round(100 * share(job))} %` : job.why && `: ${job.why}`;
  return `again by ${job.model}: ${job.state}${progress}`;
}
