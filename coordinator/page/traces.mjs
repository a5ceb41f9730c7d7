// Traces of requests, asked for while they are looked at: the latest, and the one that is selected, with its steps.

import {lock} from './access.mjs';
import {getJson} from './api.mjs';
import {Store} from './store.mjs';

const INTERVAL_MS = 2000;
const TIMEOUT_MS = 10000;

// `requests` are the latest, undefined until they are known; `selected` those of the id `id`, of which there may be none.
export const traces = new Store({requests: undefined, id: '', selected: undefined, error: ''});

let timer;
let asked = 0;

const get = async (path) => (await getJson(path, {signal: AbortSignal.timeout(TIMEOUT_MS)})).data ?? [];

async function select(id) {
  if (id === '') return undefined;
  try {
    return await get(`/v1/traces/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error.status === 404 || error.status === 400) return []; // it is not kept any more, or never was
    throw error;
  }
}

// Asks until stopWatchingTraces. What was asked for before is dropped.
export async function watchTraces(id) {
  clearTimeout(timer);
  const mine = ++asked;
  const change = {error: ''};
  let locked = false;
  if (id !== traces.state.id) traces.set({id, selected: undefined});
  try {
    if (!document.hidden) [change.requests, change.selected] = await Promise.all([get('/v1/traces'), select(id)]);
  } catch (error) {
    locked = error.status === 401;
    if (locked) lock();
    change.error = error.message;
  }
  if (mine !== asked) return;
  traces.set(change);
  if (locked) return; // until there is a key
  timer = setTimeout(() => watchTraces(id), INTERVAL_MS);
}

export function stopWatchingTraces() {
  ++asked;
  clearTimeout(timer);
}
