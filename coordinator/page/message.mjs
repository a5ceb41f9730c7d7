// One message of the chat, and what is known of an answer.

import {Answer} from './answer.mjs';
import {copyFrom} from './clipboard.mjs';
import {askAgain} from './conversation.mjs';
import {count, milliseconds, plural, rate} from './format.mjs';
import {Component, html} from './html.mjs';

const FINISH = {
  length: 'cut: the longest answer or the context was reached',
  content_filter: 'cut by a filter',
  tool_calls: 'the model wants to call a tool',
};

function Figures({figures, finish, state}) {
  const parts = [];
  if (figures !== undefined) {
    parts.push(plural(figures.tokens, 'token'));
    if (figures.tokensPerS !== undefined) parts.push(`${rate(figures.tokensPerS)} tokens/s`);
    if (figures.firstMs !== undefined) parts.push(`first after ${milliseconds(figures.firstMs)}`);
    if (figures.promptTokens !== undefined) parts.push(`prompt ${count(figures.promptTokens)}`);
  }
  if (state === 'stopped') parts.push('stopped');
  if (FINISH[finish] !== undefined) parts.push(FINISH[finish]);
  return parts.map((part) => html`<span>${part}</span>`);
}

const HINTS = {
  0: 'What has come so far is kept.',
  429: 'The queue is full.',
  503: 'The cluster is not ready.',
};

function Failure({error}) {
  const wait = error.retryAfterS > 0 ? `It suggests to wait ${plural(error.retryAfterS, 'second')}.` : '';
  const hint = [HINTS[error.status], wait].filter(Boolean).join(' ');
  return html`
    <div class="failure">
      <p><strong>No complete answer.</strong> ${error.message}</p>
      ${hint !== '' && html`<p>${hint}</p>`}
    </div>
  `;
}

const CopyButton = ({text}) => html`
  <button
    type="button" class="quiet" aria-label="Copy the answer"
    onClick=${(event) => copyFrom(event.currentTarget, text)}
  >Copy</button>
`;

function Foot({message, last}) {
  return html`
    <footer>
      <p class="figures"><${Figures} ...${message} /></p>
      ${message.text !== '' && html`<${CopyButton} text=${message.text} />`}
      ${last && html`<button type="button" class="quiet" onClick=${askAgain}>Ask again</button>`}
    </footer>
  `;
}

class AssistantMessage extends Component {
  shouldComponentUpdate({message, last, name}) {
    return message !== this.props.message || last !== this.props.last || name !== this.props.name;
  }

  render({message, last, name}) {
    const {text, state, error} = message;
    const growing = state === 'waiting' || state === 'streaming';
    return html`
      <article class="message assistant" aria-label="Answer" aria-busy=${growing}>
        <h3>${name || 'Answer'}</h3>
        ${state === 'waiting' && html`<p class="waiting">Waiting for the first token.</p>`}
        <${Answer} text=${text} growing=${growing} />
        ${state === 'failed' && html`<${Failure} error=${error} />`}
        ${!growing && html`<${Foot} message=${message} last=${last} />`}
      </article>
    `;
  }
}

export function Message({message, last, name}) {
  if (message.role === 'assistant') return html`<${AssistantMessage} message=${message} last=${last} name=${name} />`;
  return html`
    <article class="message user" aria-label="Question">
      <h3>You</h3>
      <p class="question">${message.text}</p>
    </article>
  `;
}
