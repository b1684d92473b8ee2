// The SQS server on a free port of 127.0.0.1, which it writes to its output. Its own main listens on all interfaces.
import { buildApp } from "fauxqs";

const app = buildApp({ logger: false });
await app.listen({ host: "127.0.0.1", port: 0 });
console.log(app.server.address().port);
process.stdin.on("end", () => process.exit()).resume(); // the parent is gone
