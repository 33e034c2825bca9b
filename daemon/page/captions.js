// The captions page: joins the session to what is seen, and the reader's buttons to both (docs/captions-page.md).

import { copy, save, transcript } from "./downloads.js";
import { Follow } from "./follow.js";
import { Microphone, isAvailable, listDevices } from "./microphone.js";
import { Overlay } from "./overlay.js";
import { Search } from "./search.js";
import { SessionModel } from "./session_model.js";
import { Settings } from "./settings.js";
import { Speaker } from "./speaker.js";
import { toText } from "./subtitles.js";
import { TranscriptView } from "./transcript_view.js";
import { Watcher } from "./watcher.js";

const OVERLAY_ITEMS = 12; // utterances that can be in sight
const DONE_MS = 4000;

const byId = (name) => document.getElementById(name);
const asked = new URLSearchParams(location.search);
const fragment = new URLSearchParams(location.hash.slice(1));
const inPath = /^\/captions\/([^/]+)$/u.exec(location.pathname);
const wanted = (inPath?.[1] ?? asked.get("session")) || null;
const isOverlay = asked.get("overlay") === "1";
const watchToken = asked.get("token"); // one that only watches and expires: it may stand in the address

let token = fragment.get("token"); // in memory only; the cookie stands in for it after a reload
let watcher = null;
let speaker = null;
let microphone = null;

const model = new SessionModel();
const view = new TranscriptView(byId("text"), isOverlay ? { maxItems: OVERLAY_ITEMS } : {});
const overlay = isOverlay
  ? new Overlay({ query: asked, root: document.documentElement, body: document.body, view, notice: byId("notice") })
  : null;
const controls = Object.fromEntries(["smaller", "larger", "size", "theme", "announce"].map((name) => [name, byId(name)]));
const settings = isOverlay ? null : new Settings({ controls, root: document.documentElement, log: byId("text") });
const follow = new Follow({ box: byId("page"), content: byId("text"), button: byId("follow") });
const search = new Search({ root: byId("text"), field: byId("query"), count: byId("hits"), onJump: () => follow.pause() });

function setState(text, kind = "") {
  byId("state").textContent = text;
  byId("state").className = kind;
}

function showChanges(changes) {
  if (!changes.length) return;
  const words = view.apply(changes);
  byId("empty").hidden = byId("text").childElementCount > 0;
  follow.added(words);
  search.changed();
  overlay?.changed(words > 0 || changes.some((change) => change.what === "partial" && change.text));
}

function showEvent(event) {
  switch (event.type) {
    case "ready": showFacts(event.engine, ""); break;
    case "stats": showFacts(event.engine, behind(event)); break;
    case "snapshot": if (isOverlay) view.clear(); break; // what was said before the scene was shown
    case "error": setState(event.message, "lost"); break;
    case "bye": setState(event.resume_until ? "the server is restarting" : `ended (${event.reason})`); break;
  }
}

function showFacts(engine, pace) {
  const where = engine.encoder === engine.decoder ? engine.encoder : `${engine.encoder} + ${engine.decoder}`;
  byId("facts").textContent = `${engine.model} on ${where}${pace}`;
}

function behind({ lag_ms: lagMs, tick_every_ms: everyMs }) {
  return ` · ${(lagMs / 1000).toFixed(1)} s behind, a look every ${(everyMs / 1000).toFixed(1)} s`;
}

// Login

const credentials = () => (token ?? watchToken ? { auth: token ?? watchToken } : {});

// A cookie that no script can read stands in for the token from now on: after a reload, and for downloads.
async function login() {
  if (!token) return;
  const answer = await fetch("/v1/login", { headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
  if (answer?.ok && location.hash) history.replaceState(null, "", location.pathname + location.search);
}

function denied() {
  setState("this server asks for a token", "lost");
  overlay?.tell("this server asks for a token: add token=TOKEN, one that only watches and expires");
  byId("login").hidden = false;
}

byId("login").addEventListener("submit", async (e) => {
  e.preventDefault();
  token = byId("token").value.trim();
  byId("token").value = "";
  byId("login").hidden = true;
  await login();
  if (!speaker) watch();
});

// Watching

const shown = { changes: showChanges, event: showEvent, state: setState, denied, catchingUp: (is) => settings?.quiet(is) };

function watch() {
  watcher?.stop();
  watcher = new Watcher(model, { wanted, credentials, fromStart: !isOverlay, on: shown });
  watcher.start();
}

// Speaking

async function speak() {
  setState("asking for the microphone");
  const device = new Microphone({
    sound: (bytes) => speaker?.hear(bytes),
    lost: (samples) => speaker?.lose(samples),
    level: (value) => { byId("level").value = value; },
    state: (text) => { if (text) setState(text, "lost"); else if (speaker) setState("live", "live"); },
  });
  const rate = await device.open(byId("device").value);
  microphone = device;
  watcher?.stop();
  const lang = asked.get("lang");
  const on = { ...shown, over: () => { speaker = null; stopMicrophone(); } };
  speaker = new Speaker(model, { rate, options: lang ? { lang } : {}, credentials, on });
  speaker.start();
  device.begin();
  await listMicrophones();
}

async function stopMicrophone() {
  const device = microphone;
  microphone = null;
  showMicrophone();
  await device?.close();
  speaker?.end();
  showMicrophone();
}

function showMicrophone() {
  const button = byId("microphone");
  button.classList.toggle("calls", Boolean(microphone));
  button.textContent = microphone ? "Stop my microphone" : speaker ? "Leave without the rest" : "Use my microphone";
}

async function listMicrophones() {
  const select = byId("device");
  const devices = (await listDevices()).filter(({ id }) => id && id !== "default");
  const options = devices.map(({ id, label }, i) => new Option(label || `microphone ${i + 1}`, id));
  const before = select.value;
  select.replaceChildren(new Option("default microphone", ""), ...options);
  select.value = devices.some(({ id }) => id === before) ? before : "";
}

let isBusy = false; // a second click while the browser asks the user would open a second microphone
byId("microphone").addEventListener("click", async () => {
  if (isBusy) return;
  isBusy = true;
  try {
    if (microphone) await stopMicrophone();
    else if (speaker) speaker.abandon();
    else await speak();
  } catch (error) {
    setState(`microphone: ${error.message || error.name}`, "lost");
  }
  isBusy = false;
  showMicrophone();
});
// The sound ends with the page: its session need not wait for it.
addEventListener("pagehide", () => speaker?.abandon());
byId("device").addEventListener("change", () => microphone?.change(byId("device").value));

// Transcript

function done(text) {
  byId("done").textContent = text;
  setTimeout(() => { if (byId("done").textContent === text) byId("done").textContent = ""; }, DONE_MS);
}

byId("copy").addEventListener("click", async () => {
  try {
    await copy(toText(model.said()));
    done("copied");
  } catch (error) {
    done(`not copied: ${error.message}`);
  }
});

for (const button of document.querySelectorAll(".download")) {
  button.addEventListener("click", async () => {
    const { format } = button.dataset;
    const query = new URLSearchParams(!token && watchToken ? { token: watchToken } : {});
    if (byId("word-times").checked) query.set("word_times", "1");
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const { text, isLocal } = await transcript(model, format, headers, query);
    save(text, `captions-${model.session ?? "none"}`, format);
    const lacks = query.has("word_times") && format !== "json" ? ", without times of words" : "";
    done(isLocal ? `saved what this page has${lacks}; the server could not be asked` : "saved");
  });
}

if (asked.get("lang")) byId("text").lang = asked.get("lang");
if (!isOverlay && asked.get("microphone") !== "0") {
  byId("sound").hidden = false;
  byId("microphone").disabled = !isAvailable;
  byId("device").hidden = byId("level").hidden = !isAvailable;
  if (!isAvailable) byId("microphone").textContent = "The microphone needs HTTPS";
  if (isAvailable) {
    listMicrophones();
    navigator.mediaDevices.addEventListener("devicechange", listMicrophones);
  }
}
login().then(watch);
