// Asking, reading, stopping.

import assert from 'node:assert/strict';
import {test} from 'node:test';

import {byHand, LONG} from './answers.mjs';
import {ask, close, ended} from './browser.mjs';
import {suite} from './suite.mjs';

const parts = suite();
const answer = (page) => page.getByRole('article', {name: 'Answer'}).last();
const field = (page) => page.getByLabel('Message', {exact: true});

test('an answer is shown while it comes', async () => {
  const {browser, server} = parts;
  const replies = byHand(server);
  const page = await browser.open(server.url);
  await ask(page, 'How many?');
  const reply = await replies.next();
  await page.getByText('Waiting for the first token.').waitFor();
  reply.text('Seven ');
  await answer(page).getByText('Seven', {exact: true}).waitFor();
  reply.text('hundred.');
  await answer(page).getByText('Seven hundred.').waitFor();
  assert.equal(await answer(page).getAttribute('aria-busy'), 'true');
  reply.finish();
  await ended(page);
  await answer(page).getByText('2 tokens', {exact: true}).waitFor();
  await answer(page).getByText('prompt 12').waitFor();
  assert.deepEqual(server.bodies[0].messages, [{role: 'user', content: 'How many?'}]);
  assert.equal(server.bodies[0].model, 'mock');
  await close(page);
});

test('stopping ends the request, keeps the text and gives the field back', async () => {
  const {browser, server} = parts;
  const replies = byHand(server);
  const page = await browser.open(server.url);
  for (const stop of [() => page.getByRole('button', {name: 'Stop'}).click(), () => page.keyboard.press('Escape')]) {
    await ask(page, 'Go on');
    const reply = await replies.next();
    reply.text('So far');
    await answer(page).getByText('So far').waitFor();
    await stop();
    await reply.aborted;
    await answer(page).getByText('stopped', {exact: true}).waitFor();
    assert.equal(await answer(page).locator('.prose').innerText(), 'So far');
    assert.ok(await field(page).evaluate((element) => element === document.activeElement));
  }
  // What was said before a stop is part of the conversation.
  assert.deepEqual(
    server.bodies[1].messages.map(({content}) => content),
    ['Go on', 'So far', 'Go on'],
  );
  await close(page);
});

test('Shift+Enter starts a line, Enter sends, and nothing is not sent', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url);
  await field(page).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.type('one');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('two');
  await page.keyboard.press('Enter');
  await ended(page);
  assert.deepEqual(
    server.bodies.map(({messages}) => messages[0].content),
    ['one\ntwo'],
  );
  assert.equal(await field(page).inputValue(), '');
  await close(page);
});

test('the conversation, its half answer and the draft survive a reload', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url);
  await ask(page, 'A long one');
  await ended(page);
  await ask(page, 'hold');
  await answer(page).getByText('until it is stopped').waitFor();
  await field(page).fill('and then');
  await page.reload();
  await answer(page).getByText('stopped', {exact: true}).waitFor();
  await answer(page).getByText('until it is stopped').waitFor();
  await page.getByRole('heading', {name: 'Where the bytes go'}).waitFor();
  assert.equal(await field(page).inputValue(), 'and then');
  await close(page);
  const other = await browser.open(server.url);
  await other.getByRole('heading', {name: 'demo/model'}).waitFor();
  assert.equal(await other.getByRole('article').count(), 0);
  await close(other);
});

test('a new chat stops the old one, which can be brought back', async () => {
  const {browser, server} = parts;
  const replies = byHand(server);
  const page = await browser.open(server.url);
  await ask(page, 'First');
  const reply = await replies.next();
  reply.text('Half');
  await answer(page).getByText('Half').waitFor();
  await page.getByRole('button', {name: 'New chat'}).click();
  await reply.aborted;
  assert.equal(await page.getByRole('article').count(), 0);
  await page.getByRole('button', {name: 'Bring back the previous chat'}).click();
  await answer(page).getByText('stopped', {exact: true}).waitFor();
  await close(page);
});

test('an answer can be asked for again', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url);
  await ask(page, 'Once');
  await ended(page);
  await page.getByRole('button', {name: 'Ask again'}).click();
  await page.getByRole('button', {name: 'Ask again'}).waitFor();
  assert.deepEqual(server.bodies[1], server.bodies[0]);
  assert.equal(await page.getByRole('article').count(), 2);
  await close(page);
});

test('sampling is sent as it was set, and a wrong value is not', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url);
  await page.getByRole('button', {name: 'Sampling'}).click();
  await page.getByLabel('Temperature').fill('warm');
  await page.getByText('not a number').waitFor();
  await field(page).fill('Hello');
  await page.keyboard.press('Enter');
  assert.equal(await page.getByLabel('Temperature').getAttribute('aria-invalid'), 'true');
  assert.ok(await page.getByLabel('Temperature').evaluate((element) => element === document.activeElement));
  await page.getByLabel('Temperature').fill('0.7');
  await page.getByLabel('Longest answer').fill('64');
  await page.getByLabel('System prompt').fill('Be brief.');
  await page.getByRole('button', {name: 'Sampling, 3 changed'}).waitFor();
  await page.getByRole('button', {name: 'Send'}).click();
  await ended(page);
  const {messages, temperature, max_tokens: longest, ...rest} = server.bodies[0];
  assert.deepEqual([messages[0], temperature, longest], [{role: 'system', content: 'Be brief.'}, 0.7, 64]);
  assert.deepEqual(Object.keys(rest).sort(), ['model', 'stream', 'stream_options']);
  await page.reload();
  await page.getByRole('button', {name: 'Sampling, 3 changed'}).click();
  await page.getByRole('button', {name: 'Reset'}).click();
  await page.getByRole('button', {name: 'Sampling', exact: true}).waitFor();
  await close(page);
});

test('the end is kept in sight until the reader scrolls away', async () => {
  const {browser, server} = parts;
  const replies = byHand(server);
  const page = await browser.open(server.url);
  const list = page.getByRole('region', {name: 'Conversation'});
  const left = () =>
    list.evaluate(({scrollHeight, scrollTop, clientHeight}) => scrollHeight - scrollTop - clientHeight);
  await ask(page, 'Count');
  const reply = await replies.next();
  const write = async (first, last) => {
    for (let i = first; i <= last; ++i) reply.text(`Line ${i}.\n\n`);
    await answer(page).getByText(`Line ${last}.`, {exact: true}).waitFor();
  };
  await write(1, 60);
  assert.ok((await left()) < 2, `${await left()}`);
  await list.evaluate((element) => element.scrollTo(0, 100));
  const toEnd = page.getByRole('button', {name: 'To the end'});
  await toEnd.waitFor();
  await write(61, 120);
  assert.equal(await list.evaluate(({scrollTop}) => scrollTop), 100);
  await toEnd.click();
  await toEnd.waitFor({state: 'hidden'});
  await write(121, 130);
  assert.ok((await left()) < 2, `${await left()}`);
  reply.finish('length');
  await answer(page).getByText(/^cut:/).waitFor();
  await close(page);
});

test('only what has changed is drawn anew', async () => {
  const {browser, server} = parts;
  const replies = byHand(server);
  const page = await browser.open(server.url);
  await ask(page, 'Code');
  const reply = await replies.next();
  reply.text('Before.\n\n```c\nint a;\n');
  await answer(page).getByText('int a;').waitFor();
  const first = await answer(page).locator('.prose > div').first().elementHandle();
  const code = await answer(page).locator('code').elementHandle();
  reply.text('int b;\n```\n\nAfter.');
  await answer(page).getByText('After.').waitFor();
  assert.ok(await first.evaluate((element) => element.isConnected && element.innerText === 'Before.'));
  assert.ok(await code.evaluate((element) => element.isConnected && element.textContent === 'int a;\nint b;'));
  reply.finish();
  await ended(page);
  await close(page);
});

test('code and answers can be copied', async () => {
  const {browser, server} = parts;
  await browser.context.grantPermissions(['clipboard-read', 'clipboard-write'], {origin: server.url});
  const page = await browser.open(server.url);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await ask(page, 'A long one');
  await ended(page);
  await answer(page).getByRole('button', {name: 'Copy', exact: true}).click();
  await answer(page).getByText('Copied', {exact: true}).waitFor();
  assert.match(await clipboard(), /^planner --model .* nf4$/);
  await answer(page).getByRole('button', {name: 'Copy', exact: true}).waitFor();
  await answer(page).getByRole('button', {name: 'Copy the answer'}).click();
  await answer(page).getByText('Copied', {exact: true}).waitFor();
  assert.equal(await clipboard(), LONG);
  await close(page);
});
