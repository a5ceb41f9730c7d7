// The demo model through OpenAI's own client: what applications do every day.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const model = process.env.MODEL;
const messages = [{ role: "user", content: "How many bytes are in one gigabyte?" }];
const ANSWER = "One gigabyte (GB) is 1,000,000,000 bytes.";

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("expected an error");
}

test("models are listed and retrieved", async () => {
  const list = [];
  for await (const one of client.models.list()) list.push(one.id);
  assert.deepEqual(list, [model]);
  assert.equal((await client.models.retrieve(model)).id, model);
});

test("a chat is answered", async () => {
  const answer = await client.chat.completions.create({ model, messages });
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.model, model);
  assert.equal(answer.choices[0].message.role, "assistant");
  assert.equal(answer.choices[0].message.content, ANSWER);
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.match(answer._request_id, /^gen-/);
  const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
  assert.ok(prompt_tokens > 0 && completion_tokens > 0);
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
});

test("a stream has the role first, the reason last, and then the usage", async () => {
  const chunks = await collect(
    await client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } }),
  );
  assert.deepEqual(chunks[0].choices[0].delta, { role: "assistant", content: "" });
  const usage = chunks.pop();
  assert.deepEqual(usage.choices, []);
  assert.ok(usage.usage.completion_tokens > 0);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  for (const chunk of chunks.slice(0, -1)) assert.equal(chunk.choices[0].finish_reason, null);
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), ANSWER);
  for (const field of ["id", "created", "model"]) {
    assert.equal(new Set([...chunks, usage].map((chunk) => chunk[field])).size, 1, field);
  }
});

test("the client's own stream helper puts the message together", async () => {
  const stream = client.chat.completions.stream({ model, messages });
  assert.equal((await stream.finalChatCompletion()).choices[0].message.content, ANSWER);
});

test("content may be parts, and max_completion_tokens ends it", async () => {
  const parts = [{ role: "user", content: [{ type: "text", text: messages[0].content }] }];
  const answer = await client.chat.completions.create({ model, messages: parts, max_completion_tokens: 3 });
  assert.equal(answer.choices[0].finish_reason, "length");
  assert.equal(answer.usage.completion_tokens, 3);
  assert.ok(ANSWER.startsWith(answer.choices[0].message.content));
});

test("stop strings end the text before them, streamed or not", async () => {
  for (const stop of ["is", ["never said", "is"]]) {
    const answer = await client.chat.completions.create({ model, messages, stop });
    assert.equal(answer.choices[0].message.content, "One gigabyte (GB) ");
    assert.equal(answer.choices[0].finish_reason, "stop");
    const chunks = await collect(await client.chat.completions.create({ model, messages, stop, stream: true }));
    assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), "One gigabyte (GB) ");
  }
});

test("n choices have seeds of their own, and a seed gives them again", async () => {
  const ask = (extra) =>
    client.chat.completions.create({ model, messages, n: 4, temperature: 3, seed: 11, max_tokens: 12, ...extra });
  const texts = (answer) => answer.choices.map((choice) => choice.message.content);
  const first = await ask({});
  assert.deepEqual(
    first.choices.map((choice) => choice.index),
    [0, 1, 2, 3],
  );
  assert.ok(new Set(texts(first)).size > 1);
  assert.deepEqual(texts(await ask({})), texts(first));
  assert.equal(first.usage.completion_tokens > 4, true);

  const streamed = ["", "", "", ""];
  for await (const chunk of await ask({ stream: true })) {
    streamed[chunk.choices[0].index] += chunk.choices[0].delta.content ?? "";
  }
  assert.deepEqual(streamed, texts(first));
});

test("logprobs of a chat join to its text", async () => {
  const request = { model, messages, logprobs: true, top_logprobs: 2, max_tokens: 5 };
  const answer = await client.chat.completions.create(request);
  const { content } = answer.choices[0].logprobs;
  assert.equal(content.length, 5);
  assert.equal(content.map((one) => one.token).join(""), answer.choices[0].message.content);
  for (const one of content) {
    assert.ok(one.logprob <= 0);
    assert.equal(one.top_logprobs.length, 2);
    assert.equal(one.top_logprobs[0].token, one.token);
    assert.equal(Buffer.from(one.bytes).toString(), one.token);
  }
  const chunks = await collect(await client.chat.completions.create({ ...request, stream: true }));
  const streamed = chunks.flatMap((chunk) => chunk.choices[0].logprobs?.content ?? []);
  assert.deepEqual(
    streamed.map((one) => one.logprob),
    content.map((one) => one.logprob),
  );
});

test("text completions: strings, lists, tokens, logprobs", async () => {
  const one = await client.completions.create({ model, prompt: "How many", max_tokens: 4, logprobs: 1 });
  assert.equal(one.object, "text_completion");
  const { tokens, token_logprobs, top_logprobs, text_offset } = one.choices[0].logprobs;
  assert.equal(tokens.join("").trim(), one.choices[0].text.trim());
  assert.equal(token_logprobs.length, 4);
  assert.equal(Object.keys(top_logprobs[0]).length, 1);
  assert.deepEqual(text_offset.slice(0, 2), [0, tokens[0].length]);

  const two = await client.completions.create({ model, prompt: ["How many", "One"], max_tokens: 4 });
  assert.equal(two.choices[0].text, one.choices[0].text);
  assert.equal(two.choices.length, 2);

  const url = new URL("/tokenize", process.env.BASE_URL);
  const headers = { authorization: `Bearer ${process.env.API_KEY}`, "content-type": "application/json" };
  const reply = await fetch(url, { method: "POST", headers, body: JSON.stringify({ prompt: "How many" }) });
  const ids = (await reply.json()).tokens;
  const [list, lists] = await Promise.all([
    client.completions.create({ model, prompt: ids, max_tokens: 4 }),
    client.completions.create({ model, prompt: [ids, ids], max_tokens: 4 }),
  ]);
  assert.equal(list.choices[0].text, one.choices[0].text);
  assert.equal(lists.choices[1].text, one.choices[0].text);

  const stream = await client.completions.create({ model, prompt: "How many", max_tokens: 4, stream: true });
  const chunks = await collect(stream);
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), one.choices[0].text);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
});

test("answers have the form that response_format says, streamed or not", async () => {
  const schema = {
    type: "object",
    properties: {
      unit: { enum: ["GB", "GiB"] },
      bytes: { type: "integer", minimum: 1, maximum: 99 },
      note: { type: "string", maxLength: 8 },
    },
    required: ["unit", "bytes", "note"],
    additionalProperties: false,
  };
  const response_format = { type: "json_schema", json_schema: { name: "size", strict: true, schema } };
  const check = (text) => {
    const { unit, bytes, note, ...more } = JSON.parse(text);
    assert.ok(schema.properties.unit.enum.includes(unit), text);
    assert.ok(Number.isInteger(bytes) && bytes >= 1 && bytes <= 99, text);
    assert.ok([...note].length <= 8, text);
    assert.deepEqual(more, {});
  };
  const ask = (extra) => client.chat.completions.create({ model, messages, max_tokens: 200, ...extra });
  const sampled = { response_format, n: 4, temperature: 2, seed: 5 };
  const answer = await ask(sampled);
  for (const choice of answer.choices) {
    assert.equal(choice.finish_reason, "stop");
    check(choice.message.content);
  }
  const streamed = ["", "", "", ""];
  for await (const chunk of await ask({ ...sampled, stream: true })) {
    streamed[chunk.choices[0].index] += chunk.choices[0].delta.content ?? "";
  }
  assert.deepEqual(
    streamed,
    answer.choices.map((choice) => choice.message.content),
  );
  const parsed = await client.chat.completions.parse({ model, messages, response_format });
  check(JSON.stringify(parsed.choices[0].message.parsed));

  const objects = await ask({ ...sampled, n: 8, response_format: { type: "json_object" } });
  const ended = objects.choices.filter((choice) => choice.finish_reason === "stop");
  assert.ok(ended.length > 0);
  for (const { message } of ended) assert.match(JSON.stringify(JSON.parse(message.content)), /^\{.*\}$/);
  const cut = await ask({ response_format, max_tokens: 3 });
  assert.equal(cut.choices[0].finish_reason, "length");
});

test("answers have the form that vLLM's fields say", async () => {
  const schema = { type: "array", items: { type: "integer", minimum: 0, maximum: 9 }, minItems: 2, maxItems: 2 };
  for (const [extra, form] of [
    [{ guided_regex: "(yes|no), [0-9]{2}" }, /^(yes|no), [0-9]{2}$/],
    [{ structured_outputs: { regex: "[é€]{3}" } }, /^[é€]{3}$/],
    [{ guided_json: schema }, /^\[\s*[0-9],\s*[0-9]\s*\]$/],
    [{ structured_outputs: { json: JSON.stringify(schema) } }, /^\[\s*[0-9],\s*[0-9]\s*\]$/],
  ]) {
    const answer = await client.completions.create({ model, prompt: "One", max_tokens: 100, ...extra });
    assert.match(answer.choices[0].text, form);
    assert.equal(answer.choices[0].finish_reason, "stop");
  }
  const error = await failure(
    client.chat.completions.create({ model, messages, guided_regex: "a", ignore_eos: true }),
  );
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.equal(error.param, "ignore_eos");
});

test("errors have the class, type, param and code that applications look at", async () => {
  const ask = (extra) => failure(client.chat.completions.create({ model, messages, ...extra }));
  const missing = await ask({ model: "gpt-nothing" });
  assert.ok(missing instanceof OpenAI.NotFoundError);
  assert.equal(missing.code, "model_not_found");
  for (const [field, value] of [
    ["temperature", -1],
    ["temperature", "hot"],
    ["top_p", 0],
    ["n", 0],
    ["max_tokens", 2 ** 31],
    ["top_logprobs", 2],
    ["response_format", { type: "json_schema", json_schema: { name: "n", schema: { not: {} } } }],
    ["guided_regex", "("],
    ["guided_choice", ["a", "b"]],
    ["logit_bias", { x: 1 }],
    ["messages", []],
    ["tools", [{ type: "function", function: { name: "f" } }]],
  ]) {
    const error = await ask({ [field]: value });
    assert.ok(error instanceof OpenAI.BadRequestError, field);
    assert.equal(error.type, "invalid_request_error");
    assert.equal(error.param, field);
  }
  const long = await ask({ messages: [{ role: "user", content: "word ".repeat(5000) }] });
  assert.equal(long.status, 400);
  assert.equal(long.param, "messages");
  assert.match(long.message, /context of 1024/);
  const stranger = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "wrong", maxRetries: 0 });
  assert.ok((await failure(stranger.models.list())) instanceof OpenAI.AuthenticationError);
});
