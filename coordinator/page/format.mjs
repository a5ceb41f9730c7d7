// Numbers as people read them: three digits that count and a unit, as base/bytes.h prints them; a dash for what is not known.

const THIN = '\u202f';

const known = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;

function digits(value) {
  if (value === 0) return '0';
  if (value >= 999.5) return Math.round(value).toLocaleString('en').replaceAll(',', THIN);
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

export function count(value) {
  return known(value) ? Math.round(value).toLocaleString('en').replaceAll(',', THIN) : '–';
}

// Powers of 1000.
export function bytes(value) {
  if (!known(value)) return '–';
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB', 'EB'];
  let unit = 0;
  for (; unit + 1 < units.length && value >= 999.5; ++unit) value /= 1000;
  return `${unit === 0 ? Math.round(value) : digits(value)}${THIN}${units[unit]}`;
}

export function rate(value) {
  return known(value) ? digits(value) : '–';
}

export function milliseconds(value) {
  if (!known(value)) return '–';
  if (value >= 999.5) return `${digits(value / 1000)}${THIN}s`;
  if (value > 0 && value < 0.0995) return `${digits(1000 * value)}${THIN}µs`;
  return `${digits(value)}${THIN}ms`;
}

export function percent(share) {
  if (!known(share)) return '–';
  if (share > 0 && share < 0.005) return `<${THIN}1${THIN}%`;
  return `${Math.round(100 * share)}${THIN}%`;
}

export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? '' : 's'}`;

// "a", "a and b", "a, b and c".
export function list(words) {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
