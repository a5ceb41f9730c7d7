// What is wrong with the connection or the cluster, and what can be done.

import {html} from './html.mjs';
import {poll} from './status.mjs';

const time = (ms) => new Date(ms).toLocaleTimeString();

export function Banner({cluster, summary}) {
  if (cluster.phase === 'lost') {
    return html`
      <div class="banner bad" role="alert">
        <p>${cluster.error}${cluster.at !== undefined && ` What is shown is of ${time(cluster.at)}.`} Trying again by itself.</p>
        <button type="button" onClick=${poll}>Try now</button>
      </div>
    `;
  }
  if (cluster.phase === 'live' && !summary.ready) {
    return html`
      <div class="banner" role="status">
        <p>The cluster is not ready${summary.reason !== '' && `: ${summary.reason}`}.</p>
      </div>
    `;
  }
  return null;
}
