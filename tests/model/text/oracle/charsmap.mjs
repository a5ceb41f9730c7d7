// A table of the form that sentencepiece compiles: NFKC for the characters of some texts, and white
// space and control characters as its nmt_nfkc has them.

const encoder = new TextEncoder();

function rules(texts) {
  const map = new Map([['\r\n', ' '], ['\u0301', '']]);
  for (let c = 1; c < 0xa0; ++c) {
    if (c < 32 || c >= 127) map.set(String.fromCodePoint(c), '');
  }
  for (const c of '\t\n\f\r\u00a0\u1680\u2009\u200b\u2028\u2029\u3000\ufeff\ufffd') map.set(c, ' ');
  for (const text of texts) {
    for (const c of text) {
      if (c.normalize('NFKC') !== c && !map.has(c)) map.set(c, c.normalize('NFKC'));
    }
    for (const {segment} of new Intl.Segmenter('und', {granularity: 'grapheme'}).segment(text)) {
      if (segment.normalize('NFKC') !== segment && !map.has(segment)) {
        map.set(segment, segment.normalize('NFKC'));
      }
    }
  }
  return map;
}

export function charsmap(texts) {
  const replacements = [];
  const root = {children: new Map()};
  for (const [from, to] of rules(texts)) {
    let node = root;
    for (const byte of encoder.encode(from)) {
      if (!node.children.has(byte)) node.children.set(byte, {children: new Map()});
      node = node.children.get(byte);
    }
    node.value = replacements.length;
    replacements.push(...encoder.encode(to), 0);
  }
  // The double array: a node's children lie at its base, each XOR its byte.
  const units = [0];
  const used = new Set([0]);
  const queue = [[root, 0]];
  let start = 1;
  for (const [node, at] of queue) {
    const labels = [...node.children.keys(), ...(node.value === undefined ? [] : [0])];
    if (labels.length === 0) continue;
    let base = start;
    while (labels.some((label) => used.has(base ^ label))) ++base;
    units[at] |= (at ^ base) << 10;
    if (node.value !== undefined) {
      units[at] |= 1 << 8;
      units[base] = 1 << 31 | node.value;
      used.add(base);
    }
    for (const [byte, child] of node.children) {
      used.add(base ^ byte);
      units[base ^ byte] = byte;
      queue.push([child, base ^ byte]);
    }
    while (used.has(start)) ++start;
  }
  const length = 256 * Math.ceil(units.length / 256);
  const bytes = Buffer.alloc(4 + 4 * length + replacements.length);
  bytes.writeUInt32LE(4 * length, 0);
  for (let i = 0; i < length; ++i) bytes.writeUInt32LE((units[i] ?? 0) >>> 0, 4 + 4 * i);
  Buffer.from(replacements).copy(bytes, 4 + 4 * length);
  return bytes.toString('base64');
}
