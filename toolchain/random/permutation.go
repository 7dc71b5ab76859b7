package random

import (
	"context"
	"errors"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// RandomShuffle is a list in an order that chance decides.
type RandomShuffle struct {
	kept[ShuffleArgs, ShuffleState]
}

// ShuffleArgs are the list, how many of it are wanted (all when not given; more than there are repeats them,
// none more often than another by more than once) and the seed that always gives the same order.
type ShuffleArgs struct {
	Keepers     map[string]string `pulumi:"keepers,optional"`
	Seed        *string           `pulumi:"seed,optional"`
	Inputs      []string          `pulumi:"inputs"`
	ResultCount *int              `pulumi:"resultCount,optional"`
}

// ShuffleState is the shuffled list.
type ShuffleState struct {
	ShuffleArgs
	Results []string `pulumi:"results"`
}

func (a ShuffleArgs) plan() any { return a }

func (a ShuffleArgs) problems(known func(...string) bool) []p.CheckFailure {
	if !known("resultCount") {
		return nil
	}
	return atLeast("resultCount", 0, valueOr(a.ResultCount, 0))
}

// Annotate names the resource.
func (r *RandomShuffle) Annotate(a infer.Annotator) {
	a.SetToken("index/randomShuffle", "RandomShuffle")
	a.Describe(&r, "A list of texts in a random order.")
}

// Create shuffles the list.
func (*RandomShuffle) Create(
	_ context.Context, req infer.CreateRequest[ShuffleArgs],
) (infer.CreateResponse[ShuffleState], error) {
	state := ShuffleState{ShuffleArgs: req.Inputs, Results: []string{}}
	if !req.DryRun {
		state.Results = req.Inputs.shuffled()
	}
	return infer.CreateResponse[ShuffleState]{ID: "-", Output: state}, nil
}

// shuffled deals out one permutation after the other until there are enough.
func (a ShuffleArgs) shuffled() []string {
	wanted := valueOr(a.ResultCount, len(a.Inputs))
	dealt := []string{}
	for numbers := source(a.Seed); len(a.Inputs) > 0 && len(dealt) < wanted; {
		for _, at := range numbers.Perm(len(a.Inputs)) {
			dealt = append(dealt, a.Inputs[at])
		}
	}
	return dealt[:min(wanted, len(dealt))]
}

// Read refuses an import, as the official plugin does.
func (*RandomShuffle) Read(
	context.Context, infer.ReadRequest[ShuffleArgs, ShuffleState],
) (infer.ReadResponse[ShuffleArgs, ShuffleState], error) {
	return infer.ReadResponse[ShuffleArgs, ShuffleState]{}, errors.New("RandomShuffle cannot be imported")
}
