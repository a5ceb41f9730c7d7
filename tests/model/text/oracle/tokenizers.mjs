// Small tokenizers of every kind, configured as published families configure theirs. Vocabularies
// and merges come from the corpus by a plain trainer.

import {texts} from './corpus.mjs';

export const llama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const qwen2 = llama3.replace('{1,3}', '');
const gpt4o = [
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
  '\\p{N}{1,3}', ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*', '\\s*[\\r\\n]+', '\\s+(?!\\S)', '\\s+',
].join('|');
const deepseek3 =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const bloom = ' ?[^(\\s|[.,!?…。，、।۔،])]+';
const han = '[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}&&[^\\p{Han}]]+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+|\\s+';

const split = (expression, behavior = 'Isolated', invert = false) =>
    ({type: 'Split', pattern: {Regex: expression}, behavior, invert});
const splitAt = (text, behavior, invert = false) =>
    ({type: 'Split', pattern: {String: text}, behavior, invert});
const byteLevel = (add_prefix_space, use_regex) =>
    ({type: 'ByteLevel', add_prefix_space, trim_offsets: true, use_regex});
const steps = (...pretokenizers) => ({type: 'Sequence', pretokenizers});
const normalizers = (...normalizers) => ({type: 'Sequence', normalizers});
const decoders = (...decoders) => ({type: 'Sequence', decoders});
const replace = (pattern, content) => ({type: 'Replace', pattern, content});
const metaspace = (prepend_scheme, split) =>
    ({type: 'Metaspace', replacement: '▁', prepend_scheme, split});
const around = (before, after) => ({
  type: 'TemplateProcessing',
  single: [
    ...before.map(([id]) => ({SpecialToken: {id, type_id: 0}})),
    {Sequence: {id: 'A', type_id: 0}},
    ...after.map(([id]) => ({SpecialToken: {id, type_id: 0}})),
  ],
  pair: [{Sequence: {id: 'A', type_id: 0}}, {Sequence: {id: 'B', type_id: 1}}],
  special_tokens: Object.fromEntries(
      [...before, ...after].map(([id, number]) => [id, {id, ids: [number], tokens: [id]}])),
});
const added = (id, content, options = {}) => ({
  id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true,
  ...options,
});

const bytesToCharacters = (() => {
  const characters = [];
  let next = 256;
  for (let byte = 0; byte < 256; ++byte) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    characters.push(String.fromCodePoint(printable ? byte : next++));
  }
  return characters;
})();
const toByteLevel = (text) =>
    [...new TextEncoder().encode(text)].map((byte) => bytesToCharacters[byte]).join('');
const byteTokens = Array.from(
    {length: 256}, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);

// Merges of the most frequent pairs in words, the first in the order of strings where two are equal.
// `join` makes the token of two.
function trainMerges(words, count, join = (a, b) => a + b) {
  const merges = [];
  for (let i = 0; i < count; ++i) {
    const pairs = new Map();
    for (const word of words) {
      for (let j = 0; j + 1 < word.length; ++j) {
        const key = word[j] + '\0' + word[j + 1];
        pairs.set(key, (pairs.get(key) ?? 0) + 1);
      }
    }
    let best = null;
    for (const [key, times] of pairs) {
      if (best === null || times > best[1] || (times === best[1] && key < best[0])) {
        best = [key, times];
      }
    }
    if (best === null || best[1] < 2) break;
    const [left, right] = best[0].split('\0');
    merges.push([left, right]);
    for (const word of words) {
      for (let j = 0; j + 1 < word.length; ++j) {
        if (word[j] === left && word[j + 1] === right) word.splice(j, 2, join(left, right));
      }
    }
  }
  return merges;
}

function vocabulary(tokens) {
  return Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]));
}

function byteLevelModel(count, options = {}) {
  const words = texts.flatMap((text) => text.match(/ ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+/gu) ?? [])
                    .map((word) => [...toByteLevel(word)]);
  const merges = trainMerges(words, count);
  const vocab = vocabulary([...bytesToCharacters, ...merges.map(([a, b]) => a + b)]);
  return {type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null,
          end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false,
          vocab, merges, ...options};
}

// Characters that most texts have; the others fall back to bytes or are unknown.
const common = [...new Set(texts.slice(0, 22).join('').replaceAll(' ', '▁'))].filter(
    (c) => c > ' ' && !/\p{M}|\p{So}|[ሀ-፼Ꭰ-ᏼ]/u.test(c));

function sentencePieceBpe(count, options = {}) {
  const words = texts.map((text) => [...text.replaceAll(' ', '▁')].filter((c) => common.includes(c)));
  const merges = trainMerges(words, count);
  const vocab = vocabulary(
      ['<unk>', '<s>', '</s>', ...byteTokens, ...common, ...merges.map(([a, b]) => a + b)]);
  return {type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null,
          end_of_word_suffix: null, fuse_unk: true, byte_fallback: true, ignore_merges: false,
          vocab, merges, ...options};
}

// Characters and frequent parts of words; scores are log-probabilities, cut to four digits.
function unigram(options = {}, specials = ['<pad>', '</s>', '<unk>']) {
  const counts = new Map();
  for (const text of texts) {
    const characters = [...('▁' + text.replaceAll(' ', '▁'))];
    for (let i = 0; i < characters.length; ++i) {
      for (let n = 1; n <= 6 && i + n <= characters.length; ++n) {
        const part = characters.slice(i, i + n);
        if (part.lastIndexOf('▁') > 0 || !part.every((c) => common.includes(c))) break;
        counts.set(part.join(''), (counts.get(part.join('')) ?? 0) + 1);
      }
    }
  }
  const kept = [...counts].filter(([part, n]) => [...part].length === 1 || n > 2);
  const total = kept.reduce((sum, [, n]) => sum + n, 0);
  const vocab = kept.map(([part, n]) => [part, Math.round(1e4 * Math.log(n / total)) / 1e4]);
  const bytes = options.byte_fallback ? byteTokens.map((token) => [token, 0]) : [];
  return {type: 'Unigram', unk_id: specials.indexOf('<unk>'), byte_fallback: false,
          vocab: [...specials.map((token) => [token, 0]), ...bytes, ...vocab], ...options};
}

function wordPiece() {
  const words = texts.flatMap((text) => text.toLowerCase().normalize('NFD').replace(/\p{Mn}/gu, '')
                                            .match(/\p{L}+|\p{N}+|\p{P}/gu) ?? [])
                    .map((word) => [...word].map((c, i) => i === 0 ? c : '##' + c));
  const alphabet = words.flat().filter((c) => c !== '…');
  const merges = trainMerges(words, 200, (a, b) => a + b.slice(2));
  return {type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##',
          max_input_chars_per_word: 100,
          vocab: vocabulary(['[PAD]', '[UNK]', '[CLS]', '[SEP]', ...alphabet,
                             ...merges.map(([a, b]) => a + b.slice(2))])};
}

// GPT-1's: the last character of a word has a suffix.
function suffixBpe() {
  const words = texts.flatMap((text) => text.toLowerCase().match(/\S+/g) ?? [])
                    .map((word) => [...word]).map((word) => [...word.slice(0, -1), word.at(-1) + '</w>']);
  const alphabet = words.flat();
  const merges = trainMerges(words, 150);
  return {type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null,
          end_of_word_suffix: '</w>', fuse_unk: false, byte_fallback: false, ignore_merges: false,
          vocab: vocabulary(['<unk>', ...alphabet, ...merges.map(([a, b]) => a + b)]), merges};
}

// A prefix at all characters but the first.
function prefixBpe() {
  const words = texts.flatMap((text) => text.match(/\w+/g) ?? [])
                    .map((word) => [...word].map((c, i) => i === 0 ? c : '@@' + c));
  const alphabet = words.flat();
  const merges = trainMerges(words, 120, (a, b) => a + b.slice(2));
  return {type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: '@@',
          end_of_word_suffix: null, fuse_unk: true, byte_fallback: false, ignore_merges: false,
          vocab: vocabulary(['<unk>', ...alphabet, ...merges.map(([a, b]) => a + b.slice(2))]), merges};
}

function wordLevel() {
  const words = texts.slice(0, 40).flatMap((text) => text.match(/[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s]+/gu) ?? []);
  return {type: 'WordLevel', unk_token: '<unk>', vocab: vocabulary(['<unk>', '<s>', '</s>', ...words])};
}

const llamaDecoder = decoders(
    replace({String: '▁'}, ' '), {type: 'ByteFallback'}, {type: 'Fuse'},
    {type: 'Strip', content: ' ', start: 1, stop: 0});
const llamaTokens = [added(0, '<unk>'), added(1, '<s>'), added(2, '</s>')];

export const models = {
  byteLevel: byteLevelModel(400),
  sentencePiece: sentencePieceBpe(300),
  unigram: unigram(),
  unigramBytes: unigram({byte_fallback: true}, ['<unk>', '<s>', '</s>']),
  wordPiece: wordPiece(),
  suffixBpe: suffixBpe(),
  prefixBpe: prefixBpe(),
  wordLevel: wordLevel(),
};

const size = (model) => Array.isArray(model.vocab) ? model.vocab.length : Object.keys(model.vocab).length;
const n = size(models.byteLevel);
const chatTokens = [
  added(n, '<|endoftext|>'), added(n + 1, '<|im_start|>'), added(n + 2, '<|im_end|>'),
  added(n + 3, 'tool', {single_word: true, special: false, normalized: true}),
  added(n + 4, '<mask>', {lstrip: true}), added(n + 5, '<s>', {rstrip: true}),
];

// name: {model: a key of `models`, and the other members of tokenizer.json}.
export const tokenizers = {
  gpt2: {model: 'byteLevel', pre_tokenizer: byteLevel(false, true), decoder: byteLevel(true, true),
         post_processor: byteLevel(true, false), added_tokens: [added(n, '<|endoftext|>')]},
  roberta: {model: 'byteLevel', pre_tokenizer: byteLevel(true, true), decoder: byteLevel(true, true),
            post_processor: {type: 'RobertaProcessing', sep: ['<|im_end|>', n + 2], cls: ['<s>', n + 5],
                             trim_offsets: true, add_prefix_space: true}, added_tokens: chatTokens},
  llama3: {model: 'byteLevel', ignore_merges: true, added_tokens: chatTokens,
           pre_tokenizer: steps(split(llama3), byteLevel(false, false)), decoder: byteLevel(true, true),
           post_processor: {type: 'Sequence', processors: [byteLevel(true, false), around([['<s>', n + 5]], [])]}},
  qwen2: {model: 'byteLevel', normalizer: {type: 'NFC'}, added_tokens: chatTokens,
          pre_tokenizer: steps(split(qwen2), byteLevel(false, false)), decoder: byteLevel(false, false),
          post_processor: byteLevel(false, false)},
  gpt4o: {model: 'byteLevel', pre_tokenizer: steps(split(gpt4o), byteLevel(false, false)),
          decoder: byteLevel(true, true), added_tokens: chatTokens},
  deepseek: {model: 'byteLevel', added_tokens: chatTokens, normalizer: normalizers(),
             pre_tokenizer: steps(split('\\p{N}{1,3}'), split('[一-龥぀-ゟ゠-ヿ]+'), split(deepseek3),
                                  byteLevel(false, false)), decoder: byteLevel(true, true)},
  deepseekCoder: {model: 'byteLevel', added_tokens: chatTokens,
                  pre_tokenizer: steps(split('[\r\n]'), split('\\s?\\p{L}+'), split('\\s?\\p{P}+'),
                                       split('[一-龥ࠀ-一가-퟿]+'),
                                       {type: 'Digits', individual_digits: true}, byteLevel(false, false)),
                  decoder: byteLevel(true, true)},
  bloom: {model: 'byteLevel', added_tokens: chatTokens, decoder: byteLevel(true, false),
          pre_tokenizer: steps(split(bloom), byteLevel(false, false))},
  kimi: {model: 'byteLevel', pre_tokenizer: steps(split(han), byteLevel(false, false)), decoder: byteLevel(true, true)},
  falcon: {model: 'byteLevel', added_tokens: chatTokens, decoder: byteLevel(false, true),
           pre_tokenizer: steps({type: 'Punctuation', behavior: 'Contiguous'}, byteLevel(false, true),
                                {type: 'Digits', individual_digits: false}, split('[0-9][0-9][0-9]'))},
  starcoder: {model: 'byteLevel', added_tokens: chatTokens, decoder: byteLevel(true, true),
              pre_tokenizer: steps({type: 'Digits', individual_digits: true}, byteLevel(false, true))},
  neox: {model: 'byteLevel', normalizer: {type: 'NFC'}, pre_tokenizer: byteLevel(false, true),
         decoder: byteLevel(false, true),
         added_tokens: [added(n, '  ', {normalized: true, special: false}), added(n + 1, '    ', {normalized: true, special: false})]},
  commandR: {model: 'byteLevel', normalizer: {type: 'NFC'}, added_tokens: chatTokens, decoder: byteLevel(true, true),
             pre_tokenizer: steps({type: 'Digits', individual_digits: true}, byteLevel(false, true)),
             post_processor: around([['<s>', n + 5]], [['<|endoftext|>', n]])},
  byteLevelNormalizer: {model: 'byteLevel', normalizer: normalizers({type: 'NFKC'}, {type: 'ByteLevel'}),
                        decoder: byteLevel(true, true)},
  llama2: {model: 'sentencePiece', added_tokens: llamaTokens, decoder: llamaDecoder,
           normalizer: normalizers({type: 'Prepend', prepend: '▁'}, replace({String: ' '}, '▁')),
           post_processor: around([['<s>', 1]], [])},
  mistral: {model: 'sentencePiece', added_tokens: llamaTokens, decoder: llamaDecoder,
            pre_tokenizer: metaspace('first', false), post_processor: around([['<s>', 1]], [['</s>', 2]])},
  gemma: {model: 'sentencePiece', added_tokens: llamaTokens, normalizer: replace({String: ' '}, '▁'),
          pre_tokenizer: splitAt(' ', 'MergedWithPrevious'),
          decoder: decoders(replace({String: '▁'}, ' '), {type: 'ByteFallback'}, {type: 'Fuse'})},
  metaspaceNever: {model: 'sentencePiece', pre_tokenizer: metaspace('never', true), decoder: metaspace('never', true)},
  t5: {model: 'unigram', charsmap: true, pre_tokenizer: steps({type: 'WhitespaceSplit'}, metaspace('always', true)),
       decoder: metaspace('always', true), post_processor: around([], [['</s>', 1]]),
       added_tokens: [added(0, '<pad>'), added(1, '</s>'), added(2, '<unk>')]},
  xlnet: {model: 'unigram', pre_tokenizer: steps({type: 'WhitespaceSplit'}, metaspace('always', true)),
          normalizer: normalizers(replace({String: '``'}, '"'), {type: 'NFKD'}, {type: 'StripAccents'},
                                  {type: 'Lowercase'}, replace({Regex: ' {2,}'}, ' ')),
          decoder: metaspace('always', true)},
  albert: {model: 'unigram', normalizer: normalizers({type: 'Nmt'}, {type: 'NFKC'}, {type: 'Strip', strip_left: false, strip_right: true},
                                                     replace({Regex: ' {2,}'}, '▁')),
           pre_tokenizer: metaspace('first', true), decoder: metaspace('first', true),
           added_tokens: [added(2, '<unk>', {special: true}), added(0, '<pad>')]},
  internlm: {model: 'unigramBytes', added_tokens: llamaTokens, decoder: llamaDecoder,
             normalizer: normalizers({type: 'Prepend', prepend: '▁'}, replace({String: ' '}, '▁')),
             post_processor: around([['<s>', 1]], [])},
  bert: {model: 'wordPiece', pre_tokenizer: {type: 'BertPreTokenizer'}, decoder: {type: 'WordPiece', prefix: '##', cleanup: true},
         normalizer: {type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true},
         post_processor: {type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2]},
         added_tokens: [added(0, '[PAD]'), added(1, '[UNK]'), added(2, '[CLS]'), added(3, '[SEP]')]},
  bertCased: {model: 'wordPiece', pre_tokenizer: {type: 'BertPreTokenizer'}, decoder: {type: 'WordPiece', prefix: '##', cleanup: false},
              normalizer: {type: 'BertNormalizer', clean_text: false, handle_chinese_chars: false, strip_accents: true, lowercase: false}},
  gpt1: {model: 'suffixBpe', decoder: {type: 'BPEDecoder', suffix: '</w>'}, pre_tokenizer: {type: 'WhitespaceSplit'},
         normalizer: {type: 'Lowercase'}},
  prefixed: {model: 'prefixBpe', pre_tokenizer: {type: 'Whitespace'}, normalizer: {type: 'NFD'}},
  words: {model: 'wordLevel', pre_tokenizer: {type: 'Whitespace'}, decoder: null,
          normalizer: {type: 'Strip', strip_left: true, strip_right: true},
          added_tokens: [added(0, '<unk>'), added(1, '<s>', {normalized: true}), added(2, '</s>', {lstrip: true, rstrip: true})]},
  phi3: {model: 'sentencePiece', decoder: llamaDecoder, post_processor: around([], []),
         normalizer: normalizers({type: 'Prepend', prepend: '▁'}, replace({String: ' '}, '▁')),
         added_tokens: [added(0, '<unk>'), added(1, '<s>'), added(2, '</s>', {rstrip: true, special: false})]},
  nemo: {model: 'byteLevel', ignore_merges: true, added_tokens: chatTokens, decoder: byteLevel(true, true),
         pre_tokenizer: steps(split(gpt4o.replace('{1,3}', '')), byteLevel(false, false)),
         post_processor: around([['<s>', n + 5]], [['<|im_end|>', n + 2]])},
  dolly: {model: 'byteLevel', normalizer: {type: 'NFC'}, pre_tokenizer: byteLevel(true, true), decoder: byteLevel(true, true),
          added_tokens: [added(n, '<mask>', {lstrip: true, rstrip: true, normalized: true})]},
  pegasus: {model: 'unigram', charsmap: true, pre_tokenizer: metaspace('always', true), decoder: metaspace('always', true),
            post_processor: around([], [['</s>', 1]])},
  electra: {model: 'wordPiece', pre_tokenizer: {type: 'BertPreTokenizer'}, decoder: {type: 'WordPiece', prefix: '##', cleanup: true},
            normalizer: {type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: false, lowercase: true}},
  xlm: {model: 'suffixBpe', pre_tokenizer: {type: 'BertPreTokenizer'}, decoder: {type: 'BPEDecoder', suffix: '</w>'},
        normalizer: normalizers({type: 'NFKC'}, {type: 'Lowercase'}, {type: 'StripAccents'})},
  compatible: {model: 'wordLevel', normalizer: {type: 'NFKD'}, pre_tokenizer: {type: 'WhitespaceSplit'}},
  delimited: {model: 'wordLevel', pre_tokenizer: steps({type: 'CharDelimiterSplit', delimiter: ' '}, {type: 'Punctuation', behavior: 'Removed'})},
  ...Object.fromEntries(['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'].flatMap(
      (behavior) => [false, true].map((invert) => [`split${behavior}${invert ? 'Inverted' : ''}`, {
        model: 'sentencePiece', pre_tokenizer: steps(split('[ \\n]', behavior, invert), splitAt('a', behavior, invert)),
        decoder: {type: 'Fuse'}}]))),
  ...Object.fromEntries(['MergedWithPrevious', 'MergedWithNext'].map((behavior) => [`punctuation${behavior}`, {
    model: 'sentencePiece', pre_tokenizer: {type: 'Punctuation', behavior},
    decoder: decoders(replace({Regex: '[▁_]'}, ' '), {type: 'Strip', content: 'a', start: 0, stop: 1})}])),
};

// The whole tokenizer.json. `charsmap`, base64, is put in where it is asked for.
export function assemble(name, charsmap) {
  const {model, charsmap: wantsCharsmap, ignore_merges, ...rest} = tokenizers[name];
  const json = {version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null,
                pre_tokenizer: null, post_processor: null, decoder: null, ...rest,
                model: {...models[model], ...(ignore_merges === undefined ? {} : {ignore_merges})}};
  if (wantsCharsmap) json.normalizer = {type: 'Precompiled', precompiled_charsmap: charsmap};
  return json;
}
