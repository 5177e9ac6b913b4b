// @ts-check
/** The demo's way through a call: from the link to the lobby, the call, and what is left after it. */
import {CallPage} from './call.js';
import {Devices} from './devices.js';
import {Lobby} from './lobby.js';
import {Call, reasonText} from './parley.js';
import {byId, showPage} from './ui.js';

/** Reasons after which the same link works again at once. */
const CAN_REJOIN = new Set(['left', 'duplicate_identity', 'connection_lost', 'connection_timeout',
  'media_failure', 'ice_failed', 'dtls_failed', 'unreachable', 'timeout', 'server_busy', 'server_draining',
  'server_shutdown', 'server_restart', 'authority_lost', 'room_full', 'room_not_open_yet', 'room_locked', 'token_not_yet_valid']);

const TITLES = {
  left: 'You left the call', removed: 'You were removed', banned: 'You were removed',
  connection_lost: 'Connection lost', connection_timeout: 'Connection lost', media_failure: 'No connection',
  duplicate_identity: 'The call moved', unreachable: 'No connection',
};

/**
 * What the link says. Only for show: the server checks the token's signature and decides.
 * @param {string} token
 */
function readToken(token) {
  try {
    const base64 = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    const {room: id = '', name, role = ''} = claims.parley ?? {};
    const room = id.startsWith('rm_') ? 'the call' : id; // its name is known after joining
    return {identity: String(claims.sub), name: String(name || claims.sub), role, room, expired: claims.exp * 1_000 < Date.now()};
  } catch {
    return null;
  }
}

/** @param {{reason: string, text: string, joined: boolean}} end @param {CallPage|null} page */
function showEnd({reason, text, joined}, page) {
  const fallback = joined ? 'The call has ended' : 'You could not join';
  byId('ended-title').textContent = /** @type {Record<string, string>} */ (TITLES)[reason] ?? fallback;
  byId('ended-text').textContent = reason === 'left' ? 'You can come back with the same link while the call lasts.' : text;
  byId('rejoin').hidden = !CAN_REJOIN.has(reason);
  byId('rejoin').textContent = joined ? 'Join again' : 'Try again';
  const place = byId('ended-recordings');
  place.replaceChildren();
  if (page?.recordings.any) page.recordings.render(place);
  document.title = 'parley';
  showPage('ended');
}

/** @param {string} token @param {ReturnType<typeof readToken> & {}} who */
async function visit(token, who) {
  const devices = new Devices();
  const lobby = new Lobby(devices, who);
  const form = /** @type {HTMLFormElement} */ (byId('join-form'));
  /** @type {CallPage|null} */ let page = null;

  const enter = async () => {
    lobby.setBusy(true);
    const call = new Call({url: location.origin, token});
    page = new CallPage(call, devices, {speakerId: lobby.speakerId});
    call.addEventListener('ended', (event) => {
      const {reason, text} = /** @type {CustomEvent} */ (event).detail;
      const joined = page?.joined ?? false;
      page?.close();
      devices.closeAll();
      lobby.setBusy(false);
      showEnd({reason, text, joined}, page);
    }, {once: true});
    call.addEventListener('state', (event) => {
      if (/** @type {CustomEvent} */ (event).detail.state === 'waiting') lobby.setBusy(true, 'Waiting to be let in…');
    });
    await page.publishLocal(lobby.wanted);
    await call.join().catch(() => {}); // `ended` has told
    if (call.state === 'joined') {
      lobby.close();
      page.open();
    }
  };

  form.onsubmit = (event) => {
    event.preventDefault();
    void enter();
  };
  byId('rejoin').onclick = () => void lobby.open();
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target instanceof HTMLSelectElement || event.target instanceof HTMLTextAreaElement || document.querySelector('dialog[open]')) return;
    const key = event.key.toLowerCase();
    if (key === 'c') event.preventDefault(); // it opens a field, and shall not stand in it
    if (!byId('call').hidden) page?.key(key);
    else if (!byId('lobby').hidden && key === 'm') void lobby.toggle('microphone');
    else if (!byId('lobby').hidden && key === 'v') void lobby.toggle('camera');
  });
  addEventListener('pagehide', () => void page?.leave());
  await lobby.open();
}

function start() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  byId('sample-link').textContent = `${location.origin}/#token=…`;
  addEventListener('hashchange', () => location.reload());
  if (!token) return showPage('landing');
  const who = readToken(token);
  const reason = !who ? 'token_invalid' : who.expired ? 'token_expired' : '';
  if (!who || reason) return showEnd({reason, text: reasonText(reason), joined: false}, null);
  void visit(token, who);
}

start();
