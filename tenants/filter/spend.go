package filter

import (
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// callCosts counts the cost of a call. CEL's own count uses the types known when an expression is checked, and none
// are known for a payload: it counts comparing two large objects like comparing two numbers.
type callCosts struct{}

// Bytes of a text per unit of cost, for reading it and for creating or decoding it.
const (
	readPerUnit = 256
	madePerUnit = 16
)

// CallCost returns the cost of a call, nil if CEL's count is right.
func (callCosts) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	cost := 1
	switch function {
	case operators.Equals, operators.NotEquals:
		if len(args) == 2 {
			cost += min(weight(args[0]), weight(args[1]))
		}
	case operators.In, operators.OldIn:
		if len(args) == 2 {
			if _, keyed := args[1].(traits.Mapper); !keyed {
				cost += weight(args[1])
			}
		}
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, overloads.StartsWith,
		overloads.EndsWith:
		for _, a := range args {
			cost += length(a) / readPerUnit
		}
	case overloads.Matches, operators.LogicalAnd, operators.LogicalOr, operators.Conditional, operators.Index:
		return nil
	default: // functions that create a value or read every character
		cost += length(result) / madePerUnit
		for _, a := range args {
			cost += length(a) / madePerUnit
		}
	}
	return new(uint64(cost))
}

// length returns the length of a text or a list, 0 for other values.
func length(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v)
	case types.Bytes:
		return len(v)
	case traits.Lister:
		if n, ok := v.Size().(types.Int); ok {
			return int(n)
		}
	}
	return 0
}

// weight returns the cost of comparing a value, at most maxCost.
func weight(v ref.Val) int {
	if v == nil {
		return 1
	}
	left := maxCost
	weigh(v, &left)
	return maxCost - left
}

func weigh(v any, left *int) {
	if *left <= 0 {
		return
	}
	*left--
	switch v := v.(type) {
	case string:
		*left -= len(v) / readPerUnit
	case []any:
		for _, x := range v {
			weigh(x, left)
		}
	case map[string]any:
		for k, x := range v {
			*left -= len(k) / readPerUnit
			weigh(x, left)
		}
	case types.String:
		*left -= len(v) / readPerUnit
	case types.Bytes:
		*left -= len(v) / readPerUnit
	case ref.Val:
		switch native := v.Value().(type) {
		case []any, map[string]any:
			weigh(native, left)
			return
		}
		if all, ok := v.(traits.Iterable); ok {
			for it := all.Iterator(); *left > 0 && it.HasNext() == types.True; {
				x := it.Next()
				if m, keyed := v.(traits.Mapper); keyed {
					x = m.Get(x)
				}
				weigh(x, left)
			}
		}
	}
}
