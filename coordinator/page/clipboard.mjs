import {announce} from './announcer.mjs';

// Copies text; rejects if the browser will not have it.

export async function copy(text) {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  // A page over plain HTTP from another machine has no clipboard of the newer kind.
  const field = document.createElement('textarea');
  field.value = text;
  field.readOnly = true;
  field.className = 'unseen';
  const focused = document.activeElement;
  document.body.append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  focused?.focus();
  if (!copied) throw new Error('the browser does not copy');
}

const SHOWN_MS = 1500;

// The text "Copy" of the button says for a moment what came of it.
export async function copyFrom(button, text) {
  let outcome = 'Copied';
  try {
    await copy(text);
  } catch {
    outcome = 'Not copied';
  }
  announce(`${outcome}.`);
  button.firstChild.data = outcome;
  setTimeout(() => {
    button.firstChild.data = 'Copy';
  }, SHOWN_MS);
}
