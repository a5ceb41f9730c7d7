// The API key, where the server asks for one. It is kept in sessionStorage only.

import {readKey, writeKey} from './api.mjs';
import {Store} from './store.mjs';

// `needed` after a 401; `wrong` if that was with a key; `given` counts the keys that were entered.
export const access = new Store({needed: false, wrong: false, given: 0});

export const lock = () => access.set({needed: true, wrong: readKey() !== ''});

export function unlock(key) {
  writeKey(key);
  access.set({needed: false, wrong: false, given: access.state.given + 1});
}
