// The node: its faults, its state, and its spaces.

/** Capitalizes a sentence, unless it begins with a configuration key. */
const capital = (text) => (/^[a-z]+[ ,]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text);

const sentence = (text) => (/[.?!]$/.test(text) ? text : `${text}.`);

/** Splits a text of the node into the cause and the next step; null if there is no next step. */
function causeAndStep(text) {
  const end = text.indexOf('; ');
  return end < 0 ? [text, null] : [text.slice(0, end), text.slice(end + 2)];
}

function createFault() {
  return make('div', '', make('strong'), make('p'));
}

function updateFault(card, fault) {
  card.className = `warning ${fault.severity}`;
  say(card.children[0], sentence(capital(fault.reason)));
  say(card.children[1], sentence(`Next: ${fault.next_step}`));
}

/** Shows all faults: those of the node, then those of its peers. */
function showFaults(node, peers) {
  const told = node.warnings.some((warning) => warning.severity === 'critical');
  const [cause, step] = causeAndStep(node.unready ?? '');
  const unready = node.unready !== null && !told
    ? [{ code: 'unready', severity: 'critical', reason: `not ready: ${cause}`, next_step: step ?? 'see the peers below; a node needs a few seconds after its start' }]
    : [];
  const faults = [...unready, ...node.warnings, ...peers.map(faultOfPeer).filter((fault) => fault !== null)];
  at('faults').hidden = faults.length === 0;
  keep(at('faults'), faults, (fault) => `${fault.code} ${fault.next_step}`, createFault, updateFault);
}

/** The store, and the usage of the caps. */
function stored(node, space) {
  const waiting = space.waiting > 0 ? ` Waiting for a session with a peer: ${count(space.waiting, 'submission')}.` : '';
  const used = node.caps.map((cap) => `${cap.key} ${(100 * cap.used / cap.limit).toFixed(0)} %`);
  const unhosted = node.unhosted.length ? ` Stored, but not hosted: ${node.unhosted.join(', ')}.` : '';
  return `At the start: ${node.recovery}.${unhosted}${waiting} Caps used: ${used.join(', ')}.`;
}

function showState(node) {
  const failing = node.warnings.some((warning) => warning.code === 'storage_failure');
  const days = node.certificate_seconds / 86400;
  say(at('readiness'), node.unready === null ? 'ready' : 'not ready');
  at('readiness').classList.toggle('bad', node.unready !== null);
  say(at('uptime'), `up ${duration(node.uptime_seconds)}`);
  say(at('certificate-says'), days < 0 ? 'certificate' : 'until the certificate expires');
  say(at('certificate'), days < 0 ? 'expired' : days < 1 ? duration(node.certificate_seconds) : count(Math.floor(days), 'day'));
  at('certificate').classList.toggle('bad', days < 0);
  at('certificate').classList.toggle('care', days >= 0 && days <= 30);
  say(at('disk'), failing ? 'failing' : node.stored_bytes === null ? 'none' : bytes(node.stored_bytes));
  at('disk').classList.toggle('bad', failing);
  say(at('disk-says'), node.stored_bytes === null ? 'store: the state is lost when the process ends' : 'store on the disk');
  say(at('version'), node.version);
}

/** The number of spaces listed by default. */
const SPACES = 12;
let allSpaces = false;

/** The reason why a space needs attention; empty if it does not. */
function attention(space) {
  const parts = [];
  if (space.conflicts > 0) parts.push(`${space.conflicts.toLocaleString('en')} in conflict`);
  if (space.waiting > 0) parts.push(`${space.waiting.toLocaleString('en')} waiting for a peer`);
  return parts.join(', ');
}

function createSpace(space) {
  const button = make('button', '', make('span'), make('span', 'soft'));
  button.type = 'button';
  button.addEventListener('click', () => chooseSpace(space.name));
  return make('li', '', button);
}

function updateSpace(item, space) {
  const [button] = item.children;
  button.setAttribute('aria-pressed', String(space.name === chosenSpace));
  say(button.children[0], space.name);
  const rest = attention(space);
  say(button.children[1], `${count(space.visible, 'pattern')}${rest === '' ? '' : `, ${rest}`}`);
}

const urgency = (space) => space.conflicts + space.waiting;

/** The spaces that need attention first, then the others in their order. */
const byUrgency = (spaces) => [...spaces].sort((a, b) => urgency(b) - urgency(a));

/** Shows the totals over all spaces, and the list of spaces, those that need attention first. */
function showSpaces(spaces) {
  const sum = (field) => spaces.reduce((total, space) => total + space[field], 0);
  say(at('visible'), sum('visible').toLocaleString('en'));
  say(at('conflicted'), sum('conflicts').toLocaleString('en'));
  say(at('deleted'), sum('deletions').toLocaleString('en'));
  const sorted = byUrgency(spaces);
  const needing = spaces.filter((space) => urgency(space) > 0).length;
  at('spaces').hidden = spaces.length < 2;
  say(at('spaces-say'), `${count(spaces.length, 'space')}; ${needing === 0 ? 'none needs' : needing === 1 ? 'one needs' : `${needing} need`} attention. Choose a space for the map, the conflicts and the changes.`);
  at('all-spaces').hidden = allSpaces || spaces.length <= SPACES;
  keep(at('space-list'), allSpaces ? sorted : sorted.slice(0, SPACES), (space) => space.name, createSpace, updateSpace);
}

function showNode(node, peers) {
  const space = node.spaces.find((one) => one.name === chosenSpace) ?? node.spaces[0];
  document.title = `${node.name} · Engram consolidation`;
  say(at('name'), node.name);
  say(at('identity'), node.id);
  say(at('traffic'), bytes(node.bytes_sent + node.bytes_received));
  say(at('root'), space.root);
  const { hash, depth, dimension, precision, strategy } = node.parameters;
  say(at('parameters'), `Tree of depth ${depth} with ${hash}; ${dimension} × ${precision}; strategy ${strategy}.`);
  say(at('stored'), stored(node, space));
  showFaults(node, peers);
  showState(node);
  showSpaces(node.spaces);
  at('space-label').hidden = node.spaces.length < 2;
  keep(at('space'), node.spaces, (one) => one.name, (one) => new Option(one.name, one.name), () => {});
  if (chosenSpace !== null) at('space').value = chosenSpace;
}

function chooseSpace(name) {
  chosenSpace = name;
  at('space').value = name;
  furtherConflicts = [];
  look().catch(lost);
}
