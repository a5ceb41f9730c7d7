// Writes tests/testdata/tokenizers/kinds/: small tokenizers of every kind, and the ids and texts
// that the `tokenizers` library (Rust, by its npm package) makes of the corpus. Reports where
// @huggingface/tokenizers, a rewriting in JavaScript, differs from it. --show prints what differs.

import {mkdirSync, writeFileSync} from 'node:fs';

import {Tokenizer as Rewritten} from '@huggingface/tokenizers';
import {Tokenizer} from 'tokenizers';

import {charsmap} from './charsmap.mjs';
import {texts} from './corpus.mjs';
import {assemble, models, tokenizers} from './tokenizers.mjs';

const folder = new URL('../../../testdata/tokenizers/kinds/', import.meta.url);
const show = process.argv.includes('--show');
const map = charsmap(texts);

const results = {};
for (const name of Object.keys(tokenizers)) {
  const json = assemble(name, map);
  const library = Tokenizer.fromString(JSON.stringify(json));
  let rewritten = null;
  let differences = 0;
  try {
    rewritten = new Rewritten(structuredClone(json), {});
  } catch (error) {
    console.log(`${name}: @huggingface/tokenizers: ${error.message}`);
  }
  results[name] = [];
  // Cuts differ for short texts already; the ids of all texts would be much to keep.
  const some = /^(split|punctuation|delimited)/.test(name) ? texts.slice(0, 9) : texts;
  for (const text of some) {
    const ids = (await library.encode(text, null, {addSpecialTokens: false})).getIds();
    const special = (await library.encode(text)).getIds();
    const decoded = await library.decode(ids, false);
    const skipped = await library.decode(special, true);
    const entry = [ids];
    if (decoded !== text || skipped !== text) entry.push(decoded);
    if (skipped !== decoded) entry.push(skipped);
    results[name].push(entry);
    const at = JSON.stringify(special).indexOf(JSON.stringify(ids).slice(1, -1));
    if (at < 0) throw new Error(`${name}: special tokens within ${JSON.stringify(text)}`);
    if (rewritten === null) continue;
    let other;
    try {
      const otherIds = rewritten.encode(text, {add_special_tokens: false}).ids;
      other = {ids: otherIds, decoded: ids.length === 0 ? '' : rewritten.decode(ids, {skip_special_tokens: false, clean_up_tokenization_spaces: false})};
    } catch (error) {
      other = {error: error.message};
    }
    const difference = other.error ?? (JSON.stringify(other.ids) !== JSON.stringify(ids) ? 'ids' :
                                       other.decoded !== decoded ? 'text' : null);
    if (difference === null) continue;
    ++differences;
    if (show) console.log(`${name} ${difference} ${JSON.stringify(text)}\n  ${JSON.stringify([ids, decoded])}\n  ${JSON.stringify(other)}`);
  }
  const around = await Promise.all(['', 'a'].map(async (text) => (await library.encode(text)).getIds()));
  results[name].unshift(around);
  if (differences > 0) console.log(`${name}: @huggingface/tokenizers differs in ${differences} of ${some.length} texts`);
}

const lines = (object) => '{\n' + Object.entries(object).map(([name, value]) =>
    `${JSON.stringify(name)}: ${JSON.stringify(value)}`).join(',\n') + '\n}\n';
mkdirSync(folder, {recursive: true});
writeFileSync(new URL('models.json', folder), lines(models));
writeFileSync(new URL('tokenizers.json', folder), lines({charsmap: map, ...tokenizers}));
writeFileSync(new URL('cases.json', folder), lines({texts, ...results}));
