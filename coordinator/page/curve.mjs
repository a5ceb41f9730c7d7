// Tokens a second over the last minutes.

import {count, plural, rate} from './format.mjs';
import {Component, createRef, html} from './html.mjs';
import uPlot from './vendor/uplot/uPlot.esm.js';

const HEIGHT = 150;
const SHORTEST_S = 60; // that the axis of time shows
const FONT = '12px system-ui, sans-serif';

// Canvases take no custom properties: their values are read from elements that have them as colours.
function colours(element) {
  const of = (name) => getComputedStyle(element.querySelector(`.${name}`)).color;
  return {text: of('text-colour'), line: of('line-colour'), grid: of('grid-colour')};
}

const clock = (seconds) =>
  new Date(1000 * seconds).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', second: '2-digit'});

export class Curve extends Component {
  root = createRef();
  state = {cursor: undefined};

  componentDidMount() {
    this.observer = new ResizeObserver(([{contentRect}]) =>
      this.plot?.setSize({width: contentRect.width, height: HEIGHT}),
    );
    this.observer.observe(this.root.current);
    this.dark = matchMedia('(prefers-color-scheme: dark)');
    this.dark.addEventListener('change', this.rebuild);
    addEventListener('theme', this.rebuild);
    this.rebuild();
  }

  componentWillUnmount() {
    this.observer.disconnect();
    this.dark.removeEventListener('change', this.rebuild);
    removeEventListener('theme', this.rebuild);
    this.plot.destroy();
  }

  componentDidUpdate({history}) {
    if (history !== this.props.history) this.plot.setData(this.data());
  }

  data() {
    const {times, rates} = this.props.history;
    return [times, rates];
  }

  span() {
    const {times} = this.props.history;
    const last = times.at(-1) ?? Date.now() / 1000;
    return [Math.min(times[0] ?? last, last - SHORTEST_S), last];
  }

  rebuild = () => {
    this.plot?.destroy();
    const root = this.root.current;
    const {text, line, grid} = colours(root.parentElement);
    const axis = {stroke: text, font: FONT, grid: {stroke: grid, width: 1}, ticks: {show: false}};
    this.plot = new uPlot(
      {
        width: root.clientWidth,
        height: HEIGHT,
        legend: {show: false},
        cursor: {y: false, drag: {x: false, y: false}, points: {size: 6}},
        scales: {
          x: {range: () => this.span()},
          y: {range: (_, low, high) => [0, Math.max(10, 1.1 * high)]},
        },
        axes: [
          {...axis, size: 28, space: 90, values: (_, ticks) => ticks.map(clock)},
          {
            ...axis,
            size: 52,
            values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? count(tick) : rate(tick))),
          },
        ],
        series: [{}, {stroke: line, width: 1.5, points: {show: false}}],
        hooks: {setCursor: [({cursor}) => cursor.idx !== this.state.cursor && this.setState({cursor: cursor.idx})]},
      },
      this.data(),
      root,
    );
  };

  render({history: {times, rates}}, {cursor}) {
    const known = rates.filter((value) => value !== null);
    const now = rates.at(-1);
    const span = times.at(-1) - times[0];
    const pointed =
      rates[cursor] === undefined || rates[cursor] === null
        ? undefined
        : `${rate(rates[cursor])} at ${clock(times[cursor])}`;
    const text =
      known.length === 0
        ? 'Nothing counted yet.'
        : `${rate(now ?? undefined)} now${span >= 1 ? `, ${rate(Math.max(...known))} at most in ${plural(Math.round(span), 'second')}` : ''}`;
    return html`
      <div class="curve">
        <p class="note">${pointed ?? text}</p>
        <span class="text-colour"></span><span class="line-colour"></span><span class="grid-colour"></span>
        <div ref=${this.root} role="img" aria-label="Curve: ${text}"></div>
      </div>
    `;
  }
}
