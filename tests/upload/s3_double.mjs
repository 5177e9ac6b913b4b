/**
 * An S3 store in memory that checks what it is sent as strictly as S3 does, remembers every request
 * and fails when it is told to. Whoever is tested against it cannot tell a fault from a real one:
 * connections are reset on the wire, answers are lost after the request took effect.
 */
import crypto from 'node:crypto';
import http from 'node:http';

import {S3Error, checkSignature, parseTarget, sha256} from './sigv4.mjs';

export * from './faults.mjs';

const XML = '<?xml version="1.0" encoding="UTF-8"?>';
const XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const NAMED = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&apos;'};
const PLAIN = {'&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': '\''};
const MAX_PARTS = 10_000;
const REQUEST_ID = '4442587FB7D0A2F9';
/** What a store keeps with an object, and says of it again. */
const KEPT = ['content-type', 'cache-control', 'content-disposition', 'x-amz-storage-class',
  'x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id'];

const md5 = (bytes) => crypto.createHash('md5').update(bytes).digest('hex');
const base64 = (hex) => Buffer.from(hex, 'hex').toString('base64');
/** What a whole has that was stored in parts: a hash of their hashes, and how many they are. */
function composite(hash, hexes, encoding) {
  const all = Buffer.from(hexes.join(''), 'hex');
  return `${crypto.createHash(hash).update(all).digest(encoding)}-${hexes.length}`;
}

const internal = () => new S3Error(500, 'InternalError',
    'We encountered an internal error. Please try again.');
const malformed = () => new S3Error(400, 'MalformedXML', 'The XML you provided was not ' +
    'well-formed or did not validate against our published schema');

const unescape = (text) => text.replace(/&(#x?)?(\w+);/g, (whole, number, name) => {
  if (number) return String.fromCodePoint(parseInt(name, number === '#' ? 10 : 16));
  if (!(whole in PLAIN)) throw malformed();
  return PLAIN[whole];
});

/** Where a list goes on: opaque, and in need of every kind of escaping. */
const tokenOf = (key) => `1+/=&<"${Buffer.from(key).toString('base64')}`;
function keyOfToken(token) {
  const key = Buffer.from(token.slice(tokenOf('').length), 'base64').toString();
  if (tokenOf(key) === token) return key;
  throw new S3Error(400, 'InvalidArgument', 'The continuation token provided is incorrect');
}

const COMPLETE = new RegExp('^\\s*(?:<\\?xml[^>]*\\?>)?\\s*' +
    '<CompleteMultipartUpload(?: xmlns="[^"]*")?>([^]*)</CompleteMultipartUpload>\\s*$');

/** The parts of a CompleteMultipartUpload; it has nothing else but space. */
function parseParts(xml) {
  const [, body = ''] = COMPLETE.exec(xml) ?? [];
  if (body.replace(/<Part>[^]*?<\/Part>/g, '').trim()) throw malformed();
  const parts = [...body.matchAll(/<Part>([^]*?)<\/Part>/g)].map(([, part]) => {
    const members = [...part.matchAll(/<(\w+)>([^<]*)<\/\1>/g)];
    if (part.replace(/<(\w+)>[^<]*<\/\1>/g, '').trim()) throw malformed();
    return Object.fromEntries(members.map(([, name, value]) => [name, unescape(value)]));
  });
  const good = ({ETag, PartNumber}) => ETag && /^\d+$/.test(PartNumber);
  if (parts.length === 0 || !parts.every(good)) throw malformed();
  return parts.map((part) => ({...part, PartNumber: Number(part.PartNumber)}));
}

/** The bytes of a Range header as [first, last], or null where all are meant. */
function rangeOf(header, size) {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (from === undefined || (from === '' && to === '')) return null;
  const first = from === '' ? Math.max(size - Number(to), 0) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (first > last || first >= size) {
    throw new S3Error(416, 'InvalidRange', 'The requested range is not satisfiable',
        {'content-range': `bytes */${size}`});
  }
  return [first, last];
}

function flipped(bytes) {
  const other = Buffer.from(bytes);
  if (other.length > 0) other[other.length >> 1] ^= 1;
  return other;
}

/** Reads a body, or only half of it; the connection stays open for the other half. */
async function read(request, half) {
  const enough = half ? Number(request.headers['content-length'] ?? 0) / 2 : Infinity;
  const chunks = [];
  let size = 0;
  if (enough === 0) return Buffer.alloc(0);
  for await (const chunk of request.iterator({destroyOnReturn: false})) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= enough) break;
  }
  return Buffer.concat(chunks);
}

/**
 * One request as it was remembered.
 * @typedef {{op: string, method: string, target: string, key: string, partNumber?: number,
 *   uploadId?: string, prefix?: string, headers: Record<string, string>, size?: number,
 *   sha256?: string, status?: number, code?: string, effect: boolean, fault?: string}} Entry
 */

export class S3Double {
  /** Every request in the order in which they came. @type {Entry[]} */
  requests = [];
  /**
   * What is stored, by key; `writes` is how often it was.
   * @type {Map<string, {bytes: Buffer, sha256: string, headers: object, etag: string,
   *   checksum?: string, writes: number}>}
   */
  objects = new Map();
  /** Multipart uploads that are open, by their id. */
  uploads = new Map();
  /**
   * Asked when the head of a request is here.
   * @type {(entry: Entry) => {kind: string, status?: number, location?: string} | undefined}
   */
  faults = () => undefined;
  /**
   * Told when a request has come, took effect and was answered.
   * @type {(entry: Entry, stage: 'came' | 'effect' | 'answered') => void}
   */
  watch = () => {};
  #server;
  #busy = 0;
  #made = 0;
  #waiting = [];

  /**
   * @param {{accessKey?: string, secretKey?: string, sessionToken?: string, region?: string,
   *   bucket?: string, minPartBytes?: number, checksums?: boolean, skewMs?: number,
   *   now?: () => number, listPage?: number}} [options]
   *   S3 has 5 MiB for minPartBytes; without checksums it is an older store, that knows nothing of
   *   them and writes its XML as Go does; listPage is how many uploads or objects it lists at a time
   */
  constructor({accessKey = 'AKIATESTTESTTESTTEST', secretKey = 'a/secret+of=the/tests+0123456789',
    sessionToken, region = 'eu-test-1', bucket = 'recordings', minPartBytes = 0, checksums = true,
    skewMs = 0, now = () => Date.now() + skewMs, listPage = 1_000} = {}) {
    this.keys = {accessKey, secretKey, sessionToken, region};
    Object.assign(this, {bucket, minPartBytes, checksums, now, listPage});
  }

  async start() {
    const serve = (request, response) => {
      ++this.#busy;
      this.#serve(request, response).catch((error) => { // of the double itself: the test fails
        request.socket.destroy();
        throw error;
      }).finally(() => {
        --this.#busy;
        for (const waiting of this.#waiting.splice(0)) waiting();
      });
    };
    this.#server = http.createServer({keepAliveTimeout: 60_000}, serve);
    this.#server.on('checkContinue', serve); // it is told to go on once the body is wanted
    await new Promise((resolve) => { this.#server.listen(0, '127.0.0.1', resolve); });
    return this;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => { this.#server.close(resolve); });
  }

  get port() { return this.#server.address().port; }
  get url() { return `http://127.0.0.1:${this.port}`; }

  /** Until nothing is under way: what a killed client had sent has taken effect, or never will. */
  async idle() {
    while (this.#busy > 0) await new Promise((resolve) => { this.#waiting.push(resolve); });
  }

  /** The requests of one kind that took effect. @param {Partial<Entry>} [more] */
  done(op, more = {}) {
    return this.requests.filter((entry) => entry.op === op && entry.effect &&
      Object.entries(more).every(([name, value]) => entry[name] === value));
  }

  /** An upload that somebody left open; its id needs every kind of escaping. */
  open(key, headers = {}) {
    const unique = crypto.randomBytes(6).toString('hex');
    const uploadId = `${++this.#made}a+b/c=&<d>"e'%25~${unique}`;
    this.uploads.set(uploadId, {key, uploadId, headers, parts: new Map()});
    return uploadId;
  }

  /** @returns {Entry} */
  #note(request) {
    const {headers, method, url: target} = request;
    const entry = {op: 'bad', method, target, key: '', headers, effect: false};
    this.requests.push(entry);
    try {
      const {path, pairs} = parseTarget(target);
      const query = Object.fromEntries(pairs);
      const virtual = (headers.host ?? '').startsWith(`${this.bucket}.`);
      const [, bucket, rest = ''] = /^\/([^/]*)\/?([^]*)$/.exec(path) ?? [];
      entry.bucket = virtual ? this.bucket : bucket;
      entry.key = virtual ? path.slice(1) : rest;
      entry.query = query;
      if ('uploadId' in query) entry.uploadId = query.uploadId;
      if ('partNumber' in query) entry.partNumber = Number(query.partNumber);
      entry.op = this.#opOf(entry, query);
    } catch (error) {
      entry.bad = error;
    }
    return entry;
  }

  #opOf({method, key, uploadId, partNumber}, query) {
    if (method === 'GET' && key === '' && 'uploads' in query) return 'list';
    if (method === 'GET' && key === '' && query['list-type'] === '2') return 'list_objects';
    if (key === '') return 'bad';
    if (uploadId !== undefined) {
      if (method === 'PUT' && partNumber >= 1 && partNumber <= MAX_PARTS) return 'upload_part';
      return {POST: 'complete', DELETE: 'abort'}[method] ?? 'bad';
    }
    if (method === 'POST' && 'uploads' in query) return 'create';
    return {PUT: 'put', HEAD: 'head', GET: 'get', DELETE: 'delete'}[method] ?? 'bad';
  }

  async #serve(request, response) {
    request.on('error', () => {});
    response.on('error', () => {});
    const entry = this.#note(request);
    this.watch(entry, 'came');
    const fault = this.faults(entry) ?? {};
    if (fault.kind) entry.fault = fault.kind;
    let answer;
    try {
      answer = await this.#answerOf(request, response, entry, fault);
    } catch (error) {
      if (!(error instanceof S3Error)) {
        if (!request.complete) return request.socket.destroy(); // the client is gone
        throw error;
      }
      answer = this.#refusal(error, entry);
    }
    await this.#send(request, response, entry, fault, answer);
  }

  /** @returns {Promise<{status: number, headers?: object, body?: string | Buffer} | null>} */
  async #answerOf(request, response, entry, fault) {
    if (fault.kind === 'slow_down') {
      throw new S3Error(503, 'SlowDown', 'Please reduce your request rate.');
    }
    if (request.headers.expect) response.writeContinue();
    const body = await read(request, fault.kind === 'cut_body');
    if (fault.kind === 'cut_body') return null;
    Object.assign(entry, {size: body.length, sha256: sha256(body)});
    this.#refuseFor(fault, entry);
    if (fault.kind === 'hang') return null;
    if (entry.bad) throw entry.bad;
    const {method, url: target, rawHeaders} = request;
    const headers = rawHeaders.flatMap((name, i) => (i % 2 ? [] : [[name, rawHeaders[i + 1]]]));
    checkSignature({method, target, headers, body}, this.keys, this.now());
    if (entry.bucket !== this.bucket) {
      throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist');
    }
    this.#checkBody(entry, body);
    const answer = this.#does[entry.op].call(this, entry, body, fault.kind === 'flip');
    entry.effect = true;
    this.watch(entry, 'effect');
    return answer;
  }

  #refuseFor({kind, status = 307, location = 'http://127.0.0.1:1/'}, entry) {
    if (kind === 'internal_error') throw internal();
    if (kind === 'skewed') throw new S3Error(403, 'RequestTimeTooSkewed');
    if (kind === 'denied') throw new S3Error(403, 'AccessDenied', 'Access Denied');
    if (kind === 'redirect') {
      throw new S3Error(status, status === 301 ? 'PermanentRedirect' : 'TemporaryRedirect',
          'Please re-send this request to the specified endpoint.', {location});
    }
    if (kind === 'forget') this.uploads.delete(entry.uploadId);
  }

  #checkBody({headers, op}, body) {
    if ('transfer-encoding' in headers) throw new S3Error(501, 'NotImplemented');
    const given = headers['content-md5'];
    if (given && given !== base64(md5(body))) throw new S3Error(400, 'BadDigest');
    const checksum = this.checksums && op !== 'complete' && headers['x-amz-checksum-sha256'];
    if (checksum && checksum !== base64(sha256(body))) {
      throw new S3Error(400, 'BadDigest',
          'The SHA256 you specified did not match the calculated checksum.');
    }
  }

  #refusal({status, code, message, headers}, entry) {
    entry.code = code;
    const xml = `${XML}\n<Error><Code>${code}</Code>` +
        `<Message>${this.#escape(message)}</Message>` +
        `<Resource>${this.#escape(`/${entry.key}`)}</Resource>` +
        `<RequestId>${REQUEST_ID}</RequestId></Error>`;
    return {status, headers: {'content-type': 'application/xml', ...headers}, body: xml};
  }

  async #send(request, response, entry, {kind}, answer) {
    const {socket} = request;
    if (kind === 'cut_body' || kind === 'lost_answer') return socket.resetAndDestroy();
    if (kind === 'hang' || kind === 'hang_after') { // until the client gives up, or the test ends
      if (!socket.destroyed) await new Promise((resolve) => { socket.once('close', resolve); });
      return;
    }
    const status = kind === 'error_in_200' ? 200 : answer.status;
    let body = Buffer.from(answer.body ?? '');
    if (kind === 'truncated' && status === 200) body = body.subarray(0, body.length >> 2);
    entry.status = status;
    const early = !request.complete;
    response.writeHead(status, {'content-length': body.length, 'x-amz-request-id': REQUEST_ID,
      ...answer.headers, ...(early && {connection: 'close'})});
    if (kind === 'cut_answer') {
      response.write(body.subarray(0, body.length >> 1), () => socket.destroy());
    } else {
      response.end(request.method === 'HEAD' ? undefined : body);
    }
    if (early) request.resume();
    if (!socket.destroyed && !response.writableFinished) {
      await new Promise((resolve) => {
        for (const end of ['close', 'finish']) response.once(end, resolve);
      });
    }
    this.watch(entry, 'answered');
    if (kind === 'close_after') socket.end();
  }

  #escape(text) {
    return text.replace(/[&<>"']/g, (c) => (this.checksums ? NAMED[c] : `&#${c.charCodeAt(0)};`));
  }

  /** A document of names and values; an array is the element as often. */
  #xml(root, members) {
    const content = (value) => (typeof value === 'object' ?
      Object.entries(value).map(element).join('') : this.#escape(String(value)));
    const element = ([name, value]) =>
      [value].flat().map((one) => `<${name}>${content(one)}</${name}>`).join('');
    const body = `${XML}\n<${root} ${XMLNS}>${content(members)}</${root}>`;
    return {status: 200, headers: {'content-type': 'application/xml'}, body};
  }

  #store(key, bytes, from, {etag = `"${md5(bytes)}"`, checksum}) {
    const kept = KEPT.filter((name) => name in from);
    const headers = Object.fromEntries(kept.map((name) => [name, from[name]]));
    // Encrypted with a key of its owner, an ETag is no MD5: nobody may count on it.
    const kms = headers['x-amz-server-side-encryption'] === 'aws:kms';
    const stored = {bytes, sha256: sha256(bytes), headers, checksum,
      etag: kms ? `"${crypto.randomUUID()}"` : etag,
      writes: (this.objects.get(key)?.writes ?? 0) + 1};
    this.objects.set(key, stored);
    return stored;
  }

  #uploadOf({uploadId, key}) {
    const upload = this.uploads.get(uploadId);
    if (upload?.key !== key) {
      throw new S3Error(404, 'NoSuchUpload', 'The specified upload does not exist.');
    }
    return upload;
  }

  #hasChecksum({headers}) {
    return this.checksums && headers['x-amz-checksum-algorithm'] === 'SHA256';
  }

  /** The stored parts that a CompleteMultipartUpload names, each as it was answered for. */
  #partsOf(upload, named) {
    const checked = this.#hasChecksum(upload);
    return named.map(({PartNumber, ETag, ChecksumSHA256}, i) => {
      if (PartNumber <= named[i - 1]?.PartNumber) throw new S3Error(400, 'InvalidPartOrder');
      const part = upload.parts.get(PartNumber);
      if (part?.etag.slice(1, -1) !== ETag.replace(/^"|"$/g, '')) {
        throw new S3Error(400, 'InvalidPart', 'One or more of the parts could not be found.');
      }
      if (checked && !ChecksumSHA256) {
        throw new S3Error(400, 'InvalidRequest', 'The upload was created using a sha256 ' +
            `checksum. It was missing for part ${PartNumber} in the request.`);
      }
      if (checked && ChecksumSHA256 !== base64(part.sent)) throw new S3Error(400, 'InvalidPart');
      if (i < named.length - 1 && part.bytes.length < this.minPartBytes) {
        throw new S3Error(400, 'EntityTooSmall');
      }
      return part;
    });
  }

  #object({key}) {
    const object = this.objects.get(key);
    if (!object) throw new S3Error(404, 'NoSuchKey', 'The specified key does not exist.');
    return object;
  }

  #describe(object, {headers}) {
    const asked = headers['x-amz-checksum-mode'] === 'ENABLED' && !headers.range;
    return {
      'content-type': 'binary/octet-stream',
      ...object.headers,
      'etag': object.etag,
      'accept-ranges': 'bytes',
      'last-modified': new Date(0).toUTCString(),
      ...(asked && object.checksum && {
        'x-amz-checksum-sha256': object.checksum,
        'x-amz-checksum-type': object.checksum.includes('-') ? 'COMPOSITE' : 'FULL_OBJECT',
      }),
    };
  }

  /** The operations. The answer to a flipped byte is made of the good ones. */
  #does = {
    bad() { throw new S3Error(501, 'NotImplemented', 'The double does not know this request.'); },

    put({key, headers}, body, flip) {
      const checked = this.checksums && 'x-amz-checksum-sha256' in headers;
      const bytes = flip ? flipped(body) : body;
      const {etag} = this.#store(key, bytes, headers, {etag: `"${md5(body)}"`,
        checksum: checked ? base64(sha256(bytes)) : undefined});
      const checksum = checked && {'x-amz-checksum-sha256': base64(sha256(body))};
      return {status: 200, headers: {etag, ...checksum}};
    },

    create({key, headers}) {
      const uploadId = this.open(key, headers);
      return this.#xml('InitiateMultipartUploadResult',
          {Bucket: this.bucket, Key: key, UploadId: uploadId});
    },

    upload_part(entry, body, flip) {
      const upload = this.#uploadOf(entry);
      const checked = this.#hasChecksum(upload);
      if (checked && !('x-amz-checksum-sha256' in entry.headers)) {
        throw new S3Error(400, 'InvalidRequest', 'Checksum Type mismatch occurred, expected ' +
            'checksum Type: sha256, actual checksum Type: null');
      }
      const etag = `"${md5(body)}"`;
      const bytes = flip ? flipped(body) : body;
      upload.parts.set(entry.partNumber, {etag, sent: sha256(body), bytes});
      const checksum = checked && {'x-amz-checksum-sha256': base64(sha256(body))};
      return {status: 200, headers: {etag, ...checksum}};
    },

    complete(entry, body) {
      const upload = this.#uploadOf(entry);
      if (entry.fault === 'error_in_200') throw internal();
      const parts = this.#partsOf(upload, parseParts(body.toString()));
      const checksum = this.#hasChecksum(upload) ?
        composite('sha256', parts.map(({bytes}) => sha256(bytes)), 'base64') : undefined;
      const etag = `"${composite('md5', parts.map((part) => part.etag.slice(1, -1)), 'hex')}"`;
      const bytes = Buffer.concat(parts.map((part) => part.bytes));
      const stored = this.#store(entry.key, bytes, upload.headers, {etag, checksum});
      this.uploads.delete(entry.uploadId);
      return this.#xml('CompleteMultipartUploadResult', {
        Location: `${this.url}/${this.bucket}/${entry.key}`, Bucket: this.bucket, Key: entry.key,
        ETag: stored.etag, ...(checksum && {ChecksumSHA256: checksum})});
    },

    abort(entry) {
      this.uploads.delete(this.#uploadOf(entry).uploadId);
      return {status: 204};
    },

    list({query}) {
      const {prefix = '', 'key-marker': key = '', 'upload-id-marker': id = ''} = query;
      const order = (one) => `${one.key}\0${one.uploadId}`;
      const after = (one) => (id === '' ? one.key > key : order(one) > `${key}\0${id}`);
      const found = [...this.uploads.values()]
          .filter((one) => one.key.startsWith(prefix) && after(one))
          .sort((a, b) => (order(a) < order(b) ? -1 : 1));
      const page = found.slice(0, Math.min(this.listPage, Number(query['max-uploads'] ?? 1_000)));
      const more = page.length < found.length;
      const name = query['encoding-type'] === 'url' ? encodeURIComponent : (text) => text;
      return this.#xml('ListMultipartUploadsResult', {
        Bucket: this.bucket, KeyMarker: name(key), UploadIdMarker: id, Prefix: name(prefix),
        ...(more && {NextKeyMarker: name(page.at(-1).key),
          NextUploadIdMarker: page.at(-1).uploadId}),
        MaxUploads: this.listPage, IsTruncated: more,
        Upload: page.map((one) => ({Key: name(one.key), UploadId: one.uploadId,
          Owner: {ID: 'b1d16700c70b0b05'}, StorageClass: 'STANDARD'})),
      });
    },

    list_objects({query}) {
      const {prefix = '', delimiter = '', 'continuation-token': token} = query;
      const from = token === undefined ? '' : keyOfToken(token);
      const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
      const short = (key) => {
        const end = delimiter && key.indexOf(delimiter, prefix.length);
        return delimiter && end >= 0 ? key.slice(0, end + delimiter.length) : key;
      };
      const found = [...new Set(keys.map(short))].filter((name) => name > from);
      const page = found.slice(0, Math.min(this.listPage, Number(query['max-keys'] ?? 1_000)));
      const more = page.length < found.length;
      const whole = page.filter((name) => this.objects.has(name));
      return this.#xml('ListBucketResult', {
        Name: this.bucket, Prefix: prefix, KeyCount: page.length, MaxKeys: this.listPage,
        ...(delimiter && {Delimiter: delimiter}), IsTruncated: more,
        ...(token !== undefined && {ContinuationToken: token}),
        ...(more && {NextContinuationToken: tokenOf(page.at(-1))}),
        Contents: whole.map((key) => ({Key: key, LastModified: new Date(0).toISOString(),
          ETag: this.objects.get(key).etag, Size: this.objects.get(key).bytes.length,
          StorageClass: 'STANDARD'})),
        CommonPrefixes: page.filter((name) => !whole.includes(name))
            .map((name) => ({Prefix: name})),
      });
    },

    head(entry) {
      const object = this.#object(entry);
      const size = {'content-length': object.bytes.length};
      return {status: 200, headers: {...this.#describe(object, entry), ...size}};
    },

    get(entry) {
      const object = this.#object(entry);
      const range = rangeOf(entry.headers.range, object.bytes.length);
      const headers = this.#describe(object, entry);
      for (const name of ['content-type', 'content-disposition']) {
        if (`response-${name}` in entry.query) headers[name] = entry.query[`response-${name}`];
      }
      if (!range) return {status: 200, headers, body: object.bytes};
      return {status: 206, body: object.bytes.subarray(range[0], range[1] + 1),
        headers: {...headers, 'content-range': `bytes ${range.join('-')}/${object.bytes.length}`}};
    },

    delete({key}) {
      this.objects.delete(key);
      return {status: 204};
    },
  };
}
