// Package lifecycle says which command runs at which moment of a resource's life.
package lifecycle

import "github.com/pulumi/pulumi-go-provider/infer"

// Inputs are the commands of a resource, and the values whose change makes it anew.
type Inputs struct {
	Triggers *[]any  `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
}

// Annotate describes the inputs.
func (i *Inputs) Annotate(a infer.Annotator) {
	a.Describe(&i.Triggers, "Values of any type; when one changes the resource is replaced.")
	a.Describe(&i.Create, "The command that runs when the resource is created, and when it is updated if there is "+
		"no update command.")
	a.Describe(&i.Update, "The command that runs when an input changes. PULUMI_COMMAND_STDOUT and "+
		"PULUMI_COMMAND_STDERR are what the last create or update command wrote.")
	a.Describe(&i.Delete, "The command that runs when the resource is deleted, with the inputs it had. "+
		"PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR are what the last create or update command wrote.")
}

// OnUpdate is the command that runs when an input has changed; nil if there is none.
func (i Inputs) OnUpdate() *string {
	if i.Update != nil {
		return i.Update
	}
	return i.Create
}
