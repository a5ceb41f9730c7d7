// Answers of GET /api/status, in the shape of `generate --status --json`.

const GPU = {device: 'cuda:0', description: 'NVIDIA GeForce RTX 4090, compute capability 8.9', threads: 0, isa: ''};
const CPU = {device: 'cpu', description: 'cpu-avx512, 16 threads', threads: 16, isa: 'avx512'};

function modules(layers) {
  const names = Array.from({length: layers}, (_, i) => `model.layers.${i}`);
  return ['model.embed_tokens', ...names, 'model.norm', 'lm_head'];
}

function worker(name, facts, held, rest) {
  return {
    name,
    address: '127.0.0.1:40000',
    modules: held,
    predicted_bytes: 0,
    measured_bytes: 0,
    resident_bytes: 0,
    read_bytes_per_s: 3e9,
    loaded: held.length > 0 ? 1 : 0,
    ...facts,
    ...rest,
  };
}

function stage(index, on, scheme, rest) {
  const {name, modules, device, predicted_bytes, measured_bytes} = on;
  const {predicted_ms, step_ms} = rest;
  return {
    index,
    modules,
    worker: name,
    scheme,
    device,
    predicted_bytes,
    measured_bytes,
    step_ms,
    predicted_ms,
    steps: step_ms > 0 ? 412 : 0,
    predicted_tokens_per_s: 1000 / predicted_ms,
    tokens_per_s: step_ms > 0 ? 1000 / step_ms : 0,
  };
}

function status({model, context, workers, stages, predicted, counters}) {
  return {
    ready: true,
    reason: '',
    epoch: 1,
    model,
    context,
    vocab_size: 32000,
    version: '0.1.0',
    workers,
    stages,
    device_map: Object.fromEntries(stages.flatMap(({modules, worker}) => modules.map((name) => [name, worker]))),
    predicted: {decode_tokens_per_s: predicted, prefill_tokens_per_s: 20 * predicted},
    counters: {
      requests_running: 2,
      requests_waiting: 0,
      requests_finished: 31,
      requests_failed: 1,
      requests_cancelled: 2,
      requests_rejected: 0,
      prompt_tokens: 4410,
      generated_tokens: 18230,
      steps: 9120,
      steps_in_flight: 2,
      kv_blocks_total: 512,
      kv_blocks_used: 37,
      decode_tokens_per_s: 0,
      ...counters,
    },
  };
}

// The demo model on three CPU workers.
export function demo() {
  const all = modules(6);
  const bytes = [
    [26_910_000, 24_800_000, 3.4, 1.02, 0.71],
    [22_650_000, 20_500_000, 3.1, 0.98, 0.66],
    [27_930_000, 26_010_000, 2.9, 1.31, 0.94],
  ];
  const held = [all.slice(0, 3), all.slice(3, 5), all.slice(5)];
  const workers = bytes.map(([predicted_bytes, measured_bytes, gigabytes], i) =>
    worker(`cpu-${i}`, CPU, held[i], {
      predicted_bytes,
      measured_bytes,
      memory_bytes: 1e9,
      read_bytes_per_s: gigabytes * 1e9,
    }),
  );
  const stages = workers.map((on, i) => stage(i, on, 'fp32', {predicted_ms: bytes[i][3], step_ms: bytes[i][4]}));
  return status({
    model: '/srv/demo/model',
    context: 1024,
    workers,
    stages,
    predicted: 290,
    counters: {decode_tokens_per_s: 402.5},
  });
}

// A model of 32 layers on a GPU and two CPUs, of which one stays spare.
export function mixed() {
  const all = modules(32);
  const workers = [
    worker('desk', GPU, all.slice(0, 27), {
      predicted_bytes: 5.62e9,
      measured_bytes: 5.41e9,
      memory_bytes: 6e9,
      read_bytes_per_s: 9.4e11,
    }),
    worker('tower', CPU, all.slice(27), {
      predicted_bytes: 7.9e9,
      measured_bytes: 7.83e9,
      memory_bytes: 60e9,
      read_bytes_per_s: 5.1e10,
    }),
    worker('laptop', CPU, [], {memory_bytes: 14e9, read_bytes_per_s: 2.2e10}),
  ];
  const stages = [
    stage(0, workers[0], 'nf4', {predicted_ms: 4.9, step_ms: 4.6}),
    stage(1, workers[1], 'fp32', {predicted_ms: 151, step_ms: 148}),
  ];
  return status({
    model: 'meta-llama/Llama-3.1-8B',
    context: 8192,
    workers,
    stages,
    predicted: 6.4,
    counters: {decode_tokens_per_s: 6.52},
  });
}

export function loading() {
  const one = demo();
  Object.assign(one, {ready: false, reason: 'loading: 43 % of the weights are read'});
  one.workers.forEach((on) => Object.assign(on, {loaded: 0.43, measured_bytes: 0}));
  one.stages.forEach((on) => Object.assign(on, {measured_bytes: 0, steps: 0, step_ms: 0, tokens_per_s: 0}));
  one.counters.decode_tokens_per_s = 0;
  return one;
}

export function waiting() {
  const one = demo();
  const workers = [worker('cpu-0', CPU, [], {memory_bytes: 1e9})];
  return {...one, ready: false, reason: '1 of 3 workers have joined', epoch: 0, workers, stages: [], device_map: {}};
}
