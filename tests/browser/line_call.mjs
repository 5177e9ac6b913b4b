/** Ada sends a picture in three sizes, Ben sees it through a line that a test makes narrow or bad. */
import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install} from './participant.mjs';
import {relay, throughPort} from './relay.mjs';

/** @param {Parameters<typeof relay>[1]} [line] */
export async function lineCall(line) {
  const daemon = await Daemon.start({workers: 1});
  const way = await relay(daemon.mediaPort, line);
  const chromium = await launchChromium();
  const close = async () => {
    await chromium.close();
    way.close();
    await daemon.stop();
  };
  try {
    const room = await daemon.room('lines');
    const publisher = await openChromium(chromium, daemon.url);
    const viewer = await openChromium(chromium, daemon.url);
    for (const page of [publisher, viewer]) await page.evaluate(install);
    await publisher.evaluate((look) => window.me.makeSource(look), {...LOOKS.ada, width: 1280, height: 720, fps: 20, busy: true});
    await publisher.evaluate((options) => window.me.join(options), {token: await room.token('ada')});
    await viewer.evaluate(throughPort, way.port);
    await viewer.evaluate((options) => window.me.join(options), {token: await room.token('ben')});
    return {daemon, chromium, room, publisher, viewer, way, close};
  } catch (error) {
    await close();
    throw error;
  }
}
