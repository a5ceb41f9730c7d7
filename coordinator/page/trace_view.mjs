// Where the time of one request went: its phases on a line, what each stage did in them, and its steps one below the other.

import {count, milliseconds, percent, plural} from './format.mjs';
import {Component, createRef, html} from './html.mjs';
import {endOf, groupsOf, rowsOf, timesOf, totalMs} from './trace_parts.mjs';

const MOST_STEPS = 24; // of a group

// Bars from `beginMs` on, of which `scaleMs` fill the width.
function Bars({bars, beginMs = 0, scaleMs}) {
  const x = (ms) => (scaleMs > 0 ? (100 * ms) / scaleMs : 0);
  return html`
    <svg class="times" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" x="0" y="4.5" width="100" height="1" />
      ${bars.map(
        ({kind, ms, atMs}) =>
          ms > 0 && html`<rect class=${kind} x=${x(atMs - beginMs)} y="1" width=${x(ms)} height="8" />`,
      )}
    </svg>
  `;
}

function Phases({trace}) {
  const total = totalMs(trace);
  let atMs = 0;
  const bars = timesOf(trace).map((time) => {
    const bar = {...time, atMs};
    atMs += time.ms;
    return bar;
  });
  return html`
    <div class="phases">
      <${Bars} bars=${bars} scaleMs=${total} />
      <dl class="now">
        ${bars.map(
          ({kind, name, ms}) => html`
            <div>
              <dt><i class="key ${kind}"></i>${name}</dt>
              <dd><span class="value">${milliseconds(ms)}</span></dd>
              <dd class="note">${percent(total > 0 ? ms / total : 0)} of ${milliseconds(total)}</dd>
            </div>
          `,
        )}
      </dl>
    </div>
  `;
}

function Shares({trace, names, id}) {
  const rows = rowsOf(trace, names);
  const largest = [0, 1].map((phase) => Math.max(...rows.map(({ms}) => ms[phase])));
  return html`
    <section aria-labelledby=${`${id}-shares`}>
      <h4 id=${`${id}-shares`}>What its steps did</h4>
      <p class="note">
        ${plural(trace.prefill?.steps ?? 0, 'step')} in prefill, ${count(trace.decode?.steps ?? 0)} in decode. Steps that were
        under way at the same time count whole, each.
      </p>
      <div class="scroll" tabindex="0" role="region" aria-label="What its steps did, table">
        <table class="shares">
          <thead>
            <tr><th scope="col">Part</th><th scope="col" colspan="2">Prefill</th><th scope="col" colspan="2">Decode</th></tr>
          </thead>
          <tbody>
            ${rows.map(
              ({kind, name, ms}) => html`
                <tr>
                  <th scope="row">${name}</th>
                  ${ms.map(
                    (value, phase) => html`
                      <td class="number">${milliseconds(value)}</td>
                      <td class="share"><${Bars} bars=${[{kind, ms: value, atMs: 0}]} scaleMs=${largest[phase]} /></td>
                    `,
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

function Group({group}) {
  const {name, steps, beginMs, endMs} = group;
  return html`
    <p class="note">${name}, from ${milliseconds(beginMs)} to ${milliseconds(endMs)} after it came:</p>
    <ol class="steps">
      ${steps.map(
        ({sentMs, ms, tokens, stepTokens, bars}) => html`
          <li>
            <span>${milliseconds(ms)} <span class="unseen">sent at ${milliseconds(sentMs)}</span></span>
            <span>${plural(tokens, 'token')}${stepTokens > tokens && ` of ${count(stepTokens)}`}</span>
            <${Bars} bars=${bars} beginMs=${beginMs} scaleMs=${endMs - beginMs} />
          </li>
        `,
      )}
    </ol>
  `;
}

function Steps({trace, id}) {
  const {groups, left} = groupsOf(trace, MOST_STEPS);
  if (groups.length === 0) return null;
  return html`
    <section aria-labelledby=${`${id}-steps`}>
      <h4 id=${`${id}-steps`}>Its steps</h4>
      <div class="legend" aria-hidden="true">
        <span><i class="key waits"></i>waits</span>
        <span><i class="key computes"></i>computes, by stage</span>
        <span><i class="key transfer"></i>transfer, all hops</span>
      </div>
      ${groups.map(
        (group, i) => html`
          ${i > 0 && html`<p class="note">${plural(left, 'step')} left out.</p>`}
          <${Group} group=${group} />
        `,
      )}
    </section>
  `;
}

function facts(trace) {
  const {client, n, prompt_tokens, shared_prompt_tokens, completion_tokens, preemptions, recoveries} = trace;
  const words = [
    endOf(trace),
    `${plural(prompt_tokens, 'token')} of the prompt${shared_prompt_tokens > 0 ? `, ${count(shared_prompt_tokens)} of them shared` : ''}`,
    `${count(completion_tokens)} generated${n > 1 ? ` in ${count(n)} answers` : ''}`,
  ];
  if (client) words.push(`of ${client}`);
  if (preemptions > 0) words.push(`put back ${plural(preemptions, 'time')}`);
  if (recoveries > 0) words.push(`taken on ${plural(recoveries, 'time')} after a worker was lost`);
  return words.join('; ');
}

export class TraceView extends Component {
  heading = createRef();

  // Those who chose it find themselves where it is.
  componentDidMount() {
    if (this.props.focus) this.heading.current.focus();
  }

  render({trace, names, id}) {
    return html`
      <section class="trace" aria-labelledby=${id}>
        <h3 id=${id} tabindex="-1" ref=${this.heading}>Request ${trace.request_id}</h3>
        <p>${facts(trace)}.</p>
        ${trace.error && html`<p class="problem">${trace.error}</p>`}
        <${Phases} trace=${trace} />
        <${Shares} trace=${trace} names=${names} id=${id} />
        <${Steps} trace=${trace} id=${id} />
      </section>
    `;
  }
}
