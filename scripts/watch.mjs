// Watches a server as Prometheus, an administrator's page and a listener to events do at the same time, until it is
// killed; says then what it saw.
//
//   node scripts/watch.mjs http://127.0.0.1:8080 ADMIN-TOKEN

import { setTimeout as sleep } from 'node:timers/promises';

const [url, token] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}` };
const seen = { scrapes: 0, overviews: 0, sessions: 0, events: 0, failures: 0 };

/** Asks again and again. */
async function each(milliseconds, path, what) {
  for (;;) {
    try {
      const answer = await fetch(url + path, { headers });
      await answer.text();
      seen[answer.ok ? what : 'failures'] += 1;
    } catch {
      seen.failures += 1;
    }
    await sleep(milliseconds);
  }
}

async function listen() {
  for (;;) {
    try {
      const answer = await fetch(`${url}/api/events`, { headers });
      for await (const bytes of answer.body) seen.events += Buffer.from(bytes).toString().split('\nevent:').length - 1;
    } catch {
      seen.failures += 1;
    }
    await sleep(200);
  }
}

process.on('SIGTERM', () => {
  console.log(JSON.stringify(seen));
  process.exit(0);
});
each(1000, '/metrics', 'scrapes');
each(1000, '/api/admin/overview', 'overviews');
each(5000, '/api/admin/sessions?limit=500', 'sessions');
listen();
