// What goes wrong, how it is said, and what can be done about it.

import assert from 'node:assert/strict';
import {test} from 'node:test';

import {byHand} from './answers.mjs';
import {ask, close, ended} from './browser.mjs';
import {demo, loading, waiting} from './statuses.mjs';
import {suite} from './suite.mjs';

const parts = suite();
const failed = /Failed to load resource/;
const answer = (page) => page.getByRole('article', {name: 'Answer'}).last();

test('a full queue says how long to wait, and is asked again', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url, {expected: [failed]});
  await ask(page, 'queue full');
  await answer(page).getByText('the queue of 256 requests is full').waitFor();
  await answer(page).getByText('It suggests to wait 2 seconds.').waitFor();
  server.answer = (_, reply) => {
    reply.text('Now.');
    reply.finish();
  };
  await page.getByRole('button', {name: 'Ask again'}).click();
  await answer(page).getByText('Now.').waitFor();
  assert.equal(await page.locator('.failure').count(), 0);
  await close(page);
});

test('a cluster that is not ready says so', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url, {expected: [failed]});
  await ask(page, 'not ready');
  await answer(page).getByText('no placement is in force').waitFor();
  await close(page);
});

test('an answer that breaks off keeps its text', async () => {
  const {browser, server} = parts;
  const replies = byHand(server);
  const page = await browser.open(server.url, {expected: [/ERR_INCOMPLETE_CHUNKED/]});
  for (const [end, said] of [
    [(reply) => reply.error('worker cpu-1 with layers 2-3 was lost'), 'worker cpu-1 with layers 2-3 was lost'],
    [(reply) => reply.cut(), 'The connection was cut before the answer was complete.'],
    [(reply) => reply.response.end(), 'The connection was cut before the answer was complete.'],
    [(reply) => reply.event('{"choices":'), 'The server sent an event that is no JSON.'],
  ]) {
    await ask(page, 'Tell me');
    const reply = await replies.next();
    reply.text('Half of');
    await answer(page).getByText('Half of').waitFor();
    end(reply);
    await answer(page).getByText(said).waitFor();
    assert.equal(await answer(page).locator('.prose').innerText(), 'Half of');
    await ended(page);
  }
  await close(page);
});

test('a coordinator that went away is waited for', async () => {
  const {browser, server} = parts;
  const page = await browser.open(`${server.url}#cluster`, {expected: [failed]});
  await page.getByText('ready', {exact: true}).waitFor();
  server.status = undefined;
  await page.getByText('reconnecting').waitFor();
  await page.getByText(/The coordinator does not answer. Is it running\? What is shown is of/).waitFor();
  await page.getByRole('heading', {name: 'cpu-2 limits'}).waitFor();
  server.status = demo();
  await page.getByRole('button', {name: 'Try now'}).click();
  await page.getByText('ready', {exact: true}).waitFor();
  await page.getByRole('button', {name: 'Try now'}).waitFor({state: 'detached'});
  await close(page);
});

test('a coordinator that never answered is waited for by itself', async () => {
  const {browser, server} = parts;
  server.status = undefined;
  const page = await browser.open(`${server.url}#cluster`, {expected: [failed]});
  await page.getByText('not reachable').waitFor();
  await page.getByText('Nothing is known of the cluster yet.').waitFor();
  server.status = demo();
  await page.getByText('ready', {exact: true}).waitFor();
  await close(page);
});

test('a cluster on its way tells how far it is', async () => {
  const {browser, server} = parts;
  server.status = waiting();
  const page = await browser.open(`${server.url}#cluster`);
  await page.getByText('The cluster is not ready: 1 of 3 workers have joined.').waitFor();
  await page.getByText('These workers have joined').waitFor();
  server.status = {...waiting(), workers: []};
  await page.getByText('No worker has joined.').waitFor();
  server.status = loading();
  await page.getByText(/^loading 43/).waitFor();
  assert.equal(await page.getByText(/loading, 43.% read/).count(), 3);
  server.status = demo();
  await page.getByText('ready', {exact: true}).waitFor();
  await close(page);
});

test('a key is asked for after a 401, and the question asked again with it', async () => {
  const {browser, server} = parts;
  server.key = 'sesame';
  const page = await browser.open(server.url, {expected: [failed]});
  await page.getByText('This server asks for an API key.').waitFor();
  await page.getByText('locked').waitFor();
  await ask(page, 'Open');
  await answer(page).getByText('no API key, or a wrong one').waitFor();
  const key = page.getByRole('form', {name: 'API key'}).getByRole('textbox');
  await key.fill('mellon');
  await page.keyboard.press('Enter');
  await page.getByText('The server does not take this API key.').waitFor();
  await key.fill('sesame');
  await page.keyboard.press('Enter');
  await answer(page).getByText('You asked: Open').waitFor();
  await page.getByText('ready', {exact: true}).waitFor();
  assert.equal(await page.getByRole('form', {name: 'API key'}).count(), 0);
  assert.equal(await page.evaluate(() => JSON.stringify(localStorage) + document.cookie), '{}');
  assert.ok(!page.url().includes('sesame'));
  await page.reload();
  await page.getByText('ready', {exact: true}).waitFor();
  assert.equal(await page.getByRole('form', {name: 'API key'}).count(), 0);
  await close(page);
});
