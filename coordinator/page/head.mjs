// The line at the top: what is served, how it is, where to go.

import {percent} from './format.mjs';
import {html} from './html.mjs';
import {readTheme, writeTheme} from './storage.mjs';

// {kind, text}: kind is 'good', 'busy' or 'bad'.
export function conditionOf({phase, status}, summary) {
  if (phase === 'connecting') return {kind: 'busy', text: 'connecting'};
  if (phase === 'locked') return {kind: 'bad', text: 'locked'};
  if (phase === 'lost') return {kind: 'bad', text: status === undefined ? 'not reachable' : 'reconnecting'};
  if (summary.ready) return {kind: 'good', text: 'ready'};
  if (summary.stages.length > 0 && summary.loaded < 1)
    return {kind: 'busy', text: `loading ${percent(summary.loaded)}`};
  return {kind: 'busy', text: 'not ready'};
}

function chooseTheme(event) {
  const theme = event.currentTarget.value;
  writeTheme(theme);
  if (theme === 'auto') {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = theme;
  }
  dispatchEvent(new Event('theme'));
}

const THEMES = [
  ['auto', 'System'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

function ThemeChoice() {
  const theme = readTheme();
  return html`
    <select class="theme" aria-label="Theme" onChange=${chooseTheme}>
      ${THEMES.map(([value, name]) => html`<option value=${value} selected=${value === theme}>${name}</option>`)}
    </select>
  `;
}

function skip(event) {
  event.preventDefault();
  document.getElementById('main').focus();
}

const View = ({name, href, current}) => html`<a href=${href} aria-current=${current ? 'page' : undefined}>${name}</a>`;

export function Head({view, condition, summary}) {
  return html`
    <header class="head">
      <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
      <h1>Gantry</h1>
      <p class="model" title=${summary?.model}>${summary?.name}</p>
      <p class="condition ${condition.kind}">${condition.text}</p>
      <nav aria-label="Views">
        <${View} name="Chat" href="#chat" current=${view === 'chat'} />
        <${View} name="Cluster" href="#cluster" current=${view === 'cluster'} />
        <${View} name="Requests" href="#requests" current=${view === 'requests'} />
      </nav>
      <${ThemeChoice} />
    </header>
  `;
}
