// Renders the templates of tests/testdata/jinja/chats/ with @huggingface/jinja, a rewriting in
// JavaScript, and says where that differs from Jinja2. Writes nothing. --show prints both texts.

import {readFileSync} from 'node:fs';

import {Template} from '@huggingface/jinja';

const folder = new URL('../../../testdata/jinja/', import.meta.url);
const {now, chats, expected} = JSON.parse(readFileSync(new URL('chats.json', folder)));
const show = process.argv.includes('--show');

// The present is that of the test, in UTC.
process.env.TZ = 'UTC';
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...values) {
    super(...(values.length === 0 ? [1000 * now] : values));
  }
};

function render(template, chat) {
  try {
    return template().render(chat);
  } catch (error) {
    return {error: error.message};
  }
}

let equal = 0;
for (const [name, texts] of Object.entries(expected)) {
  const source = readFileSync(new URL(`chats/${name}.jinja`, folder), 'utf8');
  for (const [chat, text] of Object.entries(texts)) {
    const other = render(() => new Template(source), structuredClone(chats[chat]));
    if (typeof text === 'string' ? other === text : other.error !== undefined) {
      ++equal;
    } else {
      console.log(`${name}, ${chat}: @huggingface/jinja differs${other.error ? ': ' + other.error : ''}`);
      if (show) console.log(JSON.stringify(text), '\n' + JSON.stringify(other));
    }
  }
}
console.log(`${equal} equal`);
