// Answers of GET /v1/traces, in the shape of proto/message_json.h.

const stages = (seconds) => seconds.map(([queued_s, computed_s]) => ({queued_s, computed_s}));

function step(sent_s, tokens, step_tokens, transfer_s, seconds) {
  const sum = seconds.flat().reduce((a, b) => a + b, transfer_s);
  return {sent_s, seconds: sum, tokens, step_tokens, transfer_s, stages: stages(seconds)};
}

const phase = (seconds, idle_s, steps, transfer_s, parts) => ({
  seconds,
  idle_s,
  steps,
  steps_s: parts.flat().reduce((a, b) => a + b, transfer_s),
  transfer_s,
  stages: stages(parts),
});

// A request of three stages, with so many steps of a token.
export function answered(request_id = 'gen-7', tokens = 5) {
  const decode = Array.from({length: tokens}, (_, i) =>
    step(0.02 + 0.005 * i, 1, 3, 0.001, [[0.0005, 0.0005], [0, 0.001], [0, 0.002]]),
  );
  return {
    request_id,
    client: 'alice',
    arrived: 1_800_000_000,
    finished_reason: 'stop',
    error: '',
    n: 1,
    prompt_tokens: 40,
    shared_prompt_tokens: 16,
    completion_tokens: tokens + 1,
    preemptions: 0,
    recoveries: 0,
    queue_s: 0.005,
    prefill: phase(0.015, 0, 1, 0.002, [[0.001, 0.004], [0, 0.003], [0, 0.005]]),
    decode: phase(0.005 * tokens, 0.001, tokens, 0.001 * tokens, [
      [0.0005 * tokens, 0.0005 * tokens],
      [0, 0.001 * tokens],
      [0, 0.002 * tokens],
    ]),
    steps: [step(0.005, 24, 24, 0.002, [[0.001, 0.004], [0, 0.003], [0, 0.005]]), ...decode],
    steps_before_gap: tokens + 1,
    steps_left_out: 0,
  };
}

export function failed() {
  return {
    ...answered('lost', 2),
    client: '',
    finished_reason: 'error',
    error: 'worker cpu-1 with layers 2-3 was lost',
    n: 2,
    preemptions: 1,
    recoveries: 2,
  };
}

export function running() {
  const one = answered('now/1', 100);
  return {...one, finished_reason: null, steps_before_gap: 50, steps_left_out: 1234};
}
