// The page: one line at the top, and the chat, the cluster or its requests.

import {access} from './access.mjs';
import {prepareAnnouncements} from './announcer.mjs';
import {Banner} from './banner.mjs';
import {Chat} from './chat.mjs';
import {ClusterView} from './cluster_view.mjs';
import {conversation} from './conversation.mjs';
import {conditionOf, Head} from './head.mjs';
import {Component, html, render} from './html.mjs';
import {KeyForm} from './key_form.mjs';
import {RequestsView} from './requests_view.mjs';
import {settings} from './settings.mjs';
import {cluster, watchCluster} from './status.mjs';
import {summarise} from './summary.mjs';

const TITLES = {chat: 'Chat', cluster: 'Cluster', requests: 'Requests'};

// {view, id}: the hash names the view and, of requests, the one that is selected.
function placeOf(hash) {
  const [view, id = ''] = hash.slice(1).split('/');
  if (!Object.hasOwn(TITLES, view)) return {view: 'chat', id: ''};
  try {
    return {view, id: decodeURIComponent(id)};
  } catch {
    return {view, id: ''}; // typed by hand
  }
}

class App extends Component {
  state = placeOf(location.hash);

  componentDidMount() {
    const redraw = () => this.setState({});
    for (const store of [access, cluster, conversation, settings]) store.watch(redraw);
    addEventListener('hashchange', () => {
      const before = this.state.view;
      const place = placeOf(location.hash);
      // Within a view, what was selected has the focus.
      this.setState(place, () => place.view !== before && document.getElementById('main').focus());
    });
    watchCluster();
  }

  render(_, {view, id}) {
    const {state} = cluster;
    if (state.status !== this.summarised) {
      this.summarised = state.status;
      this.summary = summarise(state.status);
    }
    const {summary} = this;
    const title = TITLES[view];
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
        ${view === 'requests' && html`<${RequestsView} id=${id} summary=${summary} />`}
      </main>
    `;
  }
}

prepareAnnouncements();
const root = document.getElementById('app');
root.replaceChildren();
render(html`<${App} />`, root);
