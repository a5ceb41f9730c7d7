// What the mock server answers unless a test says otherwise.

export const LONG = `## Where the bytes go

A model of **7 billion parameters** takes, by the scheme of its weights:

| scheme | bits a weight | weights |
|:--|--:|--:|
| fp16 | 16 | 14.0 GB |
| int8 | 8 | 7.0 GB |
| nf4 | 4.5 | 3.9 GB |

Three things come on top of that:

1. keys and values, which grow with the context,
2. the workspace of one step,
3. what the driver keeps for itself.

To see it for your own hardware, run

\`\`\`sh
planner --model meta-llama/Llama-3.1-8B --gpus 1x24GB --load_in_4bit --bnb_4bit_quant_type nf4
\`\`\`

> Bytes are upper bounds; speeds are predictions.

The planner needs no GPU and no weights, only \`config.json\`.`;

const pieces = (text) => text.match(/\s*\S+/g) ?? [];

function stream(text, reply) {
  for (const piece of pieces(text)) reply.text(piece);
  reply.finish();
}

export function answerByWords(body, reply) {
  const question = body.messages.at(-1).content;
  if (question.includes('queue full'))
    return reply.refuse(429, 'the queue of 256 requests is full', {'retry-after': '2'});
  if (question.includes('not ready'))
    return reply.refuse(503, 'no placement is in force: 1 of 2 workers have joined', {'retry-after': '1'});
  if (question.includes('hold')) return reply.text('This answer goes on until it is stopped.');
  if (question.includes('long')) return stream(LONG, reply);
  return stream(`You asked: ${question}`, reply);
}

// Answers that a test gives itself: `next()` is the reply to the next question.
export function byHand(server) {
  const asked = [];
  const awaited = [];
  server.answer = (_, reply) => (awaited.length > 0 ? awaited.shift()(reply) : asked.push(reply));
  return {
    next: () => (asked.length > 0 ? Promise.resolve(asked.shift()) : new Promise((resolve) => awaited.push(resolve))),
  };
}
