// The modules that need no browser.

import assert from 'node:assert/strict';
import {test} from 'node:test';

import {readEvents} from '../../coordinator/page/events.mjs';
import {explain} from '../../coordinator/page/explain.mjs';
import * as format from '../../coordinator/page/format.mjs';
import {FIELDS, problemOf, samplingOf} from '../../coordinator/page/settings.mjs';
import {describe, moduleOf, summarise} from '../../coordinator/page/summary.mjs';
import {barsOf, groupsOf, rowsOf, totalMs} from '../../coordinator/page/trace_parts.mjs';
import {demo, loading, mixed, waiting} from './statuses.mjs';
import {answered, running} from './traces.mjs';

const plain = (text) => text.replaceAll('\u202f', ' ');

test('numbers have three digits that count, and a unit', () => {
  for (const [found, expected] of [
    [format.bytes(0), '0 B'],
    [format.bytes(999), '999 B'],
    [format.bytes(1234), '1.23 KB'],
    [format.bytes(999_600), '1.00 MB'],
    [format.bytes(26_910_000), '26.9 MB'],
    [format.bytes(141e9), '141 GB'],
    [format.bytes(undefined), '–'],
    [format.bytes(Number.NaN), '–'],
    [format.bytes(-1), '–'],
    [format.bytes(1e30), '1 000 000 000 000 EB'],
    [format.milliseconds(0.0031), '3.10 µs'],
    [format.milliseconds(0.71), '0.71 ms'],
    [format.milliseconds(148.2), '148 ms'],
    [format.milliseconds(1250), '1.25 s'],
    [format.rate(402.5), '403'],
    [format.rate(11949.4), '11 949'],
    [format.percent(0.0001), '< 1 %'],
    [format.percent(0.92), '92 %'],
    [format.count(18230), '18 230'],
    [format.plural(1, 'token'), '1 token'],
    [format.plural(2, 'token'), '2 tokens'],
    [format.list(['a', 'b', 'c']), 'a, b and c'],
  ]) {
    assert.equal(plain(found), expected);
  }
});

async function events(chunks) {
  const encoder = new TextEncoder();
  const found = [];
  const source = async function* () {
    for (const chunk of chunks) yield typeof chunk === 'string' ? encoder.encode(chunk) : chunk;
  };
  for await (const data of readEvents(source())) found.push(data);
  return found;
}

test('events are the same however the bytes are cut', async () => {
  const text =
    ': keep-alive\n\ndata: {"a": "é"}\r\n\r\ndata:one\ndata: two\n\nevent: x\nid: 1\n\rdata: [DONE]\r\rdata: half';
  const expected = ['{"a": "é"}', 'one\ntwo', '[DONE]'];
  assert.deepEqual(await events([text]), expected);
  const bytes = new TextEncoder().encode(text);
  assert.deepEqual(await events(Array.from(bytes, (byte) => Uint8Array.of(byte))), expected);
});

test('an event without an end is not kept for ever', async () => {
  const megabyte = 'x'.repeat(1 << 20);
  await assert.rejects(events(['data: ', megabyte]), /more than/);
  await assert.rejects(events([`data: ${megabyte}\n`, 'data: y\n']), /more than/);
});

test('settings are checked, and empty ones are not sent', () => {
  const field = (name) => FIELDS.find((one) => one.name === name);
  assert.equal(problemOf(field('temperature'), ''), '');
  assert.equal(problemOf(field('temperature'), '0'), '');
  assert.match(problemOf(field('temperature'), 'warm'), /not a number/);
  assert.match(problemOf(field('temperature'), '-1'), /at least 0/);
  assert.match(problemOf(field('temperature'), 'Infinity'), /not a number/);
  assert.match(problemOf(field('top_p'), '0'), /more than 0/);
  assert.match(problemOf(field('top_p'), '1.01'), /at most 1/);
  assert.match(problemOf(field('top_k'), '1.5'), /whole/);
  assert.match(problemOf(field('seed'), '9007199254740993'), /whole/);
  assert.deepEqual(samplingOf({system: 'x', temperature: ' 0.7', top_p: '', top_k: '40', min_p: '7', seed: ''}), {
    temperature: 0.7,
    top_k: 40,
  });
});

test('modules are described as ranges', () => {
  const of = (...names) => describe(names.map(moduleOf));
  assert.equal(
    of('model.embed_tokens', 'model.layers.0', 'model.layers.1', 'model.norm', 'lm_head'),
    'embedding, layers 0–1, norm, head',
  );
  assert.equal(of('model.layers.3', 'model.layers.7', 'model.layers.8'), 'layer 3, layers 7–8');
  assert.equal(of('model.rotary'), 'model.rotary');
  assert.equal(of(), 'nothing');
});

test('the stage that takes longest limits, by measurement once there is one of all', () => {
  const measured = demo();
  assert.equal(summarise(measured).limit.stage.worker, 'cpu-2');
  measured.stages[0].step_ms = 7;
  assert.equal(summarise(measured).limit.stage.worker, 'cpu-0');
  measured.stages[1].steps = 0;
  const {limit, measuredMs} = summarise(measured);
  assert.deepEqual([limit.stage.worker, limit.measured, measuredMs], ['cpu-2', false, undefined]);
});

test('a worker may hold several stages', () => {
  const status = demo();
  status.stages[2].worker = 'cpu-0';
  status.stages[2].measured_bytes = 0;
  status.workers[0].modules.push(...status.workers[2].modules);
  status.workers.pop();
  const summary = summarise(status);
  assert.deepEqual(
    summary.stages.map(({on}) => on.name),
    ['cpu-0', 'cpu-1', 'cpu-0'],
  );
  assert.equal(summary.workers[0].holds, 'embedding, layers 0–1, layers 4–5, norm, head');
  assert.match(explain(summary)[0], /2 workers in 3 stages/);
});

test('the plan is explained with its numbers', () => {
  const text = plain(explain(summarise(mixed())).join('\n'));
  for (const expected of [
    '32 layers are split over 2 of 3 workers in 2 stages',
    'laptop holds nothing',
    '4.90 ms + 151 ms = 156 ms, predicted',
    'measured are 153 ms',
    'predicted 6.40 tokens/s; those that finished had 6.52',
    'Stage 1 on tower limits: it has 148 ms of 153 ms (97 %; an even share is 50 %), measured',
    'at most 13.5 GB; allocated are 13.2 GB, 98 % of that, within the prediction',
    '8 192 tokens together',
  ]) {
    assert.ok(text.includes(expected), `${expected}\nin\n${text}`);
  }
  assert.match(explain(summarise(loading())).join(' '), /none has finished yet/);
  assert.deepEqual(explain(summarise(waiting())), []);
  const more = demo();
  more.workers[0].measured_bytes *= 2;
  assert.match(explain(summarise(more)).join(' '), /more than predicted/);
});

test('what is no status is shown as nothing', () => {
  for (const status of [{}, {stages: 7, workers: null}, {stages: [{}], workers: [{}]}, 'text', []]) {
    assert.equal(summarise(status).ready, false);
    explain(summarise(status));
  }
});

test('the parts of a step follow each other and end where it ends', () => {
  const [step] = answered().steps;
  const bars = barsOf(step);
  assert.deepEqual(
    bars.map(({kind}) => kind),
    ['waits', 'computes', 'waits', 'computes', 'waits', 'computes', 'transfer'],
  );
  const last = bars.at(-1);
  assert.ok(Math.abs(last.atMs + last.ms - 1000 * (step.sent_s + step.seconds)) < 1e-6);
  assert.deepEqual(barsOf({sent_s: 1, transfer_s: 0.5, stages: []}), [{kind: 'transfer', ms: 500, atMs: 1000}]);
});

test('stages have names where as many workers are there', () => {
  assert.equal(rowsOf(answered(), ['a', 'b', 'c'])[1].name, 'Stage 0, a: waits');
  assert.equal(rowsOf(answered(), ['a'])[1].name, 'Stage 0: waits');
});

test('steps that are left out are counted', () => {
  assert.deepEqual(groupsOf(answered(), 24).left, 0);
  assert.equal(groupsOf(answered(), 24).groups.length, 1);
  const {groups, left} = groupsOf(running(), 24);
  assert.equal(left, 1234 + 101 - 48);
  assert.deepEqual(
    groups.map(({steps}) => steps.length),
    [24, 24],
  );
  assert.deepEqual(groupsOf({steps: []}, 24).groups, []);
});

test('a trace without numbers is one of zeros', () => {
  assert.equal(totalMs({}), 0);
  assert.equal(totalMs({queue_s: NaN, prefill: {seconds: 'x'}, decode: {seconds: -1}}), 0);
  assert.equal(rowsOf({}, []).length, 2);
  assert.deepEqual(groupsOf({steps: 'x'}, 24).groups, []);
});
