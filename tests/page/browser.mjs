// A Chromium for the tests, its pages, and what must not happen on any of them.

import assert from 'node:assert/strict';
import {mkdtemp, rm} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';

// The modules are in the build folder, where CMakeLists.txt has them installed.
const require = createRequire(resolve(process.env.GANTRY_NODE_MODULES, 'here.js'));
const {chromium} = require('playwright-core');
export const axeSource = require('axe-core').source;

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];
export const DESKTOP = {width: 1280, height: 800};
export const PHONE = {width: 360, height: 740};

export class Browser {
  async start() {
    this.folder = await mkdtemp(join(tmpdir(), 'gantry-page-'));
    this.context = await chromium.launchPersistentContext(this.folder, {
      executablePath: process.env.GANTRY_CHROMIUM ?? '/usr/bin/chromium',
      args: FLAGS,
      chromiumSandbox: false,
      viewport: DESKTOP,
      colorScheme: 'light',
      reducedMotion: 'reduce',
      timezoneId: 'UTC',
      locale: 'en-GB',
    });
    return this;
  }

  async stop() {
    await this.context.close();
    await rm(this.folder, {recursive: true, force: true, maxRetries: 5});
  }

  // A tab at `address`. What the page violates, throws or logs as an error is in `complaints`; `expected` are patterns of what
  // it may log.
  async open(address, {size = DESKTOP, theme = 'light', expected = []} = {}) {
    const {origin} = new URL(address);
    const page = await this.context.newPage();
    page.complaints = [];
    const complain = (text) => expected.some((pattern) => pattern.test(text)) || page.complaints.push(text);
    page.on('pageerror', (error) => complain(`thrown: ${error.stack}`));
    page.on(
      'console',
      (message) => ['error', 'warning'].includes(message.type()) && complain(`logged: ${message.text()}`),
    );
    page.on('request', (request) => {
      if (!request.url().startsWith(`${origin}/`)) complain(`a request to ${request.url()}`);
    });
    await page.exposeFunction('complainOfViolation', (text) => complain(`violated: ${text}`));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        window.complainOfViolation(`${event.violatedDirective} by ${event.blockedURI} ${event.sample}`);
      });
    });
    await page.setViewportSize(size);
    await page.emulateMedia({colorScheme: theme, reducedMotion: 'reduce'});
    await page.goto(address);
    return page;
  }
}

export async function close(page) {
  await page.close();
  assert.deepEqual(page.complaints, []);
}

export async function ask(page, question) {
  await page.getByLabel('Message', {exact: true}).fill(question);
  await page.getByRole('button', {name: 'Send'}).click();
}

// Resolves when the last answer has ended, however it did.
export const ended = (page) => page.getByRole('button', {name: 'Ask again'}).waitFor();
