// What a request asks of sampling. Fields that are empty are not sent, so that the model's own generation_config.json holds.

import {Store} from './store.mjs';
import {readSession, writeSession} from './storage.mjs';

// `above` is a bound that is not itself allowed. Bounds are those of proto/inference.proto.
export const FIELDS = [
  {name: 'temperature', label: 'Temperature', min: 0, max: 100, step: 0.1, hint: '0 takes the likeliest token'},
  {name: 'top_p', label: 'Top p', above: 0, max: 1, step: 0.05, hint: 'the likeliest tokens with this share'},
  {name: 'top_k', label: 'Top k', min: 0, whole: true, step: 1, hint: 'that many tokens; 0 for all'},
  {name: 'min_p', label: 'Min p', min: 0, max: 1, step: 0.05, hint: 'of the likeliest token’s share'},
  {name: 'repetition_penalty', label: 'Repetition penalty', above: 0, max: 100, step: 0.05, hint: '1 is none'},
  {name: 'max_tokens', label: 'Longest answer', min: 1, whole: true, step: 1, hint: 'in tokens'},
  {name: 'seed', label: 'Seed', min: 0, whole: true, step: 1, hint: 'the same seed draws the same tokens'},
];

const EMPTY = {system: '', ...Object.fromEntries(FIELDS.map(({name}) => [name, '']))};

export const settings = new Store({...EMPTY, ...readSession('settings')});
settings.watch((state) => writeSession('settings', state));

export const resetSettings = () => settings.set(EMPTY);

// Why the text is no value of the field, or ''.
export function problemOf(field, text) {
  if (text.trim() === '') return '';
  const value = Number(text);
  if (!Number.isFinite(value)) return 'not a number';
  if (field.whole && !Number.isSafeInteger(value)) return 'a whole number, please';
  if (field.min !== undefined && value < field.min) return `at least ${field.min}`;
  if (field.above !== undefined && value <= field.above) return `more than ${field.above}`;
  if (field.max !== undefined && value > field.max) return `at most ${field.max}`;
  return '';
}

export const firstProblem = (state) => FIELDS.find((field) => problemOf(field, String(state[field.name])) !== '');

// The fields of a request.
export function samplingOf(state) {
  const sampling = {};
  for (const field of FIELDS) {
    const text = String(state[field.name]);
    if (text.trim() !== '' && problemOf(field, text) === '') sampling[field.name] = Number(text);
  }
  return sampling;
}

// How many fields differ from the model's.
export const changed = (state) => Object.values(state).filter((text) => String(text).trim() !== '').length;
