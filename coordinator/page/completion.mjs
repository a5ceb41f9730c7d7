// One streamed answer of POST /v1/chat/completions.

import {ApiError, errorOf, getJson, request} from './api.mjs';
import {chunksOf, readEvents} from './events.mjs';

const CUT = 'The connection was cut before the answer was complete.';

// Yields {text}, {finish: 'stop' | 'length' | ...} and {usage: {prompt_tokens, completion_tokens}}. Throws ApiError, or the
// AbortError of `signal`; an aborted request ends on the server, too.
export async function* complete(body, signal) {
  const models = await getJson('/v1/models', {signal});
  const model = models?.data?.[0]?.id;
  if (typeof model !== 'string') throw new ApiError('The server has no model.');
  const options = {model, stream: true, stream_options: {include_usage: true}};
  const response = await request('/v1/chat/completions', {body: {...body, ...options}, signal});
  const events = readEvents(chunksOf(response.body));
  for (;;) {
    let next;
    try {
      next = await events.next();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(CUT);
    }
    if (next.done) throw new ApiError(CUT);
    if (next.value === '[DONE]') {
      await events.return();
      return;
    }
    yield* readChunk(next.value);
  }
}

function* readChunk(data) {
  let chunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new ApiError('The server sent an event that is no JSON.');
  }
  if (chunk?.error !== undefined) throw errorOf(chunk, 'The server ended the answer with an error.');
  const choice = chunk?.choices?.[0];
  const text = choice?.delta?.content;
  if (typeof text === 'string' && text !== '') yield {text};
  if (typeof choice?.finish_reason === 'string') yield {finish: choice.finish_reason};
  if (chunk?.usage) yield {usage: chunk.usage};
}
