package random

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// RandomString is a random text that everybody may see.
type RandomString struct {
	kept[CharactersArgs, StringState]
}

// StringState is a text and what it is made of.
type StringState struct {
	Characters
	Result string `pulumi:"result"`
}

// Annotate names the resource.
func (r *RandomString) Annotate(a infer.Annotator) {
	a.SetToken("index/randomString", "RandomString")
	a.Describe(&r, "A random text that is not secret. Use RandomPassword for one that is.")
}

// Create makes the text, which is its own identifier.
func (*RandomString) Create(
	_ context.Context, req infer.CreateRequest[CharactersArgs],
) (infer.CreateResponse[StringState], error) {
	state := StringState{Characters: req.Inputs.characters()}
	if req.DryRun {
		return infer.CreateResponse[StringState]{Output: state}, nil
	}
	var err error
	state.Result, err = state.text()
	return infer.CreateResponse[StringState]{ID: state.Result, Output: state}, err
}

// Read imports the text that is given as the identifier.
func (*RandomString) Read(
	_ context.Context, req infer.ReadRequest[CharactersArgs, StringState],
) (infer.ReadResponse[CharactersArgs, StringState], error) {
	args := textArgs(req.ID)
	return infer.ReadResponse[CharactersArgs, StringState]{
		ID: req.ID, Inputs: args, State: StringState{Characters: args.characters(), Result: req.ID},
	}, nil
}

// Update keeps the text: it is only called for a change that does not ask for another one.
func (*RandomString) Update(
	_ context.Context, req infer.UpdateRequest[CharactersArgs, StringState],
) (infer.UpdateResponse[StringState], error) {
	req.State.Characters = req.Inputs.characters()
	return infer.UpdateResponse[StringState]{Output: req.State}, nil
}
