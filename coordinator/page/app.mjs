// The page: one line at the top, and the chat or the cluster.

import {access} from './access.mjs';
import {prepareAnnouncements} from './announcer.mjs';
import {Banner} from './banner.mjs';
import {Chat} from './chat.mjs';
import {ClusterView} from './cluster_view.mjs';
import {conversation} from './conversation.mjs';
import {conditionOf, Head} from './head.mjs';
import {Component, html, render} from './html.mjs';
import {KeyForm} from './key_form.mjs';
import {settings} from './settings.mjs';
import {cluster, watchCluster} from './status.mjs';
import {summarise} from './summary.mjs';

const viewOf = (hash) => (hash === '#cluster' ? 'cluster' : 'chat');

class App extends Component {
  state = {view: viewOf(location.hash)};

  componentDidMount() {
    const redraw = () => this.setState({});
    for (const store of [access, cluster, conversation, settings]) store.watch(redraw);
    addEventListener('hashchange', () => {
      this.setState({view: viewOf(location.hash)}, () => document.getElementById('main').focus());
    });
    watchCluster();
  }

  render(_, {view}) {
    const {state} = cluster;
    if (state.status !== this.summarised) {
      this.summarised = state.status;
      this.summary = summarise(state.status);
    }
    const {summary} = this;
    const title = view === 'cluster' ? 'Cluster' : 'Chat';
    document.title = summary ? `${title}: ${summary.name}, Gantry` : `${title}, Gantry`;
    return html`
      <${Head} view=${view} condition=${conditionOf(state, summary)} summary=${summary} />
      <div class="banners">
        ${access.state.needed && html`<${KeyForm} />`}
        <${Banner} cluster=${state} summary=${summary} />
      </div>
      <main id="main" tabindex="-1">
        <${Chat} hidden=${view !== 'chat'} summary=${summary} />
        ${view === 'cluster' && html`<${ClusterView} cluster=${state} summary=${summary} />`}
      </main>
    `;
  }
}

prepareAnnouncements();
const root = document.getElementById('app');
root.replaceChildren();
render(html`<${App} />`, root);
