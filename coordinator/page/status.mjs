// The cluster's state, asked for every second while the page is seen, and what is counted from it.

import {access, lock} from './access.mjs';
import {getJson} from './api.mjs';
import {Store} from './store.mjs';

const INTERVAL_MS = 1000;
const TIMEOUT_MS = 10000;
const LONGEST_WAIT_S = 10;
const HISTORY = 300;

// `phase`: 'connecting', 'live', 'lost' (the last status, if any, is shown on) or 'locked' (a key is missing).
// `history` has seconds since 1970 and tokens a second over all requests, a pair for each answer.
export const cluster = new Store({
  phase: 'connecting',
  status: undefined,
  at: undefined,
  error: '',
  history: {times: [], rates: []},
});

let timer;
let asking = false;
let failures = 0;
let last;

function schedule(ms) {
  clearTimeout(timer);
  timer = setTimeout(poll, ms);
}

export async function poll() {
  clearTimeout(timer);
  if (asking || document.hidden) return;
  asking = true;
  try {
    const status = await getJson('/api/status', {signal: AbortSignal.timeout(TIMEOUT_MS)});
    failures = 0;
    cluster.set({phase: 'live', status, at: Date.now(), error: '', history: extend(status)});
    schedule(INTERVAL_MS);
  } catch (error) {
    if (error.status === 401) {
      lock();
      cluster.set({phase: 'locked', error: error.message});
    } else {
      const waitS = Math.min(LONGEST_WAIT_S, 2 ** failures++);
      const message = error.name === 'TimeoutError' ? 'The coordinator does not answer.' : error.message;
      cluster.set({phase: 'lost', error: message});
      schedule(1000 * waitS);
    }
  } finally {
    asking = false;
  }
}

// A pause longer than this is a gap in the curve, not a slow second.
const GAP_MS = 5 * INTERVAL_MS;

function extend(status) {
  const now = performance.now();
  const tokens = status?.counters?.generated_tokens ?? 0;
  const before = last;
  last = {now, tokens};
  const {times, rates} = cluster.state.history;
  const elapsed = before === undefined ? 0 : now - before.now;
  // The first answer, or a coordinator that was started anew.
  if (elapsed <= 0 || tokens < before.tokens) return {times: [], rates: []};
  const rate = elapsed > GAP_MS ? null : (1000 * (tokens - before.tokens)) / elapsed;
  return {times: [...times.slice(1 - HISTORY), Date.now() / 1000], rates: [...rates.slice(1 - HISTORY), rate]};
}

export function watchCluster() {
  document.addEventListener('visibilitychange', poll);
  addEventListener('online', poll);
  access.watch(({needed}) => {
    if (!needed) poll();
  });
  poll();
}
