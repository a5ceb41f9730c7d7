// What the picture, the tables and the explanation show, computed from GET /api/status (the JSON of `generate --status
// --json`). Pure. Numbers that the server does not know yet, which it says with 0, are undefined.

const positive = (value) => (typeof value === 'number' && value > 0 && Number.isFinite(value) ? value : undefined);
const array = (value) => (Array.isArray(value) ? value : []);

// {kind: 'layer', number} of "model.layers.7"; 'embedding', 'norm' and 'head' of what is around the layers.
export function moduleOf(name) {
  const layer = /(?:^|\.)(?:layers|h)\.(\d+)$/.exec(name);
  if (layer) return {kind: 'layer', number: Number(layer[1]), name};
  if (/embed/.test(name)) return {kind: 'embedding', name};
  if (/norm/.test(name)) return {kind: 'norm', name};
  if (/lm_head/.test(name)) return {kind: 'head', name};
  return {kind: name, name};
}

// "embedding, layers 0–3, norm, head" of modules in the model's order.
export function describe(modules) {
  const parts = [];
  for (let first = 0; first < modules.length;) {
    let last = first;
    if (modules[first].kind === 'layer') {
      while (modules[last + 1]?.number === modules[last].number + 1) ++last;
    }
    const {kind, number} = modules[first];
    if (kind !== 'layer') {
      parts.push(kind);
    } else {
      parts.push(last > first ? `layers ${number}–${modules[last].number}` : `layer ${number}`);
    }
    first = last + 1;
  }
  return parts.join(', ') || 'nothing';
}

const sum = (values) => (values.every((value) => value !== undefined) ? values.reduce((a, b) => a + b, 0) : undefined);

// The stage that takes longest, by what was measured of all, or else by what was predicted of all.
function limitOf(stages) {
  for (const basis of ['measuredMs', 'predictedMs']) {
    if (stages.length > 0 && stages.every((stage) => stage[basis] !== undefined)) {
      const stage = stages.reduce((slowest, one) => (one[basis] > slowest[basis] ? one : slowest));
      return {stage, ms: stage[basis], measured: basis === 'measuredMs'};
    }
  }
  return undefined;
}

function stageOf(stage, begin) {
  const modules = array(stage.modules).map(moduleOf);
  return {
    index: stage.index,
    worker: stage.worker,
    device: stage.device,
    scheme: stage.scheme,
    modules,
    begin,
    holds: describe(modules),
    predictedBytes: positive(stage.predicted_bytes),
    measuredBytes: positive(stage.measured_bytes),
    predictedMs: positive(stage.predicted_ms),
    measuredMs: stage.steps > 0 ? positive(stage.step_ms) : undefined,
    steps: stage.steps ?? 0,
    predictedRate: positive(stage.predicted_tokens_per_s),
    measuredRate: positive(stage.tokens_per_s),
  };
}

function workerOf(worker, stages) {
  return {
    name: worker.name,
    address: worker.address,
    device: worker.device,
    description: worker.description || worker.device,
    modules: array(worker.modules).map(moduleOf),
    holds: describe(array(worker.modules).map(moduleOf)),
    spare: stages.length > 0 && array(worker.modules).length === 0,
    loaded: typeof worker.loaded === 'number' ? Math.min(1, Math.max(0, worker.loaded)) : 0,
    predictedBytes: positive(worker.predicted_bytes),
    measuredBytes: positive(worker.measured_bytes),
    offeredBytes: positive(worker.memory_bytes),
    readBytesPerS: positive(worker.read_bytes_per_s),
  };
}

export function summarise(status) {
  let begin = 0;
  const stages = array(status.stages).map((stage) => {
    const one = stageOf(stage, begin);
    begin += one.modules.length;
    return one;
  });
  const workers = array(status.workers).map((worker) => workerOf(worker, stages));
  const limit = limitOf(stages);
  for (const stage of stages) {
    stage.limits = stages.length > 1 && stage === limit?.stage;
    stage.on = workers.find(({name}) => name === stage.worker);
  }
  const used = workers.filter(({spare, modules}) => !spare && modules.length > 0);
  return {
    ready: status.ready === true,
    reason: status.reason || '',
    model: String(status.model ?? ''),
    // Of a folder what tells it from others.
    name: String(status.model ?? '')
      .split('/')
      .filter(Boolean)
      .slice(-2)
      .join('/'),
    epoch: status.epoch,
    context: positive(status.context),
    version: status.version,
    stages,
    workers,
    limit,
    moduleCount: begin,
    layerCount: stages.flatMap(({modules}) => modules).filter(({kind}) => kind === 'layer').length,
    loaded: used.length > 0 ? Math.min(...used.map(({loaded}) => loaded)) : 0,
    predictedMs: sum(stages.map(({predictedMs}) => predictedMs)),
    measuredMs: sum(stages.map(({measuredMs}) => measuredMs)),
    predictedBytes: sum(used.map(({predictedBytes}) => predictedBytes)),
    measuredBytes: sum(used.map(({measuredBytes}) => measuredBytes)),
    predictedRate: positive(status.predicted?.decode_tokens_per_s),
    predictedPrefillRate: positive(status.predicted?.prefill_tokens_per_s),
    measuredRate: positive(status.counters?.decode_tokens_per_s),
    counters: status.counters ?? {},
    deviceMap: status.device_map ?? {},
  };
}
