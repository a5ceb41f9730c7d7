// Where a message is written. Enter sends, Shift+Enter starts a line, Escape stops the answer.

import {answering, send, stop} from './conversation.mjs';
import {Component, createRef, html} from './html.mjs';
import {SamplingPanel} from './sampling_panel.mjs';
import {changed, firstProblem, settings} from './settings.mjs';
import {readSession, writeSession} from './storage.mjs';

export class Composer extends Component {
  field = createRef();
  state = {text: readSession('draft') ?? '', open: false};

  componentDidMount() {
    this.fit();
    this.field.current.focus({preventScroll: true});
  }

  write = (event) => {
    const text = event.currentTarget.value;
    this.setState({text});
    writeSession('draft', text || undefined);
    this.fit();
  };

  // As high as its text, within what the style allows.
  fit() {
    const field = this.field.current;
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight + 2}px`;
  }

  key = (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit(event);
    }
  };

  submit = (event) => {
    event.preventDefault();
    const {text} = this.state;
    if (text.trim() === '' || answering()) return;
    const problem = firstProblem(settings.state);
    if (problem !== undefined) {
      this.setState({open: true}, () => document.getElementById(`setting-${problem.name}`).focus());
      return;
    }
    writeSession('draft', undefined);
    this.setState({text: ''}, () => this.fit());
    this.props.onSend();
    send(text);
  };

  stop = () => {
    stop();
    this.field.current.focus();
  };

  render(_, {text, open}) {
    const busy = answering();
    const different = changed(settings.state);
    return html`
      <form class="composer" onSubmit=${this.submit} aria-label="New message">
        ${open && html`<${SamplingPanel} />`}
        <div class="field">
          <label class="unseen" for="message">Message</label>
          <textarea
            id="message" ref=${this.field} rows="1" placeholder="Ask the model" value=${text}
            onInput=${this.write} onKeyDown=${this.key} aria-describedby="keys" enterkeyhint="send"
          ></textarea>
          ${
            busy
              ? html`<button key="stop" type="button" class="main" onClick=${this.stop} aria-keyshortcuts="Escape">Stop</button>`
              : html`<button key="send" type="submit" class="main" disabled=${text.trim() === ''}>Send</button>`
          }
        </div>
        <div class="below">
          <button
            type="button" class="quiet" aria-expanded=${open} aria-controls="sampling"
            onClick=${() => this.setState({open: !open})}
          >
            Sampling${different > 0 ? `, ${different} changed` : ''}
          </button>
          <p id="keys">Enter sends, Shift+Enter starts a line, Esc stops</p>
          ${this.props.children}
        </div>
      </form>
    `;
  }
}
