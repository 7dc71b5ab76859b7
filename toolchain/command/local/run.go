package local

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Run is a function that runs a command whenever it is called.
type Run struct{}

// RunInputs are the command and how it runs.
type RunInputs struct {
	ProcessInputs
	Command string `pulumi:"command"`
}

// RunOutputs are the inputs and what the command left.
type RunOutputs struct {
	RunInputs
	ProcessOutputs
}

// Annotate describes the function.
func (r *Run) Annotate(a infer.Annotator) {
	a.Describe(&r, "Runs a command on this machine, in every preview and every deployment. "+
		"For a command that runs when something changes use Command.")
}

// Annotate describes the inputs.
func (i *RunInputs) Annotate(a infer.Annotator) {
	a.Describe(&i.Command, "The command to run.")
}

// Invoke runs the command.
func (*Run) Invoke(
	ctx context.Context, req infer.FunctionRequest[RunInputs],
) (infer.FunctionResponse[RunOutputs], error) {
	outputs, err := run(ctx, req.Input.Command, req.Input.ProcessInputs, ProcessOutputs{})
	return infer.FunctionResponse[RunOutputs]{Output: RunOutputs{RunInputs: req.Input, ProcessOutputs: outputs}}, err
}
