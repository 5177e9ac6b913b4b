/** The double is what parley-upload is measured with, so it is measured first. */
import assert from 'node:assert/strict';
import http from 'node:http';
import {after, before, test} from 'node:test';

import {FAULTS, S3Double, canHave, randomFaults, seededRandom} from './s3_double.mjs';
import {checkSignature, encode, presign, sha256, sign} from './sigv4.mjs';

/** AWS's published examples: "Signature Calculations for the Authorization Header". */
const AWS = {accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', region: 'us-east-1'};
const AWS_NOW = Date.UTC(2013, 4, 24);
const AWS_HOST = 'examplebucket.s3.amazonaws.com';

/** An example as its sender would put it on the wire. */
function example(method, target, signature, more = [], body = '') {
  const headers = [['Host', AWS_HOST], ...more, ['x-amz-content-sha256', sha256(body)],
    ['x-amz-date', '20130524T000000Z']];
  const signed = headers.map(([name]) => name.toLowerCase()).sort().join(';');
  headers.push(['Authorization', 'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/' +
      `us-east-1/s3/aws4_request,SignedHeaders=${signed},Signature=${signature}`]);
  return {method, target, headers, body: Buffer.from(body)};
}

const EXAMPLES = {
  'GET object': example('GET', '/test.txt',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
      [['Range', 'bytes=0-9']]),
  'PUT object': example('PUT', '/test%24file.text',
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      [['Date', 'Fri, 24 May 2013 00:00:00 GMT'], ['x-amz-storage-class', 'REDUCED_REDUNDANCY']],
      'Welcome to Amazon S3.'),
  'GET lifecycle': example('GET', '/?lifecycle',
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'),
  'list objects': example('GET', '/?max-keys=2&prefix=J',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'),
  'presigned URL': {method: 'GET', headers: [['Host', AWS_HOST]], body: Buffer.alloc(0),
    target: '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE' +
      '%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z' +
      '&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=' +
      'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404'},
};

const codeOf = (request, now = AWS_NOW, keys = AWS) => {
  try {
    checkSignature(request, keys, now);
    return 'good';
  } catch (error) {
    if (!error.status) throw error;
    return error.code;
  }
};

/** The text with one byte changed, once for each byte. */
function* changed(text) {
  for (let i = 0; i < text.length; ++i) {
    const other = /\d/.test(text[i]) ? (Number(text[i]) + 1) % 10 : text[i] === 'x' ? 'y' : 'x';
    yield text.slice(0, i) + other + text.slice(i + 1);
  }
}

let double;
before(async () => { double = await new S3Double().start(); });
after(() => double?.stop());

/** Sends a request as it is: fetch would tidy its path. */
function send(url, {method, target, headers, body = ''}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, {method, path: target, headers: Object.fromEntries(headers),
      agent: false, setHost: false});
    request.on('error', reject);
    request.on('response', async (response) => {
      const chunks = [];
      try {
        for await (const chunk of response) chunks.push(chunk);
      } catch (error) {
        return reject(error);
      }
      const bytes = Buffer.concat(chunks);
      resolve({status: response.statusCode, headers: response.headers, bytes, text: String(bytes),
        code: /<Code>(\w+)<\/Code>/.exec(bytes)?.[1]});
    });
    request.end(body);
  });
}

/** A signed request to a double. @param {Record<string, string>} [headers] */
function ask(store, method, target, {headers = {}, body = '', checked = true, keys = store.keys,
  now = Date.now()} = {}) {
  const request = {method, target, body: Buffer.from(body), headers: Object.entries({
    'host': new URL(store.url).host, 'content-length': String(Buffer.byteLength(body)),
    ...(method === 'PUT' && checked && {'x-amz-checksum-sha256': checksumOf(body)}), ...headers})};
  return send(store.url, sign(request, keys, now));
}
const checksumOf = (bytes) => Buffer.from(sha256(bytes), 'hex').toString('base64');
const unescape = (text) => text.replaceAll('&quot;', '"').replaceAll('&apos;', '\'')
    .replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');

async function create(store, key) {
  const {text} = await ask(store, 'POST', `/recordings/${key}?uploads=`,
      {headers: {'x-amz-checksum-algorithm': 'SHA256'}});
  return encode(unescape(/<UploadId>(.*)<\/UploadId>/.exec(text)[1]));
}
const completeXml = (parts) => `<CompleteMultipartUpload>${parts.map(({body, etag}, i) =>
  `<Part><ChecksumSHA256>${checksumOf(body)}</ChecksumSHA256><ETag>${etag}</ETag>` +
  `<PartNumber>${i + 1}</PartNumber></Part>`).join('')}</CompleteMultipartUpload>`;

async function storeInParts(store, key, bodies) {
  const id = await create(store, key);
  const parts = [];
  for (const [i, body] of bodies.entries()) {
    const target = `/recordings/${key}?partNumber=${i + 1}&uploadId=${id}`;
    const {headers: {etag}} = await ask(store, 'PUT', target, {body});
    parts.push({body, etag});
  }
  return ask(store, 'POST', `/recordings/${key}?uploadId=${id}`, {body: completeXml(parts)});
}

test('AWS\'s published examples are good, each with one byte changed is not', () => {
  for (const [name, request] of Object.entries(EXAMPLES)) {
    assert.equal(codeOf(request), 'good', name);
    for (const target of changed(request.target)) {
      assert.notEqual(codeOf({...request, target}), 'good', `${name}: ${target}`);
    }
    for (const [i, [header, value]] of request.headers.entries()) {
      for (const other of changed(value)) {
        const headers = request.headers.map((pair, at) => (at === i ? [header, other] : pair));
        assert.notEqual(codeOf({...request, headers}), 'good', `${name}: ${header}: ${other}`);
      }
      const headers = request.headers.filter((_, at) => at !== i);
      assert.notEqual(codeOf({...request, headers}), 'good', `${name} without ${header}`);
    }
    assert.equal(codeOf({...request, method: 'DELETE'}), 'SignatureDoesNotMatch', name);
  }
  for (const body of changed('Welcome to Amazon S3.')) {
    assert.equal(codeOf({...EXAMPLES['PUT object'], body: Buffer.from(body)}),
        'XAmzContentSHA256Mismatch');
  }
});

test('AWS\'s published examples are good over the wire, to a bucket that is part of the host',
    async () => {
      const now = () => AWS_NOW;
      const store = await new S3Double({...AWS, bucket: 'examplebucket', now}).start();
      try {
        const put = await send(store.url, EXAMPLES['PUT object']);
        assert.equal(put.status, 200, put.text);
        assert.equal(store.objects.get('test$file.text').sha256, sha256('Welcome to Amazon S3.'));
        const bytes = Buffer.from('0123456789abcdef');
        store.objects.set('test.txt', {bytes, headers: {}, etag: '"0"'});
        const part = await send(store.url, EXAMPLES['GET object']);
        assert.equal(part.status, 206);
        assert.equal(part.text, '0123456789');
        const all = await send(store.url, EXAMPLES['presigned URL']);
        assert.equal(all.status, 200);
        assert.equal(all.text, '0123456789abcdef');
        assert.equal((await send(store.url, EXAMPLES['GET lifecycle'])).code, 'NotImplemented');
      } finally {
        await store.stop();
      }
    });

test('a request is refused for what S3 refuses it for', async () => {
  const good = () => sign({method: 'GET', target: '/b/k?b=2&a=1&a-=3&a=%2B',
    headers: [['host', 'h']]}, AWS, AWS_NOW);
  assert.equal(codeOf({...good(), body: ''}), 'good');
  const minute = 60_000;
  for (const [skew, code] of [[14, 'good'], [-14, 'good'], [16, 'RequestTimeTooSkewed'],
    [-16, 'RequestTimeTooSkewed']]) {
    assert.equal(codeOf({...good(), body: ''}, AWS_NOW + skew * minute), code, `${skew} minutes`);
  }
  const other = (more) => codeOf({...good(), body: ''}, AWS_NOW, {...AWS, ...more});
  assert.equal(other({secretKey: 'another'}), 'SignatureDoesNotMatch');
  assert.equal(other({accessKey: 'another'}), 'InvalidAccessKeyId');
  assert.equal(other({region: 'eu-test-1'}), 'AuthorizationHeaderMalformed');
  assert.equal(other({sessionToken: 'needed'}), 'InvalidToken');
  const extra = good();
  extra.headers.push(['x-amz-acl', 'public-read']);
  assert.equal(codeOf({...extra, body: ''}), 'AccessDenied', 'every x-amz header is signed');
  const token = sign({method: 'GET', target: '/', headers: [['host', 'h']]},
      {...AWS, sessionToken: 'of a session'}, AWS_NOW);
  const keys = {...AWS, sessionToken: 'of a session'};
  assert.equal(codeOf({...token, body: ''}, AWS_NOW, keys), 'good');
  // A bare plus is a space: who signs a plus has to send %2B.
  const plus = sign({method: 'GET', target: '/a%2Bb', headers: [['host', 'h']]}, AWS, AWS_NOW);
  assert.equal(codeOf({...plus, body: ''}), 'good');
  assert.equal(codeOf({...plus, target: '/a+b', body: ''}), 'SignatureDoesNotMatch');
  // Encoded twice is another key.
  assert.equal(codeOf({...plus, target: '/a%252Bb', body: ''}), 'SignatureDoesNotMatch');
  assert.equal(codeOf({...plus, target: '/a%2', body: ''}), 'InvalidURI');
});

test('a link is good until it ends, and for one object', async () => {
  await ask(double, 'PUT', '/recordings/linked.webm',
      {body: '0123456789', headers: {'content-type': 'video/webm'}});
  const {host} = new URL(double.url);
  const link = (now, path = '/recordings/linked.webm') => presign(host, path, double.keys, now, 60);
  const get = (target, more = []) =>
    send(double.url, {method: 'GET', target, headers: [['host', host], ...more]});
  const now = Date.now();
  const all = await get(link(now));
  assert.equal(all.text, '0123456789');
  assert.equal(all.headers['content-type'], 'video/webm');
  for (const [range, text, told] of [['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'], ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10']]) {
    const part = await get(link(now), [['range', range]]);
    assert.equal(part.status, 206);
    assert.equal(part.text, text);
    assert.equal(part.headers['content-range'], told);
  }
  assert.equal((await get(link(now), [['range', 'bytes=10-']])).code, 'InvalidRange');
  assert.equal((await get(link(now - 120_000))).code, 'AccessDenied', 'it has ended');
  const moved = link(now).replace('linked', 'other');
  assert.equal((await get(moved)).code, 'SignatureDoesNotMatch');
  assert.equal((await get('/recordings/linked.webm')).code, 'AccessDenied', 'nothing is public');
});

test('an object has the checksum and the ETag that S3 gives it', async () => {
  const headers = {'x-amz-checksum-mode': 'ENABLED'};
  await ask(double, 'PUT', '/recordings/whole', {body: 'whole'});
  const whole = await ask(double, 'HEAD', '/recordings/whole', {headers});
  assert.equal(whole.headers['x-amz-checksum-sha256'], checksumOf('whole'));
  assert.equal(whole.headers['content-length'], '5');
  assert.equal(whole.headers.etag, '"356c9ee60e9da05301adc3bd96f6b383"');
  assert.equal((await storeInParts(double, 'parts', ['one', 'two'])).status, 200);
  const parts = await ask(double, 'HEAD', '/recordings/parts', {headers});
  const hashes = Buffer.from(sha256('one') + sha256('two'), 'hex');
  assert.equal(parts.headers['x-amz-checksum-sha256'], `${checksumOf(hashes)}-2`);
  assert.match(parts.headers.etag, /^"[0-9a-f]{32}-2"$/);
  assert.equal(double.objects.get('parts').sha256, sha256('onetwo'));
  const unasked = await ask(double, 'HEAD', '/recordings/parts');
  assert.equal(unasked.headers['x-amz-checksum-sha256'], undefined);
  assert.equal((await ask(double, 'HEAD', '/recordings/none')).status, 404);
  assert.equal(double.uploads.size, 0);
});

test('a body that is not what its headers say is not stored', async () => {
  const wrong = await ask(double, 'PUT', '/recordings/wrong',
      {body: 'body', checked: false, headers: {'x-amz-checksum-sha256': checksumOf('another')}});
  assert.equal(wrong.code, 'BadDigest');
  assert.ok(!double.objects.has('wrong'));
  const id = await create(double, 'wrong');
  const at = `/recordings/wrong?partNumber=1&uploadId=${id}`;
  assert.equal((await ask(double, 'PUT', at, {body: 'x', checked: false})).code, 'InvalidRequest');
  const {headers: {etag}} = await ask(double, 'PUT', at, {body: 'x'});
  const end = (body) => ask(double, 'POST', `/recordings/wrong?uploadId=${id}`, {body});
  const good = completeXml([{body: 'x', etag}]);
  for (const [body, code] of [['', 'MalformedXML'], [good.slice(0, -1), 'MalformedXML'],
    [good.replace('<Part>', 'x<Part>'), 'MalformedXML'],
    [good.replace(/<ChecksumSHA256>.*<\/ChecksumSHA256>/, ''), 'InvalidRequest'],
    [completeXml([{body: 'y', etag}]), 'InvalidPart'],
    [completeXml([{body: 'x', etag: '"0"'}]), 'InvalidPart'],
    [completeXml([{body: 'x', etag}, {body: 'x', etag}]), 'InvalidPart'],
    [good.replace(/(<Part>.*<\/Part>)/, '$1$1'), 'InvalidPartOrder']]) {
    assert.equal((await end(body)).code, code, body);
  }
  assert.equal((await end(good.replace(/"/g, '&quot;'))).status, 200);
  assert.equal((await end(good)).code, 'NoSuchUpload');
});

test('parts are as big as S3 wants them, except the last', async () => {
  const store = await new S3Double({minPartBytes: 5}).start();
  try {
    assert.equal((await storeInParts(store, 'k', ['12345', '1'])).status, 200);
    assert.equal((await storeInParts(store, 'k', ['1234', '1'])).code, 'EntityTooSmall');
  } finally {
    await store.stop();
  }
});

test('open uploads are listed by prefix and page by page, and can be aborted', async () => {
  const store = await new S3Double({listPage: 2}).start();
  try {
    const ids = [store.open('a/1'), store.open('a/1'), store.open('a/2+'), store.open('b/1')];
    const found = [];
    for (let more = ''; ;) {
      const {text} = await ask(store, 'GET', `/recordings?prefix=a%2F&uploads=${more}`);
      found.push(...text.matchAll(/<Upload><Key>(.*?)<\/Key><UploadId>(.*?)<\/UploadId>/g));
      if (text.includes('<IsTruncated>false')) break;
      const [key, id] = ['NextKeyMarker', 'NextUploadIdMarker'].map((name) =>
        encode(unescape(new RegExp(`<${name}>(.*)</${name}>`).exec(text)[1])));
      more = `&key-marker=${key}&upload-id-marker=${id}`;
    }
    assert.deepEqual(found.map(([, key]) => key), ['a/1', 'a/1', 'a/2+']);
    assert.deepEqual(found.map(([,, id]) => unescape(id)).sort(), ids.slice(0, 3).sort());
    const abort = () => ask(store, 'DELETE', `/recordings/a/1?uploadId=${encode(ids[0])}`);
    assert.equal((await abort()).status, 204);
    assert.equal((await abort()).code, 'NoSuchUpload');
    assert.equal(store.uploads.size, 3);
  } finally {
    await store.stop();
  }
});

test('objects are listed by prefix and page by page, what is deeper by its folder', async () => {
  const store = await new S3Double({listPage: 2}).start();
  try {
    for (const key of ['a/1', 'a/2+', 'a/3/x', 'a/3/y', 'a/4', 'a', 'b/1']) {
      store.objects.set(key, {bytes: Buffer.from('x'), etag: '"0"'});
    }
    const list = async (more = '') => {
      const found = [];
      for (let token = ''; ;) {
        const {text, code} = await ask(store, 'GET',
            `/recordings?list-type=2&prefix=a%2F${more}${token}`);
        if (code) return code;
        found.push(...[...text.matchAll(/<(?:Key|CommonPrefixes><Prefix)>(.*?)</g)]
            .map(([, name]) => name));
        const [, next] = /<NextContinuationToken>(.*)<\/NextContinuationToken>/.exec(text) ?? [];
        assert.equal(text.includes('<IsTruncated>true'), next !== undefined);
        if (next === undefined) return found;
        token = `&continuation-token=${encode(unescape(next))}`;
      }
    };
    assert.deepEqual(await list(), ['a/1', 'a/2+', 'a/3/x', 'a/3/y', 'a/4']);
    assert.deepEqual((await list('&delimiter=%2F')).sort(), ['a/1', 'a/2+', 'a/3/', 'a/4']);
    assert.equal(await list('&continuation-token=made-up'), 'InvalidArgument');
  } finally {
    await store.stop();
  }
});

test('an older store knows no checksums', async () => {
  const store = await new S3Double({checksums: false}).start();
  try {
    await ask(store, 'PUT', '/recordings/k', {body: 'b', checked: false,
      headers: {'x-amz-checksum-sha256': checksumOf('another')}});
    const head = await ask(store, 'HEAD', '/recordings/k',
        {headers: {'x-amz-checksum-mode': 'ENABLED'}});
    assert.equal(head.status, 200);
    assert.equal(head.headers['x-amz-checksum-sha256'], undefined);
    assert.match((await ask(store, 'POST', '/recordings/k?uploads=')).text, /a\+b\/c=&#38;&#60;d/);
  } finally {
    await store.stop();
  }
});

/** Settles as the answer, or as the code of a connection that broke. */
const outcome = (promise) => promise.then(({status, code}) => code ?? status, ({code}) => code);

test('each fault is what its name says, once', async () => {
  const body = 'x'.repeat(300_000);
  const expected = {slow_down: 'SlowDown', internal_error: 'InternalError', cut_body: 'ECONNRESET',
    lost_answer: 'ECONNRESET', close_after: 200, flip: 200, skewed: 'RequestTimeTooSkewed',
    denied: 'AccessDenied', redirect: 'TemporaryRedirect'};
  const takesEffect = ['lost_answer', 'close_after', 'flip'];
  try {
    for (const [kind, seen] of Object.entries(expected)) {
      const key = `fault-${kind}`;
      double.faults = () => ({kind});
      const put = () => ask(double, 'PUT', `/recordings/${key}`, {body});
      const got = await outcome(put());
      // Who writes while the other closes may see a broken pipe.
      assert.ok(got === seen || (seen === 'ECONNRESET' && got === 'EPIPE'), `${kind}: ${got}`);
      assert.equal(double.objects.has(key), takesEffect.includes(kind), kind);
      const stored = double.objects.get(key)?.sha256;
      if (stored) assert.equal(stored === sha256(body), kind !== 'flip', kind);
      double.faults = () => undefined;
      assert.equal(await outcome(put()), 200, kind);
      assert.equal(double.objects.get(key).sha256, sha256(body), kind);
    }
  } finally {
    double.faults = () => undefined;
  }
});

test('an upload in parts has its own faults', async () => {
  const once = (op, kind) => {
    double.faults = (entry) => {
      if (entry.op !== op) return undefined;
      double.faults = () => undefined;
      return {kind};
    };
  };
  const attempt = () => storeInParts(double, 'in-parts', ['one', 'two']);
  for (const [op, kind, seen] of [['complete', 'error_in_200', 'InternalError'],
    ['complete', 'forget', 'NoSuchUpload'], ['complete', 'truncated', 200],
    ['complete', 'cut_answer', 'ECONNRESET'], ['complete', 'lost_answer', 'ECONNRESET'],
    ['upload_part', 'flip', 200]]) {
    double.objects.delete('in-parts');
    once(op, kind);
    assert.equal(await outcome(attempt()), seen, kind);
    const stored = double.objects.get('in-parts');
    assert.equal(stored !== undefined, !['error_in_200', 'forget'].includes(kind), kind);
    if (kind !== 'flip') continue;
    assert.notEqual(stored.sha256, sha256('onetwo'));
    const hashes = Buffer.from(sha256('one') + sha256('two'), 'hex');
    assert.notEqual(stored.checksum, `${checksumOf(hashes)}-2`);
  }
  once('create', 'truncated');
  const {text} = await ask(double, 'POST', '/recordings/half?uploads=');
  assert.ok(text.length > 0 && !text.includes('</InitiateMultipartUploadResult>'));
});

test('a hanging request holds nothing but itself, and ends with its client', async () => {
  double.faults = () => ({kind: 'hang'});
  let came;
  const here = new Promise((resolve) => { came = resolve; });
  double.watch = () => came();
  const target = '/recordings/hung';
  const {headers} = sign({method: 'PUT', target, headers: [['host', 'h'], ['content-length', '0']]},
      double.keys, Date.now());
  const request = http.request(double.url, {method: 'PUT', path: target, agent: false,
    setHost: false, headers: Object.fromEntries(headers)});
  request.on('error', () => {});
  request.end();
  await here;
  double.watch = () => {};
  double.faults = () => undefined;
  assert.equal((await ask(double, 'PUT', '/recordings/meanwhile', {body: 'b'})).status, 200);
  request.destroy();
  await double.idle();
  assert.ok(!double.objects.has('hung'));
});

test('chance is the same for the same seed, and gives every fault that may be tried again', () => {
  const draw = (seed) => {
    const faults = randomFaults(seededRandom(seed), {rate: 1});
    return ['put', 'create', 'upload_part', 'complete', 'head', 'list', 'get'].flatMap((op) =>
      Array.from({length: 60}, () => ({op, kind: faults({op}).kind})));
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
  const seen = new Set(draw(7).map(({kind}) => kind));
  for (const [kind, {fatal}] of Object.entries(FAULTS)) assert.equal(seen.has(kind), !fatal, kind);
  assert.ok(draw(7).every(({op, kind}) => canHave(kind, op)));
});
