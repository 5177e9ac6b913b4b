/** Media over IPv6 alone, UDP and TCP. Needs the address ::1, which any Linux has unless it was told otherwise. */
import assert from 'node:assert/strict';
import os from 'node:os';
import {test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install, isColor} from './participant.mjs';
import {onlyTcp, route} from './tcp_proxy.mjs';
import {until} from './wait.mjs';

const hasIpv6 = Object.values(os.networkInterfaces()).flat().some((one) => one?.address === '::1');

test('people meet over IPv6, one by UDP and one by TCP', {skip: !hasIpv6 && 'this machine has no ::1'}, async () => {
  const daemon = await Daemon.start({workers: 1, bind: '::1'});
  const chromium = await launchChromium();
  try {
    const room = await daemon.room('six');
    const pages = {};
    for (const name of ['ada', 'ben']) {
      const page = pages[name] = await openChromium(chromium, daemon.url);
      await page.evaluate(install);
      await page.evaluate((look) => window.me.makeSource(look), LOOKS[name]);
      if (name === 'ben') await page.evaluate(onlyTcp, null);
      await page.evaluate((options) => window.me.join(options), {token: await room.token(name)});
    }
    for (const [name, other] of [['ada', 'ben'], ['ben', 'ada']]) {
      await until(`${name} sees ${other}`, async () => {
        const [seen] = await pages[name].evaluate(() => window.me.pictures());
        return seen?.identity === other && seen.frames > 20 && isColor(seen.color, LOOKS[other].color);
      });
      const way = await until(`${name} knows its way`, () => pages[name].evaluate(route));
      assert.equal(way.protocol, name === 'ada' ? 'udp' : 'tcp');
      assert.match(way.remote, /^\[?::1\]?$/);
    }
  } finally {
    await chromium.close();
    await daemon.stop();
  }
});
