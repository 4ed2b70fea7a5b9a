// Polls the node while the page is visible, and shows its answers.

const PAUSE = 1500;
/** The latest answers from the node. */
const latest = { peers: [], map: null, conflicts: null };
let chosenSpace = null;
let answeredAt = null;

async function look() {
  if (chosenSpace === null) {
    const { spaces } = await ask('../consolidation');
    if (spaces.length > 1) chosenSpace = byUrgency(spaces)[0].name;
  }
  const space = { space: chosenSpace };
  const [node, peers, map, conflicts, updates] = await Promise.all([
    ask('../consolidation'), ask('peers'), ask('map', space), ask('conflicts', { ...space, limit: CONFLICTS }), ask('updates', space),
  ]);
  if (space.space !== chosenSpace) return;
  Object.assign(latest, { peers, map, conflicts });
  showNode(node, peers);
  showPeers(peers);
  showMap(map);
  showConflicts(conflicts);
  showUpdates(updates);
  answeredAt = Date.now();
  say(at('pulse'), 'live');
  at('pulse').className = 'pulse live';
  document.body.classList.remove('stale');
}

function lost(error) {
  const since = answeredAt === null ? '' : ` for ${duration((Date.now() - answeredAt) / 1000)}`;
  say(at('pulse'), `no answer${since}: ${error.message}`);
  at('pulse').className = 'pulse lost';
  document.body.classList.add('stale');
}

async function live() {
  for (;;) {
    if (!document.hidden) await look().catch(lost);
    await new Promise((resume) => { setTimeout(resume, PAUSE); });
  }
}

function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
}

function onKey(event) {
  const typing = event.target.closest('input, select, dialog');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = {
    f: () => at('faults').focus(),
    a: () => (at('space-list').querySelector('button') ?? at('spaces')).focus(),
    s: () => (at('peer-list').firstElementChild ?? at('peers')).focus(),
    m: () => { at('slots').focus(); readOut(true); },
    c: () => (at('conflict-list').querySelector('summary') ?? at('conflicts')).focus(),
    e: () => at('pattern-id').focus(),
    t: toggleTheme,
    '?': () => at('help').showModal(),
  };
  if (!Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
}

at('slots').addEventListener('keydown', onMapKey);
at('slots').addEventListener('mousemove', (event) => onMapPoint(event, false));
at('slots').addEventListener('click', (event) => onMapPoint(event, true));
at('more').addEventListener('click', () => moreConflicts().catch(lost));
at('theme').addEventListener('click', toggleTheme);
at('keys').addEventListener('click', () => at('help').showModal());
at('explain').addEventListener('submit', (event) => {
  event.preventDefault();
  explain(at('pattern-id').value.trim());
});
at('space').addEventListener('change', () => chooseSpace(at('space').value));
at('all-spaces').addEventListener('click', () => {
  allSpaces = true;
  look().catch(lost);
});
document.addEventListener('keydown', onKey);
document.addEventListener('visibilitychange', () => { if (!document.hidden) look().catch(lost); });
live();
