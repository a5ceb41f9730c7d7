// What a screen reader is told: a polite live region to which finished pieces are added, never a text that still grows.

const KEPT = 5;

function region() {
  let element = document.getElementById('announcements');
  if (element === null) {
    element = document.createElement('div');
    element.id = 'announcements';
    element.className = 'unseen';
    element.setAttribute('role', 'log');
    element.setAttribute('aria-label', 'Announcements');
    element.setAttribute('aria-live', 'polite');
    document.body.append(element);
  }
  return element;
}

export function announce(text) {
  text = text.trim();
  if (text === '') return;
  const element = region();
  const piece = document.createElement('p');
  piece.textContent = text;
  element.append(piece);
  while (element.childElementCount > KEPT) element.firstElementChild.remove();
}

// Before the first announcement, for a region that comes with its text is not read.
export const prepareAnnouncements = () => void region();
