package dynamo_test

import (
	"context"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/hookcast/hookcast/infra/awslocal/emulator"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest/contract"
)

var server = emulator.Share(emulator.DynamoDB)

func TestMain(m *testing.M) {
	code := m.Run()
	server.Stop()
	os.Exit(code)
}

// credentials returns credentials for DynamoDB Local, which accepts any.
func credentials() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
	})
}

// client returns a client of the server at url. Its HTTP client is not the SDK's, so a slow machine does not exceed
// the timeout of an attempt.
func client(url string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: credentials(), HTTPClient: http.DefaultClient,
	})
}

func streams(url string) *dynamodbstreams.Client {
	return dynamodbstreams.New(dynamodbstreams.Options{Region: "us-east-1", BaseEndpoint: aws.String(url),
		Credentials: credentials()})
}

// create creates a table for the test and returns its name.
func create(t *testing.T) string {
	t.Helper()
	c, name := client(server.URL(t)), tenants.NewID("tbl")
	if err := dynamo.Create(t.Context(), c, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // DynamoDB Local holds a table in memory until it is deleted
		_, _ = c.DeleteTable(context.WithoutCancel(t.Context()),
			&dynamodb.DeleteTableInput{TableName: aws.String(name)})
	})
	return name
}

func open(t *testing.T) *dynamo.Table {
	t.Helper()
	return dynamo.Open(client(server.URL(t)), create(t))
}

func TestTableKeepsItsContract(t *testing.T) {
	table := open(t)
	contract.TestTable(t, contract.TableHarness{New: func(*testing.T) tenants.Table { return table }})
}

func TestFeedKeepsItsContract(t *testing.T) {
	contract.TestFeed(t, contract.FeedHarness{New: func(t *testing.T) (tenants.Table, tenants.Feed) {
		name, url := create(t), server.URL(t)
		feed, err := dynamo.NewFeed(t.Context(), client(url), streams(url), name)
		if err != nil {
			t.Fatal(err)
		}
		return dynamo.Open(client(url), name), feed
	}})
}
