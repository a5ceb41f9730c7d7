// The modules of others are those that the manifest names, byte for byte, with their licences.

import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {readdir, readFile} from 'node:fs/promises';
import {basename} from 'node:path';
import {test} from 'node:test';

const VENDOR = new URL('../../coordinator/page/vendor/', import.meta.url);

test('vendored files are those of the manifest', async () => {
  const lines = (await readFile(new URL('manifest.txt', VENDOR), 'utf8'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const named = new Map();
  for (const line of lines) {
    const [hash, name, , file] = line.split(' ');
    const path = `${name}/${basename(file)}`;
    named.set(name, [...(named.get(name) ?? []), basename(file)]);
    const found = createHash('sha256')
      .update(await readFile(new URL(path, VENDOR)))
      .digest('hex');
    assert.equal(found, hash, path);
  }
  const folders = (await readdir(VENDOR, {withFileTypes: true}))
    .filter((entry) => entry.isDirectory())
    .map(({name}) => name);
  assert.deepEqual(folders.sort(), [...named.keys()].sort());
  for (const [name, files] of named) {
    assert.deepEqual((await readdir(new URL(`${name}/`, VENDOR))).sort(), files.sort());
    assert.ok(files.includes('LICENSE'), name);
  }
});
