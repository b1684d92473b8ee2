package filter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"github.com/hookcast/hookcast/tenants"
)

// maxNesting is the deepest nesting of a payload that is parsed.
const maxNesting = 64

// Matches evaluates an expression on an event. If that fails it returns false, and Unprocessable filter_failed with
// the reason.
func (f *Filters) Matches(expression string, e tenants.Event) (bool, error) {
	ctx := context.Background() // evaluation never blocks
	p, err := f.compiled.Get(ctx, expression, func(context.Context) (program, error) { return f.compile(expression) })
	if err != nil {
		// CEL has changed since it was stored
		if refused, ok := errors.AsType[*tenants.Error](err); ok && refused.Code == "invalid_filter" {
			return false, fail(refused.Detail)
		}
		return false, err
	}
	vars := map[string]any{varType: e.Type, varChannel: e.Channel, varSource: e.Source}
	if p.data {
		if vars[varData], err = f.parse(ctx, e.Data); err != nil {
			return false, err
		}
	}
	out, _, err := p.Eval(vars)
	if err != nil {
		if strings.Contains(err.Error(), "cost limit") {
			return false, fail("the expression costs too much on this payload")
		}
		return false, fail(short(err.Error()))
	}
	yes, ok := out.(types.Bool)
	if !ok {
		return false, fail("the expression must be true or false on this event")
	}
	return bool(yes), nil
}

func fail(why string) error {
	return &tenants.Error{Kind: tenants.Unprocessable, Code: "filter_failed", Detail: why}
}

func (f *Filters) parse(ctx context.Context, data []byte) (any, error) {
	return f.parsed.Get(ctx, sha256.Sum256(data), func(context.Context) (any, error) { return parse(data) })
}

// parse parses a payload as JSON. The last of repeated members counts, as for most receivers.
func parse(data []byte) (any, error) {
	switch {
	case !utf8.Valid(data):
		return nil, fail("the payload must be JSON in valid UTF-8")
	case tenants.NestsDeeper(data, maxNesting):
		return nil, fail("the payload must nest at most 64 levels")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fail("the payload must be valid JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fail("the payload must be JSON with nothing after it")
	}
	return numbers(v)
}

// numbers converts the texts that the decoder left into integers and floating-point numbers.
func numbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && !strings.ContainsAny(v.String(), ".eE") {
			return n, nil
		}
		n, err := v.Float64()
		if err != nil {
			return nil, fail("the payload contains a number that is too large")
		}
		return n, nil
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
