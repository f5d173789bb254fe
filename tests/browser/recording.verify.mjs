// The tests of recording, longer: each codec in each format for a minute, twenty kills, ten minutes of sound and picture.
Object.assign(process.env, { RECORD_SECONDS: '60', RECORD_ALL: '1', KILLS: '20', SYNC_SECONDS: '600' });
await import('./recording.test.mjs');
await import('./recording-crash.test.mjs');
await import('./recording-sync.test.mjs');
