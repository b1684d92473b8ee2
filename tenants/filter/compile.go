package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"github.com/hookcast/hookcast/tenants"
)

// program is a compiled expression.
type program struct {
	cel.Program
	data bool // it uses the payload
}

// Check refuses an expression that is not a condition or could cost too much. The error is Unprocessable
// invalid_filter, with the line and column if known.
func (f *Filters) Check(expression string) error {
	_, err := f.compile(expression)
	return err
}

func (f *Filters) compile(expression string) (program, error) {
	if utf8.RuneCountInString(expression) > maxText || len(expression) > 4*maxText {
		return program{}, refuse("the expression must have at most 1024 characters")
	}
	if !utf8.ValidString(expression) {
		return program{}, refuse("the expression must be valid UTF-8")
	}
	checked, issues := f.env.Compile(expression)
	if issues != nil && issues.Err() != nil {
		return program{}, refuse(firstIssue(issues))
	}
	if out := checked.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return program{}, refuse("the expression must be true or false, not of type " + out.String())
	}
	worst, err := f.env.EstimateCost(checked, payloadSizes{})
	if err != nil {
		return program{}, refuse("the expression must have a cost that can be estimated")
	}
	if worst.Max > maxEstimate {
		return program{},
			refuse("the expression must cost less on a large payload: nest fewer of all, exists, filter and map")
	}
	p, err := f.env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostTracking(callCosts{}),
		cel.CostLimit(maxCost))
	if err != nil {
		return program{}, refuse("the expression cannot be evaluated: " + short(err.Error()))
	}
	return program{Program: p, data: usesData(checked)}, nil
}

func refuse(why string) error {
	return &tenants.Error{Kind: tenants.Unprocessable, Code: "invalid_filter", Detail: why,
		Fields: []tenants.FieldError{{Pointer: "/filter", Detail: why}}}
}

// firstIssue returns the first issue and its place. Lines and columns begin at 1.
func firstIssue(issues *cel.Issues) string {
	all := issues.Errors()
	if len(all) == 0 {
		return short(issues.Err().Error())
	}
	e := all[0]
	if e.Location.Line() < 1 {
		return short(e.Message)
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Location.Line(), max(e.Location.Column(), 0)+1, short(e.Message))
}

// short cuts a message of CEL to one line that fits into an answer.
func short(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func usesData(a *cel.Ast) bool {
	found := false
	ast.PostOrderVisit(a.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && e.AsIdent() == varData {
			found = true
		}
	}))
	return found
}

// payloadSizes estimates a large payload: lists of a few hundred elements, texts of a few thousand bytes.
type payloadSizes struct{}

func (payloadSizes) EstimateSize(e cost.AstNode) *cost.SizeEstimate {
	path := e.Path()
	if len(path) == 0 {
		return nil
	}
	switch path[0] {
	case varType, varChannel, varSource:
		return &cost.SizeEstimate{Min: 0, Max: 256}
	}
	return &cost.SizeEstimate{Min: 0, Max: 250}
}

func (payloadSizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
