package stacks_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

const (
	roundTrip     = 0.010 // seconds that a function is taken to wait for one
	loggedPerCall = 1.0   // KB of an invocation: two lines of ours and Lambda's own
	loggedPerHTTP = 0.4   // KB of a request to the gateway
)

// rows are those of README's table: what is paid for, and in dollars what a million of it are, as listed for us-east-1 on demand in June
// 2026, at https://aws.amazon.com/{api-gateway,lambda,sqs,dynamodb,kms,cloudwatch}/pricing/.
var rows = []struct {
	what   string
	price  float64
	amount func(cost) float64
	format string
}{
	{"requests to the HTTP API", 1, func(c cost) float64 { return c.Gateway }, "%.4g"},
	{"invocations of functions", 0.20, func(c cost) float64 { return c.Invocations }, "%.4g"},
	{"round trips that functions wait for", 0, func(c cost) float64 { return c.Ingest + c.Append + c.Changes }, "%.4g"},
	{"GB-seconds of functions", 13.3334, gbSeconds, "%.4f"},
	{"requests to SQS, FIFO", 0.50, func(c cost) float64 { return c.FIFO }, "%.4g"},
	{"requests to SQS, standard", 0.40, func(c cost) float64 { return c.Standard }, "%.4g"},
	{"write units", 0.625, func(c cost) float64 { return c.WriteUnits }, "%.4g"},
	{"read units", 0.125, func(c cost) float64 { return c.ReadUnits }, "%.4g"},
	{"requests to KMS", 3, func(c cost) float64 { return c.KMS }, "%.4g"},
	{"KB of logs", 0.50, func(c cost) float64 { return c.Invocations*loggedPerCall + c.Gateway*loggedPerHTTP }, "%.4g"},
}

// gbSeconds is what functions are paid by: memory, and the time for which they wait.
func gbSeconds(c cost) float64 {
	return roundTrip * (c.Ingest*memory["ingest"] + c.Append*memory["append"] + c.Changes*memory["changes"])
}

// memory is the functions' in GB, which TestReadmeNamesWhatTheSumIsMadeOf holds to the template.
var memory = map[string]float64{"ingest": 0.5, "append": 0.5, "changes": 0.5}

// dollars is what a million events of this cost are.
func dollars(c cost) (sum float64) {
	for _, r := range rows {
		sum += r.price * r.amount(c)
	}
	return sum
}

// priced is how the table writes a price.
func priced(dollars float64) string {
	if dollars == 0 {
		return ""
	}
	text := strconv.FormatFloat(dollars, 'f', -1, 64)
	if _, cents, _ := strings.Cut(text, "."); len(cents) < 2 {
		text = fmt.Sprintf("%.2f", dollars)
	}
	return "$" + text
}

// scenario is a column of the README's table.
type scenario struct {
	name     string
	size, at int // bytes of an event, and how many come at once
	rare     bool
}

var scenarios = []scenario{
	{"1 KB, in tens", 1 << 10, 10, false}, {"1 KB, alone", 1 << 10, 1, false}, {"1 KB, rare", 1 << 10, 1, true},
	{"10 KB, in tens", 10 << 10, 10, false}, {"10 KB, alone", 10 << 10, 1, false}, {"10 KB, rare", 10 << 10, 1, true},
}

// What an event costs is counted on the real way of one, and README's table is that.
func TestCostPerEventIsWhatTheReadmeSays(t *testing.T) {
	l := newLine(t)
	for range 2 { // the second finds the channel that the first one made
		l.pass(1, 1<<10)
	}
	stated := tableOf(t, "| per event |")
	var costs []cost
	for i, s := range scenarios {
		want := ""
		if i < len(stated.columns) {
			want = strings.Join(stated.columns[i], "|")
		}
		if s.rare {
			l.forget()
		} else {
			l.pass(1, s.size) // after which all is remembered again
		}
		c := l.pass(s.at, s.size)
		costs = append(costs, c)
		if got := strings.Join(column(c), "|"); got != want {
			t.Errorf("%s: README says %s, counted %s", s.name, want, got)
		}
	}
	// The ceilings of a channel follow from the counts, and from a round trip of 5 ms and a partition's 1,000 write units a second.
	small, large := costs[0], costs[3]
	const tens, handOver, trip, partition = 10, 2, 0.005, 1000
	rowUnits := large.WriteUnits - 1 - 3.0/tens // without its claim, and its share of the head, of the usage and of the index
	for _, want := range []string{
		fmt.Sprintf("| a channel, 1 KB | %d | a batch of ten is %v round trips ", int(tens/((small.Append*tens+handOver)*trip)), small.Append*tens),
		fmt.Sprintf("| a channel, 10 KB | %d | a row takes %v write units,", int(partition/rowUnits)/10*10, rowUnits),
		fmt.Sprintf("| a deployment | %s | `IngestRate`", thousands(load(t).Parameters["IngestRate"].Default)),
	} {
		if !strings.Contains(readme(t), want) {
			t.Errorf("README does not say %s", want)
		}
	}
	if t.Failed() {
		t.Logf("the table is\n%s", asText(costs))
	}
}

// column is what the table says of a cost.
func column(c cost) (cells []string) {
	for _, r := range rows {
		cells = append(cells, fmt.Sprintf(r.format, r.amount(c)))
	}
	return append(cells, fmt.Sprintf("**%.2f**", dollars(c)))
}

func thousands(v any) string {
	text := fmt.Sprint(v)
	if len(text) > 3 {
		text = text[:len(text)-3] + "," + text[len(text)-3:]
	}
	return text
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// named is what a row of the table begins with.
type named struct{ what, price string }

func names() (all []named) {
	for _, r := range rows {
		all = append(all, named{r.what, priced(r.price)})
	}
	return append(all, named{"**dollars for a million events**", ""})
}

func asText(costs []cost) string {
	head, rule := "| per event | a million are |", "|---|---|"
	for _, s := range scenarios {
		head, rule = head+" "+s.name+" |", rule+"---|"
	}
	lines := []string{head, rule}
	for i, name := range names() {
		text := "| " + name.what + " | " + name.price + " |"
		for _, c := range costs {
			text += " " + column(c)[i] + " |"
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n")
}

// readmeTable is a table of the README by its columns, the first two of which name the row and its price.
type readmeTable struct {
	head    []string
	rows    [][]string
	columns [][]string
}

// tableOf finds the README's table whose first line begins so.
func tableOf(t *testing.T, begins string) readmeTable {
	t.Helper()
	_, rest, found := strings.Cut(readme(t), "\n"+begins)
	if !found {
		t.Fatalf("README has no table that begins with %s", begins)
	}
	var table readmeTable
	for i, l := range strings.Split(begins+rest, "\n") {
		if !strings.HasPrefix(l, "|") {
			break
		}
		cells := strings.Split(strings.Trim(l, "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		switch {
		case i == 0:
			table.head, table.columns = cells, make([][]string, len(cells)-2)
		case i > 1:
			table.rows = append(table.rows, cells)
			for j := range table.columns {
				table.columns[j] = append(table.columns[j], cells[j+2])
			}
		}
	}
	return table
}

// The table's words, columns and prices are the test's, and the memory of functions is the template's.
func TestReadmeNamesWhatTheSumIsMadeOf(t *testing.T) {
	for name, gb := range memory {
		if got := float64(deploy(t).Function(name).MemoryMB) / 1024; got != gb {
			t.Errorf("%s has %v GB, and is paid as %v", name, got, gb)
		}
	}
	table := tableOf(t, "| per event |")
	want := names()
	if len(table.rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(table.rows), len(want))
	}
	for i, r := range want {
		if table.rows[i][0] != r.what || table.rows[i][1] != r.price {
			t.Errorf("%q at %q, want %q at %q", table.rows[i][0], table.rows[i][1], r.what, r.price)
		}
	}
	for i, s := range scenarios {
		if len(table.head) != len(scenarios)+2 || table.head[i+2] != s.name {
			t.Fatalf("columns %q, want %s", table.head, s.name)
		}
	}
}
