package remote

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// CopyToRemote is a copy of a file, a text or a directory on a server.
type CopyToRemote struct{}

// CopyToRemoteInputs say what is copied and where to.
type CopyToRemoteInputs struct {
	Connection *Connection          `pulumi:"connection"        provider:"secret"`
	Triggers   *[]any               `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Source     types.AssetOrArchive `pulumi:"source"`
	RemotePath string               `pulumi:"remotePath"`
}

// CopyToRemoteOutputs are the inputs that the last copy was made with.
type CopyToRemoteOutputs struct {
	CopyToRemoteInputs
}

// Annotate describes the resource.
func (c *CopyToRemote) Annotate(a infer.Annotator) {
	a.Describe(&c, "A copy of a FileAsset, a StringAsset or a FileArchive on a server.")
}

// Annotate describes the inputs.
func (i *CopyToRemoteInputs) Annotate(a infer.Annotator) {
	a.Describe(&i.Connection, "How to reach the server.")
	a.Describe(&i.Triggers, "Values of any type; when one changes the resource is replaced.")
	a.Describe(&i.Source, "What is copied, as it is: an archive is not unpacked, a directory is copied with all in it.")
	a.Describe(&i.RemotePath, "Where the copy goes. Missing directories are made. A file that is there is overwritten; "+
		"a directory that is there gets the copy into it.")
}

// Check refuses what cannot be copied.
func (*CopyToRemote) Check(
	ctx context.Context, req infer.CheckRequest,
) (infer.CheckResponse[CopyToRemoteInputs], error) {
	inputs, failures, err := infer.DefaultCheck[CopyToRemoteInputs](ctx, req.NewInputs)
	if err == nil && len(failures) == 0 && !req.NewInputs.Get("source").HasComputed() {
		failures = inputs.problems()
	}
	return infer.CheckResponse[CopyToRemoteInputs]{Inputs: inputs, Failures: failures}, err
}

func (i CopyToRemoteInputs) problems() []p.CheckFailure {
	asset, archive := i.Source.Asset, i.Source.Archive
	switch {
	case asset == nil && archive == nil:
		return []p.CheckFailure{{Property: "asset", Reason: "either asset or archive must be set"}}
	case asset != nil && !asset.IsPath() && !asset.IsText():
		return []p.CheckFailure{{Property: "asset", Reason: "asset must be a path-based file asset or a text asset"}}
	case archive != nil && !archive.IsPath():
		return []p.CheckFailure{{Property: "archive", Reason: "archive must be a path to a file or directory"}}
	}
	return nil
}

// Create copies.
func (*CopyToRemote) Create(
	ctx context.Context, req infer.CreateRequest[CopyToRemoteInputs],
) (infer.CreateResponse[CopyToRemoteOutputs], error) {
	created := infer.CreateResponse[CopyToRemoteOutputs]{Output: CopyToRemoteOutputs{req.Inputs}}
	if req.DryRun {
		return created, nil
	}
	if err := req.Inputs.copy(ctx); err != nil {
		return created, err
	}
	var err error
	if created.ID, err = resource.NewUniqueHex("", 8, 0); err != nil {
		return created, fmt.Errorf("making an identifier: %w", err)
	}
	return created, nil
}

// Update copies again when the content or the place has changed; another connection alone is no reason to.
func (*CopyToRemote) Update(
	ctx context.Context, req infer.UpdateRequest[CopyToRemoteInputs, CopyToRemoteOutputs],
) (infer.UpdateResponse[CopyToRemoteOutputs], error) {
	updated := infer.UpdateResponse[CopyToRemoteOutputs]{Output: CopyToRemoteOutputs{req.Inputs}}
	if req.DryRun || req.Inputs.hash() == req.State.hash() && req.Inputs.RemotePath == req.State.RemotePath {
		return updated, nil
	}
	return updated, req.Inputs.copy(ctx)
}

func (i CopyToRemoteInputs) hash() string {
	if i.Source.Archive != nil {
		return i.Source.Archive.Hash
	}
	return i.Source.Asset.Hash
}

func (i CopyToRemoteInputs) copy(ctx context.Context) error {
	to, err := connect(ctx, i.Connection)
	if err != nil {
		return err
	}
	defer to.close()
	switch asset := i.Source.Asset; {
	case asset == nil:
		return to.put(i.Source.Archive.Path, i.RemotePath)
	case asset.IsText():
		return to.putText(asset.Text, i.RemotePath)
	default:
		return to.put(asset.Path, i.RemotePath)
	}
}
