// What the pictures of a trace show, computed from GET /v1/traces. Pure.

const number = (value) => (typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0);
const array = (value) => (Array.isArray(value) ? value : []);

const PHASES = ['prefill', 'decode'];

export const totalMs = ({queue_s, prefill, decode}) =>
  1000 * (number(queue_s) + number(prefill?.seconds) + number(decode?.seconds));

export const endOf = ({finished_reason}) => finished_reason ?? 'running';

// [{kind, name, ms}] of the three times that follow each other.
export function timesOf(trace) {
  return [
    {kind: 'queue', name: 'Queue', ms: 1000 * number(trace.queue_s)},
    {kind: 'prefill', name: 'Prefill', ms: 1000 * number(trace.prefill?.seconds)},
    {kind: 'decode', name: 'Decode', ms: 1000 * number(trace.decode?.seconds)},
  ];
}

// A row for everything that a step may do, with its milliseconds in each phase. `names` are those of the stages' workers.
export function rowsOf(trace, names) {
  const phases = PHASES.map((phase) => trace[phase] ?? {});
  const row = (kind, name, of) => ({kind, name, ms: phases.map((phase) => 1000 * number(of(phase)))});
  const count = Math.max(...phases.map(({stages}) => array(stages).length));
  const rows = [row('idle', 'No step under way', ({idle_s}) => idle_s)];
  for (let i = 0; i < count; ++i) {
    const stage = names.length === count ? `Stage ${i}, ${names[i]}` : `Stage ${i}`;
    rows.push(row('waits', `${stage}: waits`, ({stages}) => stages?.[i]?.queued_s));
    rows.push(row('computes', `${stage}: computes`, ({stages}) => stages?.[i]?.computed_s));
  }
  rows.push(row('transfer', 'Transfer', ({transfer_s}) => transfer_s));
  return rows;
}

// A step as bars on a line of time: [{kind, ms, atMs}]. Of transfers only the sum is known; it is put last.
export function barsOf(step) {
  const bars = [];
  let atMs = 1000 * number(step.sent_s);
  const add = (kind, seconds) => {
    const ms = 1000 * number(seconds);
    bars.push({kind, ms, atMs});
    atMs += ms;
  };
  for (const {queued_s, computed_s} of array(step.stages)) {
    add('waits', queued_s);
    add('computes', computed_s);
  }
  add('transfer', step.transfer_s);
  return bars;
}

// Steps that are shown: the first and the latest, each group with a line of time of its own.
export function groupsOf(trace, most) {
  const steps = array(trace.steps).map((step) => ({
    sentMs: 1000 * number(step.sent_s),
    ms: 1000 * number(step.seconds),
    tokens: number(step.tokens),
    stepTokens: number(step.step_tokens),
    bars: barsOf(step),
  }));
  const group = (name, some) => ({
    name,
    steps: some,
    beginMs: Math.min(...some.map(({sentMs}) => sentMs)),
    endMs: Math.max(...some.map(({sentMs, ms}) => sentMs + ms)),
  });
  const left = number(trace.steps_left_out) + Math.max(0, steps.length - 2 * most);
  if (left === 0) return {groups: steps.length > 0 ? [group('All steps', steps)] : [], left};
  const first = steps.slice(0, Math.min(most, number(trace.steps_before_gap) || most));
  return {groups: [group('The first steps', first), group('The latest steps', steps.slice(-most))], left};
}
