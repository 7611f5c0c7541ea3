/** A recording HTTP proxy: every host name leads to this machine. */

import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface RecordingProxy {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** First lines of the requests, as `CONNECT registry.test:443 HTTP/1.1`. */
  readonly requests: string[];
  /** What it can read of them: everything but what is in tunnels. */
  readonly readable: ReadableRequest[];
  stop(): void;
}

/** One request without a body, as the proxy has got it. */
export interface ReadableRequest {
  /** With its port. */
  readonly host: string;
  readonly authorization: string | undefined;
}

/** Starts one; with `login` (`USER:PASSWORD`) it serves nobody else. */
export async function startProxy(login?: string): Promise<RecordingProxy> {
  const requests: string[] = [];
  const readable: ReadableRequest[] = [];
  const read = (text: string): void => {
    for (const [whole, url = ""] of text.matchAll(/^[A-Z]+ (http:\S+) HTTP.*\r\n(?:.+\r\n)*/gm)) {
      const authorization = /^authorization: (.*)\r$/im.exec(whole)?.[1];
      readable.push({ host: new URL(url).host, authorization });
    }
  };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    sockets.add(client);
    client.on("error", () => client.destroy());
    client.once("data", (head) => {
      const text = head.toString("latin1");
      const [line = ""] = text.split("\r\n");
      requests.push(line);
      const given = /^proxy-authorization: basic (\S+)$/im.exec(text)?.[1] ?? "";
      if (login !== undefined && atob(given) !== login) return refuse(client);
      const target = /:(\d+)[/ ]/.exec(line);
      const upstream = connect(Number(target?.[1]), "127.0.0.1");
      sockets.add(upstream);
      upstream.on("error", () => client.destroy());
      if (line.startsWith("CONNECT ")) client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      else upstream.write(text.replace(/ http:\/\/[^/]*/, " "));
      read(text);
      if (!line.startsWith("CONNECT ")) client.on("data", (more) => read(more.toString("latin1")));
      upstream.pipe(client);
      client.pipe(upstream);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, requests, readable, stop };
}

function refuse(client: Socket): void {
  client.end("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
}
