// The chat: what was said, and where the next message is written.

import {announce} from './announcer.mjs';
import {Composer} from './composer.mjs';
import {answering, bringBack, conversation, startAnew, stop} from './conversation.mjs';
import {plural} from './format.mjs';
import {Component, createRef, html} from './html.mjs';
import {Message} from './message.mjs';

// Nearer to the end than this, in pixels, the reader wants to see what comes.
const NEAR = 48;

function Empty({summary, previous}) {
  const known = summary !== undefined && summary.name !== '';
  return html`
    <div class="empty">
      <h3>${known ? summary.name : 'Ask the model'}</h3>
      ${known && summary.context !== undefined && html`<p>A question and its answer may have ${plural(summary.context, 'token')} together.</p>`}
      <p>The conversation stays in this tab, and is gone when the tab is closed.</p>
      ${previous !== undefined && html`<button type="button" onClick=${bringBack}>Bring back the previous chat</button>`}
    </div>
  `;
}

export class Chat extends Component {
  list = createRef();
  pinned = true;
  state = {away: false};

  componentDidMount() {
    addEventListener('keydown', this.key);
    this.toEnd();
  }

  componentWillUnmount() {
    removeEventListener('keydown', this.key);
  }

  componentDidUpdate() {
    if (this.pinned) this.toEnd();
    this.tell();
  }

  key = (event) => {
    if (event.key !== 'Escape' || event.isComposing || this.props.hidden || !answering()) return;
    stop();
    document.getElementById('message').focus();
  };

  scrolled = () => {
    const {scrollHeight, scrollTop, clientHeight} = this.list.current;
    this.pinned = scrollHeight - scrollTop - clientHeight < NEAR;
    if (this.state.away === this.pinned) this.setState({away: !this.pinned});
  };

  toEnd = () => {
    this.pinned = true;
    const list = this.list.current;
    list.scrollTop = list.scrollHeight;
  };

  // Says in words what the answer's looks say.
  tell() {
    const {state, error} = conversation.state.messages.at(-1) ?? {};
    if (state === this.told) return;
    const before = this.told;
    this.told = state;
    if (state === 'waiting') announce('Waiting for the answer.');
    if (before !== 'waiting' && before !== 'streaming') return;
    if (state === 'done') announce('The answer is complete.');
    if (state === 'stopped') announce('The answer was stopped.');
    if (state === 'failed') announce(`No complete answer. ${error.message}`);
  }

  render({hidden, summary}, {away}) {
    const {messages, previous, kept} = conversation.state;
    const last = messages.length - 1;
    return html`
      <section class="chat" hidden=${hidden} aria-label="Chat">
        <h2 class="unseen">Chat</h2>
        <div class="transcript" ref=${this.list} onScroll=${this.scrolled} tabindex="0" role="region" aria-label="Conversation">
          <div class="column">
            ${messages.length === 0 && html`<${Empty} summary=${summary} previous=${previous} />`}
            ${messages.map(
              (message, i) =>
                html`<${Message} key=${message.id} message=${message} last=${i === last} name=${summary?.name} />`,
            )}
          </div>
        </div>
        <div class="column dock">
          ${away && html`<button type="button" class="to-end" onClick=${this.toEnd}>To the end</button>`}
          ${!kept && html`<p class="problem">This conversation is too long to survive a reload.</p>`}
          <${Composer} onSend=${() => (this.pinned = true)}>
            <button type="button" class="quiet" disabled=${messages.length === 0} onClick=${startAnew}>New chat</button>
          <//>
        </div>
      </section>
    `;
  }
}
