package dynamo

import (
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Meter adds up the costs of a Table's requests as DynamoDB reports them. The zero Meter is ready to use.
type Meter struct {
	mu  sync.Mutex
	sum Cost
}

// Cost is a number of requests and the capacity units that they consumed, without retries.
type Cost struct {
	Requests   int
	ReadUnits  float64 // 1 for each 4 KB of a consistent read
	WriteUnits float64 // 1 for each 1 KB written; 2 in a transaction
}

// Cost returns the costs so far.
func (m *Meter) Cost() Cost {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sum
}

// Metered returns a copy of t that adds the costs of its requests to m. Refused requests are not counted.
func (t *Table) Metered(m *Meter) *Table {
	metered := *t
	metered.meter = m
	return &metered
}

// ask returns whether requests ask DynamoDB for their costs.
func (m *Meter) ask() types.ReturnConsumedCapacity {
	if m == nil {
		return types.ReturnConsumedCapacityNone
	}
	return types.ReturnConsumedCapacityTotal
}

func (m *Meter) read(c *types.ConsumedCapacity) {
	if m != nil && c != nil && c.CapacityUnits != nil {
		m.add(Cost{Requests: 1, ReadUnits: *c.CapacityUnits})
	}
}

func (m *Meter) wrote(cs ...types.ConsumedCapacity) {
	if m == nil {
		return
	}
	c := Cost{Requests: 1}
	for _, each := range cs {
		if each.CapacityUnits != nil {
			c.WriteUnits += *each.CapacityUnits
		}
	}
	m.add(c)
}

func (m *Meter) add(c Cost) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sum.Requests += c.Requests
	m.sum.ReadUnits += c.ReadUnits
	m.sum.WriteUnits += c.WriteUnits
}
