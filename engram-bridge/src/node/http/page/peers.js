// The peers: in step, behind, or unreachable.

/** The chosen peer, or null for all. */
let chosenPeer = null;

/** The state of a peer, according to its connection, its sessions and its latest roots: a word, and `good`, `care` or `bad`. */
function verdict(peer) {
  if (peer.liveness === 'down') return ['down', 'bad'];
  if (peer.state !== 'connected') return [peer.state === 'dialling' ? 'being dialled' : 'not reached', 'bad'];
  if (peer.agreement === 'no_common_space') return ['no common space', 'bad'];
  if (peer.stalled_sessions >= 5) return ['stalled', 'bad'];
  return {
    in_step: ['in step', 'good'],
    behind: ['this node is behind', 'care'],
    ahead: ['behind', 'care'],
    apart: ['differs', 'care'],
  }[peer.agreement] ?? ['not yet equal', 'care'];
}

/** Seconds without equal roots after which a connected peer counts as a fault, as in the alert. */
const LAGS = 600;

/** Whether the last session with a peer found that one of the two nodes currently accepts no records. */
function notAccepted(peer) {
  return peer.last_session?.result === 'not_accepted';
}

/** The fault of a peer, with its cause and the next step; null if it has none. */
function faultOfPeer(peer) {
  const [word, tone] = verdict(peer);
  if (tone === 'care' && peer.lag_seconds > LAGS) {
    const reason = `peer ${peer.name} has not been equal for ${duration(peer.lag_seconds)}: ${behind(peer)}`;
    return { code: `peer ${peer.name} lags`, severity: 'warning', reason, next_step: 'see the page of that node: it lists refused records and failed writes' };
  }
  if (tone !== 'bad' || word === 'being dialled') return null;
  const [cause, step] = causeAndStep(peer.cause ?? 'there is no connection, and the peer did not dial this node');
  const steps = {
    down: 'check the process and the machine of that node, and the network between the two nodes',
    'not reached': step ?? 'check that the node runs, and that the UDP port is open in both directions',
    'no common space': 'name a common space in node.spaces of both nodes',
    stalled: notAccepted(peer)
      ? 'see the pages of both nodes: one of them names the cause'
      : 'see the event record_rejected on both nodes: it names the records and the next step',
  };
  const causes = {
    down: 'the membership protocol reports it as down',
    'not reached': cause,
    'no common space': 'the two nodes host no common space, so they exchange nothing',
    stalled: `${count(peer.stalled_sessions, 'session')} in a row made no progress: ${notAccepted(peer)
      ? 'one of the two nodes does not currently accept records'
      : 'one of the two nodes refuses records from the other'}`,
  };
  const code = `peer ${peer.name} ${word}`;
  return { code, severity: 'warning', reason: `peer ${peer.name}: ${causes[word]}`, next_step: steps[word] };
}

function behind(peer) {
  const since = peer.ever_equal ? `last equal ${duration(peer.lag_seconds)} ago` : 'never equal so far';
  if (peer.agreement === 'in_step' && peer.state === 'connected') return 'equal now';
  const apart = peer.records_apart === null ? 'records' : `${count(peer.records_apart, 'record')} or more`;
  if (peer.agreement === 'behind') return `it has ${apart} that this node lacks, ${since}`;
  if (peer.divergent_slots === 0) return since;
  return `${count(peer.divergent_patterns, 'pattern')} in ${count(peer.divergent_slots, 'slot')} changed here, ${since}`;
}

function lastSession(peer) {
  const session = peer.last_session;
  if (!session) return 'no session yet';
  if (peer.stalled_sessions >= 5 && notAccepted(peer)) return 'no progress: one of the two nodes does not currently accept records';
  if (peer.stalled_sessions >= 5) return 'no progress: one of the two nodes refuses records from the other, and its events name the records and the reason';
  if (session.cause) return `last session failed: ${session.cause}`;
  const moved = `${count(session.records_in, 'pattern')} in, ${session.records_out.toLocaleString('en')} out`;
  return `last session: ${session.result.replaceAll('_', ' ')}, ${moved}, ${(session.seconds * 1000).toFixed(0)} ms`;
}

function line(peer) {
  if (peer.state === 'connected') {
    return `connected for ${duration(peer.connected_seconds)}, round trip ${(peer.round_trip_seconds * 1000).toFixed(1)} ms`;
  }
  const again = peer.retry_in_seconds === null ? '' : ` · next try in ${duration(peer.retry_in_seconds)}`;
  return `${peer.cause ?? 'no connection'}${again}`;
}

function createPeer(peer) {
  const card = make('button', 'peer', make('span', 'peer-name'), make('span'), make('span'), make('span', 'soft'),
    make('span', 'soft'), make('span', 'soft'));
  card.type = 'button';
  card.addEventListener('click', () => {
    chosenPeer = chosenPeer === peer.name ? null : peer.name;
    showPeers(latest.peers);
    showMap(latest.map);
  });
  return card;
}

function updatePeer(card, peer) {
  const [name, state, lag, connection, session, traffic] = card.children;
  const [word, tone] = verdict(peer);
  card.setAttribute('aria-pressed', String(chosenPeer === peer.name));
  card.title = `${peer.id}\n${peer.address ?? 'no address'}`;
  say(name, peer.name);
  say(state, word);
  state.className = `verdict ${tone}`;
  say(lag, behind(peer));
  say(connection, line(peer));
  say(session, lastSession(peer));
  say(traffic, `${bytes(peer.bytes_sent)} sent, ${bytes(peer.bytes_received)} received`);
}

/** Peers with faults come first, then the others; both in the order of their names. */
function inOrder(peers) {
  const needsHelp = (peer) => verdict(peer)[1] === 'bad';
  return [...peers.filter(needsHelp), ...peers.filter((peer) => !needsHelp(peer))];
}

function showPeers(peers) {
  keep(at('peer-list'), inOrder(peers), (peer) => peer.name, createPeer, updatePeer);
  say(at('peers-say'), peers.length === 0
    ? 'The roster lists no other node, so only this node has this state.'
    : 'Choose a peer to see only its differences on the map.');
  const inStep = peers.filter((peer) => verdict(peer)[1] === 'good').length;
  say(at('in-step'), peers.length === 0 ? 'alone' : `${inStep} of ${peers.length}`);
  at('in-step').classList.toggle('care', inStep < peers.length);
}
