// The latest requests, and where the time of a selected one went.

import {access} from './access.mjs';
import {count, milliseconds} from './format.mjs';
import {Component, html} from './html.mjs';
import {Table} from './tables.mjs';
import {endOf, timesOf, totalMs} from './trace_parts.mjs';
import {TraceView} from './trace_view.mjs';
import {stopWatchingTraces, traces, watchTraces} from './traces.mjs';

const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString();
const time = (i) => (trace) => milliseconds(timesOf(trace)[i].ms);

const columns = (selected) => [
  {
    name: 'Request',
    of: ({request_id: id}) => html`
      <a href="#requests/${encodeURIComponent(id)}" aria-current=${id === selected ? 'true' : undefined}>${id}</a>
    `,
  },
  {name: 'Client', of: ({client}) => client || '–'},
  {name: 'Came', of: ({arrived}) => clock(arrived)},
  {name: 'Ended', of: endOf},
  {name: 'Prompt tokens', of: ({prompt_tokens}) => count(prompt_tokens), number: true},
  {name: 'Generated', of: ({completion_tokens}) => count(completion_tokens), number: true},
  {name: 'Queue', of: time(0), number: true},
  {name: 'Prefill', of: time(1), number: true},
  {name: 'Decode', of: time(2), number: true},
  {name: 'Together', of: (trace) => milliseconds(totalMs(trace)), number: true},
];

export class RequestsView extends Component {
  state = traces.state;

  componentDidMount() {
    this.stop = [
      traces.watch((state) => this.setState(state)),
      access.watch(({needed}) => {
        if (!needed) watchTraces(this.props.id);
      }),
    ];
    watchTraces(this.props.id);
  }

  componentDidUpdate({id}) {
    if (id !== this.props.id) watchTraces(this.props.id);
  }

  componentWillUnmount() {
    for (const stop of this.stop) stop();
    stopWatchingTraces();
  }

  selected() {
    const {id} = this.props;
    const {id: known, selected} = this.state;
    if (id === '') return undefined;
    if (known !== id || selected === undefined) return html`<p class="empty" role="status">Asking for ${id}.</p>`;
    if (selected.length === 0) return html`<p class="empty" role="status">There is no trace of ${id} any more.</p>`;
    const names = (this.props.summary?.stages ?? []).map(({worker}) => worker);
    return selected.map(
      (trace, i) =>
        html`<${TraceView} key="${id} ${i}" id=${`trace-${i}`} trace=${trace} names=${names} focus=${i === 0} />`,
    );
  }

  list() {
    const {requests, error} = this.state;
    if (requests === undefined) return html`<p class="empty">${error || 'Asking the coordinator.'}</p>`;
    if (requests.length === 0) return html`<p class="empty">No request has come yet.</p>`;
    return html`<${Table} id="requests" caption="Latest requests" columns=${columns(this.props.id)} rows=${requests} />`;
  }

  render() {
    return html`
      <section class="cluster" aria-label="Requests">
        <div class="page">
          <h2 class="unseen">Requests</h2>
          ${this.selected()} ${this.list()}
        </div>
      </section>
    `;
  }
}
