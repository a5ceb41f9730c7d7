// The placement in sentences. Pure: a summary in, paragraphs out.

import {bytes, count, list, milliseconds, percent, plural, rate} from './format.mjs';

function split({stages, workers, layerCount}) {
  const holders = new Set(stages.map(({worker}) => worker));
  const layers = plural(layerCount, 'layer');
  if (holders.size === 1) return `All of the model, ${layers} and what is around them, is on ${stages[0].worker}.`;
  const of = workers.length > holders.size ? ` of ${count(workers.length)}` : '';
  return (
    `${layers} are split over ${count(holders.size)}${of} workers in ${plural(stages.length, 'stage')}. A layer is on one ` +
    'device as a whole, with its keys and values. Only activations travel from stage to stage.'
  );
}

function spares({workers}) {
  const names = workers.filter(({spare}) => spare).map(({name}) => name);
  if (names.length === 0) return undefined;
  return (
    `${list(names)} ${names.length === 1 ? 'holds' : 'hold'} nothing: spare is who joined after the model was placed, and with ` +
    '--device_map=optimal, the default, who would make an answer slower.'
  );
}

function latency({stages, predictedMs, measuredMs, predictedRate, measuredRate}) {
  if (predictedMs === undefined) return undefined;
  const terms = stages.map((stage) => milliseconds(stage.predictedMs)).join(' + ');
  const summed = stages.length > 1 && stages.length <= 6 ? `${terms} = ` : '';
  const where = stages.length > 1 ? 'passes all stages in turn' : 'takes one step';
  let text = `A token ${where}: ${summed}${milliseconds(predictedMs)}, predicted from the speed at which each worker reads its memory`;
  if (measuredMs !== undefined) text += `; measured are ${milliseconds(measuredMs)}`;
  text += '.';
  if (predictedRate === undefined) return text;
  text += ` With the hops, one request alone was predicted ${rate(predictedRate)} tokens/s; `;
  return (
    text + (measuredRate === undefined ? 'none has finished yet.' : `those that finished had ${rate(measuredRate)}.`)
  );
}

function throughput({stages, limit, predictedMs, measuredMs}) {
  if (limit === undefined || stages.length < 2) return undefined;
  const total = limit.measured ? measuredMs : predictedMs;
  const {index, worker} = limit.stage;
  return (
    `Stage ${index} on ${worker} limits: it has ${milliseconds(limit.ms)} of ${milliseconds(total)} ` +
    `(${percent(limit.ms / total)}; an even share is ${percent(1 / stages.length)}), ${limit.measured ? 'measured' : 'predicted'}. ` +
    `With several requests under way all stages work at once, and no more than ${rate(1000 / limit.ms)} steps a second leave ` +
    'the pipeline; each carries a token of every request in it.'
  );
}

function memory({predictedBytes, measuredBytes}) {
  if (predictedBytes === undefined) return undefined;
  const predicted = `Weights, keys and values, and workspace were predicted to take at most ${bytes(predictedBytes)}`;
  if (measuredBytes === undefined) return `${predicted}.`;
  const verdict = measuredBytes > predictedBytes ? 'more than predicted' : 'within the prediction';
  return `${predicted}; allocated are ${bytes(measuredBytes)}, ${percent(measuredBytes / predictedBytes)} of that, ${verdict}.`;
}

function context({context, counters}) {
  if (context === undefined) return undefined;
  const blocks =
    counters.kv_blocks_total > 0
      ? ` Keys and values of all requests share ${plural(counters.kv_blocks_total, 'block')}.`
      : '';
  return `A prompt and its answer may have ${plural(context, 'token')} together.${blocks}`;
}

export function explain(summary) {
  if (summary.stages.length === 0) return [];
  return [split, spares, latency, throughput, memory, context].map((part) => part(summary)).filter(Boolean);
}
