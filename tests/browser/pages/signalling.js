// The smallest WHIP and WHEP client: one POST, the candidates of the answer, a DELETE in the end.

/** Milliseconds since the epoch on the machine's clock, finer than Date.now(). */
export const wallClock = () => performance.timeOrigin + performance.now();

/** POSTs an offer; resolves to the answer and the session's URL, or throws an Error with `status`. */
export async function exchange(url, offer, token) {
  const headers = { 'Content-Type': 'application/sdp' };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(url, { method: 'POST', headers, body: offer });
  const body = await response.text();
  if (response.status !== 201) {
    throw Object.assign(new Error(`POST ${url}: ${response.status} ${body}`), { status: response.status });
  }
  const location = response.headers.get('Location');
  if (!location) throw new Error(`POST ${url}: 201 without a readable Location`);
  return { answer: body, resource: new URL(location, url).href };
}

/** Offers, POSTs by `exchange` and takes the answer; no candidate of ours is waited for or told. */
export async function negotiate(pc, url, token, via = exchange) {
  await pc.setLocalDescription();
  const { answer, resource } = await via(url, pc.localDescription.sdp, token);
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  return { answer, resource };
}

/** Resolves when the connection stands; rejects when it fails or `timeout` ms pass. */
export function connected(pc, timeout = 10_000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not connected: ${pc.connectionState}, ICE ${pc.iceConnectionState}`)), timeout);
    const look = () => {
      if (pc.connectionState === 'connected') {
        clearTimeout(timer);
        resolve(wallClock());
      } else if (pc.connectionState === 'failed' || pc.connectionState === 'closed') {
        clearTimeout(timer);
        reject(new Error(`connection ${pc.connectionState}`));
      }
    };
    pc.addEventListener('connectionstatechange', look);
    look();
  });
}

/** All of getStats() as a plain array. */
export async function allStats(pc) {
  return [...(await pc.getStats()).values()];
}

/** What the transport negotiated: states, ciphers, and the way that media takes. */
export function transportOf(stats) {
  const by = (id) => stats.find((entry) => entry.id === id) ?? {};
  const transport = stats.find((entry) => entry.type === 'transport') ?? {};
  const { dtlsState, dtlsRole, iceState, srtpCipher, dtlsCipher, tlsVersion } = transport;
  const pair = by(transport.selectedCandidatePairId);
  const [local, remote] = [by(pair.localCandidateId), by(pair.remoteCandidateId)];
  const way = {
    type: local.candidateType,
    protocol: local.protocol,
    relayProtocol: local.relayProtocol,
    remote: remote.address && `${remote.address}:${remote.port}`,
  };
  return { dtlsState, dtlsRole, iceState, srtpCipher, dtlsCipher, tlsVersion, way };
}

/** The STUN and TURN servers in the `Link` headers of a response, as RTCPeerConnection takes them (RFC 9725 §4.6). */
export function iceServers(link) {
  const one = /<([^>]+)>\s*;\s*rel="ice-server"((?:\s*;\s*[a-z-]+="(?:[^"\\]|\\.)*")*)/g;
  const parameter = /([a-z-]+)="((?:[^"\\]|\\.)*)"/g;
  return [...(link ?? '').matchAll(one)].map(([, urls, rest]) => {
    const given = Object.fromEntries([...rest.matchAll(parameter)].map(([, name, value]) => [name, value.replace(/\\(.)/g, '$1')]));
    return given.username ? { urls, username: given.username, credential: given.credential } : { urls };
  });
}

/** What a client that may only use TURN does first: asks the endpoint for its servers. */
export async function relayOnly(url, token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(url, { method: 'OPTIONS', headers });
  return { iceTransportPolicy: 'relay', iceServers: iceServers(response.headers.get('Link')) };
}
