// The map: one square for each of its slots, row by row in the order of the hashes.

const cells = [];
let differing = new Set();
let cursor = null;
let cursorAt = 0;

/** Creates the squares for this number of slots. */
function layOut(slots) {
  const map = at('slots');
  const side = Math.sqrt(slots);
  const square = (size) => {
    const rect = document.createElementNS(map.namespaceURI, 'rect');
    rect.setAttribute('width', size);
    rect.setAttribute('height', size);
    return rect;
  };
  cells.length = 0;
  for (let slot = 0; slot < slots; slot += 1) {
    const cell = square(0.86);
    cell.setAttribute('x', (slot % side) + 0.07);
    cell.setAttribute('y', Math.floor(slot / side) + 0.07);
    cell.dataset.slot = slot;
    cells.push(cell);
  }
  cursor = square(1.3);
  cursor.setAttribute('class', 'cursor');
  map.setAttribute('viewBox', `-0.5 -0.5 ${side + 1} ${side + 1}`);
  map.replaceChildren(...cells, cursor);
  moveCursor(0);
}

function showMap(map) {
  if (cells.length !== map.fill.length) layOut(map.fill.length);
  const peers = map.peers.filter((peer) => chosenPeer === null || peer.peer === chosenPeer);
  const met = peers.filter((peer) => peer.ever_equal);
  differing = new Set(met.flatMap(slotsOf));
  cells.forEach((cell, slot) => {
    const records = parseInt(map.fill[slot], 36) || 0;
    const className = differing.has(slot) ? 'differs' : records === 0 ? 'empty' : `fill-${Math.min(records, 3)}`;
    if (cell.getAttribute('class') !== className) cell.setAttribute('class', className);
  });
  say(at('map-says'), summary(peers, met));
  readOut(false);
}

/** The slots that changed here since a peer was last equal: none if its latest root equals this node's. */
function slotsOf(peer) {
  const told = latest.peers.find((one) => one.name === peer.peer);
  return told?.agreement === 'in_step' ? [] : peer.slots;
}

function summary(peers, met) {
  const whom = chosenPeer ?? (peers.length === 1 ? peers[0].peer : 'a peer');
  const strangers = peers.filter((peer) => !peer.ever_equal).map((peer) => peer.peer);
  if (peers.length === 0) return 'There is no peer to compare with.';
  const unknown = strangers.length > 0 ? ` Never equal so far: ${strangers.join(', ')}.` : '';
  if (met.length === 0) return `Nothing to compare with yet.${unknown}`;
  if (differing.size === 0) return `Nothing changed here since ${chosenPeer ?? 'every peer'} was last equal.${unknown}`;
  return `${count(differing.size, 'slot')} of ${cells.length.toLocaleString('en')} changed here since ${whom} was last equal.${unknown}`;
}

function moveCursor(slot) {
  const side = Math.sqrt(cells.length);
  cursorAt = (slot + cells.length) % cells.length;
  cursor.setAttribute('x', (cursorAt % side) - 0.15);
  cursor.setAttribute('y', Math.floor(cursorAt / side) - 0.15);
}

/** Describes the slot under the cursor; clears the list of the previous slot. */
function readOut(moved) {
  if (moved) at('slot-ids').replaceChildren();
  if (!moved && document.activeElement !== at('slots')) return;
  const fill = latest.map.fill[cursorAt];
  const records = fill === 'z' ? '35 or more patterns' : count(parseInt(fill, 36) || 0, 'pattern');
  const peers = latest.map.peers.filter((peer) => peer.ever_equal && slotsOf(peer).includes(cursorAt));
  const changed = peers.length > 0 ? `; changed since ${peers.map((peer) => peer.peer).join(', ')} was equal` : '';
  const hex = cursorAt.toString(16).padStart(Math.ceil(latest.map.bits / 4), '0');
  say(at('readout'), `slot ${hex}: ${records}${changed}`);
}

/** The next slot that differs, in direction 1 or -1, wrapping around. */
function nextDiffering(step) {
  for (let distance = 1; distance <= cells.length; distance += 1) {
    const slot = (cursorAt + step * distance + cells.length) % cells.length;
    if (differing.has(slot)) return slot;
  }
  return cursorAt;
}

async function listSlot() {
  const slot = cursorAt;
  const { ids } = await ask('slot', { space: chosenSpace, slot });
  if (slot !== cursorAt) return;
  const entries = ids.map((id) => {
    const button = make('button', 'mono', id);
    button.type = 'button';
    button.addEventListener('click', () => explain(id));
    return make('li', '', button);
  });
  at('slot-ids').replaceChildren(...(ids.length === 0 ? [make('li', 'soft', 'no patterns')] : entries));
}

function onMapKey(event) {
  const side = Math.sqrt(cells.length);
  const moves = {
    ArrowRight: cursorAt + 1, ArrowLeft: cursorAt - 1, ArrowDown: cursorAt + side, ArrowUp: cursorAt - side,
    Home: 0, End: cells.length - 1,
  };
  if (event.ctrlKey || event.metaKey || event.altKey || cells.length === 0) return;
  if (event.key in moves) moveCursor(moves[event.key]);
  else if (event.key === 'n' || event.key === 'p') moveCursor(nextDiffering(event.key === 'n' ? 1 : -1));
  else if (event.key === 'Enter') return void listSlot().catch(lost);
  else return;
  event.preventDefault();
  event.stopPropagation();
  readOut(true);
}

function onMapPoint(event, list) {
  const slot = Number(event.target.dataset?.slot ?? -1);
  if (slot < 0) return;
  moveCursor(slot);
  readOut(true);
  if (list) listSlot().catch(lost);
}
