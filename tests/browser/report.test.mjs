/** The benchmark's report: what its ratios are made of. */
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {floorOf, interpolate, isCarried, median, page, summarise, table} from '../../bench/report.mjs';

const FLOORS = [
  {floor: 'send', bytes: 1_100, run: 1, us_per_packet: 3},
  {floor: 'send', bytes: 1_100, run: 3, us_per_packet: 2},
  {floor: 'receive', bytes: 1_100, us_per_packet: 1},
];
const run = (more) => ({peer: 'parley', profile: 'AEAD_AES_128_GCM', shape: 'fanout', count: 10, participants: 11, seconds: 10,
  delivered_per_s: 1_500, server_cpu_us_per_packet: 5, server_core_share: 0.5, packets_per_message: 2, bytes_per_packet: 1_100,
  in_per_out: 0.5, lost: 0, latency_us: {p50: 300, p99: 2_000}, server_kib_per_peer: 60, server_cpu_ms_per_join: 2, ...more});

test('medians and the points between', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(interpolate([[1, 10], [3, 20]], 2), 15);
  assert.equal(interpolate([[3, 20], [1, 10]], 9), 20);
  assert.equal(interpolate([[1, 10]], 0), 10);
});

test('the floor of a run is to send, and to receive what comes in for it', () => {
  assert.equal(floorOf(run({packets_per_message: 1.5}), FLOORS), 2.5 + 0.5 * 1, 'halfway from a message each to a third of one');
  assert.equal(floorOf(run({packets_per_message: 9}), FLOORS), 2 + 0.5 * 1);
  assert.equal(floorOf(run({packets_per_message: undefined}), FLOORS), null);
  const of = (peers, cost) => [{floor: 'send', peers, bytes: 1_100, run: 1, us_per_packet: cost}, {floor: 'receive', peers, bytes: 1_100, us_per_packet: 1}];
  assert.equal(floorOf(run({participants: 400}), [...of(100, 3), ...of(1_000, 4)]), 4 + 0.5, 'with about as many receivers');
});

test('a load that is lost or late is not carried', () => {
  assert.ok(isCarried(run({})));
  assert.ok(!isCarried(run({lost: 16})));
  assert.ok(!isCarried(run({latency_us: {p50: 1, p99: 200_000}})));
});

test('runs of one kind become their median, and are compared with the best peer that carried the load', () => {
  const summary = summarise([...FLOORS, run({server_cpu_us_per_packet: 4}), run({server_cpu_us_per_packet: 6}),
    run({peer: 'janus', packets_per_message: undefined, server_cpu_us_per_packet: 8, lost: 1_000}),
    run({peer: 'janus-loop', packets_per_message: undefined, server_cpu_us_per_packet: 20})]);
  const [parley, janus] = summary.loads[0];
  assert.equal(parley.server_cpu_us_per_packet, 5);
  assert.equal(parley.toBestPeer, 0.25, 'what was not carried does not count');
  assert.equal(parley.toFloor, 5 / 2.75);
  assert.equal(janus.carried, false);
  assert.match(table(summary), /fanout 10 \| parley .*\| 1\.82 .*\| 0\.25/);
  const html = page(summary);
  assert.match(html, /<svg/);
  assert.doesNotMatch(html, /https?:/, 'needs nothing from elsewhere');
});
