// A line to the server that loses and overtakes: a publisher that goes by `line.whip(room)` sends its media through it.
// Nothing but the ports in the server's answer is changed, so any client can be sent this way.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';

// RFC 7983: what begins with these is media or what is said of it, and not ICE or DTLS.
const isMedia = (packet) => packet[0] >= 128 && packet[0] < 192;

/** Numbers in [0, 1) that are the same in each run (mulberry32). */
function dice(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class RoughLine {
  counts = { packets: 0, dropped: 0, late: 0 };
  #server;
  #options;
  #throw;
  #sockets = [];
  #front;

  constructor(server, options) {
    this.#server = server;
    this.#options = options;
    this.#throw = dice(options.seed);
  }

  async open() {
    this.#front = createServer((request, response) => this.#answer(request, response).catch(() => response.destroy()));
    this.#front.listen(0, '127.0.0.1');
    await once(this.#front, 'listening');
    this.url = `http://127.0.0.1:${this.#front.address().port}`;
  }

  whip(room) {
    return `${this.url}/whip/${room}`;
  }

  close() {
    this.#front.close();
    this.#front.closeAllConnections();
    for (const socket of this.#sockets) socket.close();
  }

  async #answer(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = { ...request.headers };
    for (const name of ['host', 'connection', 'content-length', 'expect']) delete headers[name];
    const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
    const answer = await fetch(this.#server.url + request.url, { method: request.method, headers, body });
    const text = await this.#rewrite(await answer.text());
    const passed = Object.fromEntries([...answer.headers].filter(([name]) => !/^(content-length|connection|transfer-encoding)$/.test(name)));
    response.writeHead(answer.status, passed).end(text);
  }

  /** Each UDP candidate's port becomes that of a way through here. */
  async #rewrite(sdp) {
    const candidate = /(a=candidate:\S+ \d+ udp \d+ 127\.0\.0\.1 )(\d+)/gi;
    const ways = new Map();
    for (const [, , port] of sdp.matchAll(candidate)) {
      if (!ways.has(port)) ways.set(port, await this.#way(Number(port)));
    }
    return sdp.replace(candidate, (_, before, port) => before + ways.get(port));
  }

  /** A port here, of which each client has its own way on to the server's `port`. */
  async #way(port) {
    const near = await this.#socket();
    const clients = new Map();
    near.on('message', async (packet, from) => {
      const name = `${from.address}:${from.port}`;
      if (!clients.has(name)) clients.set(name, this.#socket());
      const far = await clients.get(name);
      if (far.listenerCount('message') === 0) far.on('message', (answer) => near.send(answer, from.port, from.address));
      this.#pass(packet, (late) => far.send(late, port, '127.0.0.1'));
    });
    return near.address().port;
  }

  #pass(packet, send) {
    if (!isMedia(packet)) return send(packet);
    const { lose, delay, by } = this.#options;
    this.counts.packets += 1;
    const thrown = this.#throw();
    if (thrown < lose) {
      this.counts.dropped += 1;
    } else if (thrown < lose + delay) {
      this.counts.late += 1;
      setTimeout(() => this.#sockets.length > 0 && send(packet), by[0] + (by[1] - by[0]) * this.#throw());
    } else {
      send(packet);
    }
  }

  async #socket() {
    const socket = createSocket('udp4');
    socket.on('error', () => {});
    this.#sockets.push(socket);
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  }
}

/**
 * A rough line to `server`, which ends with the scenario: of the media that clients send, the share `lose` is lost, and
 * the share `delay` comes later by `by` milliseconds (least and most), so that others overtake it.
 */
export async function roughLine(rig, server, { lose = 0.02, delay = 0.05, by = [10, 40], seed = 1 } = {}) {
  const line = new RoughLine(server, { lose, delay, by, seed });
  await line.open();
  rig.adopt(() => line.close());
  return line;
}
