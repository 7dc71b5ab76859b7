package random

import (
	"context"
	"errors"
	"strings"

	petname "github.com/dustinkirkland/golang-petname"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// RandomPet is a name such as "mighty-walrus".
type RandomPet struct {
	kept[PetArgs, PetState]
}

// PetArgs say of how many words a name is made and how they are joined.
type PetArgs struct {
	Keepers   map[string]string `pulumi:"keepers,optional"`
	Length    *int              `pulumi:"length,optional"`
	Prefix    *string           `pulumi:"prefix,optional"`
	Separator *string           `pulumi:"separator,optional"`
}

// PetState is what the name is made of; the name itself is the resource's identifier.
type PetState struct {
	Keepers   map[string]string `pulumi:"keepers,optional"`
	Length    int               `pulumi:"length"`
	Prefix    *string           `pulumi:"prefix,optional"`
	Separator string            `pulumi:"separator"`
}

func (a PetArgs) state() PetState {
	state := PetState{
		Keepers: a.Keepers, Length: valueOr(a.Length, 2), Prefix: a.Prefix, Separator: valueOr(a.Separator, "-"),
	}
	if valueOr(a.Prefix, "") == "" {
		state.Prefix = nil
	}
	return state
}

func (a PetArgs) plan() any { return a.state() }

func (a PetArgs) problems(func(...string) bool) []p.CheckFailure { return nil }

// Annotate names the resource.
func (r *RandomPet) Annotate(a infer.Annotator) {
	a.SetToken("index/randomPet", "RandomPet")
	a.Describe(&r, "A random name that people can remember; the name is the resource's identifier.")
}

// Create makes the name.
func (*RandomPet) Create(
	_ context.Context, req infer.CreateRequest[PetArgs],
) (infer.CreateResponse[PetState], error) {
	state := req.Inputs.state()
	if req.DryRun {
		return infer.CreateResponse[PetState]{Output: state}, nil
	}
	name := strings.ToLower(petname.New(source(nil)).Generate(state.Length, state.Separator))
	if state.Prefix != nil {
		name = *state.Prefix + state.Separator + name
	}
	return infer.CreateResponse[PetState]{ID: name, Output: state}, nil
}

// Read refuses an import, as the official plugin does.
func (*RandomPet) Read(
	context.Context, infer.ReadRequest[PetArgs, PetState],
) (infer.ReadResponse[PetArgs, PetState], error) {
	return infer.ReadResponse[PetArgs, PetState]{}, errors.New("RandomPet cannot be imported")
}
