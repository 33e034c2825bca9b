// Keeps the newest words in sight, until the reader scrolls back or pauses.

const NEAR_PX = 60; // of the end

/** box: scrolls. content: what is in it. button: pauses, and goes back to the newest; says how many words came meanwhile. */
export class Follow {
  #missed = 0;
  #top = 0; // where we have scrolled to
  #isHeld = false; // by the button: then the end is not followed again because it happens to be in sight

  constructor({ box, content, button }) {
    this.box = box;
    this.button = button;
    this.isOn = true;
    box.addEventListener("scroll", () => this.#isHeld || this.#set(this.#isAtEnd() || (this.isOn && !this.#isBack())));
    button.addEventListener("click", () => (this.isOn ? this.pause() : this.resume()));
    const sizes = new ResizeObserver(() => this.isOn && this.#toEnd()); // once a frame, however much came
    sizes.observe(box);
    sizes.observe(content);
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

  /** So many words were added. */
  added(words) {
    if (this.isOn || !words) return;
    this.#missed += words;
    this.#label();
  }

  #isAtEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR_PX;
  }

  // More may have come since the scroll that is told of: only who went back has left the end.
  #isBack() {
    return this.box.scrollTop < this.#top;
  }

  #toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.#top = this.box.scrollTop;
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
