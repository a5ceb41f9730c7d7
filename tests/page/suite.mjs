// What the browser tests have in common: one Chromium and one mock server a file, whose state each test finds anew.

import {after, before, beforeEach} from 'node:test';

import {answerByWords} from './answers.mjs';
import {Browser} from './browser.mjs';
import {MockServer} from './mock_server.mjs';
import {demo} from './statuses.mjs';
import {answered, failed, running} from './traces.mjs';

export function suite() {
  const parts = {browser: new Browser(), server: new MockServer()};
  before(async () => {
    await parts.server.start();
    await parts.browser.start();
  });
  after(async () => {
    await parts.browser.stop();
    await parts.server.stop();
  });
  beforeEach(() => {
    const traces = [running(), answered(), failed()];
    Object.assign(parts.server, {status: demo(), key: '', answer: answerByWords, bodies: [], traces});
  });
  return parts;
}
