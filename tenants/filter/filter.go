// Package filter decides by a tenant's expression whether an endpoint gets an event. It is the only package that knows CEL, the
// Common Expression Language (https://cel.dev): a language without loops and side effects, whose every evaluation ends.
//
//	event.type.startsWith("order.") && data.total >= 100
//	has(data.customer) && data.customer.country in ["DE", "AT"]
//	data.items.exists(i, i.sku == "A-1")
//
// The variables are event.type, event.channel and source (the source's id, "" for a publish), texts, and data, the payload parsed as
// JSON. A number without a fraction and an exponent is an integer (as far as 64 bits hold it), any other a floating-point number, and both
// compare with each other. A payload is parsed only where the expression speaks of data.
//
// An expression is at most 1,024 characters, and is refused where it could cost too much on a payload of some size. What an
// evaluation does is counted, and it ends where the count is over the limit: then the event does not match, as with any
// other error.
package filter

import (
	"crypto/sha256"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/hookcast/hookcast/tenants"
)

// Bounds of an expression.
const (
	maxText   = 1024
	maxNodes  = 500    // of the syntax tree, macros expanded
	maxDepth  = 40     // of the syntax tree
	maxRegexp = 100    // instructions of a regular expression (RE2: time is linear in the text)
	maxCost   = 50_000 // of an evaluation, in CEL's units: about as many comparisons
	// maxEstimate is the worst case that an expression may have, by estimate: far above maxCost, since real payloads are small. It
	// refuses what grows with the third power of them.
	maxEstimate = 20_000_000
)

const (
	keepCompiled = time.Hour
	keepParsed   = 5 * time.Second
)

// Filters is a tenants.Filter. What it compiles and parses is kept for a while.
type Filters struct {
	env      *cel.Env
	compiled *tenants.Cache[string, program]
	parsed   *tenants.Cache[[sha256.Size]byte, any] // payloads, since one event meets many endpoints
}

var _ tenants.Filter = (*Filters)(nil)

// New makes a Filters. It fails only where CEL itself has changed.
func New() (*Filters, error) {
	env, err := cel.NewEnv(
		cel.Variable(varType, cel.StringType),
		cel.Variable(varChannel, cel.StringType),
		cel.Variable(varSource, cel.StringType),
		cel.Variable(varData, cel.DynType),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxText),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegexp),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals()),
	)
	if err != nil {
		return nil, err
	}
	return &Filters{
		env:      env,
		compiled: tenants.NewCache[string, program](keepCompiled, 1_000, 0),
		parsed:   tenants.NewCache[[sha256.Size]byte, any](keepParsed, 8, 0),
	}, nil
}

// The variables of an expression.
const (
	varType    = "event.type"
	varChannel = "event.channel"
	varSource  = "source"
	varData    = "data"
)
