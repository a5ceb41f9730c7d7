// The picture: stages from top to bottom in the order in which a token passes them. In each, which of the model's modules it
// holds, what they take of memory and how long a step takes, the measured beside the predicted, all on one scale.

import {bytes, milliseconds, percent, rate} from './format.mjs';
import {html} from './html.mjs';

const GAP = 0.14; // of a module's width

const cells = (begin, end) => {
  let path = '';
  for (let i = begin; i < end; ++i) path += `M${i + GAP / 2} 0h${1 - GAP}v1h${GAP - 1}z`;
  return path;
};

// The modules of the whole model in a line, those of this stage filled.
function Strip({stage, total}) {
  const {begin, modules} = stage;
  return html`
    <svg class="strip" viewBox="0 0 ${total} 1" preserveAspectRatio="none" aria-hidden="true">
      <path class="other" d=${cells(0, begin) + cells(begin + modules.length, total)} />
      <path class="own" d=${cells(begin, begin + modules.length)} />
    </svg>
  `;
}

// Measured filled, predicted as an outline, on a track that ends where the capacity ends and is open if that is beyond.
function Bar({scale, measured, predicted, capacity, kind = ''}) {
  const x = (value) => (100 * Math.min(value ?? 0, scale)) / scale;
  const end = capacity === undefined ? 0 : x(capacity);
  return html`
    <svg class="bar ${kind}" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      ${end > 0 && html`<rect class="track" x="0" y="0" width=${end} height="10" />`}
      ${measured !== undefined && html`<rect class="measured" x="0" y="2" width=${x(measured)} height="6" />`}
      ${predicted !== undefined && html`<path class="predicted" d="M0 1H${x(predicted)}V9H0" />`}
    </svg>
  `;
}

function Memory({stage, scale}) {
  const {measuredBytes, predictedBytes, on} = stage;
  const offered = on?.offeredBytes;
  const loading = on !== undefined && on.loaded < 1;
  const filled = loading && predictedBytes !== undefined ? on.loaded * predictedBytes : measuredBytes;
  return html`
    <div class="quantity">
      <p>
        <span class="unseen">Memory: </span><b>${bytes(measuredBytes)}</b>
        <span>${bytes(predictedBytes)} predicted</span>
      </p>
      <${Bar} scale=${scale} measured=${filled} predicted=${predictedBytes} capacity=${offered} kind=${loading ? 'loading' : ''} />
      <p class="note">
        ${
          loading
            ? `loading, ${percent(on.loaded)} read`
            : offered !== undefined &&
              `${percent((measuredBytes ?? predictedBytes) / offered)} of ${bytes(offered)} offered`
        }
      </p>
    </div>
  `;
}

function Step({stage, scale}) {
  const {measuredMs, predictedMs, measuredRate, predictedRate, limits} = stage;
  return html`
    <div class="quantity">
      <p>
        <span class="unseen">Step: </span><b>${milliseconds(measuredMs)}</b>
        <span>${milliseconds(predictedMs)} predicted</span>
      </p>
      <${Bar} scale=${scale} measured=${measuredMs} predicted=${predictedMs} kind=${limits ? 'limits' : ''} />
      <p class="note">
        ${measuredRate !== undefined ? `${rate(measuredRate)} tokens/s alone` : `${rate(predictedRate)} tokens/s alone, predicted`}
      </p>
    </div>
  `;
}

function StageRow({stage, total, byteScale, msScale}) {
  return html`
    <li class=${stage.limits ? 'stage limits' : 'stage'}>
      <div class="who">
        <h4>${stage.worker}${stage.limits && html` <span class="tag">limits</span>`}</h4>
        <p class="note">${stage.on?.description ?? stage.device}</p>
      </div>
      <div class="what">
        <p>${stage.holds}<span class="scheme">${stage.scheme}</span></p>
        <${Strip} stage=${stage} total=${total} />
      </div>
      <${Memory} stage=${stage} scale=${byteScale} />
      <${Step} stage=${stage} scale=${msScale} />
    </li>
  `;
}

const largest = (stages, names) => Math.max(...stages.flatMap((stage) => names.map((name) => stage[name] ?? 0))) || 1;

export function Pipeline({summary}) {
  const {stages, workers, moduleCount} = summary;
  // Room for the outline's end, and for a capacity that is not much more than what is used.
  const byteScale = 1.25 * largest(stages, ['measuredBytes', 'predictedBytes']);
  const msScale = 1.02 * largest(stages, ['measuredMs', 'predictedMs']);
  const spare = workers.filter((worker) => worker.spare);
  return html`
    <section aria-labelledby="pipeline">
      <h3 id="pipeline">Where the layers are</h3>
      <div class="legend" aria-hidden="true">
        <span><i class="key measured"></i>measured</span>
        <span><i class="key predicted"></i>predicted</span>
        <span><i class="key track"></i>offered</span>
      </div>
      <div class="columns" aria-hidden="true"><span>Worker</span><span>Holds</span><span>Memory</span><span>Step</span></div>
      <ol class="pipeline">
        <li class="end">Coordinator: tokens in</li>
        ${stages.map(
          (stage) =>
            html`<${StageRow} key=${stage.index} stage=${stage} total=${moduleCount} byteScale=${byteScale} msScale=${msScale} />`,
        )}
        <li class="end">Coordinator: token out, text to the client</li>
      </ol>
      ${spare.length > 0 && html`<p class="spare">Spare: ${spare.map(({name, offeredBytes}) => `${name} (${bytes(offeredBytes)})`).join(', ')}</p>`}
    </section>
  `;
}
