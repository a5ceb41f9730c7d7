// The demo model through gRPC's own client for Node: the protocol as others speak it.

import assert from "node:assert/strict";
import { test } from "node:test";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

function load(path) {
  const options = { keepCase: true, longs: Number, enums: String, defaults: true };
  return grpc.loadPackageDefinition(loader.loadSync(path, options));
}
const connect = (Service) => new Service(process.env.ADDRESS, grpc.credentials.createInsecure());
const inference = connect(load(process.env.PROTO).gantry.v1.Inference);
const QUESTION = { chat: { messages: [{ role: "user", content: "How many bytes are in one gigabyte?" }] } };

// A unary call as a promise.
function ask(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

// All events of a call that streams.
function collect(call) {
  return new Promise((resolve, reject) => {
    const events = [];
    call.on("data", (event) => events.push(event));
    call.on("end", () => resolve(events));
    call.on("error", reject);
  });
}

test("Generate streams tokens and ends with a finish", async () => {
  const events = await collect(inference.Generate({ ...QUESTION, logprobs: true }));
  const { finish } = events.pop();
  const text = events.map((event) => event.token.text).join("") + finish.text;
  assert.equal(text, "One gigabyte (GB) is 1,000,000,000 bytes.");
  assert.equal(finish.reason, "FINISH_REASON_STOP");
  assert.equal(finish.completion_tokens, events.length);
  events.forEach((event, i) => assert.equal(event.token.index, i));
});

test("Generate says by which id its trace is found", async () => {
  const id = "grpc-js/1";
  const call = inference.Generate({ ...QUESTION, request_id: id });
  const metadata = new Promise((resolve) => call.once("metadata", resolve));
  await collect(call);
  assert.deepEqual((await metadata).get("gantry-request-id"), [id]);
  const { traces } = await ask(inference, "GetTraces", { request_id: id });
  assert.equal(traces[0].finished_reason, "stop");
  assert.equal(traces[0].prefill.stages.length, 2);
  const unknown = await ask(inference, "GetTraces", { request_id: "nobody" }).catch((error) => error);
  assert.equal(unknown.code, grpc.status.NOT_FOUND);
});

test("Score gives the log-probabilities that Generate had", async () => {
  const prompt = (await ask(inference, "Tokenize", QUESTION)).token_ids;
  const events = await collect(inference.Generate({ token_ids: { ids: prompt }, max_new_tokens: 3, logprobs: true }));
  const generated = events.slice(0, -1).map((event) => event.token);
  const ids = [...prompt, ...generated.map((token) => token.token_id)];
  const { tokens } = await ask(inference, "Score", { token_ids: { ids } });
  assert.deepEqual(
    tokens.map((token) => token.token_id),
    ids,
  );
  generated.forEach((token, i) => assert.ok(Math.abs(token.logprob - tokens[prompt.length + i].logprob) < 1e-4));
});

test("errors have the codes of the protocol", async () => {
  const request = { token_ids: { ids: [5] }, sampling: { temperature: -1 } };
  const refused = await collect(inference.Generate(request)).catch((error) => error);
  assert.equal(refused.code, grpc.status.INVALID_ARGUMENT);
  assert.match(refused.details, /temperature/);
});

test("a call that is cancelled ends as such", async () => {
  const call = inference.Generate({ token_ids: { ids: [5] }, min_new_tokens: 900, max_new_tokens: 900 });
  call.once("data", () => call.cancel());
  assert.equal((await collect(call).catch((error) => error)).code, grpc.status.CANCELLED);
});

test("health is served for the whole and for the service", async () => {
  const health = connect(load(new URL("health.proto", import.meta.url).pathname).grpc.health.v1.Health);
  for (const service of ["", "gantry.v1.Inference"]) {
    assert.equal((await ask(health, "Check", { service })).status, "SERVING");
  }
  const unknown = await ask(health, "Check", { service: "nothing" }).catch((error) => error);
  assert.equal(unknown.code, grpc.status.NOT_FOUND);
});

test("reflection lists the services", async () => {
  const path = new URL("reflection.proto", import.meta.url).pathname;
  const call = connect(load(path).grpc.reflection.v1alpha.ServerReflection).ServerReflectionInfo();
  const events = collect(call);
  call.write({ list_services: "*" });
  call.end();
  const names = (await events)[0].list_services_response.service.map((service) => service.name);
  for (const name of ["gantry.v1.Inference", "gantry.v1.Registry", "grpc.health.v1.Health"]) {
    assert.ok(names.includes(name), name);
  }
});
