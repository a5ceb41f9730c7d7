// The picture of the cluster.

import assert from 'node:assert/strict';
import {test} from 'node:test';

import {close} from './browser.mjs';
import {demo, mixed} from './statuses.mjs';
import {suite} from './suite.mjs';

const parts = suite();
const plain = (text) => text.replace(/\s+/g, ' ').trim();

test('each stage shows what it holds, takes and does', async () => {
  const {browser, server} = parts;
  server.status = mixed();
  const page = await browser.open(`${server.url}#cluster`);
  const stages = page.locator('.stage');
  await stages.first().waitFor();
  assert.deepEqual((await stages.allInnerTexts()).map(plain), [
    'desk NVIDIA GeForce RTX 4090, compute capability 8.9 embedding, layers 0–25 nf4 Memory: 5.41 GB 5.62 GB predicted ' +
      '90 % of 6.00 GB offered Step: 4.60 ms 4.90 ms predicted 217 tokens/s alone',
    'tower limits cpu-avx512, 16 threads layers 26–31, norm, head fp32 Memory: 7.83 GB 7.90 GB predicted ' +
      '13 % of 60.0 GB offered Step: 148 ms 151 ms predicted 6.76 tokens/s alone',
  ]);
  await page.getByText(/Spare: laptop \(14.0.GB\)/).waitFor();
  await page.getByText('Stage 1 on tower limits').waitFor();
  assert.match(plain(await page.locator('.now').innerText()), /Decode, one request 6.52 tokens\/s 6.40 predicted/);
  await close(page);
});

test('bars are as long as their numbers', async () => {
  const {browser, server} = parts;
  server.status = mixed();
  const page = await browser.open(`${server.url}#cluster`);
  await page.locator('.bar').first().waitFor();
  const wide = (selector) =>
    page.locator(selector).evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width));
  const [gpu, cpu] = await wide('.quantity:nth-child(3) .measured');
  assert.ok(Math.abs(gpu / cpu - 5.41 / 7.83) < 0.01, `${gpu} ${cpu}`);
  const [gpuOffered, cpuOffered] = await wide('.quantity:nth-child(3) .track');
  assert.ok(Math.abs(gpuOffered / gpu - 6 / 5.41) < 0.01);
  const [bar] = await wide('.quantity:nth-child(3) .bar');
  assert.ok(Math.abs(cpuOffered - bar) < 1, 'what is offered beyond the scale fills it');
  const own = await page
    .locator('.strip .own')
    .evaluateAll((paths) => paths.map((path) => path.getAttribute('d').match(/M/g).length));
  assert.deepEqual(own, [27, 8]);
  await close(page);
});

test('the picture follows the cluster', async () => {
  const {browser, server} = parts;
  const page = await browser.open(`${server.url}#cluster`);
  await page.getByRole('heading', {name: 'cpu-2 limits'}).waitFor();
  server.status.stages[0].step_ms = 9;
  await page.getByRole('heading', {name: 'cpu-0 limits'}).waitFor();
  server.status = mixed();
  await page.getByRole('heading', {name: 'tower limits'}).waitFor();
  await close(page);
});

test('the curve shows tokens a second of all requests', async () => {
  const {browser, server} = parts;
  const page = await browser.open(`${server.url}#cluster`);
  const curve = page.getByRole('img', {name: /^Curve: /});
  await curve.and(page.getByRole('img', {name: /0 now/})).waitFor();
  server.status.counters.generated_tokens += 4000;
  await curve.and(page.getByRole('img', {name: /[1-9].* now/})).waitFor();
  // A coordinator that was started anew counts from zero.
  server.status = demo();
  server.status.counters.generated_tokens = 0;
  await curve.and(page.getByRole('img', {name: /Nothing counted yet/})).waitFor();
  await close(page);
});

test('the device map can be taken along', async () => {
  const {browser, server} = parts;
  await browser.context.grantPermissions(['clipboard-read', 'clipboard-write'], {origin: server.url});
  const page = await browser.open(`${server.url}#cluster`);
  await page.getByText('Device map').click();
  await page.getByRole('button', {name: 'Copy'}).click();
  await page.getByRole('button', {name: 'Copied'}).waitFor();
  assert.deepEqual(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())), server.status.device_map);
  await close(page);
});

test('each table is what the status says', async () => {
  const {browser, server} = parts;
  const page = await browser.open(`${server.url}#cluster`);
  const rows = page.getByRole('region', {name: 'Stages, table'}).getByRole('row');
  await rows.nth(3).waitFor();
  assert.equal(plain(await rows.nth(1).innerText()), '0 cpu-0 cpu fp32 26.9 MB 24.8 MB 1.02 ms 0.71 ms 980 1 408 412');
  assert.equal(await page.getByRole('region', {name: 'Workers, table'}).getByRole('row').count(), 4);
  await close(page);
});
