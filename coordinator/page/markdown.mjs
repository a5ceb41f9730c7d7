// Markdown of a model's answer, which is hostile, as nodes of the page. Three barriers: HTML in the text is shown as text,
// what marked makes is reduced to the tags below, and the page's Content-Security-Policy runs nothing that came with it.

import DOMPurify from './vendor/dompurify/purify.es.mjs';
import {Marked} from './vendor/marked/marked.esm.js';

const ALLOWED_TAGS =
  'p br hr h3 h4 h5 h6 strong em del code pre ul ol li blockquote table thead tbody tr th td a'.split(' ');
const ALLOWED_ATTR = ['href', 'title', 'align', 'start', 'data-language'];

const escape = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const link = (href, title, content) =>
  `<a href="${escape(href)}"${title ? ` title="${escape(title)}"` : ''}>${content}</a>`;

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({text}) => escape(text),
    // A picture from elsewhere would tell its server what was answered, and when.
    image: ({href, title, text}) => link(href, title, escape(text || href)),
    // Below the headings of the page.
    heading({tokens, depth}) {
      const tag = `h${Math.min(6, depth + 2)}`;
      return `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`;
    },
    code: ({text, lang}) =>
      `<pre data-language="${escape((lang ?? '').split(/\s/, 1)[0])}"><code>${escape(text)}</code></pre>`,
    checkbox: ({checked}) => (checked ? '☑ ' : '☐ '),
  },
});

DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'A') return;
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer');
});

// The blocks (paragraphs, lists, code) that the text has so far, each {raw, token}; `raw` says whether one has changed.
export function blocksOf(text) {
  return marked
    .lexer(text)
    .filter(({type}) => type !== 'space' && type !== 'def')
    .map((token) => ({raw: token.raw, token}));
}

export function fragmentOf({token}) {
  return DOMPurify.sanitize(marked.parser([token]), {
    ALLOWED_TAGS,
    ALLOWED_ATTR,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    // Attributes that are no addresses are not held against the pattern of addresses.
    ADD_URI_SAFE_ATTR: ['align', 'start', 'title', 'data-language'],
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
    RETURN_DOM_FRAGMENT: true,
  });
}
