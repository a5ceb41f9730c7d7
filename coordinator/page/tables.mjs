// All figures, aligned, for those who want to compare them.

import {copyFrom} from './clipboard.mjs';
import {bytes, count, milliseconds, percent, rate} from './format.mjs';
import {html} from './html.mjs';

// `columns`: [{name, of: row -> text, number: bool, pair: what a short name belongs to}]; the first names the row.
const Name = ({name, pair}) => html`${pair && html`<span class="unseen">${pair} </span>`}${name}`;

export function Table({id, caption, columns, rows}) {
  const align = ({number}) => (number ? 'number' : undefined);
  return html`
    <section aria-labelledby=${id}>
      <h3 id=${id}>${caption}</h3>
      <div class="scroll" tabindex="0" role="region" aria-label="${caption}, table">
        <table>
          <thead>
            <tr>${columns.map((column) => html`<th scope="col" class=${align(column)}><${Name} ...${column} /></th>`)}</tr>
          </thead>
          <tbody>
            ${rows.map(
              (row) => html`
                <tr>
                  ${columns.map((column, i) =>
                    i === 0
                      ? html`<th scope="row" class=${align(column)}>${column.of(row)}</th>`
                      : html`<td class=${align(column)}>${column.of(row)}</td>`,
                  )}
                </tr>
              `,
            )}
          </tbody>
        </table>
      </div>
    </section>
  `;
}

const STAGE = [
  {name: 'Stage', of: ({index}) => count(index), number: true},
  {name: 'Worker', of: ({worker}) => worker},
  {name: 'Device', of: ({device}) => device},
  {name: 'Scheme', of: ({scheme}) => scheme},
  {name: 'Memory predicted', of: ({predictedBytes}) => bytes(predictedBytes), number: true},
  {name: 'measured', pair: 'Memory', of: ({measuredBytes}) => bytes(measuredBytes), number: true},
  {name: 'Step predicted', of: ({predictedMs}) => milliseconds(predictedMs), number: true},
  {name: 'measured', pair: 'Step', of: ({measuredMs}) => milliseconds(measuredMs), number: true},
  {name: 'Tokens/s predicted', of: ({predictedRate}) => rate(predictedRate), number: true},
  {name: 'measured', pair: 'Tokens/s', of: ({measuredRate}) => rate(measuredRate), number: true},
  {name: 'Steps', of: ({steps}) => count(steps), number: true},
];

const WORKER = [
  {name: 'Worker', of: ({name}) => name},
  {name: 'Address', of: ({address}) => address},
  {name: 'Device', of: ({description}) => description},
  {name: 'Holds', of: ({holds}) => holds},
  {name: 'Loaded', of: ({modules, loaded}) => (modules.length > 0 ? percent(loaded) : '–'), number: true},
  {name: 'Memory predicted', of: ({predictedBytes}) => bytes(predictedBytes), number: true},
  {name: 'measured', pair: 'Memory', of: ({measuredBytes}) => bytes(measuredBytes), number: true},
  {name: 'offered', pair: 'Memory', of: ({offeredBytes}) => bytes(offeredBytes), number: true},
  {name: 'Reads a second', of: ({readBytesPerS}) => bytes(readBytesPerS), number: true},
];

export const StageTable = ({stages}) => html`<${Table} id="stages" caption="Stages" columns=${STAGE} rows=${stages} />`;
export const WorkerTable = ({workers}) =>
  html`<${Table} id="workers" caption="Workers" columns=${WORKER} rows=${workers} />`;

// What --device_map=FILE.json takes.
export function DeviceMap({map}) {
  const text = JSON.stringify(map, undefined, 2);
  return html`
    <details>
      <summary>Device map</summary>
      <figure class="code">
        <figcaption>
          <span>json</span>
          <button type="button" class="quiet" onClick=${(event) => copyFrom(event.currentTarget, text)}>Copy</button>
        </figcaption>
        <pre tabindex="0" role="region" aria-label="Device map"><code>${text}</code></pre>
      </figure>
    </details>
  `;
}
