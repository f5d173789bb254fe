// A WHIP or WHEP session as an HTTP resource: made by POST, restarted by PATCH, ended by DELETE.

import { ApiError, authorization, request, resolveLocation } from "./api.js";

/** The session that `Location` names. Its URL is unguessable and is all that is needed to end it. */
export class Resource {
  constructor(url, token) {
    this.url = url;
    this.token = token;
    this.ended = false;
  }

  /**
   * Sends an offer.
   *
   * @param {{endpoint: string, token?: string, offer: string, signal?: AbortSignal}} request
   * @returns {Promise<{resource: Resource, answer: string, iceServers: RTCIceServer[]}>}
   * @throws {ApiError}
   */
  static async create({ endpoint, token, offer, signal }) {
    const { status, headers, body } = await request(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...authorization(token) },
      body: offer,
      signal,
    });
    const location = headers.get("Location");
    if (status !== 201 || !location || !body.startsWith("v=")) {
      throw new ApiError(0, "This is not an answer of WHIP or WHEP: is the address right?");
    }
    const resource = new Resource(resolveLocation(endpoint, location), token);
    return { resource, answer: body, iceServers: iceServersOf(headers.get("Link")) };
  }

  /** Sends the fragment of an ICE restart; the answer is the server's fragment. */
  async restart(fragment, signal) {
    const { status, body } = await request(this.url, {
      method: "PATCH",
      headers: {
        "Content-Type": "application/trickle-ice-sdpfrag",
        "If-Match": "*",
        ...authorization(this.token),
      },
      body: fragment,
      timeoutMs: 4000,
      signal,
    });
    if (status !== 200) throw new ApiError(0, "The server does not restart ICE.");
    return body;
  }

  /**
   * False where the server says that there is no such session any more, true where it has it or nobody knows:
   * while the API is out of reach the media may well go on.
   */
  async alive() {
    try {
      await request(this.url, { headers: authorization(this.token), timeoutMs: 3000 });
      return true;
    } catch (error) {
      return !(error.known && error.status === 404);
    }
  }

  /**
   * Ends the session; never throws, and does nothing the second time. With `keepalive` the request
   * outlives the page, so that a closed tab does not hold the room until the server's timeout.
   */
  async end({ keepalive = true } = {}) {
    if (this.ended) return;
    this.ended = true;
    try {
      await request(this.url, {
        method: "DELETE",
        headers: authorization(this.token),
        keepalive,
        timeoutMs: 3000,
      });
    } catch {
      // Gone already, or out of reach: the server ends it by itself.
    }
  }
}

const LINK = /<([^>]+)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]+))*)/g;
const PARAMETER = /;\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))/g;

/** The ICE servers in a `Link` header (RFC 9725, section 4.6). */
export function iceServersOf(header) {
  const servers = [];
  for (const [, url, tail] of (header ?? "").matchAll(LINK)) {
    const parameters = {};
    for (const [, name, quoted, bare] of tail.matchAll(PARAMETER)) {
      parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, "$1") ?? bare;
    }
    if (!/(^|\s)ice-server(\s|$)/.test(parameters.rel ?? "") || !/^(stun|turn)s?:/i.test(url)) continue;
    const server = { urls: url };
    if (parameters.username !== undefined) server.username = parameters.username;
    if (parameters.credential !== undefined) server.credential = parameters.credential;
    servers.push(server);
  }
  return servers;
}
