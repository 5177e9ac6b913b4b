/** JSON Web Tokens as parley takes them, signed here with HS256 and without asking the daemon. */
import crypto from 'node:crypto';

const API_TOKEN_TTL_S = 60;
const JOIN_TOKEN_TTL_S = 3_600;

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const nowS = () => Math.floor(Date.now() / 1_000);

function sign(claims, {id, secret}) {
  if (!id || !secret) throw new TypeError('a key is {id, secret}');
  const text = `${base64url({alg: 'HS256', typ: 'JWT'})}.${base64url({iss: id, ...claims})}`;
  return `${text}.${crypto.createHmac('sha256', secret).update(text).digest('base64url')}`;
}

/** For one connection or one POST; good for a minute. */
export function apiToken(key) {
  const now = nowS();
  const claims = {aud: 'parley-control', iat: now, exp: now + API_TOKEN_TTL_S};
  return sign({...claims, jti: crypto.randomUUID()}, key);
}

/** For one person and one room. */
export function joinToken({key, tenant, room, identity, role = 'participant', name,
  ttlS = JOIN_TOKEN_TTL_S, notBeforeMs, jti = crypto.randomUUID(), canPublish, canSubscribe, hidden,
  bypassLobby, maxSessionMs, ejectAtExp, attributes}) {
  for (const [what, value] of Object.entries({tenant, room, identity})) {
    if (typeof value !== 'string' || value === '') throw new TypeError(`${what} is missing`);
  }
  if (room.includes('*')) throw new TypeError('a join token names one room');
  const now = nowS();
  const notBefore = notBeforeMs === undefined ? now : Math.floor(notBeforeMs / 1_000);
  return sign({
    aud: 'parley-join',
    sub: identity,
    jti,
    iat: now,
    nbf: notBefore,
    exp: Math.max(now, notBefore) + ttlS,
    // Members that are undefined do not get into JSON.
    parley: {
      tenant,
      room,
      role,
      name,
      can_publish: canPublish,
      can_subscribe: canSubscribe,
      hidden,
      bypass_lobby: bypassLobby,
      max_session_ms: maxSessionMs,
      eject_at_exp: ejectAtExp,
      attributes,
    },
  }, key);
}

/**
 * What a person opens: the token stands behind the '#', so no server and no log gets to see it.
 * @param {string} url  where the page is: parleyd's own, or one of yours
 * @param {string} token
 */
export const joinLink = (url, token) => `${url.replace(/\/$/, '')}/#token=${token}`;
