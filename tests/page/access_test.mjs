// For every reader: keyboard, screen reader, either theme, a phone, and no motion.

import assert from 'node:assert/strict';
import {test} from 'node:test';

import {byHand} from './answers.mjs';
import {ask, axeSource, close, DESKTOP, ended, PHONE} from './browser.mjs';
import {demo, loading, mixed} from './statuses.mjs';
import {suite} from './suite.mjs';

const parts = suite();
const focused = (page) =>
  page.evaluate(
    () =>
      document.activeElement.getAttribute('aria-label') ??
      (document.activeElement.textContent || document.activeElement.id),
  );

async function violations(page) {
  await page.evaluate(axeSource);
  const {violations} = await page.evaluate(() =>
    globalThis.axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}),
  );
  return violations.map(
    ({id, nodes}) => `${id}: ${nodes.map(({html, failureSummary}) => `${html} ${failureSummary}`).join('; ')}`,
  );
}

// Each state of the page in turn.
async function visit(page, server, look) {
  await page.getByText('ready', {exact: true}).waitFor();
  await look('empty');
  await ask(page, 'A long one');
  await ended(page);
  await look('answer');
  await ask(page, 'queue full');
  await ended(page);
  await page.getByRole('button', {name: 'Sampling'}).click();
  await page.getByLabel('Top k').fill('-1');
  await look('error and settings');
  await page.getByRole('link', {name: 'Cluster'}).click();
  await page.getByText(/\d now/).waitFor();
  await page.getByText('Device map').click();
  await look('cluster');
  await page.getByRole('link', {name: 'Requests'}).click();
  await page.getByRole('link', {name: 'lost'}).waitFor();
  await look('requests');
  await page.getByRole('link', {name: 'now/1'}).click();
  await page.getByRole('heading', {name: 'Request now/1'}).waitFor();
  await look('request');
  await page.getByRole('link', {name: 'Cluster'}).click();
  server.status = loading();
  await page.getByText(/^loading 43/).waitFor();
  await look('loading');
  server.key = 'sesame';
  await page.getByRole('form', {name: 'API key'}).waitFor();
  await look('key');
}

for (const theme of ['light', 'dark']) {
  for (const [name, size] of [
    ['desktop', DESKTOP],
    ['phone', PHONE],
  ]) {
    test(`labels, roles and contrast: ${theme}, ${name}`, async () => {
      const {browser, server} = parts;
      const page = await browser.open(server.url, {theme, size, expected: [/Failed to load resource/]});
      await visit(page, server, async (state) => assert.deepEqual(await violations(page), [], state));
      await close(page);
    });
  }
}

test('nothing is wider than a phone', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url, {size: {width: 320, height: 640}, expected: [/Failed to load resource/]});
  // The page draws a state a moment after it has its text.
  const fits = (state) =>
    page
      .waitForFunction(() => {
        const {scrollWidth, clientWidth} = document.scrollingElement;
        const lists = [...document.querySelectorAll('.transcript, .cluster')];
        return scrollWidth <= clientWidth && lists.every((list) => list.scrollWidth <= list.clientWidth);
      })
      .catch((error) => assert.fail(`${state}: ${error.message}`));
  server.answer = (_, reply) => {
    reply.text(`${'x'.repeat(300)}\n\n| ${'wide | '.repeat(20)}\n|${'-|'.repeat(20)}\n| ${'wide | '.repeat(20)}\n\n`);
    reply.text(
      `\`${'y'.repeat(300)}\`\n\n\`\`\`\n${'z'.repeat(300)}\n\`\`\`\n\n<https://example.com/${'u'.repeat(300)}>`,
    );
    reply.finish();
  };
  await ask(page, 'w'.repeat(300));
  await ended(page);
  await fits('answer');
  server.answer = (_, reply) => reply.refuse(400, 'e'.repeat(300));
  server.status = mixed();
  server.status.workers[0].name = server.status.stages[0].worker = 'n'.repeat(100);
  server.status.model = 'm'.repeat(200);
  await visit(page, server, fits);
  await close(page);
});

test('a keyboard is enough', async () => {
  const {browser, server} = parts;
  const replies = byHand(server);
  const page = await browser.open(server.url);
  await page.getByText('ready', {exact: true}).waitFor();
  const {keyboard} = page;
  const tabTo = async (name, key = 'Tab') => {
    for (let i = 0; i < 20 && (await focused(page)) !== name; ++i) await keyboard.press(key);
    assert.equal(await focused(page), name);
    assert.ok(await page.evaluate(() => document.activeElement.matches(':focus-visible')), name);
  };
  await keyboard.type('Hello');
  await keyboard.press('Enter');
  const reply = await replies.next();
  reply.text('Good day.\n\n```\ncode\n```\n\n');
  await page.getByText('Good day.').first().waitFor();
  await tabTo('Stop');
  await keyboard.press('Enter');
  await reply.aborted;
  assert.equal(await focused(page), 'message');
  await tabTo('Code', 'Shift+Tab');
  await tabTo('Conversation', 'Shift+Tab');
  await tabTo('Cluster', 'Shift+Tab');
  await keyboard.press('Enter');
  await page.getByRole('heading', {name: 'Where the layers are'}).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await tabTo('Stages, table');
  await tabTo('Skip to the content', 'Shift+Tab');
  await keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await tabTo('Theme', 'Shift+Tab');
  await keyboard.type('Dark');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await close(page);
});

test('an answer is read out block by block, and once', async () => {
  const {browser, server} = parts;
  const replies = byHand(server);
  const page = await browser.open(server.url);
  const log = page.locator('#announcements');
  const said = () => log.locator('p').allTextContents();
  assert.equal(await log.getAttribute('aria-live'), 'polite');
  await ask(page, 'Speak');
  const reply = await replies.next();
  reply.text('The first. It');
  await page.getByText('The first. It').first().waitFor();
  assert.deepEqual(await said(), ['Waiting for the answer.']);
  reply.text(' ends.\n\nThe *second*');
  await log.getByText('The first. It ends.').waitFor();
  reply.finish();
  await log.getByText('The answer is complete.').waitFor();
  assert.deepEqual(await said(), [
    'Waiting for the answer.',
    'The first. It ends.',
    'The second',
    'The answer is complete.',
  ]);
  await page.reload();
  await ended(page);
  assert.deepEqual(await said(), []);
  await close(page);
});

test('the theme is the system’s until one is chosen', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url, {theme: 'dark'});
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const [dark, light] = ['rgb(21, 24, 26)', 'rgb(250, 250, 248)'];
  assert.equal(await ground(), dark);
  await page.getByLabel('Theme').selectOption('Light');
  assert.equal(await ground(), light);
  await page.reload();
  assert.equal(await ground(), light);
  await page.getByLabel('Theme').selectOption('Dark');
  await page.emulateMedia({colorScheme: 'light'});
  assert.equal(await ground(), dark);
  await page.getByLabel('Theme').selectOption('System');
  assert.equal(await ground(), light);
  await close(page);
});

test('nothing moves for who asked so', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url);
  await ask(page, 'hold');
  await page.getByText('until it is stopped').first().waitFor();
  const moving = () => page.evaluate(() => document.getAnimations().length);
  assert.equal(await moving(), 0);
  await page.emulateMedia({reducedMotion: 'no-preference'});
  assert.equal(await moving(), 1);
  await close(page);
});

test('a window as low as one enlarged to 400 % can be scrolled', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url, {size: {width: 320, height: 256}});
  server.status = demo();
  await ask(page, 'A long one');
  await ended(page);
  const {height, shown} = await page.evaluate(() => ({
    height: document.scrollingElement.scrollHeight,
    shown: innerHeight,
  }));
  assert.ok(height > shown);
  await close(page);
});
