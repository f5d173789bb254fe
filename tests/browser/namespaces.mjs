// Small networks of Linux network namespaces: hosts, cables, and a router with a firewall. Root's alone; nothing of the
// machine's own network is touched, and everything goes with the processes that hold the namespaces.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { until } from './harness.mjs';

const run = promisify(execFile);

/** Why these tests are skipped, or false. */
export const unavailable = process.getuid?.() === 0 ? false : 'network namespaces need root';

/** A host with a network of its own: loopback only, until it is plugged in. */
export class Host {
  constructor(holder) {
    this.pid = holder.pid;
  }

  static async boot(rig) {
    const holder = rig.process('unshare', ['--net', 'sleep', '600']);
    const host = new Host(holder);
    // The namespace is another one as soon as unshare has become sleep.
    await until('a network namespace', async () => (await run('cat', [`/proc/${host.pid}/comm`])).stdout.trim() === 'sleep');
    await host.run('ip', 'link', 'set', 'lo', 'up');
    return host;
  }

  /** The command line that runs a command on this host. */
  command(command, ...args) {
    return ['nsenter', [`--net=/proc/${this.pid}/ns/net`, command, ...args]];
  }

  /** Runs a command on this host, and resolves to its output. */
  async run(command, ...args) {
    const { stdout } = await run(...this.command(command, ...args));
    return stdout;
  }

  /** Loads rules into this host's firewall. */
  async firewall(rules) {
    const loading = run(...this.command('nft', '-f', '-'));
    loading.child.stdin.end(rules);
    await loading;
  }
}

/** A cable between two hosts: `[host, interface, address/length]` each. */
export async function cable([left, leftName, leftAddress], [right, rightName, rightAddress]) {
  await left.run('ip', 'link', 'add', leftName, 'type', 'veth', 'peer', 'name', rightName, 'netns', String(right.pid));
  for (const [host, name, address] of [[left, leftName, leftAddress], [right, rightName, rightAddress]]) {
    await host.run('ip', 'address', 'add', address, 'dev', name);
    await host.run('ip', 'link', 'set', name, 'up');
  }
}

/**
 * A server behind a router, and a client on its other side, which has no way to the server's own addresses:
 *
 *   server 10.0.0.2 ── 10.0.0.1 router 203.0.113.1 ── 203.0.113.9 client
 *
 * The router forwards `ports` (UDP and TCP) from its outer address to the server, and hides the server behind it.
 */
export async function behindNat(rig, { ports }) {
  const [server, router, client] = await Promise.all([Host.boot(rig), Host.boot(rig), Host.boot(rig)]);
  await cable([server, 'eth0', '10.0.0.2/24'], [router, 'inside', '10.0.0.1/24']);
  await cable([router, 'outside', '203.0.113.1/24'], [client, 'eth0', '203.0.113.9/24']);
  await server.run('ip', 'route', 'add', 'default', 'via', '10.0.0.1');
  await router.run('sysctl', '--quiet', '--write', 'net.ipv4.ip_forward=1');
  await router.firewall(`
    table ip nat {
      chain prerouting {
        type nat hook prerouting priority dstnat;
        iifname "outside" meta l4proto { tcp, udp } th dport { ${ports.join(', ')} } dnat to 10.0.0.2
      }
      chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname "outside" masquerade
      }
    }
    table ip filter {
      chain forward { type filter hook forward priority filter; }
    }`);
  await assert.rejects(client.run('ip', 'route', 'get', '10.0.0.2'), /unreachable/i, 'the client knows no way past the router');
  return { server, router, client };
}
