// A coordinator's HTTP port without a cluster: the page as it is in the repository, and an API that a test steers, for states
// that are hard to reach on a live one. As a program it answers by what the question has in it:
//
//     node tests/page/mock_server.mjs [PORT]

import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {extname, join, normalize} from 'node:path';
import {fileURLToPath} from 'node:url';

import {answerByWords} from './answers.mjs';
import {demo} from './statuses.mjs';
import {answered, failed, running} from './traces.mjs';

export const PAGE = fileURLToPath(new URL('../../coordinator/page/', import.meta.url));
export const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '': 'text/plain; charset=utf-8',
};

// Those of the coordinator; live_test.mjs compares them.
export const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types dompurify",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
};

// The server's side of one streamed answer.
class Reply {
  constructor(response) {
    this.response = response;
    this.tokens = 0;
    // Resolves when the client has gone away before the end.
    this.aborted = new Promise((resolve) => {
      response.on('close', () => !response.writableEnded && resolve());
    });
  }

  event(json) {
    if (!this.response.headersSent) {
      this.response.writeHead(200, {'content-type': 'text/event-stream', 'cache-control': 'no-cache'});
    }
    this.response.write(`data: ${typeof json === 'string' ? json : JSON.stringify(json)}\n\n`);
  }

  chunk(choice) {
    this.event({id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'mock', ...choice});
  }

  text(content) {
    if (this.tokens++ === 0) this.chunk({choices: [{index: 0, delta: {role: 'assistant'}, finish_reason: null}]});
    this.chunk({choices: [{index: 0, delta: {content}, finish_reason: null}]});
  }

  finish(reason = 'stop') {
    this.chunk({choices: [{index: 0, delta: {}, finish_reason: reason}]});
    const usage = {prompt_tokens: 12, completion_tokens: this.tokens, total_tokens: 12 + this.tokens};
    this.chunk({choices: [], usage});
    this.event('[DONE]');
    this.response.end();
  }

  // As the coordinator ends an answer that failed: an event, and the connection is cut.
  error(message) {
    this.event({error: {message, type: 'unavailable_error', param: null, code: null}});
    this.response.end();
  }

  cut() {
    this.response.destroy();
  }

  refuse(status, message, headers = {}) {
    sendJson(this.response, status, {error: {message, type: 'mock', param: null, code: null}}, headers);
  }
}

function sendJson(response, status, json, headers = {}) {
  response.writeHead(status, {'content-type': 'application/json', ...headers});
  response.end(JSON.stringify(json));
}

export class MockServer {
  status = demo(); // what GET /api/status answers; undefined cuts the connection
  key = ''; // if not empty, what the API asks for
  answer = answerByWords; // (body, reply) -> nothing
  traces = [running(), answered(), failed()]; // of which GET /v1/traces leaves out the steps
  bodies = []; // of POST /v1/chat/completions

  async start(port = 0) {
    this.server = createServer((request, response) => this.#serve(request, response));
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}/`;
    return this;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #serve(request, response) {
    const {pathname} = new URL(request.url, this.url);
    if (pathname === '/' || pathname.startsWith('/page/')) return this.#file(pathname, response);
    if (this.key !== '' && request.headers.authorization !== `Bearer ${this.key}`) {
      return new Reply(response).refuse(401, 'no API key, or a wrong one');
    }
    if (pathname === '/v1/models')
      return sendJson(response, 200, {object: 'list', data: [{id: 'mock', object: 'model'}]});
    if (pathname === '/api/status') {
      if (this.status === undefined) return response.destroy();
      return sendJson(response, 200, this.status);
    }
    if (pathname.startsWith('/v1/traces')) return this.#trace(pathname, response);
    if (pathname !== '/v1/chat/completions' || request.method !== 'POST')
      return new Reply(response).refuse(404, 'no such path');
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    this.bodies.push(body);
    return this.answer(body, new Reply(response));
  }

  #trace(pathname, response) {
    const id = decodeURIComponent(pathname.slice('/v1/traces/'.length));
    const data = id
      ? this.traces.filter(({request_id}) => request_id === id)
      : this.traces.map(({steps, steps_before_gap, steps_left_out, ...trace}) => trace);
    if (id && data.length === 0) return new Reply(response).refuse(404, 'no such trace');
    return sendJson(response, 200, {object: 'list', data});
  }

  async #file(pathname, response) {
    const name = normalize(pathname === '/' ? 'index.html' : pathname.slice('/page/'.length));
    try {
      const bytes = await readFile(join(PAGE, name));
      response.writeHead(200, {'content-type': TYPES[extname(name)], ...PAGE_HEADERS});
      response.end(bytes);
    } catch {
      new Reply(response).refuse(404, `no ${pathname}`);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await new MockServer().start(Number(process.argv[2] ?? 8080));
  console.log(server.url);
}
