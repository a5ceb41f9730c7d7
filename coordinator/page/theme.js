// Runs before the page is drawn, so that a theme that was chosen does not flash the other one first.
try {
  const theme = localStorage.getItem('gantry.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden here: the system's theme it is.
}
