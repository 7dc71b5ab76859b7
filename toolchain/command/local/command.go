package local

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"monopco/toolchain/command/lifecycle"
)

// Command is something that a command makes, may change and may take away again.
type Command struct{}

// CommandInputs are the commands and how they run.
type CommandInputs struct {
	lifecycle.Inputs
	ProcessInputs
}

// CommandOutputs are the inputs that the last command ran with, and what it left.
type CommandOutputs struct {
	CommandInputs
	ProcessOutputs
}

// Annotate describes the resource.
func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(&c, "Commands on this machine that run when the resource is created, updated and deleted.")
}

// Create runs the create command.
func (*Command) Create(
	ctx context.Context, req infer.CreateRequest[CommandInputs],
) (infer.CreateResponse[CommandOutputs], error) {
	state := CommandOutputs{CommandInputs: req.Inputs}
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err != nil {
		return infer.CreateResponse[CommandOutputs]{}, fmt.Errorf("making an identifier: %w", err)
	}
	if !req.DryRun && req.Inputs.Create != nil {
		err = state.run(ctx, *req.Inputs.Create)
	}
	return infer.CreateResponse[CommandOutputs]{ID: id, Output: state}, err
}

// Update runs the update command, or the create command if there is none, with the new inputs.
func (*Command) Update(
	ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandOutputs],
) (infer.UpdateResponse[CommandOutputs], error) {
	state := CommandOutputs{CommandInputs: req.Inputs, ProcessOutputs: req.State.ProcessOutputs}
	var err error
	if command := req.Inputs.OnUpdate(); !req.DryRun && command != nil {
		err = state.run(ctx, *command)
	}
	return infer.UpdateResponse[CommandOutputs]{Output: state}, err
}

// Delete runs the delete command with the inputs that the resource has in the state.
func (*Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandOutputs]) (infer.DeleteResponse, error) {
	if req.State.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	return infer.DeleteResponse{}, req.State.run(ctx, *req.State.Delete)
}

func (o *CommandOutputs) run(ctx context.Context, command string) error {
	outputs, err := run(ctx, command, o.ProcessInputs, o.ProcessOutputs)
	if err != nil {
		return err
	}
	o.ProcessOutputs = outputs
	return nil
}
