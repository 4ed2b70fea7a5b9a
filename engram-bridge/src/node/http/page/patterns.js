// Patterns: conflicts, the explanation of any one of them, and what changed.

const short = (digest) => digest.slice(0, 12);

function writers(version) {
  const nodes = [...new Set(version.writes.map((write) => write.node))];
  return nodes.join(', ');
}

function versionRow(version, position) {
  const meter = make('meter');
  meter.value = version.confidence;
  meter.title = `confidence ${version.confidence}`;
  const shown = version.kept ? 'as it is' : version.share > 0 ? `${(version.share * 100).toFixed(0)} %` : '';
  const writes = version.writes.map((write) => `${write.node} ${write.counter} of life ${write.incarnation}`);
  const row = make('tr', version.kept ? 'shown' : '',
    make('td', 'mono', short(version.digest)),
    make('td', '', writers(version)),
    make('td', '', meter, ` ${version.confidence.toFixed(3)}`),
    make('td', '', `${version.citations} (${version.citations_of_its_own} own)`),
    make('td', '', shown));
  const origin = version.introduced_by ? `\nbrought here by ${version.introduced_by}` : '';
  row.title = `version ${position + 1}, ${version.digest}\nconsolidated ${version.last_consolidated}\n${writes.join('\n')}${origin}`;
  return row;
}

/** What is known of one pattern, for people. */
function explanation(known) {
  const heads = ['version', 'written by', 'confidence', 'citations', 'part'].map((head) => make('th', '', head));
  const table = make('table', 'versions', make('thead', '', make('tr', '', ...heads)),
    make('tbody', '', ...known.versions.map(versionRow)));
  const lost = known.citations_lost > 0 ? ` ${count(known.citations_lost, 'citation')} not shown.` : '';
  const visible = known.visible
    ? `Shown with confidence ${known.visible.confidence.toFixed(3)} and ${count(known.visible.citations, 'citation')}, as ${known.strategy} decides: ${known.reason}.${lost}`
    : 'Nothing is shown: it was deleted.';
  const deletions = known.deletions.map((deletion) => deletion.write.node);
  const deleted = deletions.length > 0 ? make('p', 'soft', `Deletions by ${deletions.join(', ')} are remembered.`) : null;
  const seen = known.seen.map((write) => `${write.node} up to ${write.counter}`).join(', ');
  return [make('p', '', visible), known.versions.length > 0 ? table : null, deleted,
    make('p', 'soft', `Writes seen: ${seen}.`)].filter((part) => part !== null);
}

function createConflict() {
  return make('details', '', make('summary', '', make('span', 'mono'), make('span', 'soft')), make('div'));
}

function updateConflict(details, known) {
  const told = JSON.stringify(known);
  if (details.told === told) return;
  details.told = told;
  const [summary, body] = details.children;
  say(summary.children[0], known.id);
  say(summary.children[1], `${known.versions.length} versions by ${[...new Set(known.versions.map(writers))].join(' and ')}: ${known.reason}`);
  body.replaceChildren(...explanation(known));
}

/** Conflicts beyond the first answer that the reader asked for. */
let furtherConflicts = [];

function showConflicts({ total, conflicts }) {
  const first = new Set(conflicts.map((known) => known.id));
  const all = [...conflicts, ...furtherConflicts.filter((known) => !first.has(known.id))];
  say(at('conflicted'), total.toLocaleString('en'));
  say(at('conflicts-say'), total === 0
    ? 'No pattern has more than one version.'
    : `${count(total, 'pattern')} ${total === 1 ? 'has' : 'have'} more than one version. None is lost; the strategy chooses what is shown.`);
  at('more').hidden = all.length >= total;
  keep(at('conflict-list'), all, (known) => known.id, createConflict, updateConflict);
}

async function moreConflicts() {
  const last = at('conflict-list').lastElementChild?.dataset.key ?? '';
  const { conflicts } = await ask('conflicts', { space: chosenSpace, after: last });
  furtherConflicts = furtherConflicts.concat(conflicts);
  showConflicts(latest.conflicts);
}

async function explain(id) {
  const target = at('explained');
  at('pattern-id').value = id;
  try {
    const known = await ask('explain', { space: chosenSpace, id });
    target.replaceChildren(make('p', 'mono', known.id), ...explanation(known));
  } catch (error) {
    target.replaceChildren(make('p', 'bad', error.message));
  }
  target.scrollIntoView({ block: 'nearest' });
}

function signed(number, digits) {
  return `${number < 0 ? '−' : '+'}${Math.abs(number).toFixed(digits)}`;
}

function updateText({ confidence_delta: confidence, citation_delta: citations, source, origin, at: when }) {
  const from = source === 'gossip' ? `from ${origin ?? 'a peer'}` : source === 'scheduler' ? 'found here' : 'by request here';
  const ago = duration(Math.max(0, (Date.now() - Date.parse(when)) / 1000));
  return `confidence ${signed(confidence, 3)}, citations ${signed(citations, 0)}; ${from}, ${ago} ago`;
}

function showUpdates(updates) {
  const create = (update) => make('li', '', make('span', 'mono', update.id), make('span', 'soft'));
  say(at('updates-say'), updates.length === 0 ? 'Nothing so far, since the node started.' : 'In what is shown, the newest first.');
  keep(at('update-list'), updates.slice(0, 8), (update) => `${update.id} ${update.at}`, create,
    (item, update) => say(item.children[1], ` ${updateText(update)}`));
}
