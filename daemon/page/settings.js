// How the reader likes it: size of the text, theme, whether screen readers read new text out. Kept in this browser.

const KEY = "amanuensis.captions";
const THEMES = ["auto", "light", "dark", "contrast"];
const SIZES = { least: 1, most: 6, step: 0.25, usual: 1.75 }; // rem

/** What a stored text means; anything that is not allowed is as usual. Pure. */
export function readSettings(stored) {
  let found = {};
  try {
    found = Object(JSON.parse(stored ?? "{}"));
  } catch { /* as usual */ }
  const size = Number(found.size);
  return {
    size: size >= SIZES.least && size <= SIZES.most ? size : SIZES.usual,
    theme: THEMES.includes(found.theme) ? found.theme : "auto",
    announce: found.announce !== false,
  };
}

/** controls: `{smaller, larger, size, theme, announce}`. root: of the page. log: the live region. */
export class Settings {
  constructor({ controls, root, log }) {
    Object.assign(this, { controls, root, log });
    this.values = readSettings(stored());
    this.isQuiet = false;
    controls.smaller.addEventListener("click", () => this.#change({ size: this.values.size - SIZES.step }));
    controls.larger.addEventListener("click", () => this.#change({ size: this.values.size + SIZES.step }));
    controls.theme.addEventListener("change", () => this.#change({ theme: controls.theme.value }));
    controls.announce.addEventListener("change", () => this.#change({ announce: controls.announce.checked }));
    this.#apply();
  }

  /** Read nothing out for now. */
  quiet(isQuiet) {
    this.isQuiet = isQuiet;
    this.#apply();
  }

  #change(values) {
    const size = Math.max(SIZES.least, Math.min(SIZES.most, values.size ?? this.values.size));
    this.values = { ...this.values, ...values, size };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.values));
    } catch { /* a browser that keeps nothing: it holds until the page is left */ }
    this.#apply();
  }

  #apply() {
    const { size, theme, announce } = this.values;
    this.root.style.setProperty("--size", `${size}rem`);
    this.root.dataset.theme = theme;
    this.log.setAttribute("aria-live", announce && !this.isQuiet ? "polite" : "off");
    this.controls.size.textContent = `${Math.round(size * 100)} %`;
    this.controls.theme.value = theme;
    this.controls.announce.checked = announce;
    this.controls.smaller.disabled = size <= SIZES.least;
    this.controls.larger.disabled = size >= SIZES.most;
  }
}

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
