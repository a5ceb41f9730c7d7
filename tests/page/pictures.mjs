// Takes README's pictures of a cluster that has no API key, such as that of `deploy/demo.sh --serve`:
//
//     GANTRY_NODE_MODULES=build/tests/page node tests/page/pictures.mjs http://127.0.0.1:PORT/

import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

import {ask, Browser, ended} from './browser.mjs';

const OUTPUT = fileURLToPath(new URL('../../deploy/pictures/', import.meta.url));
const QUESTIONS = ['How many bytes are in one gigabyte?', 'How much memory does a 7B model need in nf4?'];

const browser = await new Browser().start();
try {
  const page = await browser.open(process.argv[2], {size: {width: 1120, height: 500}});
  for (const question of QUESTIONS) {
    await ask(page, question);
    await ended(page);
  }
  await page.screenshot({path: join(OUTPUT, 'chat.png')});
  await page.setViewportSize({width: 1120, height: 570});
  await page.emulateMedia({colorScheme: 'dark'});
  await page.getByRole('link', {name: 'Cluster'}).click();
  await page.getByText(/measured\. With several requests/).waitFor();
  await page.screenshot({path: join(OUTPUT, 'cluster.png')});
} finally {
  await browser.stop();
}
