// Utterances to files, for sessions that the server no longer has. Pure; the same rules and results as stream/subtitles.py,
// which tests/browser/test_page_modules.py holds it to. Words are `{text, from, to, conf, spk?}`, times in milliseconds.

import { textOf, turnsOf } from "./session_model.js";

const LINE_CHARS = 42, MAX_LINES = 2, MAX_MS = 7000, MIN_MS = 1000, PAUSE_MS = 1500;
const SENTENCE_END = /[.?!\u2026\u3002\uff1f\uff01]$/u;
const WORD_JOINER = "\u2060"; // invisible; keeps a player from taking text for markup
const SRT_MARKUP = /<(?=[A-Za-z/!])|(?<=-)(?=->)|\{(?=\\)/gu;
const VTT_ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

export const FORMATS = { txt: toText, srt: toSrt, vtt: toVtt, json: toJson };

// The one voice of a text stays unnamed, if all that is known of it is a letter.
function namedWhereSeveral(utterances) {
  const voices = new Set(utterances.flat().map((word) => word.spk).filter((spk) => spk !== undefined));
  if (voices.size !== 1 || !/^[A-Z]{1,2}$/u.test([...voices][0])) return utterances;
  return utterances.map((words) => words.map(({ spk: _, ...word }) => word));
}

export function toText(utterances) {
  let spk;
  const lines = [];
  for (const turn of namedWhereSeveral(utterances).flatMap(turnsOf)) {
    const text = textOf(turn);
    if (!text) continue;
    lines.push(named(text, turn[0].spk, spk) + "\n");
    spk = turn[0].spk;
  }
  return lines.join("");
}

export function toSrt(utterances) {
  let spk;
  const blocks = makeCues(namedWhereSeveral(utterances)).map((cue, i) => {
    const text = named(cue.lines.join("\n"), cue.spk, spk).replace(SRT_MARKUP, (found) => found + WORD_JOINER);
    spk = cue.spk;
    return `${i + 1}\n${clock(cue.start, ",")} --> ${clock(cue.end, ",")}\n${text}\n`;
  });
  return blocks.join("\n");
}

export function toVtt(utterances) {
  const escaped = (text) => text.replace(/[&<>]/gu, (c) => VTT_ENTITIES[c]);
  const blocks = makeCues(namedWhereSeveral(utterances)).map((cue) => {
    const voice = cue.spk === undefined ? "" : `<v ${escaped(oneLine(cue.spk))}>`;
    return `${clock(cue.start, ".")} --> ${clock(cue.end, ".")}\n${voice}${cue.lines.map(escaped).join("\n")}\n`;
  });
  return ["WEBVTT\n", ...blocks].join("\n");
}

export function toJson(utterances) {
  const items = utterances.filter((words) => words.length).map((words) => ({
    text: textOf(words),
    from_ms: words[0].from,
    to_ms: words.at(-1).to,
    words: words.map(({ text, from, to, conf, spk }) => ({ text, from_ms: from, to_ms: to, conf, spk })),
  }));
  return JSON.stringify({ text: items.map((item) => item.text).join(" "), utterances: items }, null, 1) + "\n";
}

export function makeCues(utterances) {
  const cues = [];
  for (const words of utterances.flatMap((utterance) => groups(printable(utterance)))) {
    const start = Math.max(cues.at(-1)?.end ?? 0, round(words[0].from));
    const end = Math.max(start + 1, Math.min(round(words.at(-1).to), start + MAX_MS));
    cues.push({ start, end, lines: evenLines(words), spk: words[0].spk });
  }
  return cues.map((cue, i) => {
    const limit = cues[i + 1]?.start ?? cue.start + MAX_MS;
    return { ...cue, end: Math.max(cue.end, Math.min(cue.start + MIN_MS, limit)) };
  });
}

// Words with white space made single and those longer than a line cut, their time shared out.
function printable(words) {
  return words.flatMap((word) => {
    const letters = [...oneLine(word.text)];
    const space = /^\s/u.test(word.text) ? " " : "";
    const nPieces = Math.ceil(letters.length / LINE_CHARS);
    const step = (word.to - word.from) / nPieces;
    return Array.from({ length: nPieces }, (_, i) => {
      const from = word.from + i * step;
      const text = (i ? "" : space) + letters.slice(i * LINE_CHARS, (i + 1) * LINE_CHARS).join("");
      return { ...word, text, from, to: from + step };
    });
  });
}

function groups(words) {
  const found = [];
  for (const word of words) {
    if (found.length && !breaksBefore(word, found.at(-1))) found.at(-1).push(word);
    else found.push([word]);
  }
  return found;
}

function breaksBefore(word, group) {
  const last = group.at(-1);
  const length = size(group.map((each) => each.text).join("").trim());
  return word.spk !== last.spk || word.from - last.to >= PAUSE_MS || word.to - group[0].from > MAX_MS
    || (SENTENCE_END.test(last.text) && length >= LINE_CHARS) || fill([...group, word], LINE_CHARS).length > MAX_LINES;
}

function fill(words, width) {
  const lines = [];
  for (const { text } of words) {
    if (lines.length && size(lines.at(-1) + text) <= width) lines.push(lines.pop() + text);
    else lines.push(text.trimStart());
  }
  return lines;
}

// As few lines as it needs, as even in length as they go.
function evenLines(words) {
  let lines = fill(words, LINE_CHARS);
  for (let width = Math.max(...lines.map(size)) - 1; width > 0; width--) {
    const narrower = fill(words, width);
    if (narrower.length > lines.length || Math.max(...narrower.map(size)) > width) break;
    lines = narrower;
  }
  return lines;
}

function named(text, spk, before) {
  return spk === undefined || spk === before ? text : `${oneLine(spk)}: ${text}`;
}

function oneLine(text) {
  return text.replace(/\s+/gu, " ").trim();
}

function size(text) {
  return [...text].length;
}

// Half to even, as Python rounds.
function round(x) {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low % 2) : Math.round(x);
}

function clock(ms, separator) {
  const two = (n) => String(n).padStart(2, "0");
  const s = Math.floor(ms / 1000);
  const rest = String(ms % 1000).padStart(3, "0");
  return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}${separator}${rest}`;
}
