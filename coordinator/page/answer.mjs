// An answer while it grows: only blocks that changed are drawn anew, so that a long one stays cheap, keeps what the reader
// has selected, and is read out block by block.

import {announce} from './announcer.mjs';
import {copyFrom} from './clipboard.mjs';
import {Component, createRef, html} from './html.mjs';
import {blocksOf, fragmentOf} from './markdown.mjs';

function button(label, onClick) {
  const element = document.createElement('button');
  element.type = 'button';
  element.className = 'quiet';
  element.textContent = label;
  element.addEventListener('click', () => onClick(element));
  return element;
}

// Adds the language and a copy button. What scrolls can be reached by keyboard.
function frameCode(pre) {
  const frame = document.createElement('figure');
  frame.className = 'code';
  const caption = document.createElement('figcaption');
  const language = document.createElement('span');
  language.textContent = pre.dataset.language || 'text';
  caption.append(
    language,
    button('Copy', (element) => copyFrom(element, pre.textContent)),
  );
  pre.replaceWith(frame);
  frame.append(caption, pre);
  scrollable(pre, 'Code');
}

function frameTable(table) {
  const frame = document.createElement('div');
  frame.className = 'scroll';
  table.replaceWith(frame);
  frame.append(table);
  scrollable(frame, 'Table');
}

function scrollable(element, name) {
  element.tabIndex = 0;
  element.setAttribute('role', 'region');
  element.setAttribute('aria-label', name);
}

function draw(element, block) {
  const code = block.token.type === 'code' && element.querySelector(':scope > figure.code code');
  if (code) {
    code.textContent = block.token.text;
    return;
  }
  element.replaceChildren(fragmentOf(block));
  element.querySelectorAll('pre').forEach(frameCode);
  element.querySelectorAll('table').forEach(frameTable);
}

// The element's text as it is read out.
function spoken(element) {
  const copy = element.cloneNode(true);
  copy.querySelectorAll('figcaption').forEach((caption) => caption.remove());
  return copy.textContent;
}

export class Answer extends Component {
  root = createRef();
  drawn = []; // raw text of each child
  announced = 0;

  shouldComponentUpdate({text, growing}) {
    return text !== this.props.text || growing !== this.props.growing;
  }

  componentDidMount() {
    this.draw();
    // What was there when the page was loaded is not news.
    if (!this.props.growing) this.announced = this.drawn.length;
  }

  componentDidUpdate() {
    this.draw();
    this.announce();
  }

  draw() {
    const root = this.root.current;
    const blocks = blocksOf(this.props.text);
    blocks.forEach((block, i) => {
      if (this.drawn[i] === block.raw) return;
      if (root.children[i] === undefined) root.append(document.createElement('div'));
      draw(root.children[i], block);
    });
    while (root.childElementCount > blocks.length) root.lastElementChild.remove();
    this.drawn = blocks.map(({raw}) => raw);
  }

  announce() {
    const complete = this.props.growing ? this.drawn.length - 1 : this.drawn.length;
    for (; this.announced < complete; ++this.announced) announce(spoken(this.root.current.children[this.announced]));
  }

  render({growing}) {
    return html`<div class=${growing ? 'prose growing' : 'prose'} ref=${this.root}></div>`;
  }
}
