// What the browser keeps for this page. Where storage is forbidden or full the page works without.

function read(storage, key) {
  try {
    const text = storage().getItem(`gantry.${key}`);
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

// False if it could not be kept.
function write(storage, key, value) {
  try {
    if (value === undefined) {
      storage().removeItem(`gantry.${key}`);
    } else {
      storage().setItem(`gantry.${key}`, JSON.stringify(value));
    }
    return true;
  } catch {
    return false;
  }
}

const session = () => globalThis.sessionStorage;

// Until the tab is closed.
export const readSession = (key) => read(session, key);
export const writeSession = (key, value) => write(session, key, value);

// For longer: only what theme.js reads, as plain text.
export function readTheme() {
  try {
    return localStorage.getItem('gantry.theme') ?? 'auto';
  } catch {
    return 'auto';
  }
}

export function writeTheme(theme) {
  try {
    if (theme === 'auto') {
      localStorage.removeItem('gantry.theme');
    } else {
      localStorage.setItem('gantry.theme', theme);
    }
  } catch {
    // It holds until the page is loaded anew.
  }
}
