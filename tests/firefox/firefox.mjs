// A Firefox of the test's own, by WebDriver BiDi. Playwright brings a patched one along; this is the distribution's.
import { decoded, snapshot } from '../browser/harness.mjs';
import puppeteer from 'puppeteer-core';

const FIREFOX = process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr';

const PREFERENCES = {
  'media.autoplay.default': 0, // allowed
  'media.autoplay.blocking_policy': 0,
  'media.navigator.permission.disabled': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  // Nothing of its own on the network: no plugins, no updates, no captive portal.
  'media.gmp-manager.updateEnabled': false,
  'media.gmp-gmpopenh264.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

/** Opens the player's page in a Firefox that ends with the scenario. */
export async function openPlayer(rig) {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    extraPrefsFirefox: PREFERENCES,
    timeout: 60_000,
  });
  const page = await browser.newPage();
  rig.adopt(() => browser.close(), page);
  page.consoleLines = [];
  page.on('console', (message) => page.consoleLines.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => page.consoleLines.push(`error: ${error.stack}`));
  await page.goto(await rig.address('play'));
  await page.waitForFunction('window.player');
  return page;
}
