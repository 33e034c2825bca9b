// Keeps the newest words in sight, until the reader scrolls back or pauses.

const NEAR_PX = 60; // of the end

/** box: scrolls. button: pauses, and goes back to the newest; says how many words came meanwhile. */
export class Follow {
  #missed = 0;
  #isHeld = false; // by the button: then the end is not followed again because it happens to be in sight

  constructor(box, button) {
    this.box = box;
    this.button = button;
    this.isOn = true;
    box.addEventListener("scroll", () => this.#isHeld || this.#set(this.#isAtEnd()));
    button.addEventListener("click", () => (this.isOn ? this.pause() : this.resume()));
    new ResizeObserver(() => this.isOn && this.#toEnd()).observe(box);
    this.#set(true);
  }

  pause() {
    this.#isHeld = true;
    this.#set(false);
  }

  resume() {
    this.#isHeld = false;
    this.#set(true);
    this.#toEnd();
  }

  /** Something was added: so many words. */
  added(words) {
    if (this.isOn) return this.#toEnd();
    this.#missed += words;
    return this.#label();
  }

  #isAtEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR_PX;
  }

  #toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }

  #set(isOn) {
    this.isOn = isOn;
    if (isOn) this.#missed = 0;
    this.#label();
  }

  #label() {
    const news = this.#missed ? ` (${this.#missed} new ${this.#missed === 1 ? "word" : "words"})` : "";
    const label = this.isOn ? "Pause scrolling" : `Follow${news}`;
    if (this.button.textContent !== label) this.button.textContent = label;
    this.button.classList.toggle("calls", !this.isOn);
  }
}
