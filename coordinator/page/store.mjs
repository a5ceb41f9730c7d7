// A value that others watch. What it holds is replaced, never changed in place.

export class Store {
  #state;
  #watchers = new Set();

  constructor(state) {
    this.#state = state;
  }

  get state() {
    return this.#state;
  }

  set(change) {
    this.#state = {...this.#state, ...change};
    for (const watcher of this.#watchers) watcher(this.#state);
  }

  // Returns what ends the watching.
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}
