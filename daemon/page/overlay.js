// The page as a transparent source for OBS: `?overlay=1` and what may stand beside it (docs/captions-page.md).

const number = (least, most) => (text) => {
  const value = Number(text);
  return text.trim() !== "" && value >= least && value <= most ? value : `a number from ${least} to ${most}`;
};
const choice = (...names) => (text) => (names.includes(text) ? { name: text } : `one of ${names.join(", ")}`);
const colour = (text) =>
  /^([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/iu.test(text) ? { css: `#${text}` } : "3, 4, 6 or 8 hexadecimal digits, without #";
const flag = (text) => (text === "0" || text === "1" ? text === "1" : "0 or 1");
const font = (text) => (/^[\p{L}\p{N} _-]{1,64}$/u.test(text) ? { css: `"${text}", system-ui, sans-serif` } : "the name of a font");
const POSITIONS = ["top", "middle", "bottom"].flatMap((y) => [y, `${y}-left`, `${y}-right`]);

const PARAMETERS = {
  lines: [number(1, 20), 2],
  size: [number(8, 400), 42], // px
  position: [choice(...POSITIONS), { name: "bottom" }],
  width: [number(10, 100), 90], // % of the source
  margin: [number(0, 45), 4], // % of the source
  align: [choice("left", "center", "right"), null], // null: as the position
  fade: [number(0, 3600), 8], // s without new words; 0: never
  color: [colour, { css: "#ffffff" }],
  background: [colour, { css: "#000000a6" }],
  outline: [flag, false],
  partial: [flag, true],
  speakers: [flag, true],
  font: [font, { css: "system-ui, sans-serif" }],
};

const OF_THE_PAGE = ["overlay", "session", "token", "lang", "microphone"];

/** Read the query; returns `{values, mistakes}`, one line for each parameter that is not as it must be. Pure. */
export function readOverlay(query) {
  const names = [...Object.keys(PARAMETERS), ...OF_THE_PAGE];
  const values = {}, mistakes = [];
  for (const [name, [read, usual]] of Object.entries(PARAMETERS)) {
    const text = query.get(name);
    const value = text === null ? usual : read(text);
    const isWrong = typeof value === "string";
    if (isWrong) mistakes.push(`${name}=${text.slice(0, 40)} is not allowed: it must be ${value}`);
    values[name] = isWrong ? usual : value;
  }
  const unknown = [...new Set(query.keys())].filter((name) => !names.includes(name));
  if (unknown.length) mistakes.push(`${unknown.join(", ").slice(0, 80)} is not known: there are ${names.join(", ")}`);
  return { values, mistakes };
}

/** Shows the newest lines only, and nothing when nobody has spoken for a while. */
export class Overlay {
  #timer = 0;

  constructor({ query, root, body, view, notice }) {
    const { values, mistakes } = readOverlay(query);
    Object.assign(this, { body, view, notice, fadeMs: 1000 * values.fade });
    const [y, x = "center"] = values.position.name.split("-");
    Object.assign(root.dataset, { overlay: "1", x, y });
    body.classList.toggle("outline", values.outline);
    body.classList.toggle("no-partial", !values.partial);
    body.classList.toggle("no-speakers", !values.speakers);
    const set = (name, value) => root.style.setProperty(`--${name}`, value);
    set("lines", values.lines);
    set("px", `${values.size}px`);
    set("width", `${values.width}%`);
    set("margin", `${values.margin}%`);
    set("align", values.align?.name ?? x);
    set("color", values.color.css);
    set("box", values.background.css);
    set("font", values.font.css);
    body.classList.add("faded");
    if (mistakes.length) this.tell(mistakes.join("\n"));
  }

  /** Say in the picture what is wrong. */
  tell(text) {
    this.notice.textContent = text;
    this.notice.hidden = false;
    this.body.classList.remove("faded");
  }

  /** Something was shown. */
  changed(isText) {
    if (!isText) return;
    this.body.classList.remove("faded");
    clearTimeout(this.#timer);
    if (this.fadeMs) this.#timer = setTimeout(() => this.#fade(), this.fadeMs);
  }

  #fade() {
    this.body.classList.add("faded");
    this.body.addEventListener("transitionend", () => {
      if (this.body.classList.contains("faded")) this.view.clear();
    }, { once: true });
  }
}
