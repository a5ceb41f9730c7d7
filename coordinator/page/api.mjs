// Requests to the coordinator that served this page, and their errors.

import {readSession, writeSession} from './storage.mjs';

const MAX_ERROR_CHARACTERS = 2000;

// `status` is HTTP's, or 0 if there was no answer. `retryAfterS` is in seconds, or undefined.
export class ApiError extends Error {
  constructor(message, {status = 0, type = '', retryAfterS} = {}) {
    super(message);
    this.status = status;
    this.type = type;
    this.retryAfterS = retryAfterS;
  }
}

export const readKey = () => readSession('key') ?? '';
export const writeKey = (key) => writeSession('key', key || undefined);

// OpenAI's {"error": {"message", "type"}}, in a body or in an event of a stream.
export function errorOf(json, fallback, rest = {}) {
  const error = json?.error;
  const message = typeof error === 'string' ? error : error?.message;
  const text = typeof message === 'string' && message !== '' ? message : fallback;
  return new ApiError(text.slice(0, MAX_ERROR_CHARACTERS), {type: error?.type, ...rest});
}

async function failure(response) {
  let json;
  try {
    json = await response.json();
  } catch {
    // A proxy's page, or nothing: the status has to do.
  }
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  return errorOf(json, `The server answered ${response.status} ${response.statusText}`.trim(), {
    status: response.status,
    retryAfterS: seconds >= 0 ? seconds : undefined,
  });
}

// The response, whose status is 2xx. Throws ApiError, or the AbortError of `signal`.
export async function request(path, {body, signal} = {}) {
  const headers = {};
  const key = readKey();
  if (key !== '') headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: 'no-store',
      credentials: 'omit',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError('The coordinator does not answer. Is it running?');
  }
  if (!response.ok) throw await failure(response);
  return response;
}

export async function getJson(path, {signal} = {}) {
  const response = await request(path, {signal});
  try {
    return await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(`The answer to ${path} is no JSON. Is this a Gantry coordinator?`);
  }
}
