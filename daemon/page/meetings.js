// The page of meetings: everything is asked for and changed over the WebSocket /v1/admin; sound is fetched in files.
import { Desk } from "./meetings_desk.js";
import { goesOn, jobLine, Jobs, share } from "./meetings_jobs.js";
import { Player } from "./meetings_player.js";

const byId = (name) => document.getElementById(name);
let token = new URLSearchParams(location.hash.slice(1)).get("token"); // in memory only
let shown = null; // the meeting that is open
if (token) history.replaceState(null, "", location.pathname);

const desk = new Desk((text) => { byId("state").textContent = text; });
const player = new Player(() => (token ? { Authorization: `Bearer ${token}` } : {}), mark);
const jobs = new Jobs(desk, onJob);

const clock = (ms) => {
  const seconds = Math.floor(ms / 1000);
  const two = (number) => String(number).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
};

function element(kind, text, className = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  made.className = className;
  return made;
}

function button(text, act, className = "") {
  const made = element("button", text, className);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

async function list() {
  const { meetings } = await desk.ask("list");
  byId("list").replaceChildren(...meetings.map((meeting) => {
    const when = new Date(meeting.opened).toLocaleString();
    const item = element("li", "");
    const open = button("", () => show(meeting.id));
    open.append(element("bdi", meeting.title || "Meeting"), ` · ${when} · ${clock(meeting.duration_ms)}`);
    open.dataset.meeting = meeting.id;
    item.append(open, element("span", jobLine(jobs.of(meeting.id)), "job"));
    item.dataset.meeting = meeting.id;
    return item;
  }));
  byId("state").textContent = meetings.length ? `${meetings.length} meetings` : "no meetings yet";
}

async function show(id, found = null) {
  player.stop();
  const answer = await desk.ask("show", { meeting: id });
  shown = answer.meeting;
  player.sounds = answer.sounds;
  player.tracks = shown.tracks;
  byId("title").textContent = shown.title || "Meeting";
  byId("new-title").value = shown.title;
  byId("facts").textContent = `${new Date(shown.opened).toLocaleString()}, ${clock(shown.duration_ms)}, ${shown.state}`;
  const rows = [
    ...shown.utterances.map((line) => [line.from_ms, lineOf(line)]),
    ...shown.notes.map((note) => [note.at_ms, remark(note.at_ms, note.text || "mark")]),
    ...shown.gaps.map((gap) => [gap.from_ms, remark(gap.from_ms, `${gap.track}: ${gap.why}`)]),
  ].sort((one, other) => one[0] - other[0]);
  byId("lines").replaceChildren(...rows.map(([, row]) => row));
  const speakers = [...new Set(shown.utterances.map((line) => line.speaker))];
  byId("speaker").replaceChildren(...speakers.map((name) => new Option(name)));
  showJob(jobs.of(id));
  byId("meeting").hidden = false;
  byId("hits").hidden = true;
  for (const one of document.querySelectorAll("#list button")) one.ariaCurrent = String(one.dataset.meeting === id);
  if (found) wordAt(found.session, found.at_ms)?.focus();
}

function wordAt(session, atMs) {
  const words = [...document.querySelectorAll(".word")].filter((word) => word.dataset.session === session);
  return words.find((word) => Number(word.dataset.at) >= atMs - 1); // it is rounded
}

function onJob(job, isNew) {
  const item = [...document.querySelectorAll("#list li")].find((one) => one.dataset.meeting === job.meeting);
  if (item) item.querySelector(".job").textContent = jobLine(job);
  if (shown?.id !== job.meeting) return;
  showJob(job);
  if (isNew && job.state === "done") show(shown.id).catch(complain);
}

function showJob(job) {
  byId("job").hidden = !jobLine(job);
  byId("job-text").textContent = jobLine(job);
  for (const name of ["job-share", "cancel"]) byId(name).hidden = !goesOn(job);
  byId("job-share").value = goesOn(job) ? share(job) : 0;
}

async function remove() {
  byId("sure").close();
  await desk.ask("remove", { meeting: shown.id });
  player.stop();
  shown = null;
  byId("meeting").hidden = true;
  await list();
}

function complain(error) {
  byId("state").textContent = error.message;
}

function lineOf(line) {
  const row = element("li", "");
  row.append(element("time", clock(line.from_ms)), " ", element("strong", `${line.speaker}:`));
  for (const word of line.words) {
    const made = button(word.text, () => player.play(line.session, word.from_ms), "word");
    made.dataset.at = word.from_ms;
    made.dataset.session = line.session;
    row.append(made);
  }
  return row;
}

function remark(atMs, text) {
  const row = element("li", "", "note");
  row.append(element("time", clock(atMs)), ` ${text}`);
  return row;
}

function mark(session, atMs) {
  byId("stop").disabled = session === null;
  document.querySelector(".word.playing")?.classList.remove("playing");
  if (session === null) return;
  const words = [...document.querySelectorAll(".word")].filter((word) => word.dataset.session === session);
  words.findLast((word) => Number(word.dataset.at) <= atMs + 1)?.classList.add("playing");
}

async function search(phrase) {
  const { hits } = await desk.ask("search", { phrase });
  byId("hits").replaceChildren(
    element("p", hits.length ? `${hits.length} found` : "not found"),
    ...hits.map((hit) => button(`${hit.title || hit.meeting} ${clock(hit.at_ms)} ${hit.speaker}: ${hit.text}`,
      () => show(hit.meeting, hit))),
  );
  byId("hits").hidden = false;
}

async function save(format) {
  const wordTimes = byId("word-times").checked;
  const { name, text } = await desk.ask("export", { meeting: shown.id, format, word_times: wordTimes });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function begin() {
  byId("login").hidden = true;
  try {
    await desk.open(token);
    await jobs.look();
    await list();
    byId("model").replaceChildren(...(await desk.ask("models")).models.map((name) => new Option(name)));
  } catch (error) {
    byId("state").textContent = error.message;
    byId("login").hidden = error.code !== "unauthorized";
  }
}

function onSubmit(name, act) {
  byId(name).addEventListener("submit", (event) => {
    event.preventDefault();
    Promise.resolve(act()).catch(complain);
  });
}

function onClick(name, act) {
  byId(name).addEventListener("click", () => Promise.resolve(act()).catch(complain));
}

onSubmit("login", () => { token = byId("token").value.trim(); byId("token").value = ""; return begin(); });
onSubmit("search", () => search(byId("phrase").value));
onSubmit("rename", async () => {
  await desk.ask("rename_speaker", { meeting: shown.id, speaker: byId("speaker").value, name: byId("name").value });
  byId("name").value = "";
  await show(shown.id);
});
onSubmit("retitle", async () => {
  await desk.ask("rename", { meeting: shown.id, title: byId("new-title").value });
  await list();
  await show(shown.id);
});
onSubmit("again", () => jobs.ask(shown.id, byId("model").value));
onClick("cancel", () => jobs.cancel(shown.id));
onClick("stop", () => player.stop());
onClick("remove", () => {
  const title = element("bdi", shown.title || "Meeting"); // its writing direction ends with it
  byId("sure-text").replaceChildren("Delete “", title, "”, its text and its sound, for good?");
  byId("sure").showModal();
});
byId("word-times").addEventListener("change", ({ target }) => {
  document.querySelector(".export[data-format=md]").disabled = target.checked; // it has no place for them
});
onClick("keep", () => byId("sure").close());
onClick("remove-now", remove);
for (const one of document.querySelectorAll(".export")) {
  one.addEventListener("click", () => save(one.dataset.format).catch(complain));
}
begin();
