package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	opametrics "github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"drawbridge.dev/events"
)

// entryPoint is the rule that a bundle must have.
const entryPoint = "data.drawbridge.decision"

// Engine evaluates one bundle. It needs no bus and is safe for concurrent use.
type Engine struct {
	ref     events.PolicyRef
	timeout time.Duration
	query   rego.PreparedEvalQuery
	broken  error // why there is no query; every wish is denied then
}

// NewEngine reads, compiles and prepares the bundle of c.Bundle. The error says
// which file and line does not compile.
func NewEngine(ctx context.Context, c Config) (*Engine, error) {
	s, err := readSource(c.Bundle)
	if err != nil {
		return nil, err
	}
	return prepare(ctx, s, c.Defaults().Timeout)
}

// brokenEngine stands where no bundle could be loaded.
func brokenEngine(c Config) *Engine {
	name := c.Bundle
	if name == "" {
		name = embeddedName
	}
	return &Engine{ref: events.PolicyRef{Bundle: name}, broken: errors.New(
		"no usable bundle is loaded: have the bundle repaired (the policy service's log names file and line)")}
}

// Policy names the bundle that the engine evaluates.
func (e *Engine) Policy() events.PolicyRef { return e.ref }

func prepare(ctx context.Context, s source, timeout time.Duration) (*Engine, error) {
	fail := func(err error) (*Engine, error) {
		return nil, fmt.Errorf("policy.bundle %q does not compile: %w", s.ref.Bundle, err)
	}
	store := inmem.NewFromObjectWithOpts(s.data, inmem.OptReturnASTValuesOnRead(true))
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return fail(err)
	}
	defer store.Abort(ctx, txn)
	compiler := ast.NewCompiler().WithCapabilities(capabilities()).
		WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn))
	if compiler.Compile(s.modules); compiler.Failed() {
		return fail(compiler.Errors)
	}
	if len(compiler.GetRulesExact(ast.MustParseRef(entryPoint))) == 0 {
		return fail(fmt.Errorf("it has no rule %s", entryPoint))
	}
	// A built-in function that fails must not turn into "undefined": a rule
	// that denies would be passed over.
	query, err := rego.New(rego.Query(entryPoint), rego.Compiler(compiler), rego.Store(store),
		rego.Transaction(txn), rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
	if err != nil {
		return fail(err)
	}
	return &Engine{ref: s.ref, timeout: timeout, query: query}, nil
}

// capabilities are OPA's without the built-in functions that answer
// differently each time (the network, the clock, random numbers): a decision
// follows from the bundle and the input document alone.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return b.Nondeterministic })
	c.AllowNet = []string{}
	return c
}

// evaluate asks the bundle. An error means that there is no answer.
func (e *Engine) evaluate(ctx context.Context, in Input) (answer, error) {
	if e.broken != nil {
		return answer{}, e.broken
	}
	limited, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	set, err := e.query.Eval(limited, rego.EvalParsedInput(in.value()), rego.EvalMetrics(opametrics.NoOp()))
	switch {
	case limited.Err() != nil && ctx.Err() == nil:
		return answer{}, fmt.Errorf("no answer within %s: have the bundle's rules made cheaper, or policy.timeout raised", e.timeout)
	case err != nil:
		return answer{}, err
	case len(set) != 1 || len(set[0].Expressions) != 1:
		return answer{}, fmt.Errorf("%s is undefined for this wish: have the bundle give a decision for every input", entryPoint)
	}
	a, err := parseAnswer(set[0].Expressions[0].Value)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", entryPoint, err)
	}
	return a, nil
}
