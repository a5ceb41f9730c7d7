// Components are written as html`<tag ...>`; a component that has a state or touches the DOM is a Component.

import htm from './vendor/htm/htm.mjs';
import {Component, createRef, h, render} from './vendor/preact/preact.mjs';

export const html = htm.bind(h);
export {Component, createRef, render};
