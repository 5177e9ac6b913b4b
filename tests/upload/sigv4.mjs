/**
 * AWS Signature Version 4 as S3 checks it: from the request as it came over the wire, not from what
 * its sender meant. Written from AWS's description alone, so that it errs independently of
 * parley-upload.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 */
import crypto from 'node:crypto';

const ALGORITHM = 'AWS4-HMAC-SHA256';
const MAX_SKEW_MS = 15 * 60_000;
const MAX_EXPIRES_S = 7 * 24 * 3_600;

/** What S3 answers with a status and a code. */
export class S3Error extends Error {
  /** @param {number} status @param {string} code */
  constructor(status, code, message = code, headers = {}) {
    super(message);
    Object.assign(this, {status, code, headers});
  }
}

export const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');
const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();

/** All but the unreserved letters of RFC 3986, as SigV4 wants it. */
export const encode = (text) => encodeURIComponent(text)
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** S3 takes a bare plus for a space, in a path too: who means a plus has to encode it. */
export function decode(text) {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new S3Error(400, 'InvalidURI', 'Couldn\'t parse the specified URI.');
  }
}

/** The raw target of a request line as its decoded path and the pairs of its query. */
export function parseTarget(target) {
  const mark = target.indexOf('?');
  const rawPath = mark < 0 ? target : target.slice(0, mark);
  const rawQuery = mark < 0 ? '' : target.slice(mark + 1);
  const pairs = rawQuery.split('&').filter(Boolean).map((pair) => {
    const equals = pair.indexOf('=');
    return equals < 0 ? [decode(pair), ''] :
      [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
  });
  return {path: decode(rawPath), pairs};
}

const compare = (a, b) => (a < b ? -1 : Number(a > b));

/** Sorted by name, then by value, of what is encoded: sorting whole pairs is not the same. */
const canonicalQuery = (pairs) => pairs.map(([name, value]) => [encode(name), encode(value)])
    .sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]))
    .map((pair) => pair.join('=')).join('&');

function canonicalHeaders(headers, signed) {
  return signed.map((name) => {
    const values = headers.filter(([one]) => one.toLowerCase() === name);
    if (values.length === 0) {
      throw new S3Error(403, 'AccessDenied', `The signed header ${name} did not come.`);
    }
    return `${name}:${values.map(([, value]) => value.trim().replace(/ +/g, ' ')).join(',')}\n`;
  }).join('');
}

function signatureOf({method, target, headers}, {signed, date, scope, payload, secretKey}) {
  const {path, pairs} = parseTarget(target);
  const canonical = [
    method,
    path.split('/').map(encode).join('/'),
    canonicalQuery(pairs.filter(([name]) => name !== 'X-Amz-Signature')),
    canonicalHeaders(headers, signed),
    signed.join(';'),
    payload,
  ].join('\n');
  const key = scope.split('/').reduce(hmac, `AWS4${secretKey}`);
  return hmac(key, [ALGORITHM, date, scope, sha256(canonical)].join('\n')).toString('hex');
}

function millisecondsOf(date) {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date ?? '');
  if (!parts) throw new S3Error(403, 'AccessDenied', 'x-amz-date is missing or not a date.');
  const [, year, month, ...rest] = parts.map(Number);
  return Date.UTC(year, month - 1, ...rest);
}

function checkScope(credential, date, {accessKey, region}) {
  const malformed = (what) => new S3Error(400, 'AuthorizationHeaderMalformed', what);
  const [key, day, where, service, end, ...more] = credential.split('/');
  if (key !== accessKey) throw new S3Error(403, 'InvalidAccessKeyId');
  if (day !== date.slice(0, 8)) throw malformed('The date of the scope is another.');
  if (where !== region) throw malformed(`The region '${where}' is wrong; expecting '${region}'`);
  if (service !== 's3' || end !== 'aws4_request' || more.length) throw malformed('Wrong scope.');
  return credential.slice(key.length + 1);
}

function checkSignedHeaders(headers, signed, needed) {
  const sorted = [...new Set(signed)].sort(compare);
  if (sorted.join() !== signed.join() || signed.join() !== signed.join().toLowerCase()) {
    throw new S3Error(400, 'AuthorizationHeaderMalformed', 'SignedHeaders are not in order.');
  }
  const amazons = headers.map(([name]) => name.toLowerCase())
      .filter((name) => name.startsWith('x-amz-'));
  for (const name of [...needed, ...amazons]) {
    if (!signed.includes(name)) {
      throw new S3Error(403, 'AccessDenied', `The header ${name} has to be signed.`);
    }
  }
}

function checkToken(token, sessionToken) {
  if ((token ?? '') !== (sessionToken ?? '')) throw new S3Error(400, 'InvalidToken');
}

const mismatch = () => new S3Error(403, 'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. ' +
    'Check your key & signing method.');

function checkPresigned(request, query, keys, now) {
  const date = query.get('X-Amz-Date');
  const at = millisecondsOf(date);
  const expiresS = Number(query.get('X-Amz-Expires') ?? NaN);
  if (query.get('X-Amz-Algorithm') !== ALGORITHM || !Number.isInteger(expiresS) ||
      expiresS < 1 || expiresS > MAX_EXPIRES_S) {
    throw new S3Error(400, 'AuthorizationQueryParametersError');
  }
  const signed = (query.get('X-Amz-SignedHeaders') ?? '').split(';');
  checkSignedHeaders(request.headers, signed, ['host']);
  checkToken(query.get('X-Amz-Security-Token'), keys.sessionToken);
  const scope = checkScope(query.get('X-Amz-Credential') ?? '', date, keys);
  const signature = signatureOf(request,
      {signed, date, scope, payload: 'UNSIGNED-PAYLOAD', secretKey: keys.secretKey});
  if (signature !== query.get('X-Amz-Signature')) throw mismatch();
  if (now < at - MAX_SKEW_MS) throw new S3Error(403, 'AccessDenied', 'Request is not yet valid');
  if (now > at + expiresS * 1_000) throw new S3Error(403, 'AccessDenied', 'Request has expired');
}

/**
 * Throws the S3Error with which S3 refuses the request.
 * @param {{method: string, target: string, headers: [string, string][], body: Buffer}} request
 *   as it came: nothing decoded, nothing in another order
 * @param {{accessKey: string, secretKey: string, sessionToken?: string, region: string}} keys
 * @param {number} now  the store's clock, milliseconds since 1970
 */
export function checkSignature(request, keys, now) {
  const query = new Map(parseTarget(request.target).pairs);
  const header = (name) => request.headers.find(([one]) => one.toLowerCase() === name)?.[1];
  const authorization = header('authorization');
  if (query.has('X-Amz-Algorithm')) {
    if (authorization) throw new S3Error(400, 'InvalidArgument', 'Only one auth mechanism allowed');
    return checkPresigned(request, query, keys, now);
  }
  if (!authorization) throw new S3Error(403, 'AccessDenied', 'Access Denied');
  const parts = new RegExp(`^${ALGORITHM} Credential=([^, ]+), ?SignedHeaders=([^, ]+), ?` +
      'Signature=([0-9a-f]{64})$').exec(authorization);
  if (!parts) throw new S3Error(400, 'AuthorizationHeaderMalformed');
  const [, credential, signedHeaders, given] = parts;
  const date = header('x-amz-date');
  const at = millisecondsOf(date);
  const signed = signedHeaders.split(';');
  checkSignedHeaders(request.headers, signed, ['host', 'x-amz-content-sha256', 'x-amz-date']);
  const scope = checkScope(credential, date, keys);
  checkToken(header('x-amz-security-token'), keys.sessionToken);
  const payload = header('x-amz-content-sha256');
  // S3 would take UNSIGNED-PAYLOAD: here a body without a hash is a fault of the program.
  if (!/^[0-9a-f]{64}$/.test(payload)) throw new S3Error(400, 'InvalidRequest', 'No payload hash');
  const signature = signatureOf(request, {signed, date, scope, payload, secretKey: keys.secretKey});
  if (signature !== given) throw mismatch();
  if (Math.abs(now - at) > MAX_SKEW_MS) {
    throw new S3Error(403, 'RequestTimeTooSkewed',
        'The difference between the request time and the current time is too large.');
  }
  if (payload !== sha256(request.body)) throw new S3Error(400, 'XAmzContentSHA256Mismatch');
}

const dateOf = (now) => new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');

/**
 * The request with the headers that make it good: for the tests of the check itself.
 * @param {{method: string, target: string, headers: [string, string][], body?: Buffer}} request
 *   its headers have the host
 */
export function sign(request, {accessKey, secretKey, sessionToken, region}, now) {
  const date = dateOf(now);
  const payload = sha256(request.body ?? '');
  const headers = [...request.headers, ['x-amz-date', date], ['x-amz-content-sha256', payload]];
  if (sessionToken) headers.push(['x-amz-security-token', sessionToken]);
  const signed = headers.map(([name]) => name.toLowerCase()).sort(compare);
  const scope = `${date.slice(0, 8)}/${region}/s3/aws4_request`;
  const signature = signatureOf({...request, headers}, {signed, date, scope, payload, secretKey});
  const authorization = `${ALGORITHM} Credential=${accessKey}/${scope},` +
      `SignedHeaders=${signed.join(';')},Signature=${signature}`;
  return {...request, headers: [...headers, ['authorization', authorization]]};
}

/** A link for GET that is good for a while. @param {string} host @param {string} path encoded */
export function presign(host, path, {accessKey, secretKey, sessionToken, region}, now, expiresS) {
  const date = dateOf(now);
  const scope = `${date.slice(0, 8)}/${region}/s3/aws4_request`;
  const query = [
    ['X-Amz-Algorithm', ALGORITHM],
    ['X-Amz-Credential', `${accessKey}/${scope}`],
    ['X-Amz-Date', date],
    ['X-Amz-Expires', String(expiresS)],
    ['X-Amz-SignedHeaders', 'host'],
    ...(sessionToken ? [['X-Amz-Security-Token', sessionToken]] : []),
  ].map((pair) => pair.map(encode).join('=')).join('&');
  const target = `${path}?${query}`;
  const signature = signatureOf({method: 'GET', target, headers: [['host', host]]},
      {signed: ['host'], date, scope, payload: 'UNSIGNED-PAYLOAD', secretKey});
  return `${target}&X-Amz-Signature=${signature}`;
}
