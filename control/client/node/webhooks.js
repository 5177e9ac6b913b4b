/** Webhooks as the daemon signs them: the Standard Webhooks headers. */
import crypto from 'node:crypto';

import {ParleyError} from './errors.js';

const TOLERANCE_S = 300;
const PREFIX = 'whsec_';
const MIN_SECRET_BYTES = 24;

const refused = (message) => new ParleyError({
  reason: 'webhook_unverified', message, status: 'unauthenticated',
});

/** From a Headers object or a plain one, however its names are written. */
function header(headers, name) {
  if (typeof headers.get === 'function') return headers.get(name) ?? undefined;
  const found = Object.keys(headers).find((key) => key.toLowerCase() === name);
  const value = found === undefined ? undefined : headers[found];
  return Array.isArray(value) ? value.join(' ') : value;
}

function secretBytes(secret) {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length < MIN_SECRET_BYTES) throw new TypeError('secret must be whsec_ and Base64');
  return bytes;
}

/**
 * Gives the event of a webhook that the daemon has signed; throws for every other.
 * @param {object} webhook
 * @param {Headers | Record<string, string | string[] | undefined>} webhook.headers
 * @param {string | Uint8Array} webhook.body  as it came: parsed and written again is another text
 * @param {string | string[]} webhook.secret  several while a secret is being changed
 * @param {number} [webhook.toleranceS]  how old, or how far ahead, it may be
 */
export function verifyWebhook({headers, body, secret, toleranceS = TOLERANCE_S}) {
  const id = header(headers, 'webhook-id');
  const timestamp = header(headers, 'webhook-timestamp');
  const signatures = header(headers, 'webhook-signature');
  if (!id || !timestamp || !signatures) throw refused('a webhook header is missing');
  if (!/^\d{1,12}$/.test(timestamp)) throw refused('webhook-timestamp is no number of seconds');
  const ageS = Date.now() / 1_000 - Number(timestamp);
  if (Math.abs(ageS) > toleranceS) throw refused(`it is ${Math.round(ageS)} s old`);

  const given = signatures.split(' ').filter((one) => one.startsWith('v1,'))
      .map((one) => Buffer.from(one.slice('v1,'.length), 'base64'));
  let genuine = false;
  for (const one of Array.isArray(secret) ? secret : [secret]) {
    const wanted = crypto.createHmac('sha256', secretBytes(one)).update(`${id}.${timestamp}.`)
        .update(body).digest();
    // All are compared, so that the time taken tells nothing.
    for (const signature of given) {
      const same = signature.length === wanted.length && crypto.timingSafeEqual(signature, wanted);
      genuine = same || genuine;
    }
  }
  if (!genuine) throw refused('no signature fits');
  return JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString('utf8'));
}
