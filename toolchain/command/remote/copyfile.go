package remote

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// CopyFile is a copy of a local file on a server; CopyToRemote has taken its place.
type CopyFile struct{}

// CopyFileInputs say which file is copied and where to.
type CopyFileInputs struct {
	Connection *Connection `pulumi:"connection"        provider:"secret"`
	Triggers   *[]any      `pulumi:"triggers,optional"`
	LocalPath  string      `pulumi:"localPath"`
	RemotePath string      `pulumi:"remotePath"`
}

// CopyFileOutputs are the inputs that the copy was made with.
type CopyFileOutputs struct {
	CopyFileInputs
}

// Annotate describes the resource.
func (c *CopyFile) Annotate(a infer.Annotator) {
	a.Describe(&c, "A copy of a local file on a server.")
	a.Deprecate(&c, "This resource is deprecated and will be removed in a future release. "+
		"Please use the `CopyToRemote` resource instead.")
}

// Annotate describes the inputs.
func (i *CopyFileInputs) Annotate(a infer.Annotator) {
	a.Describe(&i.Connection, "How to reach the server.")
	a.Describe(&i.Triggers, "Values of any type; when one changes the resource is replaced.")
	a.Describe(&i.LocalPath, "The file to copy.")
	a.Describe(&i.RemotePath, "The path of the copy.")
}

// Create copies. There is no Update: every change makes the copy anew.
func (*CopyFile) Create(
	ctx context.Context, req infer.CreateRequest[CopyFileInputs],
) (infer.CreateResponse[CopyFileOutputs], error) {
	created := infer.CreateResponse[CopyFileOutputs]{Output: CopyFileOutputs{req.Inputs}}
	if req.DryRun {
		return created, nil
	}
	to, err := connect(ctx, req.Inputs.Connection)
	if err != nil {
		return created, err
	}
	defer to.close()
	if err := to.putFile(req.Inputs.LocalPath, req.Inputs.RemotePath); err != nil {
		return created, err
	}
	if created.ID, err = resource.NewUniqueHex("", 8, 0); err != nil {
		return created, fmt.Errorf("making an identifier: %w", err)
	}
	return created, nil
}
