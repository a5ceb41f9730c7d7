// Tools, with a template that knows them.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const model = process.env.MODEL;
const tools = [{ type: "function", function: { name: "add", parameters: { type: "object", properties: {} } } }];
const user = { role: "user", content: "1+2? </s>" };

async function promptOf(request) {
  const headers = { authorization: `Bearer ${process.env.API_KEY}`, "content-type": "application/json" };
  const call = async (path, body) => {
    const url = new URL(path, process.env.BASE_URL);
    const reply = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    assert.equal(reply.status, 200);
    return reply.json();
  };
  return (await call("/detokenize", { tokens: (await call("/tokenize", request)).tokens })).prompt;
}

test("tools, calls and results reach the model as its template writes them", async () => {
  const call = { id: "c1", type: "function", function: { name: "add", arguments: '{"a": 1, "b": [2]}' } };
  const prompt = await promptOf({
    tools,
    messages: [
      user,
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "c1", content: "3" },
    ],
  });
  assert.match(prompt, /TOOLS \{"type": "function", "function": \{"name": "add"/);
  assert.match(prompt, /<tool_call>\{"name": "add", "arguments": \{"a": 1, "b": \[2\]\}\}<\/tool_call>/);
  assert.match(prompt, /tool: 3 \(c1\)/);
  assert.doesNotMatch(await promptOf({ tools, tool_choice: "none", messages: [user] }), /TOOLS/);
});

test("an answer with tools is an answer, streamed or not", async () => {
  const ask = (stream) => client.chat.completions.create({ model, messages: [user], tools, max_tokens: 5, stream });
  const answer = await ask(false);
  assert.equal(answer.choices[0].finish_reason, "length");
  let text = "";
  for await (const chunk of await ask(true)) text += chunk.choices[0].delta.content ?? "";
  assert.equal(text, answer.choices[0].message.content);
});

test("calls cannot be forced, and what the template cannot show is refused", async () => {
  const ask = (extra) =>
    client.chat.completions.create({ model, messages: [user], tools, ...extra }).catch((error) => error);
  assert.equal((await ask({ tool_choice: "required" })).param, "tool_choice");
  assert.equal((await ask({ parallel_tool_calls: false })).param, "parallel_tool_calls");
  assert.equal((await ask({ tools: [{ type: "function" }] })).param, "tools[0].function");
});
