// Patterns: conflicts, explanations, and the latest changes.

const short = (digest) => digest.slice(0, 12);

/** The writer of a version: its name, or the beginning of its id if the roster does not list it. */
const writer = (write) => (write.node === write.node_id ? `evicted ${short(write.node_id)}` : write.node);

/** The writer of a change: its name, or the beginning of its id if the roster does not list it. */
const named = (origin) => (/^[0-9a-f]{64}$/.test(origin ?? '') ? `evicted ${short(origin)}` : origin ?? 'a peer');

/** The writer and the version of a write. A version is not a time, and not comparable between nodes. */
const covered = (write) => `${writer(write)} ${write.version}`;

/** A note on the items that an answer counts but does not list. */
const beyond = (list, total) => (total > list.length ? ` and ${(total - list.length).toLocaleString('en')} more` : '');

function writers(version) {
  const nodes = [...new Set(version.writes.map(writer))];
  return nodes.join(' and ') + beyond(version.writes, version.writes_total);
}

function versionRow(version, position) {
  const meter = make('meter');
  meter.value = version.confidence;
  meter.title = `confidence ${version.confidence}`;
  const share = version.share > 0 ? `${(version.share * 100).toFixed(0)} %` : '';
  const shown = version.suppressed ? 'forgotten' : version.kept ? 'shown' : share;
  const writes = version.writes.map(covered);
  const row = make('tr', version.suppressed ? 'suppressed' : version.kept ? 'shown' : '',
    make('td', 'mono', short(version.digest)),
    make('td', '', writers(version)),
    make('td', '', meter, ` ${version.confidence.toFixed(3)}`),
    make('td', '', `${version.citations} (${version.citations_of_its_own} own)`),
    make('td', '', shown));
  const origin = version.introduced_by ? `\nintroduced here by ${version.introduced_by}` : '';
  row.title = `version ${position + 1}, ${version.digest}\nconsolidated ${version.last_consolidated}\n${writes.join('\n')}${origin}`;
  return row;
}

/** A text with its numbers cut to three decimal places. */
const rounded = (text) => (text ?? '').replace(/(\d+\.\d{3})\d+/g, '$1');

/** The explanation of one pattern. */
function explanation(known) {
  const heads = ['version', 'written by', 'confidence', 'citations', 'share'].map((head) => make('th', '', head));
  const table = make('table', 'versions', make('thead', '', make('tr', '', ...heads)),
    make('tbody', '', ...known.versions.map(versionRow)));
  const lost = known.citations_lost > 0 ? ` ${count(known.citations_lost, 'citation')} not shown.` : '';
  const visible = known.visible
    ? `Shown with confidence ${known.visible.confidence.toFixed(3)} and ${count(known.visible.citations, 'citation')}, as ${known.strategy} decides: ${rounded(known.reason)}.${lost}`
    : `Nothing is shown: ${absence(known)}.`;
  const suppressed = known.suppressed_total > 0
    ? make('p', 'soft', `Forgotten contents: ${known.suppressed.map(short).join(', ')}${beyond(known.suppressed, known.suppressed_total)}.`)
    : null;
  const context = known.context.map(covered).join(', ') + beyond(known.context, known.context_total);
  return [make('p', '', visible), known.versions.length > 0 ? table : null, suppressed,
    make('p', 'soft', `Versions covered: ${context}.`),
    known.across_ids ? make('p', 'soft', `Across ids: ${rounded(known.across_ids.reason).replace(/\n\s*/g, '; ')}.`) : null].filter((part) => part !== null);
}

function absence(known) {
  if (known.versions_total > 0) return 'every live version was forgotten';
  return known.suppressed_total > 0 ? 'it was forgotten' : 'its versions were withdrawn';
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
  say(summary.children[1], `${known.versions_total} versions, ${known.versions.map((version) => `by ${writers(version)}`).join('; ')}. Shown: ${rounded(known.reason)}`);
  body.replaceChildren(...explanation(known));
}

/** Conflicts beyond the first answer, loaded on request. */
let furtherConflicts = [];

/** The number of conflicts in one answer: one or two screens. */
const CONFLICTS = 20;

function showConflicts({ total, conflicts, across_ids: across }) {
  showGroups(across);
  const first = new Set(conflicts.map((known) => known.id));
  const all = [...conflicts, ...furtherConflicts.filter((known) => !first.has(known.id))];
  say(at('conflicts-say'), total === 0
    ? 'No pattern has more than one version.'
    : `${count(total, 'pattern')} ${total === 1 ? 'has' : 'have'} more than one version${all.length < total ? `, ${all.length.toLocaleString('en')} of them below` : ''}. No version is lost; the strategy determines the visible pattern.`);
  at('more').hidden = all.length >= total;
  keep(at('conflict-list'), all, (known) => known.id, createConflict, updateConflict);
}

/** Shows the groups of patterns with different ids that describe one memory. */
function showGroups(across) {
  at('groups-say').hidden = across === null;
  const groups = across === null ? [] : across.groups.slice(0, 5);
  keep(at('group-list'), groups, (group) => group.representative, () => make('li', 'mono'), (item, group) => {
    const members = group.members.map((member) => `${member.id} (${member.role})`).join(', ');
    say(item, `${group.representative}: ${members}${beyond(group.members, group.members_total)}`);
  });
  if (across === null) return;
  const pending = across.pending > 0 ? ` ${count(across.pending, 'pattern')} not compared yet.` : '';
  say(at('groups-say'), across.over_limit
    ? 'Too many patterns to compare across ids.'
    : `Across ids: ${across.groups_total === 0 ? 'no group' : count(across.groups_total, 'group')} of patterns that describe one memory, ${across.disputed === 0 ? 'no pattern' : count(across.disputed, 'pattern')} in dispute about episodes.${pending}`);
}

async function moreConflicts() {
  const last = at('conflict-list').lastElementChild?.dataset.key ?? '';
  const { conflicts } = await ask('conflicts', { space: chosenSpace, after: last, limit: CONFLICTS });
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
  const from = source === 'gossip' ? `from ${named(origin)}` : source === 'scheduler' ? 'consolidated here' : 'on demand here';
  const ago = duration(Math.max(0, (Date.now() - Date.parse(when)) / 1000));
  return `confidence ${signed(confidence, 3)}, citations ${signed(citations, 0)}; ${from}, ${ago} ago`;
}

function showUpdates(updates) {
  const create = (update) => make('li', '', make('span', 'mono', update.id), make('span', 'soft'));
  say(at('updates-say'), updates.length === 0 ? 'No changes since the node started.' : 'Changes to visible patterns, newest first.');
  keep(at('update-list'), updates.slice(0, 8), (update) => `${update.id} ${update.at}`, create,
    (item, update) => say(item.children[1], ` ${updateText(update)}`));
}
