// Polls the node while the page is visible, and shows its answers.

const PAUSE = 1500;
/** The latest answers of the node. */
const latest = { peers: [], map: null, conflicts: null };
let chosenSpace = null;
let answeredAt = null;

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function createWarning() {
  return make('div', '', make('strong'), make('p'));
}

function updateWarning(card, warning) {
  card.className = `warning ${warning.severity}`;
  say(card.children[0], `${capital(warning.reason)}.`);
  say(card.children[1], `${capital(warning.next_step)}.`);
}

/** States that need a person, each with its reason and the next step. */
function showWarnings(warnings) {
  at('warnings').hidden = warnings.length === 0;
  keep(at('warnings'), warnings, (warning) => `${warning.code} ${warning.next_step}`, createWarning, updateWarning);
}

/** The store, and how much of a space counts against the caps. */
function stored(node, space) {
  const size = node.stored_bytes === null ? '' : ` (${bytes(node.stored_bytes)})`;
  const waiting = space.waiting > 0 ? ` ${count(space.waiting, 'submission')} wait for a session with a peer.` : '';
  const used = node.caps.map((cap) => `${cap.key} ${(100 * cap.used / cap.limit).toFixed(0)} %`);
  const unhosted = node.unhosted.length ? ` Stored, but not hosted: ${node.unhosted.join(', ')}.` : '';
  return `At the start: ${node.recovery}${size}.${unhosted}${waiting} Used of the caps: ${used.join(', ')}.`;
}

function showNode(node) {
  const space = node.spaces.find((one) => one.name === chosenSpace) ?? node.spaces[0];
  document.title = `${node.name} · Engram consolidation`;
  say(at('name'), node.name);
  say(at('identity'), node.id);
  say(at('visible'), space.visible.toLocaleString('en'));
  say(at('deleted'), space.deletions.toLocaleString('en'));
  say(at('traffic'), bytes(node.bytes_sent + node.bytes_received));
  say(at('root'), space.root);
  const { hash, depth, dimension, precision, strategy } = node.parameters;
  say(at('parameters'), `Version ${node.version}, up ${duration(node.uptime_seconds)}. Tree of depth ${depth} with ${hash}; ${dimension} × ${precision}; shown by ${strategy}.`);
  say(at('stored'), stored(node, space));
  showWarnings(node.warnings);
  at('space-label').hidden = node.spaces.length < 2;
  keep(at('space'), node.spaces, (one) => one.name, (one) => new Option(one.name, one.name), () => {});
}

async function look() {
  const space = { space: chosenSpace };
  const [node, peers, map, conflicts, updates] = await Promise.all([
    ask('../consolidation'), ask('peers'), ask('map', space), ask('conflicts', space), ask('updates', space),
  ]);
  if (space.space !== chosenSpace) return;
  Object.assign(latest, { peers, map, conflicts });
  showNode(node);
  showPeers(peers);
  showMap(map);
  showConflicts(conflicts);
  showUpdates(updates);
  answeredAt = Date.now();
  say(at('pulse'), node.unready ? `live; not ready: ${node.unready}` : 'live');
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
at('space').addEventListener('change', () => {
  chosenSpace = at('space').value;
  furtherConflicts = [];
  look().catch(lost);
});
document.addEventListener('keydown', onKey);
document.addEventListener('visibilitychange', () => { if (!document.hidden) look().catch(lost); });
live();
