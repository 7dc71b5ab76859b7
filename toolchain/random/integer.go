package random

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// RandomInteger is a random whole number in a range.
type RandomInteger struct {
	kept[IntegerArgs, IntegerState]
}

// IntegerArgs are the range, both ends included, and the seed that always gives the same number.
type IntegerArgs struct {
	Keepers map[string]string `pulumi:"keepers,optional"`
	Min     int               `pulumi:"min"`
	Max     int               `pulumi:"max"`
	Seed    *string           `pulumi:"seed,optional"`
}

// IntegerState is the number.
type IntegerState struct {
	IntegerArgs
	Result int `pulumi:"result"`
}

func (a IntegerArgs) plan() any {
	if valueOr(a.Seed, "") == "" {
		a.Seed = nil
	}
	return a
}

func (a IntegerArgs) problems(known func(...string) bool) []p.CheckFailure {
	switch {
	case !known("min", "max"):
		return nil
	case a.Min > a.Max:
		return []p.CheckFailure{{
			Property: "min", Reason: fmt.Sprintf("must not be greater than max, got min %d and max %d", a.Min, a.Max)}}
	case a.Max-a.Min+1 <= 0:
		return []p.CheckFailure{{
			Property: "max", Reason: fmt.Sprintf("the range from %d to %d is too large", a.Min, a.Max)}}
	}
	return nil
}

// Annotate names the resource.
func (r *RandomInteger) Annotate(a infer.Annotator) {
	a.SetToken("index/randomInteger", "RandomInteger")
	a.Describe(&r, "A random whole number in a range, both ends included.")
}

// Create draws the number, which is its own identifier.
func (*RandomInteger) Create(
	_ context.Context, req infer.CreateRequest[IntegerArgs],
) (infer.CreateResponse[IntegerState], error) {
	state := IntegerState{IntegerArgs: req.Inputs.plan().(IntegerArgs)}
	if req.DryRun {
		return infer.CreateResponse[IntegerState]{Output: state}, nil
	}
	state.Result = state.Min + source(state.Seed).Intn(state.Max-state.Min+1)
	return infer.CreateResponse[IntegerState]{ID: strconv.Itoa(state.Result), Output: state}, nil
}

// Read imports "RESULT,MIN,MAX" or "RESULT,MIN,MAX,SEED".
func (*RandomInteger) Read(
	_ context.Context, req infer.ReadRequest[IntegerArgs, IntegerState],
) (infer.ReadResponse[IntegerArgs, IntegerState], error) {
	none := infer.ReadResponse[IntegerArgs, IntegerState]{}
	parts := strings.Split(req.ID, ",")
	if len(parts) != 3 && len(parts) != 4 {
		return none, fmt.Errorf(
			"importing RandomInteger: the identifier must be {result},{min},{max} or {result},{min},{max},{seed}, got %q",
			req.ID)
	}
	var numbers [3]int
	for at, name := range []string{"result", "min", "max"} {
		var err error
		if numbers[at], err = strconv.Atoi(parts[at]); err != nil {
			return none, fmt.Errorf("importing RandomInteger: %s must be a whole number: %w", name, err)
		}
	}
	args := IntegerArgs{Min: numbers[1], Max: numbers[2]}
	if len(parts) == 4 {
		args.Seed = &parts[3]
	}
	return infer.ReadResponse[IntegerArgs, IntegerState]{
		ID: parts[0], Inputs: args, State: IntegerState{IntegerArgs: args, Result: numbers[0]},
	}, nil
}
