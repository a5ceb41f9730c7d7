// Asks for the API key where the server wants one.

import {access, unlock} from './access.mjs';
import {Component, createRef, html} from './html.mjs';

export class KeyForm extends Component {
  field = createRef();

  componentDidMount() {
    this.field.current.focus();
  }

  submit = (event) => {
    event.preventDefault();
    const key = this.field.current.value;
    unlock(key);
    document.getElementById('message')?.focus();
  };

  render() {
    const {wrong} = access.state;
    return html`
      <form class="banner key" onSubmit=${this.submit} aria-label="API key">
        <label for="key">${wrong ? 'The server does not take this API key. Another:' : 'This server asks for an API key.'}</label>
        <input
          id="key" ref=${this.field} type="password" autocomplete="off" spellcheck="false" required
          pattern="[!-~]+" title="letters, digits and signs, without spaces"
          aria-invalid=${wrong} aria-describedby="key-hint"
        />
        <button type="submit" class="main">Use it</button>
        <p id="key-hint">It is kept until this tab is closed, and sent to this server only.</p>
      </form>
    `;
  }
}
