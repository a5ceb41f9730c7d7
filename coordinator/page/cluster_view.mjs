// The cluster: what it does now, where the layers are, and why.

import {Curve} from './curve.mjs';
import {explain} from './explain.mjs';
import {count, percent, rate} from './format.mjs';
import {html} from './html.mjs';
import {Pipeline} from './pipeline.mjs';
import {DeviceMap, StageTable, WorkerTable} from './tables.mjs';

function Figure({name, value, unit, note, predicted}) {
  return html`
    <div>
      <dt>${name}</dt>
      <dd><span class=${predicted ? 'value predicted' : 'value'}>${value}</span> <span class="unit">${unit}</span></dd>
      <dd class="note">${note}</dd>
    </div>
  `;
}

function Now({summary}) {
  const {counters, measuredRate, predictedRate, predictedPrefillRate} = summary;
  const used = counters.kv_blocks_total > 0 ? counters.kv_blocks_used / counters.kv_blocks_total : undefined;
  return html`
    <dl class="now">
      <${Figure} name="Decode, one request" value=${rate(measuredRate)} unit="tokens/s" note="${rate(predictedRate)} predicted" />
      <${Figure} name="Prefill" value=${rate(predictedPrefillRate)} unit="tokens/s" note="predicted" predicted=${true} />
      <${Figure} name="Requests" value=${count(counters.requests_running)} unit="running"
        note="${count(counters.requests_waiting)} waiting, ${count(counters.requests_finished)} finished, ${count(counters.requests_failed)} failed" />
      <${Figure} name="Keys and values" value=${percent(used)} unit="in use"
        note="${count(counters.kv_blocks_used)} of ${count(counters.kv_blocks_total)} blocks" />
    </dl>
  `;
}

function Placed({cluster, summary}) {
  return html`
    <${Now} summary=${summary} />
    <${Pipeline} summary=${summary} />
    <section aria-labelledby="plan">
      <h3 id="plan">The plan, explained</h3>
      <div class="plan">${explain(summary).map((paragraph) => html`<p>${paragraph}</p>`)}</div>
    </section>
    <section aria-labelledby="speed">
      <h3 id="speed">Tokens a second, all requests</h3>
      <${Curve} history=${cluster.history} />
    </section>
    <${StageTable} stages=${summary.stages} />
    <${WorkerTable} workers=${summary.workers} />
    <${DeviceMap} map=${summary.deviceMap} />
  `;
}

function NotPlaced({workers}) {
  if (workers.length === 0) {
    return html`
      <p class="empty">No worker has joined. One is started with <code>worker --coordinator HOST:PORT --device cpu</code>.</p>
    `;
  }
  return html`
    <p class="empty">The model is not placed yet. These workers have joined:</p>
    <${WorkerTable} workers=${workers} />
  `;
}

export function ClusterView({cluster, summary}) {
  if (summary === undefined) {
    return html`
      <section class="cluster" aria-label="Cluster">
        <p class="empty">${cluster.phase === 'connecting' ? 'Asking the coordinator.' : 'Nothing is known of the cluster yet.'}</p>
      </section>
    `;
  }
  const placed = summary.stages.length > 0;
  return html`
    <section class=${cluster.phase === 'lost' ? 'cluster stale' : 'cluster'} aria-label="Cluster">
      <div class="page">
        <h2 class="unseen">Cluster</h2>
        ${placed ? html`<${Placed} cluster=${cluster} summary=${summary} />` : html`<${NotPlaced} workers=${summary.workers} />`}
        <p class="version">Gantry ${summary.version}, placement ${count(summary.epoch)}</p>
      </div>
    </section>
  `;
}
