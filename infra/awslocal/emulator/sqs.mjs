// Runs the SQS server on a free port of 127.0.0.1 and prints the port. The main of fauxqs listens on all interfaces.
import { buildApp } from "fauxqs";
import { SqsQueue } from "./node_modules/fauxqs/dist/sqs/sqsStore.js"; // the package exports no name for it

// fauxqs returns one message of a group per call. SQS returns as many as it can, in order, and the group stays locked
// until all of them are deleted or visible again:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
const dequeueOne = SqsQueue.prototype.dequeueFifo;
SqsQueue.prototype.dequeueFifo = function (most, ...rest) {
  const got = [], locks = new Map();
  while (got.length < Math.min(most, 10)) {
    const next = dequeueOne.call(this, 1, ...rest);
    if (next.length === 0) break;
    const group = this.inflightMessages.get(next[0].ReceiptHandle).message.messageGroupId;
    locks.set(group, (locks.get(group) ?? 0) + 1);
    this.fifoLockedGroups.delete(group); // for this call
    got.push(...next);
  }
  for (const [group, n] of locks) this.fifoLockedGroups.set(group, n);
  return got;
};

// Of several messages of a group that come back fauxqs puts the last one first.
for (const name of ["changeVisibility", "processTimers"]) {
  const original = SqsQueue.prototype[name];
  SqsQueue.prototype[name] = function (...args) {
    const inflight = this.inflightMessages.size;
    original.apply(this, args);
    if (this.inflightMessages.size === inflight) return;
    for (const group of this.fifoMessages.values()) {
      group.sort((a, b) => (a.sequenceNumber < b.sequenceNumber ? -1 : 1));
    }
  };
}

const app = buildApp({ logger: false });
await app.listen({ host: "127.0.0.1", port: 0 });
console.log(app.server.address().port);
process.stdin.on("end", () => process.exit()).resume(); // the parent is gone
