// The page as a coordinator serves it, on the cluster at GANTRY_PAGE_URL, which asks for the key GANTRY_PAGE_KEY.
// tests/integration/page_test.py starts that.

import assert from 'node:assert/strict';
import {readdir, readFile} from 'node:fs/promises';
import {relative, join} from 'node:path';
import {after, before, test} from 'node:test';

import {ask, axeSource, Browser, close, ended} from './browser.mjs';
import {PAGE, PAGE_HEADERS, TYPES} from './mock_server.mjs';

const url = process.env.GANTRY_PAGE_URL;
const key = process.env.GANTRY_PAGE_KEY;
const browser = new Browser();
before(() => browser.start());
after(() => browser.stop());

async function files(folder) {
  const entries = await readdir(folder, {withFileTypes: true, recursive: false});
  const lists = entries.map((entry) =>
    entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)],
  );
  return (await Promise.all(lists)).flat();
}

test('each file is served as it is, to whoever asks, and not twice', async () => {
  const names = (await files(PAGE)).map((path) => relative(PAGE, path));
  const served = names.filter((name) => /\.(html|css|js|mjs|svg)$|LICENSE$/.test(name));
  assert.ok(served.length > 30);
  for (const name of served) {
    const address = new URL(name === 'index.html' ? '/' : `/page/${name}`, url);
    const response = await fetch(address);
    assert.equal(response.status, 200, name);
    for (const [header, value] of Object.entries(PAGE_HEADERS)) assert.equal(response.headers.get(header), value, name);
    const extension = name.endsWith('LICENSE') ? '' : name.slice(name.lastIndexOf('.'));
    assert.equal(response.headers.get('content-type'), TYPES[extension], name);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), await readFile(join(PAGE, name)), name);
    const again = await fetch(address, {headers: {'if-none-match': response.headers.get('etag')}});
    assert.equal(again.status, 304, name);
  }
  assert.equal((await fetch(new URL('/page/vendor/manifest.txt', url))).ok, false);
});

test('a model answers on the page, and the cluster is as it is', async () => {
  const page = await browser.open(url, {expected: [/status of 401/]});
  const field = page.getByRole('form', {name: 'API key'}).getByRole('textbox');
  await field.fill(key);
  await page.keyboard.press('Enter');
  await page.getByText('ready', {exact: true}).waitFor();
  await ask(page, 'How many bytes are in one gigabyte?');
  await ended(page);
  const answer = page.getByRole('article', {name: 'Answer'});
  await answer.getByText('1,000,000,000').waitFor();
  await answer.getByText(/^\d+ tokens$/).waitFor();
  await answer.getByText(/tokens\/s$/).waitFor();
  await page.getByRole('button', {name: 'Sampling'}).click();
  await page.getByLabel('Longest answer').fill('3');
  await ask(page, 'And in one terabyte?');
  await answer.nth(1).getByText('3 tokens', {exact: true}).waitFor();
  await answer.nth(1).getByText(/^cut:/).waitFor();
  await page.getByRole('link', {name: 'Cluster'}).click();
  await page.locator('.stage').nth(2).waitFor();
  await page.getByText('limits', {exact: true}).waitFor();
  await page.getByText(/measured\. With several requests/).waitFor();
  for (const worker of ['cpu-0', 'cpu-1', 'cpu-2']) await page.getByRole('heading', {name: worker}).waitFor();
  await page.getByRole('link', {name: 'Requests'}).click();
  await page.getByRole('link', {name: /^gen-/}).first().click();
  await page.getByText(/^length; .* 3 generated; of tester/).waitFor();
  await page.getByRole('rowheader', {name: 'Stage 2, cpu-2: computes'}).waitFor();
  await page.evaluate(axeSource);
  const {violations} = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(violations, []);
  await close(page);
});

test('what the coordinator refuses is said in its words', async () => {
  const page = await browser.open(url, {expected: [/status of 40/]});
  await page.getByRole('form', {name: 'API key'}).getByRole('textbox').fill(key);
  await page.keyboard.press('Enter');
  await page.getByText('ready', {exact: true}).waitFor();
  await ask(page, 'many words '.repeat(1000));
  await ended(page);
  await page.locator('.failure').getByText(/1024/).waitFor();
  await close(page);
});
