// The settings of sampling, above the message field.

import {html} from './html.mjs';
import {changed, FIELDS, problemOf, resetSettings, settings} from './settings.mjs';

function Field({field, text}) {
  const {name, label, hint, step} = field;
  const problem = problemOf(field, text);
  const id = `setting-${name}`;
  return html`
    <div class="setting">
      <label for=${id}>${label}</label>
      <input
        id=${id} type="text" inputmode=${step < 1 ? 'decimal' : 'numeric'} autocomplete="off" placeholder="model’s"
        value=${text} aria-invalid=${problem !== ''} aria-describedby="${id}-hint"
        onInput=${(event) => settings.set({[name]: event.currentTarget.value})}
      />
      <p id="${id}-hint" class=${problem ? 'problem' : 'hint'}>${problem || hint}</p>
    </div>
  `;
}

export function SamplingPanel() {
  const {state} = settings;
  return html`
    <section id="sampling" class="sampling" aria-label="Sampling">
      <div class="setting wide">
        <label for="setting-system">System prompt</label>
        <textarea
          id="setting-system" rows="2" placeholder="none" value=${state.system}
          onInput=${(event) => settings.set({system: event.currentTarget.value})}
        ></textarea>
      </div>
      ${FIELDS.map((field) => html`<${Field} key=${field.name} field=${field} text=${String(state[field.name])} />`)}
      <p class="note">
        An empty field takes what the model’s generation_config.json says.
        <button type="button" class="quiet" disabled=${changed(state) === 0} onClick=${resetSettings}>Reset</button>
      </p>
    </section>
  `;
}
