package remote

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"monopco/toolchain/command/lifecycle"
)

// Command is something on a server that a command makes, may change and may take away again.
type Command struct{}

// CommandInputs are the commands, how they run and where.
type CommandInputs struct {
	lifecycle.Inputs
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
	Connection             *Connection       `pulumi:"connection"                      provider:"secret"`
	Environment            map[string]string `pulumi:"environment,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

// CommandOutputs are the inputs that the last command ran with, and what it wrote.
type CommandOutputs struct {
	CommandInputs
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Annotate describes the resource.
func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(&c, "Commands on a server that run when the resource is created, updated and deleted.")
}

// Annotate describes the inputs.
func (i *CommandInputs) Annotate(a infer.Annotator) {
	a.Describe(&i.Stdin, "What the command reads from its standard input.")
	a.Describe(&i.Logging, "Which of the command's streams are shown while it runs; both when not given. "+
		"The outputs stdout and stderr are set in any case.")
	a.Describe(&i.Connection, "How to reach the server.")
	a.Describe(&i.Environment, "Environment variables for the command. The server must accept them: AcceptEnv in "+
		"sshd_config. Where it does not, write them into the command or onto its standard input.")
	a.Describe(&i.AddPreviousOutputInEnv, "Whether PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR are set to what "+
		"the last create or update command wrote, where the server accepts that; true when not given.")
}

// Annotate describes the outputs.
func (o *CommandOutputs) Annotate(a infer.Annotator) {
	a.Describe(&o.Stdout, "What the command wrote to its standard output.")
	a.Describe(&o.Stderr, "What the command wrote to its standard error.")
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
	state := CommandOutputs{CommandInputs: req.Inputs, Stdout: req.State.Stdout, Stderr: req.State.Stderr}
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
