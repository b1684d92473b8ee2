package stacks_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/hookcast/hookcast/infra/dynamo"
)

// cost is what AWS bills: requests, in the units that they are billed in.
type cost struct {
	Gateway, Invocations  float64
	FIFO, Standard        float64 // requests to SQS, one per 64 KB of bodies
	WriteUnits, ReadUnits float64
	KMS                   float64
	Ingest                float64 // sequential round trips of a function, which is billed by time
	Append                float64
	Changes               float64
}

func (c cost) each(d cost, f func(a, b float64) float64) cost {
	return cost{
		f(c.Gateway, d.Gateway), f(c.Invocations, d.Invocations), f(c.FIFO, d.FIFO), f(c.Standard, d.Standard),
		f(c.WriteUnits, d.WriteUnits), f(c.ReadUnits, d.ReadUnits), f(c.KMS, d.KMS),
		f(c.Ingest, d.Ingest), f(c.Append, d.Append), f(c.Changes, d.Changes),
	}
}

func (c cost) plus(d cost) cost  { return c.each(d, func(a, b float64) float64 { return a + b }) }
func (c cost) minus(d cost) cost { return c.each(d, func(a, b float64) float64 { return a - b }) }

// over returns c divided by n, rounded to 6 decimals.
func (c cost) over(n int) cost {
	return c.each(c, func(a, _ float64) float64 { return math.Round(a/float64(n)*1e6) / 1e6 })
}

// bill is an aws.HTTPClient that counts requests to AWS.
type bill struct {
	units dynamo.Meter // as DynamoDB itself reports them

	mu      sync.Mutex
	counted cost
	asked   float64 // requests of all kinds
	puts    float64 // write units of all puts, by the sizes of their items
}

// Do implements aws.HTTPClient.
func (b *bill) Do(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	received, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(received))
	b.mu.Lock()
	b.asked++
	b.mu.Unlock()
	service, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch service {
	case "TrentService":
		b.add(cost{KMS: 1})
	case "AmazonSQS":
		b.add(queued(sent, received))
	default:
		if operation == "PutItem" {
			b.mu.Lock()
			b.puts += putUnits(sent)
			b.mu.Unlock()
		}
	}
	return res, nil
}

func (b *bill) add(c cost) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counted = b.counted.plus(c)
}

func (b *bill) sum() cost {
	u := b.units.Cost()
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.counted
	c.WriteUnits, c.ReadUnits = u.WriteUnits, u.ReadUnits
	return c
}

// queued returns the cost of a request to SQS and its answer.
func queued(sent, received []byte) cost {
	var in struct {
		QueueUrl string
		Entries  []struct{ MessageBody string }
	}
	var out struct{ Messages []struct{ Body string } }
	_ = json.Unmarshal(sent, &in)
	_ = json.Unmarshal(received, &out)
	size := 0
	for _, e := range in.Entries {
		size += len(e.MessageBody)
	}
	for _, m := range out.Messages {
		size += len(m.Body)
	}
	n := float64(requestsOf(size))
	if strings.HasSuffix(in.QueueUrl, ".fifo") {
		return cost{FIFO: n}
	}
	return cost{Standard: n}
}

// requestsOf returns the number of requests that SQS bills for one of size bytes
// (https://aws.amazon.com/sqs/pricing/).
func requestsOf(size int) int { return max(1, (size+64<<10-1)/(64<<10)) }

// putUnits returns the write units of a PutItem by the size of its item. Names and strings count their bytes; a number
// counts a byte per two digits, and one more
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html).
func putUnits(sent []byte) float64 {
	var in struct {
		Item map[string]struct{ S, N, B *string }
	}
	if json.Unmarshal(sent, &in) != nil {
		return math.NaN()
	}
	size := 0
	for name, v := range in.Item {
		size += len(name)
		switch {
		case v.S != nil:
			size += len(*v.S)
		case v.N != nil:
			n, _ := strconv.ParseInt(*v.N, 10, 64)
			size += (len(strings.TrimRight(strconv.FormatInt(n, 10), "0"))+1)/2 + 1
		case v.B != nil:
			raw, _ := base64.StdEncoding.DecodeString(*v.B)
			size += len(raw)
		}
	}
	return math.Ceil(float64(size) / 1024)
}
