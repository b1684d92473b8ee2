package dynamo

import (
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Meter sums what a Table's requests cost, as DynamoDB itself reports it. The zero Meter is ready for use.
type Meter struct {
	mu  sync.Mutex
	sum Cost
}

// Cost is a number of requests and the units that they took, retries not counted.
type Cost struct {
	Requests   int
	ReadUnits  float64 // 1: up to 4 KB read consistently
	WriteUnits float64 // 1: up to 1 KB written; 2 in a transaction
}

// Cost returns the sum so far.
func (m *Meter) Cost() Cost {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sum
}

// Metered returns a Table that is t and adds what its requests cost to m. Requests that were refused are not counted.
func (t *Table) Metered(m *Meter) *Table {
	metered := *t
	metered.meter = m
	return &metered
}

// ask is what a request says of its cost.
func (m *Meter) ask() types.ReturnConsumedCapacity {
	if m == nil {
		return types.ReturnConsumedCapacityNone
	}
	return types.ReturnConsumedCapacityTotal
}

func (m *Meter) read(c *types.ConsumedCapacity) {
	if m != nil && c != nil && c.CapacityUnits != nil {
		m.add(Cost{1, *c.CapacityUnits, 0})
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
