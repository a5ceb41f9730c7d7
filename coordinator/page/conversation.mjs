// The messages of the chat and the answer under way. They survive a reload of the page.

import {access, lock} from './access.mjs';
import {ApiError} from './api.mjs';
import {complete} from './completion.mjs';
import {samplingOf, settings} from './settings.mjs';
import {readSession, writeSession} from './storage.mjs';
import {Store} from './store.mjs';

// Tokens come faster than a screen shows them.
const REDRAW_MS = 40;
// In less time what came at once is no measure of the model.
const SHORTEST_MEASURE_MS = 10;

// A message is {id, role: 'user' | 'assistant', text} and of an answer `state` ('waiting', 'streaming', 'done', 'stopped',
// 'failed'), `finish`, `error` {message, status, retryAfterS} and `figures` {tokens, promptTokens, firstMs, tokensPerS}.
export const conversation = new Store({messages: restore(), previous: undefined, kept: true});

let aborter;
let leaving = false; // the page, which ends its requests
let nextId = conversation.state.messages.length;

function restore() {
  const kept = readSession('conversation');
  if (!Array.isArray(kept)) return [];
  return ended(kept.filter(({role, text}) => (role === 'user' || role === 'assistant') && typeof text === 'string'));
}

function inProgress({state}) {
  return state === 'waiting' || state === 'streaming';
}

// An answer that a reload or a new chat has cut is one that was stopped.
function ended(messages) {
  return messages.map((message, id) => ({...message, id, ...(inProgress(message) && {state: 'stopped'})}));
}

function save() {
  const {messages, kept} = conversation.state;
  const written = writeSession('conversation', messages.length > 0 ? messages : undefined);
  if (written !== kept) conversation.set({kept: written});
}

export const answering = () => conversation.state.messages.some(inProgress);

export function send(text) {
  const {messages} = conversation.state;
  conversation.set({messages: [...messages, {id: nextId++, role: 'user', text}], previous: undefined});
  answer();
}

// The last answer is forgotten and asked for again.
export function askAgain() {
  const {messages} = conversation.state;
  if (messages.at(-1)?.role !== 'assistant' || answering()) return;
  conversation.set({messages: messages.slice(0, -1)});
  answer();
}

export const stop = () => aborter?.abort();

export function startAnew() {
  stop();
  const {messages} = conversation.state;
  conversation.set({messages: [], previous: messages.length > 0 ? ended(messages) : undefined});
  save();
}

export function bringBack() {
  conversation.set({messages: conversation.state.previous, previous: undefined});
  save();
}

export function requestBody() {
  const {system} = settings.state;
  const messages = conversation.state.messages
    .filter(({text}) => text !== '')
    .map(({role, text}) => ({role, content: text}));
  if (system.trim() !== '') messages.unshift({role: 'system', content: system});
  return {messages, ...samplingOf(settings.state)};
}

async function answer() {
  const body = requestBody();
  const id = nextId++;
  conversation.set({messages: [...conversation.state.messages, {id, role: 'assistant', text: '', state: 'waiting'}]});
  save();
  const mine = new AbortController();
  aborter = mine;
  const change = (part) =>
    conversation.set({
      messages: conversation.state.messages.map((message) => (message.id === id ? {...message, ...part} : message)),
    });
  const started = performance.now();
  let text = '';
  let first;
  let timer;
  const show = () => {
    timer = undefined;
    change({text, state: 'streaming'});
  };
  const outcome = {state: 'done'};
  try {
    for await (const event of complete(body, mine.signal)) {
      if (event.text !== undefined) {
        first ??= performance.now();
        text += event.text;
        timer ??= setTimeout(show, REDRAW_MS);
      }
      if (event.finish !== undefined) outcome.finish = event.finish;
      if (event.usage !== undefined) outcome.figures = figuresOf(event.usage, started, first);
    }
  } catch (error) {
    Object.assign(outcome, mine.signal.aborted || leaving ? {state: 'stopped'} : failureOf(error));
  }
  clearTimeout(timer);
  if (aborter === mine) aborter = undefined;
  change({text, ...outcome});
  save();
}

function failureOf(error) {
  if (!(error instanceof ApiError)) console.error(error);
  if (error.status === 401) lock();
  return {state: 'failed', error: {message: error.message, status: error.status, retryAfterS: error.retryAfterS}};
}

function figuresOf(usage, started, first) {
  const now = performance.now();
  const tokens = usage.completion_tokens;
  const figures = {tokens, promptTokens: usage.prompt_tokens};
  if (first === undefined) return figures;
  figures.firstMs = first - started;
  if (tokens > 1 && now - first >= SHORTEST_MEASURE_MS) figures.tokensPerS = (1000 * (tokens - 1)) / (now - first);
  return figures;
}

// What failed for want of a key is asked again with it.
access.watch(({given}) => {
  const last = conversation.state.messages.at(-1);
  if (given > 0 && !access.state.needed && last?.error?.status === 401) askAgain();
});

addEventListener('pagehide', () => {
  leaving = true;
  save();
});
addEventListener('pageshow', () => {
  leaving = false;
});
