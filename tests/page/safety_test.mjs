// Nothing that a model, a worker's name or an error says is ever more than text.

import assert from 'node:assert/strict';
import {createServer} from 'node:http';
import {test} from 'node:test';

import {ask, close, ended} from './browser.mjs';
import {PAGE_HEADERS} from './mock_server.mjs';
import {suite} from './suite.mjs';

const parts = suite();

const ATTACKS = [
  '<script>hacked = 1</script>',
  '<img src=x onerror="hacked = 1">',
  '<img src="http://127.0.0.1:9/leak">',
  '![leak](http://127.0.0.1:9/leak?q=secret)',
  '[click](javascript:hacked=1)',
  '[click](JaVaScRiPt&colon;hacked=1)',
  '[click](  data:text/html,<script>hacked=1</script>)',
  '<javascript:hacked=1>',
  '[a]: javascript:hacked=1\n\n[a]',
  '<svg onload="hacked=1"><a xlink:href="javascript:hacked=1">x</a></svg>',
  '<math><mtext></mtext><mglyph><style><!--</style><img title="--><img src onerror=hacked=1>">',
  '<iframe srcdoc="<script>parent.hacked=1</script>"></iframe>',
  '<form action="http://127.0.0.1:9/"><input name="key"><button>Send</button></form>',
  '<style>* { display: none }</style><link rel="stylesheet" href="http://127.0.0.1:9/x.css">',
  '<div style="position: fixed; inset: 0" id="app">over all</div>',
  '<meta http-equiv="refresh" content="0; url=http://127.0.0.1:9/">',
  '<base href="http://127.0.0.1:9/">',
  '```html"><img src=x onerror=hacked=1>\n</code></pre><img src=x onerror=hacked=1>\n```',
  '`<img src=x onerror=hacked=1>`',
  '[x](https://example.com "\\" onmouseover=hacked=1 \\"")',
  '[x](https://example.com/"onmouseover="hacked=1)',
  '| <img src=x onerror=hacked=1> |\n|---|\n| <script>hacked=1</script> |',
  '- [x] <input autofocus onfocus=hacked=1>',
];

// What the answers have in them that they should not.
function found() {
  const allowed = new Set(
    'DIV P BR HR H3 H4 H5 H6 STRONG EM DEL CODE PRE UL OL LI BLOCKQUOTE TABLE THEAD TBODY TR TH TD A FIGURE FIGCAPTION SPAN BUTTON'.split(
      ' ',
    ),
  );
  const problems = [];
  for (const element of document.querySelectorAll('.prose *')) {
    if (!allowed.has(element.tagName)) problems.push(element.tagName);
    for (const {name, value} of element.attributes) {
      const fine = [
        'class',
        'role',
        'tabindex',
        'type',
        'aria-label',
        'align',
        'start',
        'title',
        'target',
        'rel',
        'data-language',
      ];
      if (name === 'href' ? !/^(https?|mailto):/.test(value) : !fine.includes(name))
        problems.push(`${element.tagName} ${name}=${value}`);
    }
    if (element.tagName === 'A' && element.rel !== 'noopener noreferrer') problems.push(`A rel=${element.rel}`);
  }
  return problems;
}

test('what a model says runs nothing and fetches nothing', async () => {
  const {browser, server} = parts;
  const page = await browser.open(server.url);
  for (const attack of ATTACKS) {
    server.answer = (_, reply) => {
      for (const piece of attack.match(/[^]{1,7}/g)) reply.text(piece);
      reply.finish();
    };
    await ask(page, attack);
    await ended(page);
    assert.deepEqual(await page.evaluate(found), [], attack);
  }
  assert.equal(await page.getByText('<script>hacked = 1</script>').count(), 2, 'HTML is shown as the text it is');
  for (const link of await page.locator('.prose a').all()) await link.hover();
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  await page.reload();
  assert.deepEqual(await page.evaluate(found), []);
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  await close(page);
});

test('links lead out without a trace', async () => {
  const {browser, server} = parts;
  server.answer = (_, reply) => {
    reply.text('[one](https://example.com) ![two](https://example.com/two.png) <mail@example.com>');
    reply.finish();
  };
  const page = await browser.open(server.url);
  await ask(page, 'Links');
  await ended(page);
  assert.deepEqual(
    await page
      .locator('.prose a')
      .evaluateAll((links) => links.map(({href, target, rel, textContent}) => [href, target, rel, textContent])),
    [
      ['https://example.com/', '_blank', 'noopener noreferrer', 'one'],
      ['https://example.com/two.png', '_blank', 'noopener noreferrer', 'two'],
      ['mailto:mail@example.com', '_blank', 'noopener noreferrer', 'mail@example.com'],
    ],
  );
  await close(page);
});

test('names and errors are text, too', async () => {
  const {browser, server} = parts;
  const evil = '<img src=x onerror=hacked=1>';
  server.status.model = evil;
  server.status.reason = evil;
  server.status.ready = false;
  server.status.workers[0].name = server.status.stages[0].worker = evil;
  server.status.workers[0].description = evil;
  server.status.stages[0].modules[0] = evil;
  server.answer = (_, reply) => reply.refuse(400, evil);
  const page = await browser.open(server.url, {expected: [/Failed to load resource/]});
  await ask(page, evil);
  await page.locator('.failure').getByText(evil).waitFor();
  await page.getByRole('link', {name: 'Cluster'}).click();
  await page.getByRole('heading', {name: evil}).waitFor();
  assert.equal(await page.locator('#app img').count(), 0);
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  await close(page);
});

test('the policy forbids what would get past that', async () => {
  const {browser, server} = parts;
  const response = await fetch(server.url);
  for (const [name, value] of Object.entries(PAGE_HEADERS)) assert.equal(response.headers.get(name), value);
  const page = await browser.open(server.url, {expected: [/violate/i, /TrustedHTML|TrustedScript/]});
  // Later, for what a test's own call evaluates is let pass.
  const tried = await page.evaluate(
    () =>
      new Promise((resolve) =>
        setTimeout(() => {
          const errors = [];
          const attempt = (action) => {
            try {
              action();
            } catch (error) {
              errors.push(error.name);
            }
          };
          const add = (tag, change) => {
            const element = document.createElement(tag);
            change(element);
            document.body.append(element);
          };
          attempt(() => add('script', (script) => (script.textContent = 'hacked = 1')));
          attempt(() => add('div', (div) => (div.innerHTML = '<img src=x onerror="hacked = 1">')));
          attempt(() => setTimeout('hacked = 1'));
          attempt(() => new Function('hacked = 1')());
          add('style', (style) => (style.textContent = 'body { outline: 7px solid red }'));
          resolve(errors);
        }),
      ),
  );
  assert.deepEqual(tried, ['TypeError', 'TypeError', 'TypeError', 'EvalError']);
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).outlineWidth === '7px'), false);
  await close(page);
});

test('no other page may frame it', async () => {
  const {browser, server} = parts;
  const other = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<iframe src="${server.url}"></iframe>`);
  });
  await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
  const page = await browser.context.newPage();
  const refused = page.waitForEvent(
    'console',
    ({text}) =>
      () =>
        /frame-ancestors/.test(text()),
  );
  await page.goto(`http://127.0.0.1:${other.address().port}/`);
  await refused;
  assert.match(page.frames()[1].url(), /^chrome-error:/);
  await page.close();
  other.closeAllConnections();
  await new Promise((resolve) => other.close(resolve));
});
