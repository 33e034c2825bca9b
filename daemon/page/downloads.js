// The transcript to the clipboard or to a file: the server's, which has every word; what the page knows where the server cannot.

import { FORMATS } from "./subtitles.js";

const TYPES = { txt: "text/plain", srt: "application/x-subrip", vtt: "text/vtt", json: "application/json" };

/** Return `{text, isLocal}` of the session in a format. headers: to be let in by. query: what is asked for beside it. */
export async function transcript(model, format, headers, query) {
  if (model.session) {
    const url = `/v1/sessions/${encodeURIComponent(model.session)}.${format}?${query}`;
    const answer = await fetch(url, { headers }).catch(() => null);
    if (answer?.ok) return { text: await answer.text(), isLocal: false };
  }
  return { text: FORMATS[format](model.utterances()), isLocal: true };
}

/** Offer text as a file. */
export function save(text, name, format) {
  const url = URL.createObjectURL(new Blob([text], { type: TYPES[format] }));
  const link = Object.assign(document.createElement("a"), { href: url, download: `${name}.${format}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may read it a while later
}

/** Put text on the clipboard; also where the page came over plain HTTP from another machine. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser did not allow it");
  return undefined;
}
