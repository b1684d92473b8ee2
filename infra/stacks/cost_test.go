package stacks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	roundTrip     = 0.010 // assumed seconds of one, during which a function waits
	loggedPerCall = 1.0   // assumed KB of an invocation: two lines of ours and Lambda's own
	loggedPerHTTP = 0.4   // assumed KB of a request to the gateway
)

// rows are the rows of the guide's table: what is paid for, and the price of a million in dollars, as listed for
// us-east-1 on demand in June 2026 at https://aws.amazon.com/{api-gateway,lambda,sqs,dynamodb,kms,cloudwatch}/pricing/.
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
	{"KB of logs", 0.50, loggedKB, "%.4g"},
}

// gbSeconds returns what functions are paid by: their memory times the time for which they wait.
func gbSeconds(c cost) float64 {
	return roundTrip * (c.Ingest*memory["ingest"] + c.Append*memory["append"] + c.Changes*memory["changes"])
}

func loggedKB(c cost) float64 { return c.Invocations*loggedPerCall + c.Gateway*loggedPerHTTP }

// memory is the memory of each function in GB. TestReadmeNamesWhatTheSumIsMadeOf holds it to the template.
var memory = map[string]float64{"ingest": 0.5, "append": 0.5, "changes": 0.5}

// dollars returns the price of a million events of this cost.
func dollars(c cost) (sum float64) {
	for _, r := range rows {
		sum += r.price * r.amount(c)
	}
	return sum
}

// priced returns a price as the table writes it.
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

// scenario is a column of the guide's table.
type scenario struct {
	name     string
	size, at int  // bytes of an event, and the events that arrive together
	rare     bool // nothing is cached from earlier events
}

var scenarios = []scenario{
	{"1 KB, in tens", 1 << 10, 10, false}, {"1 KB, alone", 1 << 10, 1, false}, {"1 KB, rare", 1 << 10, 1, true},
	{"10 KB, in tens", 10 << 10, 10, false}, {"10 KB, alone", 10 << 10, 1, false}, {"10 KB, rare", 10 << 10, 1, true},
}

// TestCostPerEventIsWhatTheReadmeSays counts the cost of an event on its real path, and compares the guide's table.
func TestCostPerEventIsWhatTheReadmeSays(t *testing.T) {
	l := newLine(t)
	for range 2 { // the second event finds the channel that the first one made
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
			l.pass(1, s.size) // fills the caches
		}
		c := l.pass(s.at, s.size)
		costs = append(costs, c)
		if got := strings.Join(column(c), "|"); got != want {
			t.Errorf("%s: the guide says %s, counted %s", s.name, want, got)
		}
	}
	// The bounds of a channel follow from the counts, a round trip of 5 ms, and a partition's 1,000 write units a
	// second.
	small, large := costs[0], costs[3]
	const tens, handOver, trip, partition = 10, 2, 0.005, 1000
	rowUnits := large.WriteUnits - 1 - 3.0/tens // without its claim and its share of head, usage and index
	for _, want := range []string{
		fmt.Sprintf("| a channel, 1 KB | %d | a batch of ten is %v round trips,",
			int(tens/((small.Append*tens+handOver)*trip)), small.Append*tens),
		fmt.Sprintf("| a channel, 10 KB | %d | a row takes %v write units,", int(partition/rowUnits)/10*10, rowUnits),
		fmt.Sprintf("| a deployment | %s | `IngestRate`", thousands(load(t).Parameters["IngestRate"].Default)),
	} {
		if !strings.Contains(guide(t, costPage), want) {
			t.Errorf("the guide does not say %q", want)
		}
	}
	if t.Failed() {
		t.Logf("the table is\n%s", asText(costs))
	}
}

// column returns the cells of the table for a cost.
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

const costPage = "costs.md"

// guide returns the text of a page of the guide.
func guide(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../.github/guide", page))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// named is the beginning of a row of the table.
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

// guideTable is a table of the guide. Its first two columns name the row and its price; columns has the others.
type guideTable struct {
	head    []string
	rows    [][]string
	columns [][]string
}

// tableOf returns the guide's table of costs whose first line begins with begins.
func tableOf(t *testing.T, begins string) guideTable {
	t.Helper()
	_, rest, found := strings.Cut(guide(t, costPage), "\n"+begins)
	if !found {
		t.Fatalf("guide/%s has no table that begins with %s", costPage, begins)
	}
	var table guideTable
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

// TestReadmeNamesWhatTheSumIsMadeOf holds the table's words, columns and prices to those of this test, and the memory
// of the functions to the template.
func TestReadmeNamesWhatTheSumIsMadeOf(t *testing.T) {
	for name, gb := range memory {
		if got := float64(deploy(t).Function(name).MemoryMB) / 1024; got != gb {
			t.Errorf("the function %s has %v GB, want %v, as its price is counted", name, got, gb)
		}
	}
	table := tableOf(t, "| per event |")
	want := names()
	if len(table.rows) != len(want) {
		t.Fatalf("the table has %d rows, want %d", len(table.rows), len(want))
	}
	for i, r := range want {
		if table.rows[i][0] != r.what || table.rows[i][1] != r.price {
			t.Errorf("a row is %q at %q, want %q at %q", table.rows[i][0], table.rows[i][1], r.what, r.price)
		}
	}
	for i, s := range scenarios {
		if len(table.head) != len(scenarios)+2 || table.head[i+2] != s.name {
			t.Fatalf("the columns are %q, want %s in place %d", table.head, s.name, i+3)
		}
	}
}
