// Recent requests, and where the time of one went.

import assert from 'node:assert/strict';
import {test} from 'node:test';

import {close} from './browser.mjs';
import {suite} from './suite.mjs';
import {answered} from './traces.mjs';

const parts = suite();
const plain = (text) => text.replace(/\s+/g, ' ').trim();

test('the latest requests are a table that is kept up to date', async () => {
  const {browser, server} = parts;
  const page = await browser.open(`${server.url}#requests`);
  const rows = page.getByRole('region', {name: 'Latest requests, table'}).getByRole('row');
  await rows.nth(3).waitFor();
  assert.match(plain(await rows.nth(1).innerText()), /^now\/1 alice \S+ running 40 101 5.00 ms 15.0 ms 500 ms 520 ms$/);
  assert.match(plain(await rows.nth(3).innerText()), /^lost – \S+ error 40 3 /);
  server.traces.unshift(answered('newer'));
  await page.getByRole('link', {name: 'newer'}).waitFor();
  assert.equal(await rows.count(), 5);
  await close(page);
});

test('a request that is chosen shows its phases, stages and steps', async () => {
  const {browser, server} = parts;
  const page = await browser.open(`${server.url}#requests`);
  await page.getByRole('link', {name: 'gen-7'}).focus();
  await page.keyboard.press('Enter');
  const heading = page.getByRole('heading', {name: 'Request gen-7'});
  await heading.waitFor();
  assert.ok(await heading.evaluate((element) => element === document.activeElement), 'the focus is there');
  assert.equal(await page.getByRole('link', {name: 'gen-7'}).getAttribute('aria-current'), 'true');
  assert.equal(
    plain(await page.locator('.phases').innerText()),
    'Queue 5.00 ms 11 % of 45.0 ms Prefill 15.0 ms 33 % of 45.0 ms Decode 25.0 ms 56 % of 45.0 ms',
  );
  await page.getByText('stop; 40 tokens of the prompt, 16 of them shared; 6 generated; of alice.').waitFor();
  const rows = page.getByRole('region', {name: 'What its steps did, table'}).getByRole('row');
  assert.deepEqual((await rows.allInnerTexts()).slice(1).map(plain), [
    'No step under way 0 ms 1.00 ms',
    'Stage 0, cpu-0: waits 1.00 ms 2.50 ms',
    'Stage 0, cpu-0: computes 4.00 ms 2.50 ms',
    'Stage 1, cpu-1: waits 0 ms 0 ms',
    'Stage 1, cpu-1: computes 3.00 ms 5.00 ms',
    'Stage 2, cpu-2: waits 0 ms 0 ms',
    'Stage 2, cpu-2: computes 5.00 ms 10.0 ms',
    'Transfer 2.00 ms 5.00 ms',
  ]);
  const steps = page.locator('.steps li');
  assert.equal(await steps.count(), 6);
  assert.equal(plain(await steps.nth(0).innerText()), '15.0 ms sent at 5.00 ms 24 tokens');
  assert.equal(plain(await steps.nth(1).innerText()), '5.00 ms sent at 20.0 ms 1 token of 3');
  await close(page);
});

test('bars are as long as their times, and where they were', async () => {
  const {browser, server} = parts;
  const page = await browser.open(`${server.url}#requests/gen-7`);
  await page.locator('.steps li').first().waitFor();
  const boxes = (selector) =>
    page.locator(selector).evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect()).map(({left, width}) => [left, width]));
  const [[, line]] = await boxes('.phases .track');
  const [[queueLeft, queue]] = await boxes('.phases .times .queue');
  const [[decodeLeft, decode]] = await boxes('.phases .times .decode');
  assert.ok(Math.abs(queue / line - 5 / 45) < 0.01);
  assert.ok(Math.abs(decode / line - 25 / 45) < 0.01);
  assert.ok(Math.abs((decodeLeft - queueLeft) / line - 20 / 45) < 0.01);
  // From 5 ms to 45 ms.
  const [[stepsLeft, stepsLine]] = await boxes('.steps li:first-child .track');
  const last = (await boxes('.steps li:last-child .transfer'))[0];
  assert.ok(Math.abs((last[0] + last[1] - stepsLeft) / stepsLine - 1) < 0.01);
  assert.equal((await boxes('.steps li:nth-child(2) .computes')).length, 3);
  await close(page);
});

test('of many steps the first and the latest are shown', async () => {
  const {browser, server} = parts;
  const page = await browser.open(`${server.url}#requests/now%2F1`);
  await page.getByRole('heading', {name: 'Request now/1'}).waitFor();
  assert.equal(await page.locator('.steps').count(), 2);
  assert.equal(await page.locator('.steps li').count(), 48);
  await page.getByText(/^1.287 steps left out\.$/).waitFor();
  await close(page);
});

test('what has failed or is gone says so, and going back works', async () => {
  const {browser, server} = parts;
  const page = await browser.open(`${server.url}#requests/lost`, {expected: [/Failed to load resource/]});
  await page.getByText('worker cpu-1 with layers 2-3 was lost').waitFor();
  await page.getByText(/in 2 answers; put back 1 time; taken on 2 times after a worker was lost/).waitFor();
  await page.getByRole('link', {name: 'gen-7'}).click();
  await page.getByRole('heading', {name: 'Request gen-7'}).waitFor();
  await page.goBack();
  await page.getByRole('heading', {name: 'Request lost'}).waitFor();
  server.traces = [];
  await page.getByText('There is no trace of lost any more.').waitFor();
  await page.getByText('No request has come yet.').waitFor();
  await close(page);
});

test('a key is asked for, and then the requests are there', async () => {
  const {browser, server} = parts;
  server.key = 'sesame';
  const page = await browser.open(`${server.url}#requests`, {expected: [/Failed to load resource/]});
  await page.getByLabel('This server asks for an API key.').fill('sesame');
  await page.keyboard.press('Enter');
  await page.getByRole('link', {name: 'gen-7'}).waitFor();
  await close(page);
});

test('what a client calls its request is only text', async () => {
  const {browser, server} = parts;
  const evil = '<img/src=x/onerror=hacked=1>%2F"\'#/?';
  server.traces = [{...answered(evil), client: evil, error: evil, finished_reason: evil}];
  const page = await browser.open(`${server.url}#requests`);
  await page.getByRole('link', {name: evil}).click();
  await page.getByRole('heading', {name: `Request ${evil}`}).waitFor();
  assert.equal(await page.locator('#app img').count(), 0);
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  await close(page);
});
