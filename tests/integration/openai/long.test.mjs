// Answers that last: a client that stops in the middle, and a queue that is full.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const model = process.env.MODEL;
const LONG = { model, prompt: "a", max_tokens: 20000, min_tokens: 20000, stream: true };
let hits = [];
const client = new OpenAI({
  baseURL: process.env.BASE_URL,
  apiKey: process.env.API_KEY,
  maxRetries: 0,
  fetch: async (...call) => {
    const reply = await fetch(...call);
    hits.push(reply.status);
    return reply;
  },
});

async function counters() {
  const headers = { authorization: `Bearer ${process.env.API_KEY}` };
  const reply = await fetch(new URL("/api/status", process.env.BASE_URL), { headers });
  return (await reply.json()).counters;
}

// Polls, for the server gives no other sign.
async function until(condition) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const now = await counters();
    if (condition(now)) return now;
    assert.ok(Date.now() < deadline, `not within a minute: ${JSON.stringify(now)}`);
  }
}
const idle = (now) => now.requests_running + now.requests_waiting + now.steps_in_flight + now.kv_blocks_used === 0;

async function begin() {
  const stream = await client.completions.create(LONG);
  const iterator = stream[Symbol.asyncIterator]();
  await iterator.next();
  return stream;
}

test("a stream that is aborted stops the work within a step", async () => {
  const stream = await begin();
  const before = await counters();
  assert.equal(before.requests_running, 1);
  stream.controller.abort();
  const after = await until(idle);
  assert.equal(after.requests_cancelled, before.requests_cancelled + 1);
  assert.ok(after.generated_tokens < 20000);
  assert.equal((await counters()).generated_tokens, after.generated_tokens);
});

test("a request without a stream is cancelled when its client times out", async () => {
  const before = await counters();
  const error = await client.completions.create({ ...LONG, stream: false }, { timeout: 300 }).catch((e) => e);
  assert.ok(error instanceof OpenAI.APIConnectionTimeoutError);
  const after = await until(idle);
  assert.equal(after.requests_cancelled, before.requests_cancelled + 1);
});

test("a full queue answers 429, and the client's retry succeeds once there is room", async () => {
  const running = await begin();
  const waiting = client.completions.create(LONG);
  await until((now) => now.requests_waiting === 1);
  hits = [];
  const refused = await client.completions.create({ ...LONG, stream: false }).catch((e) => e);
  assert.ok(refused instanceof OpenAI.RateLimitError);
  assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  assert.deepEqual(hits, [429]);

  const retried = client.completions.create({ model, prompt: "a", max_tokens: 1 }, { maxRetries: 2 });
  await until(() => hits.length === 2);
  running.controller.abort();
  (await waiting).controller.abort();
  assert.equal((await retried).choices[0].finish_reason, "length");
  assert.deepEqual(hits.slice(0, 2), [429, 429]);
  assert.equal(hits.at(-1), 200);
  await until(idle);
});
