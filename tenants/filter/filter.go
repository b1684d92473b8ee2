// Package filter evaluates a tenant's expression to decide whether an endpoint receives an event. It is the only
// package that uses CEL, the Common Expression Language (https://cel.dev): a language without loops and side effects,
// whose evaluation always ends.
//
//	event.type.startsWith("order.") && data.total >= 100
//	has(data.customer) && data.customer.country in ["DE", "AT"]
//	data.items.exists(i, i.sku == "A-1")
//
// The variables are event.type, event.channel and source (the source's id, "" for a published event), which are
// texts, and data, the payload parsed as JSON. A number without a fraction or an exponent is an integer if 64 bits
// hold it, any other is a floating-point number, and the two compare with each other. A payload is parsed only if the
// expression uses data.
//
// An expression has at most 1,024 characters, and is refused if it could cost too much on a large payload. The cost
// of an evaluation is limited too: beyond the limit the event does not match, as after any other error.
package filter

import (
	"crypto/sha256"
	"time"

	"cel.dev/cel-go/cel"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
)

// Upper bounds of an expression.
const (
	maxText   = 1024
	maxNodes  = 500    // of the syntax tree, after expanding macros
	maxDepth  = 40     // of the syntax tree
	maxRegexp = 100    // instructions of a regular expression (RE2, whose time is linear in the text)
	maxCost   = 50_000 // of an evaluation, in CEL's units of about one comparison
	// maxEstimate bounds the estimated worst case. It is far above maxCost, because real payloads are small, and
	// excludes cost that grows with the cube of their size.
	maxEstimate = 20_000_000
)

const (
	keepCompiled = time.Hour
	keepParsed   = 5 * time.Second
)

// Filters implements tenants.Filter. It caches compiled expressions and parsed payloads.
type Filters struct {
	env      *cel.Env
	compiled *cache.Cache[string, program]
	parsed   *cache.Cache[[sha256.Size]byte, any] // payloads, because one event meets many endpoints
}

var _ tenants.Filter = (*Filters)(nil)

// New returns a Filters. It fails only if CEL itself has changed.
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
		compiled: cache.New[string, program](keepCompiled, 1_000, 0),
		parsed:   cache.New[[sha256.Size]byte, any](keepParsed, 8, 0),
	}, nil
}

// The variables of an expression.
const (
	varType    = "event.type"
	varChannel = "event.channel"
	varSource  = "source"
	varData    = "data"
)
